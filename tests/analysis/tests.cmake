add_library(trainyard_hand_built_step STATIC support/hand_built_step.cpp)
target_link_libraries(trainyard_hand_built_step PUBLIC trainyard_analysis trainyard_test_main)
target_precompile_headers(trainyard_hand_built_step REUSE_FROM trainyard_test_main)
trainyard_test(report_test
  SOURCES analysis/report_text_test.cpp analysis/report_json_test.cpp
  LINKS trainyard_hand_built_step nlohmann_json::nlohmann_json)
trainyard_test(stragglers_job_test SOURCES analysis/stragglers_job_test.cpp LINKS trainyard_analysis)
trainyard_test(measured_range_test SOURCES analysis/measured_range_test.cpp LINKS trainyard_analysis)
trainyard_test(microbench_test
  SOURCES
    analysis/calibration/microbench_test.cpp
    analysis/calibration/microbench_rendezvous_test.cpp
  LINKS trainyard_calibration)
trainyard_test(collective_table_test
  SOURCES analysis/collective_table_test.cpp analysis/nccl_tests_arguments_test.cpp
  LINKS trainyard_analysis trainyard_calibration nlohmann_json::nlohmann_json)
trainyard_test(pipeline_picture_test
  SOURCES analysis/pipeline_picture_test.cpp analysis/pipeline_text_test.cpp
  LINKS trainyard_hand_built_step)
trainyard_test(link_load_test SOURCES analysis/link_load_test.cpp LINKS trainyard_hand_built_step)
