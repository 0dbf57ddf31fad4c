# What the build puts into every report, as one generated source: the style, the page's own script, and the charts, which
# are bundled from npm where that can be had. Without them every picture is a static one.
set(TRAINYARD_CHARTS AUTO CACHE STRING "Interactive charts in reports: AUTO (if npm can be had), ON or OFF")
set_property(CACHE TRAINYARD_CHARTS PROPERTY STRINGS AUTO ON OFF)
find_program(TRAINYARD_NPM npm)
find_program(TRAINYARD_NODE NAMES node nodejs)
mark_as_advanced(TRAINYARD_NPM TRAINYARD_NODE)

set(chart_mode ${TRAINYARD_CHARTS})
if(NOT TRAINYARD_NPM OR NOT TRAINYARD_NODE)
  if(chart_mode STREQUAL "ON")
    message(FATAL_ERROR "TRAINYARD_CHARTS=ON needs node and npm")
  endif()
  set(chart_mode OFF)
  message(STATUS "Reports: no npm, so the pictures will be static ones")
endif()
file(GLOB chart_sources CONFIGURE_DEPENDS charts/*.js)
set(chart_inputs bundle.mjs package.json package-lock.json ${chart_sources})
list(TRANSFORM chart_inputs PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/ REGEX "^[^/]")
set(chart_script ${CMAKE_CURRENT_BINARY_DIR}/charts.js)
add_custom_command(
  OUTPUT ${chart_script}
  COMMAND ${CMAKE_COMMAND} -DMODE=${chart_mode} -DNPM=${TRAINYARD_NPM} -DNODE=${TRAINYARD_NODE}
          -DSOURCE=${CMAKE_CURRENT_SOURCE_DIR} -DOUTPUT=${chart_script} -P ${CMAKE_CURRENT_SOURCE_DIR}/bundle_charts.cmake
  DEPENDS ${chart_inputs} bundle_charts.cmake
  COMMENT "Reports: bundling the charts" VERBATIM)
set(report_assets ${CMAKE_CURRENT_BINARY_DIR}/page_assets.cpp)
add_custom_command(
  OUTPUT ${report_assets}
  COMMAND ${CMAKE_COMMAND} -DSTYLE=${CMAKE_CURRENT_SOURCE_DIR}/page.css -DSCRIPT=${CMAKE_CURRENT_SOURCE_DIR}/page.js
          -DCHARTS=${chart_script} -DTEMPLATE=${CMAKE_CURRENT_SOURCE_DIR}/page_assets.cpp.in -DOUTPUT=${report_assets}
          -P ${CMAKE_CURRENT_SOURCE_DIR}/embed_assets.cmake
  DEPENDS page.css page.js ${chart_script} page_assets.cpp.in embed_assets.cmake
  COMMENT "Reports: embedding style and scripts" VERBATIM)
