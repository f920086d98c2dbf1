#pragma once

/// What a training loop needs around it: metrics, progress, a clean end on Ctrl-C, pictures.

#include <wengert/train/draw.h>
#include <wengert/train/interrupt.h>
#include <wengert/train/metrics.h>
#include <wengert/train/plot.h>
#include <wengert/train/progress.h>
