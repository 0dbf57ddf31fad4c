#include "sim/plan/schedule.hpp"

#include <array>

#include "sim/plan/schedules/places.hpp"

namespace trainyard {

// Each defined in its file of schedules/.
std::vector<Slot> gpipe_slots(const PipelineShape& shape, int stage);
std::vector<Slot> one_f_one_b_slots(const PipelineShape& shape, int stage);
std::vector<Slot> interleaved_slots(const PipelineShape& shape, int stage);
std::string interleaved_problem(const PipelineShape& shape);
std::vector<Slot> breadth_first_slots(const PipelineShape& shape, int stage);
std::vector<Slot> zb_h1_slots(const PipelineShape& shape, int stage);
std::vector<Slot> zb_h2_slots(const PipelineShape& shape, int stage);
std::vector<Slot> zb_v_slots(const PipelineShape& shape, int stage);
std::vector<Slot> dualpipe_slots(const PipelineShape& shape, int stage);
std::string dualpipe_problem(const PipelineShape& shape);
std::vector<Slot> dualpipev_slots(const PipelineShape& shape, int stage);
std::string dualpipev_problem(const PipelineShape& shape);

namespace {

std::string no_problem(const PipelineShape& /*shape*/) { return {}; }
// Of schedules that are not written in pairs of a forward and a backward.
std::string pairs_problem(const PipelineShape& shape) {
  return shape.pairs ? "overlap_moe_expert_parallel_comm pairs forwards with backwards of 1f1b and interleaved only"
                     : "";
}

constexpr std::array rows = {
    ScheduleRow{.name = "gpipe",
                .summary = "all forwards, then all backwards",
                .place = looped_place,
                .problem = pairs_problem,
                .slots = gpipe_slots},
    ScheduleRow{.name = "1f1b",
                .summary = "one forward, one backward; at most pp micro-batches in flight",
                .periodic = true,
                .place = looped_place,
                .problem = no_problem,
                .slots = one_f_one_b_slots},
    ScheduleRow{.name = "interleaved",
                .summary = "1F1B over vpp model chunks per stage; bubble / vpp",
                .virtual_stages = 0,
                .periodic = true,
                .place = looped_place,
                .problem = interleaved_problem,
                .slots = interleaved_slots},
    ScheduleRow{.name = "breadth-first",
                .summary = "GPipe over vpp model chunks per stage; chunks gathered and reduced once",
                .virtual_stages = 0,
                .place = looped_place,
                .problem = pairs_problem,
                .slots = breadth_first_slots},
    ScheduleRow{.name = "zb-h1",
                .summary = "1F1B with late weight gradients; a third of its bubble at its memory",
                .splits_backward = true,
                .post_validated = true,
                .periodic = true,
                .place = looped_place,
                .problem = pairs_problem,
                .slots = zb_h1_slots},
    ScheduleRow{.name = "zb-h2",
                .summary = "no bubble at twice the activations of 1F1B",
                .splits_backward = true,
                .post_validated = true,
                .plans_ahead = true,
                .periodic = true,
                .place = looped_place,
                .problem = pairs_problem,
                .slots = zb_h2_slots},
    ScheduleRow{.name = "zb-v",
                .summary = "no bubble with two chunks per stage in a V, at the activations of 1F1B",
                .virtual_stages = 2,
                .splits_backward = true,
                .post_validated = true,
                .plans_ahead = true,
                .place = v_shaped_place,
                .problem = pairs_problem,
                .slots = zb_v_slots},
    ScheduleRow{.name = "dualpipe",
                .summary = "two copies of the model in opposite directions; forwards paired with backwards",
                .copies = 2,
                .splits_backward = true,
                .place = bidirectional_place,
                .problem = dualpipe_problem,
                .slots = dualpipe_slots},
    ScheduleRow{.name = "dualpipev",
                .summary = "DualPipe on one copy of the model, two chunks per stage in a V",
                .virtual_stages = 2,
                .splits_backward = true,
                .place = v_shaped_place,
                .problem = dualpipev_problem,
                .slots = dualpipev_slots},
};

}  // namespace

bool ScheduleRow::sends_both_ways() const { return place != looped_place; }

std::span<const ScheduleRow> schedules() { return rows; }

const ScheduleRow* find_schedule(std::string_view name) {
  for (const ScheduleRow& row : rows)
    if (row.name == name) return &row;
  return nullptr;
}

std::vector<std::string> schedule_names() {
  std::vector<std::string> names;
  for (const ScheduleRow& row : rows) names.emplace_back(row.name);
  return names;
}

}  // namespace trainyard
