# Helpers that the folders' CMakeLists.txt share.

set(WENGERT_GNU_LIKE "$<CXX_COMPILER_ID:GNU,Clang,AppleClang>")

function(wengert_warnings target)
  set(flags -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
  if(WENGERT_WARNINGS_AS_ERRORS)
    list(APPEND flags -Werror)
  endif()
  # g++ 12 sees uninitialised variables in its own AVX-512 intrinsics, which Eigen uses (GCC bug 105593).
  target_compile_options(${target} PRIVATE
    "$<${WENGERT_GNU_LIKE}:${flags}>"
    "$<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>")
endfunction()

# For the library and for whatever includes its private SIMD headers.
function(wengert_native target)
  if(WENGERT_NATIVE)
    target_compile_options(${target} PRIVATE "$<${WENGERT_GNU_LIKE}:-march=native>")
  endif()
endfunction()

# Floating point: nothing here reads errno or traps, and a fused multiply-add is both faster and more exact.
# NaN, infinity and the order of sums keep their IEEE meaning (no -ffast-math).
function(wengert_numeric_flags target)
  wengert_native(${target})
  target_compile_options(${target} PRIVATE
    "$<${WENGERT_GNU_LIKE}:-fno-math-errno;-fno-trapping-math;-ffp-contract=fast>"
    "$<$<AND:${WENGERT_GNU_LIKE},$<CONFIG:RelWithDebInfo>>:-O3>")
endfunction()

set(WENGERT_OPTIMISED "$<CONFIG:Release,RelWithDebInfo>")

# Compiles the target at this level instead of the configuration's.
function(wengert_optimise target level)
  target_compile_options(${target} PRIVATE "$<$<AND:${WENGERT_GNU_LIKE},${WENGERT_OPTIMISED}>:-O${level}>")
endfunction()

# Sets `result` to the files matching the patterns in the current folder; an empty list is fine.
function(wengert_glob result)
  list(TRANSFORM ARGN PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/")
  file(GLOB files CONFIGURE_DEPENDS ${ARGN})
  set(${result} "${files}" PARENT_SCOPE)
endfunction()

# Adds the files matching the patterns in the current folder to the library.
function(wengert_sources)
  wengert_glob(files ${ARGN})
  target_sources(wengert PRIVATE ${files})
endfunction()
