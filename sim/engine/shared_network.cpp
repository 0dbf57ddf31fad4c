#include "sim/engine/shared_network.hpp"

#include <dlfcn.h>

#include <cmath>
#include <filesystem>

#include "sim/engine/simgrid_module.hpp"

namespace trainyard {
namespace {

using Maker = decltype(&trainyard_simgrid_network);

bool usable(double x) { return std::isfinite(x) && x > 0; }

void check(std::span<const double> capacities, std::span<const FlowClass> classes) {
  for (const double c : capacities)
    if (!usable(c)) throw std::invalid_argument("a link's capacity is a positive, finite number");
  for (const FlowClass& flow : classes) {
    if (flow.links.empty()) throw std::invalid_argument("a flow crosses at least one link");
    if (!usable(flow.weight)) throw std::invalid_argument("a flow's weight is a positive, finite number");
    if (flow.cap != 0 && !usable(flow.cap)) throw std::invalid_argument("a flow's cap is 0 or positive and finite");
    for (const int l : flow.links)
      if (l < 0 || static_cast<std::size_t>(l) >= capacities.size())
        throw std::invalid_argument("a flow names a link that does not exist");
  }
}

// Beside the program, beside its libraries, or where it was built.
std::vector<std::string> module_paths() {
  std::vector<std::string> paths;
  std::error_code none;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", none);
  if (!none) {
    paths.push_back(self.parent_path() / "libtrainyard_simgrid.so");
    paths.push_back(self.parent_path().parent_path() / "lib" / "trainyard" / "libtrainyard_simgrid.so");
  }
  paths.emplace_back(TRAINYARD_SIMGRID_MODULE);
  return paths;
}

Maker load_maker() {
  std::string problem;
  for (const std::string& path : module_paths()) {
    if (!std::filesystem::exists(path)) continue;
    // Never closed: SimGrid does not survive it.
    if (void* module = dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL); module != nullptr)
      if (void* symbol = dlsym(module, "trainyard_simgrid_network"); symbol != nullptr)
        return reinterpret_cast<Maker>(symbol);
    if (const char* text = dlerror(); text != nullptr) problem = text;
  }
  throw NetworkError("the fluid engine needs the SimGrid module libtrainyard_simgrid.so" +
                     (problem.empty() ? std::string(", which is not there") : ": " + problem));
}

}  // namespace

std::unique_ptr<SharedNetwork> simgrid_network(std::span<const double> capacities, std::span<const FlowClass> classes) {
  check(capacities, classes);
  static const Maker make = load_maker();
  return std::unique_ptr<SharedNetwork>(make(capacities, classes));
}

}  // namespace trainyard
