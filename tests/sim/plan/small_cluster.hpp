// Clusters and models of the plan tests, built by hand.
#pragma once

#include <fmt/format.h>

#include "models/model_shape.hpp"
#include "sim/plan/plan.hpp"
#include "topology/cluster.hpp"

namespace trainyard::test {

inline Cluster cluster_of(int nodes, int gpus_per_node) {
  Cluster cluster;
  cluster.name = "test";
  cluster.nodes = nodes;
  for (int gpu = 0; gpu < gpus_per_node; ++gpu) cluster.node.gpus.push_back(fmt::format("GPU{}", gpu));
  return cluster;
}

inline ModelShape llama3_70b() {
  ModelShape model;
  model.name = "llama3-70b";
  model.layers = 80;
  model.hidden = 8192;
  model.heads = 64;
  model.kv_heads = 8;
  model.head_dim = 128;
  model.ffn = 28672;
  model.vocabulary = 128256;
  model.gated_mlp = true;
  return model;
}

// tp 4 x pp 4 x dp 4 on 64 GPUs, 8 micro-batches: legal for llama3_70b and workload_8k.
inline Plan legal_plan() {
  Plan plan;
  plan.tensor_parallel = 4;
  plan.pipeline_parallel = 4;
  plan.global_batch_size = 32;
  return plan;
}

inline Workload workload_8k() { return {.sequence_length = 8192, .precision = DataType::bf16}; }

}  // namespace trainyard::test
