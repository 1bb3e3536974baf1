/* SPDX-License-Identifier: Apache-2.0 */
/*
 * adot_names — two names, and the one flag of the second.
 */
#include "tools/weir/adot_names.h"

#include <stdio.h>
#include <string.h>

#include "core/base/number.h"
#include "core/base/slice.h"
#include "tools/weir/cli.h"

#define PORT_MAX 65535

enum adot_name adot_name_of(const char *program)
{
    if (program == NULL) {
        return ADOT_NAME_NONE;
    }
    const char *slash = strrchr(program, '/');
    const char *name = slash == NULL ? program : slash + 1;
    if (strcmp(name, "awscollector") == 0) {
        return ADOT_NAME_AWSCOLLECTOR;
    }
    return strcmp(name, "healthcheck") == 0 ? ADOT_NAME_HEALTHCHECK : ADOT_NAME_NONE;
}

/* The value of a `-port` at argv[*at]; NULL where it is something else, or has none. */
static const char *take_port(int argc, char **argv, int *at)
{
    static const char flag[] = "-port";
    const char *text = argv[*at];
    text += text[0] == '-' && text[1] == '-' ? 1 : 0;
    if (strncmp(text, flag, sizeof(flag) - 1) != 0) {
        return NULL;
    }
    text += sizeof(flag) - 1;
    if (text[0] == '=') {
        return text + 1;
    }
    if (text[0] != 0 || *at + 1 == argc) {
        return NULL;
    }
    (*at)++;
    return argv[*at];
}

int adot_healthcheck_read(int argc, char **argv, char address[ADOT_ADDRESS_MAX_BYTES])
{
    for (int at = 1; at < argc; at++) {
        uint64_t port = 0;
        const char *value = take_port(argc, argv, &at);
        if (value == NULL || number_parse_u64(slice_of_text(value), &port) != 0 || port == 0 ||
            port > PORT_MAX) {
            (void)fprintf(stderr, "weir: healthcheck takes -port N and nothing else\n");
            return EXIT_CODE_USAGE;
        }
        (void)snprintf(address, ADOT_ADDRESS_MAX_BYTES, "127.0.0.1:%u", (uint32_t)port);
    }
    return 0;
}
