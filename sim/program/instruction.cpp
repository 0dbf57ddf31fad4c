#include "sim/program/instruction.hpp"

namespace trainyard {

std::string_view name(Stream stream) {
  switch (stream) {
    case Stream::compute:
      return "compute";
    case Stream::tp:
      return "tp";
    case Stream::cp:
      return "cp";
    case Stream::ep:
      return "ep";
    case Stream::dp:
      return "dp";
    case Stream::send_forward:
      return "pp send forward";
    case Stream::receive_forward:
      return "pp receive forward";
    case Stream::send_backward:
      return "pp send backward";
    case Stream::receive_backward:
      return "pp receive backward";
    case Stream::send_forward_up:
      return "pp send forward up";
    case Stream::receive_forward_up:
      return "pp receive forward up";
    case Stream::send_backward_up:
      return "pp send backward up";
    case Stream::receive_backward_up:
      return "pp receive backward up";
    case Stream::to_host:
      return "copies to host";
    case Stream::from_host:
      return "copies from host";
    case Stream::host:
      return "host";
  }
  return "?";
}

bool is_pipeline(Stream stream) { return stream >= Stream::send_forward && stream <= Stream::receive_backward_up; }

std::string_view name(MemoryOwner owner) {
  switch (owner) {
    case MemoryOwner::weights:
      return "weights";
    case MemoryOwner::gradients:
      return "gradients";
    case MemoryOwner::optimizer_states:
      return "optimizer";
    case MemoryOwner::activations:
      return "activations";
    case MemoryOwner::temporary:
      return "temporary";
    case MemoryOwner::communication:
      return "communication";
  }
  return "?";
}

}  // namespace trainyard
