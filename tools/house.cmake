# SPDX-License-Identifier: Apache-2.0
# Tests of the house itself: floors and walls, headers that compile alone, formatting.

add_test(NAME house_check COMMAND python3 ${PROJECT_SOURCE_DIR}/tools/check_house.py)
add_test(NAME house_check.selftest
    COMMAND python3 ${PROJECT_SOURCE_DIR}/tests/tools/test_check_house.py)
add_test(NAME tally.selftest COMMAND python3 ${PROJECT_SOURCE_DIR}/tests/tools/test_tally.py)
add_test(NAME format_check COMMAND ${PROJECT_SOURCE_DIR}/tools/check_format)

# header_check: one source per header, made here, that includes it first and twice. Headers are
# found by pattern because one that nobody listed is the one worth checking.
set(patterns)
foreach(folder core codecs io exporters tools bench tests)
    list(APPEND patterns ${PROJECT_SOURCE_DIR}/${folder}/*.h)
endforeach()
file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR} ${patterns})
set(sources)
foreach(header ${headers})
    if(header MATCHES "node_modules/")
        continue()
    endif()
    string(REGEX REPLACE "[/.]" "_" stem ${header})
    set(source ${PROJECT_BINARY_DIR}/header_check/${stem}.c)
    file(CONFIGURE OUTPUT ${source}
        CONTENT "#include \"${header}\"\n#include \"${header}\"\nextern int header_check_unused;\n")
    list(APPEND sources ${source})
endforeach()

add_library(header_check OBJECT ${sources})
target_link_libraries(header_check PRIVATE weir_exporters weir_flags
    PkgConfig::YAML PkgConfig::JANSSON)
# Part of a developer's build; the sanitizers and what ships have nothing to learn from it.
if(WEIR_SANITIZE OR NOT WEIR_WERROR)
    set_target_properties(header_check PROPERTIES EXCLUDE_FROM_ALL ON)
endif()
add_test(NAME header_check
    COMMAND ${CMAKE_COMMAND} --build ${PROJECT_BINARY_DIR} --target header_check)

set_tests_properties(house_check house_check.selftest tally.selftest format_check header_check
    PROPERTIES LABELS "house" TIMEOUT 300 SKIP_RETURN_CODE 77)
