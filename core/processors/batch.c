/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch — the copying of what is small, and the cutting of what is too much.
 */
#include "core/processors/batch.h"

#include <errno.h>
#include <string.h>

#include "core/base/bounds.h"
#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/engine/config.h"
#include "core/model/documents.h"

#define DEFAULT_ITEMS 8192
#define DEFAULT_TIMEOUT_NS (200 * CLOCK_NS_PER_MS)
#define DEFAULT_CARDINALITY 1000

/* --- configuration ---------------------------------------------------------------------------- */

int batch_config_read(struct config_reader *config, struct batch_config *out)
{
    uint32_t cardinality = 0; /* bounds what metadata_keys make, and there are none */
    *out = (struct batch_config){0};
    (void)config_read_u32(config, "send_batch_size", DEFAULT_ITEMS, UINT32_MAX,
                          &out->send_batch_size);
    (void)config_read_u32(config, "send_batch_max_size", 0, UINT32_MAX, &out->send_batch_max_size);
    (void)config_read_duration_ns(config, "timeout", DEFAULT_TIMEOUT_NS, &out->timeout_ns);
    (void)config_read_u32(config, "metadata_cardinality_limit", DEFAULT_CARDINALITY, UINT32_MAX,
                          &cardinality);
    config_known_unsupported(config, "metadata_keys");
    if (out->send_batch_max_size > 0 && out->send_batch_max_size < out->send_batch_size) {
        config_refuse(config, "send_batch_max_size",
                      "send_batch_max_size must be at least send_batch_size, %u",
                      out->send_batch_size);
    }
    return config_reader_finish(config);
}

/* --- life ------------------------------------------------------------------------------------- */

int batcher_init(struct batcher *b, const struct batch_config *config, enum signal signal,
                 batcher_copied_fn *on_copied)
{
    *b = (struct batcher){
        .config = *config,
        .signal = signal,
        .on_copied = on_copied,
        .first_mono_ns = UINT64_MAX,
        .close_by_mono_ns = UINT64_MAX,
    };
    if (config->send_batch_max_size == 0) {
        return 0; /* nothing is ever cut */
    }
    return arena_init(&b->scratch, BATCH_SCRATCH_CHUNK_BYTES, BATCH_SCRATCH_MAX_BYTES);
}

void batcher_fini(struct batcher *b)
{
    otlp_split_fini(&b->split);
    batch_free(b->open);
    part_fini(&b->gather);
    part_fini(&b->cut);
    arena_fini(&b->scratch);
    *b = (struct batcher){.first_mono_ns = UINT64_MAX, .close_by_mono_ns = UINT64_MAX};
}

/* --- in --------------------------------------------------------------------------------------- */

/*
 * Parts below this are copied together. The more parts there are already, the larger are those
 * still copied, so that a batch of many middling ones does not become a list of thousands.
 */
static size_t copied_below_bytes(const struct batcher *b)
{
    uint32_t part_count = b->open == NULL ? 0 : b->open->part_count;
    if (part_count < BATCH_PARTS_MAX / 2) {
        return BATCH_COPY_BYTES;
    }
    return part_count < BATCH_PARTS_MAX - BATCH_PARTS_MAX / 4 ? BATCH_COPY_MORE_BYTES
                                                              : BATCH_GATHER_MAX_BYTES;
}

/* The batch that parts are pushed to. 0 or -ENOMEM. */
static int open_batch(struct batcher *b, uint64_t now_mono_ns)
{
    if (b->open == NULL) {
        b->open = batch_new(b->signal, now_mono_ns);
    }
    return b->open == NULL ? -ENOMEM : 0;
}

/* Gives back the larger half of a buffer that a timeout closed early. */
static void trim_gather(struct batcher *b)
{
    size_t used = b->gather.bytes.len;
    uint8_t *memory =
        used > 0 && used <= b->gather_cap_bytes / 2 ? mem_resize(b->gather.memory, used) : NULL;
    if (memory != NULL) { /* a refusal only means that it stays as large as it is */
        b->gather.memory = memory;
        b->gather.bytes.ptr = memory;
        b->gather_cap_bytes = used;
    }
}

/* Moves the gathered part, if there is one, into the open batch. 0 or -ENOMEM. */
static int seal_gather(struct batcher *b, uint64_t now_mono_ns)
{
    if (b->gather.memory == NULL) {
        return 0;
    }
    int err = open_batch(b, now_mono_ns);
    if (err != 0) {
        return err;
    }
    trim_gather(b);
    err = batch_push(b->open, &b->gather);
    b->gather_cap_bytes = err == 0 ? 0 : b->gather_cap_bytes;
    return err;
}

/* Room for `bytes` more in the gathered part, of `encoding`. 0 or -ENOMEM. */
static int grow_gather(struct batcher *b, size_t bytes, enum part_encoding encoding)
{
    size_t used = b->gather.bytes.len;
    size_t cap = b->gather_cap_bytes == 0 ? BATCH_GATHER_MIN_BYTES : b->gather_cap_bytes;
    ASSERT(bytes <= BATCH_GATHER_MAX_BYTES && used <= BATCH_GATHER_MAX_BYTES - bytes);
    while (cap - used < bytes) {
        cap *= 2;
    }
    if (cap == b->gather_cap_bytes) {
        return 0;
    }
    uint8_t *memory = mem_resize(b->gather.memory, cap);
    if (memory == NULL) {
        return -ENOMEM;
    }
    b->gather.memory = memory;
    b->gather.bytes.ptr = memory;
    b->gather.encoding = encoding;
    b->gather.signal = b->signal;
    b->gather_cap_bytes = cap;
    return 0;
}

/*
 * Copies a small part behind the others: requests of OTLP may be concatenated, and runs of
 * documents too, but not with one another. 0 or -ENOMEM, and then the part is untouched.
 */
static int gather_part(struct batcher *b, struct part *part, uint64_t now_mono_ns)
{
    int err = 0;
    if (part->bytes.len > BATCH_GATHER_MAX_BYTES - b->gather.bytes.len ||
        part->encoding != b->gather.encoding) {
        err = seal_gather(b, now_mono_ns);
    }
    if (err == 0) {
        err = grow_gather(b, part->bytes.len, part->encoding);
    }
    if (err != 0) {
        return err;
    }
    uint8_t *memory = b->gather.memory;
    if (part->bytes.len > 0) {
        memcpy(memory + b->gather.bytes.len, part->bytes.ptr, part->bytes.len);
    }
    b->gather.bytes.len += part->bytes.len;
    b->gather.item_count += part->item_count;
    if (b->on_copied != NULL) {
        b->on_copied(b, part, &b->gather, true);
    }
    part_fini(part);
    return 0;
}

/* Moves a part in as it is, behind what was gathered before it. 0 or -ENOMEM. */
static int keep_part(struct batcher *b, struct part *part, uint64_t now_mono_ns)
{
    int err = seal_gather(b, now_mono_ns);
    if (err == 0) {
        err = open_batch(b, now_mono_ns);
    }
    return err == 0 ? batch_push(b->open, part) : err;
}

int batcher_push(struct batcher *b, struct part *part, uint64_t now_mono_ns)
{
    ASSERT(part->signal == b->signal);
    uint32_t item_count = part->item_count;
    bool is_copied =
        part->bytes.len < copied_below_bytes(b) && item_count <= UINT32_MAX - b->gather.item_count;
    int err = is_copied ? gather_part(b, part, now_mono_ns) : keep_part(b, part, now_mono_ns);
    if (err != 0) {
        return err;
    }
    if (b->first_mono_ns == UINT64_MAX) {
        b->first_mono_ns = now_mono_ns;
    }
    b->item_count += item_count;
    return 0;
}

void batcher_close_by(struct batcher *b, uint64_t deadline_mono_ns)
{
    if (deadline_mono_ns < b->close_by_mono_ns) {
        b->close_by_mono_ns = deadline_mono_ns;
    }
}

uint64_t batcher_held_bytes(const struct batcher *b)
{
    uint64_t open_bytes = b->open == NULL ? 0 : b->open->bytes;
    return open_bytes + b->gather.bytes.len + b->cut.bytes.len;
}

/* --- out -------------------------------------------------------------------------------------- */

static bool is_full(const struct batcher *b)
{
    return b->item_count >= b->config.send_batch_size;
}

static bool is_cutting(const struct batcher *b)
{
    return b->cut.memory != NULL;
}

uint64_t batcher_next_deadline(const struct batcher *b)
{
    if (b->first_mono_ns == UINT64_MAX) {
        return UINT64_MAX;
    }
    uint64_t timeout_ns = b->config.timeout_ns;
    uint64_t deadline = is_full(b) || timeout_ns == 0 ? 0 : b->first_mono_ns;
    if (deadline != 0) {
        deadline = timeout_ns > UINT64_MAX - deadline ? UINT64_MAX : deadline + timeout_ns;
    }
    deadline = b->close_by_mono_ns < deadline ? b->close_by_mono_ns : deadline;
    return deadline < b->retry_mono_ns ? b->retry_mono_ns : deadline;
}

/* Room for all that one cut can put into a batch, so that pushing to it cannot fail. */
static int reserve_parts(struct batch *batch, uint32_t count)
{
    struct part *parts = mem_resize(batch->parts, (size_t)count * sizeof(parts[0]));
    if (parts == NULL) {
        return -ENOMEM;
    }
    batch->parts = parts;
    batch->part_capacity = count;
    return 0;
}

static void push_reserved(struct batch *batch, struct part *part)
{
    int err = batch_push(batch, part);
    ASSERT(err == 0);
}

/* Begins to split a part, which moves to b->cut. */
static int begin_cut(struct batcher *b, struct part *part)
{
    int err = 0;
    if (part->encoding == PART_OTLP) {
        err = otlp_split_init(&b->split, part->signal, part->bytes, &b->scratch);
    }
    if (err != 0) {
        otlp_split_fini(&b->split);
        return err;
    }
    b->cut = *part;
    b->cut_rest = part->bytes;
    b->cut_item_count = part->item_count;
    *part = (struct part){0};
    return 0;
}

static void end_cut(struct batcher *b)
{
    otlp_split_fini(&b->split);
    part_fini(&b->cut);
    b->cut_rest = (struct slice){0};
    b->cut_item_count = 0;
}

/* The next documents of b->cut as a part of their own. 0 or -ENOMEM. */
static int cut_documents(struct batcher *b, uint64_t room, struct part *piece)
{
    uint32_t taken;
    uint32_t count_max = room < UINT32_MAX ? (uint32_t)room : UINT32_MAX;
    size_t len = documents_cut(b->cut_rest, count_max, &taken);
    ASSERT(taken > 0); /* the run is one of ours, and counted */
    int err = part_copy(piece, slice_first(b->cut_rest, len), b->signal, taken);
    if (err == 0) {
        piece->encoding = b->cut.encoding;
        b->cut_rest = slice_from(b->cut_rest, len);
    }
    return err;
}

/* The next items of b->cut as a part of their own; says whether they are the last. */
static int cut_next(struct batcher *b, uint64_t room, struct part *piece, bool *is_last)
{
    if (b->cut.encoding != PART_OTLP) {
        int err = cut_documents(b, room, piece);
        *is_last = b->cut_rest.len == 0;
        return err;
    }
    struct otlp_split_limits limits = {.item_max = room};
    int err = otlp_split_next(&b->split, &b->scratch, &limits, piece);
    *is_last = otlp_split_is_done(&b->split);
    return err;
}

/* At most `room` items of b->cut into the batch. *taken says how many. */
static int cut_piece(struct batcher *b, struct batch *batch, uint64_t room, uint64_t *taken)
{
    struct part piece;
    bool is_last = false;
    int err = cut_next(b, room, &piece, &is_last);
    *taken = 0;
    if (err != 0) {
        return err;
    }
    *taken = piece.item_count;
    ASSERT(*taken <= b->cut_item_count);
    b->cut_item_count -= *taken;
    if (b->on_copied != NULL) {
        b->on_copied(b, &b->cut, &piece, is_last);
    }
    push_reserved(batch, &piece);
    if (is_last) {
        ASSERT(b->cut_item_count == 0);
        end_cut(b);
    }
    return 0;
}

/* Takes the first `count` parts, which moved elsewhere, out of the open batch. */
static void drop_front(struct batch *open, uint32_t count)
{
    ASSERT(count <= open->part_count);
    if (count == 0) {
        return;
    }
    open->part_count -= count;
    memmove(open->parts, open->parts + count, open->part_count * sizeof(open->parts[0]));
    open->item_count = 0;
    open->bytes = 0;
    open->charged_bytes = 0;
    for (uint32_t i = 0; i < open->part_count; i++) {
        open->item_count += open->parts[i].item_count;
        open->bytes += open->parts[i].bytes.len;
        open->charged_bytes += open->parts[i].charged_bytes;
    }
}

/* A part that the scratch memory is too small for leaves whole. */
static bool is_uncuttable(int err, const struct batch *batch)
{
    return err != 0 && err != -ENOMEM && batch->part_count == 0;
}

/* Fills `batch`, which has room for everything, with at most `room` items. */
static int fill_batch(struct batcher *b, struct batch *batch, uint64_t room)
{
    uint32_t moved = 0;
    int err = 0;
    while (err == 0 && room > 0 && (is_cutting(b) || moved < b->open->part_count)) {
        struct part *part = is_cutting(b) ? NULL : &b->open->parts[moved];
        if (part == NULL) {
            uint64_t taken = 0;
            err = cut_piece(b, batch, room, &taken);
            room -= taken < room ? taken : room;
        } else if (part->item_count <= room) {
            room -= part->item_count;
            moved++;
            push_reserved(batch, part);
        } else {
            err = begin_cut(b, part);
            moved += err == 0 ? 1 : 0;
            if (is_uncuttable(err, batch)) {
                counter_add(&b->sent_oversized, 1);
                moved++;
                push_reserved(batch, part);
            }
        }
    }
    drop_front(b->open, moved);
    return err;
}

/* A batch of at most send_batch_max_size items; NULL where memory is refused. */
static struct batch *take_cut(struct batcher *b, uint64_t now_mono_ns)
{
    struct batch *batch = batch_new(b->signal, now_mono_ns);
    if (batch == NULL || reserve_parts(batch, b->open->part_count + 2) != 0) {
        batch_free(batch);
        return NULL;
    }
    /* What stopped early for want of memory goes on with the next batch. */
    (void)fill_batch(b, batch, b->config.send_batch_max_size);
    if (batch->part_count == 0) {
        batch_free(batch);
        return NULL;
    }
    return batch;
}

static struct batch *take_whole(struct batcher *b)
{
    struct batch *batch = b->open;
    b->open = NULL;
    return batch;
}

/* Books a batch that leaves; what stays behind starts its time anew. */
static void note_taken(struct batcher *b, const struct batch *batch, bool was_full,
                       uint64_t now_mono_ns)
{
    counter_add(was_full ? &b->sent_by_size : &b->sent_by_timeout, 1);
    ASSERT(batch->item_count <= b->item_count);
    b->item_count -= batch->item_count;
    bool is_empty = !is_cutting(b) && (b->open == NULL || b->open->part_count == 0);
    b->first_mono_ns = is_empty ? UINT64_MAX : now_mono_ns;
    if (is_empty) {
        ASSERT(b->item_count == 0);
        b->close_by_mono_ns = UINT64_MAX;
    }
}

struct batch *batcher_take(struct batcher *b, uint64_t now_mono_ns, bool force)
{
    uint64_t deadline = batcher_next_deadline(b);
    if (deadline == UINT64_MAX || (!force && deadline > now_mono_ns)) {
        return NULL;
    }
    bool was_full = is_full(b);
    uint64_t max = b->config.send_batch_max_size;
    int err = seal_gather(b, now_mono_ns);
    if (err == 0) {
        err = open_batch(b, now_mono_ns); /* it went, and only cut items are left */
    }
    bool is_whole = !is_cutting(b) && (max == 0 || b->item_count <= max);
    struct batch *batch = NULL;
    if (err == 0) {
        batch = is_whole ? take_whole(b) : take_cut(b, now_mono_ns);
    }
    if (batch == NULL) {
        b->retry_mono_ns = now_mono_ns + BATCH_RETRY_MS * CLOCK_NS_PER_MS;
        return NULL;
    }
    b->retry_mono_ns = 0;
    note_taken(b, batch, was_full, now_mono_ns);
    return batch;
}
