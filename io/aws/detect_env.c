/* SPDX-License-Identifier: Apache-2.0 */
/*
 * detect_env — one pair after another, cut at '=' and ','.
 */
#include "io/aws/detect_env.h"

#include <ctype.h>

/* One pair, as written. */
struct pair {
    struct slice key;
    struct slice value;
};

static struct slice trim(struct slice s)
{
    while (s.len > 0 && isspace(s.ptr[0])) {
        s = slice_from(s, 1);
    }
    while (s.len > 0 && isspace(s.ptr[s.len - 1])) {
        s = slice_first(s, s.len - 1);
    }
    return s;
}

static bool is_ascii(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

/* Takes the next pair off `*rest`. False where it is none. */
static bool take_pair(struct slice *rest, struct pair *out)
{
    size_t equals = slice_find(*rest, '=');
    if (equals == rest->len) {
        return false;
    }
    struct slice value = slice_from(*rest, equals + 1);
    size_t comma = slice_find(value, ',');
    *out = (struct pair){.key = trim(slice_first(*rest, equals)),
                         .value = trim(slice_first(value, comma))};
    *rest = slice_from(value, comma < value.len ? comma + 1 : comma);
    return out->key.len > 0 && out->key.len <= DETECT_ENV_TEXT_MAX_BYTES &&
           out->value.len <= DETECT_ENV_TEXT_MAX_BYTES && is_ascii(out->key) &&
           is_ascii(out->value);
}

static int digit_of(uint8_t c)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = c == '\0' ? NULL : strchr(digits, tolower(c));
    return found == NULL ? -1 : (int)(found - digits);
}

/* Undoes the encoding of URL queries. False for a '%' without two digits, or what is no UTF-8. */
static bool unescape(struct slice text, uint8_t buf[DETECT_ENV_TEXT_MAX_BYTES], struct slice *out)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c == '%') {
            int high = text.len - i > 2 ? digit_of(text.ptr[i + 1]) : -1;
            int low = text.len - i > 2 ? digit_of(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            c = (uint8_t)(high * 16 + low);
            i += 2;
        } else if (c == '+') {
            c = ' ';
        }
        buf[len] = c;
        len++;
    }
    *out = slice_of(buf, len);
    return slice_is_utf8(*out);
}

/* Is the text well-formed? With a state, also what it says. */
static bool read_pairs(struct slice text, struct detect_state *state)
{
    struct slice rest = text;
    while (rest.len > 0) {
        uint8_t buf[DETECT_ENV_TEXT_MAX_BYTES];
        struct pair pair;
        struct slice value;
        if (!take_pair(&rest, &pair) || !unescape(pair.value, buf, &value)) {
            return false;
        }
        if (state != NULL) {
            detect_state_put(state, pair.key, value);
        }
    }
    return true;
}

static void env_start(struct detect_state *state)
{
    struct slice text = trim(CONTAINER_OF(state, struct detect_env, state)->text);
    if (read_pairs(text, NULL)) {
        bool is_read = read_pairs(text, state);
        ASSERT(is_read);
    } else {
        detect_state_note(state, false, "the variable is not of the form key=value,key2=value2");
    }
    detect_state_finish(state);
}

static void env_stop(struct detect_state *state)
{
    (void)state; /* nothing is ever under way */
}

static const struct detect_ops env_ops = {.start = env_start, .stop = env_stop};

void detect_env_init(struct detect_env *env, const struct resource_detect_plan *plan,
                     struct slice text)
{
    *env = (struct detect_env){
        .state = {.ops = &env_ops, .plan = plan, .detector = DETECTOR_ENV},
        .text = text,
    };
}
