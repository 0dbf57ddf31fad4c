trainyard_test(topology_test
  SOURCES
    topology/captures_test.cpp
    topology/cluster_yaml_test.cpp
    topology/describe_test.cpp
    topology/group_path_test.cpp
    topology/link_map_test.cpp
    topology/nccl_topology_xml_test.cpp
    topology/nvidia_smi_topo_test.cpp
    topology/presets_test.cpp
    topology/routes_test.cpp
    topology/scenario_files_test.cpp
    topology/smi_properties_test.cpp
    topology/stragglers_yaml_test.cpp
    topology/symmetry_test.cpp
  LINKS trainyard_topology nlohmann_json::nlohmann_json)
trainyard_test(topology_command_test
  SOURCES topology/topology_command_test.cpp
  LINKS trainyard_cli)
