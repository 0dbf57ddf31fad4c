// The stores of a sweep's shards in a folder.
#pragma once

#include <string>
#include <vector>

namespace trainyard {

// Every *.shard-I-of-N.db of a folder, sorted; where there are those of several results, the ones of `output`
// ("results.db" -> "results.shard-0-of-8.db"). InputError if there are none or if it is not clear which are meant.
std::vector<std::string> shard_files(const std::string& folder, const std::string& output);

}  // namespace trainyard
