// LAPACK reports a bad argument to XERBLA, whose reference version prints a line and STOPs: the process ends with exit
// code 0. An input with NaN or infinity gets there too (SLASCL checks its scale factors). Ours takes the place of the
// library's, since libflambeau comes before liblapack in the order that the loader searches, and throws; gfortran's
// frames unwind.
#if FLAMBEAU_WITH_LAPACK
#include <string>

#include "linalg/batch.h"

extern "C" __attribute__((visibility("default"))) void xerbla_(const char* name, const int* argument, size_t length) {
  std::string routine(name, length);
  routine.erase(routine.find_last_not_of(' ') + 1);
  throw flambeau::linalg::IllegalArgument{routine, *argument};
}
#endif
