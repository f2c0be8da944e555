#include "archive/deflate.h"

#include <assert.h>
#include <limits.h>
#define ZLIB_CONST /* next_in points to const */
#include <zlib.h>

#include "base/mem.h"

#define PIECE        ((size_t)64 << 10)
#define OS_UNIX      3
#define MEMORY_LEVEL 8 /* zlib's default, and that of Node and Python */

static int window_of(enum deflate_form form)
{
    return form == DEFLATE_GZIP ? MAX_WBITS + 16 : -MAX_WBITS;
}

struct deflater {
    z_stream z;
    output_fn *write;
    void *arg;
    gz_header head; /* of a file with a name */
    uint8_t out[PIECE];
};

struct deflater *deflater_new(enum deflate_form form, output_fn *write, void *arg)
{
    struct deflater *d = mem_new(sizeof(*d));

    d->write = write;
    d->arg = arg;
    if (deflateInit2(&d->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, window_of(form), MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        mem_exit("zlib cannot compress");
    return d;
}

void deflater_name(struct deflater *d, const char *name, uint32_t time_s)
{
    d->head = (gz_header){
        .time = time_s, .os = OS_UNIX, .name = (Bytef *)(uintptr_t)name}; /* zlib only reads it */
    if (deflateSetHeader(&d->z, &d->head) != Z_OK)
        mem_exit("zlib cannot compress");
}

void deflater_free(struct deflater *d)
{
    if (d == NULL)
        return;
    (void)deflateEnd(&d->z); /* says only that there was more to come */
    mem_free(d);
}

void deflater_auto(struct deflater **d)
{
    deflater_free(*d);
}

/* Hand on what the input makes; *status is zlib's last word. */
static bool turn(struct deflater *d, int flush, int *status, struct err *e)
{
    do {
        d->z.next_out = d->out;
        d->z.avail_out = PIECE;
        *status = deflate(&d->z, flush);
        assert(*status != Z_STREAM_ERROR);
        if (d->z.avail_out < PIECE &&
            !d->write(d->arg, SLICE_OF(d->out, PIECE - d->z.avail_out), e))
            return false;
    } while (d->z.avail_out == 0);
    return true;
}

bool deflater_add(struct deflater *d, struct slice bytes, struct err *e)
{
    int status;

    while (bytes.size > 0) {
        const size_t n = bytes.size < PIECE ? bytes.size : PIECE;

        d->z.next_in = bytes.data;
        d->z.avail_in = (uInt)n;
        if (!turn(d, Z_NO_FLUSH, &status, e))
            return false;
        assert(d->z.avail_in == 0);
        bytes = SLICE_OF(bytes.data + n, bytes.size - n);
    }
    return true;
}

bool deflater_finish(struct deflater *d, struct err *e)
{
    int status = Z_OK;

    d->z.avail_in = 0;
    if (!turn(d, Z_FINISH, &status, e))
        return false;
    assert(status == Z_STREAM_END);
    return true;
}

uint32_t deflate_crc(uint32_t crc, struct slice bytes)
{
    return (uint32_t)crc32_z(crc, bytes.data, bytes.size);
}

struct inflater {
    z_stream z;
    struct inflate_limits limits;
    json_read_fn *read;
    void *arg;
    uint64_t taken, given; /* bytes read by zlib, bytes made by it */
    bool is_at_end;        /* of the stream */
    uint8_t in[PIECE];
};

struct inflater *inflater_new(enum deflate_form form, const struct inflate_limits *limits,
                              json_read_fn *read, void *arg)
{
    struct inflater *i = mem_new(sizeof(*i));

    i->limits = *limits;
    i->read = read;
    i->arg = arg;
    if (inflateInit2(&i->z, window_of(form)) != Z_OK)
        mem_exit("zlib cannot expand");
    return i;
}

void inflater_free(struct inflater *i)
{
    if (i == NULL)
        return;
    (void)inflateEnd(&i->z); /* fails only for what is no stream */
    mem_free(i);
}

void inflater_auto(struct inflater **i)
{
    inflater_free(*i);
}

/* Have input at hand, unless there is none any more. */
static bool refill(struct inflater *i, struct err *e)
{
    size_t got = 0;

    if (i->z.avail_in > 0)
        return true;
    if (!i->read(i->arg, i->in, PIECE, &got, e))
        return false;
    i->z.next_in = i->in;
    i->z.avail_in = (uInt)got;
    return true;
}

bool inflate_limits_check(const struct inflate_limits *limits, uint64_t given, uint64_t taken,
                          struct err *e)
{
    if (given > limits->size_max)
        return err_set(e, ERR_CORRUPT, "it expands to more than %llu bytes",
                       (unsigned long long)limits->size_max);
    if (given > INFLATE_RATIO_FROM && (given - INFLATE_RATIO_FROM) / limits->ratio_max > taken)
        return err_set(e, ERR_CORRUPT, "it expands to more than %u times its size",
                       (unsigned)limits->ratio_max);
    return true;
}

/* Behind the stream there is nothing. */
static bool check_end(struct inflater *i, struct err *e)
{
    if (!refill(i, e))
        return false;
    if (i->z.avail_in == 0)
        return true;
    return err_set(e, ERR_CORRUPT, "%s behind its end",
                   i->z.next_in[0] == 0x1f ? "another compressed stream stands"
                                           : "there are bytes");
}

static bool step(struct inflater *i, struct err *e)
{
    const uInt in_before = i->z.avail_in;
    const uInt out_before = i->z.avail_out;
    const int status = inflate(&i->z, Z_NO_FLUSH);

    i->taken += in_before - i->z.avail_in;
    i->given += out_before - i->z.avail_out;
    if (status == Z_MEM_ERROR)
        mem_exit("out of memory");
    if (status == Z_NEED_DICT || status == Z_DATA_ERROR)
        return err_set(e, ERR_CORRUPT, "%s", i->z.msg != NULL ? i->z.msg : "it is damaged");
    assert(status != Z_STREAM_ERROR);
    i->is_at_end = status == Z_STREAM_END;
    return inflate_limits_check(&i->limits, i->given, i->taken, e);
}

bool inflater_read(void *inflater, uint8_t *to, size_t room, size_t *got, struct err *e)
{
    struct inflater *i = inflater;
    const uInt most = room < UINT_MAX ? (uInt)room : UINT_MAX;

    assert(room > 0);
    i->z.next_out = to;
    i->z.avail_out = most;
    while (!i->is_at_end && i->z.avail_out == most) {
        if (!refill(i, e))
            return false;
        if (i->z.avail_in == 0)
            return err_set(e, ERR_CORRUPT, "unexpected end of file");
        if (!step(i, e))
            return false;
    }
    if (i->z.avail_out == most && !check_end(i, e))
        return false;
    *got = most - i->z.avail_out;
    return true;
}
