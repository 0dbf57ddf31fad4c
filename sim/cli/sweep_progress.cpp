#include "sim/cli/sweep_progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <string_view>

#include "sim/cli/terminal.hpp"

namespace trainyard {
namespace {

constexpr int widest_bar = 20;  // columns; less where the text needs them
constexpr double seconds_per_minute = 60, seconds_per_hour = 3600;
constexpr std::string_view clear_line = "\r\x1b[K";

bool is_terminal(const std::ostream& err) { return &err == &std::cerr && isatty(STDERR_FILENO) == 1; }

std::string_view environment(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? std::string_view{} : std::string_view(value);
}

// "14 s", "3 min", "2.5 h"
std::string rough_duration(double seconds) {
  if (seconds < 2 * seconds_per_minute) return fmt::format("{:.0f} s", std::ceil(seconds));
  if (seconds < 2 * seconds_per_hour) return fmt::format("{:.0f} min", seconds / seconds_per_minute);
  return fmt::format("{:.1f} h", seconds / seconds_per_hour);
}

double fraction_done(const SweepProgress& now) {
  return now.all_plans > 0 ? static_cast<double>(now.plans) / static_cast<double>(now.all_plans) : 1;
}

// The bar's line must not wrap: what does not fit is cut off.
std::string cut(const std::string& utf8, int width) {
  int seen = 0;
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const bool starts_character = (static_cast<unsigned char>(utf8[i]) & 0xC0U) != 0x80U;
    if (starts_character && ++seen > width) return utf8.substr(0, i);
  }
  return utf8;
}

}  // namespace

std::string progress_text(const SweepProgress& now) {
  std::string text = fmt::format("{} of {} plans", now.plans, now.all_plans);
  if (now.plans > 0 && now.elapsed.value > 0) {
    const double rate = static_cast<double>(now.plans - now.excluded) / now.elapsed.value;
    const double simulated = static_cast<double>(now.engine_plans) / now.elapsed.value;
    text += fmt::format(" · {:.0f}/s ({:.0f} simulated)", rate, simulated);
  }
  if (now.best) text += fmt::format(" · best {}", to_text(*now.best));
  if (now.plans > 0 && now.elapsed.value > 0) {
    const double left = static_cast<double>(now.all_plans - now.plans) / static_cast<double>(now.plans);
    text += fmt::format(" · {} left", rough_duration(left * now.elapsed.value));
  }
  return text;
}

ProgressDisplay::ProgressDisplay(std::ostream& err, ProgressKind kind, TextStyle style)
    : err_(err), kind_(kind), style_(style) {}

void ProgressDisplay::clear() {
  if (drawn_) err_ << clear_line << std::flush;
  drawn_ = false;
}

void ProgressDisplay::show(const SweepProgress& now) {
  if (kind_ == ProgressKind::none) return;
  const Seconds interval = kind_ == ProgressKind::bar ? bar_interval : line_interval;
  const bool too_soon =
      last_ ? now.elapsed - *last_ < interval : kind_ == ProgressKind::lines && now.elapsed < interval;
  if (too_soon) return;
  last_ = now.elapsed;
  const double done = fraction_done(now);
  if (kind_ == ProgressKind::lines) {
    err_ << finished(fmt::format("{:.1f} % · {}\n", 100 * done, progress_text(now)), style_) << std::flush;
    return;
  }
  const std::string text = fmt::format(" {:5.1f} % · {}", 100 * done, progress_text(now));
  const int cells = std::clamp(style_.width - 1 - static_cast<int>(columns(text)), 0, widest_bar);
  const std::string drawn = bar(done, cells);
  const std::string gap(static_cast<std::size_t>(cells) - columns(drawn), ' ');
  redraw(painted(drawn, Ink::accent, style_) + cut(gap + text, style_.width - 1 - static_cast<int>(columns(drawn))));
}

void ProgressDisplay::show(const std::string& stage) {
  if (kind_ == ProgressKind::bar) redraw(cut(stage, style_.width - 1));
}

void ProgressDisplay::redraw(const std::string& line) {
  err_ << clear_line << finished(line, style_) << std::flush;
  drawn_ = true;
}

ProgressKind progress_kind(const std::ostream& err, bool quiet) {
  if (quiet) return ProgressKind::none;
  return is_terminal(err) && environment("TERM") != "dumb" ? ProgressKind::bar : ProgressKind::lines;
}

TextStyle progress_style(const std::ostream& err) {
  TextStyle style = style_of(err);
  if (!is_terminal(err)) return style;
  style.colour = environment("NO_COLOR").empty() && environment("TERM") != "dumb";
  winsize window{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0) style.width = window.ws_col;
  return style;
}

}  // namespace trainyard
