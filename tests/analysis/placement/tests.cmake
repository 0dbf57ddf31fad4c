trainyard_test(placement_search_test
  SOURCES analysis/placement/mapping_test.cpp analysis/placement/resolve_placement_test.cpp support/hand_built_step.cpp
  LINKS trainyard_placement)
