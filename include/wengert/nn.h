#pragma once

#include <wengert/nn/activation.h>
#include <wengert/nn/bilinear.h>
#include <wengert/nn/conv.h>
#include <wengert/nn/dense.h>
#include <wengert/nn/dropout.h>
#include <wengert/nn/embedding.h>
#include <wengert/nn/flatten.h>
#include <wengert/nn/init.h>
#include <wengert/nn/lambda.h>
#include <wengert/nn/loss.h>
#include <wengert/nn/module.h>
#include <wengert/nn/norm.h>
#include <wengert/nn/pool.h>
#include <wengert/nn/residual.h>
#include <wengert/nn/save.h>
#include <wengert/nn/sequential.h>
