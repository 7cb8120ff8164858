// The public C++ API: methods, operators, autograd, modules, optimizers, loaders, files.
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "check.h"
#include "flambeau/flambeau.h"

using namespace flambeau;
namespace F = flambeau::nn::functional;

namespace {

bool near(const Tensor& a, const Tensor& b, double atol = 1e-6) { return (a - b).abs().max().item<double>() <= atol; }

TEST(tensors) {
  const Tensor x = tensor({1, 2, 3, 4}).view({2, 2});
  CHECK(x.sum().item<float>() == 10);
  CHECK(near(x.sum(0), tensor({4, 6})) && near(x.mean({0, 1}), tensor({2.5}).squeeze()));
  CHECK(near(2.0 * x - x, x) && near(1.0 / x, x.pow(-1)) && near(10 - x, -(x - 10)));
  CHECK((x > 2).sum().item<int64_t>() == 2 && (x == x).all().item<bool>());
  CHECK(near(x.t().contiguous().view(-1), tensor({1, 3, 2, 4})));
  CHECK(near(x.log_softmax(1).exp().sum(1), tensor({1, 1})));
  CHECK(x.to(DType::Int64).dtype() == DType::Int64 && tensor(std::vector<int64_t>{3}).item<int64_t>() == 3);
  CHECK(tensor({1, 2.5}).str() == "tensor([1.0000, 2.5000])" &&
        tensor(std::vector<int64_t>{1, 2}).str() == "tensor([1, 2])");
  const float raw[] = {5, 6};
  CHECK(near(from_blob(raw, {2, 1}), tensor({5, 6}).view({2, 1})));
  CHECK_THROWS(x.item<float>(), "cannot be converted to Scalar");
  CHECK_THROWS(x.view({3}), "invalid for input of size");
  CHECK_THROWS(x.matmul(tensor({1, 2, 3})), "");
}

TEST(overloads) {
  const Tensor x = tensor({3, 1, 2, 4}).view({2, 2});
  CHECK(x.max().item<float>() == 4 && near(std::get<0>(x.max(1)), tensor({3, 4})));
  CHECK(near(x.max(2 - x), tensor({3, 1, 2, 4}).view({2, 2})) && near(max(x, x.t()), max(x.t(), x)));
  CHECK(x.view(-1).split(3).size() == 2 && x.view(-1).split({1, 1, 2}).size() == 3);
  const Tensor at = tensor(std::vector<int64_t>{1});
  CHECK(near(x.narrow(0, at.squeeze(), 1), tensor({2, 4}).view({1, 2})) && x.view(-1).tensor_split(at)[1].numel() == 3);
  const Tensor sum = x.view(-1).scatter(0, at, Scalar(5), "add");
  CHECK(near(sum, tensor({3, 6, 2, 4})));
  sum.scatter_(0, at, Scalar(2), "multiply");
  CHECK(near(sum, tensor({3, 12, 2, 4})));
  CHECK(std::abs(x.norm("fro").item<float>() - x.norm(2).item<float>()) < 1e-6);
}

/// The function behind test/native/fixtures/rounds.fbg (make.ts).
std::pair<Tensor, int64_t> rounds(Tensor x, int64_t n) {
  int64_t k = 0;
  for (; k < n; ++k) {
    x = x.sum().item<float>() > 8 ? x * 0.5 : x + 1;
    if (x.max().item<float>() > 7) break;
  }
  return {x, k};
}
TEST(saved_graphs_with_branches_and_loops) {
  const std::string folder = std::string(FLAMBEAU_TEST_ROOT) + "/test/native/fixtures/";
  const jit::Module model = jit::load(folder + "rounds.fbg");
  bool left = false;
  for (const int64_t rows : {2, 1, 4})  // the size of the example, one, another
    for (const double scale : {0.1, 3.0, -40.0, 20.0})
      for (const int64_t n : {0, 1, 5, 30}) {
        const Tensor x = randn({rows, 3}) * scale;
        const auto [want, k] = rounds(x, n);
        const TensorList got = model.forward({x, tensor(std::vector<int64_t>{n}).squeeze()});
        CHECK(got.size() == 2 && near(got[0], want, 1e-4) && got[1].item<int64_t>() == k);
        left = left || k < n;
      }
  CHECK(left);
  CHECK_THROWS(model.forward({ones({2, 3}), tensor({2}).squeeze()}), "input 1 was traced as int64, got float32");
  const jit::Module ways = jit::load(folder + "ways.fbg");
  CHECK(near(ways({ones({2, 3})}), 2 * ones({2, 3})) && near(ways({-ones({2, 3})}), 1.5 * ones({2, 3})));
  CHECK(near(ways({zeros({2, 3})}), 0.5 * ones({2, 3})));
}
TEST(damaged_branches_and_loops) {
  const std::string folder = std::string(FLAMBEAU_TEST_ROOT) + "/test/native/fixtures/";
  const std::string file = (std::filesystem::temp_directory_path() / "flambeau-frontend-flow.fbg").string();
  const auto broken = [&](const char* name, const std::string& what, const std::string& by) {
    std::ifstream in(folder + name, std::ios::binary);
    std::string text((std::istreambuf_iterator<char>(in)), {});
    const size_t at = text.find(what);
    CHECK(at != std::string::npos && what.size() == by.size());
    text.replace(at, what.size(), by);
    std::ofstream(file, std::ios::binary) << text;
    return file;
  };
  CHECK_THROWS(jit::load(broken("rounds.fbg", "carried=", "carryed=")), "does not say what it carries");
  CHECK_THROWS(jit::load(broken("rounds.fbg", "carried=2", "carried=1")), "another number of results");
  CHECK_THROWS(jit::load(broken("rounds.fbg", "carried=2", "carried=9")), "carries more than it has");
  CHECK_THROWS(jit::load(broken("ways.fbg", "= if(", "= of(")), "'of' has no bodies");
  std::filesystem::remove(file);
}

TEST(gradients) {
  const Tensor x = tensor({1, 2, 3}).set_requires_grad(true);
  (x * x).sum().backward();
  CHECK(near(x.grad(), tensor({2, 4, 6})));
  // A second derivative.
  const Tensor g = autograd::grad({x.pow(3).sum()}, {x}, {}, true, true)[0];
  CHECK(near(autograd::grad({g.sum()}, {x})[0], tensor({6, 12, 18}), 1e-5));
  const NoGradGuard guard;
  CHECK(!(x * 2).requires_grad());
}

struct NetImpl : nn::Module {
  nn::Linear hidden = register_module("hidden", nn::Linear(1, 20));
  nn::BatchNorm1d norm = register_module("norm", nn::BatchNorm1d(20));
  nn::Linear out = register_module("out", nn::Linear(20, 1));
  Tensor forward(const Tensor& x) const { return out(F::relu(norm(hidden(x)))); }
};
FLAMBEAU_MODULE(Net);

TEST(modules) {
  manual_seed(1);
  Net net;
  CHECK(net->parameters().size() == 6 && net->named_parameters()[0].first == "hidden.weight");
  CHECK(net->state_dict().size() == 9 && net->state_dict().contains("norm.running_mean"));
  const Tensor x = linspace(-1, 1, 200).unsqueeze(1), y = x.pow(2);
  std::vector<std::unique_ptr<optim::Optimizer>> all;
  for (int k = 0; k < 4; ++k) {
    manual_seed(1);
    Net each;
    std::unique_ptr<optim::Optimizer> o;
    if (k == 0)
      o = std::make_unique<optim::SGD>(each->parameters(), optim::SGDOptions(0.05).momentum(0.9).nesterov(true));
    if (k == 1) o = std::make_unique<optim::Adam>(each->parameters(), optim::AdamOptions(0.01));
    if (k == 2) o = std::make_unique<optim::AdamW>(each->parameters());
    if (k == 3) o = std::make_unique<optim::RMSprop>(each->parameters());
    double first = 0, last = 0;
    for (int step = 0; step < 60; ++step) {
      const Tensor loss = F::mse_loss(each(x), y);
      o->zero_grad();
      loss.backward();
      o->step();
      (step == 0 ? first : last) = loss.item<double>();
    }
    CHECK(last < first);
  }
  net->eval();
  CHECK(!net->norm->is_training() && near(net(x), net(x)));
  nn::Sequential list(nn::Linear(4, 8), nn::GELU(), nn::Dropout(0.5), nn::Linear(8, 2));
  list->eval();
  CHECK(list->size() == 4 && list(ones({3, 4})).size(1) == 2 && list->state_dict().contains("3.bias"));
  CHECK(nn::Conv2d(nn::Conv2dOptions(3, 6, 3).stride(2).padding(1).groups(3))(ones({1, 3, 8, 8})).size(2) == 4);
  CHECK(nn::ConvTranspose2d(nn::Conv2dOptions(3, 2, 2).stride(2))(ones({1, 3, 4, 4})).size(3) == 8);
  CHECK(nn::MaxPool2d(2)(ones({1, 1, 6, 6})).size(3) == 3 &&
        nn::AvgPool2d(nn::Extents<2>{2, 3})(ones({1, 1, 6, 6})).size(3) == 2);
  CHECK(near(nn::LayerNorm(IntList{4})(ones({2, 4})), zeros({2, 4}), 1e-4) &&
        nn::Embedding(5, 3)(tensor(std::vector<int64_t>{0, 4})).size(1) == 3);
  CHECK_THROWS(net->register_parameter("hidden", x), "already taken");
  CHECK_THROWS(net->register_buffer("a.b", x), "must not contain a dot");
  CHECK_THROWS(nn::Linear(nullptr)(x), "empty ModuleHolder");
  CHECK_THROWS(net->norm(ones({2, 20, 3, 3})), "got 4D input");
  CHECK_THROWS(optim::SGD(TensorList{}, 0.1), "empty parameter list");
}

TEST(files) {
  const auto path = (std::filesystem::temp_directory_path() / "flambeau_frontend_test.safetensors").string();
  manual_seed(2);
  Net a, b;
  save(a, path);
  CHECK(!near(a->hidden->weight, b->hidden->weight));
  load(b, path);
  CHECK(near(a->hidden->weight, b->hidden->weight, 0));
  CHECK_THROWS(nn::Linear(1, 2)->load_state_dict(load(path)), "Missing key: 'weight'");
  for (const char* text : {"", "12345678", "\x02\0\0\0\0\0\0\0{}x", "\xff\xff\xff\xff\xff\xff\xff\xff"}) {
    std::ofstream(path, std::ios::binary) << text;
    CHECK_THROWS(load(path), "");
  }
  std::filesystem::remove(path);
  CHECK_THROWS(load(path), "cannot read");
  CHECK_THROWS(save(a, "/nonexistent/x"), "cannot write");
}

TEST(loaders) {
  manual_seed(4);
  auto set = std::make_shared<data::TensorDataset>(arange(10).to(DType::Float32).unsqueeze(1), arange(10));
  const data::DataLoader loader(set, {.batch_size = 4, .shuffle = true});
  int64_t sum = 0, batches = 0;
  for (const auto& [x, y] : loader) {
    sum += y.sum().item<int64_t>(), ++batches;
    CHECK(near(x.view(-1), y.to(DType::Float32)));
  }
  CHECK(sum == 45 && batches == 3 && loader.size() == 3);
  CHECK(data::DataLoader(set, {.batch_size = 4, .drop_last = true}).size() == 2);
  CHECK_THROWS(data::DataLoader(set, {.batch_size = 0}), "batch_size");
  // Threads give the same batches.
  manual_seed(5);
  std::vector<int64_t> here, there;
  for (const auto& batch : data::DataLoader(set, {.batch_size = 3, .shuffle = true}))
    here.push_back((batch.target * tensor(std::vector<int64_t>{7})).sum().item<int64_t>());
  manual_seed(5);
  for (const auto& batch : data::DataLoader(set, {.batch_size = 3, .shuffle = true, .workers = 2}))
    there.push_back((batch.target * tensor(std::vector<int64_t>{7})).sum().item<int64_t>());
  CHECK(here == there && here.size() == 4);
  const auto parts = data::random_split(set, {7, 3});
  const auto both =
      std::make_shared<data::ConcatDataset>(std::vector<std::shared_ptr<const data::Dataset>>{parts[0], parts[1]});
  int64_t total = 0;
  for (const auto& batch : data::DataLoader(both, {.batch_size = 4})) total += batch.target.sum().item<int64_t>();
  CHECK(parts[1]->size() == 3 && total == 45);
  CHECK_THROWS(data::random_split(set, {7, 4}), "Sum of input lengths");
  CHECK_THROWS(data::Subset(set, {10}), "out of range");
  const auto order = std::make_shared<data::samplers::SequentialSampler>(10);
  CHECK_THROWS(data::DataLoader(set, {.shuffle = true, .sampler = order}), "mutually exclusive");
}

TEST(sequences) {
  manual_seed(3);
  const nn::LSTM lstm(nn::LSTMOptions(4, 3).num_layers(2).bidirectional(true).dropout(0.1));
  const Tensor x = randn({5, 2, 4});
  const auto [y, state] = lstm(x);
  CHECK(y.size(2) == 6 && std::get<0>(state).size(0) == 4);
  y.sum().backward();
  CHECK(lstm->all_weights()[3][1].grad().defined());
  // Packed sequences give what each gives alone.
  lstm->eval();
  const auto packed = nn::utils::rnn::pack_padded_sequence(x, {3, 5}, false, false);
  const auto [out, end] = lstm->forward_with_packed_input(packed);
  const auto [padded, lengths] = nn::utils::rnn::pad_packed_sequence(out);
  CHECK(near(padded.select(1, 0).narrow(0, 0, 3), std::get<0>(lstm(x.select(1, 0).narrow(0, 0, 3))), 1e-5));
  CHECK(near(padded.select(1, 1), std::get<0>(lstm(x.select(1, 1))), 1e-5) && lengths.sum().item<int64_t>() == 8);
  CHECK_THROWS(lstm(randn({5, 2, 3})), "input.size(-1) must be equal to input_size");
  CHECK_THROWS(lstm(x, nn::LSTMImpl::State(randn({1, 2, 3}), randn({4, 2, 3}))), "Expected hidden[0] size [4, 2, 3]");
  CHECK_THROWS(nn::LSTM(nn::LSTMOptions(4, 3).proj_size(3)), "proj_size has to be smaller");
  CHECK_THROWS(nn::RNN(nn::RNNOptions(4, 3).nonlinearity("sin")), "Unknown nonlinearity 'sin'");
  CHECK_THROWS(nn::GRUCell(4, 3)(randn({2, 4}), randn({3, 3})), "doesn't match hidden0 batch size 3");
  CHECK_THROWS(nn::utils::rnn::pack_padded_sequence(x, {3, 5}), "sorted in decreasing order");
  CHECK_THROWS(nn::utils::rnn::pack_padded_sequence(x, {6, 5}), "at most 5 steps");
  const nn::MultiheadAttention attention(8, 2);
  CHECK_THROWS(attention(randn({5, 2, 7}), x, x), "");
  CHECK_THROWS(attention(randn({5, 2, 8}), randn({5, 2, 8}), randn({4, 2, 8})), "does not match value shape");
  CHECK_THROWS(nn::MultiheadAttention(7, 2), "divisible by num_heads");
  CHECK_THROWS(nn::TransformerEncoderLayer(nn::TransformerEncoderLayerOptions(8, 2).activation("sin")), "relu/gelu");
  const nn::TransformerEncoder encoder(nn::TransformerEncoderLayer(8, 2), 2);
  CHECK(encoder->state_dict().contains("layers.1.self_attn.in_proj_weight"));
  // Copies share nothing.
  CHECK(!encoder->layers[0]->linear1->weight.is(encoder->layers[1]->linear1->weight) &&
        near(encoder->layers[0]->linear1->weight, encoder->layers[1]->linear1->weight, 0));
}

TEST(optimizers) {
  const nn::Linear net(4, 2);
  std::vector<optim::OptimizerParamGroup> groups;
  groups.emplace_back(TensorList{net->weight});
  groups.emplace_back(TensorList{net->bias}, std::make_unique<optim::AdamOptions>(0.5));
  optim::Adam adam(std::move(groups), optim::AdamOptions(0.1).amsgrad(true));
  CHECK(adam.param_groups()[0].options().get_lr() == 0.1 && adam.param_groups()[1].options().get_lr() == 0.5);
  net(ones({3, 4})).sum().backward();
  adam.step();
  const auto path = (std::filesystem::temp_directory_path() / "flambeau_optimizer_test.safetensors").string();
  save(adam, path);
  optim::Adam other(net->parameters());
  CHECK_THROWS(load(other, path), "different number of parameter groups");
  groups.clear();
  groups.emplace_back(TensorList{net->weight});
  groups.emplace_back(TensorList{net->bias});
  optim::Adam again(std::move(groups));
  load(again, path);
  CHECK(again.param_groups()[1].options().get_lr() == 0.5 && again.state_dict().state.size() == 2);
  // A state for parameters of another size.
  const nn::Linear wide(9, 2);
  groups.clear();
  groups.emplace_back(TensorList{wide->weight});
  groups.emplace_back(TensorList{wide->bias});
  optim::Adam unfit(std::move(groups));
  CHECK_THROWS(load(unfit, path), "has shape [2, 4], the parameter [2, 9]");
  CHECK(unfit.state_dict().state.empty() && unfit.param_groups()[0].options().get_lr() == 1e-3);
  save(net, path);
  CHECK_THROWS(load(again, path), "holds no state of an optimizer");
  std::filesystem::remove(path);
  CHECK_THROWS(optim::SGD(net->parameters(), optim::SGDOptions(0.1).nesterov(true)), "Nesterov momentum requires");
  CHECK_THROWS(optim::Adam(net->parameters(), optim::AdamOptions(-1)), "Invalid learning rate: -1");
  CHECK_THROWS(adam.add_param_group(TensorList{net->weight}), "more than one parameter group");
  CHECK_THROWS(adam.add_param_group(TensorList{net->weight * 2}), "non-leaf");
  CHECK_THROWS(optim::LBFGS(net->parameters()).step(), "needs a closure");
  CHECK_THROWS(optim::StepLR(adam, 0), "positive integer");
  CHECK_THROWS(optim::CyclicLR(*std::make_unique<optim::Adagrad>(net->parameters()), optim::CyclicLROptions(0.1, 1)),
               "must support momentum");
}

}  // namespace

TEST_MAIN()
