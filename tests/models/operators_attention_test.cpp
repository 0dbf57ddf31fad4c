#include <catch2/catch.hpp>

#include "models/model_config.hpp"
#include "models/operators.hpp"

using namespace trainyard;

namespace {

constexpr std::int64_t sequence = 32768;

ModelShape llama_8b() { return load_model("llama3-8b").shape; }  // 32 heads of 128, 8 key-value heads
ModelShape deepseek_v3() { return load_model("deepseek-v3").shape; }

RankSlice context_rank(ContextParallelKind kind, int cp) {
  RankSlice s;
  s.sequence_length = sequence;
  s.cp = cp;
  s.cp_kind = kind;
  s.cp_inner = kind == ContextParallelKind::hierarchical ? 2 : 1;
  return s;
}

StackProfile flash() {
  StackProfile s;
  s.attention = AttentionKernel::flash3;
  return s;
}
StackProfile materialised() {
  StackProfile s;
  s.attention = AttentionKernel::materialised;
  s.score_passes_forward = 4;
  return s;
}

template <class Work>
double flops_of(const LayerSteps& steps) {
  double sum = 0;
  for (const LayerStep& step : steps)
    if (const auto* op = std::get_if<Operator>(&step.work); op && std::holds_alternative<Work>(op->work))
      sum += flops(*op).value;
  return sum;
}

struct Traffic {
  CollectiveKind kind;
  LayerGroup group;
  double bytes;
  friend bool operator==(const Traffic&, const Traffic&) = default;
};
std::vector<Traffic> traffic(const LayerSteps& steps, LayerGroup group) {
  std::vector<Traffic> all;
  for (const LayerStep& step : steps)
    if (const auto* c = std::get_if<LayerCollective>(&step.work); c && c->group == group)
      all.push_back({c->kind, c->group, c->bytes.value});
  return all;
}

int index_of(const LayerSteps& steps, std::string_view name, int nth = 0) {
  for (std::size_t i = 0; i < steps.size(); ++i)
    if (const auto* op = std::get_if<Operator>(&steps[i].work); op && op->name == name && nth-- == 0)
      return static_cast<int>(i);
  FAIL("no step " << name);
  return -1;
}

const auto every_kind = {ContextParallelKind::ring, ContextParallelKind::all_gather, ContextParallelKind::ulysses,
                         ContextParallelKind::hierarchical};

}  // namespace

TEST_CASE("latent attention of DeepSeek-V3 multiplies 374 MFLOP per token and layer") {
  // 2 (h r_q + r_q a (d_n+d_r) + h (r_kv+d_r) + r_kv a (d_n+d_v) + a d_v h), h 7168, a 128, r_q 1536, r_kv 512,
  // d_n 128, d_r 64, d_v 128: 2 x (11 010 048 + 37 748 736 + 4 128 768 + 16 777 216 + 117 440 512) = 374 210 560.
  RankSlice s;
  s.sequence_length = 4096;
  ModelShape m = deepseek_v3();
  const double mlp = 2.0 * 3 * 7168 * 18432;
  CHECK(flops_of<Gemm>(layer_forward(m, false, s, flash())) / 4096 == 374'210'560.0 + mlp);
  // dgrad and wgrad are as much again, each.
  CHECK(flops_of<Gemm>(layer_backward(m, false, s, flash(), {})) / 4096 == 2 * (374'210'560.0 + mlp));
  // Causal scores of 192 and values of 128: 2 a (192 + 128) (s+1)/2 per token, 2 a (3 x 192 + 2 x 128) backward.
  CHECK(flops_of<Attention>(layer_forward(m, false, s, flash())) / 4096 == 2.0 * 128 * 320 * 4097 / 2);
  CHECK(flops_of<Attention>(layer_backward(m, false, s, flash(), {})) / 4096 == 2.0 * 128 * 832 * 4097 / 2);
}

TEST_CASE("an uncompressed query is projected from the hidden state") {
  ModelShape m = deepseek_v3();
  m.latent_attention->q_rank = 0;
  RankSlice s;
  s.sequence_length = 4096;
  const LayerSteps steps = layer_forward(m, false, s, flash());
  const Gemm& q =
      std::get<Gemm>(std::get<Operator>(steps[static_cast<std::size_t>(index_of(steps, "q_proj"))].work).work);
  CHECK(q == Gemm{.m = 4096, .n = 128 * 192, .k = 7168});
}

TEST_CASE("tensor parallelism cuts the up-projections of latent attention and replicates the down-projections") {
  RankSlice s;
  s.sequence_length = 4096;
  s.tp = 8;
  const LayerSteps steps = layer_forward(deepseek_v3(), false, s, flash());
  const auto gemm = [&](std::string_view name) {
    return std::get<Gemm>(std::get<Operator>(steps[static_cast<std::size_t>(index_of(steps, name))].work).work);
  };
  CHECK(gemm("q_down_proj") == Gemm{.m = 4096, .n = 1536, .k = 7168});
  CHECK(gemm("kv_down_proj") == Gemm{.m = 4096, .n = 576, .k = 7168});
  CHECK(gemm("q_up_proj") == Gemm{.m = 4096, .n = 16 * 192, .k = 1536});
  CHECK(gemm("kv_up_proj") == Gemm{.m = 4096, .n = 16 * 256, .k = 512});
  CHECK(gemm("out_proj") == Gemm{.m = 4096, .n = 7168, .k = 16 * 128});
}

TEST_CASE("with sequence parallelism latents are gathered instead of hidden states") {
  RankSlice s;
  s.sequence_length = 4096;
  s.tp = 8;
  s.sequence_parallel = true;
  const std::vector<Traffic> tp = traffic(layer_forward(deepseek_v3(), false, s, flash()), LayerGroup::tp);
  REQUIRE(tp.size() == 6);
  CHECK(tp[0].bytes == 2.0 * 4096 * 1536);  // query latent
  CHECK(tp[1].bytes == 2.0 * 4096 * 512);   // key and value latent
  CHECK(tp[2].bytes == 2.0 * 4096 * 64);    // rotated key part
  CHECK(tp[3] == Traffic{CollectiveKind::reduce_scatter, LayerGroup::tp, 2.0 * 4096 * 7168});
}

TEST_CASE("recomputing the up-projections repeats them and nothing before") {
  RankSlice s;
  s.sequence_length = 4096;
  const LayerRecompute recompute{Recompute::selective, recompute_mla_up_proj};
  const double more = flops_of<Gemm>(layer_backward(deepseek_v3(), false, s, flash(), recompute)) -
                      flops_of<Gemm>(layer_backward(deepseek_v3(), false, s, flash(), {}));
  CHECK(more == 2.0 * 4096 * (1536.0 * 128 * 192 + 512.0 * 128 * 256));
}

TEST_CASE("every kind of context parallelism does its share of the attention, forward and backward") {
  for (const ModelShape& m : {llama_8b(), deepseek_v3()}) {
    RankSlice whole;
    whole.sequence_length = sequence;
    const double forward = flops_of<Attention>(layer_forward(m, false, whole, flash()));
    const double backward = flops_of<Attention>(layer_backward(m, false, whole, flash(), {}));
    for (const ContextParallelKind kind : every_kind)
      for (const int cp : {2, 4, 8}) {
        const RankSlice s = context_rank(kind, cp);
        INFO("kind " << static_cast<int>(kind) << " cp " << cp);
        // Chunks i and 2c-1-i see as many keys for every i: exact up to rounding of doubles.
        CHECK(cp * flops_of<Attention>(layer_forward(m, false, s, flash())) == Approx(forward).epsilon(1e-12));
        CHECK(cp * flops_of<Attention>(layer_backward(m, false, s, flash(), {})) == Approx(backward).epsilon(1e-12));
      }
  }
}

TEST_CASE("packed documents see themselves only, whatever the context parallelism") {
  // Mean document of 4096 of 32768 tokens: (4096 + 1) / (32768 + 1) of the keys.
  RankSlice whole;
  whole.sequence_length = sequence;
  const double full = flops_of<Attention>(layer_forward(llama_8b(), false, whole, flash()));
  whole.document_length = 4096;
  const double packed = flops_of<Attention>(layer_forward(llama_8b(), false, whole, flash()));
  CHECK(packed == Approx(full * 4097 / 32769).epsilon(1e-12));
  for (const ContextParallelKind kind : every_kind) {
    RankSlice s = context_rank(kind, 4);
    s.document_length = 4096;
    CHECK(4 * flops_of<Attention>(layer_forward(llama_8b(), false, s, flash())) == Approx(packed).epsilon(1e-12));
  }
}

TEST_CASE("a ring passes keys and values on beside the attention of the step before") {
  const LayerSteps steps = layer_forward(llama_8b(), false, context_rank(ContextParallelKind::ring, 4), flash());
  // K and V of 8192 tokens, 8 heads of 128, 2 bytes: 2 x 8192 x 1024 x 2 = 33.6 MB, three times.
  const std::vector<Traffic> ring = traffic(steps, LayerGroup::cp);
  CHECK(ring == std::vector<Traffic>(3, {CollectiveKind::send_receive, LayerGroup::cp, 2.0 * 8192 * 2048}));
  const int rope = index_of(steps, "rope");
  for (int step = 0; step < 4; ++step) {
    const int attention = index_of(steps, "attention", step);
    const LayerStep& s = steps[static_cast<std::size_t>(attention)];
    CHECK(s.after == (step == 0 ? rope : index_of(steps, "attention", step - 1) - 1));  // the send in front of that
    const auto& work = std::get<Attention>(std::get<Operator>(s.work).work);
    CHECK(work.causal == (step == 0));
    CHECK(work.keys == (step == 0 ? 0 : 4096));
  }
  CHECK(steps[static_cast<std::size_t>(rope) + 1].after == rope);
}

TEST_CASE("a ring's backward sends keys and values three times and their gradients three times for four ranks") {
  const LayerSteps steps = layer_backward(llama_8b(), false, context_rank(ContextParallelKind::ring, 4), flash(), {});
  const double kv = 2.0 * 8192 * 2048;
  std::vector<double> bytes;
  for (const Traffic& t : traffic(steps, LayerGroup::cp)) bytes.push_back(t.bytes);
  CHECK(bytes == std::vector<double>{kv, 2 * kv, 2 * kv, kv});
}

TEST_CASE("gathered keys and values come back as reduce-scattered gradients") {
  const RankSlice s = context_rank(ContextParallelKind::all_gather, 4);
  const double all = 2.0 * 32768 * 2048;  // of the whole sequence
  CHECK(traffic(layer_forward(llama_8b(), false, s, flash()), LayerGroup::cp) ==
        std::vector<Traffic>{{CollectiveKind::all_gather, LayerGroup::cp, all}});
  CHECK(traffic(layer_backward(llama_8b(), false, s, flash(), {}), LayerGroup::cp) ==
        std::vector<Traffic>{{CollectiveKind::all_gather, LayerGroup::cp, all},
                             {CollectiveKind::reduce_scatter, LayerGroup::cp, all}});
}

TEST_CASE("Ulysses exchanges Q, K and V before the attention and its output after") {
  const LayerSteps steps = layer_forward(llama_8b(), false, context_rank(ContextParallelKind::ulysses, 4), flash());
  // 8192 tokens, 2 bytes, Q 4096 + K 1024 + V 1024 wide, output 4096.
  CHECK(traffic(steps, LayerGroup::cp) ==
        std::vector<Traffic>{{CollectiveKind::all_to_all, LayerGroup::cp, 2.0 * 8192 * 6144},
                             {CollectiveKind::all_to_all, LayerGroup::cp, 2.0 * 8192 * 4096}});
  const auto index = static_cast<std::size_t>(index_of(steps, "attention"));
  const auto& a = std::get<Attention>(std::get<Operator>(steps[index].work).work);
  CHECK(a.length == 32768);
  CHECK(a.heads == 8);
  // 16 ranks share 8 key-value heads: every one is sent to two of them, as 16 heads.
  const LayerSteps wide = layer_forward(llama_8b(), false, context_rank(ContextParallelKind::ulysses, 16), flash());
  CHECK(traffic(wide, LayerGroup::cp).front().bytes == 2.0 * 2048 * (4096 + 2 * 16 * 128));
}

TEST_CASE("hierarchical context parallelism exchanges heads inside and keys around") {
  const LayerSteps steps =
      layer_forward(llama_8b(), false, context_rank(ContextParallelKind::hierarchical, 8), flash());
  CHECK(traffic(steps, LayerGroup::cp_inner).size() == 2);
  // Twice the tokens, half the heads: the bytes of this rank's own 4096 tokens, to 4 - 1 neighbours in turn.
  CHECK(traffic(steps, LayerGroup::cp) ==
        std::vector<Traffic>(3, {CollectiveKind::send_receive, LayerGroup::cp, 2.0 * 4096 * 2048}));
  const auto& a =
      std::get<Attention>(std::get<Operator>(steps[static_cast<std::size_t>(index_of(steps, "attention"))].work).work);
  CHECK(a.length == 8192);
  CHECK(a.heads == 16);
}

TEST_CASE("materialised scores are of this rank's queries against the keys it sees") {
  // Scores of all keys: 2 x 2 s^2/c d per head; a ring skips the half that lies in the future of later steps.
  RankSlice whole;
  whole.sequence_length = sequence;
  const double scores = 2.0 * 2 * 32 * 128 * 32768.0 * 32768;
  const auto core = [](const RankSlice& s) {
    double sum = 0;
    for (const LayerStep& step : layer_forward(llama_8b(), false, s, materialised()))
      if (const auto* op = std::get_if<Operator>(&step.work); op && (op->name == "scores" || op->name == "context"))
        sum += flops(*op).value;
    return sum;
  };
  CHECK(core(whole) == scores);
  CHECK(core(context_rank(ContextParallelKind::all_gather, 4)) == scores / 4);
  CHECK(core(context_rank(ContextParallelKind::ulysses, 4)) == scores / 4);
  // T^2 + 3 T^2 / 2 of 4 T^2
  CHECK(core(context_rank(ContextParallelKind::ring, 4)) == scores / 4 * 2.5 / 4);
}

TEST_CASE("a short window makes a ring gather its keys") {
  ModelShape m = llama_8b();
  m.sliding_window = 4096;
  const LayerSteps steps = layer_forward(m, false, context_rank(ContextParallelKind::ring, 4), flash());
  CHECK(traffic(steps, LayerGroup::cp).front().kind == CollectiveKind::all_gather);
  RankSlice whole;
  whole.sequence_length = sequence;
  CHECK(4 * flops_of<Attention>(steps) ==
        Approx(flops_of<Attention>(layer_forward(m, false, whole, flash()))).epsilon(1e-12));
}
