trainyard_test(engine_test
  SOURCES sim/engine/analytic_engine_test.cpp sim/engine/pipeline_times_test.cpp sim/engine/segment_price_test.cpp support/unit_pipeline.cpp
  LINKS trainyard_engine)
