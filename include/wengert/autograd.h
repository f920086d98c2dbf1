#pragma once

/// Tensors, ops, the tape and the ways to look at it. Writing ops of your own: also <wengert/autograd/elementwise.h>
/// and <wengert/autograd/map.h>. Eigen: <wengert/autograd/eigen.h>.

#include <wengert/autograd/anomaly.h>
#include <wengert/autograd/functional.h>
#include <wengert/autograd/gradcheck.h>
#include <wengert/autograd/graph.h>
#include <wengert/autograd/memory.h>
#include <wengert/autograd/ops.h>
#include <wengert/autograd/parallel.h>
#include <wengert/autograd/parameter.h>
#include <wengert/autograd/profile.h>
#include <wengert/autograd/random.h>
#include <wengert/autograd/tape.h>
#include <wengert/autograd/tensor.h>
