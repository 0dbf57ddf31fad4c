// What is known of Megatron-LM's flags beside those that make up a plan.
#pragma once

#include <string_view>

namespace trainyard {

// What to use instead of a flag that Megatron-LM refuses nowadays; empty for any other flag.
std::string_view replacement_of(std::string_view flag);

// Data, tokenizer files, optimizer constants, schedules of the learning rate, logging, checkpoints: nothing that
// changes the time or memory of a training step.
bool is_irrelevant_switch(std::string_view flag);   // takes no value
bool is_irrelevant_setting(std::string_view flag);  // takes one or more

}  // namespace trainyard
