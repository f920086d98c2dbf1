#pragma once

/// Data sets, and how a training loop gets its batches from them.

#include <wengert/datasets/byte_images.h>
#include <wengert/datasets/collections.h>
#include <wengert/datasets/data_loader.h>
#include <wengert/datasets/dataset.h>
#include <wengert/datasets/digits.h>
#include <wengert/datasets/fetched_file.h>
#include <wengert/datasets/normalize.h>
#include <wengert/datasets/series.h>
#include <wengert/datasets/toy.h>
#include <wengert/datasets/transforms.h>
