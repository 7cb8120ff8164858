// The LAPACK and BLAS routines that linalg calls, for float and double under one name: Routines<T>::getrf. Matrices are
// column-major. LAPACK is loaded when the first function needs it (requireLapack): programs that factor no matrix
// neither wait for it nor have to ship it.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "flambeau/error.h"

namespace flambeau::linalg {

/// Thrown out of a LAPACK routine that rejects an argument (lapack/lapack_library.cc).
struct IllegalArgument {
  std::string routine;
  int argument;
};

/// Loads LAPACK in the first call. Throws Error(Linalg) where it is not installed or not part of a deployed model; `op`
/// is the function that needs it.
void requireLapack(std::string_view op);

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

/// The routines of one type.
template <class T>
struct RoutineTable {
  GetrfFn<T>* getrf;
  GetrsFn<T>* getrs;
  GetriFn<T>* getri;
  PotrfFn<T>* potrf;
  GeqrfFn<T>* geqrf;
  OrgqrFn<T>* orgqr;
  OrmqrFn<T>* ormqr;
  GesddFn<T>* gesdd;
  SyevdFn<T>* syevd;
  SytrfFn<T>* sytrf;
  SytrsFn<T>* sytrs;
  GelsFn<T>* gels;
  GelsyFn<T>* gelsy;
  GelssFn<T>* gelss;
  GelsdFn<T>* gelsd;
  TrsmFn<T>* trsm;
};
/// What libflambeau_lapack.so gives (lapack_library.cc): the one function that it exports.
struct LapackTables {
  RoutineTable<float> single;
  RoutineTable<double> twice;
};
using LapackTablesFn = const LapackTables*();
inline constexpr const char* kLapackLibrary = "libflambeau_lapack.so";
inline constexpr const char* kLapackFunction = "flambeau_lapack_tables";

/// The tables, once requireLapack has returned.
template <class T>
const RoutineTable<T>& routines();

/// Calls by name: Routines<T>::getrf(...).
template <class T>
struct Routines {
  template <class... A>
  static void getrf(A... a) {
    routines<T>().getrf(a...);
  }
  template <class... A>
  static void getrs(A... a) {
    routines<T>().getrs(a...);
  }
  template <class... A>
  static void getri(A... a) {
    routines<T>().getri(a...);
  }
  template <class... A>
  static void potrf(A... a) {
    routines<T>().potrf(a...);
  }
  template <class... A>
  static void geqrf(A... a) {
    routines<T>().geqrf(a...);
  }
  template <class... A>
  static void orgqr(A... a) {
    routines<T>().orgqr(a...);
  }
  template <class... A>
  static void ormqr(A... a) {
    routines<T>().ormqr(a...);
  }
  template <class... A>
  static void gesdd(A... a) {
    routines<T>().gesdd(a...);
  }
  template <class... A>
  static void syevd(A... a) {
    routines<T>().syevd(a...);
  }
  template <class... A>
  static void sytrf(A... a) {
    routines<T>().sytrf(a...);
  }
  template <class... A>
  static void sytrs(A... a) {
    routines<T>().sytrs(a...);
  }
  template <class... A>
  static void gels(A... a) {
    routines<T>().gels(a...);
  }
  template <class... A>
  static void gelsy(A... a) {
    routines<T>().gelsy(a...);
  }
  template <class... A>
  static void gelss(A... a) {
    routines<T>().gelss(a...);
  }
  template <class... A>
  static void gelsd(A... a) {
    routines<T>().gelsd(a...);
  }
  template <class... A>
  static void trsm(A... a) {
    routines<T>().trsm(a...);
  }
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
