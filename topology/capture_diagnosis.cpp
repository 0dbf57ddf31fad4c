#include "topology/capture_diagnosis.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>

namespace trainyard {
namespace {

// A text is of a kind if it holds both signs.
struct Kind {
  std::string_view sign;
  std::string_view second_sign;
  std::string_view what;
};
constexpr std::array kinds = {
    Kind{"<system", "<cpu", "this is an NCCL topology XML, not a matrix"},
    Kind{"<graphs", "<channel", "this is an NCCL graph XML, the result of a search"},
    Kind{"NVIDIA-SMI", "Driver Version", "this is the table of plain `nvidia-smi`"},
    Kind{"busbw", "algbw", "this is a table of nccl-tests"},
    Kind{"NCCL INFO", "", "this is an NCCL log"},
    Kind{"(UUID: GPU-", "", "this is `nvidia-smi -L`"},
    Kind{"GB/s", "Link 0:", "this is `nvidia-smi nvlink`"},
    Kind{"PCI bridge:", "", "this is lspci"},
    Kind{"3D controller:", "", "this is lspci"},
    Kind{"VGA compatible controller:", "", "this is lspci"},
    Kind{"XGMI", "GPU", "this is a topology of rocm-smi, whose labels are not those of nvidia-smi"},
    Kind{"P2P Connectivity", "", "this is the CUDA sample p2pBandwidthLatencyTest"},
    Kind{"node distances:", "", "this is `numactl --hardware`"},
    Kind{"\"gpus\"", "\"matrix\"", "this is the JSON of `trainyard topology --json`"},
    Kind{"<html", "", "this is a web page"},
    Kind{"command not found", "", "this is a shell's complaint"},
    Kind{"Failed to initialize NVML", "", "this is an error of nvidia-smi, which reached no driver"},
    Kind{"GPU0", "CPU Affinity", "this is the header of a topology matrix, but no row follows"},
};

bool holds(std::string_view text, std::string_view sign) { return text.find(sign) != std::string_view::npos; }

}  // namespace

CaptureDiagnosis diagnose_capture(std::string_view text) {
  const std::string hint = "expected the output of `nvidia-smi topo -m`";
  for (const Kind& kind : kinds)
    if (holds(text, kind.sign) && holds(text, kind.second_sign)) return {std::string(kind.what), hint};
  const auto lines = std::count(text.begin(), text.end(), '\n') + (text.ends_with('\n') ? 0 : 1);
  return {fmt::format("no topology matrix in {} line{}: no row such as 'GPU0  X  NV18'", lines, lines == 1 ? "" : "s"),
          hint};
}

}  // namespace trainyard
