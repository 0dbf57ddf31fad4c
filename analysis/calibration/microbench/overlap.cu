// overlap: how much a matrix product and a transfer slow each other down when they run at the same time, as they do in
// a training step: the product (cuBLASLt, bfloat16) on every visible GPU, beside
//   all_reduce   NCCL's sum over all visible GPUs (two at least): it takes multiprocessors, memory and power
//   copy_device  a copy within the GPU's memory: it takes memory bandwidth and, on most devices, multiprocessors
//   copy_host    a copy from page-locked host memory, as offloading makes: only the copy engine and a little bandwidth
// Each side is timed alone and while the other runs before, during and after it.
//
// How to read it: alone_s and time_s are one product without and with company, slowdown = time_s / alone_s - 1;
// other_alone_s and other_together_s are one transfer.
#include <cublasLt.h>
#include <cuda_runtime.h>
#ifndef MICROBENCH_WITHOUT_NCCL
#include <nccl.h>
#endif

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nccl_watchdog.hpp"
#ifndef MICROBENCH_WITHOUT_NCCL
#include "overlap_all_reduce.hpp"
#endif
#include "overlap_sides.hpp"
#include "overlap_work.hpp"
#include "support/check.hpp"
#include "support/device.hpp"
#include "support/options.hpp"
#include "support/output.hpp"
#include "support/timing.hpp"
#include "support/verify.hpp"

namespace {

using namespace microbench;

constexpr const char* kProgram = "overlap";

struct Settings {
  int64_t m = 0;
  int64_t n = 0;
  int64_t k = 0;
  size_t bytes = 0;
  int samples = 0;
  std::vector<std::string> with;
};

using Gemms = std::vector<std::unique_ptr<GemmWork>>;
using Copies = std::vector<std::unique_ptr<CopyWork>>;

// What runs beside the products.
struct Partner {
  std::string name;
  size_t bytes = 0;
  Side side;
  std::function<Verification()> verify;
};

// To size the batches by. The first batch warms up.
double rough_time(const Side& side) {
  constexpr int kCalls = 3;
  time_alone(side, kCalls);
  return time_alone(side, kCalls);
}

// Enough calls for a batch of ten milliseconds, well above what events resolve and clocks take to settle.
int calls_in_batch(double seconds_of_one) {
  constexpr double kBatchSeconds = 0.01;
  return std::clamp(static_cast<int>(std::ceil(kBatchSeconds / seconds_of_one)), 1, 200);
}

// Times `timed` beside `background`, for as many calls of the latter as it takes.
class BesideTimer {
 public:
  BesideTimer(const Side& timed, double timed_s, const Side& background, double background_s)
      : timed_(timed), background_(background), calls_(calls_in_batch(timed_s)) {
    // Company slows both sides: four times the batch's own time is enough unless the sides are very unequal.
    background_calls_ = std::clamp(static_cast<int>(std::ceil(4 * calls_ * timed_s / background_s)) + 1, 2, kMostCalls);
  }
  int calls() const { return calls_; }
  std::optional<double> sample() {
    while (true) {
      const std::optional<double> seconds = time_beside(timed_, calls_, background_, background_calls_);
      if (seconds || background_calls_ == kMostCalls) return seconds;
      background_calls_ = std::min(2 * background_calls_, kMostCalls);
    }
  }

 private:
  static constexpr int kMostCalls = 4096;
  const Side& timed_;
  const Side& background_;
  int calls_;
  int background_calls_;
};

struct Samples {
  std::vector<double> alone, beside, other_alone, other_beside;
};

// The four times in turn, so that a drift of the clocks meets all of them. Nothing where one side always ended early.
std::optional<Samples> take_samples(const Side& gemm, const Side& other, int count) {
  const double gemm_s = rough_time(gemm);
  const double other_s = rough_time(other);
  BesideTimer gemm_timer(gemm, gemm_s, other, other_s);
  BesideTimer other_timer(other, other_s, gemm, gemm_s);
  Samples samples;
  for (int i = 0; i < count; ++i) {
    samples.alone.push_back(time_alone(gemm, gemm_timer.calls()));
    const std::optional<double> beside = gemm_timer.sample();
    samples.other_alone.push_back(time_alone(other, other_timer.calls()));
    const std::optional<double> other_beside = other_timer.sample();
    if (!beside || !other_beside) return std::nullopt;
    samples.beside.push_back(*beside);
    samples.other_beside.push_back(*other_beside);
  }
  return samples;
}

double median(const std::vector<double>& samples) { return summarise(samples, {}).median_s; }

Record overlap_record(const std::string& with, const Settings& settings, size_t gpus) {
  Record record("overlap");
  record.add("with", with).add("m", settings.m).add("n", settings.n).add("k", settings.k).add("dtype", "bf16");
  record.add("gpus", gpus);
  return record;
}

// The same time taken twice, in turn: what the method itself adds.
void measure_nothing_beside(const Gemms& gemms, const Settings& settings) {
  for (const auto& gemm : gemms) gemm->poison_result();
  const Side gemm = side_of(gemms);
  const int calls = calls_in_batch(rough_time(gemm));
  std::vector<double> once;
  std::vector<double> again;
  for (int i = 0; i < settings.samples; ++i) {
    once.push_back(time_alone(gemm, calls));
    again.push_back(time_alone(gemm, calls));
  }
  const double alone = median(once);
  const Timing timing = summarise(again, {});
  Record record = overlap_record("none", settings, gemms.size());
  record.add("alone_s", alone);
  add_timing(record, timing);
  record.add("slowdown", timing.median_s / alone - 1);
  add_verification(record, verify_all(gemms));
  print(record);
}

void measure_with(const Partner& partner, const Gemms& gemms, const Settings& settings) {
  for (const auto& gemm : gemms) gemm->poison_result();
  const std::optional<Samples> samples = take_samples(side_of(gemms), partner.side, settings.samples);
  if (!samples) {
    std::fprintf(stderr, "overlap: %s: one side ends before the other begins; choose sizes of similar times\n",
                 partner.name.c_str());
    return;
  }
  const double alone = median(samples->alone);
  const Timing together = summarise(samples->beside, {});
  Record record = overlap_record(partner.name, settings, gemms.size());
  record.add("bytes", partner.bytes).add("alone_s", alone);
  add_timing(record, together);
  record.add("slowdown", together.median_s / alone - 1);
  record.add("other_alone_s", median(samples->other_alone));
  record.add("other_together_s", median(samples->other_beside));
  add_verification(record, worse_of(verify_all(gemms), partner.verify()));
  print(record);
}

void measure_copies(const std::string& name, const std::vector<int>& devices, const Gemms& gemms,
                    const Settings& settings) {
  Copies copies;
  for (const int device : devices)
    copies.push_back(std::make_unique<CopyWork>(device, settings.bytes, name == "copy_host"));
  measure_with({name, settings.bytes, side_of(copies), [&] { return verify_all(copies); }}, gemms, settings);
}

#ifdef MICROBENCH_WITHOUT_NCCL
void measure_all_reduce(const std::vector<int>&, const Gemms&, const Settings&, const Watchdog&) {
  std::fprintf(stderr, "overlap: built without NCCL, so all_reduce is not measured\n");
}
#else
void measure_all_reduce(const std::vector<int>& devices, const Gemms& gemms, const Settings& settings,
                        const Watchdog& watchdog) {
  if (devices.size() < 2) {
    std::fprintf(stderr, "overlap: one GPU is visible, so all_reduce is not measured\n");
    return;
  }
  AllReduceWork work(devices, settings.bytes, watchdog);
  watchdog.expect("all_reduce beside products");
  measure_with({"all_reduce", settings.bytes, work.side(), [&] { return work.verify(); }}, gemms, settings);
}
#endif

Environment overlap_environment(int device) {
  Environment environment = read_environment(device, kProgram);
  environment.cublaslt = library_version_text(static_cast<int64_t>(cublasLtGetVersion()));
#ifndef MICROBENCH_WITHOUT_NCCL
  int version = 0;
  CHECK_NCCL(ncclGetVersion(&version));
  environment.nccl = library_version_text(version);
#endif
  return environment;
}

Settings read_settings(const Options& options) {
  constexpr int64_t kMost = 1 << 20;
  Settings settings;
  settings.m = options.get_int("m", 16, kMost);
  settings.n = options.get_int("n", 16, kMost);
  settings.k = options.get_int("k", 16, kMost);
  settings.bytes = static_cast<size_t>(options.get_bytes("bytes", 4096, int64_t{1} << 36)) / 16 * 16;
  settings.samples = static_cast<int>(options.get_int("samples", 2, 1000));
  settings.with = options.get_words("with", {"all_reduce", "copy_device", "copy_host", "none"});
  if (options.flag("quick") && !options.given("samples")) settings.samples = 3;
  if (options.given("device")) Options::refuse("device", "set CUDA_VISIBLE_DEVICES instead");
  return settings;
}

int run(const Options& options) {
  const Settings settings = read_settings(options);
  print(overlap_environment(select_device(options)));
  int count = 0;
  CHECK_CUDA(cudaGetDeviceCount(&count));
  std::vector<int> devices;
  Gemms gemms;
  for (int device = 0; device < count; ++device) {
    devices.push_back(device);
    gemms.push_back(std::make_unique<GemmWork>(device, settings.m, settings.n, settings.k));
  }
  const Watchdog watchdog(static_cast<unsigned>(options.get_int("timeout", 1, 86400)));
  for (const std::string& with : settings.with) {
    watchdog.expect(with);
    if (with == "none")
      measure_nothing_beside(gemms, settings);
    else if (with == "all_reduce")
      measure_all_reduce(devices, gemms, settings, watchdog);
    else
      measure_copies(with, devices, gemms, settings);
  }
  return finish(kProgram);
}

}  // namespace

int main(int argc, char** argv) {
  return run(Options(argc, argv,
                     "Times a matrix product and a transfer alone and at the same time, on all visible GPUs.\n\n"
                     "example: overlap --m 28672 --n 8192 --k 8192 --with all_reduce --bytes 1G",
                     {{"m", "8192", "rows of the product: output features of a layer"},
                      {"n", "8192", "its columns: tokens"},
                      {"k", "8192", "its inner dimension: input features"},
                      {"bytes", "256M", "bytes of a transfer"},
                      {"samples", "15", "samples of each time (--quick: 3)"},
                      {"with", "none,all_reduce,copy_device,copy_host", "what runs beside the product"},
                      {"timeout", "300", "seconds that one of these may take before the run is given up"}}));
}
