include(CMakePackageConfigHelpers)

install(TARGETS wengert EXPORT wengertTargets
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")

# In the source tree include/wengert/<module> is a link to the module's folder; installed, it is a folder of its headers.
set(header_dir "${CMAKE_INSTALL_INCLUDEDIR}/wengert")
file(GLOB umbrella_headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/include/wengert/*.h")
install(FILES ${umbrella_headers} DESTINATION "${header_dir}")
# What stays behind is what only .cpp files include; tests/package notices when that is not so.
foreach(module IN ITEMS autograd io datasets nn optim train)
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/${module}/" DESTINATION "${header_dir}/${module}"
    FILES_MATCHING PATTERN "*.h"
    PATTERN "detail" EXCLUDE
    PATTERN "kernels" EXCLUDE
    PATTERN "ops" EXCLUDE
    PATTERN "data" EXCLUDE)
endforeach()

install(DIRECTORY "${PROJECT_SOURCE_DIR}/datasets/data/" DESTINATION "${CMAKE_INSTALL_DATADIR}/wengert/datasets")

set(config_dir "${CMAKE_INSTALL_LIBDIR}/cmake/wengert")
install(EXPORT wengertTargets NAMESPACE wengert:: DESTINATION "${config_dir}")
get_target_property(library_type wengert TYPE)
configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/wengertConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/wengertConfig.cmake"
  INSTALL_DESTINATION "${config_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/wengertConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES
  "${PROJECT_BINARY_DIR}/wengertConfig.cmake"
  "${PROJECT_BINARY_DIR}/wengertConfigVersion.cmake"
  DESTINATION "${config_dir}")
