// Megatron-LM command lines to plans and back.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/model_shape.hpp"
#include "sim/plan/plan.hpp"

namespace trainyard {

struct MegatronImport {
  ModelShape model;
  Plan plan;
  Workload workload;
  std::optional<int> nodes;  // as the launcher says, where it does
  std::optional<int> gpus_per_node;
  std::optional<int> world_size;
  std::vector<std::string> defaulted;  // what Megatron-LM (or, marked so, we) filled in: "--ffn-hidden-size: 49152"
  std::vector<std::string> not_understood;  // flags as written, in their order, with the reason where it is known
};

// The training command of a launch script, or bare flags, with Megatron-LM's defaults for absent flags. See
// shell_script.hpp for the shell that is understood, MegatronFlags for what is an InputError. Switches that are absent
// are off, as in Megatron-LM; the type of the gradient reduction stays the stack's default unless the command says it.
MegatronImport read_megatron_args(const std::string& script, const std::string& name_in_messages);

// The plan and workload as arguments to copy behind pretrain_gpt.py, one group per line, lines joined by " \". What
// Megatron-LM's command line cannot say (its schedule gpipe, a placement …) follows as comment lines; the zero-bubble
// schedules are said in the flags of its fork. Reading the text beside the model's own flags gives the plan back, but
// for what the comments name, data_parallel_size (which follows from the world size), switches left to the stack
// (which are off, but Zero Bubble's post validation, and the dispatcher, which is alltoall) and a shard group (which
// becomes the number of its copies).
std::string to_megatron_args(const Plan& plan, const Workload& workload, const ModelShape& model);

}  // namespace trainyard
