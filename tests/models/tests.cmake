trainyard_test(models_test
  SOURCES
    models/collective_cost_test.cpp
    models/hugging_face_config_test.cpp
    models/layer_pattern_test.cpp
    models/memory_cost_test.cpp
    models/model_config_test.cpp
    models/model_flops_test.cpp
    models/operator_cost_test.cpp
    models/parameter_count_test.cpp
    models/quick_estimates_test.cpp
  LINKS trainyard_models)
