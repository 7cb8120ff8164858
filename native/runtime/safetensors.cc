// Reads safetensors files; see safetensors.h.
#include "runtime/safetensors.h"

#include <cstring>
#include <fstream>
#include <vector>

#include "runtime/json.h"

namespace flambeau::runtime {
namespace {

constexpr uint64_t kMaxHeader = 100 << 20;  // the format's own limit

DType dtypeOf(const std::string& name) {
  static const std::map<std::string, DType> names = {
      {"F64", DType::Float64}, {"F32", DType::Float32}, {"F16", DType::Float16}, {"BF16", DType::BFloat16},
      {"I64", DType::Int64},   {"I32", DType::Int32},   {"I16", DType::Int16},   {"I8", DType::Int8},
      {"U8", DType::UInt8},    {"BOOL", DType::Bool}};
  const auto found = names.find(name);
  FB_CHECK(found != names.end(), File, "safetensors: unknown dtype '%s'", name.c_str());
  return found->second;
}

}  // namespace

std::map<std::string, Tensor> readSafetensors(std::span<const std::byte> file) {
  uint64_t header = 0;
  FB_CHECK(file.size() >= 8, File, "safetensors: the file has %zu bytes, too few for a header", file.size());
  std::memcpy(&header, file.data(), 8);
  FB_CHECK(header <= kMaxHeader && header <= file.size() - 8, File,
           "safetensors: the header claims %llu bytes, the file has %zu", static_cast<unsigned long long>(header),
           file.size());
  const std::string_view text(reinterpret_cast<const char*>(file.data()) + 8, header);
  const auto data = file.subspan(8 + header);
  std::map<std::string, Tensor> out;
  const Json json = Json::parse(text);
  for (const auto& [name, entry] : json.fields("the header")) {
    if (name == "__metadata__") continue;
    const DType dtype = dtypeOf(entry.at("dtype").string("dtype"));
    Dims sizes;
    uint64_t bytes = itemSize(dtype);
    for (const Json& extent : entry.at("shape").array("shape")) {
      const int64_t n = extent.integer("an extent");
      FB_CHECK(n >= 0 && !__builtin_mul_overflow(bytes, static_cast<uint64_t>(n), &bytes), File,
               "safetensors: '%s' has an impossible shape", name.c_str());
      sizes.push_back(n);
    }
    const auto& offsets = entry.at("data_offsets").array("data_offsets");
    FB_CHECK(offsets.size() == 2, File, "safetensors: '%s' has no two offsets", name.c_str());
    const int64_t from = offsets[0].integer("an offset"), to = offsets[1].integer("an offset");
    FB_CHECK(from >= 0 && to >= from && static_cast<uint64_t>(to) <= data.size() &&
                 static_cast<uint64_t>(to - from) == bytes,
             File, "safetensors: the bytes of '%s' do not lie in the file or do not fit its shape", name.c_str());
    Tensor t = emptyTensor(sizes, dtype);
    if (bytes > 0) std::memcpy(t.data(), data.data() + from, bytes);
    out.emplace(name, std::move(t));
  }
  return out;
}

std::map<std::string, Tensor> readSafetensorsFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  FB_CHECK(in.good(), File, "cannot read '%s'", path.c_str());
  std::vector<std::byte> bytes(static_cast<size_t>(in.tellg()));
  in.seekg(0);
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  FB_CHECK(in.good() || bytes.empty(), File, "cannot read '%s' to its end", path.c_str());
  return readSafetensors(bytes);
}

}  // namespace flambeau::runtime
