/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_to_otlp_attr — slots become attributes, by tables: the span's, the resource's.
 *
 * Names are those of the Collector's awsxray receiver, which X-Ray's exporters know how to turn
 * back. Attributes come out in the order of the tables.
 */
#include <math.h>

#include "codecs/xray_to_otlp_parts.h"
#include "core/base/number.h"

#define BIT(slot) (UINT64_C(1) << (slot))
#define ROW(slot, own_form, text)                                                                  \
    [XRAY_SLOT_##slot] = {.key = {.ptr = (const uint8_t *)("" text), .len = sizeof(text) - 1},     \
                          .form = XRAY_FORM_##own_form}

/* What a double's integer part may be to be an int64_t. */
#define INTEGER_LIMIT 9223372036854775808.0
/* Lengths below take one byte each. */
#define SHORT_MAX_BYTES 0x7F
/* Longer keys than those of numbers and words that are short with every value. */
#define KEY_MAX_BYTES 100

static const struct xray_row span_rows[XRAY_SLOT_COUNT] = {
    ROW(IN_PROGRESS, BOOL, "aws.xray.inprogress"),
    ROW(USER, TEXT, "enduser.id"),
    ROW(METHOD, TEXT, "http.method"),
    ROW(CLIENT_IP, TEXT, "http.client_ip"),
    ROW(USER_AGENT, TEXT, "http.user_agent"),
    ROW(URL, TEXT, "http.url"),
    ROW(X_FORWARDED_FOR, BOOL, "aws.xray.x_forwarded_for"),
    ROW(STATUS, INTEGER, "http.status_code"),
    ROW(CONTENT_LENGTH, LENGTH, "http.response_content_length"),
    ROW(ACCOUNT_ID, TEXT, "aws.account_id"),
    ROW(OPERATION, TEXT, "aws.operation"),
    ROW(REGION, TEXT, "aws.region"),
    ROW(REQUEST_ID, TEXT, "aws.request_id"),
    ROW(QUEUE_URL, TEXT, "aws.queue_url"),
    ROW(TABLE_NAME, TEXT, "aws.table_name"),
    ROW(RETRIES, INTEGER, "aws.xray.retries"),
    ROW(DATABASE_TYPE, TEXT, "db.system"),
    ROW(SANITIZED_QUERY, TEXT, "db.statement"),
    ROW(DATABASE_USER, TEXT, "db.user"),
    ROW(TRACED, BOOL, "aws.xray.traced"),
};

static const struct xray_row resource_rows[XRAY_SLOT_COUNT] = {
    ROW(ACCOUNT_ID, TEXT, "cloud.account.id"),
    ROW(EC2_ZONE, TEXT, "cloud.availability_zone"),
    ROW(EC2_INSTANCE_ID, TEXT, "host.id"),
    ROW(EC2_SIZE, TEXT, "host.type"),
    ROW(EC2_AMI_ID, TEXT, "host.image.id"),
    ROW(ECS_CONTAINER, TEXT, "container.name"),
    ROW(ECS_ZONE, TEXT, "cloud.availability_zone"),
    ROW(ECS_CONTAINER_ID, TEXT, "container.id"),
    ROW(BEANSTALK_ENVIRONMENT, TEXT, "service.namespace"),
    ROW(BEANSTALK_DEPLOYMENT, DECIMAL, "service.instance.id"),
    ROW(BEANSTALK_VERSION, TEXT, "service.version"),
    ROW(EKS_CONTAINER_ID, TEXT, "container.id"),
    ROW(EKS_CLUSTER, TEXT, "k8s.cluster.name"),
    ROW(EKS_POD, TEXT, "k8s.pod.name"),
    ROW(SDK_VERSION, TEXT, "telemetry.sdk.version"),
    ROW(SDK, TEXT, "telemetry.sdk.name"),
    ROW(SERVICE_VERSION, TEXT, "service.version"),
    ROW(RESOURCE_ARN, TEXT, "aws.xray.resource_arn"),
};

/* Bits of the slots from `first` to `last`. */
#define BITS(first, last) ((BIT(XRAY_SLOT_##last) - BIT(XRAY_SLOT_##first)) | BIT(XRAY_SLOT_##last))
/* Those of the tables above. */
#define SPAN_SLOTS                                                                                 \
    (BITS(IN_PROGRESS, CONTENT_LENGTH) | BITS(ACCOUNT_ID, RETRIES) | BITS(DATABASE_TYPE, TRACED))
#define RESOURCE_SLOTS                                                                             \
    (BIT(XRAY_SLOT_ACCOUNT_ID) | BITS(EC2_ZONE, SDK) | BITS(SERVICE_VERSION, RESOURCE_ARN))

/* --- attributes ------------------------------------------------------------------------------- */

/*
 * Writes an attribute but for the content of its value, at most SHORT_MAX_BYTES altogether, and
 * returns where `value_len` bytes of that go; NULL where there is no room. One piece instead of six
 * fields.
 */
static inline uint8_t *put_short(struct otlp_build *b, uint32_t tag, struct slice key,
                                 size_t value_len)
{
    size_t content_len = key.len + value_len + 4;
    ASSERT(content_len <= SHORT_MAX_BYTES);
    uint8_t *at = xray_room(b, content_len + 2);
    if (WEIR_UNLIKELY(at == NULL)) {
        return NULL;
    }
    at[0] = (uint8_t)tag;
    at[1] = (uint8_t)content_len;
    at[2] = XRAY_TAG_KEY;
    at[3] = (uint8_t)key.len;
    if (key.len > 0) {
        memcpy(at + 4, key.ptr, key.len);
    }
    at += 4 + key.len;
    at[0] = XRAY_TAG_VALUE;
    at[1] = (uint8_t)value_len;
    return at + 2;
}

void xray_attr_put_text(struct xray_to_otlp *t, uint32_t tag, struct slice key, struct slice value)
{
    if (WEIR_UNLIKELY(key.len + value.len > SHORT_MAX_BYTES - 6)) {
        otlp_build_attribute(&t->build, tag, key, value);
        return;
    }
    uint8_t *at = put_short(&t->build, tag, key, value.len + 2);
    if (at == NULL) {
        return;
    }
    at[0] = XRAY_TAG_STRING;
    at[1] = (uint8_t)value.len;
    if (value.len > 0) {
        memcpy(at + 2, value.ptr, value.len);
    }
}

/* The value written since `mark` gets its key. */
static void close_attr(struct otlp_build *b, size_t mark, uint32_t tag, struct slice key)
{
    otlp_build_close(b, mark, XRAY_TAG_VALUE);
    otlp_build_text_field(b, XRAY_TAG_KEY, key);
    otlp_build_close(b, mark, tag);
}

static void put_varint(struct xray_to_otlp *t, uint32_t tag, struct slice key, uint8_t value_tag,
                       uint64_t value)
{
    if (key.len > KEY_MAX_BYTES || value > SHORT_MAX_BYTES) {
        size_t mark = otlp_build_mark(&t->build);
        otlp_build_varint_field(&t->build, value_tag, value);
        close_attr(&t->build, mark, tag, key);
        return;
    }
    uint8_t *at = put_short(&t->build, tag, key, 2);
    if (at != NULL) {
        at[0] = value_tag;
        at[1] = (uint8_t)value;
    }
}

static void put_integer(struct xray_to_otlp *t, uint32_t tag, struct slice key, int64_t value)
{
    put_varint(t, tag, key, XRAY_TAG_INT, (uint64_t)value);
}

void xray_attr_put_bool(struct xray_to_otlp *t, uint32_t tag, struct slice key, bool value)
{
    put_varint(t, tag, key, XRAY_TAG_BOOL, value ? 1 : 0);
}

void xray_attr_put_double(struct xray_to_otlp *t, uint32_t tag, struct slice key, double value)
{
    if (key.len > KEY_MAX_BYTES) {
        size_t mark = otlp_build_mark(&t->build);
        otlp_build_double_field(&t->build, XRAY_TAG_DOUBLE, value);
        close_attr(&t->build, mark, tag, key);
        return;
    }
    uint8_t *at = put_short(&t->build, tag, key, 1 + sizeof(value));
    if (at != NULL) {
        at[0] = XRAY_TAG_DOUBLE;
        memcpy(at + 1, &value, sizeof(value));
    }
}

void xray_attr_put_element(struct xray_to_otlp *t, struct slice text)
{
    size_t mark = otlp_build_mark(&t->build);
    otlp_build_text_field(&t->build, XRAY_TAG_STRING, text);
    otlp_build_close(&t->build, mark, XRAY_TAG_ELEMENT);
}

void xray_attr_close_array(struct xray_to_otlp *t, size_t mark, uint32_t tag, struct slice key)
{
    otlp_build_close(&t->build, mark, XRAY_TAG_ARRAY);
    close_attr(&t->build, mark, tag, key);
}

/* --- rows ------------------------------------------------------------------------------------- */

static int64_t integer_of(struct xray_to_otlp *t, struct xray_text text)
{
    int64_t value = 0;
    if (number_parse_i64(xray_segment_raw(&t->segment, text), &value) != 0) {
        xray_refuse(t, XRAY_WHY_NUMBER);
    }
    return value;
}

static void put_decimal(struct xray_to_otlp *t, uint32_t tag, struct slice key, int64_t value)
{
    char buf[NUMBER_TEXT_MAX_BYTES];
    size_t len = number_format_i64(value, buf, sizeof(buf));
    xray_attr_put_text(t, tag, key, slice_of(buf, len));
}

/* A length may be a number of any form, or text; what is neither, or out of range, says nothing. */
static void put_length(struct xray_to_otlp *t, uint32_t tag, struct slice key,
                       struct xray_text text)
{
    if (text.kind == XRAY_KIND_STRING) {
        size_t mark = t->text_len;
        xray_attr_put_text(t, tag, key, xray_text_undo(t, text));
        t->text_len = mark;
    } else if (text.kind == XRAY_KIND_NUMBER) {
        double value = 0;
        if (number_parse_f64(xray_segment_raw(&t->segment, text), &value) != 0) {
            xray_refuse(t, XRAY_WHY_NUMBER);
        } else if (fabs(value) < INTEGER_LIMIT) {
            put_integer(t, tag, key, (int64_t)value);
        }
    }
}

static void put_row(struct xray_to_otlp *t, uint32_t tag, const struct xray_row *row,
                    struct xray_text text)
{
    size_t mark = t->text_len;
    switch ((enum xray_form)row->form) {
    case XRAY_FORM_TEXT:
        xray_attr_put_text(t, tag, row->key, xray_text_undo(t, text));
        t->text_len = mark;
        break;
    case XRAY_FORM_BOOL:
        xray_attr_put_bool(t, tag, row->key, text.kind == XRAY_KIND_TRUE);
        break;
    case XRAY_FORM_INTEGER:
        put_integer(t, tag, row->key, integer_of(t, text));
        break;
    case XRAY_FORM_DECIMAL:
        put_decimal(t, tag, row->key, integer_of(t, text));
        break;
    case XRAY_FORM_LENGTH:
        put_length(t, tag, row->key, text);
        break;
    }
}

void xray_attr_put_rows(struct xray_to_otlp *t, uint32_t tag, const struct xray_row *rows,
                        uint64_t wanted, const struct xray_slots *slots)
{
    bool may_be_annotated = t->has_dotted && tag == XRAY_TAG_SPAN_ATTR;
    wanted &= slots->present;
    while (wanted != 0) {
        uint32_t slot = 63 - (uint32_t)__builtin_clzll(wanted);
        const struct xray_row *row = &rows[slot];
        wanted ^= BIT(slot);
        ASSERT(row->key.len > 0);
        if (!may_be_annotated || !xray_is_annotated(t, row->key)) {
            put_row(t, tag, row, slots->at[slot]);
        }
    }
}

/* --- sql.url ---------------------------------------------------------------------------------- */

/*
 *     jdbc:postgresql://host:5432/ebdb?x=y
 *     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ ^^^^
 *
 * Up to the last colon before the first slash, and the authority where a slash ends it; then the
 * name, up to a question mark. False where there is no such colon, or nothing before it.
 */
static bool split_url(struct slice url, struct slice *connection, struct slice *name)
{
    size_t head_len = slice_find(url, '/');
    while (head_len > 0 && url.ptr[head_len - 1] != ':') {
        head_len--;
    }
    if (head_len < 2) {
        return false;
    }
    struct slice rest = slice_from(url, head_len);
    size_t connection_len = head_len;
    if (slice_has_prefix(rest, SLICE_LITERAL("//"))) {
        struct slice authority = slice_from(rest, 2);
        size_t authority_len = slice_find(authority, '/');
        bool is_ended = authority_len > 0 && authority_len < authority.len;
        connection_len += is_ended ? 2 + authority_len : 0;
        rest = is_ended ? slice_from(authority, authority_len + 1) : rest;
    }
    *connection = slice_first(url, connection_len);
    *name = slice_first(rest, slice_find(rest, '?'));
    return true;
}

static void put_sql_url(struct xray_to_otlp *t, struct xray_text text)
{
    static const struct slice name_key = {.ptr = (const uint8_t *)"db.name", .len = 7};
    static const struct slice connection_key = {.ptr = (const uint8_t *)"db.connection_string",
                                                .len = 20};
    struct slice connection;
    struct slice name;
    size_t mark = t->text_len;
    if (!split_url(xray_text_undo(t, text), &connection, &name)) {
        xray_refuse(t, XRAY_WHY_BAD_SQL_URL);
        return;
    }
    if (!xray_is_annotated(t, name_key)) {
        xray_attr_put_text(t, XRAY_TAG_SPAN_ATTR, name_key, name);
    }
    if (!xray_is_annotated(t, connection_key)) {
        xray_attr_put_text(t, XRAY_TAG_SPAN_ATTR, connection_key, connection);
    }
    t->text_len = mark;
}

void xray_write_span_attrs(struct xray_to_otlp *t, const struct xray_slots *slots)
{
    xray_attr_put_rows(t, XRAY_TAG_SPAN_ATTR, span_rows, SPAN_SLOTS, slots);
    if (xray_slots_have(slots, XRAY_SLOT_SQL_URL)) {
        put_sql_url(t, slots->at[XRAY_SLOT_SQL_URL]);
    }
}

/* --- resource --------------------------------------------------------------------------------- */

/* The text behind the first "for ", unless exceptions make the stack traces Java's. */
static void put_language(struct xray_to_otlp *t, const struct xray_slots *slots)
{
    static const struct slice separator = {.ptr = (const uint8_t *)"for ", .len = 4};
    struct slice key = SLICE_LITERAL("telemetry.sdk.language");
    if (!xray_slots_have(slots, XRAY_SLOT_SDK)) {
        return;
    }
    if (xray_slots_have(slots, XRAY_SLOT_EXCEPTIONS) &&
        (slots->at[XRAY_SLOT_EXCEPTIONS].flags & XRAY_FLAG_FILLED) != 0) {
        xray_attr_put_text(t, XRAY_TAG_RESOURCE_ATTR, key, SLICE_LITERAL("java"));
        return;
    }
    size_t mark = t->text_len;
    struct slice sdk = xray_text_undo(t, slots->at[XRAY_SLOT_SDK]);
    while (sdk.len > 0 && !slice_has_prefix(sdk, separator)) {
        sdk = slice_from(sdk, 1);
    }
    if (sdk.len > 0) {
        struct slice language = slice_from(sdk, separator.len);
        xray_attr_put_text(t, XRAY_TAG_RESOURCE_ATTR, key, language);
    }
    t->text_len = mark;
}

/* The texts of one slot of all log groups, as an array. */
static void put_log_texts(struct xray_to_otlp *t, uint32_t count, uint32_t slot, struct slice key)
{
    size_t begin = otlp_build_mark(&t->build);
    for (uint32_t i = count; i > 0; i--) {
        const struct xray_item *item = &t->segment.items[t->segment.item_count + i - 1];
        struct xray_text text = slot == XRAY_LOG_ARN ? item->key : item->value;
        if (text.kind == XRAY_KIND_STRING) {
            size_t mark = t->text_len;
            xray_attr_put_element(t, xray_text_undo(t, text));
            t->text_len = mark;
        }
    }
    if (otlp_build_mark(&t->build) > begin) {
        xray_attr_close_array(t, begin, XRAY_TAG_RESOURCE_ATTR, key);
    }
}

static void put_logs(struct xray_to_otlp *t, struct xray_text array)
{
    struct xray_segment *segment = &t->segment;
    struct xray_list list = xray_segment_list(segment, array);
    struct xray_slots log;
    uint32_t count = 0;
    while (xray_segment_next(segment, &list, XRAY_OBJECT_LOG, &log)) {
        ASSERT(segment->item_count + count < XRAY_ITEMS_MAX);
        struct xray_item *item = &segment->items[segment->item_count + count];
        *item = (struct xray_item){0};
        if (xray_slots_have(&log, XRAY_LOG_ARN)) {
            item->key = log.at[XRAY_LOG_ARN];
        }
        if (xray_slots_have(&log, XRAY_LOG_GROUP)) {
            item->value = log.at[XRAY_LOG_GROUP];
        }
        count++;
    }
    put_log_texts(t, count, XRAY_LOG_GROUP, SLICE_LITERAL("aws.log.group.names"));
    put_log_texts(t, count, XRAY_LOG_ARN, SLICE_LITERAL("aws.log.group.arns"));
}

/* Of two slots of one attribute, the later one in the Collector's order wins. */
static uint64_t resource_slots(const struct xray_slots *slots)
{
    uint64_t wanted = RESOURCE_SLOTS;
    if (xray_slots_have(slots, XRAY_SLOT_ECS_ZONE)) {
        wanted &= ~BIT(XRAY_SLOT_EC2_ZONE);
    }
    if (xray_slots_have(slots, XRAY_SLOT_EKS_CONTAINER_ID)) {
        wanted &= ~BIT(XRAY_SLOT_ECS_CONTAINER_ID);
    }
    if (xray_slots_have(slots, XRAY_SLOT_SERVICE_VERSION)) {
        wanted &= ~BIT(XRAY_SLOT_BEANSTALK_VERSION);
    }
    return wanted;
}

void xray_write_resource_attrs(struct xray_to_otlp *t, const struct xray_slots *slots)
{
    put_language(t, slots);
    xray_attr_put_rows(t, XRAY_TAG_RESOURCE_ATTR, resource_rows, resource_slots(slots), slots);
    if (xray_slots_have(slots, XRAY_SLOT_LOGS)) {
        put_logs(t, slots->at[XRAY_SLOT_LOGS]);
    }
    bool is_aws = xray_slots_have(slots, XRAY_SLOT_AWS);
    xray_attr_put_text(t, XRAY_TAG_RESOURCE_ATTR, SLICE_LITERAL("cloud.provider"),
                       is_aws ? SLICE_LITERAL("aws") : SLICE_LITERAL("unknown"));
    size_t mark = t->text_len;
    xray_attr_put_text(t, XRAY_TAG_RESOURCE_ATTR, SLICE_LITERAL("service.name"),
                       xray_text_undo(t, slots->at[XRAY_SLOT_NAME]));
    t->text_len = mark;
}
