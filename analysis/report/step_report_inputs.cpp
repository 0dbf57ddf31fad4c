// What the prediction was made from: model, machine, plan, and every constant with its source.
#include <fmt/format.h>

#include "analysis/plan_words.hpp"
#include "analysis/report/step_report_sections.hpp"

namespace trainyard {
namespace {

std::string gigabytes_per_second(BytesPerSecond rate) {
  return rate.value > 0 ? fmt::format("{:.1f} GB/s per direction", rate.value / 1e9) : std::string("none");
}

void add_model(Element parent, const ModelShape& m) {
  add(parent, "h3", "Model");
  FactList facts(parent);
  facts.add("name", m.name);
  facts.add("layers", fmt::format("{}", m.layers));
  facts.add("hidden", fmt::format("{}", m.hidden));
  facts.add("heads", m.kv_heads == m.heads
                         ? fmt::format("{} of width {}", m.heads, m.head_dim)
                         : fmt::format("{} of width {}, {} for keys and values", m.heads, m.head_dim, m.kv_heads));
  facts.add("MLP width", fmt::format("{}{}", m.ffn, m.gated_mlp ? ", gated" : ""));
  facts.add("vocabulary", fmt::format("{}", m.vocabulary));
  if (m.moe)
    facts.add("experts", fmt::format("{} of width {}, {} per token, {} shared", m.moe->experts, m.moe->expert_ffn,
                                     m.moe->top_k, m.moe->shared_experts));
}

std::string fabric_words(const Fabric& fabric) {
  std::string text(name(fabric.kind));
  if (fabric.nodes_per_leaf > 0) text += fmt::format(", {} nodes per leaf", fabric.nodes_per_leaf);
  if (fabric.oversubscription > 1) text += fmt::format(", oversubscribed {:g} : 1", fabric.oversubscription);
  return fabric.network.empty() ? text : fmt::format("{}, {}", text, fabric.network);
}

void add_cluster(Element parent, const Cluster& c) {
  add(parent, "h3", "Cluster");
  FactList facts(parent);
  facts.add("name", c.name);
  facts.add("size", fmt::format("{} nodes of {} GPUs", c.nodes, c.gpus_per_node()));
  facts.add("GPU", fmt::format("{}, {}", c.gpu, to_text(c.gpu_memory)));
  facts.add("one NVLink", gigabytes_per_second(c.nvlink_bandwidth));
  facts.add("PCIe of a GPU", gigabytes_per_second(c.pcie_bandwidth));
  facts.add("NICs", c.node.nics.empty()
                        ? std::string("none")
                        : fmt::format("{} per node, {}", c.node.nics.size(), gigabytes_per_second(c.nic_bandwidth)));
  if (c.nodes > 1) facts.add("fabric", fabric_words(c.fabric));
  if (c.stragglers.any())
    facts.add("stragglers", fmt::format("{} slow GPUs, {} degraded links, jitter {:g}", c.stragglers.gpus.size(),
                                        c.stragglers.links.size(), c.stragglers.jitter));
}

void add_plan(Element parent, const Job& job, const SimulatedStep& step) {
  add(parent, "h3", "Plan and workload");
  FactList facts(parent);
  facts.add("scenario", job.name);
  facts.add("plan", plan_line(step.plan));
  facts.add("rank order", step.plan.rank_order);
  facts.add("placement", name(step.plan.placement));
  facts.add("sequence length", fmt::format("{} tokens", job.workload.sequence_length));
  facts.add("global batch",
            fmt::format("{} sequences, micro-batches of {}", step.plan.global_batch_size, step.plan.micro_batch_size));
  facts.add("precision", name(job.workload.precision));
  facts.add("profile",
            fmt::format("{} · {} · {}", job.profile.device.name, job.profile.network.name, job.profile.stack.name));
  facts.add("hash of all inputs", step.result.inputs_hash);
}

void add_constants(Element parent, std::string_view part, const std::string& name,
                   const std::vector<Provenance>& constants) {
  Element details = add(parent, "details");
  add(details, "summary", fmt::format("{}: {} ({} constants)", part, name, constants.size()));
  HtmlTable table(details, fmt::format("Constants of the {} profile {}", part, name),
                  {{"constant"},
                   {"value", true},
                   {"source", false, "long"},
                   {"sources", true},
                   {"residual", false, "words"},
                   {"set by"}},
                  "sortable");
  for (const Provenance& p : constants)
    table.add({{p.constant, {}, true},
               {p.value},
               {p.source},
               {p.sources > 0 ? fmt::format("{}", p.sources) : std::string("judgement"), fmt::format("{}", p.sources)},
               {p.residual.empty() ? std::string("–") : p.residual},
               {p.set_by.empty() ? std::string("–") : p.set_by}});
}

}  // namespace

void add_inputs_section(Element main, const Job& job, const SimulatedStep& step) {
  Element s = section(main, "inputs", "Inputs");
  add_plan(s, job, step);
  Element columns = add(s, "div", {}, "columns");
  add_model(add(columns, "div"), job.model);
  add_cluster(add(columns, "div"), job.cluster);
}

void add_provenance_section(Element main, const Profile& profile) {
  Element s = section(main, "provenance", "Where the constants come from");
  add(s, "p",
      "Every constant that a predicted time or size rests on, with its unit, its source, how many independent sources "
      "stand behind it, and how far what was fitted to it is off.");
  add_constants(s, "device", profile.device.name, profile.device.provenance);
  add_constants(s, "network", profile.network.name, profile.network.provenance);
  add_constants(s, "software stack", profile.stack.name, profile.stack.provenance);
}

}  // namespace trainyard
