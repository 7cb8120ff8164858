// The C ABI of deployed models (flambeau/model.h) over graph programs that are linked in.
#include "flambeau/model.h"

#include <cstdio>
#include <cstring>
#include <string>

#include "flambeau/autograd.h"
#include "runtime/flow.h"
#include "runtime/graph.h"
#include "runtime/safetensors.h"

using namespace flambeau;

static_assert(FB_FLOAT32 == static_cast<int>(DType::Float32) && FB_INT64 == static_cast<int>(DType::Int64) &&
              FB_BOOL == static_cast<int>(DType::Bool));

struct fb_model {
  /// The graph for some sizes: a program; or a plan over several, before which a program that computes nothing checks
  /// the inputs.
  struct Variant {
    Ref<GraphProgram> program;
    Ref<FlowProgram> flow;
  };
  std::string name;
  std::vector<Variant> variants;
};

namespace {

int report(int code, const std::string& text, char* message, size_t length) {
  if (message && length > 0) std::snprintf(message, length, "%s", text.c_str());
  return code;
}

/// Runs `body`; errors become codes.
template <class F>
int guarded(char* message, size_t length, F body) {
  try {
    body();
    return FB_OK;
  } catch (const Error& e) {
    const int code = e.kind() == ErrorKind::File ? FB_ERROR_FILE
                     : e.kind() == ErrorKind::Value || e.kind() == ErrorKind::Shape || e.kind() == ErrorKind::Type
                         ? FB_ERROR_ARGUMENT
                         : FB_ERROR_RUN;
    return report(code, e.what(), message, length);
  } catch (const std::exception& e) {
    return report(FB_ERROR_RUN, e.what(), message, length);
  }
}

/// A view of the caller's memory.
Tensor viewOf(const fb_tensor& t, int at) {
  FB_CHECK(t.dtype >= 0 && t.dtype < kNumDTypes, Value, "input %d: unknown dtype %d", at, static_cast<int>(t.dtype));
  FB_CHECK(t.rank >= 0 && t.rank <= FB_MAX_RANK, Value, "input %d: %d dimensions, at most %d are possible", at, t.rank,
           FB_MAX_RANK);
  const DType dtype = static_cast<DType>(t.dtype);
  Dims sizes, strides;
  uint64_t bytes = itemSize(dtype);
  for (int d = 0; d < t.rank; ++d) {
    FB_CHECK(t.shape[d] >= 0 && !__builtin_mul_overflow(bytes, static_cast<uint64_t>(t.shape[d]), &bytes), Value,
             "input %d: an extent of %lld is impossible", at, static_cast<long long>(t.shape[d]));
    sizes.push_back(t.shape[d]);
  }
  FB_CHECK(bytes <= t.bytes, Value, "input %d: shape %s takes %llu bytes, its memory has %zu", at,
           shapeString(sizes).c_str(), static_cast<unsigned long long>(bytes), t.bytes);
  FB_CHECK(t.data || bytes == 0, Value, "input %d: its data is a null pointer", at);
  int64_t step = 1;
  strides = sizes;
  for (size_t d = sizes.size(); d-- > 0;) {
    strides[d] = step;
    step *= sizes[d];
  }
  auto storage = Storage::borrow(
      t.data, bytes, [](void*) {}, nullptr);
  return Tensor(TensorImpl::create(std::move(storage), dtype, sizes, strides, 0));
}

/// The variant that takes these inputs; throws Error(Value) with the guard that failed: of the sizes that vary where
/// there are such, unless the size is one.
const fb_model::Variant& variantFor(const fb_model& m, TensorSpan inputs) {
  std::string first, why;
  for (size_t p = 0; p < m.variants.size(); ++p) {
    if (m.variants[p].program->accepts(inputs, why)) return m.variants[p];
    if (p == 0 || why.find("a size that varies") == std::string::npos) first = why;
  }
  throw Error(ErrorKind::Value, m.name + ": " + first);
}

TensorList compute(const fb_model& m, const fb_model::Variant& variant, TensorSpan inputs) {
  if (variant.flow) return variant.flow->run(inputs);
  TensorList results;
  std::string why;
  FB_CHECK(variant.program->run(inputs, {}, results, why), Value, "%s: %s", m.name.c_str(), why.c_str());
  return results;
}

/// The program in front of a plan: it is asked about its metadata only.
int faceAbi() { return FB_RUNTIME_ABI; }
int faceRun(const fb_run_args*) { return 1; }

Ref<FlowProgram> linkFlow(const fb_model_source& source, const fb_model_flow& flow, const TensorList& captures) {
  FB_CHECK(flow.first >= 0 && flow.count >= 0 && flow.first <= source.program_count - flow.count, File,
           "%s: a plan names programs that do not exist", source.name);
  std::vector<Ref<GraphProgram>> programs;
  for (int p = flow.first; p < flow.first + flow.count; ++p)
    programs.push_back(
        GraphProgram::link(source.programs[p].abi, source.programs[p].run, source.programs[p].meta, TensorList()));
  return FlowProgram::load(flow.plan, std::move(programs), captures);
}

void describe(fb_tensor& to, DType dtype, const Dims& sizes, int at) {
  FB_CHECK(sizes.size() <= FB_MAX_RANK, Value, "output %d has %zu dimensions, at most %d are possible", at,
           sizes.size(), FB_MAX_RANK);
  to.dtype = static_cast<fb_dtype>(dtype);
  to.rank = static_cast<int>(sizes.size());
  for (size_t d = 0; d < sizes.size(); ++d) to.shape[d] = sizes[d];
}

}  // namespace

extern "C" {

int fb_model_load(const fb_model_source* source, fb_model** model, char* message, size_t length) {
  if (!source || !model) return report(FB_ERROR_ARGUMENT, "load: a null pointer", message, length);
  *model = nullptr;
  return guarded(message, length, [&] {
    const auto weights =
        (source->weights
             ? runtime::readSafetensors({static_cast<const std::byte*>(source->weights), source->weight_bytes})
             : runtime::readSafetensorsFile(source->weights_path ? source->weights_path : ""))
            .tensors;
    TensorList captures;
    for (int i = 0; i < source->capture_count; ++i) {
      const auto found = weights.find(source->captures[i]);
      FB_CHECK(found != weights.end(), File, "%s: the weights lack '%s'", source->name, source->captures[i]);
      captures.push_back(found->second);
    }
    auto made = std::make_unique<fb_model>();
    made->name = source->name;
    const auto add = [&](Ref<GraphProgram> program, Ref<FlowProgram> flow) {
      std::string why;
      FB_CHECK(program->capturesFit(why), File, "%s: the weights do not fit: %s", source->name, why.c_str());
      made->variants.push_back({std::move(program), std::move(flow)});
    };
    for (int f = 0; f < source->flow_count; ++f) {
      const fb_model_flow& flow = source->flows[f];
      add(GraphProgram::link(faceAbi, faceRun, flow.meta, captures), linkFlow(*source, flow, captures));
    }
    for (int p = 0; p < source->program_count && source->flow_count == 0; ++p) {
      const fb_model_program& program = source->programs[p];
      add(GraphProgram::link(program.abi, program.run, program.meta, captures), {});
    }
    *model = made.release();
  });
}

int fb_model_run(fb_model* model, const fb_tensor* inputs, int input_count, fb_tensor* outputs, int output_count,
                 char* message, size_t length) {
  if (!model || (input_count > 0 && !inputs) || (output_count > 0 && !outputs) || input_count < 0 || output_count < 0)
    return report(FB_ERROR_ARGUMENT, "run: a null pointer", message, length);
  return guarded(message, length, [&] {
    const autograd::GradGuard noGrad(false);
    TensorList views;
    for (int i = 0; i < input_count; ++i) views.push_back(viewOf(inputs[i], i));
    const fb_model::Variant& variant = variantFor(*model, views);
    const auto types = variant.program->resultTypes(views);
    FB_CHECK(static_cast<size_t>(output_count) == types.size(), Value, "%s has %zu outputs, memory for %d was given",
             model->name.c_str(), types.size(), output_count);
    bool wanted = false;
    for (int i = 0; i < output_count; ++i) {
      const auto& [dtype, sizes] = types[static_cast<size_t>(i)];
      uint64_t bytes = itemSize(dtype);
      for (int64_t n : sizes) bytes *= static_cast<uint64_t>(n);
      if (outputs[i].data) {
        FB_CHECK(outputs[i].bytes >= bytes, Value, "output %d: %s %s takes %llu bytes, its memory has %zu", i,
                 std::string(dtypeName(dtype)).c_str(), shapeString(sizes).c_str(),
                 static_cast<unsigned long long>(bytes), outputs[i].bytes);
        wanted = true;
      }
      describe(outputs[i], dtype, sizes, i);
      outputs[i].bytes = bytes;
    }
    if (!wanted) return;
    const TensorList results = compute(*model, variant, views);
    for (int i = 0; i < output_count; ++i)
      FB_CHECK(results[static_cast<size_t>(i)].nbytes() == outputs[i].bytes, Internal, "output %d has another size", i);
    for (int i = 0; i < output_count; ++i)
      if (outputs[i].data && outputs[i].bytes > 0)
        std::memcpy(outputs[i].data, results[static_cast<size_t>(i)].data(), outputs[i].bytes);
  });
}

void fb_model_free(fb_model* model) { delete model; }

}  // extern "C"
