/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exporter_auth — one section with one key; whether the extension is there the graph finds out.
 */
#include "exporters/exporter_auth.h"

#include <errno.h>

#include "core/engine/config.h"
#include "exporters/http_client_config.h"

int exporter_auth_read(struct config_reader *r, struct arena *texts, const char **out)
{
    struct config_reader auth;
    struct slice id;
    int err = 0;
    *out = NULL;
    bool is_present = config_open_section(r, "auth", &auth);
    bool has_id = config_read_text(&auth, "authenticator", NULL, &id) && id.len > 0;
    if (is_present && !has_id) {
        (void)config_require(&auth, "authenticator"); /* says that it is missing */
    }
    if (has_id && slice_find(id, 0) != id.len) {
        config_refuse(&auth, "authenticator", "authenticator must not hold a NUL byte");
        has_id = false;
    }
    if (has_id) {
        *out = http_text_copy(texts, id);
        err = *out == NULL ? -ENOMEM : 0;
    }
    (void)config_reader_finish(&auth); /* the parent's finish knows */
    return err;
}
