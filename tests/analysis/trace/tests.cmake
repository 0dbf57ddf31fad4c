# One program per topic: TOPIC_test.cpp or TOPIC_*_test.cpp.
foreach(topic perfetto chrome kineto graph ranks layers real)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/${topic}_*test.cpp ${CMAKE_CURRENT_LIST_DIR}/${topic}_test.cpp)
  list(REMOVE_DUPLICATES sources)
  if(sources)
    trainyard_test(trace_${topic}_test SOURCES ${sources} LINKS trainyard_hand_built_step trainyard_trace nlohmann_json::nlohmann_json ZLIB::ZLIB)
  endif()
endforeach()
if(TARGET trace_perfetto_test)
  target_sources(trace_perfetto_test PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/support/perfetto_decoder.cpp)
endif()
if(TARGET trace_real_test)
  target_link_libraries(trace_real_test PRIVATE trainyard_cli)  # its `compare` command
endif()
