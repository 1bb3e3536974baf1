/* SPDX-License-Identifier: Apache-2.0 */
/*
 * post_rig — a poster on a loop, an authenticator for it, and a scripted AWS that it posts to.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "exporters/http_post.h"
#include "tests/io/aws/aws_rig.h"
#include "tests/support/authenticator_fixture.h"

/* Settings of `sigv4auth` that fit every URL. */
#define POST_RIG_SIGNED "{region: us-west-2, service: aps}\n"
/* Where the first URL leads, and the second. */
#define POST_RIG_TARGET "/workspaces/ws-1/write?dry=%20run"
#define POST_RIG_OTHER_TARGET "/second"

struct post_rig {
    struct aws_rig aws;
    char url[256];
    char other_url[256];
    const char *urls[2];
    struct authenticator *auth; /* owned; NULL: none */
    struct http_poster *poster; /* owned */
};

/* A POST with what came of it, copied out of the callback. */
struct post_probe {
    struct http_post post;
    uint64_t is_done;
    int fault;
    bool is_hopeless;
    uint32_t status;
    uint64_t retry_after_ms;
    char fault_text[512];
    char body[256];
    char content_type[64];
};

/* Starts the server; opens no poster yet. */
void post_rig_begin(struct post_rig *rig, struct loop *loop);

/* The options of a poster with the rig's authenticator and five headers. */
struct http_poster_options post_rig_options(const struct post_rig *rig);

/* Makes the authenticator, unless `configure` is NULL, and a poster with it; both must succeed. */
void post_rig_open_poster(struct post_rig *rig, authenticator_configure_fn *configure,
                          const char *yaml);
void post_rig_close_poster(struct post_rig *rig);
void post_rig_end(struct post_rig *rig);

/* POST of 21 bytes, "telemetry, compressed", to the first URL. */
struct post_probe post_probe_of(void);

/* Starts it and turns until it is done. */
void post_rig_run(struct post_rig *rig, struct post_probe *probe);

/* The last request to the first URL; there is one. */
const struct http_stub_request *post_rig_last(struct post_rig *rig);

void post_rig_assert_header(const struct http_stub_request *got, const char *name,
                            const char *value);

/* How often a header line begins like this, in any case. */
size_t post_rig_count_lines(const struct http_stub_request *got, const char *start);

/* Keys in the environment: AKIDENVIRONMENT, ENVSECRET, ENVTOKEN. */
void post_rig_use_keys(void);

bool post_rig_has_text(struct slice text, const char *part);
