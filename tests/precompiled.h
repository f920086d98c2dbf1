// Precompiled for the test executables; a test file still includes what it uses.
#pragma once

#include <gtest/gtest.h>

#include <wengert/autograd/ops.h>
