// Thread-local switches of autograd: grad mode, inference mode, anomaly mode.
#include "flambeau/autograd.h"

namespace flambeau::autograd {

namespace {
// Asked by every op: at a fixed offset from the thread pointer, so that asking is one load.
#define FB_FAST_TLS constinit thread_local __attribute__((tls_model("initial-exec")))
FB_FAST_TLS bool tlsGrad = true;
FB_FAST_TLS bool tlsInference = false;
FB_FAST_TLS bool tlsAnomaly = false;
FB_FAST_TLS uint64_t tlsSequence = 0;
#undef FB_FAST_TLS
thread_local std::function<std::string()> tlsSiteProvider;
}  // namespace

bool gradEnabled() { return tlsGrad && !tlsInference; }
void setGradEnabled(bool on) { tlsGrad = on; }
bool inferenceEnabled() { return tlsInference; }
void setInferenceEnabled(bool on) { tlsInference = on; }
bool anomalyEnabled() { return tlsAnomaly; }
void setAnomalyEnabled(bool on) { tlsAnomaly = on; }
void setForwardSiteProvider(std::function<std::string()> provider) { tlsSiteProvider = std::move(provider); }

Node::Node(uint32_t outputs) : sequence(tlsSequence++), numOutputs(outputs) {
  if (tlsAnomaly && tlsSiteProvider) extra().forwardSite = tlsSiteProvider();
}

bool needsGrad(TensorSpan list) {
  for (const Tensor& t : list)
    if (needsGrad(t)) return true;
  return false;
}

}  // namespace flambeau::autograd
