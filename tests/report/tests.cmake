trainyard_test(report_option_test SOURCES report/report_option_test.cpp)
target_compile_definitions(report_option_test PRIVATE TRAINYARD_BINARY="$<TARGET_FILE:trainyard>")
add_dependencies(report_option_test trainyard)

# Reports in a real browser. Skipped, with a notice, where there is no Chromium or no npm.
add_test(NAME report_browser COMMAND ${CMAKE_CURRENT_LIST_DIR}/run.sh $<TARGET_FILE:trainyard> ${CMAKE_CURRENT_BINARY_DIR}/report_browser)
set_tests_properties(report_browser PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 400 COST 100)
