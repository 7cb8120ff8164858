// A deployed digit classifier in C++: no Node, no compiler, three calls. Build the model and this program with
//   npx flambeau build lenet.fbg --out lenet
//   g++ -Ilenet/include examples/deploy/classify.cc -Llenet/dist -llenet -Wl,-rpath,'$ORIGIN/lenet/dist' -o classify
// It reads images of 28 x 28 float32 numbers from standard input and prints the class of each.
#include <lenet.h>

#include <algorithm>
#include <cstdio>
#include <vector>

int main() {
  char message[512];
  fb_model* model = nullptr;
  if (lenet_load(nullptr, &model, message, sizeof message) != FB_OK) return std::fprintf(stderr, "%s\n", message), 1;

  std::vector<float> images(784);
  size_t count = 0;
  while (std::fread(&images[count * 784], sizeof(float), 784, stdin) == 784) images.resize((++count + 1) * 784);
  std::vector<float> scores(count * 10);
  const fb_tensor input = {FB_FLOAT32, 4, {(int64_t)count, 1, 28, 28}, images.data(), count * 784 * sizeof(float)};
  fb_tensor output = {};
  output.data = scores.data();
  output.bytes = scores.size() * sizeof(float);
  if (lenet_run(model, &input, 1, &output, 1, message, sizeof message) != FB_OK)
    return std::fprintf(stderr, "%s\n", message), 2;
  for (size_t i = 0; i < count; i++)
    std::printf("%td\n", std::max_element(&scores[i * 10], &scores[i * 10] + 10) - &scores[i * 10]);
  lenet_free(model);
}
