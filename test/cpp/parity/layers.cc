// Layers, activations, losses.
#include "parity.h"

namespace parity {

namespace nn = fb::nn;
using fb::randn;
using fb::Tensor;

namespace {

Tensor image() { return randn({2, 4, 6, 6}); }
Tensor integers(int64_t high, fb::IntList size) { return fb::randint(0, high, size); }
Tensor signs() { return fb::randint(0, 2, {5}).to(fb::DType::Float32) * 2 - 1; }

}  // namespace

void addLayers(Cases& c) {
  // ---- linear, convolutions, norms ----
  c["Linear"] = [] { return one{nn::Linear(4, 3), randn({5, 4})}; };
  c["Bilinear"] = [] { return two{nn::Bilinear(4, 3, 2), randn({5, 4}), randn({5, 3})}; };
  c["Identity"] = [] { return one{nn::Identity(), randn({3})}; };
  c["Conv1d"] = [] { return one{nn::Conv1d(4, 6, 3), randn({2, 4, 9})}; };
  c["Conv2d"] = [] {
    return one{nn::Conv2d(nn::Conv2dOptions(4, 6, {3, 2}).stride(2).padding({1, 0}).groups(2)), image()};
  };
  c["Conv2d same"] = [] {
    return one{nn::Conv2d(nn::Conv2dOptions(4, 2, 4).padding("same").dilation(2).bias(false)), image()};
  };
  c["Conv2d reflect"] = [] {
    return one{nn::Conv2d(nn::Conv2dOptions(4, 2, 3).padding(1).padding_mode("reflect")), image()};
  };
  c["Conv3d"] = [] { return one{nn::Conv3d(2, 3, 2), randn({1, 2, 4, 4, 4})}; };
  c["ConvTranspose1d"] = [] { return one{nn::ConvTranspose1d(4, 3, 2), randn({2, 4, 5})}; };
  c["ConvTranspose2d"] = [] {
    const nn::ConvTranspose2d m(nn::ConvTranspose2dOptions(4, 3, 3).stride(2).padding(1));
    return evaluate(m, {image()}, [&](const fb::TensorList& in) { return flat(m->forward(in[0], {12, 12})); });
  };
  c["ConvTranspose3d"] = [] { return one{nn::ConvTranspose3d(2, 3, 2), randn({1, 2, 3, 3, 3})}; };
  c["BatchNorm1d"] = [] { return one{nn::BatchNorm1d(4), randn({5, 4})}; };
  c["BatchNorm2d"] = [] {
    return one{nn::BatchNorm2d(nn::BatchNormOptions(4).momentum(std::nullopt).affine(false)), image()};
  };
  c["BatchNorm3d"] = [] { return one{nn::BatchNorm3d(2), randn({2, 2, 3, 3, 3})}; };
  c["InstanceNorm1d"] = [] { return one{nn::InstanceNorm1d(4), randn({2, 4, 5})}; };
  c["InstanceNorm2d"] = [] {
    return one{
        nn::InstanceNorm2d(nn::InstanceNormOptions(nn::InstanceNormOptions(4).affine(true).track_running_stats(true))),
        image()};
  };
  c["InstanceNorm3d"] = [] { return one{nn::InstanceNorm3d(2), randn({2, 3, 3, 3})}; };
  c["LayerNorm"] = [] { return one{nn::LayerNorm(nn::LayerNormOptions({6, 6}).bias(false)), image()}; };
  c["RMSNorm"] = [] { return one{nn::RMSNorm(nn::RMSNormOptions(6)), image()}; };
  c["GroupNorm"] = [] { return one{nn::GroupNorm(2, 4), image()}; };
  c["LocalResponseNorm"] = [] { return one{nn::LocalResponseNorm(3), image()}; };
  c["CrossMapLRN2d"] = [] { return one{nn::CrossMapLRN2d(nn::CrossMapLRN2dOptions(3).alpha(0.1)), image()}; };

  // ---- activations ----
  c["ReLU"] = [] { return one{nn::ReLU(), image()}; };
  c["ReLU6"] = [] { return one{nn::ReLU6(), image()}; };
  c["SiLU"] = [] { return one{nn::SiLU(), image()}; };
  c["Mish"] = [] { return one{nn::Mish(), image()}; };
  c["SELU"] = [] { return one{nn::SELU(), image()}; };
  c["Hardswish"] = [] { return one{nn::Hardswish(), image()}; };
  c["Hardsigmoid"] = [] { return one{nn::Hardsigmoid(), image()}; };
  c["Sigmoid"] = [] { return one{nn::Sigmoid(), image()}; };
  c["Tanh"] = [] { return one{nn::Tanh(), image()}; };
  c["LogSigmoid"] = [] { return one{nn::LogSigmoid(), image()}; };
  c["Softsign"] = [] { return one{nn::Softsign(), image()}; };
  c["Tanhshrink"] = [] { return one{nn::Tanhshrink(), image()}; };
  c["GELU"] = [] { return one{nn::GELU(nn::GELUOptions().approximate("tanh")), image()}; };
  c["ELU"] = [] { return one{nn::ELU(0.7), image()}; };
  c["CELU"] = [] { return one{nn::CELU(0.7), image()}; };
  c["LeakyReLU"] = [] { return one{nn::LeakyReLU(0.2), image()}; };
  c["RReLU"] = [] { return one{nn::RReLU(), image()}; };
  c["Hardtanh"] = [] { return one{nn::Hardtanh(nn::HardtanhOptions().min_val(-0.5).max_val(2)), image()}; };
  c["Softplus"] = [] { return one{nn::Softplus(nn::SoftplusOptions().beta(2)), image()}; };
  c["Hardshrink"] = [] { return one{nn::Hardshrink(), image()}; };
  c["Softshrink"] = [] { return one{nn::Softshrink(0.3), image()}; };
  c["Threshold"] = [] { return one{nn::Threshold(0.1, 20), image()}; };
  c["GLU"] = [] { return one{nn::GLU(1), image()}; };
  c["PReLU"] = [] { return one{nn::PReLU(nn::PReLUOptions().num_parameters(4)), image()}; };
  c["Softmax"] = [] { return one{nn::Softmax(1), image()}; };
  c["LogSoftmax"] = [] { return one{nn::LogSoftmax(1), image()}; };
  c["Softmin"] = [] { return one{nn::Softmin(1), image()}; };
  c["Softmax2d"] = [] { return one{nn::Softmax2d(), image()}; };
  c["Dropout"] = [] { return one{nn::Dropout(0.3), image()}; };
  c["Dropout1d"] = [] { return one{nn::Dropout1d(), randn({2, 4, 5})}; };
  c["Dropout2d"] = [] { return one{nn::Dropout2d(), image()}; };
  c["Dropout3d"] = [] { return one{nn::Dropout3d(), randn({2, 3, 2, 2, 2})}; };
  c["AlphaDropout"] = [] { return one{nn::AlphaDropout(0.2), image()}; };
  c["FeatureAlphaDropout"] = [] { return one{nn::FeatureAlphaDropout(0.2), image()}; };

  // ---- pooling, padding, shapes ----
  c["MaxPool1d"] = [] { return one{nn::MaxPool1d(2), randn({2, 4, 7})}; };
  c["MaxPool2d"] = [] {
    return one{nn::MaxPool2d(nn::MaxPool2dOptions(3).stride(2).padding(1).ceil_mode(true)), image()};
  };
  c["MaxPool3d"] = [] { return one{nn::MaxPool3d(2), randn({1, 2, 4, 4, 4})}; };
  c["MaxUnpool1d"] = [] {
    const auto [y, at] = nn::MaxPool1d(2)->forward_with_indices(randn({2, 3, 6}));
    return two{nn::MaxUnpool1d(2), y, at};
  };
  c["MaxUnpool2d"] = [] {
    const auto [y, at] = nn::MaxPool2d(2)->forward_with_indices(image());
    const nn::MaxUnpool2d m(2);
    return evaluate(m, {y.detach(), at}, [&](const fb::TensorList& in) {
      return flat(m(in[0], in[1], fb::OptionalIntList({7, 7})));
    });
  };
  c["MaxUnpool3d"] = [] {
    const auto [y, at] = nn::MaxPool3d(2)->forward_with_indices(randn({1, 2, 4, 4, 4}));
    return two{nn::MaxUnpool3d(2), y, at};
  };
  c["AvgPool1d"] = [] { return one{nn::AvgPool1d(3), randn({2, 4, 7})}; };
  c["AvgPool2d"] = [] {
    return one{nn::AvgPool2d(nn::AvgPool2dOptions({2, 3}).padding(1).count_include_pad(false)), image()};
  };
  c["AvgPool3d"] = [] { return one{nn::AvgPool3d(2), randn({1, 2, 4, 4, 4})}; };
  c["AdaptiveAvgPool1d"] = [] { return one{nn::AdaptiveAvgPool1d(3), randn({2, 4, 7})}; };
  c["AdaptiveAvgPool2d"] = [] { return one{nn::AdaptiveAvgPool2d(nn::AdaptiveSize<2>{std::nullopt, 4}), image()}; };
  c["AdaptiveAvgPool3d"] = [] { return one{nn::AdaptiveAvgPool3d(2), randn({1, 2, 3, 4, 5})}; };
  c["AdaptiveMaxPool1d"] = [] { return one{nn::AdaptiveMaxPool1d(3), randn({2, 4, 7})}; };
  c["AdaptiveMaxPool2d"] = [] { return one{nn::AdaptiveMaxPool2d(3), image()}; };
  c["AdaptiveMaxPool3d"] = [] { return one{nn::AdaptiveMaxPool3d(2), randn({1, 2, 3, 4, 5})}; };
  c["LPPool1d"] = [] { return one{nn::LPPool1d(2, 3), randn({2, 4, 7}).abs()}; };
  c["LPPool2d"] = [] { return one{nn::LPPool2d(nn::LPPool2dOptions(3, 2).stride(1)), image().abs()}; };
  c["FractionalMaxPool2d"] = [] {
    return one{nn::FractionalMaxPool2d(nn::FractionalMaxPool2dOptions(2).output_size(nn::Extents<2>{3, 4})), image()};
  };
  c["FractionalMaxPool3d"] = [] {
    return one{nn::FractionalMaxPool3d(nn::FractionalMaxPool3dOptions(2).output_ratio(nn::Ratios<3>(0.5))),
               randn({1, 2, 6, 6, 6})};
  };
  c["ConstantPad1d"] = [] { return one{nn::ConstantPad1d(nn::ConstantPad1dOptions({1, 2}, 3.5)), randn({2, 3})}; };
  c["ConstantPad2d"] = [] { return one{nn::ConstantPad2d(1, 0.5), image()}; };
  c["ConstantPad3d"] = [] { return one{nn::ConstantPad3d(1, 0.5), image()}; };
  c["ZeroPad1d"] = [] { return one{nn::ZeroPad1d(nn::ZeroPad1dOptions({0, 2})), image()}; };
  c["ZeroPad2d"] = [] { return one{nn::ZeroPad2d(nn::ZeroPad2dOptions({-1, 2, 1, 0})), image()}; };
  c["ZeroPad3d"] = [] { return one{nn::ZeroPad3d(1), image()}; };
  c["ReflectionPad1d"] = [] { return one{nn::ReflectionPad1d(2), randn({2, 3, 6})}; };
  c["ReflectionPad2d"] = [] { return one{nn::ReflectionPad2d(nn::ReflectionPad2dOptions({1, 2, 0, 3})), image()}; };
  c["ReflectionPad3d"] = [] { return one{nn::ReflectionPad3d(1), randn({1, 2, 3, 3, 3})}; };
  c["ReplicationPad1d"] = [] { return one{nn::ReplicationPad1d(2), randn({2, 3, 6})}; };
  c["ReplicationPad2d"] = [] { return one{nn::ReplicationPad2d(2), image()}; };
  c["ReplicationPad3d"] = [] { return one{nn::ReplicationPad3d(1), randn({1, 2, 3, 3, 3})}; };
  c["CircularPad1d"] = [] { return one{nn::CircularPad1d(2), randn({2, 3, 6})}; };
  c["CircularPad2d"] = [] { return one{nn::CircularPad2d(nn::CircularPad2dOptions({1, 2, 0, 3})), image()}; };
  c["CircularPad3d"] = [] { return one{nn::CircularPad3d(1), randn({1, 2, 3, 3, 3})}; };
  c["Flatten"] = [] { return one{nn::Flatten(2), image()}; };
  c["Unflatten"] = [] { return one{nn::Unflatten(nn::UnflattenOptions(1, {2, -1})), image()}; };
  c["Unfold"] = [] { return one{nn::Unfold(nn::UnfoldOptions({2, 3}).padding(1).stride(2)), image()}; };
  c["Fold"] = [] { return one{nn::Fold(nn::FoldOptions({4, 5}, 2)), randn({1, 8, 12})}; };
  c["PixelShuffle"] = [] { return one{nn::PixelShuffle(2), image()}; };
  c["PixelUnshuffle"] = [] { return one{nn::PixelUnshuffle(2), image()}; };
  c["ChannelShuffle"] = [] { return one{nn::ChannelShuffle(2), image()}; };
  c["Upsample"] = [] {
    return one{nn::Upsample(nn::UpsampleOptions().scale_factor({1.7}).mode("bicubic").align_corners(false)), image()};
  };
  c["UpsamplingNearest2d"] = [] { return one{nn::UpsamplingNearest2d(nn::UpsampleOptions().size({9})), image()}; };
  c["UpsamplingBilinear2d"] = [] {
    return one{nn::UpsamplingBilinear2d(nn::UpsampleOptions().scale_factor({2})), image()};
  };
  c["Embedding"] = [] {
    const nn::Embedding m(nn::EmbeddingOptions(7, 3).padding_idx(-1).max_norm(1).scale_grad_by_freq(true));
    return one{m, integers(7, {4, 2})};
  };
  c["EmbeddingBag"] = [] {
    const nn::EmbeddingBag m(nn::EmbeddingBagOptions(7, 3).mode("sum"));
    const Tensor at = fb::tensor(std::vector<int64_t>{0, 2, 5}), factors = randn({8});
    return evaluate(m, {integers(7, {8}), at, factors},
                    [&](const fb::TensorList& in) { return flat(m(in[0], in[1], in[2])); });
  };

  // ---- losses and distances ----
  c["MSELoss"] = [] { return two{nn::MSELoss(), randn({5, 3}), randn({5, 3})}; };
  c["L1Loss"] = [] { return two{nn::L1Loss("sum"), randn({5, 3}), randn({5, 3})}; };
  c["SmoothL1Loss"] = [] {
    return two{nn::SmoothL1Loss(nn::SmoothL1LossOptions().beta(0.5)), randn({5, 3}), randn({5, 3})};
  };
  c["HuberLoss"] = [] { return two{nn::HuberLoss(nn::HuberLossOptions().delta(0.5)), randn({5, 3}), randn({5, 3})}; };
  c["SoftMarginLoss"] = [] { return two{nn::SoftMarginLoss("none"), randn({5}), signs()}; };
  c["MultiLabelMarginLoss"] = [] {
    return two{nn::MultiLabelMarginLoss(), randn({1, 4}), fb::tensor(std::vector<int64_t>{3, 0, -1, 1}).view({1, 4})};
  };
  c["HingeEmbeddingLoss"] = [] { return two{nn::HingeEmbeddingLoss(), randn({5}), signs()}; };
  c["PoissonNLLLoss"] = [] {
    return two{nn::PoissonNLLLoss(nn::PoissonNLLLossOptions().full(true)), randn({5}),
               fb::randint(0, 5, {5}).to(fb::DType::Float32)};
  };
  c["KLDivLoss"] = [] {
    return two{nn::KLDivLoss(nn::KLDivLossOptions().reduction("batchmean")), randn({5, 3}).log_softmax(1),
               randn({5, 3}).softmax(1)};
  };
  c["CrossEntropyLoss"] = [] {
    const Tensor weight = fb::rand({4});
    return two{nn::CrossEntropyLoss(nn::CrossEntropyLossOptions().weight(weight).label_smoothing(0.1)), randn({5, 4}),
               integers(4, {5})};
  };
  c["NLLLoss"] = [] {
    return two{nn::NLLLoss(nn::NLLLossOptions().ignore_index(1)), randn({5, 4}).log_softmax(1), integers(4, {5})};
  };
  c["BCELoss"] = [] { return two{nn::BCELoss(), fb::rand({5}), fb::rand({5})}; };
  c["BCEWithLogitsLoss"] = [] {
    const Tensor weight = fb::rand({3});
    return two{nn::BCEWithLogitsLoss(nn::BCEWithLogitsLossOptions().pos_weight(weight)), randn({5, 3}),
               fb::rand({5, 3})};
  };
  c["MultiLabelSoftMarginLoss"] = [] {
    return two{nn::MultiLabelSoftMarginLoss(), randn({5, 3}), fb::randint(0, 2, {5, 3}).to(fb::DType::Float32)};
  };
  c["MultiMarginLoss"] = [] {
    return two{nn::MultiMarginLoss(nn::MultiMarginLossOptions().p(2)), randn({5, 3}), integers(3, {5})};
  };
  c["GaussianNLLLoss"] = [] {
    const nn::GaussianNLLLoss m;
    return evaluate(m, {randn({5}), randn({5}), fb::rand({5})},
                    [&](const fb::TensorList& in) { return flat(m(in[0], in[1], in[2])); });
  };
  c["CosineEmbeddingLoss"] = [] {
    const nn::CosineEmbeddingLoss m(nn::CosineEmbeddingLossOptions().margin(0.1));
    return evaluate(m, {randn({5, 3}), randn({5, 3}), signs()},
                    [&](const fb::TensorList& in) { return flat(m(in[0], in[1], in[2])); });
  };
  c["MarginRankingLoss"] = [] {
    const nn::MarginRankingLoss m;
    return evaluate(m, {randn({5}), randn({5}), signs()},
                    [&](const fb::TensorList& in) { return flat(m(in[0], in[1], in[2])); });
  };
  c["TripletMarginLoss"] = [] {
    const nn::TripletMarginLoss m(nn::TripletMarginLossOptions().swap(true));
    return evaluate(m, {randn({5, 3}), randn({5, 3}), randn({5, 3})},
                    [&](const fb::TensorList& in) { return flat(m(in[0], in[1], in[2])); });
  };
  c["TripletMarginWithDistanceLoss"] = [] {
    const nn::TripletMarginWithDistanceLoss m(nn::TripletMarginWithDistanceLossOptions().distance_function(
        [](const Tensor& a, const Tensor& b) { return (a - b).abs().sum(1); }));
    return evaluate(m, {randn({5, 3}), randn({5, 3}), randn({5, 3})},
                    [&](const fb::TensorList& in) { return flat(m(in[0], in[1], in[2])); });
  };
  c["CTCLoss"] = [] {
    const nn::CTCLoss m;
    return evaluate(m, {randn({6, 2, 4}).log_softmax(2), fb::randint(1, 4, {2, 3})}, [&](const fb::TensorList& in) {
      return flat(m->forward(in[0], in[1], {6, 5}, {3, 2}));
    });
  };
  c["CosineSimilarity"] = [] { return two{nn::CosineSimilarity(), randn({5, 3}), randn({5, 3})}; };
  c["PairwiseDistance"] = [] { return two{nn::PairwiseDistance(), randn({5, 3}), randn({5, 3})}; };
  c["AdaptiveLogSoftmaxWithLoss"] = [] {
    const nn::AdaptiveLogSoftmaxWithLoss m(8, 12, std::vector<int64_t>{3, 7});
    return evaluate(m, {randn({6, 8}), integers(12, {6})}, [&](const fb::TensorList& in) -> fb::TensorList {
      const auto result = m(in[0], in[1]);
      return {result.output, result.loss, m->log_prob(in[0])};
    });
  };

  // ---- containers ----
  c["Sequential"] = [] {
    return one{nn::Sequential{nn::Linear(4, 8), nn::Tanh(), nn::Dropout(0.2), nn::Linear(8, 2)}, randn({3, 4})};
  };
  c["ModuleList"] = [] {
    const nn::ModuleList m{nn::Linear(4, 4), nn::Linear(4, 4)};
    return evaluate(m, {randn({3, 4})}, [&](const fb::TensorList& in) {
      Tensor x = in[0];
      for (size_t i = 0; i < m->size(); ++i) x = m->as<nn::LinearImpl>(i).forward(x);
      return flat(x);
    });
  };
  c["ModuleDict"] = [] {
    nn::ModuleDict m;
    m->insert("up", nn::Linear(3, 4));
    m->insert("down", nn::Linear(4, 2));
    return evaluate(m, {randn({3, 3})}, [&](const fb::TensorList& in) {
      return flat(m->as<nn::LinearImpl>("down").forward(m->as<nn::LinearImpl>("up").forward(in[0])));
    });
  };
  c["ParameterList"] = [] {
    const nn::ParameterList m(fb::TensorList{randn({3}).set_requires_grad(true), randn({2}).set_requires_grad(true)});
    return evaluate(m, {randn({3})}, [&](const fb::TensorList& in) { return flat((*m)[0] * in[0] + (*m)[1].sum()); });
  };
  c["ParameterDict"] = [] {
    nn::ParameterDict m;
    m->insert("scale", randn({3}).set_requires_grad(true));
    return evaluate(m, {randn({3})}, [&](const fb::TensorList& in) { return flat((*m)["scale"] * in[0]); });
  };
}

}  // namespace parity
