// The LAPACK and BLAS routines that linalg calls, for float and double under one name: Routines<T>::getrf. Matrices are
// column-major. Where LAPACK is not installed the symbols stay null, and requireLapack throws before any is called.
#pragma once
#include <cstddef>
#include <string_view>
#include <vector>

#include "flambeau/error.h"

#if FLAMBEAU_WITH_LAPACK
#define FB_FORTRAN extern "C"
#else
#define FB_FORTRAN extern "C" __attribute__((weak))
#endif

namespace flambeau::linalg {

/// Throws unless the library was built with LAPACK; `op` is the function that needs it.
inline void requireLapack(std::string_view op) {
#if FLAMBEAU_WITH_LAPACK
  (void)op;
#else
  throw Error(ErrorKind::Linalg, std::string(op) +
                                     ": needs LAPACK, which was not found when flambeau was built; install it "
                                     "(Debian: liblapack-dev) and build again");
#endif
}

using Int = int;  // Fortran's INTEGER in the LP64 interface
using Char = const char;
using Len = size_t;  // hidden length of a character argument, after all others

template <class T>
using GetrfFn = void(const Int* m, const Int* n, T* a, const Int* lda, Int* ipiv, Int* info);
template <class T>
using GetrsFn = void(Char* trans, const Int* n, const Int* nrhs, const T* a, const Int* lda, const Int* ipiv, T* b,
                     const Int* ldb, Int* info, Len);
template <class T>
using GetriFn = void(const Int* n, T* a, const Int* lda, const Int* ipiv, T* work, const Int* lwork, Int* info);
template <class T>
using PotrfFn = void(Char* uplo, const Int* n, T* a, const Int* lda, Int* info, Len);
template <class T>
using GeqrfFn = void(const Int* m, const Int* n, T* a, const Int* lda, T* tau, T* work, const Int* lwork, Int* info);
template <class T>
using OrgqrFn = void(const Int* m, const Int* n, const Int* k, T* a, const Int* lda, const T* tau, T* work,
                     const Int* lwork, Int* info);
template <class T>
using OrmqrFn = void(Char* side, Char* trans, const Int* m, const Int* n, const Int* k, const T* a, const Int* lda,
                     const T* tau, T* c, const Int* ldc, T* work, const Int* lwork, Int* info, Len, Len);
template <class T>
using GesddFn = void(Char* jobz, const Int* m, const Int* n, T* a, const Int* lda, T* s, T* u, const Int* ldu, T* vt,
                     const Int* ldvt, T* work, const Int* lwork, Int* iwork, Int* info, Len);
template <class T>
using SyevdFn = void(Char* jobz, Char* uplo, const Int* n, T* a, const Int* lda, T* w, T* work, const Int* lwork,
                     Int* iwork, const Int* liwork, Int* info, Len, Len);
template <class T>
using SytrfFn = void(Char* uplo, const Int* n, T* a, const Int* lda, Int* ipiv, T* work, const Int* lwork, Int* info,
                     Len);
template <class T>
using SytrsFn = void(Char* uplo, const Int* n, const Int* nrhs, const T* a, const Int* lda, const Int* ipiv, T* b,
                     const Int* ldb, Int* info, Len);
template <class T>
using GelsFn = void(Char* trans, const Int* m, const Int* n, const Int* nrhs, T* a, const Int* lda, T* b,
                    const Int* ldb, T* work, const Int* lwork, Int* info, Len);
template <class T>
using GelsyFn = void(const Int* m, const Int* n, const Int* nrhs, T* a, const Int* lda, T* b, const Int* ldb, Int* jpvt,
                     const T* rcond, Int* rank, T* work, const Int* lwork, Int* info);
template <class T>
using GelssFn = void(const Int* m, const Int* n, const Int* nrhs, T* a, const Int* lda, T* b, const Int* ldb, T* s,
                     const T* rcond, Int* rank, T* work, const Int* lwork, Int* info);
template <class T>
using GelsdFn = void(const Int* m, const Int* n, const Int* nrhs, T* a, const Int* lda, T* b, const Int* ldb, T* s,
                     const T* rcond, Int* rank, T* work, const Int* lwork, Int* iwork, Int* info);
template <class T>
using TrsmFn = void(Char* side, Char* uplo, Char* trans, Char* diag, const Int* m, const Int* n, const T* alpha,
                    const T* a, const Int* lda, T* b, const Int* ldb, Len, Len, Len, Len);

}  // namespace flambeau::linalg

FB_FORTRAN flambeau::linalg::GetrfFn<float> sgetrf_;
FB_FORTRAN flambeau::linalg::GetrfFn<double> dgetrf_;
FB_FORTRAN flambeau::linalg::GetrsFn<float> sgetrs_;
FB_FORTRAN flambeau::linalg::GetrsFn<double> dgetrs_;
FB_FORTRAN flambeau::linalg::GetriFn<float> sgetri_;
FB_FORTRAN flambeau::linalg::GetriFn<double> dgetri_;
FB_FORTRAN flambeau::linalg::PotrfFn<float> spotrf_;
FB_FORTRAN flambeau::linalg::PotrfFn<double> dpotrf_;
FB_FORTRAN flambeau::linalg::GeqrfFn<float> sgeqrf_;
FB_FORTRAN flambeau::linalg::GeqrfFn<double> dgeqrf_;
FB_FORTRAN flambeau::linalg::OrgqrFn<float> sorgqr_;
FB_FORTRAN flambeau::linalg::OrgqrFn<double> dorgqr_;
FB_FORTRAN flambeau::linalg::OrmqrFn<float> sormqr_;
FB_FORTRAN flambeau::linalg::OrmqrFn<double> dormqr_;
FB_FORTRAN flambeau::linalg::GesddFn<float> sgesdd_;
FB_FORTRAN flambeau::linalg::GesddFn<double> dgesdd_;
FB_FORTRAN flambeau::linalg::SyevdFn<float> ssyevd_;
FB_FORTRAN flambeau::linalg::SyevdFn<double> dsyevd_;
FB_FORTRAN flambeau::linalg::SytrfFn<float> ssytrf_;
FB_FORTRAN flambeau::linalg::SytrfFn<double> dsytrf_;
FB_FORTRAN flambeau::linalg::SytrsFn<float> ssytrs_;
FB_FORTRAN flambeau::linalg::SytrsFn<double> dsytrs_;
FB_FORTRAN flambeau::linalg::GelsFn<float> sgels_;
FB_FORTRAN flambeau::linalg::GelsFn<double> dgels_;
FB_FORTRAN flambeau::linalg::GelsyFn<float> sgelsy_;
FB_FORTRAN flambeau::linalg::GelsyFn<double> dgelsy_;
FB_FORTRAN flambeau::linalg::GelssFn<float> sgelss_;
FB_FORTRAN flambeau::linalg::GelssFn<double> dgelss_;
FB_FORTRAN flambeau::linalg::GelsdFn<float> sgelsd_;
FB_FORTRAN flambeau::linalg::GelsdFn<double> dgelsd_;
FB_FORTRAN flambeau::linalg::TrsmFn<float> strsm_;
FB_FORTRAN flambeau::linalg::TrsmFn<double> dtrsm_;

#undef FB_FORTRAN

namespace flambeau::linalg {

template <class T>
struct Routines;
template <>
struct Routines<float> {
  static constexpr auto getrf = sgetrf_;
  static constexpr auto getrs = sgetrs_;
  static constexpr auto getri = sgetri_;
  static constexpr auto potrf = spotrf_;
  static constexpr auto geqrf = sgeqrf_;
  static constexpr auto orgqr = sorgqr_;
  static constexpr auto ormqr = sormqr_;
  static constexpr auto gesdd = sgesdd_;
  static constexpr auto syevd = ssyevd_;
  static constexpr auto sytrf = ssytrf_;
  static constexpr auto sytrs = ssytrs_;
  static constexpr auto gels = sgels_;
  static constexpr auto gelsy = sgelsy_;
  static constexpr auto gelss = sgelss_;
  static constexpr auto gelsd = sgelsd_;
  static constexpr auto trsm = strsm_;
};
template <>
struct Routines<double> {
  static constexpr auto getrf = dgetrf_;
  static constexpr auto getrs = dgetrs_;
  static constexpr auto getri = dgetri_;
  static constexpr auto potrf = dpotrf_;
  static constexpr auto geqrf = dgeqrf_;
  static constexpr auto orgqr = dorgqr_;
  static constexpr auto ormqr = dormqr_;
  static constexpr auto gesdd = dgesdd_;
  static constexpr auto syevd = dsyevd_;
  static constexpr auto sytrf = dsytrf_;
  static constexpr auto sytrs = dsytrs_;
  static constexpr auto gels = dgels_;
  static constexpr auto gelsy = dgelsy_;
  static constexpr auto gelss = dgelss_;
  static constexpr auto gelsd = dgelsd_;
  static constexpr auto trsm = dtrsm_;
};

/// Asks a routine for its best workspace, then runs it: call(work, lwork) twice. The buffer is kept for the next
/// matrix.
template <class T, class F>
void withWorkspace(std::vector<T>& work, F&& call) {
  T best = 0;
  call(&best, Int{-1});
  const Int size = best < 1 ? 1 : static_cast<Int>(best);
  if (work.size() < static_cast<size_t>(size)) work.resize(static_cast<size_t>(size));
  call(work.data(), size);
}

}  // namespace flambeau::linalg
