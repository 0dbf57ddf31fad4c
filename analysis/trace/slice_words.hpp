// What a timeline viewer shows of an instruction: a short name, a category and its arguments.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "sim/program/step_program.hpp"

namespace trainyard {

using SliceArgument = std::pair<std::string_view, std::variant<std::int64_t, std::string>>;  // name: static text

// "F3", "B0 chunk 1", "F3 layer forward", "qkv_proj", "reduce-scatter gradients", "send F3". Chunks are named when the
// program has more than one.
std::string slice_name(const StepProgram& program, const Instruction& instruction, bool has_chunks);

std::string_view slice_category(const Instruction& instruction);  // "forward", "backward", "optimizer" …

// Micro batch, chunk, bytes, group size, link: those that apply.
std::vector<SliceArgument> slice_arguments(const StepProgram& program, const Instruction& instruction);

bool has_chunks(const StepProgram& program);

}  // namespace trainyard
