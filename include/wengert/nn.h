#pragma once

#include <wengert/nn/activation.h>
#include <wengert/nn/attention.h>
#include <wengert/nn/conv.h>
#include <wengert/nn/dense.h>
#include <wengert/nn/dropout.h>
#include <wengert/nn/flatten.h>
#include <wengert/nn/hook.h>
#include <wengert/nn/init.h>
#include <wengert/nn/module.h>
#include <wengert/nn/pool.h>
#include <wengert/nn/positions.h>
#include <wengert/nn/recurrent.h>
#include <wengert/nn/save.h>
#include <wengert/nn/sequential.h>
#include <wengert/nn/transformer.h>
