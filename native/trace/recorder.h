// State of one recording. Every storage that is met gets a root: the SSA value of its bytes, as the first tensor met on
// it saw them. Other tensors on the storage are aliases of the root: they know the view op (recipe) that gives their
// value from their parent's. A write through an alias makes a new value for it at once, and for the root
// (asStridedScatter) when the root or an alias beside it is next read. Epochs count writes per root and tell which
// aliases are stale.
#pragma once
#include <algorithm>
#include <string>
#include <unordered_map>
#include <vector>

#include "flambeau/trace.h"

namespace flambeau::trace {

using ValueId = int32_t;

struct ValueInfo {
  DType dtype;
  Dims sizes, strides;
};

/// An operand of a recorded node.
struct In {
  enum class Kind : uint8_t { Null, Value, Const, List };
  Kind kind = Kind::Null;
  ValueId value = -1;
  Scalar scalar;
  std::vector<ValueId> list;
};

struct NodeRecord {
  std::string op;
  std::vector<In> in;
  std::vector<Attr> attrs;
  std::vector<ValueId> out;
  int32_t site = -1, scope = -1, region = -1;
};

struct RegionRecord {
  std::string op;
  std::vector<In> in;
  std::vector<Attr> attrs;
  std::vector<ValueId> out;
  int32_t parent = -1, scope = -1;
};

/// Offset and strides of an alias inside its root's value, which is row-major whatever the root's memory looks like.
struct Place {
  Dims strides;
  int64_t offset = 0;
};

struct Alias {
  int32_t root = -1;
  int32_t recipe = -1;  // -1: the root itself
  DType dtype = DType::Float32;
  Dims sizes, strides;
  int64_t offset = 0;
  ValueId value = -1;
  uint32_t epoch = 0;
};

/// How aliases derive from their parent; replayed when they are stale. Several outputs: split, unbind.
struct Recipe {
  std::string op;
  std::vector<Attr> attrs;
  int32_t parent;
  std::vector<int32_t> aliases;  // per output
};

struct Root {
  Ref<Storage> storage;  // held: addresses and ids are not reused while recording
  int32_t alias = -1;    // the alias that is the root itself
  ValueId base = -1;
  ValueId original = -1;  // of inputs and captures
  bool capture = false;
  uint32_t epoch = 0;
  int32_t pending = -1;  // alias whose written value is not yet part of `base`
};

struct StorageEntry {
  std::vector<int32_t> roots;
  std::unordered_multimap<size_t, int32_t> aliases;  // by hash of geometry
  uint32_t version = 0;
};

struct LeafGrad {
  Tensor leaf, initial;
  bool read;
};

class Recorder {
 public:
  explicit Recorder(uint32_t serial) : serial_(serial) {}

  ValueId newValue(const Tensor& t);
  ValueId newValue(const Alias& a);
  /// The alias of a tensor; a tensor that was never met becomes a capture.
  int32_t meet(const Tensor& t);
  int32_t addInput(const Tensor& t);
  /// A tensor whose storage was made inside; `value` is its value.
  void addFresh(const Tensor& t, ValueId value);
  bool knows(const Storage* s) const { return storages_.contains(s); }
  /// The alias of exactly this geometry, or -1.
  int32_t findAlias(const Tensor& t) const;
  /// Adds (or finds) the alias of `t` under the root of `parent`.
  int32_t addAlias(const Tensor& t, int32_t parentAlias);
  /// The value that an alias has now; replays its recipe when it is stale.
  ValueId current(int32_t alias);
  /// A write through an alias.
  void write(int32_t alias, ValueId value, const Tensor& t);
  int32_t rootAliasOf(int32_t alias) const {
    return roots_[static_cast<size_t>(aliases[static_cast<size_t>(alias)].root)].alias;
  }
  /// Makes `value` the present value of an alias that was just read.
  void bind(int32_t alias, ValueId value) {
    Alias& a = aliases[static_cast<size_t>(alias)];
    a.value = value;
    a.epoch = roots_[static_cast<size_t>(a.root)].epoch;
  }
  void emit(NodeRecord node);
  In operandOf(const Tensor& t);
  In operandOf(const Operand& o);
  In operandOf(TensorSpan list);
  /// Where an alias lies in its root's value; throws Error(Trace) when that cannot be said by offset and strides.
  Place place(const Alias& a) const;
  std::optional<Place> tryPlace(const Alias& root, IntSpan sizes, IntSpan strides, int64_t offset) const;
  void tag(const Tensor& t, int32_t alias) const {
    t.impl()->traceId = (static_cast<uint64_t>(serial_) << 32) | static_cast<uint32_t>(alias);
  }
  int32_t intern(const std::string& s);
  [[noreturn]] void fail(const std::string& message) const;
  Result finish(TensorSpan outputs);

  std::vector<Alias> aliases;
  std::vector<Recipe> recipes;
  std::vector<RegionRecord> regions;
  std::vector<int32_t> regionStack;
  std::vector<std::string> scopes;
  std::vector<double> live;
  std::unordered_map<int32_t, LeafGrad> leaves;  // by alias
  int32_t site = -1, scope = -1;
  uint32_t holds(const Storage* s) const;

 private:
  friend std::string toJson(Recorder& r, const std::vector<ValueId>& outputs);
  int32_t newRoot(const Tensor& t, ValueId value, bool outside, bool capture);
  int32_t capture(const Tensor& t);
  /// Captures a tensor that captured ones turn out to be parts of: they become its aliases. -1: it has no such parts.
  int32_t adopt(const Tensor& t);
  ValueId scatter(ValueId whole, ValueId part, const Alias& wholeType, const Alias& partType, const Place& at);
  void flush(Root& r);
  void checkVersion(const Storage* s) const;

  uint32_t serial_;
  std::vector<ValueInfo> values_;
  std::vector<NodeRecord> nodes_;
  std::vector<Root> roots_;
  std::unordered_map<const Storage*, StorageEntry> storages_;
  std::vector<ValueId> inputs_;
  std::vector<ValueId> captureIds_;
  TensorList captures_;
  std::vector<std::string> strings_;
  std::unordered_map<std::string, int32_t> stringIndex_;
};

std::string toJson(Recorder& r, const std::vector<ValueId>& outputs);
/// The recording of this thread; null when there is none.
Recorder* recorder();

}  // namespace flambeau::trace
