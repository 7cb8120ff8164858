// Reads safetensors files; see safetensors.h.
#include "runtime/safetensors.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "runtime/file.h"
#include "runtime/json.h"

namespace flambeau::runtime {
namespace {

constexpr uint64_t kMaxHeader = 100'000'000;  // the format's own limit
constexpr size_t kMaxDims = 64;

DType dtypeOf(const std::string& name) {
  static const std::map<std::string, DType> names = {
      {"F64", DType::Float64}, {"F32", DType::Float32}, {"F16", DType::Float16}, {"BF16", DType::BFloat16},
      {"I64", DType::Int64},   {"I32", DType::Int32},   {"I16", DType::Int16},   {"I8", DType::Int8},
      {"U8", DType::UInt8},    {"BOOL", DType::Bool}};
  const auto found = names.find(name);
  FB_CHECK(found != names.end(), File, "safetensors: unknown dtype '%s'", name.c_str());
  return found->second;
}

/// Where a tensor lies, its header's entry checked.
struct Place {
  std::string name;
  DType dtype;
  Dims sizes;
  uint64_t from, to;
};

Place placeOf(const std::string& name, const Json& entry, size_t dataBytes) {
  Place p{name, dtypeOf(entry.at("dtype").string("dtype")), {}, 0, 0};
  uint64_t bytes = itemSize(p.dtype);
  const auto& shape = entry.at("shape").array("shape");
  FB_CHECK(shape.size() <= kMaxDims, File, "safetensors: '%s' has %zu dimensions, at most %zu are allowed",
           name.c_str(), shape.size(), kMaxDims);
  bool empty = false;
  for (const Json& extent : shape) {
    const int64_t n = extent.integer("an extent");
    // The product is taken over the other sizes too, so that a size of 0 cannot hide sizes that wrap later.
    FB_CHECK(n >= 0 && (n == 0 || !__builtin_mul_overflow(bytes, static_cast<uint64_t>(n), &bytes)) &&
                 bytes <= uint64_t{1} << 62,
             File, "safetensors: '%s' has an impossible shape", name.c_str());
    empty = empty || n == 0;
    p.sizes.push_back(n);
  }
  if (empty) bytes = 0;
  const auto& offsets = entry.at("data_offsets").array("data_offsets");
  FB_CHECK(offsets.size() == 2, File, "safetensors: '%s' has no two offsets", name.c_str());
  const int64_t from = offsets[0].integer("an offset"), to = offsets[1].integer("an offset");
  FB_CHECK(
      from >= 0 && to >= from && static_cast<uint64_t>(to) <= dataBytes && static_cast<uint64_t>(to - from) == bytes,
      File, "safetensors: the bytes of '%s' do not lie in the file or do not fit its shape", name.c_str());
  p.from = static_cast<uint64_t>(from), p.to = static_cast<uint64_t>(to);
  return p;
}

/// Every byte belongs to one tensor.
void checkLayout(std::vector<Place> places, size_t dataBytes) {
  std::ranges::sort(places, {}, [](const Place& p) { return std::pair(p.from, p.to); });
  uint64_t at = 0;
  for (const Place& p : places) {
    FB_CHECK(p.from == at, File, "safetensors: '%s' %s", p.name.c_str(),
             p.from < at ? "overlaps the tensor before it" : "has bytes before it that belong to no tensor");
    at = p.to;
  }
  FB_CHECK(at == dataBytes, File, "safetensors: %llu bytes after the last tensor belong to none",
           static_cast<unsigned long long>(dataBytes - at));
}

}  // namespace

Safetensors readSafetensors(std::span<const std::byte> file) {
  uint64_t header = 0;
  FB_CHECK(file.size() >= 8, File, "safetensors: the file has %zu bytes, too few for a header", file.size());
  std::memcpy(&header, file.data(), 8);
  FB_CHECK(header <= kMaxHeader && header <= file.size() - 8, File,
           "safetensors: the header claims %llu bytes, the file has %zu", static_cast<unsigned long long>(header),
           file.size());
  const Json json = Json::parse({reinterpret_cast<const char*>(file.data()) + 8, header});
  const auto data = file.subspan(8 + header);
  Safetensors out;
  std::vector<Place> places;
  for (const auto& [name, entry] : json.fields("the header")) {
    if (name != "__metadata__") {
      places.push_back(placeOf(name, entry, data.size()));
      continue;
    }
    for (const auto& [key, text] : entry.fields("__metadata__"))
      FB_CHECK(out.metadata.emplace(key, text.string("a text of __metadata__")).second, File,
               "safetensors: the metadata '%s' occurs twice", key.c_str());
  }
  checkLayout(places, data.size());
  for (const Place& p : places) {
    Tensor t = emptyTensor(p.sizes, p.dtype);
    if (p.to > p.from) std::memcpy(t.data(), data.data() + p.from, p.to - p.from);
    if (p.dtype == DType::Bool)
      FB_CHECK(std::none_of(t.ptr<uint8_t>(), t.ptr<uint8_t>() + t.numel(), [](uint8_t b) { return b > 1; }), File,
               "safetensors: '%s' has dtype BOOL and holds a byte that is neither 0 nor 1", p.name.c_str());
    FB_CHECK(out.tensors.emplace(p.name, std::move(t)).second, File, "safetensors: '%s' occurs twice", p.name.c_str());
  }
  return out;
}

Safetensors readSafetensorsFile(const std::string& path) { return readSafetensors(readFile(path)); }

}  // namespace flambeau::runtime
