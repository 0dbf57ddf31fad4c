#include "analysis/trace/kineto_head_json.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "analysis/inputs_hash.hpp"
#include "analysis/version.hpp"

namespace trainyard {
namespace {

using Json = nlohmann::ordered_json;

Json device_properties(const Job& job, int device) {
  const DeviceProfile& gpu = job.profile.device;
  return {{"id", device},
          {"name", job.cluster.gpu.empty() ? gpu.name : job.cluster.gpu},
          {"totalGlobalMem", static_cast<std::int64_t>(job.cluster.gpu_memory.value)},
          {"computeMajor", gpu.compute_capability / 10},
          {"computeMinor", gpu.compute_capability % 10},
          {"numSms", gpu.multiprocessors}};
}

Json distributed_info(const SimulatedStep& step, const KinetoHead& head) {
  Json groups = Json::array();
  for (const ProcessGroup& group : head.groups)
    groups.push_back({{"pg_name", group.name},
                      {"pg_desc", group.description},
                      {"backend_config", "cuda:nccl"},
                      {"pg_size", group.ranks.size()},
                      {"ranks", ranks_text(group.ranks, true)}});
  return {{"backend", "nccl"},         {"rank", head.rank.value}, {"world_size", step.layout.world_size()},
          {"pg_count", groups.size()}, {"pg_config", groups},     {"nccl_version", "simulated"}};
}

}  // namespace

std::string kineto_head(const Job& job, const SimulatedStep& step, const KinetoHead& head) {
  const Json object = {{"schemaVersion", 1},
                       {"deviceProperties", Json::array({device_properties(job, head.device)})},
                       {"distributedInfo", distributed_info(step, head)},
                       {"simulated_by", fmt::format("trainyard {}", version())},
                       {"inputs_hash", inputs_hash(job)},
                       {"traceName", fmt::format("simulated {} rank {}", job.name, head.rank.value)},
                       {"displayTimeUnit", "ms"},
                       {"baseTimeNanoseconds", 0}};
  std::string text = object.dump(2, ' ', false, Json::error_handler_t::replace);
  text.erase(text.find_last_not_of("}\n ") + 1);
  return text + ",\n  \"traceEvents\": [\n";
}

}  // namespace trainyard
