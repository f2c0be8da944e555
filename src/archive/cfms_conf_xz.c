/*
 * xz by liblzma, with a bound on its memory: a stream says itself how much it takes to expand it,
 * and libarchive would let it have a gigabyte.
 */
#include <lzma.h>
#include <string.h>

#include "archive/cfms_conf_private.h"
#include "base/mem.h"

#define PIECE ((size_t)64 << 10)

struct conf_xz {
    lzma_stream lzma;
    json_read_fn *read;
    void *arg;
    bool is_last; /* nothing more is to be read */
    bool is_finished;
    uint8_t in[PIECE];
};

struct conf_xz *conf_xz_new(json_read_fn *read, void *arg)
{
    struct conf_xz *x = mem_new(sizeof(*x));

    x->lzma = (lzma_stream)LZMA_STREAM_INIT;
    x->read = read;
    x->arg = arg;
    if (lzma_stream_decoder(&x->lzma, CFMS_CONF_XZ_MEMORY, 0) != LZMA_OK)
        mem_exit("out of memory");
    return x;
}

void conf_xz_free(struct conf_xz *x)
{
    if (x == NULL)
        return;
    lzma_end(&x->lzma);
    mem_wipe(x->in, sizeof(x->in));
    mem_free(x);
}

void conf_xz_auto(struct conf_xz **x)
{
    conf_xz_free(*x);
}

static bool fill(struct conf_xz *x, struct err *e)
{
    size_t got;

    if (x->lzma.avail_in > 0 || x->is_last)
        return true;
    if (!x->read(x->arg, x->in, sizeof(x->in), &got, e))
        return false;
    x->lzma.next_in = x->in;
    x->lzma.avail_in = got;
    x->is_last = got == 0;
    return true;
}

/* Nothing stands behind the stream. */
static bool check_end(struct conf_xz *x, struct err *e)
{
    if (!fill(x, e))
        return false;
    return x->lzma.avail_in == 0 || err_set(e, ERR_CORRUPT, "bytes stand behind the xz stream");
}

bool conf_xz_read(void *arg, uint8_t *to, size_t room, size_t *got, struct err *e)
{
    struct conf_xz *x = arg;

    x->lzma.next_out = to;
    x->lzma.avail_out = room;
    while (x->lzma.avail_out == room && room > 0 && !x->is_finished) {
        lzma_ret result;

        if (!fill(x, e))
            return false;
        result = lzma_code(&x->lzma, x->is_last ? LZMA_FINISH : LZMA_RUN);
        if (result == LZMA_STREAM_END) {
            x->is_finished = true;
            if (!check_end(x, e))
                return false;
        } else if (result == LZMA_MEMLIMIT_ERROR) {
            return err_set(e, ERR_CORRUPT, "the xz stream takes more memory than it is given");
        } else if (result != LZMA_OK) {
            return err_set(e, ERR_CORRUPT, "the xz stream is damaged or cut");
        }
    }
    *got = room - x->lzma.avail_out;
    return true;
}
