#include "tests/op_cases/rows.h"

namespace wengert::test {

void add_random(Table& t) {
  t.push_back({.name = "rand",
               .f =
                   [](In) {
                     Generator generator(7);
                     return rand({300, 400}, float32, generator);
                   },
               .gradient = false,
               .error_prefix = "-"});
  t.push_back({.name = "randn",
               .f =
                   [](In) {
                     Generator generator(7);
                     return randn({300, 400}, float32, generator);
                   },
               .gradient = false,
               .error_prefix = "-"});
  t.push_back({.name = "dropout",
               .inputs = {nonzero({4, 5})},
               .f =
                   [](In in) {
                     Generator generator(7);
                     return dropout(in[0], 0.25, true, generator);
                   },
               .big = {{300, 400}},
               .empty = {{0, 3}}});
}

}  // namespace wengert::test
