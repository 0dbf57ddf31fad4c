trainyard_test(placement_search_test
  SOURCES analysis/placement/mapping_test.cpp analysis/placement/resolve_placement_test.cpp
  LINKS trainyard_hand_built_step trainyard_placement)
