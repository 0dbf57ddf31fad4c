if(TARGET trainyard)
  add_test(NAME "trace: Perfetto's trace processor reads every format"
           COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/trace_processor_test.sh $<TARGET_FILE:trainyard>
                   ${CMAKE_CURRENT_BINARY_DIR}/trace_processor)
  set_tests_properties("trace: Perfetto's trace processor reads every format"
                       PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300 COST 100)
endif()
