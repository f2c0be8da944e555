#include "archive/bzip2.h"
#include "archive/cbc.h"
#include "archive/pos_artefact.h"
#include "base/mem.h"

#define NS_PER_SECOND INT64_C(1000000000)

/* Bytes go from the deflater or bzip2, if there is one, through the cipher, if there is one. */
struct pos_writer {
    output_fn *write;
    void *arg;
    struct deflater *deflater;
    struct bzip2_writer *bzip2;
    struct cbc_writer *sealed;
    struct sha256_stream *sum;
    uint64_t size;
};

void pos_writer_close(struct pos_writer *w)
{
    if (w == NULL)
        return;
    deflater_free(w->deflater);
    bzip2_writer_free(w->bzip2);
    cbc_writer_close(w->sealed);
    sha256_stream_free(w->sum);
    mem_free(w);
}

void pos_writer_auto(struct pos_writer **w)
{
    pos_writer_close(*w);
}

static bool put_final(void *arg, struct slice bytes, struct err *e)
{
    struct pos_writer *w = arg;

    sha256_stream_add(w->sum, bytes);
    w->size += bytes.size;
    return w->write(w->arg, bytes, e);
}

static bool put_packed(void *arg, struct slice bytes, struct err *e)
{
    struct pos_writer *w = arg;

    return w->sealed != NULL ? cbc_writer_add(w->sealed, bytes, e) : put_final(w, bytes, e);
}

bool pos_writer_open(const struct pos_writing *how, struct pos_writer **out, struct err *e)
{
    AUTO(pos_writer) struct pos_writer *w = mem_new(sizeof(*w));

    w->write = how->write;
    w->arg = how->arg;
    w->sum = sha256_stream_new();
    if (how->compression == POS_GZIP) {
        w->deflater = deflater_new(DEFLATE_GZIP, put_packed, w);
        deflater_name(w->deflater, "database.sql", (uint32_t)(how->time_ns / NS_PER_SECOND));
    }
    if (how->compression == POS_BZIP2)
        w->bzip2 = bzip2_writer_new(put_packed, w);
    if (how->key != NULL && !cbc_writer_open(how->key->bytes, put_final, w, &w->sealed, e))
        return false;
    *out = TAKE(w);
    return true;
}

bool pos_writer_add(void *writer, struct slice bytes, struct err *e)
{
    struct pos_writer *w = writer;

    if (w->deflater != NULL)
        return deflater_add(w->deflater, bytes, e);
    if (w->bzip2 != NULL)
        return bzip2_writer_add(w->bzip2, bytes, e);
    return put_packed(w, bytes, e);
}

bool pos_writer_finish(struct pos_writer *w, struct pos_written *out, struct err *e)
{
    if ((w->deflater != NULL && !deflater_finish(w->deflater, e)) ||
        (w->bzip2 != NULL && !bzip2_writer_finish(w->bzip2, e)) ||
        (w->sealed != NULL && !cbc_writer_finish(w->sealed, e)))
        return false;
    out->size = w->size;
    sha256_stream_finish(w->sum, &out->sha256);
    return true;
}
