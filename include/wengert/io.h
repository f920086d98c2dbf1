#pragma once

#include <wengert/io/idx.h>
#include <wengert/io/safetensors.h>
#include <wengert/io/state_dict.h>
