// Reads the config.json of a Hugging Face transformers model. Keys that are absent take the default of that model's
// configuration class, as transformers does, and are listed; a multimodal file's text_config is read in its place.
#pragma once

#include <string>
#include <vector>

#include "models/model_shape.hpp"

namespace trainyard {

struct ImportedModel {
  ModelShape shape;
  std::vector<std::string> defaulted;  // "head_dim = 128": settings the file left to its class
  std::vector<std::string> ignored;    // keys that are neither used nor known to be irrelevant, sorted
};

// InputError (file:line:column) if the text is not JSON, a value has the wrong type or range, the model_type is not
// one of hugging_face_model_types(), or the architecture has something a ModelShape cannot say.
ImportedModel read_hugging_face_config(const std::string& json_text, const std::string& name_in_messages);
ImportedModel load_hugging_face_config(const std::string& path);

std::vector<std::string> hugging_face_model_types();

}  // namespace trainyard
