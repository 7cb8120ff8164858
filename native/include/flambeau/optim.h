// Optimizers and learning-rate schedules.
#pragma once
#include "flambeau/optim/optimizer.h"
#include "flambeau/optim/optimizers.h"
#include "flambeau/optim/schedulers.h"
