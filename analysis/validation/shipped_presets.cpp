#include "analysis/validation/shipped_presets.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "models/model_config.hpp"
#include "models/profile_yaml.hpp"
#include "sim/base/scenario_files.hpp"
#include "topology/cluster_yaml.hpp"

namespace trainyard {
namespace {

bool exists(std::string_view folder, const std::string& name) {
  const std::vector<std::string> names = scenario_names(folder);
  return std::binary_search(names.begin(), names.end(), name);
}

// The function with its answers remembered.
template <class Answer, class... Words>
std::function<std::optional<Answer>(const Words&...)> remembered(
    std::type_identity_t<std::function<std::optional<Answer>(const Words&...)>> ask) {
  const auto known = std::make_shared<std::map<std::tuple<Words...>, std::optional<Answer>>>();
  return [known, ask = std::move(ask)](const Words&... words) {
    const auto key = std::make_tuple(words...);
    const auto found = known->find(key);
    return found != known->end() ? found->second : known->emplace(key, ask(words...)).first->second;
  };
}

std::optional<ModelShape> model_named(const std::string& name) {
  if (!exists("models", name)) return std::nullopt;
  return load_model(name).shape;
}

std::optional<Cluster> cluster_named(const std::string& name) {
  if (!exists("clusters", name)) return std::nullopt;
  return read_cluster_file(name);
}

std::optional<Profile> profile_named(const std::string& device, const std::string& network, const std::string& stack,
                                     const std::optional<std::string>& file) {
  if (!exists("profiles/devices", device) || !exists("profiles/stacks", stack)) return std::nullopt;
  if (!network.empty() && !exists("profiles/networks", network)) return std::nullopt;
  Profile profile = load_profile(device, network, stack);
  return file ? with_profile_file(std::move(profile), *file) : std::move(profile);
}

}  // namespace

Presets shipped_presets(const std::optional<std::string>& profile_file) {
  using Word = std::string;
  return {.model = remembered<ModelShape, Word>(model_named),
          .cluster = remembered<Cluster, Word>(cluster_named),
          .profile = remembered<Profile, Word, Word, Word>(
              [profile_file](const Word& device, const Word& network, const Word& stack) {
                return profile_named(device, network, stack, profile_file);
              })};
}

}  // namespace trainyard
