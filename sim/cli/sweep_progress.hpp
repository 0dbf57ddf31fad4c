// How far a sweep is, on standard error: a bar that is redrawn on a terminal, a line now and then elsewhere.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>

#include "analysis/sweep/run_sweep.hpp"
#include "analysis/text_layout.hpp"

namespace trainyard {

inline constexpr Seconds bar_interval{0.1};    // between two drawings of the bar
inline constexpr Seconds line_interval{10.0};  // between two lines where there is no terminal

enum class ProgressKind { none, lines, bar };

// "512304 of 1204312 plans · 48200/s (12100 simulated) · best 12.345 s · 14 s left"; what is not known yet is
// left out.
std::string progress_text(const SweepProgress& now);

class ProgressDisplay {
 public:
  ProgressDisplay(std::ostream& err, ProgressKind kind, TextStyle style);
  ~ProgressDisplay() { clear(); }
  ProgressDisplay(const ProgressDisplay&) = delete;
  ProgressDisplay& operator=(const ProgressDisplay&) = delete;

  void show(const SweepProgress& now);
  // What is done before and after the plans: in the bar's place, and only there.
  void show(const std::string& stage);
  void clear();  // the bar disappears

 private:
  void redraw(const std::string& line);

  std::ostream& err_;
  ProgressKind kind_;
  TextStyle style_;
  std::optional<Seconds> last_;  // when it was shown
  bool drawn_ = false;
};

// A bar where `err` is a terminal that can redraw a line.
ProgressKind progress_kind(const std::ostream& err, bool quiet);
TextStyle progress_style(const std::ostream& err);

}  // namespace trainyard
