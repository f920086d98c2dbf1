#pragma once

#include <wengert/io/csv.h>
#include <wengert/io/idx.h>
#include <wengert/io/image.h>
#include <wengert/io/npy.h>
#include <wengert/io/safetensors.h>
#include <wengert/io/state_dict.h>
