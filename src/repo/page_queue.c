#include "repo/page_queue.h"

#include <stdlib.h>

#include "base/mem.h"

/* So many bytes wait at most, but for one page. */
#define WAITING_MAX ((size_t)4 << 20)

/* A frame of bases is worth being read for pages of this part of its length. */
#define WORTH_PART 32

struct waiting_page {
    struct piece piece; /* offset: in the bytes of the queue */
    struct place at;    /* of the base */
};

void page_queue_init(struct page_queue *q, struct framer *to)
{
    *q = (struct page_queue){.framer = to};
}

void page_queue_done(struct page_queue *q)
{
    buf_done(&q->bytes);
    mem_free(q->pages);
}

void page_queue_add(struct page_queue *q, const struct piece *p, struct slice bytes,
                    const struct hash *base, const struct place *at)
{
    if (q->bytes.size >= WAITING_MAX)
        page_queue_flush(q);
    if (q->count == q->room) {
        q->room = q->room == 0 ? 64 : q->room * 2;
        q->pages = mem_resize(q->pages, q->room, sizeof(*q->pages));
    }

    struct waiting_page *w = &q->pages[q->count++];

    *w = (struct waiting_page){.piece = *p, .at = *at};
    w->piece.base = *base;
    w->piece.offset = q->bytes.size;
    buf_append_slice(&q->bytes, bytes);
}

/* By the places of their bases, and those with the same one as they came. */
static int page_order(const void *a, const void *b)
{
    const struct waiting_page *left = a, *right = b;

    if (left->at.frame != right->at.frame)
        return left->at.frame < right->at.frame ? -1 : 1;
    if (left->at.offset != right->at.offset)
        return left->at.offset < right->at.offset ? -1 : 1;
    return left->piece.offset < right->piece.offset ? -1 : 1;
}

/* The end of the pages from first on whose bases stand in one frame, and whether they are worth it.
 */
static size_t find_end(const struct page_queue *q, size_t first, bool *are_worth)
{
    const uint32_t frame = q->pages[first].at.frame;
    size_t end = first, size = 0;

    for (; end < q->count && q->pages[end].at.frame == frame; end++)
        size += q->pages[end].piece.size;
    *are_worth = size * WORTH_PART >= repo_frame_size(q->framer->pack->repo, frame);
    return end;
}

static void hand_over(struct page_queue *q, const struct waiting_page *w, bool is_worth)
{
    const struct slice bytes = SLICE_OF(q->bytes.data + w->piece.offset, w->piece.size);

    if (!is_worth || !framer_gather_after(q->framer, &w->piece, bytes, &w->piece.base, &w->at))
        framer_gather(q->framer, &w->piece, bytes);
    framer_settle(q->framer);
}

void page_queue_flush(struct page_queue *q)
{
    bool are_worth = false;
    size_t end = 0;

    if (q->count > 0)
        qsort(q->pages, q->count, sizeof(*q->pages), page_order);
    for (size_t i = 0; i < q->count; i++) {
        if (i == end)
            end = find_end(q, i, &are_worth);
        hand_over(q, &q->pages[i], are_worth);
    }
    q->count = 0;
    buf_clear(&q->bytes);
}
