/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_rig — one scripted server that plays every service of AWS, and requests to it.
 *
 * The environment is emptied of what would point elsewhere; credentials come from where a test
 * says.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/aws/signed_request.h"
#include "tests/support/http_stub.h"

struct loop;

/* What the server does; changed by tests while no request is under way. */
struct aws_script {
    uint32_t key_count;      /* sets given so far; the n-th has the key id AKIDFETCHED<n> */
    uint64_t key_lifetime_s; /* of each; 0: an hour */
    uint32_t key_delay_ms;
    uint32_t key_status;         /* 0: given */
    const char *required_token;  /* Authorization of the container endpoint; NULL: none */
    bool is_old_key_refused;     /* every key but the last one given is ExpiredToken */
    bool are_keys_refused;       /* all are */
    int64_t clock_skew_s;        /* of the server; beyond 240 s signatures are refused */
    uint32_t tokens_given;       /* by the instance metadata */
    bool is_first_token_refused; /* 401 for the first token */
    bool has_no_tokens;          /* version 1 only */
    uint32_t service_status;     /* 0: 200 */
    const char *service_headers;
    const char *service_body;
    char body[2048]; /* of the answer with keys */
    char headers[256];
};

struct aws_rig {
    struct loop *loop;
    struct http_stub stub;
    struct aws_script script;
    struct aws_client *client;
};

/* A request with what came of it, copied out of the callback. */
struct aws_probe {
    struct aws_request request;
    uint64_t is_done;
    enum aws_outcome outcome;
    uint32_t status;
    uint64_t retry_after_ms;
    bool was_answered;
    bool was_sent;
    char code[128];
    char body[512];
    char fault_text[1024];
};

/* Unsets whatever the chain of providers looks at; metadata and files lead nowhere. */
void aws_rig_clear_environment(void);

/* Starts the server; all endpoints of the environment lead to it. Opens no client yet. */
void aws_rig_open(struct aws_rig *rig, struct loop *loop);

/* A client for "xray" in eu-west-1, or as `options` say. */
void aws_rig_open_client(struct aws_rig *rig, const struct aws_client_options *options);

void aws_rig_close(struct aws_rig *rig);

/* AWS_CONTAINER_CREDENTIALS_FULL_URI: the server's /container. */
void aws_rig_use_container(struct aws_rig *rig);

/* POST /TraceSegments with a small body and two headers. */
struct aws_probe aws_probe_of(void);

/* Starts it and turns until it is done. */
void aws_rig_run(struct aws_rig *rig, struct aws_probe *probe);

/* Requests of that target so far. */
size_t aws_rig_count(struct aws_rig *rig, const char *target);

/* The last request of that target; there is one. */
const struct http_stub_request *aws_rig_last(struct aws_rig *rig, const char *target);

/* Is the request signed with that secret, for what it says itself, as it arrived? */
bool aws_rig_is_signed(const struct http_stub_request *request, const char *secret);
