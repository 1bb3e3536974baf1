# SPDX-License-Identifier: Apache-2.0
# For arm64 on another machine, with Debian's cross compiler and its libraries for arm64 beside the
# machine's own (dpkg --add-architecture arm64). What is built runs under qemu-user where that is.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(triple aarch64-linux-gnu)
set(CMAKE_C_COMPILER ${triple}-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE ${triple})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/${triple}/pkgconfig:/usr/share/pkgconfig)

find_program(QEMU_PROGRAM qemu-aarch64-static)
if(QEMU_PROGRAM)
    set(CMAKE_CROSSCOMPILING_EMULATOR ${QEMU_PROGRAM})
endif()
