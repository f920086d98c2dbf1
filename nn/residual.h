#pragma once

#include <optional>
#include <type_traits>
#include <utility>

#include <wengert/nn/sequential.h>

namespace wengert::nn {

/// body(x) + x (He, Zhang, Ren and Sun, Deep residual learning for image recognition, 2016), or body(x) + shortcut(x)
/// where the shapes differ:
/// \code
///   Residual(Sequential{Conv2d(8, 16, 3, {.stride = 2, .padding = 1}), BatchNorm2d(16)},
///            Conv2d(8, 16, 1, {.stride = 2}));
/// \endcode
class Residual : public Module {
 public:
  template <class M>
    requires(std::derived_from<std::remove_cvref_t<M>, Module> &&
             // One Residual alone is copied or moved, not put inside.
             !std::derived_from<std::remove_cvref_t<M>, Residual>)
  explicit Residual(M&& body) : body_(std::forward<M>(body)) {}
  template <class M, class S>
    requires(std::derived_from<std::remove_cvref_t<M>, Module> && std::derived_from<std::remove_cvref_t<S>, Module>)
  Residual(M&& body, S&& shortcut) : body_(std::forward<M>(body)), shortcut_(std::forward<S>(shortcut)) {}

  Module& body() { return *body_; }

  /// Throws ShapeError unless both terms have one shape.
  Tensor forward(const Tensor& x) const override;
  /// "body" and "shortcut".
  void visit(Visitor& v) override;

 private:
  AnyModule body_;
  std::optional<AnyModule> shortcut_;
};

}  // namespace wengert::nn
