trainyard_test(engine_test
  SOURCES sim/engine/analytic_engine_test.cpp sim/engine/pipeline_times_test.cpp sim/engine/segment_price_test.cpp support/unit_pipeline.cpp
  LINKS trainyard_engine)
trainyard_test(shared_network_test
  SOURCES sim/engine/shared_network_test.cpp support/max_min_network.cpp
  LINKS trainyard_engine)
trainyard_test(rank_engine_test
  SOURCES sim/engine/contended_test.cpp sim/engine/rank_engine_test.cpp support/group_step.cpp
  LINKS trainyard_engine)
trainyard_test(footprint_test
  SOURCES sim/engine/footprint_all_to_all_test.cpp sim/engine/footprint_laws_test.cpp sim/engine/footprint_test.cpp
          sim/engine/footprint_tree_test.cpp
  LINKS trainyard_engine)
trainyard_test(compiled_step_test
  SOURCES sim/engine/compiled_step_test.cpp sim/engine/steady_state_test.cpp support/built_step.cpp
  LINKS trainyard_sweep)
