#pragma once

#include <wengert/optim/adadelta.h>
#include <wengert/optim/adagrad.h>
#include <wengert/optim/adam.h>
#include <wengert/optim/adamax.h>
#include <wengert/optim/clip.h>
#include <wengert/optim/ema.h>
#include <wengert/optim/lamb.h>
#include <wengert/optim/lbfgs.h>
#include <wengert/optim/lion.h>
#include <wengert/optim/nadam.h>
#include <wengert/optim/optimizer.h>
#include <wengert/optim/radam.h>
#include <wengert/optim/rmsprop.h>
#include <wengert/optim/rules.h>
#include <wengert/optim/schedule.h>
#include <wengert/optim/sgd.h>
