# SPDX-License-Identifier: Apache-2.0
# Flags, libraries and the two commands every folder uses: weir_floor and weir_test.

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
include(${PROJECT_SOURCE_DIR}/tools/static_libs.cmake)
pkg_check_modules(URING REQUIRED IMPORTED_TARGET liburing>=2.3)
pkg_check_modules(OPENSSL REQUIRED IMPORTED_TARGET openssl>=3.0)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl>=7.88)
pkg_check_modules(NGHTTP2 REQUIRED IMPORTED_TARGET libnghttp2>=1.52)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(ISAL REQUIRED IMPORTED_TARGET libisal)
pkg_check_modules(DEFLATE REQUIRED IMPORTED_TARGET libdeflate)
pkg_check_modules(JEMALLOC REQUIRED IMPORTED_TARGET jemalloc)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
find_program(PROTOC_C protoc-c REQUIRED)

# The tests are some hundred programs, and gold links one in a third of the time. Not what ships.
find_program(WEIR_GOLD ld.gold)
if(WEIR_GOLD AND CMAKE_BUILD_TYPE STREQUAL "Debug" AND NOT CMAKE_CROSSCOMPILING)
    add_link_options(-fuse-ld=gold)
endif()

add_library(weir_flags INTERFACE)
target_include_directories(weir_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_definitions(weir_flags INTERFACE _GNU_SOURCE WEIR_VERSION="${PROJECT_VERSION}")
target_compile_options(weir_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wvla -Wswitch-enum -Wcast-qual
    -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wundef -fno-common
    -fno-omit-frame-pointer)
if(WEIR_WERROR)
    target_compile_options(weir_flags INTERFACE -Werror)
endif()
if(WEIR_SLOW_ASSERTS)
    target_compile_definitions(weir_flags INTERFACE WEIR_SLOW_ASSERTS)
endif()
if(WEIR_SANITIZE)
    target_compile_options(weir_flags INTERFACE -fsanitize=${WEIR_SANITIZE} -fno-sanitize-recover=all)
    target_link_options(weir_flags INTERFACE -fsanitize=${WEIR_SANITIZE})
else()
    # Sanitizers bring an allocator of their own.
    target_link_libraries(weir_flags INTERFACE PkgConfig::JEMALLOC)
    target_compile_definitions(weir_flags INTERFACE WEIR_JEMALLOC)
endif()
if(WEIR_FUZZ)
    target_compile_options(weir_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
include(${PROJECT_SOURCE_DIR}/tools/static_libs.cmake)

# weir_floor(NAME SOURCES a.c … LINKS lower-floor library …): one library of the house.
function(weir_floor name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
    if(ARG_SOURCES)
        add_library(${name} STATIC ${ARG_SOURCES})
        target_link_libraries(${name} PUBLIC weir_flags ${ARG_LINKS})
    else()
        add_library(${name} INTERFACE)
        target_link_libraries(${name} INTERFACE weir_flags ${ARG_LINKS})
    endif()
endfunction()

# weir_test(core/base/test_arena LINKS weir_base): one cmocka binary per file, named by its path.
function(weir_test path)
    cmake_parse_arguments(ARG "" "" "SOURCES;LINKS;LABELS" ${ARGN})
    string(REPLACE "/" "." name ${path})
    add_executable(${name} ${PROJECT_SOURCE_DIR}/tests/${path}.c ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE ${ARG_LINKS} weir_flags cmocka)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES TIMEOUT 300 LABELS "unit;${ARG_LABELS}"
        SKIP_RETURN_CODE 77)
endfunction()

# weir_fuzz(statsd_line LINKS …): tests/fuzz/fuzz_<name>.c. An ordinary build replays the committed
# corpus tests/fuzz/corpus/<name>; the fuzz preset links libFuzzer and explores.
function(weir_fuzz name)
    cmake_parse_arguments(ARG "" "" "LINKS" ${ARGN})
    set(sources ${PROJECT_SOURCE_DIR}/tests/fuzz/fuzz_${name}.c)
    if(NOT WEIR_FUZZ)
        list(APPEND sources ${PROJECT_SOURCE_DIR}/tests/fuzz/replay.c)
    endif()
    add_executable(fuzz_${name} ${sources})
    target_link_libraries(fuzz_${name} PRIVATE ${ARG_LINKS} weir_flags)
    if(WEIR_FUZZ)
        target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    else()
        add_test(NAME fuzz_replay.${name}
            COMMAND fuzz_${name} ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name})
        set_tests_properties(fuzz_replay.${name} PROPERTIES TIMEOUT 120 LABELS "fuzz")
    endif()
endfunction()
