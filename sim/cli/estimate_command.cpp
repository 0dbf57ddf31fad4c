#include "sim/cli/estimate_command.hpp"

#include <fmt/format.h>

#include <array>
#include <boost/program_options.hpp>
#include <charconv>
#include <nlohmann/json.hpp>
#include <ostream>
#include <stdexcept>

#include "models/model_config.hpp"
#include "models/model_flops.hpp"
#include "models/quick_estimates.hpp"

namespace trainyard {
namespace {

namespace po = boost::program_options;
using Json = nlohmann::ordered_json;

// What an estimate says: its arithmetic, its answer, and the same as JSON.
struct Answer {
  std::string arithmetic;
  std::string result;
  Json json;
};

struct Estimate {
  std::string_view name;
  std::string_view summary;
  std::string_view argument;  // "MODEL" or nothing
  std::string_view example;
  void (*options)(po::options_description_easy_init);
  Answer (*answer)(const po::variables_map&);
};

// Numbers are taken as text: lexical casts would let "-1" wrap round and "nan" through.
std::int64_t whole(const po::variables_map& given, const char* option, std::int64_t high) {
  const auto& text = given[option].as<std::string>();
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < 1 || number > high)
    throw po::error(fmt::format("--{} must be a whole number from 1 to {}, not '{}'", option, high, text));
  return number;
}

int degree(const po::variables_map& given, const char* option) {
  return static_cast<int>(whole(given, option, 1'000'000));
}

template <class Parse>
auto quantity(const po::variables_map& given, const char* option, bool zero_allowed, Parse parse) {
  try {
    const auto value = parse(given[option].as<std::string>());
    if (!zero_allowed && value.value <= 0) throw std::invalid_argument("must be more than zero");
    return value;
  } catch (const std::invalid_argument& e) {
    throw po::error(fmt::format("--{}: {}", option, e.what()));
  }
}

DataType data_type(const po::variables_map& given, const char* option) {
  const auto& text = given[option].as<std::string>();
  const auto type = data_type_from(text);
  if (!type) throw po::error(fmt::format("--{} '{}' is not one of fp32, tf32, bf16, fp16, fp8", option, text));
  return *type;
}

ModelShape model_of(const po::variables_map& given) {
  if (given.count("model") == 0) throw po::error("a MODEL is missing: a name such as llama3-8b, or a file");
  return load_model(given["model"].as<std::string>()).shape;
}

auto text_option() { return po::value<std::string>(); }
auto text_option(const char* fallback) { return po::value<std::string>()->default_value(fallback); }

std::string billions(std::int64_t n) { return fmt::format("{:.3f} B", static_cast<double>(n) / 1e9); }

void params_options(po::options_description_easy_init) {}

Answer params(const po::variables_map& given) {
  const ModelShape m = model_of(given);
  const ParameterCount n = count_parameters(m);
  const std::int64_t moe_layers = moe_layer_count(m);
  std::string line = fmt::format("{} embedding", n.embedding);
  if (n.position > 0) line += fmt::format(" + {} positions", n.position);
  if (m.layers > moe_layers)
    line += fmt::format(" + {} dense layers x {}", m.layers - moe_layers, layer_parameters(m, false, 1).total());
  if (moe_layers > 0) line += fmt::format(" + {} MoE layers x {}", moe_layers, layer_parameters(m, true, 1).total());
  line += fmt::format(" + {} final norm", n.final_norm);
  if (n.head > 0) line += fmt::format(" + {} head", n.head);
  line += fmt::format(" = {}", n.total);
  std::string result = fmt::format("{}: {} parameters", m.name, billions(n.total));
  if (n.active != n.total) result += fmt::format(", {} active per token", billions(n.active));
  if (n.mtp > 0) result += fmt::format(", and {} for multi-token prediction", billions(n.mtp));
  return {line, result,
          Json{{"model", m.name},
               {"total", n.total},
               {"active", n.active},
               {"embedding", n.embedding},
               {"position", n.position},
               {"attention", n.attention},
               {"mlp", n.mlp},
               {"router", n.router},
               {"routed_experts", n.routed_experts},
               {"shared_experts", n.shared_experts},
               {"norms", n.norms},
               {"final_norm", n.final_norm},
               {"head", n.head},
               {"mtp", n.mtp}}};
}

void flops_options(po::options_description_easy_init add) {
  add("sequence-length", text_option("4096"), "tokens per sequence")("sequences", text_option("1"), "the global batch")(
      "convention", text_option("megatron-lm"),
      "6n | palm-2022 | narayanan-2021 | korthikanti-2022 | korthikanti-2022-hardware | megatron-lm");
}

Answer flops(const po::variables_map& given) {
  const ModelShape m = model_of(given);
  const std::int64_t length = whole(given, "sequence-length", 1'000'000'000);
  const std::int64_t sequences = whole(given, "sequences", 1'000'000'000);
  const auto& text = given["convention"].as<std::string>();
  const auto convention = flops_convention_from(text);
  if (!convention) throw po::error(fmt::format("--convention '{}' is not known; --help lists them", text));
  const Flops step = model_flops(m, *convention, sequences, length);
  const double tokens = static_cast<double>(sequences) * static_cast<double>(length);
  return {fmt::format("{} sequences x {} tokens x {:.4e} FLOP per token", sequences, length, step.value / tokens),
          fmt::format("{}: {:.6e} FLOP per step, {}", m.name, step.value, description(*convention)),
          Json{{"model", m.name},
               {"model_flops", step.value},
               {"flops_per_token", step.value / tokens},
               {"flops_convention", name(*convention)}}};
}

void state_options(po::options_description_easy_init add) {
  add("tp", text_option("1"), "tensor parallel ranks")("pp", text_option("1"), "pipeline stages")(
      "dp", text_option("1"), "data parallel ranks")("ep", text_option("1"), "expert parallel ranks, dividing dp")(
      "zero", text_option("1"), "what dp shards: 0 nothing, 1 optimizer, 2 + gradients, 3 + weights")(
      "gradients", text_option("fp32"), "type of the kept gradients: fp32 | bf16");
}

StateQuestion state_question(const po::variables_map& given, const ModelShape& m) {
  StateQuestion q{.tensor_parallel = degree(given, "tp"),
                  .pipeline_parallel = degree(given, "pp"),
                  .data_parallel = degree(given, "dp"),
                  .expert_parallel = degree(given, "ep"),
                  .gradients = data_type(given, "gradients")};
  const auto& zero = given["zero"].as<std::string>();
  if (zero.size() != 1 || zero[0] < '0' || zero[0] > '3')
    throw po::error(fmt::format("--zero must be 0, 1, 2 or 3, not '{}'", zero));
  q.zero_stage = zero[0] - '0';
  if (q.pipeline_parallel > m.layers)
    throw po::error(fmt::format("--pp {} is more than the model's {} layers", q.pipeline_parallel, m.layers));
  if (m.heads % q.tensor_parallel != 0)
    throw po::error(fmt::format("--tp {} does not divide the model's {} heads", q.tensor_parallel, m.heads));
  if (q.data_parallel % q.expert_parallel != 0)
    throw po::error(fmt::format("--ep {} does not divide --dp {}", q.expert_parallel, q.data_parallel));
  if (q.expert_parallel > 1 && (!m.moe || m.moe->experts % q.expert_parallel != 0))
    throw po::error(
        fmt::format("--ep {} does not divide the model's {} experts", q.expert_parallel, m.moe ? m.moe->experts : 0));
  return q;
}

std::string state_term(std::int64_t parameters, std::string_view whose, const ParameterState& state) {
  return fmt::format("{} {} parameters x ({:.5g} weights + {:.5g} gradients + {:.5g} optimizer = {:.5g} B)", parameters,
                     whose, state.weights.value, state.gradients.value, state.optimizer.value, state.total().value);
}

Answer training_state_of(const po::variables_map& given) {
  const ModelShape m = model_of(given);
  const StateQuestion q = state_question(given, m);
  const TrainingState s = training_state(m, q);
  std::string line = state_term(s.parameters.dense(), "dense", s.dense);
  if (s.parameters.routed_experts > 0) line += " + " + state_term(s.parameters.routed_experts, "expert", s.experts);
  return {line,
          fmt::format("{}: {} per rank on pipeline stage {} of {} ({} layers), the fullest", m.name, to_text(s.total),
                      s.stage, q.pipeline_parallel, s.stage_layers),
          Json{{"model", m.name},
               {"total_bytes", s.total.value},
               {"stage", s.stage},
               {"stage_layers", s.stage_layers},
               {"dense_parameters", s.parameters.dense()},
               {"expert_parameters", s.parameters.routed_experts},
               {"bytes_per_dense_parameter", s.dense.total().value},
               {"bytes_per_expert_parameter", s.experts.total().value}}};
}

void kv_cache_options(po::options_description_easy_init add) {
  add("tokens", text_option("1"), "tokens of the sequence")("tp", text_option("1"), "tensor parallel ranks")(
      "dtype", text_option("bf16"), "type of the cache: fp32 | bf16 | fp16 | fp8");
}

Answer kv_cache_of(const po::variables_map& given) {
  const ModelShape m = model_of(given);
  const std::int64_t tokens = whole(given, "tokens", 1'000'000'000'000);
  const int tp = degree(given, "tp");
  const DataType type = data_type(given, "dtype");
  if (tp > m.heads || m.heads % tp != 0)
    throw po::error(fmt::format("--tp {} does not divide the model's {} heads", tp, m.heads));
  const Bytes per_token = kv_cache_per_token(m, type, tp);
  const Bytes total = kv_cache(m, tokens, type, tp);
  const std::string elements =
      m.latent_attention
          ? fmt::format("({} latent + {} rotary)", m.latent_attention->kv_rank, m.latent_attention->qk_rope_head_dim)
          : fmt::format("2 x {} heads x {}", (m.kv_heads + tp - 1) / tp, m.head_dim);
  const bool windowed = m.sliding_window > 0 && m.sliding_window < tokens;
  return {
      fmt::format("{} layers x {} x {} B = {} B per token, x {} tokens{}", m.layers, elements, bytes_per_element(type),
                  per_token.value, windowed ? m.sliding_window : tokens, windowed ? " (the sliding window)" : ""),
      fmt::format("{}: {} of KV cache per rank and sequence", m.name, to_text(total)),
      Json{{"model", m.name}, {"bytes_per_token", per_token.value}, {"total_bytes", total.value}}};
}

void all_reduce_options(po::options_description_easy_init add) {
  add("bytes", text_option(), "size of the buffer: 1GiB, 512MB")("ranks", text_option(), "ranks of the ring")(
      "bandwidth", text_option(), "of one rank and direction: 450GB/s, 400Gbps")("latency", text_option("0"),
                                                                                 "of one of the 2(n-1) steps: 5us");
}

Answer all_reduce(const po::variables_map& given) {
  for (const char* option : {"bytes", "ranks", "bandwidth"})
    if (given.count(option) == 0) throw po::error(fmt::format("--{} is missing", option));
  const Bytes bytes = quantity(given, "bytes", false, parse_bytes);
  const BytesPerSecond bandwidth = quantity(given, "bandwidth", false, parse_bandwidth);
  const Seconds latency = quantity(given, "latency", true, parse_duration);
  const int ranks = degree(given, "ranks");
  const Bytes sent = ring_all_reduce_bytes_sent(bytes, ranks);
  const Seconds time = ring_all_reduce_time(bytes, ranks, bandwidth, latency);
  const BytesPerSecond algorithm = time.value > 0 ? bytes / time : BytesPerSecond{};
  const BytesPerSecond bus = time.value > 0 ? all_reduce_bus_bandwidth(bytes, time, ranks) : BytesPerSecond{};
  return {fmt::format("2 x {}/{} x {} = {} sent per rank, / {} + {} x {}", ranks - 1, ranks, to_text(bytes),
                      to_text(sent), to_text(bandwidth), 2 * (ranks - 1), to_text(latency)),
          fmt::format("{}, algbw {}, busbw {}", to_text(time), to_text(algorithm), to_text(bus)),
          Json{{"sent_bytes_per_rank", sent.value},
               {"time_s", time.value},
               {"algbw_gbps", algorithm.value / 1e9},
               {"busbw_gbps", bus.value / 1e9}}};
}

constexpr std::array estimates = {
    Estimate{"params", "parameters of a model, by owner", "MODEL", "params deepseek-v3", params_options, params},
    Estimate{"flops", "model FLOPs of one training step", "MODEL",
             "flops llama3-8b --sequence-length 8192 --sequences 128", flops_options, flops},
    Estimate{"training-state", "weights, gradients and optimizer states of one rank", "MODEL",
             "training-state llama3-70b --tp 4 --pp 4 --dp 8 --zero 1", state_options, training_state_of},
    Estimate{"kv-cache", "keys and values kept while generating", "MODEL", "kv-cache llama3-70b --tokens 8192 --tp 8",
             kv_cache_options, kv_cache_of},
    Estimate{"all-reduce", "time of a ring all-reduce", "",
             "all-reduce --bytes 1GiB --ranks 8 --bandwidth 450GB/s --latency 5us", all_reduce_options, all_reduce}};

void print_help(const Estimate& e, const po::options_description& options, std::ostream& out) {
  out << fmt::format("Usage: trainyard estimate {} {}[options]\n{}\n\n", e.name,
                     e.argument.empty() ? "" : fmt::format("{} ", e.argument), e.summary)
      << options << fmt::format("\nExample:\n  trainyard estimate {}\n", e.example);
}

void print_overview(std::ostream& out) {
  out << "Usage: trainyard estimate WHAT [options]\nQuick calculators: the line of arithmetic and its result.\n\n";
  for (const Estimate& e : estimates) out << fmt::format("  {:<16}{}\n", e.name, e.summary);
  out << "\nExample:\n  trainyard estimate params llama3-70b\n";
}

int run(const Estimate& e, const std::vector<std::string>& args, std::ostream& out) {
  po::options_description shown("Options");
  e.options(shown.add_options());
  shown.add_options()("json", "print one JSON object")("help,h", "show this help");
  po::options_description all = shown;
  po::positional_options_description positional;
  if (!e.argument.empty()) {
    all.add_options()("model", text_option());
    positional.add("model", 1);
  }
  po::variables_map given;
  const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  po::store(po::command_line_parser(args).options(all).positional(positional).style(style).run(), given);
  po::notify(given);
  if (given.count("help") > 0) {
    print_help(e, shown, out);
    return 0;
  }
  Answer answer = e.answer(given);
  if (given.count("json") > 0) {
    Json json{{"schema_version", 1}};
    json.update(answer.json);
    out << json.dump(2) << '\n';
  } else {
    out << answer.arithmetic << '\n' << answer.result << '\n';
  }
  return 0;
}

}  // namespace

int estimate_command(const std::vector<std::string>& args, std::ostream& out, std::ostream&) {
  std::vector<std::string> names;
  for (const Estimate& e : estimates) names.emplace_back(e.name);
  if (args.empty()) throw po::error(fmt::format("say what to estimate: {}", fmt::join(names, ", ")));
  if (args.front() == "--help" || args.front() == "-h") {
    print_overview(out);
    return 0;
  }
  for (const Estimate& e : estimates)
    if (e.name == args.front()) return run(e, {args.begin() + 1, args.end()}, out);
  std::string hint = did_you_mean(args.front(), names);
  if (hint.empty()) hint = fmt::format("known: {}", fmt::join(names, ", "));
  throw po::error(fmt::format("cannot estimate '{}' ({})", args.front(), hint));
}

}  // namespace trainyard
