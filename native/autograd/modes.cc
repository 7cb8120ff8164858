// Thread-local switches of autograd: grad mode, inference mode, anomaly mode.
#include "flambeau/autograd.h"

namespace flambeau::autograd {

namespace {
thread_local bool tlsGrad = true;
thread_local bool tlsInference = false;
thread_local bool tlsAnomaly = false;
thread_local std::function<std::string()> tlsSiteProvider;
thread_local uint64_t tlsSequence = 0;
}  // namespace

bool gradEnabled() { return tlsGrad && !tlsInference; }
void setGradEnabled(bool on) { tlsGrad = on; }
bool inferenceEnabled() { return tlsInference; }
void setInferenceEnabled(bool on) { tlsInference = on; }
bool anomalyEnabled() { return tlsAnomaly; }
void setAnomalyEnabled(bool on) { tlsAnomaly = on; }
void setForwardSiteProvider(std::function<std::string()> provider) { tlsSiteProvider = std::move(provider); }

Node::Node(uint32_t outputs) : sequence(tlsSequence++), numOutputs(outputs) {
  if (tlsAnomaly && tlsSiteProvider) forwardSite = tlsSiteProvider();
}

bool needsGrad(TensorSpan list) {
  for (const Tensor& t : list)
    if (needsGrad(t)) return true;
  return false;
}

}  // namespace flambeau::autograd
