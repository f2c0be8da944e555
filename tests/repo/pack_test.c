#include "repo/chunks.h"

#include "codec/compress.h"

/* A small pack of two frames with three chunks each, one frame raw and one compressed. */
struct built {
    struct pack_builder *builder;
    struct slice object, directory;
    struct hash id;
    struct buf frames[2]; /* plain */
};

static void add_frame(struct built *p, struct repo *r, const struct slice *chunks, size_t number)
{
    struct pack_chunk rows[3];
    AUTO(compressor) struct compressor *c = compressor_new(1);
    AUTO(buf) struct buf packed = {0};
    struct buf *plain = &p->frames[number];

    for (size_t i = 0; i < 3; i++) {
        rows[i] = (struct pack_chunk){.id = chunk_id(r, CHUNK_DATA, chunks[i]),
                                      .type = CHUNK_DATA,
                                      .size = (uint32_t)chunks[i].size};
        buf_append_slice(plain, chunks[i]);
    }

    const bool is_packed = compressor_compress(c, buf_slice(plain), CONTENT_MIXED, &packed);

    ck_assert_int_eq(is_packed, number == 1);
    (void)pack_builder_add(p->builder, is_packed ? buf_slice(&packed) : buf_slice(plain),
                           is_packed ? COMPRESSION_ZSTD : COMPRESSION_NONE, (uint32_t)plain->size,
                           rows, 3);
}

static void build(struct built *p, struct repo *r)
{
    static const char text[] = "what repeats repeats repeats repeats repeats repeats repeats";
    uint8_t noise[90];

    *p = (struct built){.builder = pack_builder_new(r, CLASS_CONTENT, 4096)};
    noise_fill(1, noise, sizeof(noise));
    add_frame(p, r, (const struct slice[]){{noise, 20}, {noise + 20, 30}, {noise + 50, 40}}, 0);
    add_frame(p, r,
              (const struct slice[]){SLICE_OF(text, 50), SLICE_OF(text, 40), SLICE_OF(text, 60)},
              1);
    pack_builder_finish(p->builder, &p->id, &p->object, &p->directory);
}

static void built_auto(struct built *p)
{
    pack_builder_free(p->builder);
    buf_done(&p->frames[0]);
    buf_done(&p->frames[1]);
}

/* Everything in a pack that can be checked with all of its bytes at hand. */
static bool scan(struct repo *r, struct slice object, struct err *e)
{
    AUTO(pack_scan) struct pack_scan *s = pack_scan_new(r);

    return pack_scan_open(s, object, e) && pack_scan_plain(s, e);
}

TEST(a_pack_reads_back_as_it_was_built)
{
    AUTO(store) struct store *st = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(st);
    AUTO(built) struct built p;
    AUTO(pack_scan) struct pack_scan *s = pack_scan_new(r);

    build(&p, r);
    CHECK_OK(pack_scan_open(s, p.object, e));
    ck_assert_int_eq(pack_scan_class(s), CLASS_CONTENT);
    CHECK(slice_is_equal(pack_scan_directory_bytes(s), p.directory));
    ck_assert_uint_eq(pack_scan_directory(s)->frame_count, 2);
    ck_assert_uint_eq(pack_scan_directory(s)->chunk_count, 6);
    for (size_t i = 0; i < 2; i++) {
        struct slice plain;

        CHECK_OK(pack_scan_frame(s, i, &plain, e));
        CHECK(slice_is_equal(plain, buf_slice(&p.frames[i])));
        for (size_t n = 0; n < 3; n++)
            CHECK_OK(pack_scan_chunk(s, 3 * i + n, plain, e));
    }
}
END

TEST(a_scan_can_be_opened_again_for_the_next_pack)
{
    AUTO(store) struct store *st = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(st);
    AUTO(built) struct built first, second;
    AUTO(pack_scan) struct pack_scan *s = pack_scan_new(r);

    build(&first, r);
    build(&second, r);
    CHECK_OK(pack_scan_open(s, first.object, e));
    CHECK_ERR(pack_scan_open(s, SLICE_OF(first.object.data, 200), e), ERR_CORRUPT);
    CHECK_OK(pack_scan_open(s, second.object, e));
    CHECK_OK(pack_scan_plain(s, e));
}
END

/* Frames are added between the sums, as the writer does it; sums are those of mac_sum(). */
static void build_beside_macs(struct pack_builder *b, struct repo *r, size_t frame_size)
{
    AUTO(mac) struct mac *m = mac_new(r->keys->chunk_id);
    AUTO(buf) struct buf noise = {0};
    const struct pack_chunk chunk = {.type = CHUNK_DATA, .size = (uint32_t)frame_size};

    noise_fill(5, buf_extend(&noise, 9000), 9000);
    for (size_t i = 0; i < 8; i++) {
        const size_t size = pack_builder_size(b);
        struct mac_message messages[] = {{.in = SLICE_OF(noise.data, 5000)},
                                         {.in = SLICE_OF(noise.data + i, 700 * i)}};

        (void)pack_builder_add(b, SLICE_OF(noise.data, frame_size), COMPRESSION_NONE,
                               (uint32_t)frame_size, &chunk, 1);
        pack_builder_sum_beside(b, size, m, messages, 2);
        for (size_t n = 0; n < 2; n++) {
            struct hash alone;

            mac_sum(m, messages[n].type, messages[n].in, &alone);
            CHECK(hash_is_equal(&messages[n].sum, &alone));
        }
    }
}

TEST(the_name_of_a_pack_is_the_hash_of_its_bytes_when_worked_out_beside_macs)
{
    AUTO(store) struct store *st = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(st);
    AUTO(pack_builder) struct pack_builder *b = pack_builder_new(r, CLASS_CONTENT, 1 << 20);
    const size_t frame_sizes[] = {1, 100, 6000, 9000};

    for (size_t i = 0; i < 4; i++) {
        struct slice object, directory;
        struct hash id, found;

        pack_builder_restart(b, r, CLASS_CONTENT);
        build_beside_macs(b, r, frame_sizes[i]);
        pack_builder_finish(b, &id, &object, &directory);
        sha256(object, &found);
        CHECK(hash_is_equal(&id, &found));
    }
}
END

TEST(an_empty_pack_is_a_pack)
{
    AUTO(store) struct store *st = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(st);
    AUTO(pack_builder) struct pack_builder *b = pack_builder_new(r, CLASS_TREE, 0);
    struct slice object, directory;
    struct hash id;

    pack_builder_finish(b, &id, &object, &directory);
    CHECK_OK(scan(r, object, e));
}
END

TEST(every_truncation_of_a_pack_is_corrupt)
{
    AUTO(store) struct store *st = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(st);
    AUTO(built) struct built p;

    build(&p, r);
    for (size_t size = 0; size < p.object.size; size++)
        CHECK_ERR(scan(r, SLICE_OF(p.object.data, size), e), ERR_CORRUPT);
}
END

/* Everything that shows without expanding anything. */
static bool unseal(struct repo *r, struct slice object, struct err *e)
{
    AUTO(pack_scan) struct pack_scan *s = pack_scan_new(r);

    return pack_scan_open(s, object, e) && pack_scan_unseal(s, 0, e) && pack_scan_unseal(s, 1, e);
}

TEST(every_flipped_bit_of_a_pack_is_corrupt)
{
    AUTO(store) struct store *st = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(st);
    AUTO(built) struct built p;
    AUTO(buf) struct buf bytes = {0};

    build(&p, r);
    buf_append_slice(&bytes, p.object);
    for (size_t i = 0; i < bytes.size; i++) {
        const uint8_t bit = (uint8_t)(1U << (i % 8));

        /* A larger version says of itself that it is newer. */
        bytes.data[i] ^= i == 8 ? 1 : bit;
        CHECK_ERR(scan(r, buf_slice(&bytes), e), ERR_CORRUPT);
        CHECK_ERR(unseal(r, buf_slice(&bytes), e), ERR_CORRUPT);
        bytes.data[i] ^= i == 8 ? 1 : bit;
    }
    CHECK_OK(scan(r, buf_slice(&bytes), e));
    CHECK_OK(unseal(r, buf_slice(&bytes), e));
}
END

TEST(bytes_behind_or_inside_a_pack_are_corrupt)
{
    AUTO(store) struct store *st = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(st);
    AUTO(built) struct built p;

    build(&p, r);
    for (size_t at = 0; at <= p.object.size; at++) {
        AUTO(buf) struct buf bytes = {0};

        buf_append(&bytes, p.object.data, at);
        buf_put_u8(&bytes, 0);
        buf_append(&bytes, p.object.data + at, p.object.size - at);
        CHECK_ERR(scan(r, buf_slice(&bytes), e), ERR_CORRUPT);
    }
}
END

TEST(frames_cannot_change_places)
{
    AUTO(store) struct store *st = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(st);
    AUTO(pack_builder) struct pack_builder *b = pack_builder_new(r, CLASS_CONTENT, 4096);
    AUTO(buf) struct buf bytes = {0};
    struct slice object, directory;
    struct hash id;
    const size_t sealed = 40 + SEAL_TAG_SIZE;

    for (uint64_t n = 0; n < 2; n++) {
        uint8_t noise[40];

        noise_fill(n, noise, sizeof(noise));
        const struct pack_chunk c = {
            .id = chunk_id(r, CHUNK_DATA, SLICE_OF(noise, 40)), .type = CHUNK_DATA, .size = 40};

        (void)pack_builder_add(b, SLICE_OF(noise, 40), COMPRESSION_NONE, 40, &c, 1);
    }
    pack_builder_finish(b, &id, &object, &directory);
    buf_append(&bytes, object.data, SEAL_HEADER_SIZE);
    buf_append(&bytes, object.data + SEAL_HEADER_SIZE + sealed, sealed);
    buf_append(&bytes, object.data + SEAL_HEADER_SIZE, sealed);
    buf_append(&bytes, object.data + SEAL_HEADER_SIZE + 2 * sealed,
               object.size - SEAL_HEADER_SIZE - 2 * sealed);
    CHECK_OK(scan(r, object, e));
    CHECK_ERR(scan(r, buf_slice(&bytes), e), ERR_CORRUPT);
}
END

TEST(a_pack_of_another_repository_is_corrupt)
{
    AUTO(store) struct store *here = store_memory_new(), *there = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(here), *other = fixture_repo(there);
    AUTO(built) struct built p;

    build(&p, other);
    CHECK_ERR(scan(r, p.object, e), ERR_CORRUPT);
}
END

TEST(the_size_of_a_finished_pack_is_foretold)
{
    AUTO(store) struct store *st = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(st);
    AUTO(pack_builder) struct pack_builder *b = pack_builder_new(r, CLASS_CONTENT, 4096);
    struct pack_chunk chunks[3] = {{.type = CHUNK_DATA, .size = 100},
                                   {.type = CHUNK_DATA, .size = 100},
                                   {.type = CHUNK_DATA, .size = 100}};
    uint8_t noise[300];
    struct slice object, directory;
    struct hash id;

    noise_fill(3, noise, sizeof(noise));
    for (int i = 0; i < 2; i++)
        (void)pack_builder_add(b, SLICE_OF(noise, 300), COMPRESSION_NONE, 300, chunks, 3);

    const size_t foretold = pack_builder_size_with(b, 300, COMPRESSION_NONE, 3);

    (void)pack_builder_add(b, SLICE_OF(noise, 300), COMPRESSION_NONE, 300, chunks, 3);
    pack_builder_finish(b, &id, &object, &directory);
    ck_assert_uint_eq(foretold, object.size);
}
END

/* Directories made by hand */

struct frame_row {
    uint32_t sealed, plain;
    uint8_t compression;
    uint32_t chunks;
};

struct chunk_row {
    uint8_t type, encoding;
    uint32_t size;
    enum { BASE_AS_ENCODED, BASE_GIVEN, BASE_LEFT_OUT } base;
};

struct directory_case {
    const char *name;
    uint32_t frame_count, chunk_count;
    struct frame_row frames[2];
    struct chunk_row chunks[3];
    enum object_class class;
    bool is_fine;
    bool is_wide; /* only form 0 can say this */
};

/* What stands beside the count of frames in form 1. */
#define COMPACT 0x80000000U

static void encode_row(const struct chunk_row *c, uint32_t form, struct buf *out)
{
    static const uint8_t id[HASH_SIZE] = {1};

    buf_append(out, id, form == COMPACT ? 16 : sizeof(id));
    if (form != COMPACT) {
        buf_put_u8(out, c->type);
        buf_put_u8(out, c->encoding);
        buf_put_u32(out, c->size);
        if (c->base == BASE_GIVEN || (c->base == BASE_AS_ENCODED && c->encoding == 1))
            buf_append(out, id, sizeof(id));
        return;
    }
    buf_put_u8(out, (uint8_t)(c->size - 1));
    buf_put_u8(out, (uint8_t)((c->size - 1) >> 8));
    buf_put_u8(out, (uint8_t)((c->size - 1) >> 16 | (unsigned)c->type << 6));
    if (c->encoding == 1)
        buf_append(out, id, 16);
}

static void encode(const struct directory_case *c, uint32_t form, struct buf *out)
{
    buf_put_u32(out, form | c->frame_count);
    buf_put_u32(out, c->chunk_count);
    for (size_t i = 0; i < 2 && c->frames[i].sealed > 0; i++) {
        buf_put_u32(out, c->frames[i].sealed);
        buf_put_u32(out, c->frames[i].plain);
        buf_put_u8(out, c->frames[i].compression);
        buf_put_u32(out, c->frames[i].chunks);
    }
    for (size_t i = 0; i < 3 && c->chunks[i].type > 0; i++)
        encode_row(&c->chunks[i], form, out);
}

#define MIB (1U << 20)

/* Sums past 2^32 must not come out right either. */
static const struct directory_case cases[] = {
    {"fine", 1, 2, {{116, 100, 0, 2}}, {{1, 0, 60}, {1, 0, 40}}, CLASS_CONTENT, true},
    {"fine tree", 1, 2, {{50, 100, 1, 2}}, {{2, 0, 60}, {3, 0, 40}}, CLASS_TREE, true},
    {"empty", 0, 0, {{0}}, {{0}}, CLASS_CONTENT, true},
    {"no pack's class", 0, 0, {{0}}, {{0}}, CLASS_INDEX, false},
    {"more frames", 2, 2, {{116, 100, 0, 2}}, {{1, 0, 60}, {1, 0, 40}}, CLASS_CONTENT, false},
    {"fewer frames", 0, 2, {{116, 100, 0, 2}}, {{1, 0, 60}, {1, 0, 40}}, CLASS_CONTENT, false},
    {"more chunks", 1, 3, {{116, 100, 0, 2}}, {{1, 0, 60}, {1, 0, 40}}, CLASS_CONTENT, false},
    {"wild counts", UINT32_MAX, UINT32_MAX, {{0}}, {{0}}, CLASS_CONTENT, false},
    {"compression", 1, 1, {{116, 100, 3, 1}}, {{1, 0, 100}}, CLASS_CONTENT, false},
    {"fine delta", 1, 2, {{50, 100, 2, 2}}, {{1, 1, 60}, {1, 1, 40}}, CLASS_CONTENT, true},
    {"delta and plain",
     2,
     3,
     {{50, 100, 2, 2}, {116, 100, 0, 1}},
     {{1, 1, 60}, {1, 1, 40}, {1, 0, 100}},
     CLASS_CONTENT,
     true},
    {"delta without bases", 1, 1, {{50, 100, 2, 1}}, {{1, 0, 100}}, CLASS_CONTENT, false},
    {"mixed delta", 1, 2, {{50, 100, 2, 2}}, {{1, 1, 60}, {1, 0, 40}}, CLASS_CONTENT, false},
    {"mixed frame", 1, 2, {{50, 100, 1, 2}}, {{1, 0, 60}, {1, 1, 40}}, CLASS_CONTENT, false},
    {"plain in a delta",
     1,
     1,
     {{50, 100, 2, 1}},
     {{1, 0, 100, BASE_GIVEN}},
     CLASS_CONTENT,
     false,
     true},
    {"delta in a plain frame",
     1,
     1,
     {{50, 100, 1, 1}},
     {{1, 1, 100, BASE_LEFT_OUT}},
     CLASS_CONTENT,
     false,
     true},
    {"fine deltas of trees", 1, 2, {{50, 100, 2, 2}}, {{2, 1, 60}, {3, 1, 40}}, CLASS_TREE, true},
    {"tree delta in content", 1, 1, {{50, 100, 2, 1}}, {{2, 1, 100}}, CLASS_CONTENT, false},
    {"data delta in tree", 1, 1, {{50, 100, 2, 1}}, {{1, 1, 100}}, CLASS_TREE, false},
    {"encoding", 1, 1, {{50, 100, 2, 1}}, {{1, 2, 100}}, CLASS_CONTENT, false, true},
    {"encoding of a plain one", 1, 1, {{50, 100, 1, 1}}, {{1, 2, 100}}, CLASS_CONTENT, false, true},
    {"empty frame", 1, 0, {{16, 0, 0, 0}}, {{0}}, CLASS_CONTENT, false},
    {"large frame",
     1,
     3,
     {{99, 8 * MIB + 1, 1, 3}},
     {{1, 0, 4 * MIB}, {1, 0, 4 * MIB}, {1, 0, 1}},
     CLASS_CONTENT,
     false},
    {"only a tag", 1, 1, {{16, 100, 1, 1}}, {{1, 0, 100}}, CLASS_CONTENT, false},
    {"long frame", 1, 1, {{64 * MIB + 1, 100, 1, 1}}, {{1, 0, 100}}, CLASS_CONTENT, false},
    {"long frames",
     2,
     2,
     {{48 * MIB, 100, 1, 1}, {48 * MIB, 100, 1, 1}},
     {{1, 0, 100}, {1, 0, 100}},
     CLASS_CONTENT,
     false},
    {"raw sizes", 1, 1, {{117, 100, 0, 1}}, {{1, 0, 100}}, CLASS_CONTENT, false},
    {"delta", 1, 1, {{116, 100, 0, 1}}, {{1, 1, 100}}, CLASS_CONTENT, false},
    {"tree in content", 1, 1, {{116, 100, 0, 1}}, {{2, 0, 100}}, CLASS_CONTENT, false},
    {"data in tree", 1, 1, {{116, 100, 0, 1}}, {{1, 0, 100}}, CLASS_TREE, false},
    {"unknown type", 1, 1, {{116, 100, 0, 1}}, {{4, 0, 100}}, CLASS_TREE, false, true},
    {"empty chunk", 1, 2, {{116, 100, 0, 2}}, {{1, 0, 100}, {1, 0, 0}}, CLASS_CONTENT, false, true},
    {"large chunk",
     1,
     1,
     {{99, 4 * MIB + 1, 1, 1}},
     {{1, 0, 4 * MIB + 1}},
     CLASS_CONTENT,
     false,
     true},
    {"too little", 1, 1, {{116, 100, 0, 1}}, {{1, 0, 99}}, CLASS_CONTENT, false},
    {"too much", 1, 2, {{116, 100, 0, 2}}, {{1, 0, 60}, {1, 0, 41}}, CLASS_CONTENT, false},
    {"chunks left", 1, 2, {{116, 100, 0, 1}}, {{1, 0, 100}, {1, 0, 100}}, CLASS_CONTENT, false},
    {"chunks missing",
     2,
     1,
     {{116, 100, 0, 1}, {116, 100, 0, 1}},
     {{1, 0, 100}},
     CLASS_CONTENT,
     false},
    {"counts wrap",
     2,
     1,
     {{116, 100, 0, UINT32_MAX}, {116, 100, 0, 2}},
     {{1, 0, 100}},
     CLASS_CONTENT,
     false},
};

TEST(a_directory_that_the_format_does_not_allow_is_corrupt)
{
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        const struct directory_case *c = &cases[i / 2];
        AUTO(pack_directory) struct pack_directory d = {0};
        AUTO(buf) struct buf bytes = {0};
        struct err e = {0};

        if (c->is_wide && i % 2 == 1)
            continue;
        encode(c, i % 2 * COMPACT, &bytes);
        const bool ok = pack_directory_decode(buf_slice(&bytes), c->class, &d, &e);

        ck_assert_msg(ok == c->is_fine, "%s (%zu): %s", c->name, i % 2, e.text);
        ck_assert_msg(ok || e.code == ERR_CORRUPT, "%s (%zu): %s", c->name, i % 2, e.text);
    }
}
END

TEST(both_forms_of_a_directory_say_the_same)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        AUTO(pack_directory) struct pack_directory wide = {0}, d = {0};
        AUTO(buf) struct buf first = {0}, bytes = {0};

        if (!cases[i].is_fine)
            continue;
        encode(&cases[i], 0, &first);
        encode(&cases[i], COMPACT, &bytes);
        CHECK(bytes.size <= first.size - 19 * cases[i].chunk_count);
        CHECK_OK(pack_directory_decode(buf_slice(&first), cases[i].class, &wide, e));
        CHECK_OK(pack_directory_decode(buf_slice(&bytes), cases[i].class, &d, e));
        CHECK(d.frame_count == wide.frame_count && d.chunk_count == wide.chunk_count);
        for (size_t n = 0; n < d.frame_count; n++)
            CHECK(memcmp(&d.frames[n], &wide.frames[n], sizeof(*d.frames)) == 0);
        for (size_t n = 0; n < d.chunk_count; n++)
            CHECK(memcmp(&d.chunks[n], &wide.chunks[n], sizeof(*d.chunks)) == 0);
    }
}
END

TEST(an_id_is_named_in_whole_or_by_its_first_half)
{
    const struct hash id = {{1, [15] = 2, [16] = 3, [31] = 4}};
    struct hash other = id, half = id_prefix(&id);

    CHECK(id_is_named(&id, &id) && id_is_named(&id, &half) && !id_is_named(&half, &id));
    other.bytes[31] = 5;
    CHECK(!id_is_named(&id, &other));
    half.bytes[15] = 1;
    CHECK(!id_is_named(&id, &half));
}
END

TEST(every_truncation_of_a_directory_is_corrupt)
{
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        const struct directory_case *c = &cases[i / 2];
        AUTO(buf) struct buf bytes = {0};

        if (!c->is_fine)
            continue;
        encode(c, i % 2 * COMPACT, &bytes);
        for (size_t size = 0; size < bytes.size; size++) {
            AUTO(pack_directory) struct pack_directory d = {0};

            CHECK_ERR(pack_directory_decode(SLICE_OF(bytes.data, size), c->class, &d, e),
                      ERR_CORRUPT);
        }
    }
}
END

TEST(a_pack_in_the_store_gives_its_directory_or_is_named)
{
    AUTO(store) struct store *st = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(st);
    AUTO(built) struct built p;
    AUTO(buf) struct buf plain = {0};
    enum object_class class;
    struct hash id;
    char key[PACK_KEY_MAX];
    struct err why = {0};

    build(&p, r);
    sha256(p.object, &id);
    pack_key(&id, key);
    CHECK_OK(store_put(st, key, p.object, PUT_NEW, e));
    CHECK_OK(pack_directory_get(r, &id, p.object.size, &class, &plain, e));
    CHECK(class == CLASS_CONTENT && slice_is_equal(buf_slice(&plain), p.directory));
    object_damage(st, key, -(int64_t)PACK_TRAILER_SIZE - 1);
    CHECK(!pack_directory_get(r, &id, p.object.size, &class, &plain, &why));
    ck_assert_int_eq(why.code, ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(why.text, key));
    CHECK_ERR(pack_directory_get(r, &id, 100, &class, &plain, e), ERR_CORRUPT);
    CHECK_ERR(pack_directory_get(r, &id, p.object.size + 1, &class, &plain, e), ERR_CORRUPT);
}
END

TESTS("pack", a_pack_reads_back_as_it_was_built, a_scan_can_be_opened_again_for_the_next_pack,
      the_name_of_a_pack_is_the_hash_of_its_bytes_when_worked_out_beside_macs,
      an_empty_pack_is_a_pack, every_truncation_of_a_pack_is_corrupt,
      every_flipped_bit_of_a_pack_is_corrupt, bytes_behind_or_inside_a_pack_are_corrupt,
      frames_cannot_change_places, a_pack_of_another_repository_is_corrupt,
      the_size_of_a_finished_pack_is_foretold,
      a_directory_that_the_format_does_not_allow_is_corrupt,
      every_truncation_of_a_directory_is_corrupt, both_forms_of_a_directory_say_the_same,
      an_id_is_named_in_whole_or_by_its_first_half,
      a_pack_in_the_store_gives_its_directory_or_is_named)
