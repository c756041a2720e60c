#include <fmt/format.h>

#include <algorithm>

#include "app/command.h"
#include "core/error.h"
#include "reference/backend.h"
#include "reference/blas.h"

namespace photon {

std::vector<Command>& commands() {
  static std::vector<Command> all;
  return all;
}

const BackendRegistry& backends() {
  static const BackendRegistry registry = [] {
    BackendRegistry r;
    reference::add_backend(r);
    return r;
  }();
  return registry;
}

}  // namespace photon

int main(int argc, char** argv) {
  photon::reference::use_best_blas(argv);
  CLI::App app{"PHOTON, Block Transformer and vanilla language models: train, generate, measure, compare",
               "photon"};
  app.require_subcommand(1);
  auto list = photon::commands();
  std::stable_sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.rank < b.rank; });
  for (const auto& command : list) command.setup(app);
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& e) {
    const int code = app.exit(e);
    return code == 0 ? 0 : 2;
  } catch (const photon::UsageError& e) {
    fmt::print(stderr, "photon: {}\n", e.what());
    return 2;
  } catch (const std::exception& e) {
    fmt::print(stderr, "photon: {}\n", e.what());
    return 1;
  }
}
