trainyard_test(plan_test
  SOURCES sim/plan/check_plan_test.cpp sim/plan/import_megatron_args_test.cpp sim/plan/megatron_args_test.cpp
          sim/plan/megatron_patterns_test.cpp sim/plan/placement_test.cpp sim/plan/plan_yaml_test.cpp
          sim/plan/rank_layout_test.cpp sim/plan/shell_script_test.cpp
  LINKS trainyard_plan trainyard_import_megatron_args)
