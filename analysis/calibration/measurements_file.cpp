#include "analysis/calibration/measurements_file.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <array>
#include <filesystem>
#include <iterator>
#include <memory>
#include <utility>

#include "analysis/calibration/kernel_table.hpp"
#include "analysis/calibration/microbench_log_json.hpp"
#include "analysis/calibration/nccl_log.hpp"
#include "analysis/calibration/nccl_log_header.hpp"

namespace trainyard {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t largest_file = std::size_t{1} << 30;
constexpr std::string_view formats_hint =
    "known: nccl-tests output, the microbenchmarks' JSON lines, tables with the columns of kernel times";

std::string shown(const std::string& path) { return path == "-" ? "standard input" : path; }

template <class T>
void append(std::vector<T>& to, std::vector<T>&& from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

void merge(Measurements& all, Measurements&& one) {
  append(all.machines, std::move(one.machines));
  append(all.gemms, std::move(one.gemms));
  append(all.attentions, std::move(one.attentions));
  append(all.collectives, std::move(one.collectives));
  append(all.memory, std::move(one.memory));
  append(all.launches, std::move(one.launches));
  append(all.copies, std::move(one.copies));
  append(all.overlaps, std::move(one.overlaps));
  append(all.notes, std::move(one.notes));
}

// What people have at hand that looks like a measurement and is none.
std::string hint_for(std::string_view text) {
  if (text.find("GPU0") != std::string_view::npos && text.find("CPU Affinity") != std::string_view::npos)
    return "this is `nvidia-smi topo -m`: trainyard topology reads it";
  return std::string(formats_hint);
}

Measurements read_text(const std::string& text, const std::string& file, const MeasurementChoices& choices) {
  const SourceLocation where{file, 0, 0};
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string::npos) throw InputError(where, "is empty", std::string(formats_hint));
  if (text.find('\0') != std::string::npos) throw InputError(where, "is binary", std::string(formats_hint));
  if (is_microbench_log(text)) return read_microbench_log(text, file);
  if (text[start] == '{') return read_nccl_json(text, file, choices);
  if (is_kernel_table(text)) return read_kernel_table(text, file, choices);
  if (text.find("GB/s") == std::string::npos && text.find("busbw") == std::string::npos &&
      hint_for(text) != formats_hint)
    throw InputError(where, "holds no measurements", hint_for(text));
  return read_nccl_log(text, file, choices);
}

void require_one_device(const Measurements& all, const Measurements& one, const std::string& path) {
  const auto named = [](const Measurements& m) {
    for (const MeasuredMachine& machine : m.machines)
      if (!machine.device.empty()) return machine.device;
    return std::string();
  };
  const std::string before = named(all), here = named(one);
  if (!before.empty() && !here.empty() && before != here)
    throw InputError({shown(path), 0, 0}, fmt::format("is of '{}', the files before of '{}'", here, before),
                     "a profile describes one kind of GPU");
}

}  // namespace

std::string read_measurement_text(const std::string& path) {
  const SourceLocation where{shown(path), 0, 0};
  const std::string name = path == "-" ? "/dev/stdin" : path;
  std::error_code error;
  const fs::file_status status = fs::status(name, error);
  if (!fs::exists(status)) throw InputError(where, "there is no such file");
  if (fs::is_directory(status)) throw InputError(where, "is a folder", "name the files in it");
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(name.c_str(), "rb"),
                                                        [](gzFile f) { return f == nullptr ? Z_OK : gzclose(f); });
  if (!file) throw InputError(where, "cannot be read");
  std::string text;
  std::array<char, 1 << 16> buffer{};
  for (int n = 0; (n = gzread(file.get(), buffer.data(), buffer.size())) != 0;) {
    if (n < 0) throw InputError(where, "cannot be read, or its compressed data are damaged");
    text.append(buffer.data(), static_cast<std::size_t>(n));
    if (text.size() > largest_file)
      throw InputError(where, "is larger than 1 GiB", "a table of measurements is smaller");
  }
  int code = Z_OK;
  gzerror(file.get(), &code);
  if (code != Z_OK) throw InputError(where, "its compressed data are cut", "copy it again");
  return text;
}

Measurements read_measurements_file(const std::string& path, const MeasurementChoices& choices) {
  return read_text(read_measurement_text(path), shown(path), choices);
}

Measurements read_measurements(const std::vector<std::string>& paths, const MeasurementChoices& choices) {
  Measurements all;
  for (const std::string& path : paths) {
    Measurements one = read_measurements_file(path, choices);
    require_one_device(all, one, path);
    merge(all, std::move(one));
  }
  return all;
}

}  // namespace trainyard
