// The JSON form of nccl-tests (-J FILE, src/util.cu of 2.18 and later): version, args, nccl_version, config.devices,
// and results with a cell out_of_place and one in_place. Times in µs, bandwidths in GB/s with six decimals.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "analysis/calibration/nccl_log.hpp"
#include "analysis/calibration/nccl_log_header.hpp"
#include "analysis/calibration/nccl_log_ranks.hpp"

namespace trainyard {
namespace {

using Json = nlohmann::json;
constexpr double rounding = 0.5e-6;  // of "%lf"
constexpr int most_ranks = 1'000'000;

class JsonReader {
 public:
  explicit JsonReader(const std::string& file) : where_{file, 0, 0} {}

  NcclTable table(const Json& document) const {
    NcclTable table;
    table.heading = heading(document);
    const Json results = document.value("results", Json::array());
    if (!results.is_array() || results.empty())
      throw InputError(where_, "holds no results", "a JSON file of nccl-tests has a list 'results'");
    for (std::size_t i = 0; i < results.size(); ++i)
      table.rows.push_back(row(results[i], fmt::format("results[{}]", i), table.heading));
    return table;
  }

 private:
  [[noreturn]] void fail(const std::string& path, const std::string& what) const {
    throw InputError(where_, fmt::format("{} {}", path, what), "as nccl-tests -J writes it");
  }

  // "nan" is written as a string.
  double number(const Json& object, const char* key, const std::string& path) const {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_number()) fail(fmt::format("{}.{}", path, key), "is not a number");
    const auto value = found->get<double>();
    if (!std::isfinite(value) || value < 0) fail(fmt::format("{}.{}", path, key), "must be finite and not negative");
    return value;
  }

  std::string text(const Json& object, const char* key) const {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
  }

  int integer(const Json& object, const char* key, int missing) const {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_number_integer()) return missing;
    const auto value = found->get<double>();
    return value >= 0 && value <= most_ranks ? found->get<int>() : missing;
  }

  std::optional<NcclCell> cell(const Json& row, const char* key, const std::string& path) const {
    const auto found = row.find(key);
    if (found == row.end() || found->is_null()) return std::nullopt;
    const std::string at = fmt::format("{}.{}", path, key);
    if (!found->is_object()) fail(at, "is not an object");
    const char* time = found->contains("time") ? "time" : "cpu_time";
    NcclCell result{{number(*found, time, at), rounding},
                    {number(*found, "alg_bw", at), rounding},
                    {number(*found, "bus_bw", at), rounding},
                    false};
    const auto wrong = found->find("nwrong");
    result.wrong = wrong != found->end() && wrong->is_number() && wrong->get<double>() != 0;
    return result;
  }

  NcclRow row(const Json& json, const std::string& path, NcclHeading& heading) const {
    if (!json.is_object()) fail(path, "is not an object");
    NcclRow row;
    row.where = where_;
    row.size = number(json, "size", path);
    row.count = number(json, "count", path);
    row.type = text(json, "type");
    row.reduction = text(json, "redop");
    row.out_of_place = cell(json, "out_of_place", path);
    row.in_place = cell(json, "in_place", path);
    if (!row.out_of_place && !row.in_place) fail(path, "has no figures");
    const std::string experiment = text(json, "experiment_name");
    if (heading.operation.empty() && is_collective_word(experiment)) heading.operation = experiment;
    return row;
  }

  NcclHeading heading(const Json& document) const {
    NcclHeading heading;
    for (const Json& argument : document.value("args", Json::array()))
      if (argument.is_string() && heading.operation.empty())
        heading.operation = operation_named_in(argument.get<std::string>());
    heading.machine.nccl = nccl_version_text(integer(document, "nccl_version", 0));
    heading.machine.date = text(document, "start_time");
    const Json config = document.value("config", Json::object());
    if (!config.is_object()) return heading;
    const std::int64_t threads = std::max(integer(config, "nthreads", 1), 1);
    heading.ranks_per_entry = threads * std::max(integer(config, "ngpus", 1), 1);
    for (const Json& device : config.value("devices", Json::array())) {
      if (!device.is_object()) continue;
      heading.ranks.push_back({integer(device, "group", 0), integer(device, "rank", 0), text(device, "hostname"),
                               integer(device, "device", 0), text(device, "device_info")});
    }
    return heading;
  }

  SourceLocation where_;
};

}  // namespace

Measurements read_nccl_json(const std::string& text, const std::string& file, const MeasurementChoices& choices) {
  Measurements all;
  try {
    const Json document = Json::parse(text);
    if (!document.is_object()) throw InputError({file, 0, 0}, "is not the JSON of nccl-tests", "it is one object");
    add_samples(JsonReader(file).table(document), file, choices, all);
  } catch (const Json::exception& e) {
    throw InputError({file, 0, 0}, fmt::format("is not JSON: {}", e.what()), "the file is cut or edited");
  }
  return all;
}

}  // namespace trainyard
