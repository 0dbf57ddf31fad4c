// Writing a timeline to a file that appears whole or not at all.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace trainyard {

using TextSink = std::function<void(std::string_view)>;

// `write` hands over the contents piece by piece; `gzip`: compressed. Throws InputError if the file cannot be written;
// what stood there before stays until the new one is complete.
void write_trace_file(const std::string& path, bool gzip, const std::function<void(const TextSink&)>& write);

}  // namespace trainyard
