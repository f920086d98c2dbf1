#pragma once

/// Training by `fit`, and what a hand-written loop needs around it: metrics, progress, logs, a clean end on Ctrl-C,
/// pictures.

#include <wengert/train/callback.h>
#include <wengert/train/callbacks.h>
#include <wengert/train/draw.h>
#include <wengert/train/fit.h>
#include <wengert/train/history.h>
#include <wengert/train/interrupt.h>
#include <wengert/train/metrics.h>
#include <wengert/train/plot.h>
#include <wengert/train/progress.h>
#include <wengert/train/report.h>
