/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault — sentences for result codes, and the end of the road for our own mistakes.
 */
#include "core/base/fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/defs.h"

static const char *own_text(enum fault code)
{
    switch (code) {
    case FAULT_TRUNCATED:
        return "input ends inside a field";
    case FAULT_OVERFLOW:
        return "a size or number does not fit";
    case FAULT_MALFORMED:
        return "input breaks its format";
    case FAULT_LIMIT:
        return "a limit is reached";
    case FAULT_CONFIG:
        return "the configuration is refused";
    case FAULT_CLOSED:
        return "the other side is gone";
    case FAULT_LIBRARY:
        return "a library refused";
    case FAULT_UNSUPPORTED:
        return "not supported by this build or kernel";
    }
    return "unknown fault";
}

const char *fault_text(int code)
{
    if (code <= -FAULT_BASE) {
        return own_text((enum fault)code);
    }
    const char *text = strerrordesc_np(-code);
    return text == NULL ? "unknown error" : text;
}

void weir_panic(const char *file, int line, const char *expression)
{
    (void)fprintf(stderr, "error event=panic file=%s line=%d expression=\"%s\"\n", file, line,
                  expression);
    abort();
}
