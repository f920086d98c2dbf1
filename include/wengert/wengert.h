#pragma once

/// All of Wengert.

#include <wengert/autograd.h>
#include <wengert/datasets.h>
#include <wengert/io.h>
#include <wengert/nn.h>
#include <wengert/optim.h>
#include <wengert/train.h>
