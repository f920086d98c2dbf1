#include <wengert/io/safetensors.h>
#include <wengert/nn/save.h>

namespace wengert::nn {

void save(const Module& module, const std::string& path) { save_safetensors(path, module.state_dict()); }

void load(Module& module, const std::string& path) {
  const StateDict state = load_safetensors(path);
  try {
    module.load_state_dict(state);
  } catch (const Error& error) {
    fail<Error>("load: '{}': {}", path, error.what());
  }
}

}  // namespace wengert::nn
