#include "analysis/calibration/microbench_log_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "analysis/calibration/microbench_record_json.hpp"

namespace trainyard {
namespace {

constexpr int format_number = 1;

MeasuredMachine machine_of(const MicrobenchRecord& r) {
  MeasuredMachine m;
  m.device = r.text("device");
  m.driver = r.text_or("driver", "");
  m.cuda = r.text_or("cuda_runtime", "");
  m.cublas = r.text_or("cublaslt", "");
  m.nccl = r.text_or("nccl", "");
  m.date = r.text_or("date", "");
  m.sm_clock_mhz = r.number_or("sm_clock_mhz", 0);
  m.multiprocessors = static_cast<int>(std::min(r.number_or("multiprocessors", 0), 1e6));
  m.memory = Bytes(r.number_or("memory_bytes", 0));
  // Both edges of the memory clock carry data.
  m.peak_bandwidth =
      BytesPerSecond(2 * r.number_or("memory_clock_mhz", 0) * 1e6 * r.number_or("memory_bus_bits", 0) / 8);
  return m;
}

// One program's output: from its environment to its end.
struct Run {
  std::string program;
  SourceLocation where;
  int measurements = 0;
};

class LogReader {
 public:
  explicit LogReader(const std::string& file) : file_(file) {}

  void read(std::string_view line) {
    ++number_;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
    const MicrobenchRecord record(line, {file_, number_, 0});
    if (record.kind() == "environment")
      begin(record);
    else if (record.kind() == "end")
      end(record);
    else
      measure(record);
  }

  Measurements finish() {
    if (run_) note_missing_end();
    for (const auto& [what, places] : places_)
      all_.notes.push_back(fmt::format("{}: {} {}", to_text(places.first), places.second, what));
    return std::move(all_);
  }

 private:
  void begin(const MicrobenchRecord& r) {
    if (run_) note_missing_end();
    if (r.number_or("format", 0) != format_number)
      r.fail(fmt::format("\"format\" is not {}, the one this version reads", format_number));
    const MeasuredMachine machine = machine_of(r);
    if (!all_.machines.empty() && all_.machines.front().device != machine.device)
      r.fail(fmt::format("'{}' after measurements of '{}': one file is of one kind of GPU", machine.device,
                         all_.machines.front().device));
    all_.machines.push_back(machine);
    run_ = Run{r.text_or("program", "?"), r.where(), 0};
  }

  void end(const MicrobenchRecord& r) {
    if (!run_) r.fail("stands before any environment");
    const double expected = r.number_or("measurements", run_->measurements);
    if (expected != run_->measurements)
      r.fail(fmt::format("{} measurements stand above, not {:g}: lines are lost", run_->measurements, expected));
    run_.reset();
  }

  void measure(const MicrobenchRecord& r) {
    if (!run_) r.fail("stands before any environment");
    ++run_->measurements;
    if (!r.flag("verified", true)) {
      count("measurements with wrong results are left out (this is the first)", r.where());
      return;
    }
    if (!add_measurement(r, all_)) {
      count(fmt::format("records of the unknown kind '{}' are left out", r.kind()), r.where());
      return;
    }
    if (!r.flag("converged", true)) count("measurements had not converged when their time was up", r.where());
  }

  void count(const std::string& what, const SourceLocation& where) {
    auto& entry = places_.try_emplace(what, where, 0).first->second;
    ++entry.second;
  }

  void note_missing_end() {
    all_.notes.push_back(fmt::format("{}: the run of '{}' was cut short; its {} measurements are used",
                                     to_text(run_->where), run_->program, run_->measurements));
  }

  std::string file_;
  int number_ = 0;
  Measurements all_;
  std::optional<Run> run_;
  std::map<std::string, std::pair<SourceLocation, int>> places_;  // first place and number
};

}  // namespace

bool is_microbench_log(std::string_view text) {
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos || text[start] != '{') return false;
  const std::string_view line = text.substr(start, text.find('\n', start) - start);
  return line.find("\"record\"") != std::string_view::npos;
}

Measurements read_microbench_log(std::string_view text, const std::string& file) {
  LogReader reader(file);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    reader.read(text.substr(at, end - at));
    at = end + 1;
  }
  return reader.finish();
}

}  // namespace trainyard
