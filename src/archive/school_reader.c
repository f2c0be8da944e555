/*
 * Two passes.  The first decrypts into scratch memory that it wipes, to compute the tag, and notes
 * the SHA-256 of each piece of the sealed bytes; the second takes a piece only when it has that
 * sum.
 */
#include <assert.h>
#include <string.h>

#include "archive/school.h"
#include "base/mem.h"
#include "codec/cipher.h"

#define PIECE ((size_t)1 << 20) /* 64 GiB of them have sums of 2 MiB */

struct school_reader {
    struct input from;
    uint64_t sealed_size;
    struct cipher *cipher;
    struct inflater *inflater;
    struct hash *sums; /* one for each piece */
    uint64_t next;     /* piece to read */
    uint8_t *piece;
    size_t at, size; /* of piece: given to the inflater, there */
};

static uint64_t piece_count(const struct school_reader *r)
{
    return (r->sealed_size + PIECE - 1) / PIECE;
}

/* Read piece n, still sealed. */
static bool read_piece(struct school_reader *r, uint64_t n, size_t *size, struct err *e)
{
    const uint64_t left = r->sealed_size - n * PIECE;

    *size = left < PIECE ? (size_t)left : PIECE;
    return input_read(&r->from, SCHOOL_HEAD + n * PIECE, r->piece, *size, e);
}

/* As json_read_fn: what the inflater takes in. */
static bool read_compressed(void *arg, uint8_t *to, size_t room, size_t *got, struct err *e)
{
    struct school_reader *r = arg;
    struct hash sum;
    size_t n;

    if (r->at == r->size && r->next < piece_count(r)) {
        if (!read_piece(r, r->next, &n, e))
            return false;
        sha256(SLICE_OF(r->piece, n), &sum);
        if (!hash_is_equal(&sum, &r->sums[r->next]))
            return err_set(e, ERR_CORRUPT, "it was changed while it was read");
        (void)cipher_add(r->cipher, SLICE_OF(r->piece, n), r->piece);
        r->at = 0;
        r->size = n;
        r->next++;
    }
    n = r->size - r->at < room ? r->size - r->at : room;
    memcpy(to, r->piece + r->at, n);
    r->at += n;
    *got = n;
    return true;
}

static bool all_zero(const uint8_t tag[SCHOOL_TAG_SIZE])
{
    for (size_t i = 0; i < SCHOOL_TAG_SIZE; i++)
        if (tag[i] != 0)
            return false;
    return true;
}

/* The first pass. */
static bool authenticate(struct school_reader *r, struct cipher *cipher,
                         const uint8_t tag[SCHOOL_TAG_SIZE], struct err *e)
{
    size_t n;

    for (uint64_t i = 0; i < piece_count(r); i++) {
        if (!read_piece(r, i, &n, e))
            return false;
        sha256(SLICE_OF(r->piece, n), &r->sums[i]);
        (void)cipher_add(cipher, SLICE_OF(r->piece, n), r->piece);
    }
    mem_wipe(r->piece, PIECE);
    if (cipher_gcm_is_authentic(cipher, tag))
        return true;
    if (all_zero(tag))
        return err_set(e, ERR_CORRUPT,
                       "its tag is all zero: the program that wrote it did not come to the end");
    return err_set(e, ERR_CORRUPT,
                   "Unsupported state or unable to authenticate data: the key is another one, or "
                   "the file was changed");
}

static struct inflate_limits limits_of(const struct school_reading *how)
{
    struct inflate_limits l = how->limits;

    if (l.size_max == 0)
        l.size_max = SCHOOL_PLAIN_MAX;
    if (l.ratio_max == 0)
        l.ratio_max = SCHOOL_RATIO_MAX;
    return l;
}

bool school_reader_open(const struct school_reading *how, struct school_reader **out, struct err *e)
{
    const uint64_t size = how->from.size;
    const struct inflate_limits limits = limits_of(how);
    uint8_t head[SCHOOL_HEAD];

    if (size <= SCHOOL_HEAD)
        return err_set(e, ERR_CORRUPT, "it has %llu bytes, which is too short for a backup",
                       (unsigned long long)size);
    if (size - SCHOOL_HEAD > SCHOOL_SEALED_MAX)
        return err_set(e, ERR_CORRUPT, "it is longer than 64 GiB");

    AUTO(school_reader) struct school_reader *r = mem_new(sizeof(*r));

    r->from = how->from;
    r->sealed_size = size - SCHOOL_HEAD;
    r->sums = mem_array((size_t)piece_count(r), sizeof(r->sums[0]));
    r->piece = mem_new(PIECE);
    if (!input_read(&r->from, 0, head, sizeof(head), e))
        return false;

    AUTO(cipher)
    struct cipher *first =
        cipher_gcm_open(how->key->bytes, SLICE_OF(head, SCHOOL_IV_SIZE), (struct slice){0});

    if (!authenticate(r, first, head + SCHOOL_IV_SIZE, e))
        return false;
    r->cipher = cipher_gcm_open(how->key->bytes, SLICE_OF(head, SCHOOL_IV_SIZE), (struct slice){0});
    r->inflater = inflater_new(DEFLATE_GZIP, &limits, read_compressed, r);
    *out = TAKE(r);
    return true;
}

bool school_reader_read(void *reader, uint8_t *to, size_t room, size_t *got, struct err *e)
{
    struct school_reader *r = reader;

    return inflater_read(r->inflater, to, room, got, e);
}

void school_reader_free(struct school_reader *r)
{
    if (r == NULL)
        return;
    cipher_free(r->cipher);
    inflater_free(r->inflater);
    if (r->piece != NULL)
        mem_wipe(r->piece, PIECE);
    mem_free(r->piece);
    mem_free(r->sums);
    mem_free(r);
}

void school_reader_auto(struct school_reader **r)
{
    school_reader_free(*r);
}
