# cmake --install BUILD --prefix PREFIX: library, headers and what find_package(flambeau) reads.
include(GNUInstallDirs)
install(TARGETS flambeau EXPORT flambeauTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET flambeau_lapack)
  install(TARGETS flambeau_lapack LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
install(DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}/include/flambeau" "${FLAMBEAU_GENERATED}/include/flambeau"
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(EXPORT flambeauTargets NAMESPACE flambeau:: FILE flambeauConfig.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/flambeau)
