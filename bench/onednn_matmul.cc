// oneDNN's matmul primitive called directly: the yardstick of the case matmul_1024. Prints the median microseconds.
#include <dnnl.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

int main(int argc, char** argv) {
  const dnnl::memory::dim n = argc > 1 ? std::atol(argv[1]) : 1024;
  dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const dnnl::memory::desc desc({n, n}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::ab);
  const dnnl::matmul::desc op(desc, desc, desc);
  const dnnl::matmul::primitive_desc pd(op, engine);
  dnnl::matmul matmul(pd);
  dnnl::memory a(desc, engine), b(desc, engine), c(desc, engine);
  std::mt19937 random(0);
  std::normal_distribution<float> normal;
  for (const dnnl::memory* m : {&a, &b}) {
    float* data = static_cast<float*>(m->get_data_handle());
    for (dnnl::memory::dim i = 0; i < n * n; ++i) data[i] = normal(random);
  }
  const auto run = [&](int count) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < count; ++i) {
      matmul.execute(stream, {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}});
    }
    stream.wait();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / count;
  };
  run(3);
  const int count = std::max(1, static_cast<int>(0.2 / run(1)));
  std::vector<double> times;
  for (int i = 0; i < 5; ++i) times.push_back(run(count) * 1e6);
  std::sort(times.begin(), times.end());
  std::printf("%.3f\n", times[2]);
  return 0;
}
