# cmake -DMODE=AUTO|ON|OFF -DNPM=… -DNODE=… -DSOURCE=… -DOUTPUT=FILE -P: the charts as one script, or an empty file where npm
# or the network cannot be had (an error if they are a must).
set(npm_timeout 180)  # seconds; a slow network must not hold the build for ever
cmake_path(GET OUTPUT PARENT_PATH folder)
set(work ${folder}/charts.build)

if(NOT MODE STREQUAL "OFF")
  file(MAKE_DIRECTORY ${work})
  file(COPY ${SOURCE}/package.json ${SOURCE}/package-lock.json ${SOURCE}/bundle.mjs ${SOURCE}/charts DESTINATION ${work})
  execute_process(COMMAND ${NPM} ci --ignore-scripts --no-audit --no-fund --prefer-offline --fetch-retries=1
                  WORKING_DIRECTORY ${work} TIMEOUT ${npm_timeout} RESULT_VARIABLE failed OUTPUT_VARIABLE said
                  ERROR_VARIABLE said)
  if(failed EQUAL 0)
    execute_process(COMMAND ${NODE} bundle.mjs ${OUTPUT} WORKING_DIRECTORY ${work} RESULT_VARIABLE failed
                    OUTPUT_VARIABLE said ERROR_VARIABLE said)
  endif()
  if(failed EQUAL 0)
    return()
  endif()
  if(MODE STREQUAL "ON")
    file(REMOVE ${OUTPUT})
    message(FATAL_ERROR "the charts of reports could not be bundled (${failed}):\n${said}")
  endif()
  message(NOTICE "Reports get static pictures: npm could not install or bundle the charts (delete ${OUTPUT} to try again)")
endif()
file(WRITE ${OUTPUT} "")
