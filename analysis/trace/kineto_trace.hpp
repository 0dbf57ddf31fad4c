// A simulated step as PyTorch's profiler (Kineto) would have recorded it: one file per rank for Holistic Trace
// Analysis, TensorBoard's plugin, Perfetto and `trainyard compare`.
//
// Every kernel has its cudaLaunchKernel on a CPU thread, with a correlation id and an arrow; a step is repeated `steps`
// times, each under a ProfilerStep annotation, and one empty ProfilerStep ends the last (HTA drops the last one). Each
// stream is a thread of the device's process and strictly serial in whole nanoseconds. Collectives carry the arguments
// of torch.distributed's: name, elements, type, process group and its ranks.
//
// The files say that they are simulated: nccl_version, trace name, process labels. HTA rounds times to microseconds,
// and loses kernels that are shorter, unless HTA_DISABLE_NS_ROUNDING=1 is set; here they keep their length.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "analysis/simulate.hpp"
#include "analysis/trace/shown_ranks.hpp"

namespace trainyard {

// Simulate at operator granularity: a block is no more than a few kernels that stand for all of its own.
// Writes rank-N.json.gz for every shown rank into `directory`, which is made if there is none; a file appears whole or
// not at all. Equal inputs, equal bytes. Throws InputError, naming the file or folder, if one cannot be written; steps
// > 0.
void write_kineto_traces(const std::string& directory, const Job& job, const SimulatedStep& step,
                         const std::vector<ShownRank>& ranks, int steps = 1);

// The uncompressed text of one rank's file.
void write_kineto_trace(std::ostream& out, const Job& job, const SimulatedStep& step, const ShownRank& rank,
                        int steps = 1);

}  // namespace trainyard
