#include "repo/prefix.h"

#include <string.h>

#include "base/text.h"
#include "repo/base_cache.h"

void prefix_init(struct prefix *p, struct repo *r, struct reader *reader)
{
    *p = (struct prefix){.repo = r, .reader = reader, .is_owned = reader == NULL};
}

void prefix_done(struct prefix *p)
{
    if (p->is_owned)
        reader_free(p->reader);
    buf_done(&p->bytes);
}

void prefix_clear(struct prefix *p)
{
    buf_clear(&p->bytes);
}

/* Bases stand in plain frames, so the reader of bases never comes here itself. */
static bool read_base(struct prefix *p, const struct place *at, struct slice *out, struct err *e)
{
    struct index *ix = p->repo->index;
    struct slice frame;

    if (p->reader == NULL)
        p->reader = reader_new(p->repo);
    if (!reader_frame(p->reader, at->frame, &frame, e)) {
        if (e->code == ERR_CORRUPT)
            index_distrust_pack(ix, index_frame_at(ix, at->frame).pack);
        return err_wrap(e, "base");
    }
    if (p->on_frame != NULL)
        p->on_frame(p->arg, at->frame, frame);
    *out = SLICE_OF(frame.data + at->offset, at->size);
    return true;
}

static bool is_last(const struct prefix *p, const struct hash *base)
{
    return p->bytes.size > 0 && memcmp(p->last.bytes, base->bytes, ID_PREFIX_SIZE) == 0;
}

bool prefix_append(struct prefix *p, const struct hash *base, struct slice bytes, struct err *e)
{
    if (is_last(p, base))
        return true;
    if (p->bytes.size + bytes.size > COMPRESS_PREFIX_MAX)
        return err_set(e, ERR_CORRUPT, "the bases of a frame are too long");
    buf_append_slice(&p->bytes, bytes);
    p->last = *base;
    return true;
}

static bool append_kept(struct prefix *p, const struct hash *base, const struct place *at)
{
    if (p->repo->bases == NULL || p->bytes.size + at->size > COMPRESS_PREFIX_MAX ||
        !base_cache_take(p->repo->bases, at, &p->bytes))
        return false;
    p->last = *base;
    return true;
}

bool prefix_add(struct prefix *p, const struct hash *base, struct err *e)
{
    struct index *ix = p->repo->index;
    struct place at, last;
    struct slice bytes;
    char text[65];

    if (is_last(p, base))
        return true;
    if (!index_find_base(ix, base, &at)) {
        hex_encode(SLICE_OF(base->bytes, HASH_SIZE), text);
        return err_set(e, ERR_CORRUPT, "base %.16s is in no pack that exists", text);
    }
    do {
        if (append_kept(p, base, &at))
            return true;
        if (read_base(p, &at, &bytes, e))
            return prefix_append(p, base, bytes, e);
        last = at;
        /* Another copy comes first when there is one whose pack is not distrusted. */
    } while (e->code == ERR_CORRUPT && index_find_base(ix, base, &at) && at.frame != last.frame);
    return false;
}

bool prefix_read_copy(struct prefix *p, const struct hash *base, const struct place *at,
                      struct slice *bytes, struct err *e)
{
    if (is_last(p, base)) {
        *bytes = SLICE_OF(p->bytes.data + p->bytes.size - at->size, at->size);
        return true;
    }
    return read_base(p, at, bytes, e);
}

bool prefix_of_frame(struct prefix *p, uint32_t frame, struct err *e)
{
    const struct index_frame f = index_frame_at(p->repo->index, frame);
    const struct index_base *bases = index_bases_at(p->repo->index, frame);

    prefix_clear(p);
    for (uint32_t i = 0; i < f.base_count; i++)
        if (!prefix_add(p, &bases[i].id, e))
            return false;
    return true;
}
