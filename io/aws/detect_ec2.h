/* SPDX-License-Identifier: Apache-2.0 */
/*
 * detect_ec2 — the EC2 instance this process runs on, as its metadata service tells.
 *
 * The identity document, then the host's name, then the tags whose keys are wanted, one by one.
 * Where no identity document is to be had, this is no EC2 instance, and nothing is found. Source:
 * EC2 user guide, "Instance metadata"; the attributes are the Collector's.
 */
#pragma once

#include "core/base/bounds.h"
#include "io/aws/detect_state.h"
#include "io/aws/imds.h"

/* Fifty keys of 128 characters, with their line ends. */
#define DETECT_EC2_TAGS_MAX_BYTES (50 * 129)
#define DETECT_EC2_PATH_MAX_BYTES 256

struct regex;

struct detect_ec2 {
    struct detect_state state;
    struct imds *imds;
    struct imds_get get;
    bool is_asked;   /* false: nothing is expected here, and nobody is asked */
    bool is_machine; /* the identity document was there */
    struct regex *patterns[RESOURCE_DETECT_TEXTS_MAX]; /* owned; of the plan's tags */
    uint32_t pattern_count;
    char keys[DETECT_EC2_TAGS_MAX_BYTES]; /* of all tags, one a line */
    size_t keys_len;
    size_t next_key;  /* offset into them */
    struct slice key; /* whose value is asked for */
    char path[DETECT_EC2_PATH_MAX_BYTES];
};

/* `imds` is borrowed until stop. `is_asked` false: it is known that there is no such service. */
void detect_ec2_init(struct detect_ec2 *ec2, const struct resource_detect_plan *plan,
                     struct imds *imds, bool is_asked);
