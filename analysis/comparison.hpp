// Two simulated steps term by term: the values, their text and their JSON.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/simulate.hpp"
#include "analysis/text_layout.hpp"

namespace trainyard {

enum class TermKind { time, part_of_time, gibibytes, rate, fraction };

// One line of a comparison. Times in seconds, memory in GiB, fractions as such.
struct ComparedTerm {
  std::string key;    // JSON key with its unit: "exposed_tp_s"
  std::string title;  // "exposed tensor parallel"
  TermKind kind = TermKind::time;
  double a = 0;
  double b = 0;
  double delta() const { return b - a; }
  std::optional<double> relative() const;  // (b - a) / a; nullopt if a is zero
  friend bool operator==(const ComparedTerm&, const ComparedTerm&) = default;
};

std::vector<ComparedTerm> comparison(const StepResult& a, const StepResult& b);

struct ComparedStep {
  const Job* job = nullptr;             // not null
  const SimulatedStep* step = nullptr;  // not null
};
std::string compare_text(const ComparedStep& a, const ComparedStep& b, const TextStyle& style);
// {"schema_version", "a": {scenario, inputs_hash, fits, plan}, "b": …, "terms": [{term, a, b, delta, relative}]}
std::string compare_json(const ComparedStep& a, const ComparedStep& b);

}  // namespace trainyard
