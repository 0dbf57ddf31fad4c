# What reads measurements, without the fits.
trainyard_test(calibration_readers_test
  SOURCES
    analysis/calibration/kernel_table_test.cpp
    analysis/calibration/measurements_file_test.cpp
    analysis/calibration/microbench_log_test.cpp
    analysis/calibration/nccl_log_test.cpp
    analysis/calibration/nccl_log_runs_test.cpp
  LINKS trainyard_calibration ZLIB::ZLIB)
# Fits of memory-bound kernels, pictures, written profiles and the command.
trainyard_test(calibrate_test
  SOURCES
    analysis/calibration/calibrate_base_test.cpp
    analysis/calibration/calibrate_command_test.cpp
    analysis/calibration/fit_memory_test.cpp
    analysis/calibration/fit_plot_svg_test.cpp
    analysis/calibration/write_profile_yaml_test.cpp
  LINKS trainyard_cli nlohmann_json::nlohmann_json pugixml::pugixml)
trainyard_test(fit_attention_test
  SOURCES analysis/calibration/fit_attention_tables_test.cpp analysis/calibration/fit_attention_test.cpp
  LINKS trainyard_calibration)
trainyard_test(calibration_collectives_test
  SOURCES
    analysis/calibration/fit_collectives_regimes_test.cpp
    analysis/calibration/fit_collectives_test.cpp
    analysis/calibration/fit_network_test.cpp
  LINKS trainyard_calibration)
trainyard_test(fit_gemm_test
  SOURCES
    analysis/calibration/fit_gemm_simplex_test.cpp
    analysis/calibration/fit_gemm_tables_test.cpp
    analysis/calibration/fit_gemm_test.cpp
  LINKS trainyard_calibration)
