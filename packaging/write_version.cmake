# cmake -DSOURCE=... -DOUTPUT=... -DVERSION=... -P write_version.cmake
#
# Runs in every build; the file is written only if its text changes, so that a new commit compiles this one file again.
set(COMMIT unknown)
# git must not take its lock: somebody may be at work in the same checkout.
set(ENV{GIT_OPTIONAL_LOCKS} 0)
execute_process(COMMAND git -C ${SOURCE} rev-parse --show-toplevel OUTPUT_VARIABLE top ERROR_QUIET
                OUTPUT_STRIP_TRAILING_WHITESPACE)
# A copy of the sources inside another project's checkout has no commit.
file(REAL_PATH ${SOURCE} source)
if(top STREQUAL source)
  execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --exclude=* --abbrev=12 OUTPUT_VARIABLE described
                  ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(described)
    set(COMMIT ${described})
  endif()
endif()
configure_file(${CMAKE_CURRENT_LIST_DIR}/version.cc.in ${OUTPUT} @ONLY)
