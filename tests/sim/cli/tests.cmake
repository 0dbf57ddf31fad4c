trainyard_test(cli_estimate_test
  SOURCES
    sim/cli/estimate_test.cpp
    sim/cli/import_test.cpp
    ${PROJECT_SOURCE_DIR}/sim/cli/estimate_command.cpp
    ${PROJECT_SOURCE_DIR}/sim/cli/import_hf_config.cpp
  LINKS trainyard_models Boost::program_options)
