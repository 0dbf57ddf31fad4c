#include "sim/cli/memory_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <istream>
#include <optional>
#include <ostream>

#include "analysis/memory_text.hpp"
#include "analysis/memory_timeline.hpp"
#include "analysis/placement/resolve_placement.hpp"
#include "analysis/report_json.hpp"
#include "analysis/simulate.hpp"
#include "models/megatron_memory_report.hpp"
#include "sim/cli/scenario_input.hpp"
#include "sim/cli/terminal.hpp"

namespace trainyard {
namespace {

CommandSyntax syntax() {
  CommandSyntax s(
      "memory SCENARIO [options]",
      "The memory of each pipeline stage at its peak, by owner, and whether it fits. Exit code 3 says that it does\n"
      "not, or that the plan is infeasible.",
      "trainyard memory llama3-70b-64xh100 --set plan.micro_batch_size=2");
  s.positional("SCENARIO", true);
  add_scenario_options(s);
  s.option()("megatron-report", "beside it, what Megatron-LM's theoretical_memory_usage.py prints for this plan")(
      "timeline", "beside it, the memory of each stage over the time of the step");
  return s;
}

MegatronMemoryArguments megatron_arguments(const Job& job, const Plan& plan) {
  MegatronMemoryArguments a;
  a.sequence_length = job.workload.sequence_length;
  a.micro_batch_size = plan.micro_batch_size;
  a.tensor_parallel = plan.tensor_parallel;
  a.pipeline_parallel = plan.pipeline_parallel;
  a.virtual_stages = plan.virtual_stages;
  a.data_parallel = plan.data_parallel;
  a.expert_parallel = plan.expert_parallel;
  a.expert_tensor_parallel = plan.expert_tensor_parallel > 0 ? plan.expert_tensor_parallel : plan.tensor_parallel;
  a.world_size = plan.tensor_parallel * plan.context_parallel * plan.pipeline_parallel * plan.data_parallel;
  a.distributed_optimizer = plan.data_parallel_kind == DataParallelKind::zero1;
  a.sequence_parallel = plan.sequence_parallel;
  a.selective_recompute = plan.recompute == Recompute::selective;
  a.micro_batches = plan.global_batch_size / (plan.micro_batch_size * plan.data_parallel);
  return a;
}

double mib(Bytes bytes) { return bytes.value / (1024.0 * 1024.0); }

// What the fullest stage holds of the things that Megatron's line counts.
std::string ledger_line(const MemoryLedger& ledger) {
  const auto fullest =
      std::max_element(ledger.stages.begin(), ledger.stages.end(),
                       [](const StageMemory& a, const StageMemory& b) { return a.allocated < b.allocated; });
  if (fullest == ledger.stages.end()) return {};
  const auto held = [&](MemoryOwner owner) { return fullest->at_peak[static_cast<std::size_t>(owner)]; };
  const Bytes states = held(MemoryOwner::weights) + held(MemoryOwner::gradients) + held(MemoryOwner::optimizer_states);
  return fmt::format(
      "The ledger above, stage {}: weight and optimizer={:.2f} MB, activation={:.2f} MB, all={:.2f} MB\n",
      fullest->stage, mib(states), mib(held(MemoryOwner::activations)), mib(fullest->allocated));
}

std::string megatron_section(const Job& job, const Plan& plan, const MemoryLedger& ledger) {
  const MegatronMemoryReport report = megatron_memory_report(job.model, megatron_arguments(job, plan));
  std::string text = "\nMegatron-LM's own estimate (theoretical_memory_usage.py), not this simulator's; MB are MiB:\n";
  text += to_text(report) + "\n";
  text += ledger_line(ledger);
  text += report.without_sequence_parallel
              ? "Megatron takes 10 + 24/tp bytes per token and hidden element here, for its plans without sequence\n"
                "parallelism or without selective recomputation, and adds 5 %.\n"
              : "Megatron takes 18 + 4 ffn/hidden bytes per token and hidden element, divided by tp.\n";
  text +=
      "It leaves out the third matrix of gated MLPs, what experts keep, grouped queries, context parallelism, full\n"
      "recomputation, 16-bit gradient reduction and every buffer, and takes a pp-th of the layers and an embedding "
      "for\n"
      "the fullest stage. The ledger counts each of these.\n";
  return text;
}

}  // namespace

int memory_command(const std::vector<std::string>& args, std::istream&, std::ostream& out, std::ostream&) {
  const auto given = syntax().parse(args, out);
  if (!given) return 0;
  const bool json = given->count("json") != 0;
  const bool megatron_report = given->count("megatron-report") != 0;
  if (json && megatron_report) throw boost::program_options::error("--megatron-report is text: leave out --json");
  Job job = load_job((*given)["SCENARIO"].as<std::string>(), overrides_of(*given, "set"), text_of(*given, "profile"));
  if (const std::vector<PlanProblem> problems = problems_of(job); !problems.empty())
    return answer_infeasible(job, problems, json, out);
  const Routes routes(job.cluster);
  job.plan = resolve_placement(job, routes).plan;
  const Plan plan = resolved(job.plan, job.model, job.cluster);
  std::optional<SimulatedStep> step;  // only its order in time needs the engine
  if (given->count("timeline") != 0) step = simulate_step(job, routes);
  const MemoryLedger ledger = step ? step->result.memory : memory_of(job, routes);
  const std::vector<StageMemoryCurve> curves =
      step ? memory_curves(step->program, step->timeline, job.profile) : std::vector<StageMemoryCurve>{};
  const TextStyle style = style_of(out);
  out << (json ? memory_json(job, plan, ledger, curves) : memory_text(job, plan, ledger, style));
  if (!json && step)
    out << "\nMemory over the step, " << to_text(step->timeline.makespan) << " from left to right, full height "
        << to_text(ledger.limit) << '\n'
        << memory_curves_text(curves, step->timeline.makespan, ledger.limit, style);
  if (megatron_report) out << megatron_section(job, plan, ledger);
  return ledger.fits ? 0 : infeasible_exit_code;
}

}  // namespace trainyard
