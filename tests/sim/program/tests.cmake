trainyard_test(program_test
  SOURCES sim/program/schedule_test.cpp sim/program/traffic_test.cpp support/unit_pipeline.cpp
  LINKS trainyard_engine)
