// A deployed graph with a branch and a loop in C++: the control flow runs natively, without Node and without a
// compiler.
//   const scripted = fb.jit.script(new Policy().eval());       // docs/script.md
//   fb.noGrad(() => scripted(fb.rand(3, 4), 2));
//   scripted.save('policy.fbg', { dynamic: [{ 0: 'batch' }] });
//   npx flambeau build policy.fbg --out policy
//   g++ -Ipolicy/include examples/deploy/policy.cc -Lpolicy/dist -lpolicy -Wl,-rpath,'$ORIGIN/policy/dist' -o
//   run_policy
// It reads rows of 4 float32 numbers from standard input and prints what the graph makes of them after each of 0, 1,
// ... rounds up to the argument. Numbers that the function takes and gives are tensors without dimensions.
#include <policy.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

int main(int argc, char** argv) {
  const int64_t most = argc > 1 ? std::atoll(argv[1]) : 3;
  char message[512];
  fb_model* model = nullptr;
  if (policy_load(nullptr, &model, message, sizeof message) != FB_OK) return std::fprintf(stderr, "%s\n", message), 1;

  std::vector<float> rows;
  for (float x; std::fread(&x, sizeof x, 1, stdin) == 1;) rows.push_back(x);
  std::vector<float> made(rows.size());
  for (int64_t rounds = 0; rounds <= most; rounds++) {
    int64_t done = -1;
    const size_t bytes = rows.size() * sizeof(float);
    const fb_tensor inputs[] = {{FB_FLOAT32, 2, {(int64_t)rows.size() / 4, 4}, rows.data(), bytes},
                                {FB_INT64, 0, {}, (void*)&rounds, sizeof rounds}};
    fb_tensor outputs[2] = {};
    outputs[0].data = made.data();
    outputs[0].bytes = bytes;
    outputs[1].data = &done;
    outputs[1].bytes = sizeof done;
    if (policy_run(model, inputs, 2, outputs, 2, message, sizeof message) != FB_OK)
      return std::fprintf(stderr, "%s\n", message), 2;
    std::printf("%lld", (long long)done);
    for (float x : made) std::printf(" %.7g", x);
    std::printf("\n");
  }
  policy_free(model);
}
