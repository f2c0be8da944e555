#include "archive/cbc.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "codec/random.h"

#define PIECE        ((size_t)64 << 10) /* encrypted or opened at once */
#define BLOCK        ((size_t)CIPHER_BLOCK_SIZE)
#define PIECE_BLOCKS (PIECE / BLOCK)

bool cbc_does_not_fit(struct err *e)
{
    return err_set(e, ERR_CORRUPT, "the key does not fit the archive, or the archive is damaged");
}

/* Reading */

struct cbc_reader {
    struct input from;
    uint8_t key[CIPHER_KEY_SIZE];
    uint64_t blocks;               /* that are encrypted */
    uint64_t plain_size;           /* without the padding */
    uint64_t at;                   /* where in the plain bytes those in plain stand */
    size_t have;                   /* bytes in plain */
    uint8_t in[PIECE + 2 * BLOCK]; /* the block in front of them, and one behind */
    uint8_t plain[PIECE + 2 * BLOCK];
};

void cbc_reader_close(struct cbc_reader *r)
{
    if (r != NULL)
        mem_wipe(r, sizeof(*r));
    mem_free(r);
}

void cbc_reader_auto(struct cbc_reader **r)
{
    cbc_reader_close(*r);
}

/* Have the plain bytes of this block at hand, and of those behind it. */
static bool fill(struct cbc_reader *r, uint64_t block, struct err *e)
{
    const uint64_t left = r->blocks - block;
    const bool is_last = left <= PIECE_BLOCKS;
    /* A cipher holds the last block back, which may be padding: give it one more than is wanted. */
    const size_t count = is_last ? (size_t)left : PIECE_BLOCKS + 1;
    AUTO(cipher) struct cipher *c = NULL;
    size_t size = 0;

    r->have = 0;
    if (!input_read(&r->from, block * BLOCK, r->in, (count + 1) * BLOCK, e))
        return false;
    c = cipher_cbc_open(r->key, r->in);
    r->have = cipher_add(c, SLICE_OF(r->in + BLOCK, count * BLOCK), r->plain);
    if (is_last && !cipher_cbc_finish(c, r->plain + r->have, &size)) {
        r->have = 0;
        return cbc_does_not_fit(e);
    }
    r->have += size;
    r->at = block * BLOCK;
    return true;
}

static bool read_at(void *arg, uint64_t offset, void *to, size_t size, size_t *got, struct err *e)
{
    struct cbc_reader *r = arg;
    uint8_t *out = to;
    size_t done = 0;

    while (done < size && offset + done < r->plain_size) {
        const uint64_t at = offset + done;

        if ((at < r->at || at - r->at >= r->have) && !fill(r, at / BLOCK, e))
            return false;
        if (at - r->at >= r->have)
            return cbc_does_not_fit(e); /* the padding is another one than it was */

        const size_t left = r->have - (size_t)(at - r->at);
        const size_t n = left < size - done ? left : size - done;

        memcpy(out + done, r->plain + (at - r->at), n);
        done += n;
    }
    *got = done;
    return true;
}

bool cbc_reader_open(const struct input *from, const uint8_t key[CIPHER_KEY_SIZE],
                     struct cbc_reader **out, struct err *e)
{
    AUTO(cbc_reader) struct cbc_reader *r = mem_new(sizeof(*r));

    if (from->size < 2 * BLOCK || from->size % BLOCK != 0)
        return err_set(e, ERR_CORRUPT,
                       "its size is no whole number of blocks, as encrypted files have");
    r->from = *from;
    memcpy(r->key, key, sizeof(r->key));
    r->blocks = from->size / BLOCK - 1;
    if (!fill(r, r->blocks - 1, e))
        return false;
    r->plain_size = r->at + r->have;
    *out = TAKE(r);
    return true;
}

struct input cbc_reader_input(struct cbc_reader *r)
{
    return (struct input){read_at, r, r->plain_size};
}

/* Writing */

struct cbc_writer {
    struct cipher *cipher;
    output_fn *write;
    void *arg;
    uint8_t out[PIECE + BLOCK];
};

void cbc_writer_close(struct cbc_writer *w)
{
    if (w == NULL)
        return;
    cipher_free(w->cipher);
    mem_free(w);
}

void cbc_writer_auto(struct cbc_writer **w)
{
    cbc_writer_close(*w);
}

bool cbc_writer_open(const uint8_t key[CIPHER_KEY_SIZE], output_fn *write, void *arg,
                     struct cbc_writer **out, struct err *e)
{
    AUTO(cbc_writer) struct cbc_writer *w = mem_new(sizeof(*w));
    uint8_t iv[BLOCK];

    random_bytes(iv, sizeof(iv));
    w->cipher = cipher_cbc_seal(key, iv);
    w->write = write;
    w->arg = arg;
    if (!w->write(arg, SLICE_OF(iv, sizeof(iv)), e))
        return false;
    *out = TAKE(w);
    return true;
}

bool cbc_writer_add(struct cbc_writer *w, struct slice bytes, struct err *e)
{
    while (bytes.size > 0) {
        const size_t n = bytes.size < PIECE ? bytes.size : PIECE;
        const size_t size = cipher_add(w->cipher, SLICE_OF(bytes.data, n), w->out);

        if (size > 0 && !w->write(w->arg, SLICE_OF(w->out, size), e))
            return false;
        bytes = SLICE_OF(bytes.data + n, bytes.size - n);
    }
    return true;
}

bool cbc_writer_finish(struct cbc_writer *w, struct err *e)
{
    size_t size;

    if (!cipher_cbc_finish(w->cipher, w->out, &size))
        return err_set(e, ERR_FATAL, "OpenSSL cannot encrypt");
    return w->write(w->arg, SLICE_OF(w->out, size), e);
}
