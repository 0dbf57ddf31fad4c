#include <nlohmann/json.hpp>

#include "analysis/collective_table.hpp"
#include "analysis/report_json.hpp"

namespace trainyard {
namespace {

using Json = nlohmann::ordered_json;

double gigabytes(BytesPerSecond rate) { return rate.value * 1e-9; }

Json row_object(const CollectiveTable& table, const CollectiveRow& row) {
  const CollectiveCost& cost = row.alone;
  return {{"bytes", row.size.bytes},
          {"count", row.size.count},
          {"time_us", row.time.value * 1e6},
          {"algbw_gbps", gigabytes(algorithm_bandwidth(row))},
          {"busbw_gbps", gigabytes(table.bus_bandwidth(row))},
          {"algorithm", cost.algorithm},
          {"protocol", cost.protocol.empty() ? Json(nullptr) : Json(cost.protocol)},
          {"channels", cost.channels > 0 ? Json(cost.channels) : Json(nullptr)},
          {"slowest_link", name(cost.slowest_link)},
          {"from_curve", cost.measured},
          {"alone_time_us", cost.time.value * 1e6},
          {"contended", row.contended_links > 0},
          {"contended_links", row.contended_links}};
}

Json link_object(const LinkPressure& link) {
  return {{"link", link.link},
          {"class", name(link.link_class)},
          {"wanted_gbps", gigabytes(link.wanted)},
          {"carries_gbps", gigabytes(link.carries)},
          {"health", link.health},
          {"communicators", link.communicators}};
}

}  // namespace

std::string collective_json(const CollectiveTable& table) {
  Json rows = Json::array(), links = Json::array();
  for (const CollectiveRow& row : table.rows) rows.push_back(row_object(table, row));
  for (const LinkPressure& link : table.links) links.push_back(link_object(link));
  const NcclTestsArguments& arguments = table.test.arguments;
  const Json object = {{"schema_version", json_schema_version},
                       {"collective", nccl_tests_name(table.test.kind)},
                       {"cluster", table.cluster},
                       {"nodes", table.nodes},
                       {"gpus_per_node", table.test.gpus_per_node},
                       {"groups", table.test.groups},
                       {"group_size", table.group_size()},
                       {"group_order", table.test.order == GroupOrder::strided ? "strided" : "consecutive"},
                       {"datatype", arguments.type.name},
                       {"limited_by_memory", arguments.limited},
                       {"device_profile", table.device},
                       {"network_profile", table.network},
                       {"rows", std::move(rows)},
                       {"mean_busbw_gbps", gigabytes(table.mean_bus_bandwidth())},
                       {"links", std::move(links)}};
  return object.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace trainyard
