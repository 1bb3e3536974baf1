# SPDX-License-Identifier: Apache-2.0
# Installing: the program and its licence or, with WEIR_STATIC_LIBS, the whole tree of the image.

if(NOT WEIR_STATIC_LIBS)
    install(TARGETS weir RUNTIME)
    install(FILES LICENSE DESTINATION share/doc/weir)
    return()
endif()

find_package(Python3 REQUIRED COMPONENTS Interpreter)
# The map tells the bill of materials which archives the program was really made from.
target_link_options(weir PRIVATE -Wl,--gc-sections -Wl,-z,relro,-z,now
    -Wl,-Map=$<TARGET_FILE:weir>.map)

# Every path is absolute: a prefix changes nothing, DESTDIR is the root of the tree.
set(image ${PROJECT_SOURCE_DIR}/tools/deploy/image)
install(CODE "
    if(\"\$ENV{DESTDIR}\" STREQUAL \"\")
        message(FATAL_ERROR \"the image brings an /etc of its own; set DESTDIR to its root\")
    endif()")
install(TARGETS weir RUNTIME DESTINATION /usr/bin)
install(FILES LICENSE DESTINATION /usr/share/doc/weir)
install(DIRECTORY ${image}/etc/ DESTINATION /etc)
install(FILES /etc/ssl/certs/ca-certificates.crt DESTINATION /etc/ssl/certs)
install(CODE "
    foreach(name awscollector healthcheck)
        file(CREATE_LINK usr/bin/weir \"\$ENV{DESTDIR}/\${name}\" SYMBOLIC)
    endforeach()
    execute_process(COMMAND ${Python3_EXECUTABLE} ${image}/furnish.py
        --root \"\$ENV{DESTDIR}\" --map $<TARGET_FILE:weir>.map --build ${PROJECT_BINARY_DIR}
        --version ${PROJECT_VERSION} --readelf ${CMAKE_READELF}
        --multiarch ${CMAKE_LIBRARY_ARCHITECTURE}
        COMMAND_ERROR_IS_FATAL ANY)")
