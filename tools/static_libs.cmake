# SPDX-License-Identifier: Apache-2.0
# WEIR_STATIC_LIBS: every library from its archive, where Debian has one; for the image.
#
# Included twice by build.cmake: before the libraries are looked for, and after.

if(NOT WEIR_STATIC_LIBS)
    return()
endif()

if(NOT TARGET weir_flags)
    # pkg_check_modules looks for libraries by these, in this order; ISA-L has no archive.
    list(PREPEND CMAKE_FIND_LIBRARY_SUFFIXES .a)
    return()
endif()

# An archive does not say what it needs. libunistring comes with libidn2: names beyond ASCII.
find_library(IDN2_LIBRARY idn2 REQUIRED)
find_library(UNISTRING_LIBRARY unistring REQUIRED)
find_library(Z_LIBRARY z REQUIRED)
# The name that weir_auth links with, now the archive.
find_library(CRYPT_LIBRARY crypt REQUIRED)
add_library(crypt STATIC IMPORTED)
set_target_properties(crypt PROPERTIES IMPORTED_LOCATION ${CRYPT_LIBRARY})
add_library(weir_closed_doors STATIC ${PROJECT_SOURCE_DIR}/io/closed_doors.c)
target_link_libraries(weir_closed_doors PRIVATE weir_flags)
target_link_libraries(PkgConfig::CURL INTERFACE weir_closed_doors weir_base PkgConfig::NGHTTP2
    PkgConfig::OPENSSL PkgConfig::ZSTD ${IDN2_LIBRARY} ${UNISTRING_LIBRARY} ${Z_LIBRARY})
target_link_libraries(PkgConfig::JEMALLOC INTERFACE m)
target_link_options(weir_flags INTERFACE -static-libgcc)
