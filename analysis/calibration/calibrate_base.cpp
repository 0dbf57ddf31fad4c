#include "analysis/calibration/calibrate_base.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include "sim/base/scenario_files.hpp"

namespace trainyard {
namespace {

using Words = std::vector<std::string>;

Words words_of_name(const std::string& name) {
  Words words;
  bool open = false;
  for (const char c : name) {
    const bool part = std::isalnum(static_cast<unsigned char>(c)) != 0;
    if (part && !open) words.emplace_back();
    if (part) words.back() += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    open = part;
  }
  return words;
}

// SXM without its number: profiles say sxm or sxm2, drivers SXM2, SXM4 or nothing.
std::string form_in(const Words& words) {
  for (const std::string& word : words)
    for (const std::string_view form : {"pcie", "nvl", "sxm"})
      if (word.starts_with(form)) return std::string(form);
  return {};
}

std::optional<int> gigabytes_in(const Words& words) {
  for (const std::string& word : words) {
    const std::size_t digits = word.find_first_not_of("0123456789");
    if (digits > 0 && digits <= 4 && word.substr(digits == std::string::npos ? 0 : digits) == "gb")
      return std::stoi(word.substr(0, digits));
  }
  return std::nullopt;
}

bool agree(const Words& device, Bytes memory, const std::string& profile) {
  const Words words = words_of_name(profile);
  if (words.empty() || std::find(device.begin(), device.end(), words.front()) == device.end()) return false;
  const std::string form = form_in(device), profile_form = form_in(words);
  if (form.empty() ? profile_form == "pcie" || profile_form == "nvl" : form != profile_form) return false;
  const std::optional<int> size = gigabytes_in(device), profile_size = gigabytes_in(words);
  if (size && profile_size && *size != *profile_size) return false;
  // The driver reports a few percent less or more than the name's round number, in units of 2^30.
  constexpr double tolerance = 0.12;
  const double reported = memory.value / 1e9;
  return size || !profile_size || reported <= 0 ||
         (reported > *profile_size * (1 - tolerance) && reported < *profile_size * (1 + tolerance));
}

// GPUs that are sold as racks of one NVLink domain, by the driver's names or those of profiles: GB200, gb300-...
bool is_of_rack(const std::string& name) {
  const Words words = words_of_name(name);
  return std::any_of(words.begin(), words.end(), [](const std::string& word) {
    return word.size() > 2 && word.starts_with("gb") && std::isdigit(static_cast<unsigned char>(word[2])) != 0;
  });
}

}  // namespace

std::string profile_of_device(const std::string& device, Bytes memory, const std::vector<std::string>& profiles) {
  std::string found;
  for (const std::string& profile : profiles) {
    if (device == profile) return profile;
    if (!agree(words_of_name(device), memory, profile)) continue;
    if (!found.empty()) return {};
    found = profile;
  }
  return found;
}

std::string base_profile_for(const Measurements& measured, const std::string& device) {
  const std::vector<std::string> profiles = scenario_names("profiles/devices");
  std::string name = device;
  Bytes memory;
  for (const MeasuredMachine& machine : measured.machines)
    if (!machine.device.empty()) {
      name = machine.device;
      memory = machine.memory;
      break;
    }
  const std::string found = profile_of_device(name, memory, profiles);
  if (found.empty())
    throw InputError({},
                     name.empty() ? "the measurements do not say which GPU they are of"
                                  : fmt::format("no single device profile belongs to '{}'", name),
                     fmt::format("say which to start from: --base {}", fmt::join(profiles, " | ")));
  return found;
}

void require_known_nodes(const std::vector<CollectiveSample>& samples, const DeviceProfile& base) {
  constexpr int ranks_of_node = 8, ranks_of_rack = 72;
  for (const CollectiveSample& s : samples) {
    const int most = is_of_rack(base.name) || is_of_rack(s.device) ? ranks_of_rack : ranks_of_node;
    if (!s.nodes_known && s.ranks > most)
      throw InputError(s.where,
                       fmt::format("nothing says over how many nodes the {} ranks lie, and {} are more than one has",
                                   s.ranks, s.ranks),
                       "say it with --nodes N; 1 for hosts that share one NVLink domain");
  }
}

std::string other_gpu_note(const Measurements& measured, const std::string& base) {
  const std::vector<std::string> profiles = scenario_names("profiles/devices");
  if (std::find(profiles.begin(), profiles.end(), base) == profiles.end()) return {};
  for (const MeasuredMachine& machine : measured.machines) {
    const std::string own = profile_of_device(machine.device, machine.memory, profiles);
    if (!own.empty() && own != base)
      return fmt::format("the measurements are of '{}', whose profile is {}; what they do not tell stays that of {}",
                         machine.device, own, base);
  }
  return {};
}

}  // namespace trainyard
