# One program per topic: TOPIC_test.cpp or TOPIC_*_test.cpp.
foreach(topic page step sweep picture)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/${topic}_*test.cpp ${CMAKE_CURRENT_LIST_DIR}/${topic}_test.cpp)
  list(REMOVE_DUPLICATES sources)
  if(sources)
    trainyard_test(report_${topic}_test SOURCES ${sources} LINKS trainyard_hand_built_step trainyard_report nlohmann_json::nlohmann_json pugixml::pugixml)
  endif()
endforeach()
