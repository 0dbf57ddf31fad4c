trainyard_test(program_test
  SOURCES sim/program/schedule_test.cpp sim/program/sharding_test.cpp sim/program/traffic_test.cpp
          support/built_step.cpp support/slot_simulator.cpp support/unit_pipeline.cpp
  LINKS trainyard_engine)
