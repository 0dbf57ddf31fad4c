#include <fmt/format.h>

#include <algorithm>

#include "analysis/link_load.hpp"
#include "analysis/plan_words.hpp"
#include "analysis/report/picture_step.hpp"
#include "analysis/report/report_cells.hpp"
#include "analysis/report/step_report_sections.hpp"
#include "analysis/text_layout.hpp"

namespace trainyard {
namespace {

void add_line(HtmlTable& table, const CommunicationLine& line, const TimeScale& scale) {
  const Seconds hidden = std::max(Seconds{}, line.busy - line.exposed);  // rounding may leave less than nothing
  const bool timed = line.bus_bandwidth.value > 0;
  table.add({{name(line.axis)},
             {line.collective},
             {line.purpose},
             {fmt::format("{}", line.group_size)},
             {to_text(line.bytes), sort_key(line.bytes.value)},
             {fmt::format("{}", line.count)},
             time_cell(line.busy, scale),
             time_cell(hidden, scale),
             time_cell(line.exposed, scale),
             {std::string(name(line.slowest_link))},
             {timed ? fmt::format("{:.1f}", line.bus_bandwidth.value / 1e9) : std::string("–"),
              sort_key(line.bus_bandwidth.value)}});
}

void add_communication_table(Element parent, const StepResult& r) {
  const TimeScale scale = TimeScale::at_most_milliseconds(r.step_time);
  HtmlTable table(
      parent, fmt::format("Per GPU and step; times in {}, bus bandwidth in GB/s as nccl-tests count it", scale.unit()),
      {{"axis"},
       {"collective", false, "words"},
       {"of"},
       {"GPUs", true},
       {"message", true},
       {"calls", true},
       {"busy", true},
       {"hidden", true},
       {"exposed", true},
       {"slowest link"},
       {"bus bandwidth", true}},
      "sortable");
  for (const CommunicationLine& line : r.communication) add_line(table, line, scale);
}

// One row per kind of link: its busiest.
void add_link_table(Element parent, const std::vector<LoadedLink>& loads) {
  std::vector<const LoadedLink*> busiest;
  for (const LoadedLink& load : loads) {
    const auto same =
        std::find_if(busiest.begin(), busiest.end(), [&](const LoadedLink* l) { return l->kind == load.kind; });
    if (same == busiest.end())
      busiest.push_back(&load);
    else if (load.busy > (*same)->busy)
      *same = &load;
  }
  HtmlTable table(parent, "The busiest link of each kind, in one direction",
                  {{"link"}, {"class"}, {"carries", true}, {"width, GB/s", true}, {"busy", true}});
  for (const LoadedLink* l : busiest)
    table.add({{l->link},
               {std::string(name(l->link_class))},
               {to_text(l->bytes), sort_key(l->bytes.value)},
               {fmt::format("{:.1f}", l->width.value / 1e9)},
               percent_cell(l->busy)});
}

}  // namespace

void add_communication_section(Element main, const Job& job, const SimulatedStep& step) {
  const StepResult& r = step.result;
  if (r.communication.empty()) return;
  Element s = section(main, "communication", "Communication");
  add_communication_table(s, r);
  const std::vector<LoadedLink> loads = link_loads(job, step);
  if (loads.empty()) return;
  const HeatMap map = link_heat_map(r, loads);
  add(s, "h3", "Collectives and the links they cross");
  figure(
      s, {heat_map_svg(map, {"links-wide", wide_picture}), heat_map_svg(map, {"links", narrow_picture})},
      "How busy the busiest link of a kind is with a collective, and the bytes that cross it, in one direction and at "
      "its nominal width.");
  add(s, "h3", "Load of the topology");
  figure(s,
         {topology_load_svg(job.cluster, loads, {"topology-wide", wide_picture}),
          topology_load_svg(job.cluster, loads, {"topology", narrow_picture})},
         "Lines are as wide as their link is busy. Nodes that are loaded alike are drawn once.");
  add_link_table(s, loads);
}

}  // namespace trainyard
