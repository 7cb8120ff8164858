# LAPACK and BLAS (Debian: liblapack-dev) factor matrices; without them the functions of linalg that need them throw.
# The reference libraries are taken where Debian keeps them apart (lapack/, blas/), whatever the system's default
# is: the packaged OpenBLAS takes new Xeons for another processor. Products stay with oneDNN, so speed is no reason.
set(FLAMBEAU_LAPACK_FOUND FALSE)
set(FLAMBEAU_LAPACK_LIBRARIES)
set(FLAMBEAU_LAPACK_RPATH)
option(FLAMBEAU_LAPACK "Use LAPACK when it is installed" ON)
if(FLAMBEAU_LAPACK)
  find_library(FLAMBEAU_LAPACK_LIBRARY lapack PATH_SUFFIXES lapack PATHS /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/lapack NO_DEFAULT_PATH)
  find_library(FLAMBEAU_BLAS_LIBRARY blas PATH_SUFFIXES blas PATHS /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/blas NO_DEFAULT_PATH)
  if(FLAMBEAU_LAPACK_LIBRARY AND FLAMBEAU_BLAS_LIBRARY)
    # Found there again at run time: the names in the library are the ones that the alternatives system redirects.
    get_filename_component(lapack_folder "${FLAMBEAU_LAPACK_LIBRARY}" DIRECTORY)
    get_filename_component(blas_folder "${FLAMBEAU_BLAS_LIBRARY}" DIRECTORY)
    set(FLAMBEAU_LAPACK_RPATH "${lapack_folder}" "${blas_folder}")
  else()
    find_library(FLAMBEAU_LAPACK_LIBRARY lapack)
    find_library(FLAMBEAU_BLAS_LIBRARY blas)
  endif()
  if(FLAMBEAU_LAPACK_LIBRARY AND FLAMBEAU_BLAS_LIBRARY)
    set(FLAMBEAU_LAPACK_FOUND TRUE)
    # BLAS by name as well: LAPACK then gets this one instead of looking for its own.
    set(FLAMBEAU_LAPACK_LIBRARIES -Wl,--no-as-needed "${FLAMBEAU_LAPACK_LIBRARY}" "${FLAMBEAU_BLAS_LIBRARY}" -Wl,--as-needed)
  endif()
endif()
message(STATUS "LAPACK: ${FLAMBEAU_LAPACK_FOUND}")
