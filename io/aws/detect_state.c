/* SPDX-License-Identifier: Apache-2.0 */
/*
 * detect_state — wanted attributes are kept, the first thing that goes wrong is remembered.
 */
#include "io/aws/detect_state.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/base/fault.h"

static void keep_fault(struct detect_state *state, struct slice key, int err)
{
    if (err != 0) {
        state->err = state->err == 0 ? err : state->err;
        detect_state_note(state, false, "%.*s: %s", (int)key.len, (const char *)key.ptr,
                          fault_text(err));
    }
}

void detect_state_put(struct detect_state *state, struct slice key, struct slice text)
{
    if (text.len > 0 && resource_detect_plan_wants(state->plan, state->detector, key)) {
        keep_fault(state, key, resource_detected_put(&state->found, key, text));
    }
}

void detect_state_put_list(struct detect_state *state, const char *key, const struct slice *texts,
                           size_t count)
{
    struct slice name = slice_of_text(key);
    if (count > 0 && resource_detect_plan_wants(state->plan, state->detector, name)) {
        keep_fault(state, name, resource_detected_put_list(&state->found, name, texts, count));
    }
}

void detect_state_finish(struct detect_state *state)
{
    ASSERT(!state->is_done);
    state->is_done = true;
}

void detect_state_note(struct detect_state *state, bool is_momentary, const char *format, ...)
{
    va_list arguments;
    if (state->why[0] != '\0') {
        return;
    }
    state->is_momentary = is_momentary;
    va_start(arguments, format);
    (void)vsnprintf(state->why, sizeof(state->why), format, arguments);
    va_end(arguments);
}
