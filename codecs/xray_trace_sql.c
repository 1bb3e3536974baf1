/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_trace_sql — the `sql` block of a call to a relational database.
 *
 * The stable names of the semantic conventions count where the old ones are absent.
 */
#include "codecs/xray_trace_parts.h"

static bool is_sql(struct slice system)
{
    static const char *const systems[] = {"db2",    "derby",    "hive",     "mariadb",
                                          "mssql",  "mysql",    "oracle",   "postgresql",
                                          "sqlite", "teradata", "other_sql"};
    for (size_t i = 0; i < COUNT_OF(systems); i++) {
        if (slice_is_text(system, systems[i])) {
            return true;
        }
    }
    return false;
}

/* Both are consumed; the first that has a text wins. */
static struct slice take_either(struct xray_trace *t, enum xray_key old_key, enum xray_key new_key)
{
    struct slice old_text = xray_attrs_take(&t->attrs, old_key);
    struct slice new_text = xray_attrs_take(&t->attrs, new_key);
    return old_text.len > 0 ? old_text : new_text;
}

/* Where the database is, and its name: "localhost/orders". */
static struct slice connection_string(struct xray_trace *t)
{
    struct slice place = xray_attrs_take(&t->attrs, XRAY_KEY_DB_CONNECTION_STRING);
    struct slice name = take_either(t, XRAY_KEY_DB_NAME, XRAY_KEY_DB_NAMESPACE);
    place = place.len > 0 ? place : SLICE_LITERAL("localhost");
    bytes_clear(&t->scratch);
    bytes_append(&t->scratch, place.ptr, place.len);
    bytes_append_byte(&t->scratch, '/');
    bytes_append(&t->scratch, name.ptr, name.len);
    return t->scratch.err == 0 ? bytes_slice(&t->scratch) : place;
}

void xray_trace_put_sql(struct xray_trace *t)
{
    struct json_out *out = &t->out;
    struct slice system = xray_attrs_text(&t->attrs, XRAY_KEY_DB_SYSTEM);
    system = system.len > 0 ? system : xray_attrs_text(&t->attrs, XRAY_KEY_DB_SYSTEM_NAME);
    if (!is_sql(system)) {
        return;
    }
    (void)take_either(t, XRAY_KEY_DB_SYSTEM, XRAY_KEY_DB_SYSTEM_NAME); /* known already */
    json_out_key(out, SLICE_LITERAL("sql"));
    json_out_open(out, '{');
    xray_put_text(out, SLICE_LITERAL("url"), t->span.name);
    xray_put_text(out, SLICE_LITERAL("connection_string"), connection_string(t));
    xray_put_text(out, SLICE_LITERAL("database_type"), system);
    xray_put_text(out, SLICE_LITERAL("user"), xray_attrs_take(&t->attrs, XRAY_KEY_DB_USER));
    xray_put_text(out, SLICE_LITERAL("sanitized_query"),
                  take_either(t, XRAY_KEY_DB_STATEMENT, XRAY_KEY_DB_QUERY_TEXT));
    json_out_close(out, '}');
}
