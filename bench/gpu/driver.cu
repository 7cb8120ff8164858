// Runs the programs of a bundle (bundle.ts) on a GPU: one shared object per case, tensors made on the host from their
// descriptions, results compared with the expected ones, times from CUDA events. Prints one JSON line per case.
//   driver CASE...        a case is a folder with case.txt, expected.bin and program.so; PROFILE=1: one run of each, for a profiler
#include "abi.cuh"
#include "library.cuh"
#include "runtime.h"

#include <cuda_profiler_api.h>
#include <dlfcn.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#define CHECK(CALL)                                                                          \
  do {                                                                                       \
    cudaError_t status = (CALL);                                                             \
    if (status != cudaSuccess) throw std::string(#CALL) + ": " + cudaGetErrorString(status); \
  } while (0)

using flambeau::cuda::Library;

/// As in bundle.ts.
static double noise(uint32_t index, uint32_t seed) {
  uint32_t h = index * 0x9e3779b1u + seed * 0x85ebca6bu;
  h = (h ^ (h >> 15)) * 0x2c1b3c6du;
  h = (h ^ (h >> 12)) * 0x297a2d39u;
  return (double)((h ^ (h >> 15)) >> 8) / 16777216.0;
}

struct Expect {
  size_t slot;
  std::string dtype;
  size_t count, step;
};

static size_t bytes_of(const std::string& dtype) {
  static const std::map<std::string, size_t> sizes = {{"float32", 4}, {"float64", 8}, {"float16", 2}, {"bfloat16", 2},
                                                      {"int8", 1},    {"uint8", 1},   {"bool", 1},    {"int16", 2},
                                                      {"int32", 4},   {"int64", 8}};
  return sizes.at(dtype);
}
template <class T>
static void put(std::vector<char>& to, size_t i, double v) {
  T x = (T)v;
  std::memcpy(&to[i * sizeof(T)], &x, sizeof(T));
}
static void put(std::vector<char>& to, const std::string& dtype, size_t i, double v) {
  if (dtype == "float32")
    put<float>(to, i, v);
  else if (dtype == "float64")
    put<double>(to, i, v);
  else if (dtype == "int64")
    put<int64_t>(to, i, v);
  else if (dtype == "int32")
    put<int32_t>(to, i, v);
  else if (dtype == "int16")
    put<int16_t>(to, i, v);
  else if (dtype == "int8")
    put<int8_t>(to, i, v);
  else if (dtype == "uint8" || dtype == "bool")
    put<uint8_t>(to, i, v);
  else
    throw "tensors of " + dtype + " are not made here";
}
static double take(const char* from, const std::string& dtype) {
  auto as = [&](auto x) {
    std::memcpy(&x, from, sizeof(x));
    return (double)x;
  };
  if (dtype == "float32") return as(0.0f);
  if (dtype == "float64") return as(0.0);
  if (dtype == "int64") return as((int64_t)0);
  if (dtype == "int32") return as((int32_t)0);
  if (dtype == "int16") return as((int16_t)0);
  if (dtype == "int8") return as((int8_t)0);
  if (dtype == "uint8" || dtype == "bool") return as((uint8_t)0);
  throw "results of " + dtype + " are not read here";
}

template <class F>
static double median_us(cudaStream_t stream, F run) {
  cudaEvent_t from, to;
  CHECK(cudaEventCreate(&from));
  CHECK(cudaEventCreate(&to));
  auto sample = [&](int reps) {
    CHECK(cudaEventRecord(from, stream));
    for (int i = 0; i < reps; i++) run();
    CHECK(cudaEventRecord(to, stream));
    CHECK(cudaEventSynchronize(to));
    float ms = 0;
    CHECK(cudaEventElapsedTime(&ms, from, to));
    return ms * 1000.0 / reps;
  };
  sample(3);
  const int reps = (int)std::clamp(2000.0 / std::max(sample(3), 0.5), 3.0, 400.0);
  std::vector<double> all;
  for (int i = 0; i < 15; i++) all.push_back(sample(reps));
  std::sort(all.begin(), all.end());
  return all[all.size() / 2];
}

/// Largest difference of the results from the expected ones, relative to the largest element of each.
template <class Get>
static double distance(const std::string& folder, const std::vector<Expect>& expects, Get get) {
  std::ifstream want(folder + "/expected.bin", std::ios::binary);
  double worst = 0;
  for (const Expect& e : expects) {
    std::vector<double> expected(e.count);
    want.read(reinterpret_cast<char*>(expected.data()), (std::streamsize)(e.count * 8));
    const std::vector<char> got = get(e.slot);
    double scale = 0, off = 0;
    const size_t size = bytes_of(e.dtype);
    for (size_t i = 0; i < e.count; i++) {
      const double a = take(&got[i * e.step * size], e.dtype), b = expected[i];
      if (std::isfinite(b)) scale = std::max(scale, std::fabs(b));
      if (a == b || (a != a && b != b)) continue;
      off = std::isfinite(a) && std::isfinite(b) ? std::max(off, std::fabs(a - b)) : INFINITY;
    }
    worst = std::max(worst, off == 0 ? 0 : off / std::max(scale, 1e-30));
  }
  return worst;
}

static void run_case(const std::string& folder, cublasHandle_t blas, void* workspace) {
  std::ifstream text(folder + "/case.txt");
  std::string line, name;
  std::vector<char*> inputs;
  // The same tensors on the host, for hosted.so.
  std::vector<std::vector<char>> host;
  std::vector<void*> host_inputs, host_outputs;
  std::vector<size_t> input_bytes;
  std::vector<void*> outputs;
  std::vector<size_t> output_bytes;
  std::vector<void*> owned;
  Library library{blas, workspace, flambeau::cuda::kLibraryWorkspace, true, {}};
  std::vector<Expect> expects;
  std::vector<double> scalars;
  size_t arena = 0, touched = 0;
  auto device = [&](size_t bytes) {
    void* p = nullptr;
    CHECK(cudaMalloc(&p, bytes + 64));
    CHECK(cudaMemset(p, 0xA5, bytes + 64));
    owned.push_back(p);
    return p;
  };
  while (std::getline(text, line)) {
    std::istringstream in(line);
    std::string key;
    in >> key;
    if (key == "name")
      in >> name;
    else if (key == "tensor") {
      std::string dtype, mode;
      size_t bytes;
      in >> dtype >> bytes >> mode;
      if (mode == "same") {
        size_t slot;
        in >> slot;
        inputs.push_back(inputs.at(slot));
        host_inputs.push_back(host_inputs.at(slot));
        input_bytes.push_back(bytes);
        continue;
      }
      std::vector<char> data(bytes);
      const size_t n = bytes / bytes_of(dtype);
      if (mode == "literal") {
        std::string word;
        for (size_t i = 0; i < n; i++)
          in >> word, put(data, dtype, i,
                          std::strtod(word == "Infinity"    ? "inf"
                                      : word == "-Infinity" ? "-inf"
                                                            : word.c_str(),
                                      nullptr));
      } else {
        double lo, hi;
        in >> lo >> hi;
        const uint32_t seed = (uint32_t)inputs.size() + 1;
        for (size_t i = 0; i < n; i++) {
          double v = lo + noise((uint32_t)i, seed) * (hi - lo);
          put(data, dtype, i, mode == "integers" ? std::floor(v) : v);
        }
      }
      char* p = static_cast<char*>(device(bytes));
      CHECK(cudaMemcpy(p, data.data(), bytes, cudaMemcpyHostToDevice));
      inputs.push_back(p);
      host.push_back(std::move(data));
      host_inputs.push_back(host.back().data());
      input_bytes.push_back(bytes);
      touched += bytes;
    } else if (key == "output") {
      size_t bytes;
      in >> bytes;
      outputs.push_back(device(bytes));
      host.emplace_back(bytes);
      host_outputs.push_back(host.back().data());
      output_bytes.push_back(bytes);
      touched += bytes;
    } else if (key == "write") {
      size_t slot;
      in >> slot;
      outputs.push_back(inputs.at(slot));
      host_outputs.push_back(host_inputs.at(slot));
      output_bytes.push_back(input_bytes.at(slot));
      touched += input_bytes.at(slot);
    } else if (key == "arena")
      in >> arena;
    else if (key == "scalars") {
      double v;
      while (in >> v) scalars.push_back(v);
    } else if (key == "product" || key == "window") {
      library.steps.push_back(flambeau::cuda::parse_step(line));
    } else if (key == "expect") {
      Expect e;
      in >> e.slot >> e.dtype >> e.count >> e.step;
      expects.push_back(e);
    }
  }
  std::string problem;
  double worst = 0, direct = 0, replay = 0;
  bool hosted_too = false;
  void* so = nullptr;
  try {
    so = dlopen((folder + "/program.so").c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!so) throw std::string(dlerror());
    auto run = reinterpret_cast<int (*)(const fb_cuda_run*)>(dlsym(so, "fb_graph_run"));
    cudaStream_t stream;
    CHECK(cudaStreamCreate(&stream));
    int* error = static_cast<int*>(device(sizeof(int)));
    CHECK(cudaMemset(error, 0, sizeof(int)));
    scalars.push_back(0);
    fb_cuda_run args{(void* const*)inputs.data(),
                     outputs.data(),
                     static_cast<char*>(device(arena)),
                     scalars.data(),
                     nullptr,
                     {42, 7, error},
                     stream,
                     Library::call,
                     &library};
    if (int code = run(&args)) throw "the program returned " + std::to_string(code);
    CHECK(cudaGetLastError());
    CHECK(cudaStreamSynchronize(stream));
    int code = 0;
    CHECK(cudaMemcpy(&code, error, sizeof(int), cudaMemcpyDeviceToHost));
    if (code) throw "a kernel reported error " + std::to_string(code);
    worst = distance(folder, expects, [&](size_t slot) {
      std::vector<char> got(output_bytes.at(slot));
      CHECK(cudaMemcpy(got.data(), outputs.at(slot), got.size(), cudaMemcpyDeviceToHost));
      return got;
    });
    if (std::ifstream(folder + "/hosted.so").good()) {
      void* hosted = dlopen((folder + "/hosted.so").c_str(), RTLD_NOW | RTLD_LOCAL);
      if (!hosted) throw std::string(dlerror());
      auto entry = reinterpret_cast<int (*)(const fb_run_args*)>(dlsym(hosted, "fb_graph_run"));
      fb_run_args a{nullptr, nullptr, host_inputs.data(), host_outputs.data(), nullptr, scalars.data(), nullptr, 42, 7};
      if (int code = entry(&a)) throw "the hosted program returned " + std::to_string(code);
      const double off = distance(folder, expects, [&](size_t slot) {
        const char* p = static_cast<const char*>(host_outputs.at(slot));
        return std::vector<char>(p, p + output_bytes.at(slot));
      });
      worst = std::max(worst, off);
      hosted_too = true;
    }
    if (std::getenv("PROFILE")) {
      // For `ncu --profile-from-start off`: one run whose ways are chosen.
      CHECK(cudaProfilerStart());
      run(&args);
      CHECK(cudaStreamSynchronize(stream));
      CHECK(cudaProfilerStop());
      throw std::string("profiled");
    }
    direct = median_us(stream, [&] { run(&args); });
    cudaGraph_t captured;
    cudaGraphExec_t exec;
    CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
    run(&args);
    CHECK(cudaStreamEndCapture(stream, &captured));
    CHECK(cudaGraphInstantiate(&exec, captured, 0));
    replay = median_us(stream, [&] { cudaGraphLaunch(exec, stream); });
    CHECK(cudaGraphExecDestroy(exec));
    CHECK(cudaGraphDestroy(captured));
    CHECK(cudaStreamDestroy(stream));
  } catch (const std::string& s) {
    problem = s;
    for (char& c : problem)
      if (c == '"' || c == '\n' || c == '\\') c = '\'';
  }
  // How library steps were done, with how many steps.
  std::map<std::string, int> ways;
  for (const auto& s : library.steps) ways[std::visit([](const auto& step) { return flambeau::cuda::way_of(step); }, s)]++;
  std::string how;
  for (const auto& [way, steps] : ways) how += (how.empty() ? "" : "; ") + way + " x" + std::to_string(steps);
  for (void* p : owned) cudaFree(p);
  if (so) dlclose(so);
  std::printf("{\"case\":\"%s\",\"error\":%s%g%s,\"us\":%.3f,\"graph_us\":%.3f,\"bytes\":%zu,\"hosted\":%s,\"ways\":\"%s\",\"problem\":\"%s\"}\n",
              name.c_str(), std::isfinite(worst) ? "" : "\"", worst, std::isfinite(worst) ? "" : "\"", direct, replay,
              touched, hosted_too ? "true" : "false", how.c_str(), problem.c_str());
  std::fflush(stdout);
}

int main(int argc, char** argv) {
  cublasHandle_t blas;
  if (cublasCreate(&blas) != CUBLAS_STATUS_SUCCESS) return std::fprintf(stderr, "cuBLAS does not start\n"), 1;
  void* workspace = nullptr;
  if (cudaMalloc(&workspace, flambeau::cuda::kLibraryWorkspace) != cudaSuccess) return 1;
  try {
    // What the card moves at best: a plain copy of 64 MB, read and written.
    void *from, *to;
    const size_t n = 64 << 20;
    CHECK(cudaMalloc(&from, n));
    CHECK(cudaMalloc(&to, n));
    cudaStream_t stream;
    CHECK(cudaStreamCreate(&stream));
    const double us = median_us(stream, [&] { cudaMemcpyAsync(to, from, n, cudaMemcpyDeviceToDevice, stream); });
    std::printf("{\"case\":\"device_copy_64mib\",\"us\":%.3f,\"bytes\":%zu}\n", us, 2 * n);
    cudaFree(from), cudaFree(to);
  } catch (const std::string& s) {
    std::fprintf(stderr, "%s\n", s.c_str());
    return 1;
  }
  for (int i = 1; i < argc; i++) {
    try {
      run_case(argv[i], blas, workspace);
    } catch (const std::string& s) {
      std::fprintf(stderr, "%s: %s\n", argv[i], s.c_str());
    } catch (const std::exception& e) {
      std::fprintf(stderr, "%s: %s\n", argv[i], e.what());
    }
  }
  return 0;
}
