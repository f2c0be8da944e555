#include "repo/prefix.h"

#include "base/text.h"

void prefix_init(struct prefix *p, struct repo *r)
{
    *p = (struct prefix){.repo = r};
}

void prefix_done(struct prefix *p)
{
    reader_free(p->reader);
    buf_done(&p->bytes);
}

void prefix_clear(struct prefix *p)
{
    buf_clear(&p->bytes);
}

/* Bases stand in plain frames, so the reader of bases never comes here itself. */
static bool append(struct prefix *p, const struct place *at, struct err *e)
{
    struct index *ix = p->repo->index;
    struct slice frame;

    if (!reader_frame(p->reader, at->frame, &frame, e)) {
        if (e->code == ERR_CORRUPT)
            index_distrust_pack(ix, index_frame_at(ix, at->frame)->pack);
        return err_wrap(e, "base");
    }
    if (p->bytes.size + at->size > COMPRESS_PREFIX_MAX)
        return err_set(e, ERR_CORRUPT, "the bases of a frame are too long");
    buf_append(&p->bytes, frame.data + at->offset, at->size);
    return true;
}

bool prefix_add(struct prefix *p, const struct hash *base, struct err *e)
{
    struct index *ix = p->repo->index;
    struct place at, last;
    char text[65];

    if (p->bytes.size > 0 && hash_is_equal(&p->last, base))
        return true;
    if (p->reader == NULL)
        p->reader = reader_new(p->repo);
    if (!index_find_base(ix, base, &at)) {
        hex_encode(SLICE_OF(base->bytes, HASH_SIZE), text);
        return err_set(e, ERR_CORRUPT, "base %.16s is in no pack that exists", text);
    }
    do {
        if (append(p, &at, e)) {
            p->last = *base;
            return true;
        }
        last = at;
        /* Another copy comes first when there is one whose pack is not distrusted. */
    } while (e->code == ERR_CORRUPT && index_find_base(ix, base, &at) && at.frame != last.frame);
    return false;
}

bool prefix_of_frame(struct prefix *p, uint32_t frame, struct err *e)
{
    const struct index_frame *f = index_frame_at(p->repo->index, frame);
    const struct index_base *bases = index_bases_at(p->repo->index, frame);

    prefix_clear(p);
    for (uint32_t i = 0; i < f->base_count; i++)
        if (!prefix_add(p, &bases[i].id, e))
            return false;
    return true;
}
