// Whether copies arrived whole: sources hold the pattern of support/pattern.hpp, destinations are filled with something
// else before.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "support/check.hpp"
#include "support/pattern.hpp"
#include "support/verify.hpp"

namespace microbench {

// A byte that repeated is nowhere four bytes of the pattern's first words.
constexpr int kNotCopied = 0xA5;

inline void fill_pattern_on_host(uint32_t* words, size_t count) {
  for (size_t i = 0; i < count; ++i) words[i] = pattern_word(i);
}

inline Verification verification_of(size_t wrong, size_t compared) {
  return {static_cast<double>(wrong) / static_cast<double>(compared), wrong == 0};
}

// Of words on the current device, after all its work.
inline Verification verify_pattern(const uint32_t* words, size_t count) {
  return verification_of(static_cast<size_t>(count_pattern_errors(words, count)), count);
}

// At most some million words, spread over the buffer, the first and the last among them.
inline Verification verify_pattern_on_host(const uint32_t* words, size_t count) {
  constexpr size_t kMostWords = size_t{1} << 23;
  const size_t step = (count / kMostWords) | 1;  // odd, so that it meets every offset in a page
  size_t compared = 1;
  size_t wrong = words[count - 1] == pattern_word(count - 1) ? 0 : 1;
  for (size_t i = 0; i < count; i += step, ++compared) wrong += words[i] == pattern_word(i) ? 0 : 1;
  return verification_of(wrong, compared);
}

inline Verification worse_of(const Verification& a, const Verification& b) {
  return {std::max(a.error, b.error), a.verified && b.verified};
}

}  // namespace microbench
