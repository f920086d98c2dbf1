# Installs wengert from build_dir and builds a consumer against it, then configures the same consumer with the source
# tree as a subdirectory and compiles it. Variables: source_dir build_dir work_dir compiler generator config.
cmake_minimum_required(VERSION 3.25)

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

function(configure name)
  run("${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_LIST_DIR}/consumer" -B "${work_dir}/${name}" -G "${generator}"
    "-DCMAKE_CXX_COMPILER=${compiler}" "-DCMAKE_BUILD_TYPE=${config}" ${ARGN})
endfunction()

file(REMOVE_RECURSE "${work_dir}")
set(prefix "${work_dir}/prefix")

run("${CMAKE_COMMAND}" --install "${build_dir}" --prefix "${prefix}" --config "${config}")
file(GLOB_RECURSE headers RELATIVE "${prefix}/include/wengert" "${prefix}/include/wengert/*")
foreach(header IN LISTS headers)
  if(NOT header MATCHES "\\.h$" OR header MATCHES "(^|/)(kernels|ops|data)/")
    message(SEND_ERROR "${header} is private but was installed")
  endif()
endforeach()

configure(installed "-DCMAKE_PREFIX_PATH=${prefix}")
run("${CMAKE_COMMAND}" --build "${work_dir}/installed" --config "${config}")
find_program(consumer NAMES consumer PATHS "${work_dir}/installed" PATH_SUFFIXES "${config}" NO_DEFAULT_PATH REQUIRED)
run("${consumer}")

# Every test already links the library within the build tree; what a subdirectory adds is its place in another project,
# so compiling the consumer's own file is enough and saves a second build of the library.
configure(subdirectory "-DWENGERT_SOURCE=${source_dir}")
run("${CMAKE_COMMAND}" --build "${work_dir}/subdirectory" --config "${config}" --target consumer_object)
