#include "job/feed.h"

#include <string.h>

/* Holes come in pieces this long. */
#define ZEROS_STEP ((size_t)64 << 10)

bool feed_open(struct feed *f, struct reader *rd, const struct entry *en, struct err *e)
{
    AUTO(buf) struct buf ids = {0};

    if (!reader_content(rd, en, &ids, e))
        return false;
    *f = (struct feed){.reader = rd, .ids = ids, .size = en->size};
    ids = (struct buf){0};
    extent_begin(&f->at, en->holes);
    return true;
}

void feed_close(struct feed *f)
{
    buf_done(&f->ids);
    buf_done(&f->chunk);
    buf_done(&f->piece);
}

void feed_auto(struct feed *f)
{
    feed_close(f);
}

static void put_zeros(struct feed *f, struct buf *out)
{
    const size_t size = f->zeros < ZEROS_STEP ? (size_t)f->zeros : ZEROS_STEP;

    memset(buf_extend(out, size), 0, size);
    f->zeros -= size;
}

static bool take_chunk(struct feed *f, struct err *e)
{
    struct hash id;

    memcpy(id.bytes, f->ids.data + f->next, HASH_SIZE);
    f->next += HASH_SIZE;
    f->taken = 0;
    buf_clear(&f->chunk);
    return reader_chunk(f->reader, CHUNK_DATA, &id, &f->chunk, e);
}

bool feed_next(void *arg, struct buf *out, struct err *e)
{
    struct feed *f = arg;

    if (f->zeros == 0)
        f->zeros = extent_skip(&f->at);
    if (f->zeros > 0) {
        put_zeros(f, out);
        return true;
    }
    if (f->taken == f->chunk.size && f->next < f->ids.size && !take_chunk(f, e))
        return false;

    const size_t left = f->chunk.size - f->taken;
    const size_t size = (size_t)extent_room(&f->at, left);

    if (left == 0)
        return f->at.at == f->size ||
               err_set(e, ERR_CORRUPT, "its chunks do not add up to its size");
    buf_append(out, f->chunk.data + f->taken, size);
    f->taken += size;
    f->at.at += size;
    return true;
}

bool feed_read(void *arg, void *to, size_t room, size_t *got, struct err *e)
{
    struct feed *f = arg;

    if (f->given == f->piece.size) {
        f->given = 0;
        buf_clear(&f->piece);
        if (!feed_next(f, &f->piece, e))
            return false;
    }

    const size_t left = f->piece.size - f->given;

    *got = left < room ? left : room;
    if (*got > 0)
        memcpy(to, f->piece.data + f->given, *got);
    f->given += *got;
    return true;
}

bool feed_get(struct reader *rd, const struct hash *tree, const char *path, struct buf *out,
              struct err *e)
{
    AUTO(buf) struct buf keep = {0};
    AUTO(feed) struct feed f = {0};
    struct entry en;
    size_t before;

    if (!tree_find(rd, tree, path, &keep, &en, e))
        return false;
    if (en.type != ENTRY_FILE || en.size > FEED_GET_MAX)
        return err_set(e, ERR_CORRUPT, "%s: no file of at most %zu bytes", path, FEED_GET_MAX);
    if (!feed_open(&f, rd, &en, e))
        return err_wrap(e, "%s", path);
    do {
        before = out->size;
        if (!feed_next(&f, out, e))
            return err_wrap(e, "%s", path);
    } while (out->size > before);
    return true;
}
