// Native objects other than tensors that JavaScript holds handles to.
#pragma once
#include <memory>

#include "flambeau/generator.h"
#include "flambeau/intrusive.h"

namespace flambeau::node {

/// A random generator: its own, or the process's default one.
struct GeneratorObject : RefCounted {
  std::unique_ptr<Generator> owned;
  Generator* generator;
  explicit GeneratorObject(std::unique_ptr<Generator> g) : owned(std::move(g)), generator(owned.get()) {}
  explicit GeneratorObject(Generator& shared) : generator(&shared) {}
};

}  // namespace flambeau::node
