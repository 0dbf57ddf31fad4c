// Names and arguments of the kernels of one rank, each put together once.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "analysis/trace/kineto_events.hpp"

namespace trainyard {

struct KernelText {
  std::string name;       // escaped for JSON
  std::string arguments;  // `"Operator": "qkv_proj"`, without braces; may be empty
};

class KernelTexts {
 public:
  explicit KernelTexts(const KinetoSubject& subject) : subject_(subject) {}
  const KernelText& of(const SimulatedKernel& kernel, const Instruction& instruction);

 private:
  KernelText make(const SimulatedKernel& kernel, const Instruction& instruction) const;
  KernelText collective(const Collective& c, const Work& work) const;
  KernelText message(const Work& work, bool sends, int channel, Bytes bytes, int path) const;
  KernelText block_part(KernelPart part) const;

  const KinetoSubject& subject_;
  std::map<std::pair<std::int32_t, KernelPart>, KernelText> known_;  // by work
};

// As a JSON string without its quotes.
std::string escaped(std::string_view text);

}  // namespace trainyard
