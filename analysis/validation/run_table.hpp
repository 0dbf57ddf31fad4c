// Measured training runs as published: one row of a CSV per run, columns by header in any order. Empty cell = not
// published. Columns this table does not know are ignored.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/units.hpp"

namespace trainyard {

enum class Outcome { ok, oom, error };

struct PublishedRun {
  int line = 0;  // in the file
  std::string id;
  std::string source;
  std::string split_group;  // rows that are scored together; "-" if the file has none
  std::string tier;         // A = full plan and a measured time, B and C = with gaps
  // what it ran on
  std::string hardware;
  std::string network;
  std::optional<std::int64_t> gpus;
  std::optional<std::int64_t> gpus_per_node;
  // what was trained; a cell here wins over the preset that `model` names
  std::string model;
  std::string model_label;
  std::optional<std::int64_t> layers;
  std::optional<std::int64_t> hidden;
  std::optional<std::int64_t> ffn_hidden;
  std::optional<std::int64_t> heads;
  std::optional<std::int64_t> kv_heads;
  std::optional<std::int64_t> head_dim;
  std::optional<std::int64_t> vocab;
  std::optional<std::int64_t> seq_len;
  std::optional<bool> gated_mlp;
  std::optional<std::int64_t> moe_experts;
  std::optional<std::int64_t> moe_topk;
  std::optional<std::int64_t> moe_ffn;
  std::string precision;
  // how it was cut
  std::optional<std::int64_t> global_batch;  // sequences
  std::optional<std::int64_t> micro_batch;   // sequences
  std::optional<std::int64_t> grad_accum;    // micro-batches per replica and step
  std::optional<std::int64_t> tp;
  std::optional<std::int64_t> pp;
  std::optional<std::int64_t> vpp;
  std::optional<std::int64_t> cp;
  std::optional<std::int64_t> ep;
  std::optional<std::int64_t> etp;
  std::optional<std::int64_t> dp;
  std::optional<bool> sp;
  std::string sharding;  // column zero_stage_or_fsdp
  std::string recompute;
  std::string recompute_detail;
  std::string flash_attention;  // "True", "False", "unknown", a kernel's name or empty
  std::optional<bool> optimizer_offload;
  std::string schedule;
  std::string comm_overlap;
  std::optional<bool> cuda_graph;
  std::string software;
  std::string date;
  std::string notes;
  // what was measured
  std::optional<Outcome> outcome;
  std::optional<Seconds> step_time;
  std::optional<double> tokens_per_second_per_gpu;
  std::optional<double> peak_memory_gib;

  // The published step time, or the one that the published tokens/s imply; nothing for a run that ended without one.
  std::optional<Seconds> measured_step_time() const;
  friend bool operator==(const PublishedRun&, const PublishedRun&) = default;
};

// Throws InputError with file:line and the column's name: a table that is no CSV, a required column that is missing
// (id, hardware, gpus, seq_len, tp, pp), an empty or repeated id, a number that is zero, negative, not finite, not
// whole where it must be or implausibly large, a word that is neither true nor false.
std::vector<PublishedRun> parse_runs(std::string_view csv, const std::string& file);
std::vector<PublishedRun> read_runs(const std::string& file);  // "-" = standard input

}  // namespace trainyard
