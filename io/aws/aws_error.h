/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_error — what an AWS answer that is no success says, and what is to be done about it.
 *
 * Code and message are read from the header, a JSON body or an XML body; the class comes from one
 * table of codes, then from the status. Pure; owns nothing.
 * Source: AWS SDKs and Tools Reference, "Retry behavior"; AWS JSON 1.1, REST JSON, Query protocols.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

/* Longest code in the services used: 38. */
#define AWS_ERROR_CODE_MAX_BYTES 63
/* Enough for a log line to act on; the rest of a message is cut. */
#define AWS_ERROR_MESSAGE_MAX_BYTES 255
/* Beyond this a refused signature is blamed on the clock. */
#define AWS_SKEW_BLAMED_S 240

enum aws_error_class {
    AWS_ERROR_NONE,         /* status 2xx without a code */
    AWS_ERROR_THROTTLE,     /* repeat later and slower */
    AWS_ERROR_TRANSIENT,    /* repeat later */
    AWS_ERROR_SKEW,         /* correct the clock, repeat once */
    AWS_ERROR_SKEW_PERHAPS, /* the same if the clocks differ by AWS_SKEW_BLAMED_S; else permanent */
    AWS_ERROR_CREDENTIALS,  /* fetch credentials anew, repeat once */
    AWS_ERROR_PERMANENT,    /* the same request would fail again */
};

struct aws_error {
    char code[AWS_ERROR_CODE_MAX_BYTES + 1];       /* NUL-terminated; "" where none was found */
    char message[AWS_ERROR_MESSAGE_MAX_BYTES + 1]; /* the same; UTF-8 without control characters */
};

/* Name of a class for logs and labels; static. */
const char *aws_error_class_name(enum aws_error_class error_class);

/*
 * aws_error_classify — the code decides where the table has it, else the status.
 *
 *   status   of the answer; 0 where there was none
 *   code     as aws_error_read gives it; may be empty
 */
enum aws_error_class aws_error_classify(uint32_t status, struct slice code);

/*
 * aws_error_read — fills `out` with what can be found; never fails.
 *
 *   type_header   value of X-Amzn-ErrorType, empty where absent; wins over the body's code
 *   body          borrowed; read as JSON or as XML, whichever its first byte says
 */
void aws_error_read(struct slice type_header, struct slice body, struct aws_error *out);
