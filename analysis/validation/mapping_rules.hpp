// How the words of published tables ("DGX-A100-80GB-SXM (Selene)", "8x200Gb HDR IB", "Megatron-LM v2.x") name our
// clusters, networks and software stacks. The rules are data: scenarios/published/hardware.yaml and software.yaml,
// whose comments explain the keys. Patterns are regular expressions, matched anywhere and without regard to case; of a
// list of rules the first that matches decides.
#pragma once

#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/validation/run_table.hpp"
#include "models/profile.hpp"
#include "models/training_choices.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

class TextPattern {
 public:
  explicit TextPattern(const std::string& expression);  // std::regex_error if it is none
  bool matches(std::string_view text) const;

 private:
  std::regex regex_;
};

struct ClusterRule {
  TextPattern hardware;
  std::optional<TextPattern> network;
  std::string cluster;                          // preset in scenarios/clusters
  std::optional<int> nics;                      // per node, where not the preset's
  std::optional<BytesPerSecond> nic_bandwidth;  // of one NIC, where not the preset's
  std::string skip;                             // the reason, instead of a cluster
  std::string note;
};

struct NetworkRule {
  TextPattern network;
  std::optional<TextPattern> hardware;
  std::string profile;  // preset in scenarios/profiles
};

struct HardwareRules {
  std::vector<ClusterRule> clusters;
  std::vector<NetworkRule> networks;
};

// What "selective" recomputation means in a stack.
enum class SelectiveRecompute { attention_core, not_comparable };

struct SoftwareRule {
  std::optional<TextPattern> software;          // absent = any, also none
  std::optional<TextPattern> sharding;          // of the column zero_stage_or_fsdp
  std::string since;                            // "2022-01": not before this month; empty = no bound
  std::string before;                           // "2023-01": earlier than this month
  std::string stack;                            // preset in scenarios/profiles/stacks
  std::optional<AttentionKernel> attention;     // when the row does not say; default: the stack profile's
  std::optional<AttentionKernel> flash_kernel;  // when the row says "flash"; default: the stack profile's, else flash2
  std::string default_sharding;                 // when the row does not say, in its words; default: DDP
  bool sequence_parallel = false;               // when the row does not say and tp > 1
  SelectiveRecompute selective = SelectiveRecompute::attention_core;
  ContextParallelKind context_parallel = ContextParallelKind::ring;  // when the row does not say and cp > 1
  std::string skip;
  std::string note;
};

struct MappingRules {
  HardwareRules hardware;
  std::vector<SoftwareRule> software;
};

// Throws InputError: an unknown key, a pattern that is no regular expression, a rule with neither result nor skip.
HardwareRules read_hardware_rules(const std::string& file);
std::vector<SoftwareRule> read_software_rules(const std::string& file);
MappingRules shipped_mapping_rules();  // those in scenarios/published

// The first month a date text names, "2023-07" of "2023-07..2023-10"; empty if it names none.
std::string first_month(std::string_view date);

// nullptr if no rule matches. A row without software text is matched by its source's title, which often names it.
const ClusterRule* cluster_rule_for(const HardwareRules& rules, const PublishedRun& run);
const SoftwareRule* software_rule_for(const std::vector<SoftwareRule>& rules, const PublishedRun& run);

}  // namespace trainyard
