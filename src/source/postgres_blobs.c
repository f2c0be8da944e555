#include "source/postgres_blobs.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "source/postgres_run.h"

/* Objects are asked for in groups, with their first pieces: 4 MiB at a time. */
#define FIRST_PIECE  ((size_t)128 << 10)
#define FIRST_TEXT   "131072"
#define FURTHER      ((size_t)1 << 20)
#define FURTHER_TEXT "1048576"
#define NUMBER_TEXT  24

static const char next_blobs[] =
    "SELECT m.oid, pg_get_userbyid(m.lomowner)::text, coalesce(m.lomacl::text, ''),"
    " coalesce(obj_description(m.oid, 'pg_largeobject'), ''),"
    " lo_get(m.oid, 0, " FIRST_TEXT ") FROM pg_largeobject_metadata m"
    " WHERE m.oid > $1::oid ORDER BY m.oid LIMIT 32";

void postgres_blob_encode(const struct postgres_blob *b, struct buf *out)
{
    buf_put_u32(out, b->oid);
    buf_put_bytes(out, b->owner);
    buf_put_bytes(out, b->rights);
    buf_put_bytes(out, b->comment);
}

bool postgres_blob_take(struct slice *s, struct postgres_blob *out)
{
    struct slice rest = *s;
    struct postgres_blob b = {0};

    if (!take_u32(&rest, &b.oid) || !take_bytes(&rest, &b.owner) || !take_bytes(&rest, &b.rights) ||
        !take_bytes(&rest, &b.comment))
        return false;
    *s = rest;
    *out = b;
    return true;
}

/* Large objects on their way. */
struct blobs {
    struct postgres_link *link;
    struct postgres_sender *to;
    struct sha256_stream *sum_of_one;
    struct row_sum sum;
    uint64_t count, bytes;
};

static void blobs_auto(struct blobs *b)
{
    sha256_stream_free(b->sum_of_one);
}

static struct slice value_of(const PGresult *r, int row, int column)
{
    return SLICE_OF(PQgetvalue(r, row, column), (size_t)PQgetlength(r, row, column));
}

static bool piece_send(struct blobs *b, struct slice piece, struct err *e)
{
    AUTO(buf) struct buf length = {0};

    if (piece.size == 0)
        return true;
    buf_put_u32(&length, (uint32_t)piece.size);
    sha256_stream_add(b->sum_of_one, piece);
    b->bytes += piece.size;
    return postgres_sender_add(b->to, buf_slice(&length), e) &&
           postgres_sender_add(b->to, piece, e);
}

/* What comes behind the first piece. */
static bool rest_send(struct blobs *b, const char *oid, struct err *e)
{
    uint64_t offset = FIRST_PIECE;
    size_t got = 0;

    do {
        AUTO(postgres_result) PGresult *r = NULL;
        char at[NUMBER_TEXT];

        (void)snprintf(at, sizeof(at), "%" PRIu64, offset); /* 20 digits at most */

        const struct postgres_query q = {
            .sql = "SELECT lo_get($1::oid, $2::bigint, " FURTHER_TEXT ")",
            .values = {oid, at},
            .count = 2,
            .is_binary = true,
        };

        if (!postgres_link_query(b->link, &q, &r, e) || !piece_send(b, value_of(r, 0, 0), e))
            return false;
        got = value_of(r, 0, 0).size;
        offset += got;
    } while (got == FURTHER);
    return true;
}

static bool blob_send(struct blobs *b, const PGresult *r, int row, char oid_text[NUMBER_TEXT],
                      struct err *e)
{
    static const uint8_t end[4] = {0};
    AUTO(buf) struct buf head = {0};
    struct postgres_blob blob = {
        .owner = value_of(r, row, 1),
        .rights = value_of(r, row, 2),
        .comment = value_of(r, row, 3),
    };
    const struct slice first = value_of(r, row, 4);
    uint32_t oid = 0;
    struct hash h;

    memcpy(&oid, PQgetvalue(r, row, 0), sizeof(oid));
    blob.oid = be32toh(oid);
    oid = htole32(blob.oid);
    (void)snprintf(oid_text, NUMBER_TEXT, "%" PRIu32, blob.oid);
    sha256_stream_add(b->sum_of_one, SLICE_OF(&oid, sizeof(oid)));
    postgres_blob_encode(&blob, &head);
    if (!postgres_sender_add(b->to, buf_slice(&head), e) || !piece_send(b, first, e) ||
        (first.size == FIRST_PIECE && !rest_send(b, oid_text, e)) ||
        !postgres_sender_add(b->to, SLICE_OF(end, sizeof(end)), e))
        return false;
    sha256_stream_finish(b->sum_of_one, &h);
    row_sum_add_hash(&b->sum, h.bytes);
    b->count++;
    return true;
}

bool postgres_blobs_send(struct postgres_link *l, struct postgres_blobs *counts,
                         struct postgres_sender *to, struct err *e)
{
    AUTO(blobs) struct blobs b = {.link = l, .to = to, .sum_of_one = sha256_stream_new()};
    char last[NUMBER_TEXT] = "0";
    int got = 0;

    do {
        AUTO(postgres_result) PGresult *r = NULL;
        const struct postgres_query q = {
            .sql = next_blobs, .values = {last}, .count = 1, .is_binary = true};

        if (!postgres_link_query(l, &q, &r, e))
            return false;
        got = PQntuples(r);
        for (int i = 0; i < got; i++)
            if (!blob_send(&b, r, i, last, e))
                return to != NULL && to->has_sink_failed ? false : err_wrap(e, "number %s", last);
    } while (got > 0);
    counts->count = b.count;
    counts->bytes = b.bytes;
    row_sum_format(&b.sum, counts->hash);
    return true;
}
