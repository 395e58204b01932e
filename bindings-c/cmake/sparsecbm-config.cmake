# find_package(sparsecbm) gives the targets sparsecbm::sparsecbm (shared) and sparsecbm::static.
# The folder may be moved as a whole: every path is told from this file.
get_filename_component(sparsecbm_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

if(NOT TARGET sparsecbm::sparsecbm)
  add_library(sparsecbm::sparsecbm SHARED IMPORTED)
  set_target_properties(sparsecbm::sparsecbm PROPERTIES
    IMPORTED_LOCATION "${sparsecbm_prefix}/@SHARED@"
    IMPORTED_SONAME "@SONAME@" @IMPORT@
    INTERFACE_INCLUDE_DIRECTORIES "${sparsecbm_prefix}/include")

  add_library(sparsecbm::static STATIC IMPORTED)
  set_target_properties(sparsecbm::static PROPERTIES
    IMPORTED_LOCATION "${sparsecbm_prefix}/lib/@STATIC@"
    INTERFACE_INCLUDE_DIRECTORIES "${sparsecbm_prefix}/include"
    INTERFACE_LINK_OPTIONS "@STATIC_OPTION_CMAKE@"
    INTERFACE_LINK_LIBRARIES "@SYSTEM_LIBRARIES_CMAKE@")
endif()

unset(sparsecbm_prefix)
