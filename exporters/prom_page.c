/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_page — fills one buffer per turn and lends it to the connection.
 *
 * A piece ends with a whole series, so it may be larger than PROM_PIECE_BYTES by one series.
 */
#include "exporters/prom_page.h"

#include "core/base/mem.h"
#include "exporters/exporter_bounds.h"
#include "io/loop.h"

static void show_series(struct prom_page *page, const struct prom_series *series,
                        uint64_t now_mono_ns)
{
    if (now_mono_ns - series->seen_mono_ns > page->expiration_ns) {
        return;
    }
    const struct prom_family *family = &series->entry->family;
    if (page->is_family_due) {
        prom_text_family(&page->piece, page->format, family);
        page->is_family_due = false;
    }
    const struct prom_point point = {
        .family = family,
        .labels = slice_of(series->labels, series->labels_len),
        .time_unix_ns = page->has_timestamps ? series->value.time_unix_ns : 0,
    };
    prom_value_show(&series->value, &page->piece, page->format, &point);
}

static enum http1_produced page_on_produce(struct http1_producer *producer, struct slice *piece)
{
    struct prom_page *page = CONTAINER_OF(producer, struct prom_page, producer);
    uint64_t now_mono_ns = loop_now_mono_ns(page->loop);
    bytes_clear(&page->piece);
    bool is_end = false;
    while (!is_end && page->piece.len < PROM_PIECE_BYTES && page->piece.err == 0) {
        bool is_first = false;
        const struct prom_series *series =
            prom_cursor_next(page->registry, &page->cursor, &is_first);
        page->is_family_due = page->is_family_due || is_first;
        is_end = series == NULL;
        if (!is_end) {
            show_series(page, series, now_mono_ns);
        }
    }
    if (is_end) {
        prom_text_end(&page->piece, page->format);
    }
    if (page->piece.err != 0) {
        return HTTP1_PRODUCED_FAILED;
    }
    *piece = bytes_slice(&page->piece);
    return is_end ? HTTP1_PRODUCED_LAST : HTTP1_PRODUCED_MORE;
}

static void page_on_closed(struct http1_producer *producer)
{
    struct prom_page *page = CONTAINER_OF(producer, struct prom_page, producer);
    page->on_closed(page);
    prom_page_free(page);
}

struct prom_page *prom_page_new(const struct prom_page_options *options, void *owner,
                                prom_page_closed_fn *on_closed)
{
    struct prom_page *page = mem_alloc(sizeof(*page));
    if (page == NULL) {
        return NULL;
    }
    page->producer.on_produce = page_on_produce;
    page->producer.on_closed = page_on_closed;
    page->registry = options->registry;
    page->loop = options->loop;
    page->format = options->format;
    page->expiration_ns = options->expiration_ns;
    page->has_timestamps = options->has_timestamps;
    page->owner = owner;
    page->on_closed = on_closed;
    bytes_init(&page->piece, PROM_PIECE_MAX_BYTES);
    prom_cursor_open(page->registry, &page->cursor);
    return page;
}

void prom_page_free(struct prom_page *page)
{
    if (page != NULL) {
        prom_cursor_close(page->registry, &page->cursor);
        bytes_fini(&page->piece);
        mem_free(page);
    }
}
