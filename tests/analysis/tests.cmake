trainyard_test(report_test
  SOURCES analysis/report_text_test.cpp analysis/report_json_test.cpp support/hand_built_step.cpp
  LINKS trainyard_analysis nlohmann_json::nlohmann_json)
trainyard_test(trace_perfetto_test
  SOURCES analysis/trace_perfetto_test.cpp support/hand_built_step.cpp support/perfetto_decoder.cpp
  LINKS trainyard_analysis ZLIB::ZLIB)
