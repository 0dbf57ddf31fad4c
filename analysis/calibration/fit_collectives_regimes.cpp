#include "analysis/calibration/fit_collectives_regimes.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>

namespace trainyard {
namespace {

constexpr double noise = 0.03;           // of one measured time, relative; repeats of nccl-tests differ by 1 to 3 %
constexpr double huber = 1.5;            // errors beyond this many times the noise weigh less
constexpr double cap = 6.0;              // and beyond this no more at all
constexpr double largest_jump = 0.10;    // at a border
constexpr double unbridged_jump = 0.05;  // upwards; a larger one is bridged
constexpr double flattest = 1e-16;       // s/B, that is 10 PB/s: a piece that does not depend on the size
constexpr std::size_t most_pieces = 5;   // fitted ones, bridges not counted
constexpr std::size_t fewest_sizes = 4;  // one piece, its border and one to spare
constexpr double finest_bins = 4;        // per doubling: sizes closer than that count as one
constexpr std::size_t most_points = 96;  // bounds the work, which grows with the cube
constexpr int reweightings = 8;
constexpr double never = std::numeric_limits<double>::infinity();

struct Line {
  double latency = 0;   // s
  double per_byte = 0;  // s/B
  double at(double size) const { return latency + per_byte * size; }
};
struct Point {
  double size = 0;
  double time = 0;
};
using Points = std::vector<Point>;

// Minimum of sum w (latency/t + per_byte S/t - 1)^2 with both not negative.
Line weighted_line(const Points& points, std::size_t first, std::size_t last, const std::vector<double>& weights) {
  double aa = 0, ab = 0, bb = 0, a1 = 0, b1 = 0;
  for (std::size_t i = first; i <= last; ++i) {
    const double a = 1.0 / points[i].time;
    const double b = points[i].size / points[i].time;
    const double w = weights[i];
    aa += w * a * a, ab += w * a * b, bb += w * b * b, a1 += w * a, b1 += w * b;
  }
  const double determinant = aa * bb - ab * ab;
  const bool two_sizes = determinant > 1e-12 * aa * bb;
  const double latency = two_sizes ? (a1 * bb - b1 * ab) / determinant : 0;
  const double per_byte = two_sizes ? (b1 * aa - a1 * ab) / determinant : 0;
  if (two_sizes && latency >= 0 && per_byte >= flattest) return {latency, per_byte};
  if (latency < 0 || !two_sizes) return {0, b1 / bb};
  return {a1 / aa, flattest};
}

double error_in_noise(const Line& line, const Point& point) {
  return std::abs(std::log(line.at(point.size) / point.time)) / noise;
}

Line robust_line(const Points& points, std::size_t first, std::size_t last) {
  std::vector<double> weights(points.size(), 1.0);
  Line line = weighted_line(points, first, last, weights);
  for (int round = 0; round < reweightings && last - first > 1; ++round) {
    for (std::size_t i = first; i <= last; ++i) weights[i] = std::min(1.0, huber / error_in_noise(line, points[i]));
    line = weighted_line(points, first, last, weights);
  }
  return line;
}

double price(const Line& line, const Point& point) {
  const double error = std::min(error_in_noise(line, point), cap);
  return error <= huber ? error * error : huber * (2 * error - huber);
}

struct Piece {
  Line line;
  double cost = 0;
};

// How two pieces meet between the last point of one and the first of the next.
struct Border {
  double from = 0;             // where the next piece, or the bridge, begins
  std::optional<Line> bridge;  // up to the first point of the next piece
};
std::optional<Border> border(const Line& left, const Line& right, double last, double first) {
  const double slopes = left.per_byte - right.per_byte;
  if (slopes != 0) {
    const double crossing = (right.latency - left.latency) / slopes;
    if (crossing >= last && crossing <= first) return Border{crossing, std::nullopt};
  }
  const double middle_size = std::sqrt(last * first);
  const double rise = right.at(middle_size) / left.at(middle_size) - 1.0;
  if (rise >= 0 && rise <= unbridged_jump) return Border{middle_size, std::nullopt};
  const double below = left.at(last);
  const double above = right.at(first);
  if (above < below) return std::nullopt;
  const double per_byte = (above - below) / (first - last);
  const double latency = below - per_byte * last;
  if (latency >= 0 && per_byte >= flattest) return Border{last, Line{latency, per_byte}};
  if (latency >= 0) return std::nullopt;
  // Steeper than a line through the origin: half of what it lacks is a jump at either end.
  const double middle = std::sqrt(below / last * above / first);
  if (middle * last / below - 1.0 > largest_jump) return std::nullopt;
  return Border{std::min(last + 1.0, middle_size), Line{0, middle}};  // the last point itself was met
}

// Points of the same fraction of a doubling become one: their geometric mean size and median time.
Points binned(const std::vector<CurvePoint>& raw, double bins_per_octave) {
  const auto bin = [&](const CurvePoint& p) { return std::round(bins_per_octave * std::log2(p.size.value)); };
  Points result;
  for (std::size_t i = 0; i < raw.size();) {
    const double here = bin(raw[i]);
    std::vector<double> times;
    double sizes = 0;
    for (; i < raw.size() && bin(raw[i]) == here; ++i) {
      times.push_back(raw[i].time.value);
      sizes += std::log(raw[i].size.value);
    }
    std::sort(times.begin(), times.end());
    const std::size_t n = times.size();
    result.push_back({std::exp(sizes / static_cast<double>(n)), std::sqrt(times[(n - 1) / 2] * times[n / 2])});
  }
  return result;
}
Points merged(const std::vector<CurvePoint>& raw) {
  for (double bins = finest_bins;; bins /= 2) {
    Points points = binned(raw, bins);
    if (points.size() <= most_points) return points;
  }
}

class Cutting {
 public:
  explicit Cutting(const Points& points) : points_(points), n_(points.size()), pieces_(n_ * n_) {
    for (std::size_t first = 0; first < n_; ++first)
      for (std::size_t last = first; last < n_; ++last) pieces_[first * n_ + last] = fitted(first, last);
  }

  std::vector<CollectiveRegime> regimes() {
    const std::size_t most = std::min(most_pieces, n_ / 3);
    const std::size_t all = n_ * n_;
    costs_.assign(most * all, never);
    befores_.assign(most * all, n_);
    for (std::size_t last = 1; last < n_; ++last) costs_[last] = piece(0, last).cost;
    for (std::size_t k = 1; k < most; ++k) extend(k);
    std::size_t best = n_ - 1;  // of the last layer's pieces that end with the last point
    for (std::size_t k = 0; k < most; ++k)
      for (std::size_t first = 0; first + 1 < n_; ++first)
        if (const std::size_t here = k * all + first * n_ + n_ - 1; costs_[here] < costs_[best]) best = here;
    return joined(chain(best));
  }

 private:
  const Piece& piece(std::size_t first, std::size_t last) const { return pieces_[first * n_ + last]; }

  Piece fitted(std::size_t first, std::size_t last) const {
    if (first == last) return {{}, never};
    Piece result{robust_line(points_, first, last), 3.0 * std::log(static_cast<double>(n_))};
    for (std::size_t i = first; i <= last; ++i) result.cost += price(result.line, points_[i]);
    return result;
  }

  // Layer k: the cheapest k+1 pieces of which the last is [first, last]; the one before begins at befores_.
  void extend(std::size_t k) {
    const std::size_t all = n_ * n_;
    for (std::size_t first = 2; first + 1 < n_; ++first)
      for (std::size_t last = first + 1; last < n_; ++last)
        for (std::size_t before = 0; before + 1 < first; ++before) {
          const double sum = costs_[(k - 1) * all + before * n_ + first - 1] + piece(first, last).cost;
          const std::size_t here = k * all + first * n_ + last;
          if (sum >= costs_[here]) continue;
          const Piece& previous = piece(before, first - 1);
          if (!border(previous.line, piece(first, last).line, points_[first - 1].size, points_[first].size)) continue;
          costs_[here] = sum;
          befores_[here] = before;
        }
  }

  struct Span {
    std::size_t first = 0, last = 0;
  };
  std::vector<Span> chain(std::size_t state) const {
    const std::size_t all = n_ * n_;
    std::vector<Span> spans;
    for (std::size_t k = state / all;; --k) {
      const Span span{state % all / n_, state % n_};
      spans.insert(spans.begin(), span);
      if (k == 0) return spans;
      state = (k - 1) * all + befores_[state] * n_ + span.first - 1;
    }
  }

  std::vector<CollectiveRegime> joined(const std::vector<Span>& spans) const {
    std::vector<CollectiveRegime> regimes;
    const auto add = [&](double from, const Line& line) {
      regimes.push_back({Bytes(from), Seconds(line.latency), BytesPerSecond(1.0 / line.per_byte)});
    };
    const Span* previous = nullptr;
    for (const Span& span : spans) {
      const Line& line = piece(span.first, span.last).line;
      double from = 0;
      if (previous) {
        const double first = points_[span.first].size;
        const auto edge =
            border(piece(previous->first, previous->last).line, line, points_[previous->last].size, first);
        from = edge->from;
        if (edge->bridge) add(from, *edge->bridge);
        if (edge->bridge) from = first;
      }
      add(from, line);
      previous = &span;
    }
    return regimes;
  }

  const Points& points_;
  std::size_t n_;
  std::vector<Piece> pieces_;         // [first][last]
  std::vector<double> costs_;         // [pieces - 1][first][last]
  std::vector<std::size_t> befores_;  // the same
};

}  // namespace

std::vector<CollectiveRegime> fit_regimes(std::vector<CurvePoint> raw) {
  std::erase_if(raw, [](const CurvePoint& p) {
    return !(p.size.value > 0 && p.time.value > 0 && std::isfinite(p.size.value) && std::isfinite(p.time.value));
  });
  std::sort(raw.begin(), raw.end(), [](const CurvePoint& a, const CurvePoint& b) { return a.size < b.size; });
  const Points points = merged(raw);
  if (points.size() < fewest_sizes) return {};
  return Cutting(points).regimes();
}

}  // namespace trainyard
