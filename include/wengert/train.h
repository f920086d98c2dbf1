#pragma once

/// The training loop, and what a hand-written one needs around it: metrics, progress, a clean end on Ctrl-C,
/// checkpoints, logs, pictures.

#include <wengert/train/callback.h>
#include <wengert/train/checkpoint.h>
#include <wengert/train/draw.h>
#include <wengert/train/evaluate.h>
#include <wengert/train/fit.h>
#include <wengert/train/history.h>
#include <wengert/train/interrupt.h>
#include <wengert/train/metrics.h>
#include <wengert/train/plot.h>
#include <wengert/train/progress.h>
