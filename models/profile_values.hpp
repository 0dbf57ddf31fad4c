// One value of a profile from YAML, each with its bounds; anything else is an InputError at the value's place.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "models/profile.hpp"
#include "sim/base/yaml_reader.hpp"

namespace trainyard {

void read(const YamlValue& v, double& out);
void read(const YamlValue& v, int& out);
void read(const YamlValue& v, bool& out);
void read(const YamlValue& v, Seconds& out);
void read(const YamlValue& v, Bytes& out);
void read(const YamlValue& v, BytesPerSecond& out);
void read(const YamlValue& v, FlopsPerSecond& out);
void read(const YamlValue& v, std::array<double, 6>& out);
void read(const YamlValue& v, AttentionModel& out);
void read(const YamlValue& v, std::optional<PrefillAttention>& out);
void read(const YamlValue& v, GemmSurface& out);
void read(const YamlValue& v, std::vector<CollectiveCurve>& out);
void read(const YamlValue& v, AttentionKernel& out);
void read(const YamlValue& v, TpOverlap& out);
void read(const YamlValue& v, P2pMode& out);
void read(const YamlValue& v, ExpertDispatcher& out);
void read(const YamlValue& v, DataType& out);

}  // namespace trainyard
