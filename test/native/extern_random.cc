// arange, linspace and the random streams against PyTorch 1.13.1 (CPU, AVX2): hashes of the bytes where they must be
// equal bit for bit, values where a logarithm or a sine is involved. The random calls run in this order after one
// manualSeed(11).
#include "driver_test.h"
#include "extern_kernels.h"

using namespace flambeau;
using namespace flambeau::testing;

namespace {

uint64_t hash(const Tensor& t) {
  uint64_t h = 1469598103934665603ull;
  for (size_t i = 0; i < t.nbytes(); ++i) h = (h ^ t.ptr<uint8_t>()[i]) * 1099511628211ull;
  return h;
}
uint64_t linspaceHash(double a, double b, int64_t n, DType t) {
  return hash(cpu::linspace(Scalar(a), Scalar(b), n, t));
}
template <class T>
uint64_t arangeHash(T a, double b, double c, DType t) {
  // Whole numbers are Python ints on the other side.
  if constexpr (std::is_integral_v<T>)
    if (b == std::floor(b) && c == std::floor(c))
      return hash(cpu::arange(Scalar(int64_t{a}), Scalar(static_cast<int64_t>(b)), Scalar(static_cast<int64_t>(c)), t));
  return hash(cpu::arange(Scalar(static_cast<double>(a)), Scalar(b), Scalar(c), t));
}

struct Bits {
  uint64_t got, want;
  const char* call;
};
struct Stream {
  const char* call;
  std::vector<double> want;
};

Tensor make(Dims sizes, DType t = DType::Float32) { return emptyTensor(sizes, t); }
Tensor filled(Dims sizes, std::vector<float> v) {
  Tensor t = make(sizes);
  std::copy(v.begin(), v.end(), t.ptr<float>());
  return t;
}

}  // namespace

TEST(ranges) {
  const Bits all[] = {
      {linspaceHash(-1, 1, 1000, DType::Float32), 7014068881842171222ull, "linspace(-1, 1, 1000, Float32)"},
      {linspaceHash(-1, 1, 1000, DType::Float64), 666708776480790743ull, "linspace(-1, 1, 1000, Float64)"},
      {linspaceHash(0, 1, 7, DType::Float32), 13147540959076016662ull, "linspace(0, 1, 7, Float32)"},
      {linspaceHash(0, 1, 7, DType::Float64), 8719191996367389220ull, "linspace(0, 1, 7, Float64)"},
      {linspaceHash(0, 10, 33, DType::Float32), 9897030354625349980ull, "linspace(0, 10, 33, Float32)"},
      {linspaceHash(0, 10, 33, DType::Float64), 14629941733472251997ull, "linspace(0, 10, 33, Float64)"},
      {linspaceHash(0.1, 3.7, 101, DType::Float32), 14624621158852202263ull, "linspace(0.1, 3.7, 101, Float32)"},
      {linspaceHash(0.1, 3.7, 101, DType::Float64), 16796122109234114737ull, "linspace(0.1, 3.7, 101, Float64)"},
      {linspaceHash(-5.3, 2.2, 64, DType::Float32), 2726759597157270606ull, "linspace(-5.3, 2.2, 64, Float32)"},
      {linspaceHash(-5.3, 2.2, 64, DType::Float64), 13063651033249747864ull, "linspace(-5.3, 2.2, 64, Float64)"},
      {linspaceHash(0, 1, 17, DType::Float32), 5475925431385096681ull, "linspace(0, 1, 17, Float32)"},
      {linspaceHash(0, 1, 17, DType::Float64), 5780905744477361851ull, "linspace(0, 1, 17, Float64)"},
      {linspaceHash(3, -8.25, 999, DType::Float32), 3631687831578325457ull, "linspace(3, -8.25, 999, Float32)"},
      {linspaceHash(3, -8.25, 999, DType::Float64), 16019305394305136293ull, "linspace(3, -8.25, 999, Float64)"},
      {linspaceHash(0.001, 1000.0, 4097, DType::Float32), 17147588739971686937ull,
       "linspace(0.001, 1000.0, 4097, Float32)"},
      {linspaceHash(0.001, 1000.0, 4097, DType::Float64), 10787914467912014200ull,
       "linspace(0.001, 1000.0, 4097, Float64)"},
      {linspaceHash(2, 5, 1, DType::Float32), 3554614029913857523ull, "linspace(2, 5, 1, Float32)"},
      {linspaceHash(2, 5, 1, DType::Float64), 5187669027283975843ull, "linspace(2, 5, 1, Float64)"},
      {linspaceHash(0, 0.7, 40, DType::Float32), 2620351700560868218ull, "linspace(0, 0.7, 40, Float32)"},
      {linspaceHash(0, 0.7, 40, DType::Float64), 10115154730836219050ull, "linspace(0, 0.7, 40, Float64)"},
      {linspaceHash(0, 10, 4, DType::Int64), 3961453332748178476ull, "linspace(0, 10, 4, Int64)"},
      {linspaceHash(0, 10, 4, DType::Int32), 4401229216295987804ull, "linspace(0, 10, 4, Int32)"},
      {linspaceHash(0, 10, 33, DType::Int64), 349302087408958633ull, "linspace(0, 10, 33, Int64)"},
      {linspaceHash(0, 10, 33, DType::Int32), 7000352794206711965ull, "linspace(0, 10, 33, Int32)"},
      {linspaceHash(-7, 90, 100, DType::Int64), 1335193105611787938ull, "linspace(-7, 90, 100, Int64)"},
      {linspaceHash(-7, 90, 100, DType::Int32), 7329731685048345517ull, "linspace(-7, 90, 100, Int32)"},
      {linspaceHash(0, 1, 5, DType::Int64), 1302626847470827842ull, "linspace(0, 1, 5, Int64)"},
      {linspaceHash(0, 1, 5, DType::Int32), 6452817302294661474ull, "linspace(0, 1, 5, Int32)"},
      {arangeHash(0, 10, 0.3, DType::Float32), 7575490182924606827ull, "arange(0, 10, 0.3, Float32)"},
      {arangeHash(0, 10, 0.3, DType::Float64), 16852693729384766261ull, "arange(0, 10, 0.3, Float64)"},
      {arangeHash(0.1, 5, 0.01, DType::Float32), 12478620575341569384ull, "arange(0.1, 5, 0.01, Float32)"},
      {arangeHash(0.1, 5, 0.01, DType::Float64), 11738669081271447804ull, "arange(0.1, 5, 0.01, Float64)"},
      {arangeHash(-1, 1, 0.007, DType::Float32), 9191942951826446864ull, "arange(-1, 1, 0.007, Float32)"},
      {arangeHash(-1, 1, 0.007, DType::Float64), 18200038518672253287ull, "arange(-1, 1, 0.007, Float64)"},
      {arangeHash(3, -3, -0.13, DType::Float32), 2093114808567076299ull, "arange(3, -3, -0.13, Float32)"},
      {arangeHash(3, -3, -0.13, DType::Float64), 15703798257611871262ull, "arange(3, -3, -0.13, Float64)"},
      {arangeHash(0, 1, 0.001, DType::Float32), 8987218890656546674ull, "arange(0, 1, 0.001, Float32)"},
      {arangeHash(0, 1, 0.001, DType::Float64), 25323157845200105ull, "arange(0, 1, 0.001, Float64)"},
      {arangeHash(1000000.0, 2000000.0, 333.3, DType::Float32), 13152878264781260483ull,
       "arange(1000000.0, 2000000.0, 333.3, Float32)"},
      {arangeHash(1000000.0, 2000000.0, 333.3, DType::Float64), 11738370816525742816ull,
       "arange(1000000.0, 2000000.0, 333.3, Float64)"},
      {arangeHash(0, 100, 3, DType::Float32), 15200626561413770185ull, "arange(0, 100, 3, Float32)"},
      {arangeHash(0, 100, 3, DType::Float64), 16893103483008811423ull, "arange(0, 100, 3, Float64)"},
      {arangeHash(0, 100, 3, DType::Int64), 16001451640377031360ull, "arange(0, 100, 3, Int64)"},
      {arangeHash(0, 100, 3, DType::Int32), 6678152998956755280ull, "arange(0, 100, 3, Int32)"},
      {arangeHash(5, -40, -7, DType::Float32), 178192026067968405ull, "arange(5, -40, -7, Float32)"},
      {arangeHash(5, -40, -7, DType::Float64), 4764924267231178902ull, "arange(5, -40, -7, Float64)"},
      {arangeHash(5, -40, -7, DType::Int64), 15053831147323916975ull, "arange(5, -40, -7, Int64)"},
      {arangeHash(5, -40, -7, DType::Int32), 13145718752947103399ull, "arange(5, -40, -7, Int32)"},
  };
  for (const Bits& b : all) {
    if (b.got != b.want) std::fprintf(stderr, "  %s\n", b.call);
    CHECK_EQ(b.got, b.want);
  }
}

TEST(streams) {
  const Stream all[] = {
      {"uniform f32",
       {0.14904171228408813, 0.4865531325340271, 0.985661506652832, 0.16840142011642456, 0.5839434266090393,
        0.6935991644859314}},
      {"normal f32 5",
       {-0.6700053215026855, -1.127727746963501, 0.34971800446510315, 0.5125295519828796, 1.206769585609436}},
      {"normal f32 25",
       {-1.6394644975662231, -1.5925322771072388, -0.15462511777877808, -1.0964387655258179, 1.3665976524353027,
        0.6892819404602051,  0.07443918287754059, -0.18429554998874664, 0.7528402209281921,  -0.13466569781303406,
        -0.6871156692504883, -0.8000398278236389, -1.3692214488983154,  -0.3245033025741577, -0.020517835393548012,
        -0.6305075883865356, 0.5485078692436218,  -0.6419320106506348,  0.18639998137950897, 1.0097872018814087,
        0.14586292207241058, -0.6388277411460876, 1.3265953063964844,   -0.1086408719420433, -1.0265040397644043}},
      {"normal f32 3", {1.4048328399658203, 0.9637827277183533, -0.21491947770118713}},
      {"randint 0 10", {9.0, 1.0, 3.0, 6.0, 1.0, 9.0, 9.0, 0.0}},
      {"randint wide", {147488387961.0, 282152643519.0, 531651600483.0, 10580532432.0}},
      {"randperm 10", {8.0, 6.0, 3.0, 7.0, 0.0, 4.0, 9.0, 5.0, 1.0, 2.0}},
      {"uniform f64", {0.14356327342971975, 0.45998426620953237, 0.1270979297307926, 0.25984239018287303}},
      {"normal f64 20",
       {-0.800775127315468,  1.1837519326652133,  -0.4355211639847646, 0.8711984566595141,     0.07466462993487363,
        -1.5336933833219275, -1.2937641139941902, 0.18094639305765783, -0.0037765524762350634, -1.5958639013467988,
        -1.2258573433847875, -1.8678351721100654, 0.7654713447836375,  -1.1755729122261254,    -1.143611199306523,
        -2.3748845655068496, 0.773601415722526,   -0.6793105219073428, 0.6668418218360121,     0.9858125924558552}},
      {"normal f64 3", {0.4487769291596421, -0.41673113130633477, 0.20909722813267623}},
      {"uniform -2 3",
       {2.792631149291992, -1.001811146736145, -1.6229451894760132, 0.7109158039093018, 2.51224684715271,
        2.929628849029541}},
      {"normal 1 .5 18",
       {1.2420653104782104, 1.535887598991394, 1.2207080125808716, 1.150821566581726, 0.2570086717605591,
        1.1512877941131592, 1.4044997692108154, 1.8710134029388428, 1.4323735237121582, 1.3948196172714233,
        1.5055888891220093, 0.4805113673210144, 1.5247364044189453, 0.3054533004760742, 1.1333082914352417,
        0.7309985160827637, 0.8220838308334351, 1.3546843528747559}},
      {"bernoulli_ .3", {0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0}},
      {"bernoulli", {1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0}},
      {"exponential 2",
       {1.107327938079834, 0.0351191870868206, 0.003827521111816168, 0.629902720451355, 0.46956342458724976}},
      {"multinomial rep", {1.0, 1.0, 0.0, 2.0, 2.0}},
      {"multinomial no rep", {2.0, 1.0, 0.0}},
      {"multinomial one", {2.0, 0.0}},
      {"normal strided 20",
       {-0.2851938009262085, 0.5932514667510986,    1.082303524017334,    -0.8709014654159546, -0.26161906123161316,
        -0.7078298330307007, 0.9393752813339233,    1.6271095275878906,   -0.477957159280777,  0.4661315083503723,
        0.09811034798622131, 0.0053165871649980545, 1.1370419263839722,   0.9388990998268127,  -0.35427001118659973,
        -0.5156332850456238, 0.006492414977401495,  0.047296129167079926, 0.8916023969650269,  -0.8452969789505005}},
      {"uniform bf16", {0.05078125, 0.3046875, 0.37890625, 0.140625}},
      {"randint u8", {251.0, 51.0, 23.0, 43.0, 248.0}},
      {"rand end", {0.4073694944381714, 0.01204824447631836}},
  };
  Generator g(11);
  const Tensor wide = make(Dims{20, 2});
  const Tensor column = aliasTensor(wide, Dims{20}, Dims{2}, 0);
  const std::function<Tensor()> calls[] = {
      [&] {
        return cpu::uniform_(make({3, 2}), 0, 1, &g);
      },
      [&] { return cpu::normal_(make({5}), 0, 1, &g); },
      [&] {
        return cpu::normal_(make({5, 5}), 0, 1, &g);
      },
      [&] { return cpu::normal_(make({3}), 0, 1, &g); },
      [&] { return cpu::randint_(make({8}, DType::Int64), 0, 10, &g); },
      [&] { return cpu::randint_(make({4}, DType::Int64), -5, 1000000000000, &g); },
      [&] { return cpu::randperm(10, std::nullopt, &g); },
      [&] { return cpu::uniform_(make({4}, DType::Float64), 0, 1, &g); },
      [&] { return cpu::normal_(make({20}, DType::Float64), 0, 1, &g); },
      [&] { return cpu::normal_(make({3}, DType::Float64), 0, 1, &g); },
      [&] { return cpu::uniform_(make({6}), -2, 3, &g); },
      [&] { return cpu::normal_(make({18}), 1, 0.5, &g); },
      [&] { return cpu::bernoulli_(make({9}), 0.3, &g); },
      [&] { return cpu::bernoulliOf(cpu::full(Dims{9}, Scalar(0.3), DType::Float32), &g); },
      [&] { return cpu::exponential_(make({5}), 2, &g); },
      [&] {
        return cpu::multinomial(filled({3}, {.1f, .2f, .7f}), 5, true, &g);
      },
      [&] {
        return cpu::multinomial(filled({4}, {.1f, .2f, .7f, .4f}), 3, false, &g);
      },
      [&] {
        return cpu::multinomial(filled({2, 3}, {.1f, .2f, .7f, .5f, .1f, .1f}), 1, false, &g);
      },
      [&] { return cpu::normal_(column, 0, 1, &g); },
      [&] { return cpu::uniform_(make({4}, DType::BFloat16), 0, 1, &g); },
      [&] { return cpu::randint_(make({5}, DType::UInt8), 0, 256, &g); },
      [&] { return cpu::uniform_(make({2}), 0, 1, &g); },
  };
  for (size_t i = 0; i < std::size(all); ++i) {
    const int before = check::failures();
    const Tensor t = calls[i]();
    CHECK_EQ(t.numel(), static_cast<int64_t>(all[i].want.size()));
    const bool exact =
        std::strstr(all[i].call, "normal") == nullptr && std::strstr(all[i].call, "exponential") == nullptr;
    for (int64_t k = 0; k < t.numel(); ++k)
      CHECK_CLOSE(at(t, k), all[i].want[static_cast<size_t>(k)], exact ? 0 : 1e-6, exact ? 0 : 1e-7);
    if (check::failures() != before) std::fprintf(stderr, "  %s\n", all[i].call);
  }
}

TEST(randomMessages) {
  Generator g(1);
  CHECK_THROWS(cpu::uniform_(make({2}), 2, 1, &g),
               "uniform_ expects to return a [from, to) range, but found from=2 > to=1");
  CHECK_THROWS(cpu::uniform_(make({2}, DType::Int64), 0, 1, &g), "\"check_uniform_bounds\" not implemented for 'Long'");
  CHECK_THROWS(cpu::normal_(make({2}), 0, -1, &g), "normal expects std >= 0.0, but found std -1");
  CHECK_THROWS(cpu::bernoulli_(make({2}), 2, &g), "bernoulli_ expects p to be in [0, 1], but got p=2");
  CHECK_THROWS(cpu::randint_(make({2}, DType::Int64), 3, 3, &g),
               "random_ expects 'from' to be less than 'to', but got from=3 >= to=3");
  CHECK_THROWS(cpu::randint_(make({2}, DType::UInt8), 0, 300, &g), "to - 1 is out of bounds for");
  CHECK_THROWS(cpu::multinomial(filled({2}, {1, 0}), 3, false, &g),
               "cannot sample n_sample > prob_dist.size(-1) samples without replacement");
  CHECK_THROWS(cpu::multinomial(filled({2}, {1, -1}), 1, false, &g),
               "probability tensor contains either `inf`, `nan` or element < 0");
  CHECK_THROWS(cpu::multinomial(filled({2}, {0, 0}), 1, true, &g),
               "invalid multinomial distribution (sum of probabilities <= 0)");
}

TEST(creationMessages) {
  const auto i = [](int64_t v) { return Scalar(v); };
  CHECK_THROWS(cpu::arange(i(0), i(1), i(0), std::nullopt), "step must be nonzero");
  CHECK_THROWS(cpu::arange(i(0), i(1), i(-1), std::nullopt),
               "upper bound and larger bound inconsistent with step sign");
  CHECK_THROWS(cpu::arange(i(0), Scalar(INFINITY), i(1), std::nullopt), "unsupported range: 0 -> inf");
  CHECK_THROWS(cpu::linspace(i(0), i(1), -1, std::nullopt), "number of steps must be non-negative");
  CHECK_THROWS(cpu::eye(-1, std::nullopt, std::nullopt), "n must be greater or equal to 0, got -1");
  CHECK_THROWS(cpu::empty(Dims{-1, 2}, std::nullopt), "Trying to create tensor with negative dimension -1: [-1, 2]");
  CHECK_THROWS(cpu::tril(cpu::full(Dims{3}, i(1), std::nullopt), 0),
               "Dimension out of range (expected to be in range of [-1, 0], but got -2)");
}

TEST(eyeAndTriangles) {
  const Tensor e = cpu::eye(3, 5, DType::Int32);
  for (int64_t k = 0; k < 15; ++k) CHECK_EQ(at(e, k), k % 6 == 0 ? 1.0 : 0.0);
  Random rng;
  for (int round = 0; round < 60; ++round) {
    const Tensor t = randomLayout(Dims{1 + rng.below(3), 1 + rng.below(6), 1 + rng.below(6)},
                                  static_cast<DType>(rng.below(10)), rng);
    const int64_t diagonal = rng.below(9) - 4, rows = t.size(1), cols = t.size(2);
    const Tensor low = cpu::tril(t, diagonal), up = cpu::triu(t, diagonal);
    for (int64_t k = 0; k < t.numel(); ++k) {
      const int64_t r = k / cols % rows, c = k % cols;
      CHECK_EQ(at(low, k), c - r <= diagonal ? at(t, k) : 0.0);
      CHECK_EQ(at(up, k), c - r >= diagonal ? at(t, k) : 0.0);
    }
  }
}

TEST_MAIN()
