/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counts — every member that ever was, gone ones too.
 */
#include "tests/support/balancer/counts.h"

#include "tests/support/balancer/member.h"
#include "tests/support/balancer/udp_flow.h"

struct row {
    const char *name;
    uint64_t count;
};

static int put_rows(json_t *object, const struct row *rows, size_t row_count)
{
    for (size_t i = 0; i < row_count; i++) {
        if (json_object_set_new(object, rows[i].name, json_integer((json_int_t)rows[i].count)) !=
            0) {
            return -1;
        }
    }
    return 0;
}

static json_t *member_counts(const struct balancer *b, const struct listener *l, uint32_t index)
{
    const struct member *m = &l->members[index];
    const struct member_counts *c = &m->counts;
    const struct row rows[] = {
        {"datagrams", c->datagram_count},
        {"datagram_bytes", c->datagram_bytes},
        {"refused_datagrams", c->refused_datagram_count},
        {"failed_datagrams", c->failed_datagram_count},
        {"flows", udp_flow_count(b, l, index)},
        {"connections", c->connection_count},
        {"refused_connections", c->refused_connection_count},
        {"reset_connections", c->reset_connection_count},
        {"bytes_to_target", c->bytes_to_target},
        {"bytes_to_client", c->bytes_to_client},
        {"checks_passed", c->check_passed_count},
        {"checks_failed", c->check_failed_count},
    };
    json_t *out = json_pack("{s:s}", "state", member_state_text(m->state));
    if (out != NULL && put_rows(out, rows, COUNT_OF(rows)) != 0) {
        json_decref(out);
        return NULL;
    }
    return out;
}

static json_t *listener_counts(const struct balancer *b, const struct listener *l)
{
    const struct row rows[] = {
        {"datagrams", l->datagram_count},
        {"datagram_bytes", l->datagram_bytes},
        {"nobody_datagrams", l->nobody_datagram_count},
        {"overrun_datagrams", l->overrun_datagram_count},
        {"connections", l->connection_count},
        {"nobody_connections", l->nobody_connection_count},
    };
    json_t *out = json_object();
    json_t *targets = json_object();
    if (put_rows(out, rows, COUNT_OF(rows)) != 0 || json_object_set(out, "targets", targets) != 0) {
        json_decref(out);
        out = NULL;
    }
    for (uint32_t i = 0; i < b->target_count && out != NULL; i++) {
        if (json_object_set_new(targets, b->targets[i].name, member_counts(b, l, i)) != 0) {
            json_decref(out);
            out = NULL;
        }
    }
    json_decref(targets);
    return out;
}

json_t *counts_of(const struct balancer *b)
{
    json_t *out = json_object();
    for (uint32_t i = 0; i < b->listener_count && out != NULL; i++) {
        const struct listener *l = &b->listeners[i];
        if (json_object_set_new(out, l->name, listener_counts(b, l)) != 0) {
            json_decref(out);
            out = NULL;
        }
    }
    return out;
}
