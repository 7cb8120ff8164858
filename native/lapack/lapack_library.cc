// libflambeau_lapack.so: LAPACK's routines as tables, and its error handler. A library of its own, so that libflambeau
// does not need LAPACK to be loaded.
//
// LAPACK reports a bad argument to XERBLA, whose reference version prints a line and STOPs: the process ends with exit
// code 0. An input with NaN or infinity gets there too (SLASCL checks its scale factors). Ours takes the place of the
// library's, since this library comes before liblapack in the order that the loader searches, and throws; gfortran's
// frames unwind.
#include <string>

#include "linalg/lapack.h"

extern "C" {
flambeau::linalg::GetrfFn<float> sgetrf_;
flambeau::linalg::GetrfFn<double> dgetrf_;
flambeau::linalg::GetrsFn<float> sgetrs_;
flambeau::linalg::GetrsFn<double> dgetrs_;
flambeau::linalg::GetriFn<float> sgetri_;
flambeau::linalg::GetriFn<double> dgetri_;
flambeau::linalg::PotrfFn<float> spotrf_;
flambeau::linalg::PotrfFn<double> dpotrf_;
flambeau::linalg::GeqrfFn<float> sgeqrf_;
flambeau::linalg::GeqrfFn<double> dgeqrf_;
flambeau::linalg::OrgqrFn<float> sorgqr_;
flambeau::linalg::OrgqrFn<double> dorgqr_;
flambeau::linalg::OrmqrFn<float> sormqr_;
flambeau::linalg::OrmqrFn<double> dormqr_;
flambeau::linalg::GesddFn<float> sgesdd_;
flambeau::linalg::GesddFn<double> dgesdd_;
flambeau::linalg::SyevdFn<float> ssyevd_;
flambeau::linalg::SyevdFn<double> dsyevd_;
flambeau::linalg::SytrfFn<float> ssytrf_;
flambeau::linalg::SytrfFn<double> dsytrf_;
flambeau::linalg::SytrsFn<float> ssytrs_;
flambeau::linalg::SytrsFn<double> dsytrs_;
flambeau::linalg::GelsFn<float> sgels_;
flambeau::linalg::GelsFn<double> dgels_;
flambeau::linalg::GelsyFn<float> sgelsy_;
flambeau::linalg::GelsyFn<double> dgelsy_;
flambeau::linalg::GelssFn<float> sgelss_;
flambeau::linalg::GelssFn<double> dgelss_;
flambeau::linalg::GelsdFn<float> sgelsd_;
flambeau::linalg::GelsdFn<double> dgelsd_;
flambeau::linalg::TrsmFn<float> strsm_;
flambeau::linalg::TrsmFn<double> dtrsm_;

__attribute__((visibility("default"))) void xerbla_(const char* name, const int* argument, size_t length) {
  std::string routine(name, length);
  routine.erase(routine.find_last_not_of(' ') + 1);
  throw flambeau::linalg::IllegalArgument{routine, *argument};
}

__attribute__((visibility("default"))) const flambeau::linalg::LapackTables* flambeau_lapack_tables() {
  static const flambeau::linalg::LapackTables tables = {
      {sgetrf_, sgetrs_, sgetri_, spotrf_, sgeqrf_, sorgqr_, sormqr_, sgesdd_, ssyevd_, ssytrf_, ssytrs_, sgels_,
       sgelsy_, sgelss_, sgelsd_, strsm_},
      {dgetrf_, dgetrs_, dgetri_, dpotrf_, dgeqrf_, dorgqr_, dormqr_, dgesdd_, dsyevd_, dsytrf_, dsytrs_, dgels_,
       dgelsy_, dgelss_, dgelsd_, dtrsm_}};
  return &tables;
}
}
