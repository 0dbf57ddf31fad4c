# `trainyard sweep` under the launchers that clusters have. Exit code 77: something that is not installed here, said on
# standard output.
function(trainyard_launcher_test name)
  add_test(NAME "slurm: ${name}" COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/${name}_test.sh $<TARGET_FILE:trainyard>)
  set_tests_properties("slurm: ${name}" PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300 PROCESSORS 2 COST 90)
endfunction()
if(TARGET trainyard)
  trainyard_launcher_test(submit)
  trainyard_launcher_test(slurm)
  trainyard_launcher_test(mpirun)
endif()
