#include "analysis/validation/validation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>

#include "analysis/validation/csv_table.hpp"

namespace trainyard {
namespace {

std::variant<Prediction, Skipped> predicted(const MappedRun& mapped, const Predictor& predictor) {
  std::variant<Prediction, Skipped> result = predictor(mapped.job);
  if (Prediction* prediction = std::get_if<Prediction>(&result)) prediction->step_time *= mapped.time_scale;
  return result;
}

// Rows are taken by whichever thread is free; each writes only its own slots.
void predict_all(const std::vector<std::variant<MappedRun, Skipped>>& mapped, const Predictor& predictor,
                 unsigned threads, std::vector<ValidatedRun>& rows) {
  std::atomic<std::size_t> next{0};
  std::vector<std::exception_ptr> failures(mapped.size());
  const auto work = [&] {
    for (std::size_t i = next++; i < mapped.size(); i = next++) {
      const MappedRun* run = std::get_if<MappedRun>(&mapped[i]);
      if (!run) continue;
      try {
        rows[i].prediction = predicted(*run, predictor);
      } catch (...) {
        failures[i] = std::current_exception();
      }
    }
  };
  {
    std::vector<std::jthread> others;
    for (unsigned t = 1; t < threads; ++t) others.emplace_back(work);
    work();
  }
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

std::string_view name(AttentionKernel kernel) {
  switch (kernel) {
    case AttentionKernel::materialised:
      return "materialised";
    case AttentionKernel::flash1:
      return "flash1";
    case AttentionKernel::flash2:
      return "flash2";
    case AttentionKernel::flash3:
      return "flash3";
  }
  return "";
}

RowProfile row_profile(const Job& job) {
  const StackProfile& stack = job.profile.stack;
  return {.device = job.profile.device.name,
          .network = job.profile.network.name,
          .stack = stack.name,
          .attention = std::string(name(stack.attention)),
          .step_time_p10 = stack.step_time_p10,
          .step_time_p90 = stack.step_time_p90};
}

std::optional<double> relative_error(double predicted, double measured) {
  if (!(predicted > 0)) return std::nullopt;
  return predicted / measured - 1.0;
}

}  // namespace

std::vector<ValidatedRun> validate(const std::vector<PublishedRun>& runs, const MappingRules& rules,
                                   const Presets& presets, const Predictor& predictor, unsigned threads) {
  std::vector<std::variant<MappedRun, Skipped>> mapped;
  std::vector<ValidatedRun> rows;
  for (const PublishedRun& run : runs) {
    mapped.push_back(job_of(run, rules, presets));
    rows.push_back({.run = run, .prediction = Skipped{}, .notes = {}, .profile = {}});
    if (const MappedRun* job = std::get_if<MappedRun>(&mapped.back())) {
      rows.back().notes = job->job.warnings;
      rows.back().profile = row_profile(job->job);
    } else {
      rows.back().prediction = std::get<Skipped>(mapped.back());
    }
  }
  predict_all(mapped, predictor, threads, rows);
  return rows;
}

std::optional<double> step_time_error(const ValidatedRun& row) {
  const Prediction* prediction = std::get_if<Prediction>(&row.prediction);
  const std::optional<Seconds> measured = row.run.measured_step_time();
  if (!prediction || !measured) return std::nullopt;
  return relative_error(prediction->step_time.value, measured->value);
}

std::optional<double> memory_error(const ValidatedRun& row) {
  const Prediction* prediction = std::get_if<Prediction>(&row.prediction);
  if (!prediction || !row.run.peak_memory_gib) return std::nullopt;
  return relative_error(in_gib(prediction->peak_memory), *row.run.peak_memory_gib);
}

std::string predictions_csv(const std::vector<ValidatedRun>& rows) {
  std::string text = "id,predicted_step_time_s,predicted_peak_mem_gib,predicted_oom,skipped_reason\n";
  for (const ValidatedRun& row : rows) {
    const std::string id = csv_field(row.run.id);
    if (const Prediction* p = std::get_if<Prediction>(&row.prediction))
      text += fmt::format("{},{:.9g},{:.6g},{},\n", id, p->step_time.value, in_gib(p->peak_memory), p->out_of_memory);
    else
      text += fmt::format("{},,,,{}\n", id, csv_field(std::get<Skipped>(row.prediction).reason));
  }
  return text;
}

}  // namespace trainyard
