#pragma once

#include <wengert/io/safetensors.h>
#include <wengert/io/state_dict.h>
