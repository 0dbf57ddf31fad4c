trainyard_test(job_test
  SOURCES
    analysis/job/checkpointing_test.cpp
    analysis/job/failure_simulation_test.cpp
    analysis/job/job_report_test.cpp
    analysis/job/job_simulation_test.cpp
    analysis/job/job_words_test.cpp
    analysis/job/reliability_test.cpp
    analysis/job/step_variation_test.cpp
  LINKS trainyard_job nlohmann_json::nlohmann_json)
trainyard_test(job_command_test
  SOURCES analysis/job/job_command_test.cpp
  LINKS trainyard_hand_built_step trainyard_cli nlohmann_json::nlohmann_json)
