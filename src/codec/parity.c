/*
 * Reed-Solomon over GF(2^8) with isa-l, Cauchy matrix.
 *
 *     head | parity shards | table | header
 *     head   = header | table
 *     header = magic "HFPARITY" | version u8 | data shards u8 | parity shards u8 | 0 u8
 *              | shard size u32 | object size u64 | SHA-256 of the object (32)
 *              | CRC-64 of the table u64 | CRC-64 of all that stands before it u64
 *     table  = CRC-64 of each block of the object, then of each block of each parity shard
 *
 * Shard i is bytes [i * shard size, (i + 1) * shard size) of the object, with zeros behind its end.
 * Row r is block r of every shard, and a code word by itself.  An area of the object that is a
 * block shorter than a shard touches no row twice, wherever it begins.
 */
#include "codec/parity.h"

#include <assert.h>
#include <isa-l/crc64.h>
#include <isa-l/erasure_code.h>
#include <string.h>

#include "base/mem.h"

enum {
    VERSION = 1,
    HEADER_SIZE = 72,
    CHECKED_SIZE = HEADER_SIZE - 8, /* what the header's own checksum is of */
    SUM_SIZE = 8,
    SLACK = 64, /* a shard gets one block more for so many that it has */
};

static const char magic[8] = {'H', 'F', 'P', 'A', 'R', 'I', 'T', 'Y'};

static size_t blocks_in(size_t size)
{
    return (size + PARITY_BLOCK - 1) / PARITY_BLOCK;
}

/* Shapes */

bool parity_rule_is_valid(const struct parity_rule *rule)
{
    /* Half of an object is the most that its parity may take, so it is an object too. */
    return rule->parity >= 1 && rule->parity <= PARITY_SHARDS_MAX / 3 &&
           rule->data >= 2 * rule->parity && rule->data <= PARITY_SHARDS_MAX - rule->parity &&
           rule->area <= PARITY_OBJECT_MAX / 2 / rule->parity;
}

/*
 * The share of parity that the rule names, in an object of so many blocks: what is too short for as
 * many shards as the rule has parity gets fewer, but at least one.
 */
static uint32_t parity_count(const struct parity_rule *rule, size_t blocks, uint32_t data)
{
    const size_t share = (blocks * rule->parity + rule->data - 1) / rule->data;
    const uint32_t count = share < rule->parity ? (uint32_t)share : rule->parity;

    return count < data ? count : data;
}

struct parity_shape parity_shape_of(const struct parity_rule *rule, size_t size)
{
    size_t shard = (size + rule->data - 1) / rule->data;

    assert(size > 0 && size <= PARITY_OBJECT_MAX);
    if (shard < rule->area)
        shard = rule->area;
    shard = blocks_in(shard) * PARITY_BLOCK;
    shard += shard / PARITY_BLOCK / SLACK * PARITY_BLOCK;
    if (size <= shard)
        return (struct parity_shape){1, 1, (uint32_t)size};

    const uint32_t data = (uint32_t)((size + shard - 1) / shard);

    return (struct parity_shape){data, parity_count(rule, blocks_in(size), data), (uint32_t)shard};
}

static size_t table_size(const struct parity_shape *shape, size_t size)
{
    return SUM_SIZE * (blocks_in(size) + shape->parity * blocks_in(shape->shard_size));
}

size_t parity_size(const struct parity_shape *shape, size_t size)
{
    return 2 * (HEADER_SIZE + table_size(shape, size)) + (size_t)shape->parity * shape->shard_size;
}

/* Matrices */

/* The rows of parity of a Cauchy matrix: every square part of it can be inverted. */
static void matrix_make(uint32_t data, uint32_t parity, uint8_t *rows)
{
    uint8_t all[PARITY_SHARDS_MAX * PARITY_SHARDS_MAX];

    gf_gen_cauchy1_matrix(all, (int)(data + parity), (int)data);
    memcpy(rows, all + (size_t)data * data, (size_t)parity * data);
}

/*
 * out[i] = the sum over j of rows[i][j] * in[j], over size bytes.
 *
 * Block by block, and in it one input after the other: the sums stay in the nearest cache, and
 * memory is read in runs.  ec_encode_data() would read a line of each input in turn; these lie
 * whole pages apart, so they share few places in the cache and the processor foresees none of them
 * (docs/decisions/0012-parity-beside-objects.md has the measurement).
 */
static void matrix_apply(uint8_t *rows, size_t in_count, size_t out_count, size_t size,
                         uint8_t **in, uint8_t **out)
{
    AUTO(mem) uint8_t *tables = mem_new(32 * in_count * out_count);
    uint8_t *sums[PARITY_SHARDS_MAX];

    ec_init_tables((int)in_count, (int)out_count, rows, tables);
    for (size_t at = 0; at < size; at += PARITY_BLOCK) {
        const size_t part = size - at < PARITY_BLOCK ? size - at : PARITY_BLOCK;

        for (size_t i = 0; i < out_count; i++) {
            sums[i] = out[i] + at;
            memset(sums[i], 0, part);
        }
        for (size_t j = 0; j < in_count; j++)
            ec_encode_data_update((int)part, (int)in_count, (int)out_count, (int)j, tables,
                                  in[j] + at, sums);
    }
}

/* Checksums */

static uint64_t sum_of(const uint8_t *bytes, size_t size)
{
    return crc64_ecma_refl(0, bytes, size);
}

static void append_sums(struct slice bytes, struct buf *out)
{
    for (size_t at = 0; at < bytes.size; at += PARITY_BLOCK) {
        const size_t left = bytes.size - at;

        buf_put_u64(out, sum_of(bytes.data + at, left < PARITY_BLOCK ? left : PARITY_BLOCK));
    }
}

static uint64_t table_at(const uint8_t *table, size_t block)
{
    struct slice s = SLICE_OF(table + block * SUM_SIZE, SUM_SIZE);
    uint64_t sum = 0;
    const bool is_there = take_u64(&s, &sum);

    assert(is_there);
    return sum;
}

/* Encoding */

/* libisal takes no pointers to const, and writes nothing there. */
static uint8_t *source_at(const uint8_t *bytes)
{
    return (uint8_t *)(uintptr_t)bytes;
}

static void encode_shards(const struct parity_shape *shape, struct slice object, uint8_t *parity)
{
    uint8_t rows[PARITY_SHARDS_MAX * PARITY_SHARDS_MAX];
    uint8_t *in[PARITY_SHARDS_MAX], *out[PARITY_SHARDS_MAX];
    const size_t size = shape->shard_size;
    const size_t last = (size_t)(shape->data - 1) * size;
    AUTO(mem) uint8_t *padded = mem_new(size);

    memcpy(padded, object.data + last, object.size - last);
    for (size_t i = 0; i + 1 < shape->data; i++)
        in[i] = source_at(object.data + i * size);
    in[shape->data - 1] = padded;
    for (size_t i = 0; i < shape->parity; i++)
        out[i] = parity + i * size;
    matrix_make(shape->data, shape->parity, rows);
    matrix_apply(rows, shape->data, shape->parity, size, in, out);
}

static void append_header(const struct parity_shape *shape, struct slice object,
                          const struct hash *name, struct slice table, struct buf *out)
{
    const size_t start = out->size;

    buf_append(out, magic, sizeof(magic));
    buf_put_u8(out, VERSION);
    buf_put_u8(out, (uint8_t)shape->data);
    buf_put_u8(out, (uint8_t)shape->parity);
    buf_put_u8(out, 0);
    buf_put_u32(out, shape->shard_size);
    buf_put_u64(out, object.size);
    buf_append(out, name->bytes, HASH_SIZE);
    buf_put_u64(out, sum_of(table.data, table.size));
    buf_put_u64(out, sum_of(out->data + start, CHECKED_SIZE));
    assert(out->size - start == HEADER_SIZE);
}

void parity_encode(const struct parity_shape *shape, struct slice object, const struct hash *name,
                   struct buf *out)
{
    const size_t shards_size = (size_t)shape->parity * shape->shard_size;
    AUTO(buf) struct buf table = {0};

    buf_reserve(out, parity_size(shape, object.size));

    const size_t head = out->size;
    const size_t head_size = HEADER_SIZE + table_size(shape, object.size);

    buf_extend(out, head_size);

    uint8_t *shards = buf_extend(out, shards_size);

    encode_shards(shape, object, shards);
    append_sums(object, &table);
    for (size_t i = 0; i < shape->parity; i++)
        append_sums(SLICE_OF(shards + i * shape->shard_size, shape->shard_size), &table);
    buf_append_slice(out, buf_slice(&table));
    append_header(shape, object, name, buf_slice(&table), out);
    memcpy(out->data + head, out->data + out->size - HEADER_SIZE, HEADER_SIZE);
    memcpy(out->data + head + HEADER_SIZE, table.data, table.size);
}

/* Opening */

static bool shape_is_valid(const struct parity_shape *s, uint64_t size)
{
    if (s->data < 1 || s->parity < 1 || s->data + s->parity > PARITY_SHARDS_MAX || size < 1 ||
        size > PARITY_OBJECT_MAX || s->shard_size < 1 || s->shard_size > PARITY_OBJECT_MAX)
        return false;
    return s->data == (size + s->shard_size - 1) / s->shard_size &&
           (s->data == 1 ? s->shard_size == size : s->shard_size % PARITY_BLOCK == 0);
}

/* A header, without a look at the table; false when it is damaged. */
static bool take_header(struct slice bytes, struct parity *out, uint64_t *table_sum, bool *is_newer)
{
    struct slice found_magic, name;
    uint8_t version, data, parity, zero;
    uint64_t sum;

    if (bytes.size < HEADER_SIZE)
        return false;

    const uint64_t wanted = sum_of(bytes.data, CHECKED_SIZE);

    if (!take_slice(&bytes, sizeof(magic), &found_magic) || !take_u8(&bytes, &version) ||
        !take_u8(&bytes, &data) || !take_u8(&bytes, &parity) || !take_u8(&bytes, &zero) ||
        !take_u32(&bytes, &out->shape.shard_size) || !take_u64(&bytes, &out->size) ||
        !take_slice(&bytes, HASH_SIZE, &name) || !take_u64(&bytes, table_sum) ||
        !take_u64(&bytes, &sum))
        return false;
    if (sum != wanted || memcmp(found_magic.data, magic, sizeof(magic)) != 0)
        return false;
    *is_newer = version > VERSION;
    out->shape.data = data;
    out->shape.parity = parity;
    memcpy(out->name.bytes, name.data, HASH_SIZE);
    return version == VERSION && zero == 0 && shape_is_valid(&out->shape, out->size);
}

bool parity_open(struct slice bytes, struct parity *out, struct err *e)
{
    struct parity p = {0};
    uint64_t table_sum = 0;
    bool is_newer = false;

    if (bytes.size < HEADER_SIZE || bytes.size > PARITY_OBJECT_MAX)
        return err_set(e, ERR_CORRUPT, "it is no parity");

    const struct slice end = SLICE_OF(bytes.data + bytes.size - HEADER_SIZE, (size_t)HEADER_SIZE);

    if (!take_header(bytes, &p, &table_sum, &is_newer) &&
        !take_header(end, &p, &table_sum, &is_newer))
        return is_newer ? err_set(e, ERR_USAGE, "its version needs a newer program")
                        : err_set(e, ERR_CORRUPT, "both of its headers are damaged");
    if (parity_size(&p.shape, (size_t)p.size) != bytes.size)
        return err_set(e, ERR_CORRUPT, "its length is not that of what it holds");

    const size_t size = table_size(&p.shape, (size_t)p.size);

    p.shards = bytes.data + HEADER_SIZE + size;
    p.table = bytes.data + HEADER_SIZE;
    if (sum_of(p.table, size) != table_sum)
        p.table = p.shards + (size_t)p.shape.parity * p.shape.shard_size;
    if (sum_of(p.table, size) != table_sum)
        return err_set(e, ERR_CORRUPT, "both of its tables are damaged");
    *out = p;
    return true;
}

bool parity_is_of(struct slice bytes, struct slice object, const struct hash *name)
{
    AUTO(buf) struct buf wanted = {0};
    struct parity p;
    struct err ignored;

    if (!parity_open(bytes, &p, &ignored) || p.size != object.size || !hash_is_equal(&p.name, name))
        return false;
    parity_encode(&p.shape, object, name, &wanted);
    return slice_is_equal(buf_slice(&wanted), bytes);
}

/* Healing */

/* An object being healed. */
struct patient {
    const struct parity *parity;
    size_t rows;
    uint8_t *bytes;    /* data shards, zeros behind the object */
    bool *is_bad;      /* by block: of data shards, then of parity shards, rows each */
    size_t bad_blocks; /* of the object */
    uint8_t *matrix;   /* rows of parity */
};

static void patient_auto(struct patient *t)
{
    mem_free(t->bytes);
    mem_free(t->is_bad);
    mem_free(t->matrix);
}

/* What is lost in one row, and the parity that stands in for it. */
struct loss {
    size_t count;
    uint8_t data[PARITY_SHARDS_MAX];
    uint8_t parity[PARITY_SHARDS_MAX];
};

static bool loss_is_equal(const struct loss *a, const struct loss *b)
{
    return a->count == b->count && memcmp(a->data, b->data, a->count) == 0 &&
           memcmp(a->parity, b->parity, a->count) == 0;
}

static size_t length_of(size_t block, size_t size)
{
    const size_t left = size - block * PARITY_BLOCK;

    return left < PARITY_BLOCK ? left : PARITY_BLOCK;
}

static void find_bad_data(struct patient *t, size_t left)
{
    const struct parity *p = t->parity;
    const size_t count = blocks_in((size_t)p->size);

    for (size_t i = 0; i < count; i++) {
        const size_t size = length_of(i, (size_t)p->size);
        const uint8_t *block = t->bytes + i * PARITY_BLOCK;

        t->is_bad[i] =
            i * PARITY_BLOCK + size > left || sum_of(block, size) != table_at(p->table, i);
        t->bad_blocks += t->is_bad[i];
    }
}

static void find_bad_parity(struct patient *t)
{
    const struct parity *p = t->parity;
    const uint8_t *table = p->table + blocks_in((size_t)p->size) * SUM_SIZE;

    for (size_t i = 0; i < p->shape.parity; i++)
        for (size_t row = 0; row < t->rows; row++) {
            const size_t number = i * t->rows + row;
            const uint8_t *block = p->shards + i * p->shape.shard_size + row * PARITY_BLOCK;

            t->is_bad[p->shape.data * t->rows + number] =
                sum_of(block, length_of(row, p->shape.shard_size)) != table_at(table, number);
        }
}

static void patient_init(struct patient *t, const struct parity *p, struct slice damaged)
{
    const size_t size = (size_t)p->shape.data * p->shape.shard_size;
    const size_t left = damaged.size < p->size ? damaged.size : (size_t)p->size;

    *t = (struct patient){.parity = p,
                          .rows = blocks_in(p->shape.shard_size),
                          .bytes = mem_new(size),
                          .matrix = mem_new((size_t)p->shape.data * p->shape.parity)};
    t->is_bad = mem_array((p->shape.data + p->shape.parity) * t->rows, sizeof(*t->is_bad));
    if (left > 0)
        memcpy(t->bytes, damaged.data, left);
    matrix_make(p->shape.data, p->shape.parity, t->matrix);
    find_bad_data(t, left);
    find_bad_parity(t);
}

/* False when the row has less parity than it needs. */
static bool loss_find(const struct patient *t, size_t row, struct loss *out)
{
    const struct parity_shape *shape = &t->parity->shape;
    size_t stand_ins = 0;

    out->count = 0;
    for (size_t i = 0; i < shape->data; i++)
        if (t->is_bad[i * t->rows + row])
            out->data[out->count++] = (uint8_t)i;
    for (size_t i = 0; i < shape->parity && stand_ins < out->count; i++)
        if (!t->is_bad[(shape->data + i) * t->rows + row])
            out->parity[stand_ins++] = (uint8_t)i;
    return stand_ins == out->count;
}

static bool loss_has(const struct loss *l, size_t shard)
{
    return memchr(l->data, (int)shard, l->count) != NULL;
}

/*
 * The rows that give lost shards from sound ones followed by the parity that stands in.  With A the
 * columns of lost shards and B those of sound ones: parity = A lost + B sound, so
 * lost = A^-1 B sound + A^-1 parity.
 */
static bool matrix_solve(const struct patient *t, const struct loss *l, uint8_t *out, struct err *e)
{
    const size_t data = t->parity->shape.data;
    uint8_t lost[PARITY_SHARDS_MAX * PARITY_SHARDS_MAX];
    uint8_t inverse[PARITY_SHARDS_MAX * PARITY_SHARDS_MAX];

    for (size_t i = 0; i < l->count; i++)
        for (size_t j = 0; j < l->count; j++)
            lost[i * l->count + j] = t->matrix[l->parity[i] * data + l->data[j]];
    if (gf_invert_matrix(lost, inverse, (int)l->count) != 0)
        return err_set(e, ERR_FATAL, "a matrix of parity cannot be inverted");
    for (size_t i = 0; i < l->count; i++) {
        uint8_t *row = out + i * data;
        size_t column = 0;

        for (size_t j = 0; j < data; j++) {
            uint8_t sum = 0;

            if (loss_has(l, j))
                continue;
            for (size_t n = 0; n < l->count; n++)
                sum ^= gf_mul(inverse[i * l->count + n], t->matrix[l->parity[n] * data + j]);
            row[column++] = sum;
        }
        memcpy(row + column, inverse + i * l->count, l->count);
    }
    return true;
}

/* Work out what is lost in rows [first, end), the same in all of them. */
static bool heal_rows(struct patient *t, const struct loss *l, size_t first, size_t end,
                      struct err *e)
{
    const struct parity_shape *shape = &t->parity->shape;
    AUTO(mem) uint8_t *rows = mem_new((size_t)shape->data * l->count);
    uint8_t *in[PARITY_SHARDS_MAX], *out[PARITY_SHARDS_MAX];
    const size_t at = first * PARITY_BLOCK;
    const size_t size =
        (end * PARITY_BLOCK < shape->shard_size ? end * PARITY_BLOCK : shape->shard_size) - at;
    size_t count = 0;

    if (!matrix_solve(t, l, rows, e))
        return false;
    for (size_t i = 0; i < shape->data; i++)
        if (!loss_has(l, i))
            in[count++] = t->bytes + i * shape->shard_size + at;
    for (size_t i = 0; i < l->count; i++) {
        in[count++] = source_at(t->parity->shards + l->parity[i] * (size_t)shape->shard_size + at);
        out[i] = t->bytes + l->data[i] * (size_t)shape->shard_size + at;
    }
    matrix_apply(rows, shape->data, l->count, size, in, out);
    return true;
}

static bool heal_all(struct patient *t, struct err *e)
{
    struct loss here, next;
    size_t end;

    for (size_t row = 0; row < t->rows; row = end) {
        if (!loss_find(t, row, &here))
            return err_set(e, ERR_CORRUPT,
                           "%zu of its %zu blocks are damaged, too many that share their parity",
                           t->bad_blocks, blocks_in((size_t)t->parity->size));
        for (end = row + 1; end < t->rows; end++)
            if (!loss_find(t, end, &next) || !loss_is_equal(&here, &next))
                break;
        if (here.count > 0 && !heal_rows(t, &here, row, end, e))
            return false;
    }
    return true;
}

bool parity_heal(const struct parity *p, struct slice damaged, struct buf *out, size_t *blocks,
                 struct err *e)
{
    AUTO(patient) struct patient t;
    struct hash found;

    patient_init(&t, p, damaged);
    *blocks = t.bad_blocks;
    if (!heal_all(&t, e))
        return false;
    sha256(SLICE_OF(t.bytes, (size_t)p->size), &found);
    if (!hash_is_equal(&found, &p->name))
        return err_set(e, ERR_CORRUPT,
                       "what its parity gives does not have the hash that it should");
    buf_append(out, t.bytes, (size_t)p->size);
    return true;
}
