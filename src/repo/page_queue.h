/*
 * Private to the writer: pages of trees with a base, until it shows which bases are worth being
 * read.
 *
 * A frame is read to use one base that stands in it, and again by each who reads the delta, so it
 * has to serve many pages.  Pages wait for each other, and are then taken in the order of their
 * bases: what a delta rests on stands close together.
 *
 * A queue belongs to one thread.
 */
#ifndef REPO_PAGE_QUEUE_H
#define REPO_PAGE_QUEUE_H

#include "repo/framer.h"

struct page_queue {
    struct framer *framer; /* receives the pages */
    struct buf bytes;
    struct waiting_page *pages;
    size_t count, room;
};

/* The framer is borrowed. */
void page_queue_init(struct page_queue *q, struct framer *to);
void page_queue_done(struct page_queue *q);

/* Add a page, or list, whose base stands at this place in a plain frame. */
void page_queue_add(struct page_queue *q, const struct piece *p, struct slice bytes,
                    const struct hash *base, const struct place *at);

/* Hand all that wait to the framer. */
void page_queue_flush(struct page_queue *q);

#endif
