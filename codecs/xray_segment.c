/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_segment — the members of a document, led by the tables of xray_schema.
 *
 * One loop over a stack of frames: a frame is an object whose members come next, or an array of
 * objects. Later members of a name replace earlier ones; of objects they add to them, as in the
 * Collector. Source: X-Ray segment documents.
 */
#include "codecs/xray_segment.h"

#include <errno.h>

#include "core/base/fault.h"
#include "core/base/mem.h"

/* A segment brings its object and the array it stands in; cause, exceptions and stack come on top.
 */
#define FRAMES_MAX (2 * XRAY_DEPTH_MAX + 8)

struct frame {
    struct xray_slots *slots; /* where members go; of an array: where the array goes */
    uint32_t first;           /* array: where it begins */
    uint32_t node_index;      /* the segment around it */
    uint8_t object;           /* enum xray_object: of the members, or of the elements */
    uint8_t slot;             /* array: which slot */
    bool is_array;
    bool is_behind_value;
    uint32_t member_count; /* so far */
};

/* What one walk needs besides the tables. */
struct walk {
    struct xray_segment *segment;
    uint32_t depth;
    struct xray_slots ignored; /* of elements that are only checked */
    struct frame frames[FRAMES_MAX];
};

_Static_assert(sizeof(struct xray_node) < 512, "a document has a few of these at least");

/*
 * Each step takes the place in the text where it begins and returns the place behind, or NULL where
 * the document is refused: a place in a register instead of in memory is 10 % less a document.
 */
static const uint8_t *refuse(struct walk *w, enum xray_why why)
{
    w->segment->why = why;
    return NULL;
}

/*
 * A new frame for members that go to `slots`; filled in place, because a copy of fresh small fields
 * stalls.
 */
static inline struct frame *push(struct walk *w, struct xray_slots *slots, uint32_t node_index,
                                 uint8_t object)
{
    ASSERT(w->depth < FRAMES_MAX);
    struct frame *f = &w->frames[w->depth];
    w->depth++;
    f->slots = slots;
    f->node_index = node_index;
    f->object = object;
    f->is_array = false;
    f->is_behind_value = false;
    f->member_count = 0;
    return f;
}

static inline void set_present(struct xray_slots *slots, uint8_t slot)
{
    slots->present |= UINT64_C(1) << slot;
}

/* A new node for a segment inside `parent`. False: there are too many. */
static bool add_node(struct walk *w, uint32_t parent_index, uint32_t depth)
{
    struct xray_segment *segment = w->segment;
    if (segment->node_count == XRAY_SEGMENTS_MAX) {
        segment->why = XRAY_WHY_SEGMENTS;
        return false;
    }
    if (depth > XRAY_DEPTH_MAX) {
        segment->why = XRAY_WHY_DEPTH;
        return false;
    }
    struct xray_node *node = &segment->nodes[segment->node_count];
    node->slots.present = 0;
    node->parent_index = parent_index;
    node->depth = depth;
    segment->node_count++;
    return true;
}

/* --- arrays ----------------------------------------------------------------------------------- */

/* One element of an array of texts. */
static const uint8_t *take_text(struct walk *w, const uint8_t *pos)
{
    struct xray_text text;
    pos = xray_segment_skip(w->segment, pos, &text);
    if (pos != NULL && text.kind != XRAY_KIND_STRING && text.kind != XRAY_KIND_NULL) {
        return refuse(w, XRAY_WHY_TYPE);
    }
    return pos;
}

/* An array of texts, checked and forgotten. */
static const uint8_t *take_texts(struct walk *w, const uint8_t *pos)
{
    if (*pos != '[') {
        return refuse(w, XRAY_WHY_TYPE);
    }
    pos = xray_scan_blanks(pos + 1);
    if (*pos == ']') {
        return pos + 1;
    }
    for (;;) {
        pos = take_text(w, pos);
        if (pos == NULL) {
            return NULL;
        }
        pos = xray_scan_blanks(pos);
        if (*pos == ']') {
            return pos + 1;
        }
        if (*pos != ',') {
            return refuse(w, XRAY_WHY_JSON);
        }
        pos = xray_scan_blanks(pos + 1);
    }
}

static const uint8_t *open_array(struct walk *w, const struct frame *f,
                                 const struct xray_member *member, const uint8_t *pos)
{
    if (*pos != '[') {
        return refuse(w, XRAY_WHY_TYPE);
    }
    if (member->type == XRAY_TYPE_SUBSEGMENTS) {
        /* Those of an earlier member of the name are replaced; they are the last nodes. */
        w->segment->node_count = f->node_index + 1;
    }
    struct frame *inner = push(w, f->slots, f->node_index, member->object);
    inner->first = (uint32_t)(pos - w->segment->text);
    inner->slot = member->slot;
    inner->is_array = true;
    return pos + 1;
}

static const uint8_t *close_array(struct walk *w, const struct frame *f, const uint8_t *pos)
{
    uint32_t limit = (uint32_t)(pos + 1 - w->segment->text);
    f->slots->at[f->slot] = (struct xray_text){.first = f->first,
                                               .len = (uint16_t)(limit - f->first),
                                               .kind = XRAY_KIND_ARRAY,
                                               .flags = f->is_behind_value ? XRAY_FLAG_FILLED : 0};
    set_present(f->slots, f->slot);
    w->depth--;
    return pos + 1;
}

/* An element that is no object can only be null. */
static const uint8_t *take_null_element(struct walk *w, const uint8_t *pos)
{
    struct xray_text text;
    const uint8_t *behind = xray_scan_scalar(w->segment->text, pos, &text);
    if (behind == NULL || text.kind != XRAY_KIND_NULL) {
        return refuse(w, *pos == 0 ? XRAY_WHY_JSON : XRAY_WHY_TYPE);
    }
    return behind;
}

static const uint8_t *take_element(struct walk *w, struct frame *f, const uint8_t *pos)
{
    pos = xray_scan_blanks(pos);
    if (*pos == ']') {
        return close_array(w, f, pos);
    }
    if (f->is_behind_value) {
        if (*pos != ',') {
            return refuse(w, XRAY_WHY_JSON);
        }
        pos = xray_scan_blanks(pos + 1);
    }
    f->is_behind_value = true;
    struct xray_slots *slots = &w->ignored;
    uint32_t node_index = f->node_index;
    if (f->object == XRAY_OBJECT_SEGMENT) {
        node_index = w->segment->node_count;
        if (!add_node(w, f->node_index, w->segment->nodes[f->node_index].depth + 1)) {
            return NULL;
        }
        slots = &w->segment->nodes[node_index].slots;
    }
    if (*pos != '{') {
        return take_null_element(w, pos);
    }
    (void)push(w, slots, node_index, f->object); /* complete */
    return pos + 1;
}

/* --- members ---------------------------------------------------------------------------------- */

/* The member whose name has escapes, or NULL. */
static const struct xray_member *find_escaped(const struct walk *w, enum xray_object object,
                                              struct xray_text key)
{
    struct json_text text = xray_segment_string(w->segment, key);
    uint8_t name[XRAY_NAME_ROOM_BYTES + sizeof(uint64_t)] = {0};
    size_t len = json_text_len(text);
    if (len > XRAY_NAME_MAX_BYTES) {
        return NULL;
    }
    (void)json_text_write(text, name); /* returns what json_text_len did */
    return xray_schema_find(&w->segment->index, object, name, len);
}

/* The member that `key` names, or NULL; *guess is tried first, and learns. 7 % less a document. */
static inline const struct xray_member *find_member(const struct walk *w, enum xray_object object,
                                                    struct xray_text key,
                                                    const struct xray_member **guess)
{
    const struct xray_segment *segment = w->segment;
    const uint8_t *name = segment->text + key.first;
    const struct xray_member *member = *guess;
    if (WEIR_UNLIKELY(key.flags != 0)) {
        return find_escaped(w, object, key);
    }
    if (member != NULL && member->len == key.len && xray_schema_is_name(member, name, key.len)) {
        return member;
    }
    member = xray_schema_find(&segment->index, object, name, key.len);
    *guess = member;
    return member;
}

static const uint8_t *open_object(struct walk *w, const struct frame *f,
                                  const struct xray_member *member, const uint8_t *pos)
{
    if (*pos != '{') {
        return refuse(w, XRAY_WHY_TYPE);
    }
    f->slots->at[member->slot] = (struct xray_text){.kind = XRAY_KIND_OBJECT};
    set_present(f->slots, member->slot);
    (void)push(w, f->slots, f->node_index, member->object); /* complete */
    return pos + 1;
}

static const uint8_t *take_cause(struct walk *w, const struct frame *f,
                                 const struct xray_member *member, const uint8_t *pos)
{
    if (*pos == '{') {
        return open_object(w, f, member, pos);
    }
    if (*pos != '"') {
        return refuse(w, XRAY_WHY_TYPE);
    }
    f->slots->present &= ~member->is_inside;
    set_present(f->slots, member->slot);
    pos = xray_scan_string(w->segment->text, pos, &f->slots->at[member->slot]);
    return pos != NULL ? pos : refuse(w, XRAY_WHY_JSON);
}

/* Is every member of the object at `index` an object or null? */
static bool is_map_of_maps(const struct xray_segment *segment, uint32_t index)
{
    uint32_t limit = segment->items[index].limit_index;
    for (uint32_t i = index + 1; i < limit; i = segment->items[i].limit_index) {
        uint8_t kind = segment->items[i].value.kind;
        if (kind != XRAY_KIND_OBJECT && kind != XRAY_KIND_NULL) {
            return false;
        }
    }
    return true;
}

static const uint8_t *take_map(struct walk *w, const struct frame *f,
                               const struct xray_member *member, const uint8_t *pos)
{
    struct xray_text *text = &f->slots->at[member->slot];
    if (*pos != '{') {
        return refuse(w, XRAY_WHY_TYPE);
    }
    pos = xray_segment_keep(w->segment, pos, text);
    if (pos != NULL && member->type == XRAY_TYPE_MAPS &&
        !is_map_of_maps(w->segment, xray_item_index(*text))) {
        return refuse(w, XRAY_WHY_TYPE);
    }
    set_present(f->slots, member->slot);
    return pos;
}

static inline bool is_of_type(const struct xray_text *text, uint8_t type)
{
    static const uint8_t kinds[] = {
        [XRAY_TYPE_TEXT] = 1 << XRAY_KIND_STRING,
        [XRAY_TYPE_NUMBER] = 1 << XRAY_KIND_NUMBER,
        [XRAY_TYPE_INTEGER] = 1 << XRAY_KIND_NUMBER,
        [XRAY_TYPE_BOOL] = 1 << XRAY_KIND_TRUE | 1 << XRAY_KIND_FALSE,
        [XRAY_TYPE_ANY] = UINT8_MAX,
    };
    ASSERT(type < COUNT_OF(kinds));
    return (kinds[type] >> text->kind & 1) != 0 &&
           (type != XRAY_TYPE_INTEGER || (text->flags & XRAY_FLAG_INTEGER) != 0);
}

static const uint8_t *take_scalar(struct walk *w, const struct frame *f,
                                  const struct xray_member *member, const uint8_t *pos)
{
    struct xray_text *text = &f->slots->at[member->slot];
    pos = xray_segment_skip(w->segment, pos, text);
    if (pos == NULL) {
        return NULL;
    }
    set_present(f->slots, member->slot);
    return is_of_type(text, member->type) ? pos : refuse(w, XRAY_WHY_TYPE);
}

/* Null empties the member and all that was inside. */
static const uint8_t *take_null(struct walk *w, const struct frame *f,
                                const struct xray_member *member, const uint8_t *pos)
{
    struct xray_text text;
    f->slots->present &= ~member->is_inside;
    if (member->type == XRAY_TYPE_SUBSEGMENTS) {
        w->segment->node_count = f->node_index + 1;
    }
    pos = xray_scan_scalar(w->segment->text, pos, &text);
    return pos != NULL ? pos : refuse(w, XRAY_WHY_JSON);
}

static const uint8_t *take_other(struct walk *w, const struct frame *f,
                                 const struct xray_member *member, const uint8_t *pos)
{
    if (*pos == 'n') {
        return take_null(w, f, member, pos);
    }
    switch ((enum xray_type)member->type) {
    case XRAY_TYPE_TEXT:
    case XRAY_TYPE_NUMBER:
    case XRAY_TYPE_INTEGER:
    case XRAY_TYPE_BOOL:
    case XRAY_TYPE_ANY:
        return take_scalar(w, f, member, pos);
    case XRAY_TYPE_OBJECT:
        return open_object(w, f, member, pos);
    case XRAY_TYPE_LIST:
    case XRAY_TYPE_SUBSEGMENTS:
        return open_array(w, f, member, pos);
    case XRAY_TYPE_TEXTS:
        return take_texts(w, pos);
    case XRAY_TYPE_MAP:
    case XRAY_TYPE_MAPS:
        return take_map(w, f, member, pos);
    case XRAY_TYPE_CAUSE:
        return take_cause(w, f, member, pos);
    }
    return refuse(w, XRAY_WHY_TYPE);
}

/* A text where one belongs is two thirds of all members. */
static inline const uint8_t *take_value(struct walk *w, const struct frame *f,
                                        const struct xray_member *member, const uint8_t *pos)
{
    if (member->type != XRAY_TYPE_TEXT || *pos != '"') {
        return take_other(w, f, member, pos);
    }
    pos = xray_scan_string(w->segment->text, pos, &f->slots->at[member->slot]);
    set_present(f->slots, member->slot);
    return pos != NULL ? pos : refuse(w, XRAY_WHY_JSON);
}

static inline const uint8_t *take_member(struct walk *w, const struct frame *f, const uint8_t *pos,
                                         const struct xray_member **guess)
{
    struct xray_text key;
    pos = xray_scan_key(w->segment->text, pos, &key);
    if (pos == NULL) {
        return refuse(w, XRAY_WHY_JSON);
    }
    const struct xray_member *member = find_member(w, (enum xray_object)f->object, key, guess);
    pos = xray_scan_blanks(pos);
    if (member != NULL) {
        return take_value(w, f, member, pos);
    }
    struct xray_text ignored;
    return xray_segment_skip(w->segment, pos, &ignored);
}

/* Members of the innermost frame, until it is closed or another one is opened. */
static const uint8_t *take_members(struct walk *w, struct frame *f, const uint8_t *pos)
{
    uint32_t depth = w->depth;
    bool is_behind_value = f->is_behind_value;
    f->is_behind_value = true; /* when its turn comes again */
    const struct xray_member **guesses = w->segment->guesses[f->node_index != 0][f->object];
    while (pos != NULL && w->depth == depth) {
        pos = xray_scan_blanks(pos);
        if (*pos == '}') {
            w->depth--;
            return pos + 1;
        }
        if (is_behind_value) {
            if (*pos != ',') {
                return refuse(w, XRAY_WHY_JSON);
            }
            pos = xray_scan_blanks(pos + 1);
        }
        is_behind_value = true;
        pos = take_member(w, f, pos, &guesses[f->member_count % XRAY_GUESSES_MAX]);
        f->member_count++;
    }
    return pos;
}

/* Goes on until all frames are closed. */
static const uint8_t *walk_frames(struct walk *w, const uint8_t *pos)
{
    while (pos != NULL && w->depth > 0) {
        struct frame *f = &w->frames[w->depth - 1];
        pos = f->is_array ? take_element(w, f, pos) : take_members(w, f, pos);
    }
    return pos;
}

/* --- documents -------------------------------------------------------------------------------- */

int xray_segment_init(struct xray_segment *segment)
{
    *segment = (struct xray_segment){0};
    xray_schema_index(&segment->index);
    segment->text = mem_alloc(XRAY_DOCUMENT_MAX_BYTES + XRAY_SCAN_PAD_BYTES);
    segment->nodes = mem_alloc(XRAY_SEGMENTS_MAX * sizeof(struct xray_node));
    segment->items = mem_alloc(XRAY_ITEMS_MAX * sizeof(struct xray_item));
    if (segment->text == NULL || segment->nodes == NULL || segment->items == NULL) {
        xray_segment_fini(segment);
        return -ENOMEM;
    }
    return 0;
}

void xray_segment_fini(struct xray_segment *segment)
{
    mem_free(segment->text);
    mem_free(segment->nodes);
    mem_free(segment->items);
    *segment = (struct xray_segment){0};
}

/* What stands behind the opening bracket of the outermost object. */
static const uint8_t *read_root(struct walk *w, const uint8_t *pos)
{
    bool is_good = add_node(w, 0, 1);
    ASSERT(is_good);
    (void)push(w, &w->segment->nodes[0].slots, 0, XRAY_OBJECT_SEGMENT); /* complete */
    return walk_frames(w, pos);
}

bool xray_segment_read(struct xray_segment *segment, struct slice document)
{
    struct walk w;
    w.segment = segment;
    w.depth = 0;
    segment->node_count = 0;
    segment->item_count = 0;
    if (document.len > XRAY_DOCUMENT_MAX_BYTES) {
        return refuse(&w, XRAY_WHY_SIZE) != NULL;
    }
    if (document.len > 0) {
        memcpy(segment->text, document.ptr, document.len);
    }
    memset(segment->text + document.len, 0, XRAY_SCAN_PAD_BYTES);
    const uint8_t *pos = xray_scan_blanks(segment->text);
    if (*pos != '{') {
        return refuse(&w, XRAY_WHY_NO_OBJECT) != NULL;
    }
    pos = read_root(&w, pos + 1);
    if (pos == NULL) {
        return false;
    }
    bool is_whole = xray_scan_blanks(pos) == segment->text + document.len;
    return is_whole || refuse(&w, XRAY_WHY_JSON) != NULL;
}

struct xray_list xray_segment_list(const struct xray_segment *segment, struct xray_text array)
{
    ASSERT(array.kind == XRAY_KIND_ARRAY);
    return (struct xray_list){.pos = segment->text + array.first + 1};
}

bool xray_segment_next(struct xray_segment *segment, struct xray_list *list,
                       enum xray_object object, struct xray_slots *out)
{
    const uint8_t *pos = xray_scan_blanks(list->pos);
    if (*pos == ']') {
        return false;
    }
    if (*pos == ',') {
        pos = xray_scan_blanks(pos + 1);
    }
    struct walk w;
    w.segment = segment;
    w.depth = 0;
    out->present = 0;
    if (*pos == '{') {
        (void)push(&w, out, 0, (uint8_t)object); /* complete */
        pos = walk_frames(&w, pos + 1);
    } else {
        pos += sizeof("null") - 1;
    }
    ASSERT(pos != NULL); /* it was read before */
    list->pos = pos;
    return true;
}
