/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_split — a path of open messages that moves through the request, piece by piece.
 *
 * A piece is an edit of the whole request that takes out what was dealt out before it and what
 * comes after it. Since children stand in one run (otlp_normal), that is two removals at each level
 * of the path, however large the request is.
 */
#include "core/otlp/otlp_split.h"

#include "core/base/mem.h"
#include "core/otlp/otlp_edit.h"
#include "core/otlp/otlp_normal.h"

/* Tag and length of a message; none has a length of more than 5 bytes. */
#define PREFIX_MAX_BYTES (2 + 5)

/* A piece that is being dealt. */
struct deal {
    struct otlp_edit edit;
    const struct otlp_split_limits *limits;
    uint64_t item_count;
    size_t bytes; /* at most so many, so far */
};

static uint32_t item_depth(enum signal signal)
{
    return signal == SIGNAL_METRICS ? OTLP_SPLIT_LEVELS_MAX : 3;
}

/* The number of the children at a level, request first; 0 for a metric without data. */
static uint32_t child_number_of(uint32_t level, struct slice message)
{
    static const uint32_t numbers[OTLP_SPLIT_LEVELS_MAX] = {OTLP_RESOURCES, OTLP_SCOPES, OTLP_ITEMS,
                                                            0, OTLP_POINTS};
    struct otlp_field data;
    ASSERT(level < OTLP_SPLIT_LEVELS_MAX);
    if (level != 3) {
        return numbers[level];
    }
    return otlp_metric_data(message, &data) ? data.number : 0;
}

static void push_level(struct otlp_split *split, const struct otlp_field *field)
{
    ASSERT(split->depth < OTLP_SPLIT_LEVELS_MAX);
    uint32_t number = child_number_of(split->depth, field->content);
    struct otlp_layout layout = otlp_layout_of(field->content, number, 0);
    split->levels[split->depth++] = (struct otlp_split_level){.field = *field,
                                                              .first = layout.first_child,
                                                              .next = layout.first_child,
                                                              .limit = layout.last_end,
                                                              .child_number = number};
}

int otlp_split_init(struct otlp_split *split, enum signal signal, struct slice request,
                    struct arena *arena)
{
    *split = (struct otlp_split){.signal = signal, .request = request};
    if (!otlp_is_regular(signal, request)) {
        struct otlp_edit edit;
        otlp_edit_init(&edit, arena, request);
        int err = otlp_regularise(&edit, signal);
        if (err == 0) {
            err = otlp_edit_finish(&edit, &split->request, &split->memory);
        }
        if (err != 0) {
            *split = (struct otlp_split){.signal = signal};
            return err;
        }
    }
    struct otlp_field root = {.wire_type = PB_WIRE_BYTES, .content = split->request};
    push_level(split, &root);
    return 0;
}

bool otlp_split_is_done(const struct otlp_split *split)
{
    return split->depth == 0 ||
           (split->depth == 1 && split->levels[0].next == split->levels[0].limit);
}

void otlp_split_fini(struct otlp_split *split)
{
    mem_free(split->memory);
    *split = (struct otlp_split){0};
}

static void remove_run(struct otlp_edit *e, const uint8_t *begin, const uint8_t *end)
{
    if (begin != end) {
        otlp_edit_remove(e, slice_of(begin, (size_t)(end - begin)));
    }
}

/* What a message brings into the piece before any of its children does. */
static size_t frame_bytes(const struct otlp_split_level *level)
{
    return level->field.content.len - (size_t)(level->limit - level->first) + PREFIX_MAX_BYTES;
}

/* Opens the path where the last piece ended and takes out what is dealt out already. */
static void resume_path(const struct otlp_split *split, struct deal *deal)
{
    for (uint32_t i = 0; i < split->depth; i++) {
        const struct otlp_split_level *level = &split->levels[i];
        bool is_last = i + 1 == split->depth;
        if (i > 0) {
            otlp_edit_open(&deal->edit, &level->field);
        }
        remove_run(&deal->edit, level->first, is_last ? level->next : level[1].field.whole.ptr);
        deal->bytes += frame_bytes(level);
    }
}

/* Takes out what comes after the piece, and closes the path. */
static void cut_path(struct otlp_split *split, struct deal *deal)
{
    /* What was opened in vain waits for the next piece. */
    while (split->depth > 1 &&
           split->levels[split->depth - 1].next == split->levels[split->depth - 1].first) {
        otlp_edit_close_undone(&deal->edit);
        split->depth--;
        split->levels[split->depth - 1].next = split->levels[split->depth].field.whole.ptr;
    }
    for (uint32_t i = split->depth; i > 0; i--) {
        const struct otlp_split_level *level = &split->levels[i - 1];
        remove_run(&deal->edit, level->next, level->limit);
        if (i > 1) {
            otlp_edit_close(&deal->edit);
        }
    }
}

static bool has_room(const struct deal *deal, size_t item_bytes)
{
    const struct otlp_split_limits *limits = deal->limits;
    if (deal->item_count == 0) {
        return true; /* or it would never leave */
    }
    if (limits->item_max != 0 && deal->item_count >= limits->item_max) {
        return false;
    }
    return limits->bytes_max == 0 ||
           (deal->bytes <= limits->bytes_max && item_bytes <= limits->bytes_max - deal->bytes);
}

/* Takes the next child of the innermost open message, or goes into it. False: no room for it. */
static bool deal_child(struct otlp_split *split, struct deal *deal)
{
    struct otlp_split_level *level = &split->levels[split->depth - 1];
    struct pb_reader in = {.pos = level->next, .end = level->limit};
    struct otlp_field child;
    bool is_there = otlp_field_next(&in, &child);
    ASSERT(is_there);
    ASSERT(child.number == level->child_number);
    if (split->depth < item_depth(split->signal)) {
        level->next = in.pos;
        push_level(split, &child);
        otlp_edit_open(&deal->edit, &child);
        deal->bytes += frame_bytes(&split->levels[split->depth - 1]);
        return has_room(deal, 0); /* a cut leaves it again */
    }
    if (!has_room(deal, child.whole.len)) {
        return false;
    }
    level->next = in.pos;
    deal->item_count++;
    deal->bytes += child.whole.len;
    return true;
}

/* Deals until the piece is full or the request at its end, then closes the path. */
static void deal_piece(struct otlp_split *split, struct deal *deal)
{
    for (;;) {
        const struct otlp_split_level *level = &split->levels[split->depth - 1];
        if (level->next != level->limit) {
            if (!deal_child(split, deal)) {
                cut_path(split, deal);
                return;
            }
            continue;
        }
        if (split->depth == 1) {
            return;
        }
        otlp_edit_close(&deal->edit);
        split->depth--;
    }
}

int otlp_split_next(struct otlp_split *split, struct arena *arena,
                    const struct otlp_split_limits *limits, struct part *out)
{
    ASSERT(!otlp_split_is_done(split));
    struct otlp_split before = *split;
    struct deal deal = {.limits = limits};
    otlp_edit_init(&deal.edit, arena, split->request);
    resume_path(split, &deal);
    deal_piece(split, &deal);
    struct part piece = {
        .encoding = PART_OTLP, .signal = split->signal, .item_count = (uint32_t)deal.item_count};
    int err = otlp_edit_finish(&deal.edit, &piece.bytes, &piece.memory);
    if (err != 0) {
        *split = before;
        return err;
    }
    *out = piece;
    return 0;
}
