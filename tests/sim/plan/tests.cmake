trainyard_test(plan_test
  SOURCES sim/plan/check_plan_parts_test.cpp sim/plan/check_plan_test.cpp sim/plan/import_megatron_args_test.cpp
          sim/plan/job_test.cpp sim/plan/megatron_args_test.cpp sim/plan/megatron_parallel_args_test.cpp
          sim/plan/megatron_patterns_test.cpp sim/plan/placement_test.cpp sim/plan/plan_yaml_parts_test.cpp sim/plan/plan_yaml_test.cpp
          sim/plan/rank_layout_test.cpp sim/plan/shell_script_test.cpp
  LINKS trainyard_plan trainyard_import_megatron_args)
trainyard_test(schedule_test
  SOURCES sim/plan/dualpipev_test.cpp sim/plan/schedule_laws_test.cpp sim/plan/schedule_slots_test.cpp
          support/slot_simulator.cpp
  LINKS trainyard_plan)
trainyard_test(periodic_schedules_test SOURCES sim/plan/periodic_schedules_test.cpp LINKS trainyard_sweep)
