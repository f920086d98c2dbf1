# Runs an example with --quick: it must succeed, which means that its figures pass the thresholds of a quick run, and
# its last line must be its result.
execute_process(COMMAND "${PROGRAM}" --quick --out "${OUT}"
  OUTPUT_VARIABLE output ERROR_VARIABLE errors RESULT_VARIABLE status)
message("${output}${errors}")
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${NAME} ended with ${status}")
endif()
if(NOT output MATCHES "\nRESULT ${NAME}( [a-z0-9_]+=[^ \n]+)+\n$")
  message(FATAL_ERROR "${NAME} did not end with its RESULT line")
endif()
