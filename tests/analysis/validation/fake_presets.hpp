// Presets for tests of the mapping: one eight-GPU node under every cluster name, profiles that only carry their names.
#pragma once

#include <string>
#include <variant>

#include "analysis/validation/mapping_rules.hpp"
#include "analysis/validation/row_to_job.hpp"
#include "analysis/validation/run_table.hpp"

namespace trainyard::validation_test {

inline Cluster eight_gpu_node(const std::string& name) {
  Cluster cluster;
  cluster.name = name;
  cluster.gpu = "gpu-of-" + name;
  cluster.nic_bandwidth = 25_GBps;
  cluster.fabric.network = "infiniband";
  for (int i = 0; i < 8; ++i) {
    cluster.node.gpus.push_back("GPU" + std::to_string(i));
    cluster.node.nics.push_back("NIC" + std::to_string(i));
  }
  cluster.node.relations.assign(16, std::vector<Relation>(16));
  for (std::size_t a = 0; a < 16; ++a)
    for (std::size_t b = 0; b < 16; ++b)
      cluster.node.relations[a][b].nvlinks = static_cast<int>(100 * a + b);  // a label
  return cluster;
}

inline ModelShape llama3_8b() {
  ModelShape model;
  model.name = "llama3-8b";
  model.layers = 32;
  model.hidden = 4096;
  model.heads = 32;
  model.kv_heads = 8;
  model.head_dim = 128;
  model.ffn = 14336;
  model.vocabulary = 128256;
  model.gated_mlp = true;
  return model;
}

inline ModelShape deepseek_v3() {
  ModelShape model = llama3_8b();
  model.name = "deepseek-v3";
  model.layers = 61;
  model.hidden = 7168;
  model.heads = model.kv_heads = 128;
  model.head_dim = 192;
  model.latent_attention = LatentAttention{1536, 512, 128, 64, 128};
  model.moe = MixtureOfExperts{.experts = 256, .top_k = 8, .expert_ffn = 2048, .first_dense_layers = 3};
  return model;
}

inline Presets fake_presets() {
  return {.model = [](const std::string& name) -> std::optional<ModelShape> {
            if (name == "llama3-8b") return llama3_8b();
            if (name == "deepseek-v3") return deepseek_v3();
            return std::nullopt;
          },
          .cluster = [](const std::string& name) -> std::optional<Cluster> {
            Cluster cluster = eight_gpu_node(name);
            if (name == "gb200-nvl72") {
              cluster.nodes = cluster.nodes_per_nvlink_domain = 18;
              cluster.node.gpus.resize(4);
            }
            return cluster;
          },
          .profile = [](const std::string& device, const std::string& network,
                        const std::string& stack) -> std::optional<Profile> {
            Profile profile;
            profile.device.name = device;
            profile.network.name = network;
            profile.stack.name = stack;
            profile.stack.host_forward = 1_ms;
            profile.stack.dropout = stack == "megatron-2021";
            profile.stack.attention =
                stack == "megatron-2021" ? AttentionKernel::materialised : AttentionKernel::flash3;
            return profile;
          }};
}

// A plan that maps without any assumption; tests change what they are about.
inline PublishedRun complete_run() {
  PublishedRun run;
  run.id = "run-1";
  run.split_group = "own";
  run.hardware = "DGX-H100-80GB-SXM";
  run.network = "8x400Gb NDR IB";
  run.gpus = 64;
  run.gpus_per_node = 8;
  run.model = "llama3-8b";
  run.seq_len = 8192;
  run.precision = "bf16";
  run.global_batch = 128;
  run.micro_batch = 1;
  run.tp = 2;
  run.pp = 4;
  run.vpp = 2;
  run.cp = 1;
  run.dp = 8;
  run.sp = true;
  run.sharding = "zero1 (distributed optimizer)";
  run.recompute = "none";
  run.flash_attention = "True";
  run.schedule = "interleaved-1f1b";
  run.software = "NeMo 24.12";
  run.date = "2025-03";
  run.outcome = Outcome::ok;
  run.step_time = Seconds(2);
  return run;
}

inline MappedRun mapped(const PublishedRun& run) {
  static const MappingRules rules = shipped_mapping_rules();
  return std::get<MappedRun>(job_of(run, rules, fake_presets()));
}

inline std::string skip_reason(const PublishedRun& run) {
  static const MappingRules rules = shipped_mapping_rules();
  return std::get<Skipped>(job_of(run, rules, fake_presets())).reason;
}

}  // namespace trainyard::validation_test
