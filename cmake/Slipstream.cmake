# Compile options, third-party libraries and the two functions that every CMakeLists.txt here uses:
# slipstream_library() and slipstream_test().

# CMake 3.25 sets a property of this target, which CUDA 13 no longer has, whether it found it or not.
if(CMAKE_VERSION VERSION_LESS 3.26)
  add_library(CUDA::nvToolsExt INTERFACE IMPORTED)
endif()
find_package(CUDAToolkit 13.0 REQUIRED)
if(BUILD_TESTING)
  find_package(GTest REQUIRED)
endif()
if(SLIPSTREAM_BUILD_TOOLS)
  find_package(CLI11 REQUIRED)
endif()
find_package(nlohmann_json 3.11 REQUIRED)
find_package(Threads REQUIRED)

# Third-party code is linked statically or header-only: a carried build runs where no package is installed.
# Of fmt, the part that need not be in every file is compiled once, from its headers.
find_path(SLIPSTREAM_FMT_INCLUDE_DIR fmt/core.h REQUIRED)
add_library(slipstream_fmt STATIC ${CMAKE_CURRENT_LIST_DIR}/fmt.cc)
target_include_directories(slipstream_fmt SYSTEM PUBLIC ${SLIPSTREAM_FMT_INCLUDE_DIR})
target_compile_options(slipstream_fmt PRIVATE $<$<CONFIG:Release>:-O1>)

if(SLIPSTREAM_BUILD_TOOLS)
  find_path(SLIPSTREAM_ZSTD_INCLUDE_DIR zstd.h REQUIRED)
  find_library(SLIPSTREAM_ZSTD_ARCHIVE libzstd.a REQUIRED)
  add_library(slipstream_zstd INTERFACE)
  target_include_directories(slipstream_zstd SYSTEM INTERFACE ${SLIPSTREAM_ZSTD_INCLUDE_DIR})
  target_link_libraries(slipstream_zstd INTERFACE ${SLIPSTREAM_ZSTD_ARCHIVE})
  # Wheels are zip archives, which are deflated.
  find_path(SLIPSTREAM_ZLIB_INCLUDE_DIR zlib.h REQUIRED)
  find_library(SLIPSTREAM_ZLIB_ARCHIVE libz.a REQUIRED)
  add_library(slipstream_zlib INTERFACE)
  target_include_directories(slipstream_zlib SYSTEM INTERFACE ${SLIPSTREAM_ZLIB_INCLUDE_DIR})
  target_link_libraries(slipstream_zlib INTERFACE ${SLIPSTREAM_ZLIB_ARCHIVE})
endif()

# Every program finds the CUDA runtime of the toolkit that it was built with, where no other is on the loader's path: as
# DT_RUNPATH, which is searched after LD_LIBRARY_PATH, so that the emulated device can take the runtime's place.
cmake_path(GET CUDA_cudart_LIBRARY PARENT_PATH runtime_folder)
list(APPEND CMAKE_BUILD_RPATH ${runtime_folder})
add_link_options(LINKER:--enable-new-dtags)

# Fifty programs are linked: by the fastest linker that is there.
include(CheckLinkerFlag)
foreach(linker mold lld)
  check_linker_flag(CXX -fuse-ld=${linker} SLIPSTREAM_HAS_${linker})
  if(SLIPSTREAM_HAS_${linker})
    add_link_options(-fuse-ld=${linker})
    break()
  endif()
endforeach()

add_library(slipstream_options INTERFACE)
target_include_directories(slipstream_options INTERFACE ${PROJECT_SOURCE_DIR}/include
                                                        ${PROJECT_SOURCE_DIR}/src)
target_compile_options(
  slipstream_options
  INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra>
            $<$<COMPILE_LANGUAGE:CUDA>:-lineinfo --expt-relaxed-constexpr -Xcompiler=-Wall>)
# From 128 MB on GCC looks for memory to take back, which takes 7 % of its time. Here one file needs up to 800 MB.
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  target_compile_options(slipstream_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:--param=ggc-min-heapsize=524288>)
endif()
if(SLIPSTREAM_SANITIZE)
  target_compile_options(
    slipstream_options
    # Enumerations of C, as CUDA's headers have, hold what a program passes; ours have an underlying type, and are not meant.
    INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${SLIPSTREAM_SANITIZE} -fno-sanitize-recover=all -fno-sanitize=enum>)
  target_link_options(slipstream_options INTERFACE -fsanitize=${SLIPSTREAM_SANITIZE})
endif()

# slipstream_header(NAME [compile options...])
#
# What most host files include takes longer to read than they take to compile, so it is read once. A precompiled header
# fits only files compiled with its options: libraries that have others make one of their own.
set(SLIPSTREAM_COMMON_HEADERS
    <fmt/format.h> <algorithm> <array> <functional> <map> <memory> <optional> <span> <string> <string_view>
    <unordered_map> <utility> <vector>)
file(WRITE ${PROJECT_BINARY_DIR}/header.cc "// Empty: compiled for the header alone.\n")
function(slipstream_header name)
  add_library(${name} STATIC EXCLUDE_FROM_ALL ${PROJECT_BINARY_DIR}/header.cc)
  target_compile_options(${name} PUBLIC ${ARGN})
  target_link_libraries(${name} PRIVATE slipstream_options slipstream_fmt)
  target_precompile_headers(${name} PRIVATE ${SLIPSTREAM_COMMON_HEADERS})
endfunction()
slipstream_header(slipstream_library_header)

# slipstream_group(TARGET)
#
# Has the target's sources compiled in groups, each as one file: reading headers is most of the work.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
function(slipstream_group target)
  if(NOT SLIPSTREAM_GROUP_SOURCES)
    return()
  endif()
  get_target_property(sources ${target} SOURCES)
  # Not those that the build writes.
  list(FILTER sources EXCLUDE REGEX "^${PROJECT_BINARY_DIR}/")
  set(kernels ${sources})
  list(FILTER kernels INCLUDE REGEX "\\.cu$")
  list(FILTER sources INCLUDE REGEX "\\.cc$")

  slipstream_find_groups(groups 64 ${sources})
  foreach(source group IN ZIP_LISTS sources groups)
    # A source of two libraries has one group, in both of them.
    get_source_file_property(has_group ${source} UNITY_GROUP)
    if(NOT has_group)
      set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${target}_${group})
    endif()
  endforeach()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)

  # CMake 3.25 groups no CUDA sources.
  slipstream_find_groups(groups 64 ${kernels})
  foreach(source group IN ZIP_LISTS kernels groups)
    string(APPEND text_${group} "#include \"${CMAKE_CURRENT_SOURCE_DIR}/${source}\"\n")
    set_source_files_properties(${source} PROPERTIES HEADER_FILE_ONLY ON)
  endforeach()
  # Each is written once, when it is whole: one that is as before keeps its time, and is not compiled again.
  list(REMOVE_DUPLICATES groups)
  foreach(group ${groups})
    set(file ${CMAKE_CURRENT_BINARY_DIR}/${target}_${group}.cu)
    file(CONFIGURE OUTPUT ${file} CONTENT "${text_${group}}")
    target_sources(${target} PRIVATE ${file})
  endforeach()
endfunction()

# slipstream_find_groups(RESULT MAX_SOURCES sources...): the number of each source's group.
function(slipstream_find_groups result max_sources)
  set(groups ${ARGN})
  list(LENGTH groups count)
  if(count GREATER 1)
    execute_process(
      COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/cmake/group_sources.py ${max_sources} ${ARGN}
      WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} OUTPUT_VARIABLE groups COMMAND_ERROR_IS_FATAL ANY)
  else()
    # There is nothing to choose; most of the time of configuring went into starting Python for these.
    list(TRANSFORM groups REPLACE ".+" 0)
  endif()
  set(${result} ${groups} PARENT_SCOPE)
endfunction()

# slipstream_library(NAME sources... [PUBLIC libraries...] [HEADER header])
#
# Compiled with the options of its HEADER, which is slipstream_library_header unless named. NONE: without one, which is
# faster for a library with options of its own that is a single group.
function(slipstream_library name)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "" "HEADER" "PUBLIC")
  if(NOT ARG_HEADER)
    set(ARG_HEADER slipstream_library_header)
  endif()
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PUBLIC slipstream_options ${ARG_PUBLIC})
  if(NOT ARG_HEADER STREQUAL NONE)
    target_compile_options(${name} PRIVATE $<TARGET_PROPERTY:${ARG_HEADER},INTERFACE_COMPILE_OPTIONS>)
    target_precompile_headers(${name} REUSE_FROM ${ARG_HEADER})
  endif()
  slipstream_group(${name})
endfunction()

# slipstream_compile_lightly(TARGET...)
#
# For what is not waited for where it runs: it parses and prints, or calls what is fast. Compiling it takes a third less
# time so. GCC 13 takes a precompiled header only where these two are as they were, which -O3 sets and -O1 does not.
set(SLIPSTREAM_LIGHT_OPTIONS -O1)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU
   AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 13
   AND CMAKE_SYSTEM_PROCESSOR STREQUAL x86_64)
  list(APPEND SLIPSTREAM_LIGHT_OPTIONS -munroll-only-small-loops -mvzeroupper)
endif()
function(slipstream_compile_lightly)
  foreach(target ${ARGN})
    target_compile_options(
      ${target} PRIVATE "$<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CONFIG:Release>>:${SLIPSTREAM_LIGHT_OPTIONS}>")
  endforeach()
endfunction()

# What `./dev test` builds: the tests of level 1, and what they run. What `./dev test --asan` and `--tsan` build: those that
# launch no kernels, and those of the emulated device's threads.
add_custom_target(level1)
add_custom_target(level1_sanitized)

# slipstream_sanitized(PROGRAM tests...): sanitizers run these tests, too, though they launch kernels: host threads, ranks or
# the emulated device's own threads meet there.
function(slipstream_sanitized program)
  add_dependencies(level1_sanitized ${program} slipstream_emulator_cudart)
  set_property(TEST ${ARGN} APPEND PROPERTY LABELS sanitized)
endfunction()

# GoogleTest takes longer to read than most test files, so tests read it once. A precompiled header must have been
# compiled like its users: for an executable, with their options.
if(BUILD_TESTING)
  file(WRITE ${PROJECT_BINARY_DIR}/test_header.cc "int main() {}\n")
  add_executable(slipstream_test_header EXCLUDE_FROM_ALL ${PROJECT_BINARY_DIR}/test_header.cc)
  target_compile_options(slipstream_test_header PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Og>)
  target_link_libraries(slipstream_test_header PRIVATE slipstream_options slipstream_fmt GTest::gtest)
  target_precompile_headers(slipstream_test_header PRIVATE <gtest/gtest.h> ${SLIPSTREAM_COMMON_HEADERS})
endif()

# slipstream_name_of_program(NAME PROGRAM)
#
# NAME, a target as if it were a program of its own: a link to PROGRAM, which looks at what it is called.
function(slipstream_name_of_program name program)
  set(link ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/${name})
  add_custom_command(
    TARGET ${program} POST_BUILD
    COMMAND ${CMAKE_COMMAND} -E create_symlink ${program} ${link}
    BYPRODUCTS ${link})
  add_executable(${name} IMPORTED GLOBAL)
  set_target_properties(${name} PROPERTIES IMPORTED_LOCATION ${link})
  add_dependencies(${name} ${program})
endfunction()

# slipstream_joined_test(NAME PROGRAM sources...)
#
# Adds the sources to PROGRAM, which runs their tests where it is called NAME (tests/support/named_tests.h).
function(slipstream_joined_test name program)
  if(NOT TARGET ${program})
    set(names ${CMAKE_CURRENT_BINARY_DIR}/${program}.cc)
    add_executable(${program} ${names})
    # Of the same group as the first sources.
    set_source_files_properties(${names} PROPERTIES UNITY_GROUP ${program}_0)
    # At the end of the folder. A deferred call evaluates its arguments then, so here they are written out.
    cmake_language(EVAL CODE "cmake_language(DEFER CALL slipstream_finish_joined_tests ${program} \"${names}\")")
  endif()
  target_sources(${program} PRIVATE ${ARGN})
  slipstream_name_of_program(${name} ${program})
  # As the ends of paths.
  list(TRANSFORM ARGN REPLACE "^(\\.\\./)+" "" OUTPUT_VARIABLE sources)
  list(JOIN sources "\", \"" sources)
  set_property(TARGET ${program} APPEND PROPERTY SLIPSTREAM_NAMES "{\"${name}\", {\"${sources}\"}}")
endfunction()

function(slipstream_finish_joined_tests program names)
  get_target_property(NAMES ${program} SLIPSTREAM_NAMES)
  list(JOIN NAMES ",\n    " NAMES)
  configure_file(${PROJECT_SOURCE_DIR}/tests/support/names.cc.in ${names} @ONLY)
  slipstream_group(${program})
endfunction()

# slipstream_test(NAME sources... [IN program] [LIBRARIES libraries...] [LEVEL n] [GPU] [GPU_LEVEL n] [TIMEOUT seconds])
#
# A GoogleTest program, one CTest test. LEVEL 1 (the default) runs in CI. GPU marks a program that launches kernels: it
# runs on the GPU in `./dev gpu-test`, in GPU_LEVEL where that differs from LEVEL, and on the emulator everywhere else. IN:
# the program that it shares with others.
function(slipstream_test name)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "GPU" "IN;LEVEL;GPU_LEVEL;TIMEOUT" "LIBRARIES")
  if(NOT ARG_LEVEL)
    set(ARG_LEVEL 1)
  endif()
  if(NOT ARG_GPU_LEVEL)
    set(ARG_GPU_LEVEL ${ARG_LEVEL})
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  # Where every access is checked, a test takes 14 times as long.
  if(SLIPSTREAM_SANITIZE)
    math(EXPR ARG_TIMEOUT "${ARG_TIMEOUT} * 5")
  endif()
  set(program ${name})
  if(ARG_IN)
    set(program ${ARG_IN})
    slipstream_joined_test(${name} ${program} ${ARG_UNPARSED_ARGUMENTS})
  else()
    add_executable(${program} ${ARG_UNPARSED_ARGUMENTS})
    slipstream_group(${program})
  endif()
  target_link_libraries(${program} PRIVATE ${ARG_LIBRARIES} slipstream_options)
  target_compile_options(${program} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Og>)
  target_precompile_headers(${program} REUSE_FROM slipstream_test_header)
  if(ARG_GPU)
    set_property(GLOBAL APPEND PROPERTY SLIPSTREAM_GPU_TESTS "${name} ${ARG_GPU_LEVEL}")
    target_link_libraries(${program} PRIVATE slipstream_device_test_main GTest::gtest CUDA::cudart)
  elseif(ARG_IN)
    target_link_libraries(${program} PRIVATE slipstream_host_test_main GTest::gtest)
  else()
    target_link_libraries(${program} PRIVATE GTest::gtest_main)
  endif()
  set(labels level${ARG_LEVEL})
  if(ARG_LEVEL EQUAL 1)
    add_dependencies(level1 ${name})
  endif()
  if(ARG_GPU)
    list(APPEND labels gpu)
  elseif(ARG_LEVEL EQUAL 1)
    list(APPEND labels sanitized)
    add_dependencies(level1_sanitized ${name})
  endif()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "${labels}" TIMEOUT ${ARG_TIMEOUT})
endfunction()
