#include "analysis/adaptation/own_profile.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <type_traits>

#include "models/profile_constants.hpp"

namespace trainyard {
namespace {

std::string attention_text(const AttentionModel& model) {
  if (model.head_widths.empty())
    return fmt::format("[{:.6g}, {:.6g}, {:.6g}]", model.efficiency, model.key_overhead, model.tail);
  std::string widths;
  for (const HeadWidth& w : model.head_widths)
    widths += fmt::format("{}[{:.6g}, {:.6g}]", widths.empty() ? "" : ", ", w.columns, w.relative);
  return fmt::format("{{efficiency: {:.6g}, key_overhead: {:.6g}, tail: {:.6g}, head_widths: [{}]}}", model.efficiency,
                     model.key_overhead, model.tail, widths);
}

// The value as profiles write it; nothing for members that are never adapted.
template <class Member>
std::optional<std::string> value_text(const Member& member) {
  if constexpr (std::is_same_v<Member, double>) return fmt::format("{:.6g}", member);
  if constexpr (std::is_same_v<Member, Seconds>) return fmt::format("{:.6g}us", member.value * 1e6);
  if constexpr (std::is_same_v<Member, AttentionModel>) return attention_text(member);
  return std::nullopt;
}

template <class Part>
std::map<std::string, std::string> values_of(Part part) {
  std::map<std::string, std::string> values;
  visit_constants(part, [&](const char* key, const auto& member) {
    if (const std::optional<std::string> text = value_text(member)) values[key] = *text;
  });
  return values;
}

// A text that YAML takes as it is.
std::string quoted(const std::string& text) {
  std::string safe = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') safe += '\\';
    safe += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return safe + '"';
}

const OwnConstant* behind(const OwnRuns& result, const Provenance& p, ProfilePart part) {
  const auto found = std::find_if(result.constants.begin(), result.constants.end(), [&](const OwnConstant& c) {
    if (c.constant.id.part != part || c.constant.id.set_by != p.set_by) return false;
    const auto entry = std::find_if(adaptable_names().begin(), adaptable_names().end(), [&](const AdaptableName& n) {
      return n.part == part && n.name == c.constant.id.constant;
    });
    return entry != adaptable_names().end() &&
           std::find(entry->members.begin(), entry->members.end(), p.constant) != entry->members.end();
  });
  return found == result.constants.end() ? nullptr : &*found;
}

template <class Part>
std::string part_yaml(const Part& before, const Part& after, ProfilePart kind, const OwnRuns& result,
                      const std::string& title, const std::string& origin) {
  std::map<std::string, std::string> old = values_of(before), now = values_of(after);
  std::string lines;
  for (const Provenance& p : before.provenance) {
    if (old[p.constant] == now[p.constant]) continue;
    const OwnConstant* learnt = behind(result, p, kind);
    lines += fmt::format("      {}: {{value: {}, source: {}, sources: {}, spread: {:.3g}}}\n", p.constant,
                         now[p.constant], quoted(fmt::format("{}; before {}: {}", origin, p.value, p.source)),
                         p.sources + 1, learnt != nullptr ? learnt->posterior : p.spread);
  }
  if (lines.empty()) return {};
  return fmt::format("  - kind: {}\n    name: {}\n    inherits: {}\n    constants:\n{}", name(kind),
                     quoted(fmt::format("{}-{}", title, name(kind))), quoted(before.name), lines);
}

}  // namespace

Profile adapted_profile(Profile profile, const OwnRuns& result) {
  for (const OwnConstant& constant : result.constants)
    if (constant.adapted != 0.0) {
      const std::vector<AdaptableConstant> own = adaptable_constants(profile);
      const bool has =
          std::any_of(own.begin(), own.end(), [&](const AdaptableConstant& c) { return c.id == constant.constant.id; });
      if (has) scale_constant(profile, constant.constant.id, std::exp(constant.adapted));
    }
  return profile;
}

std::string own_profile_yaml(const Profile& shipped, const OwnRuns& result, const std::string& title,
                             const std::string& origin) {
  const Profile now = adapted_profile(shipped, result);
  const std::string parts = part_yaml(shipped.device, now.device, ProfilePart::device, result, title, origin) +
                            part_yaml(shipped.network, now.network, ProfilePart::network, result, title, origin) +
                            part_yaml(shipped.stack, now.stack, ProfilePart::stack, result, title, origin);
  return fmt::format("# {} with {}, {} and {}.\nkind: profile\nparts:{}{}", quoted(origin), shipped.device.name,
                     shipped.network.name, shipped.stack.name, parts.empty() ? " []\n" : "\n", parts);
}

}  // namespace trainyard
