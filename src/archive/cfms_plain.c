#include "archive/cfms_plain.h"

#include <string.h>

#include "archive/cbc.h"
#include "base/mem.h"

bool cfms_source_read(const struct cfms_source *s, uint64_t offset, uint8_t *to, size_t size,
                      struct err *e)
{
    for (size_t had = 0, got; had < size; had += got) {
        if (!s->read(s->arg, offset + had, to + had, size - had, &got, e))
            return false;
        if (got == 0)
            return err_set(e, ERR_CORRUPT, "the archive became shorter while it was read");
    }
    return true;
}

void cfms_plain_init(struct cfms_plain *p, const struct cfms_source *s, uint64_t offset,
                     uint64_t end)
{
    *p = (struct cfms_plain){.source = s, .offset = offset, .end = end};
    p->in = mem_new(CFMS_PIECE);
    p->out = mem_new(CFMS_PIECE + CIPHER_BLOCK_SIZE);
}

void cfms_plain_auto(struct cfms_plain *p)
{
    cipher_free(p->cipher);
    hmac_stream_free(p->mac);
    mem_free(p->in);
    if (p->out != NULL)
        mem_wipe(p->out, CFMS_PIECE + CIPHER_BLOCK_SIZE);
    mem_free(p->out);
}

/* Fill out again; it stays empty at the end. */
static bool fill(struct cfms_plain *p, struct err *e)
{
    const uint64_t left = p->end - p->offset;
    const size_t n = left < CFMS_PIECE ? (size_t)left : CFMS_PIECE;

    p->at = p->size = 0;
    if (n == 0) {
        if (p->is_finished || !p->has_padding)
            return true;
        p->is_finished = true;
        return cipher_cbc_finish(p->cipher, p->out, &p->size) || cbc_does_not_fit(e);
    }
    if (!cfms_source_read(p->source, p->offset, p->in, n, e))
        return false;
    p->offset += n;
    if (p->mac != NULL)
        hmac_stream_add(p->mac, SLICE_OF(p->in, n));
    p->size = cipher_add(p->cipher, SLICE_OF(p->in, n), p->out);
    return true;
}

bool cfms_plain_read(void *arg, uint8_t *to, size_t room, size_t *got, struct err *e)
{
    struct cfms_plain *p = arg;
    size_t n;

    /* A piece may come to nothing: the last block of a message is held back. */
    while (p->at == p->size && !(p->offset == p->end && (p->is_finished || !p->has_padding)))
        if (!fill(p, e))
            return false;
    n = p->size - p->at < room ? p->size - p->at : room;
    if (n > 0)
        memcpy(to, p->out + p->at, n);
    p->at += n;
    *got = n;
    return true;
}
