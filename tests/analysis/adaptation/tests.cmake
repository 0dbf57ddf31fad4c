trainyard_test(adaptation_test
  SOURCES
    analysis/adaptation/adaptable_constants_test.cpp
    analysis/adaptation/leave_one_out_test.cpp
    analysis/adaptation/map_fit_test.cpp
    analysis/adaptation/own_runs_test.cpp
    analysis/adaptation/residuals_page_test.cpp
  LINKS trainyard_adaptation nlohmann_json::nlohmann_json)
trainyard_test(calibrate_runs_test SOURCES analysis/adaptation/calibrate_runs_test.cpp LINKS trainyard_cli nlohmann_json::nlohmann_json)
