#include "archive/bzip2.h"

#include <assert.h>
#include <bzlib.h>

#include "base/mem.h"

#define PIECE ((size_t)64 << 10)
#define LEVEL 9

struct bzip2_writer {
    bz_stream z;
    output_fn *write;
    void *arg;
    char out[PIECE];
};

struct bzip2_writer *bzip2_writer_new(output_fn *write, void *arg)
{
    struct bzip2_writer *w = mem_new(sizeof(*w));

    w->write = write;
    w->arg = arg;
    if (BZ2_bzCompressInit(&w->z, LEVEL, 0, 0) != BZ_OK)
        mem_exit("libbz2 cannot compress");
    return w;
}

void bzip2_writer_free(struct bzip2_writer *w)
{
    if (w == NULL)
        return;
    (void)BZ2_bzCompressEnd(&w->z); /* fails only for what is no stream */
    mem_free(w);
}

void bzip2_writer_auto(struct bzip2_writer **w)
{
    bzip2_writer_free(*w);
}

/* Hand on what the input makes; *status is libbz2's word. */
static bool turn(struct bzip2_writer *w, int action, int *status, struct err *e)
{
    w->z.next_out = w->out;
    w->z.avail_out = PIECE;
    *status = BZ2_bzCompress(&w->z, action);
    assert(*status == BZ_RUN_OK || *status == BZ_FINISH_OK || *status == BZ_STREAM_END);

    const size_t made = PIECE - w->z.avail_out;

    return made == 0 || w->write(w->arg, SLICE_OF((const uint8_t *)w->out, made), e);
}

bool bzip2_writer_add(struct bzip2_writer *w, struct slice bytes, struct err *e)
{
    int status;

    while (bytes.size > 0) {
        const size_t n = bytes.size < PIECE ? bytes.size : PIECE;

        w->z.next_in = (char *)(uintptr_t)bytes.data; /* it is only read */
        w->z.avail_in = (unsigned)n;
        while (w->z.avail_in > 0)
            if (!turn(w, BZ_RUN, &status, e))
                return false;
        bytes = SLICE_OF(bytes.data + n, bytes.size - n);
    }
    return true;
}

bool bzip2_writer_finish(struct bzip2_writer *w, struct err *e)
{
    int status = BZ_FINISH_OK;

    w->z.avail_in = 0;
    while (status != BZ_STREAM_END)
        if (!turn(w, BZ_FINISH, &status, e))
            return false;
    return true;
}

struct bzip2_reader {
    bz_stream z;
    struct inflate_limits limits;
    json_read_fn *read;
    void *arg;
    uint64_t taken, given; /* bytes read by libbz2, bytes made by it */
    bool is_at_end;        /* of the stream */
    uint8_t in[PIECE];
};

struct bzip2_reader *bzip2_reader_new(const struct inflate_limits *limits, json_read_fn *read,
                                      void *arg)
{
    struct bzip2_reader *r = mem_new(sizeof(*r));

    r->limits = *limits;
    r->read = read;
    r->arg = arg;
    if (BZ2_bzDecompressInit(&r->z, 0, 0) != BZ_OK)
        mem_exit("libbz2 cannot expand");
    return r;
}

void bzip2_reader_free(struct bzip2_reader *r)
{
    if (r == NULL)
        return;
    (void)BZ2_bzDecompressEnd(&r->z); /* fails only for what is no stream */
    mem_free(r);
}

void bzip2_reader_auto(struct bzip2_reader **r)
{
    bzip2_reader_free(*r);
}

/* Have input at hand, unless there is none any more. */
static bool refill(struct bzip2_reader *r, struct err *e)
{
    size_t got = 0;

    if (r->z.avail_in > 0)
        return true;
    if (!r->read(r->arg, r->in, PIECE, &got, e))
        return false;
    r->z.next_in = (char *)r->in;
    r->z.avail_in = (unsigned)got;
    return true;
}

static bool step(struct bzip2_reader *r, struct err *e)
{
    const unsigned in_before = r->z.avail_in;
    const unsigned out_before = r->z.avail_out;
    const int status = BZ2_bzDecompress(&r->z);

    r->taken += in_before - r->z.avail_in;
    r->given += out_before - r->z.avail_out;
    if (status == BZ_MEM_ERROR)
        mem_exit("out of memory");
    if (status != BZ_OK && status != BZ_STREAM_END)
        return err_set(e, ERR_CORRUPT, "it is no bzip2 stream, or damaged");
    r->is_at_end = status == BZ_STREAM_END;
    return inflate_limits_check(&r->limits, r->given, r->taken, e);
}

bool bzip2_reader_read(void *reader, uint8_t *to, size_t room, size_t *got, struct err *e)
{
    struct bzip2_reader *r = reader;
    const unsigned most = room < PIECE ? (unsigned)room : (unsigned)PIECE;

    assert(room > 0);
    r->z.next_out = (char *)to;
    r->z.avail_out = most;
    while (!r->is_at_end && r->z.avail_out == most) {
        if (!refill(r, e))
            return false;
        if (r->z.avail_in == 0)
            return err_set(e, ERR_CORRUPT, "unexpected end of file");
        if (!step(r, e))
            return false;
    }
    if (r->z.avail_out == most) {
        if (!refill(r, e))
            return false;
        if (r->z.avail_in > 0)
            return err_set(e, ERR_CORRUPT, "there are bytes behind its end");
    }
    *got = most - r->z.avail_out;
    return true;
}
