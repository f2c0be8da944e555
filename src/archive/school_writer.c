#include <assert.h>
#include <string.h>

#include "archive/school.h"
#include "base/mem.h"
#include "codec/cipher.h"
#include "codec/random.h"

#define PIECE ((size_t)64 << 10)

struct school_writer {
    struct output to;
    struct cipher *cipher;
    struct deflater *deflater;
    struct sha256_stream *sum;
    uint64_t plain_size, sealed_size;
    uint8_t piece[PIECE];
};

static bool seal(void *arg, struct slice piece, struct err *e)
{
    struct school_writer *w = arg;

    assert(piece.size <= PIECE);
    if (piece.size > SCHOOL_SEALED_MAX - w->sealed_size)
        return err_set(e, ERR_USAGE, "one file cannot hold more than 64 GiB");
    w->sealed_size += piece.size;
    (void)cipher_add(w->cipher, piece, w->piece);
    return w->to.write(w->to.arg, SLICE_OF(w->piece, piece.size), e);
}

bool school_writer_open(const struct school_writing *how, struct school_writer **out, struct err *e)
{
    uint8_t head[SCHOOL_HEAD] = {0};

    if (school_key_is_public(how->key) && !how->allows_public_key)
        return err_set(e, ERR_DENIED,
                       "the key is the one in the application's published source: anybody could "
                       "read the file");

    AUTO(school_writer) struct school_writer *w = mem_new(sizeof(*w));

    if (how->iv != NULL)
        memcpy(head, how->iv, SCHOOL_IV_SIZE);
    else
        random_bytes(head, SCHOOL_IV_SIZE);
    w->to = how->to;
    w->cipher = cipher_gcm_seal(how->key->bytes, SLICE_OF(head, SCHOOL_IV_SIZE), (struct slice){0});
    w->deflater = deflater_new(DEFLATE_GZIP, seal, w);
    w->sum = sha256_stream_new();
    if (!w->to.write(w->to.arg, SLICE_OF(head, sizeof(head)), e))
        return false;
    *out = TAKE(w);
    return true;
}

bool school_writer_add(void *writer, struct slice json, struct err *e)
{
    struct school_writer *w = writer;

    sha256_stream_add(w->sum, json);
    w->plain_size += json.size;
    return deflater_add(w->deflater, json, e);
}

bool school_writer_finish(struct school_writer *w, struct school_written *out, struct err *e)
{
    uint8_t tag[SCHOOL_TAG_SIZE];

    if (!deflater_finish(w->deflater, e))
        return false;
    cipher_gcm_tag(w->cipher, tag);
    if (!w->to.patch(w->to.arg, SCHOOL_IV_SIZE, SLICE_OF(tag, sizeof(tag)), e))
        return false;
    out->size = SCHOOL_HEAD + w->sealed_size;
    out->plain_size = w->plain_size;
    sha256_stream_finish(w->sum, &out->sha256);
    return true;
}

void school_writer_free(struct school_writer *w)
{
    if (w == NULL)
        return;
    cipher_free(w->cipher);
    deflater_free(w->deflater);
    sha256_stream_free(w->sum);
    mem_free(w);
}

void school_writer_auto(struct school_writer **w)
{
    school_writer_free(*w);
}
