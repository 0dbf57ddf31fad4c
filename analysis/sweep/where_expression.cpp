#include "analysis/sweep/where_expression.hpp"

#include <fmt/format.h>
#include <muParser.h>

#include <array>
#include <cctype>
#include <cmath>
#include <string_view>
#include <utility>

namespace trainyard {
namespace {

// Far beyond any condition that a person writes.
constexpr std::size_t longest_expression = 1'000;

// Numbers of a plan, in the order of `plan_names`.
constexpr std::array<const char*, 11> plan_names = {"tp",  "pp",  "vpp",           "cp", "ep", "etp", "dp",
                                                    "mbs", "gbs", "micro_batches", "m"};
using PlanNumbers = std::array<double, plan_names.size()>;

double micro_batches(const Plan& plan) {
  if (plan.data_parallel == 0) return 0;
  return static_cast<double>(plan.global_batch_size) / plan.micro_batch_size / plan.data_parallel;
}

PlanNumbers numbers_of(const Plan& p) {
  const int etp = p.expert_tensor_parallel > 0 ? p.expert_tensor_parallel : p.tensor_parallel;
  const auto number = [](int n) { return static_cast<double>(n); };
  return {number(p.tensor_parallel),
          number(p.pipeline_parallel),
          number(p.virtual_stages),
          number(p.context_parallel),
          number(p.expert_parallel),
          number(etp),
          number(p.data_parallel),
          number(p.micro_batch_size),
          number(p.global_batch_size),
          micro_batches(p),
          micro_batches(p)};
}

bool is_word_letter(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// "and" -> "&& ": the parser knows the signs alone, and columns must stay.
void replace_word(std::string& text, std::string_view word, std::string_view sign) {
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at > 0 && is_word_letter(text[at - 1])) || (end < text.size() && is_word_letter(text[end]))) continue;
    text.replace(at, word.size(), sign);
  }
}

// Where a single '=' stands: the parser would set the variable.
std::size_t assignment_in(const std::string& text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') continue;
    if (i + 1 < text.size() && text[i + 1] == '=') {
      ++i;
      continue;
    }
    if (i == 0 || std::string_view("<>!").find(text[i - 1]) == std::string_view::npos) return i;
  }
  return std::string::npos;
}

mu::value_type remainder(mu::value_type a, mu::value_type b) { return std::fmod(a, b); }
mu::value_type negation(mu::value_type a) { return a == 0 ? 1 : 0; }

}  // namespace

class WhereExpression::Compiled {
 public:
  Compiled(std::string text, const WhereConstants& constants, SourceLocation where)
      : text_(std::move(text)), where_(std::move(where)) {
    if (text_.size() > longest_expression)
      throw InputError(where_, fmt::format("where is longer than {} characters", longest_expression));
    for (const char c : text_)
      if (static_cast<unsigned char>(c) < ' ' && c != '\n' && c != '\t') throw InputError(where_, "where is no text");
    define(constants);
    guarded([&] {
      parser_.SetExpr(translated());
      parser_.Eval();  // compiles
      if (parser_.GetNumResults() != 1)
        throw InputError(where_, fmt::format("where '{}' is several expressions", text_), "join them with &&");
    });
  }

  bool holds(const Plan& plan) {
    numbers_ = numbers_of(plan);
    double value = 0;
    guarded([&] { value = parser_.Eval(); });
    if (value == 0 || value == 1) return value == 1;
    throw InputError(where_,
                     fmt::format("where '{}' is neither true nor false but {} at tp {} pp {} vpp {} cp {} ep {} mbs {}",
                                 text_, value, plan.tensor_parallel, plan.pipeline_parallel, plan.virtual_stages,
                                 plan.context_parallel, plan.expert_parallel, plan.micro_batch_size),
                     "compare it with something, as in tp*cp <= 8");
  }

 private:
  std::string translated() const {
    if (const std::size_t at = assignment_in(text_); at != std::string::npos)
      throw InputError(where_, fmt::format("where '{}', column {}: '=' sets a value", text_, at + 1), "== compares");
    std::string text = text_;
    replace_word(text, "and", "&& ");
    replace_word(text, "or", "||");
    replace_word(text, "not", "!  ");
    return text;
  }

  void define(const WhereConstants& constants) {
    parser_.ClearConst();
    numbers_.fill(1);
    for (std::size_t i = 0; i < plan_names.size(); ++i) parser_.DefineVar(plan_names[i], &numbers_[i]);
    parser_.DefineConst("gpus", constants.gpus);
    parser_.DefineConst("nodes", constants.nodes);
    parser_.DefineConst("gpus_per_node", constants.gpus_per_node);
    parser_.DefineConst("layers", static_cast<double>(constants.layers));
    parser_.DefineOprt("%", remainder, mu::prMUL_DIV);
    parser_.DefineInfixOprt("!", negation);
  }

  template <class Work>
  void guarded(Work work) const {
    try {
      work();
    } catch (const mu::ParserError& e) {
      fail(e);
    }
  }

  [[noreturn]] void fail(const mu::ParserError& e) const {
    // Where something is missing the parser points behind the text, or nowhere.
    const std::size_t column = std::min(static_cast<std::size_t>(e.GetPos()), text_.size()) + 1;
    std::string what = e.GetMsg(), hint;
    if (e.GetCode() == mu::ecUNASSIGNABLE_TOKEN) {
      const std::string name = e.GetToken().substr(0, e.GetToken().find(' '));
      what = fmt::format("unknown name '{}'", name);
      hint = did_you_mean(name, where_names());
      if (hint.empty()) hint = fmt::format("names are {}", fmt::join(where_names(), ", "));
    } else {
      what = what.substr(0, what.find(" at position"));  // counted from 0
    }
    throw InputError(where_, fmt::format("where '{}', column {}: {}", text_, column, what), hint);
  }

  std::string text_;
  SourceLocation where_;
  PlanNumbers numbers_{};  // what the parser's variables point to
  mu::Parser parser_;
};

WhereExpression::WhereExpression(const std::string& text, const WhereConstants& constants, SourceLocation where)
    : compiled_(std::make_unique<Compiled>(text, constants, std::move(where))) {}
WhereExpression::~WhereExpression() = default;
WhereExpression::WhereExpression(WhereExpression&&) noexcept = default;

bool WhereExpression::holds(const Plan& plan) { return compiled_->holds(plan); }

std::vector<std::string> where_names() {
  std::vector<std::string> names(plan_names.begin(), plan_names.end());
  for (const char* name : {"gpus", "nodes", "gpus_per_node", "layers"}) names.emplace_back(name);
  return names;
}

}  // namespace trainyard
