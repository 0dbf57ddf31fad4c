// Recomputation of row_plan_parts.hpp.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <regex>

#include "analysis/validation/row_plan_parts.hpp"
#include "analysis/validation/row_words.hpp"

namespace trainyard::row {
namespace {

constexpr std::array recompute_words = std::to_array<Word<Recompute>>({
    {"none", Recompute::none},
    {"false", Recompute::none},
    {"selective", Recompute::selective},
    {"full", Recompute::full},
    {"true", Recompute::full},
});

// Which layers recompute: a share of all, or a number of each model chunk (Megatron's recompute_num_layers).
struct Part {
  double share = 0;
  int per_chunk = 0;
  bool apart = false;  // checkpoints that many layers apart (recompute_method uniform)
};

// "every 2nd layer", "every other layer", "every 4 layers" -> 2, 2, 4; 1 is every layer.
std::optional<int> every_nth(const std::string& text) {
  static const std::regex every(R"(\bevery\s+(?:(other|second|third|fourth)\b|(\d{1,4})))", std::regex::icase);
  static const std::regex nth(R"((\d{1,4})(?:st|nd|rd|th)\s+layers?\b)", std::regex::icase);
  std::smatch found;
  if (std::regex_search(text, found, every)) {
    if (found[2].matched) return std::max(1, std::stoi(found[2]));
    const std::string word = lower(found[1]);
    return word == "third" ? 3 : word == "fourth" ? 4 : 2;
  }
  if (std::regex_search(text, found, nth)) return std::max(1, std::stoi(found[1]));
  return std::nullopt;
}

std::optional<Part> part_of_layers(const std::string& text) {
  static const std::regex of(R"(\b(\d{1,5})\s*(?:of|/)\s*(\d{1,5})\s*layers?\b)", std::regex::icase);
  static const std::regex count(R"(num.layers\W*(\d{1,5})|\b(\d{1,5})\s*layers?\b)", std::regex::icase);
  std::smatch found;
  if (std::regex_search(text, found, of)) {
    const int some = std::stoi(found[1]), all = std::stoi(found[2]);
    if (all > 0 && some > 0 && some <= all) return Part{.share = static_cast<double>(some) / all};
  }
  if (const std::optional<int> n = every_nth(text)) return Part{.share = 1.0 / *n};
  if (!std::regex_search(text, found, count)) return std::nullopt;
  const int layers = std::stoi(found[1].matched ? found[1] : found[2]);
  return Part{.per_chunk = layers, .apart = lower(text).find("uniform") != std::string::npos};
}

// A share of the layers in whole layers of each chunk.
void recompute_share(Plan& plan, double share, const ModelShape& model, Notes& notes) {
  if (share >= 1) return;
  const double chunks = static_cast<double>(plan.pipeline_parallel) * plan.virtual_stages;
  const double exact = share * static_cast<double>(model.layers) / chunks;
  plan.recompute_method = RecomputeMethod::block;
  plan.recompute_layers = std::max(1, static_cast<int>(std::lround(exact)));
  if (std::abs(exact - plan.recompute_layers) > 1e-6)
    notes.push_back(
        fmt::format("recomputes {:.3g} layers of each model chunk: taken as {}", exact, plan.recompute_layers));
}

// Whole layers, all or some of them.
void set_layers_recomputed(Plan& plan, const Part& part, const ModelShape& model, Notes& notes) {
  plan.recompute = Recompute::full;
  if (part.share > 0) return recompute_share(plan, part.share, model, notes);
  if (part.per_chunk < 1) throw RowSkipped{"recomputation of 0 layers"};
  plan.recompute_method = part.apart ? RecomputeMethod::uniform : RecomputeMethod::block;
  plan.recompute_layers = part.apart && part.per_chunk == 1 ? 0 : part.per_chunk;
}

// "recompute modules: mla_up_proj,mlp,moe (per …)": Megatron's words, as far as they go.
std::uint32_t modules_listed(const std::string& text) {
  static const std::regex list(R"(modules\s*[:=]\s*\[?\s*([a-z_]+(?:\s*[,+]\s*[a-z_]+)*))", std::regex::icase);
  static const std::regex word_pattern("[a-z_]+");
  std::smatch found;
  if (!std::regex_search(text, found, list)) return 0;
  const std::string words = lower(found[1]);
  std::uint32_t modules = 0;
  for (std::sregex_iterator word(words.begin(), words.end(), word_pattern); word != std::sregex_iterator(); ++word) {
    const std::optional<RecomputeModule> module = recompute_module_from(word->str());
    if (!module) throw RowSkipped{fmt::format("recomputation of module '{}' is not modelled", word->str())};
    modules |= *module;
  }
  return modules;
}

bool names_attention(const std::string& detail) {
  return lower(detail).find("attention") != std::string::npos || lower(detail).find("core_attn") != std::string::npos;
}

// Where "selective" is not Megatron's attention core the detail must say what it is: whole layers, every n-th of them,
// the attention, or per operator, which keeps some matrix products of a module and not others.
void set_selective(Plan& plan, const PublishedRun& run, const SoftwareRule& rule, const ModelShape& model,
                   Notes& notes) {
  const std::string& detail = run.recompute_detail;
  if (const std::uint32_t modules = modules_listed(detail + "; " + run.notes)) {
    plan.recompute_modules = modules;
    return;
  }
  if (const std::optional<Part> part = part_of_layers(detail)) return set_layers_recomputed(plan, *part, model, notes);
  if (rule.selective != SelectiveRecompute::not_comparable || names_attention(detail)) return;
  static const std::regex per_operator(R"(\bper.?op|\bop\b|\boperators?\b)", std::regex::icase);
  if (std::regex_search(detail, per_operator))
    throw RowSkipped{"recomputation per operator keeps half of the matrix products, which no set of modules says"};
  throw RowSkipped{"'selective' recomputation of this software is not Megatron's, and the row does not say what it is"};
}

}  // namespace

void set_recompute(Plan& plan, const PublishedRun& run, const SoftwareRule& rule, const ModelShape& model,
                   Notes& notes) {
  if (run.recompute.empty()) {
    notes.emplace_back("recomputation not published: none");
    return;
  }
  const auto published = first_word(recompute_words, run.recompute);
  if (!published) throw RowSkipped{fmt::format("recomputation '{}' is not modelled", run.recompute)};
  plan.recompute = *published;
  if (plan.recompute == Recompute::selective) return set_selective(plan, run, rule, model, notes);
  if (plan.recompute == Recompute::none) return;
  if (const std::optional<Part> part = part_of_layers(run.recompute_detail))
    set_layers_recomputed(plan, *part, model, notes);
}

}  // namespace trainyard::row
