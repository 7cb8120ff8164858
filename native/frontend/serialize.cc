// Writing of safetensors; reading is runtime/safetensors.h.
#include "flambeau/serialize.h"

#include <cstdio>
#include <cstring>
#include <fstream>

#include "flambeau/ops.h"
#include "frontend/json_text.h"
#include "runtime/safetensors.h"

namespace flambeau {

namespace {

const char* formatName(DType t) {
  constexpr const char* names[kNumDTypes] = {"F32", "F64", "F16", "BF16", "I8", "I16", "I32", "I64", "U8", "BOOL"};
  return names[static_cast<int>(t)];
}
}  // namespace

void save(const std::map<std::string, Tensor>& tensors, const std::string& path,
          const std::map<std::string, std::string>& metadata) {
  std::string header = "{";
  if (!metadata.empty()) {
    header += "\"__metadata__\":{";
    for (const auto& [key, text] : metadata)
      header += (header.back() == '{' ? "" : ",") + jsonString(key) + ":" + jsonString(text);
    header += '}';
  }
  uint64_t at = 0;
  for (const auto& [name, t] : tensors) {
    FB_CHECK(t.defined(), Value, "save: '%s' is undefined", name.c_str());
    FB_CHECK(name != "__metadata__", Value, "save: '__metadata__' cannot be a tensor's name");
    std::string shape;
    for (int64_t n : t.sizes()) shape += (shape.empty() ? "" : ",") + std::to_string(n);
    header += (header.size() > 1 ? "," : "") + jsonString(name) + ":{\"dtype\":\"" + formatName(t.dtype()) +
              "\",\"shape\":[" + shape + "],\"data_offsets\":[" + std::to_string(at) + "," +
              std::to_string(at + t.nbytes()) + "]}";
    at += t.nbytes();
  }
  header += '}';
  header.resize((header.size() + 7) & ~size_t{7}, ' ');
  // Whole or not at all: a reader never sees half a file.
  const std::string draft = path + ".part";
  {
    std::ofstream out(draft, std::ios::binary);
    const uint64_t size = header.size();
    out.write(reinterpret_cast<const char*>(&size), 8);
    out << header;
    for (const auto& entry : tensors) {
      const Tensor dense = ops::contiguous(ops::detach(entry.second));
      out.write(static_cast<const char*>(dense.data()), static_cast<std::streamsize>(dense.nbytes()));
    }
    out.flush();
    if (!out.good()) {
      std::remove(draft.c_str());
      throw Error(ErrorKind::File, "cannot write '" + path + "'");
    }
  }
  FB_CHECK(std::rename(draft.c_str(), path.c_str()) == 0, File, "cannot write '%s'", path.c_str());
}

std::map<std::string, Tensor> load(const std::string& path) { return runtime::readSafetensorsFile(path).tensors; }

}  // namespace flambeau
