// The C++ frontend in one header: tensors, autograd, nn, optim, data, files, saved graphs. The names are libtorch's;
// docs/cpp.md.
#pragma once
#include "flambeau/autograd.h"
#include "flambeau/data.h"
#include "flambeau/functions.h"
#include "flambeau/jit.h"
#include "flambeau/nn/module.h"
#include "flambeau/nn/modules.h"
#include "flambeau/operators.h"
#include "flambeau/optim.h"
#include "flambeau/serialize.h"
