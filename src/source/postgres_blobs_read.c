/*
 * Large objects from the file that postgres_blobs.h describes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "source/postgres_blobs.h"
#include "source/postgres_restore_run.h"

#define PIECE_MAX ((size_t)1 << 20)  /* bytes at a time, as they are stored */
#define HEAD_MAX  ((size_t)16 << 20) /* of owner, rights and comment */

/* The file, and how far it is read. */
struct source {
    struct postgres_file file;
    struct buf bytes;
    size_t taken;
    bool is_ended;
};

static void source_auto(struct source *s)
{
    postgres_file_auto(&s->file);
    buf_done(&s->bytes);
}

static struct slice rest_of(const struct source *s)
{
    return SLICE_OF(s->bytes.data + s->taken, s->bytes.size - s->taken);
}

static bool source_more(struct source *s, struct err *e)
{
    const size_t left = s->bytes.size - s->taken;

    if (left > 0)
        memmove(s->bytes.data, s->bytes.data + s->taken, left);
    s->bytes.size = left;
    s->taken = 0;
    if (!postgres_file_next(&s->file, &s->bytes, e))
        return false;
    s->is_ended = s->bytes.size == left;
    return true;
}

static bool cut_short(struct err *e)
{
    return err_set(e, ERR_CORRUPT, "their file is damaged");
}

/* The next size bytes, valid until the next call. */
static bool source_take(struct source *s, size_t size, struct slice *out, struct err *e)
{
    while (s->bytes.size - s->taken < size) {
        if (s->is_ended)
            return cut_short(e);
        if (!source_more(s, e))
            return false;
    }
    *out = SLICE_OF(s->bytes.data + s->taken, size);
    s->taken += size;
    return true;
}

static void stored_auto(struct postgres_blob_stored *b)
{
    arena_done(&b->arena);
}

/* *is_there: there is one more. */
static bool head_take(struct source *s, struct postgres_blob_stored *b, bool *is_there,
                      struct err *e)
{
    struct postgres_blob head = {0};
    struct slice rest = rest_of(s);

    while (!postgres_blob_take(&rest, &head)) {
        if (s->is_ended && rest.size == 0) {
            *is_there = false;
            return true;
        }
        if (s->is_ended || rest.size > HEAD_MAX)
            return cut_short(e);
        if (!source_more(s, e))
            return false;
        rest = rest_of(s);
    }
    s->taken = s->bytes.size - rest.size;
    b->owner = arena_string(&b->arena, head.owner);
    b->rights = arena_string(&b->arena, head.rights);
    b->comment = arena_string(&b->arena, head.comment);
    (void)snprintf(b->number, sizeof(b->number), "%" PRIu32, head.oid); /* 10 digits at most */
    *is_there = true;
    return true;
}

static bool content_take(struct source *s, const struct postgres_blob_stored *b,
                         const struct postgres_blobs_visitor *v, struct err *e)
{
    uint64_t offset = 0;

    for (;;) {
        struct slice bytes = {0};
        uint32_t size = 0;

        if (!source_take(s, sizeof(size), &bytes, e))
            return false;
        if (!take_u32(&bytes, &size) || size > PIECE_MAX)
            return cut_short(e);
        if (size == 0)
            return offset > 0 || v->piece(v->arg, b, 0, (struct slice){0}, e);
        if (!source_take(s, size, &bytes, e) || !v->piece(v->arg, b, offset, bytes, e))
            return false;
        offset += size;
    }
}

bool postgres_blobs_read(const struct postgres_files *files, uint64_t wanted,
                         const struct postgres_blobs_visitor *v, struct err *e)
{
    AUTO(source) struct source s = {0};
    uint64_t count = 0;

    if (!postgres_file_open(&s.file, files, "blobs.bin", e))
        return false;
    for (;;) {
        AUTO(stored) struct postgres_blob_stored b = {0};
        bool is_there = false;

        if (!head_take(&s, &b, &is_there, e))
            return false;
        if (!is_there)
            break;
        if (!content_take(&s, &b, v, e) || !v->end(v->arg, &b, e))
            return err_wrap(e, "number %s", b.number);
        count++;
    }
    return count == wanted ||
           err_set(e, ERR_CORRUPT, "their file has %" PRIu64 ", and the manifest tells of %" PRIu64,
                   count, wanted);
}
