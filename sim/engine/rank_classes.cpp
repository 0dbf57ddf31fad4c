#include "sim/engine/rank_classes.hpp"

#include <algorithm>
#include <bit>
#include <unordered_map>
#include <utility>

namespace trainyard {
namespace {

using Colour = std::uint64_t;

// splitmix64: colours are compared by their hashes.
Colour mixed(Colour x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}
Colour mixed(Colour a, Colour b) { return mixed(a ^ mixed(b)); }
Colour of_number(double x) { return std::bit_cast<Colour>(x); }

std::size_t count_of(std::vector<Colour> colours) {
  std::sort(colours.begin(), colours.end());
  return static_cast<std::size_t>(std::unique(colours.begin(), colours.end()) - colours.begin());
}

class Refinement {
 public:
  Refinement(const StepProgram& program, const Traffic& traffic, const EngineContext& context, Folding folding)
      : program_(program), traffic_(traffic), context_(context) {
    kind_of_stage_.assign(static_cast<std::size_t>(context.layout->pp), -1);
    for (std::size_t k = 0; k < program.kinds.size(); ++k)
      kind_of_stage_[program.kinds[k].stage.index()] = static_cast<std::int32_t>(k);
    read_slowdowns();
    start(folding);
    if (folding == Folding::on) refine();
  }

  RankClasses classes() {
    RankClasses result;
    number_ranks(result);
    number_links(result);
    for (std::size_t s = 0; s < traffic_.sets.size(); ++s) number_communicators(s, result);
    return result;
  }

 private:
  void read_slowdowns() {
    const RankLayout& layout = *context_.layout;
    const Stragglers& stragglers = context_.links->routes().cluster().stragglers;
    std::vector<double> of_device(static_cast<std::size_t>(context_.links->routes().cluster().world_size()), 1.0);
    for (const SlowGpu& gpu : stragglers.gpus) of_device[static_cast<std::size_t>(gpu.gpu)] = 1.0 / gpu.speed;
    slowdown_.resize(static_cast<std::size_t>(layout.world_size()));
    for (std::size_t r = 0; r < slowdown_.size(); ++r) slowdown_[r] = of_device[layout.device[r].index()];
    distinct_ = stragglers.jitter > 0;
  }
  std::int32_t kind_of(std::size_t rank) const {
    const int stage = context_.layout->coordinates(RankId(rank)).pp;
    return kind_of_stage_[static_cast<std::size_t>(stage)];
  }

  void start(Folding folding) {
    distinct_ = distinct_ || folding == Folding::off;
    ranks_.resize(slowdown_.size());
    for (std::size_t r = 0; r < ranks_.size(); ++r) {
      const Colour base = mixed(static_cast<Colour>(kind_of(r)), of_number(slowdown_[r]));
      ranks_[r] = distinct_ ? mixed(base, r) : base;
    }
    links_.resize(traffic_.capacity.size());
    for (std::size_t l = 0; l < links_.size(); ++l)
      links_[l] = distinct_ ? mixed(l) : mixed(of_number(traffic_.capacity[l]));
    for (std::size_t s = 0; s < traffic_.sets.size(); ++s) {
      std::vector<Colour>& colours = sets_.emplace_back(static_cast<std::size_t>(traffic_.sets[s].size()), mixed(s));
      for (std::size_t i = 0; distinct_ && i < colours.size(); ++i) colours[i] = mixed(colours[i], i);
    }
  }

  // Until no colour splits.
  void refine() {
    if (distinct_) return;
    std::size_t before = 0;
    while (true) {
      colour_communicators();
      colour_links();
      colour_ranks();
      std::size_t now = count_of(ranks_) + count_of(links_);
      for (const std::vector<Colour>& set : sets_) now += count_of(set);
      if (now == before) return;
      before = now;
    }
  }

  void colour_communicators() {
    for (std::size_t s = 0; s < sets_.size(); ++s) {
      const CommunicatorSet& set = traffic_.sets[s];
      for (int i = 0; i < set.size(); ++i) {
        Colour sum = 0, position = 1;
        for (const RankId m : set.of(i)) sum += mixed(ranks_[m.index()], set.pairs() ? position++ : 0);
        for (std::size_t p = 0; p < set.patterns.size(); ++p) {
          sum += mixed(of_number(set.stretch[set.cell(i, static_cast<int>(p))]), p + 1);
          for (const LinkUse& use : set.load(i, static_cast<int>(p)))
            sum += mixed(links_[static_cast<std::size_t>(use.link)], mixed(of_number(use.bytes), p));
        }
        Colour& own = sets_[s][static_cast<std::size_t>(i)];
        own = mixed(own, sum);
      }
    }
  }
  void colour_links() {
    std::vector<Colour> sum(links_.size(), 0);
    for (std::size_t s = 0; s < sets_.size(); ++s) {
      const CommunicatorSet& set = traffic_.sets[s];
      for (int i = 0; i < set.size(); ++i)
        for (std::size_t p = 0; p < set.patterns.size(); ++p)
          for (const LinkUse& use : set.load(i, static_cast<int>(p)))
            sum[static_cast<std::size_t>(use.link)] +=
                mixed(sets_[s][static_cast<std::size_t>(i)], mixed(of_number(use.bytes), p));
    }
    for (std::size_t l = 0; l < links_.size(); ++l)
      if (sum[l] != 0) links_[l] = mixed(links_[l], sum[l]);
  }
  void colour_ranks() {
    std::vector<Colour> sum(ranks_.size(), 0);
    for (std::size_t s = 0; s < sets_.size(); ++s) {
      const CommunicatorSet& set = traffic_.sets[s];
      for (int i = 0; i < set.size(); ++i) {
        Colour position = 1;
        for (const RankId m : set.of(i))
          sum[m.index()] += mixed(sets_[s][static_cast<std::size_t>(i)], set.pairs() ? position++ : 0);
      }
    }
    for (std::size_t r = 0; r < ranks_.size(); ++r) ranks_[r] = mixed(ranks_[r], sum[r]);
  }

  void number_ranks(RankClasses& result) const {
    std::vector<std::pair<std::int32_t, std::size_t>> firsts;  // kind, first rank of a colour
    std::unordered_map<Colour, std::size_t> known;
    for (std::size_t r = 0; r < ranks_.size(); ++r)
      if (known.try_emplace(ranks_[r], r).second) firsts.emplace_back(kind_of(r), r);
    std::sort(firsts.begin(), firsts.end());
    std::unordered_map<Colour, std::int32_t> index;
    for (const auto& [kind, rank] : firsts) {
      index[ranks_[rank]] = static_cast<std::int32_t>(result.classes.size());
      result.classes.push_back({kind, RankId(rank), 0, slowdown_[rank]});
    }
    result.of_rank.resize(ranks_.size());
    for (std::size_t r = 0; r < ranks_.size(); ++r) {
      result.of_rank[r] = index[ranks_[r]];
      ++result.classes[static_cast<std::size_t>(result.of_rank[r])].ranks;
    }
  }

  void number_links(RankClasses& result) {
    std::unordered_map<Colour, std::int32_t> known;
    link_class_.assign(links_.size(), -1);
    for (std::size_t l = 0; l < links_.size(); ++l) {
      if (!traffic_.contended[l]) continue;
      const auto [at, added] = known.try_emplace(links_[l], static_cast<std::int32_t>(result.capacity.size()));
      link_class_[l] = at->second;
      if (!added) continue;
      result.capacity.push_back(traffic_.capacity[l]);
      representative_.push_back(static_cast<std::int32_t>(l));
    }
  }

  void number_communicators(std::size_t s, RankClasses& result) const {
    const CommunicatorSet& set = traffic_.sets[s];
    std::unordered_map<Colour, std::int32_t> known;
    std::vector<std::int32_t>& of = result.of_communicator.emplace_back(static_cast<std::size_t>(set.size()));
    std::vector<CommunicatorClass>& classes = result.communicators.emplace_back();
    for (int i = 0; i < set.size(); ++i) {
      const auto [at, added] =
          known.try_emplace(sets_[s][static_cast<std::size_t>(i)], static_cast<std::int32_t>(classes.size()));
      of[static_cast<std::size_t>(i)] = at->second;
      if (added) classes.push_back(made(set, i, result));
    }
    add_loads(set, of, classes);
  }
  CommunicatorClass made(const CommunicatorSet& set, int i, const RankClasses& result) const {
    CommunicatorClass c;
    for (const RankId m : set.of(i)) c.parties.push_back(result.of_rank[m.index()]);
    std::sort(c.parties.begin(), c.parties.end());
    c.parties.erase(std::unique(c.parties.begin(), c.parties.end()), c.parties.end());
    c.loads.resize(set.patterns.size());
    for (std::size_t p = 0; p < set.patterns.size(); ++p)
      c.stretch.push_back(set.stretch[set.cell(i, static_cast<int>(p))]);
    return c;
  }
  // What all communicators of a class put on the representative of each link class.
  void add_loads(const CommunicatorSet& set, const std::vector<std::int32_t>& of,
                 std::vector<CommunicatorClass>& classes) const {
    for (int i = 0; i < set.size(); ++i)
      for (std::size_t p = 0; p < set.patterns.size(); ++p)
        for (const LinkUse& use : set.load(i, static_cast<int>(p))) {
          const std::int32_t link = link_class_[static_cast<std::size_t>(use.link)];
          if (representative_[static_cast<std::size_t>(link)] != use.link) continue;
          std::vector<ClassLoad>& loads = classes[static_cast<std::size_t>(of[static_cast<std::size_t>(i)])].loads[p];
          const auto same =
              std::find_if(loads.begin(), loads.end(), [&](const ClassLoad& c) { return c.link == link; });
          if (same == loads.end()) {
            loads.push_back({link, use.bytes, 1});
          } else {
            same->bytes += use.bytes;
            ++same->flows;
          }
        }
  }

  const StepProgram& program_;
  const Traffic& traffic_;
  const EngineContext& context_;
  std::vector<std::int32_t> kind_of_stage_;
  std::vector<double> slowdown_;  // [rank]
  bool distinct_ = false;
  std::vector<Colour> ranks_, links_;
  std::vector<std::vector<Colour>> sets_;     // [set][communicator]
  std::vector<std::int32_t> link_class_;      // [link], -1 = not contended
  std::vector<std::int32_t> representative_;  // [link class] link
};

}  // namespace

RankClasses rank_classes(const StepProgram& program, const Traffic& traffic, const EngineContext& context,
                         Folding folding) {
  return Refinement(program, traffic, context, folding).classes();
}

}  // namespace trainyard
