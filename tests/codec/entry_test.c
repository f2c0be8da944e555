#include "support/test.h"

#include <string.h>

#include "base/mem.h"
#include "codec/entry.h"

/* An entry with every common field set to something that a careless coder would lose. */
static struct entry entry_of(enum entry_type type)
{
    return (struct entry){
        .type = type,
        .flags = ENTRY_UNTRUSTED_TIME,
        .name = SLICE_OF("\xff\x01 \\\n\"..", 8),
        .mode = 07777,
        .uid = UINT32_MAX,
        .gid = 65534,
        .user = slice_string("nobody"),
        .mtime_ns = INT64_MIN,
        .ctime_ns = -1,
        .device = UINT64_MAX,
        .inode = UINT64_C(1) << 63,
        .links = 3,
        .size = UINT64_MAX,
        .xattrs = SLICE_OF("\6user.a\0\6user.b\3v\0v", 19),
        .cut = CUT_WHOLE,
    };
}

static struct entry file_entry(void)
{
    static const uint8_t ids[3 * HASH_SIZE] = {1, 2, 3};
    struct entry en = entry_of(ENTRY_FILE);

    en.flags |= ENTRY_FUZZY;
    en.size = 1000;
    en.holes = SLICE_OF("\0\1\2\5\x0a\7", 6); /* 0+1, 2+5, 10+7 */
    en.cut = CUT_LINES;
    en.content = SLICE_OF(ids, sizeof(ids));
    return en;
}

/* Some entry of each type, 1 to 7. */
static struct entry example(enum entry_type type)
{
    struct entry en = type == ENTRY_FILE ? file_entry() : entry_of(type);

    if (type == ENTRY_DIRECTORY)
        memset(en.subtree.bytes, 0xab, HASH_SIZE);
    if (type == ENTRY_SYMLINK)
        en.target = slice_string("../\xc3\x28/..");
    if (type == ENTRY_CHARACTER_DEVICE || type == ENTRY_BLOCK_DEVICE)
        en.rdev = UINT64_MAX;
    return en;
}

static void check_same(const struct entry *a, const struct entry *b)
{
    CHECK(a->type == b->type && a->flags == b->flags && a->mode == b->mode);
    CHECK(a->uid == b->uid && a->gid == b->gid);
    CHECK(a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns);
    CHECK(a->device == b->device && a->inode == b->inode && a->links == b->links);
    CHECK(a->size == b->size && a->rdev == b->rdev && a->cut == b->cut);
    CHECK(slice_is_equal(a->name, b->name) && slice_is_equal(a->user, b->user));
    CHECK(slice_is_equal(a->group, b->group) && slice_is_equal(a->target, b->target));
    CHECK(slice_is_equal(a->xattrs, b->xattrs) && slice_is_equal(a->holes, b->holes));
    CHECK(slice_is_equal(a->content, b->content) && hash_is_equal(&a->subtree, &b->subtree));
}

/*
 * The encoded form of an entry that entry_encode() would refuse: value replaces what stands
 * behind the first occurrence of marker.
 */
static void patch(struct buf *b, struct slice marker, struct slice value)
{
    uint8_t *at = memmem(b->data, b->size, marker.data, marker.size);

    CHECK(at != NULL);
    memcpy(at + marker.size, value.data, value.size);
}

static bool decode(const struct buf *b, struct err *e)
{
    struct slice s = buf_slice(b);
    struct entry out;

    return entry_decode(&s, &out, e);
}

TEST(every_type_comes_back_as_it_was_and_leaves_what_follows)
{
    for (enum entry_type type = ENTRY_FILE; type <= ENTRY_BLOCK_DEVICE; type++) {
        const struct entry en = example(type);
        struct entry back;
        AUTO(buf) struct buf b = {0};

        entry_encode(&en, &b);
        buf_append(&b, "next", 4);

        struct slice s = buf_slice(&b);

        CHECK_OK(entry_decode(&s, &back, e));
        check_same(&en, &back);
        CHECK(slice_is_equal(s, slice_string("next")));
    }
}

/* docs/FORMAT.md, "Trees", by hand. */
TEST(a_fifo_is_encoded_as_the_format_says)
{
    static const uint8_t expected[] = "\x04\x00\x01p\xa4\x03\xe8\x07\x64\x01u\x01g"
                                      "\x01\x00\x00\x00\x00\x00\x00\x00"
                                      "\xff\xff\xff\xff\xff\xff\xff\xff"
                                      "\x05\x06\x01\x00";
    const struct entry en = {.type = ENTRY_FIFO,
                             .name = slice_string("p"),
                             .mode = 0644,
                             .uid = 1000,
                             .gid = 100,
                             .user = slice_string("u"),
                             .group = slice_string("g"),
                             .mtime_ns = 1,
                             .ctime_ns = -1,
                             .device = 5,
                             .inode = 6,
                             .links = 1};
    AUTO(buf) struct buf b = {0};

    entry_encode(&en, &b);
    CHECK(slice_is_equal(buf_slice(&b), SLICE_OF(expected, sizeof(expected))));
}

TEST(every_truncation_of_every_type_fails_and_changes_nothing)
{
    for (enum entry_type type = ENTRY_FILE; type <= ENTRY_BLOCK_DEVICE; type++) {
        const struct entry en = example(type);
        AUTO(buf) struct buf b = {0};

        entry_encode(&en, &b);
        for (size_t size = 0; size < b.size; size++) {
            /* A copy of that size, so that the sanitizer sees a read behind its end. */
            AUTO(mem) uint8_t *copy = mem_array(size, 1);
            struct slice s = {copy, size};
            struct entry out = {.uid = 77};

            memcpy(copy, b.data, size);
            CHECK_ERR(entry_decode(&s, &out, e), ERR_CORRUPT);
            CHECK(s.data == copy && s.size == size && out.uid == 77);
        }
    }
}

TEST(no_flipped_bit_decodes_to_something_that_encodes_otherwise)
{
    for (enum entry_type type = ENTRY_FILE; type <= ENTRY_BLOCK_DEVICE; type++) {
        const struct entry en = example(type);
        AUTO(buf) struct buf b = {0};

        entry_encode(&en, &b);
        for (size_t bit = 0; bit < b.size * 8; bit++) {
            struct slice s = buf_slice(&b);
            AUTO(buf) struct buf again = {0};
            struct entry out;
            struct err e;

            b.data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
            if (entry_decode(&s, &out, &e)) {
                entry_encode(&out, &again);
                CHECK(slice_is_equal(SLICE_OF(b.data, b.size - s.size), buf_slice(&again)));
            }
            b.data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        }
    }
}

/* Replace the last field, of old_size < 128 bytes, by this many bytes of 1. */
static void replace_last_field(struct buf *b, size_t old_size, size_t size)
{
    b->size -= old_size + 1;
    buf_put_varint(b, size);
    memset(buf_extend(b, size), 1, size);
}

TEST(names_that_lead_elsewhere_are_refused)
{
    static const char *const names[] = {"a/cde", "/bcde", "abcd/", "ab\0de"};
    struct entry en = entry_of(ENTRY_FIFO);

    en.name = slice_string("abcde");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        AUTO(buf) struct buf b = {0};

        entry_encode(&en, &b);
        patch(&b, SLICE_OF("\5", 1), SLICE_OF(names[i], 5));
        CHECK_ERR(decode(&b, e), ERR_CORRUPT);
    }
}

TEST(the_names_dot_and_dot_dot_are_refused_but_three_dots_are_a_name)
{
    for (size_t dots = 1; dots <= 3; dots++) {
        struct entry en = entry_of(ENTRY_FIFO);
        AUTO(buf) struct buf b = {0};

        en.name = SLICE_OF("xxx", dots);
        entry_encode(&en, &b);
        memcpy(b.data + 3, "...", dots);
        if (dots == 3)
            CHECK_OK(decode(&b, e));
        else
            CHECK_ERR(decode(&b, e), ERR_CORRUPT);
    }
}

TEST(a_name_has_1_to_255_bytes)
{
    char name[ENTRY_NAME_MAX];
    struct entry en = entry_of(ENTRY_FIFO);
    AUTO(buf) struct buf longest = {0};
    static const uint8_t empty_name[40] = {ENTRY_FIFO, 0, 0};
    const struct buf none = {(uint8_t *)(uintptr_t)empty_name, sizeof(empty_name), 0};

    memset(name, 'n', sizeof(name));
    en.name = SLICE_OF(name, sizeof(name));
    entry_encode(&en, &longest);
    CHECK_OK(decode(&longest, e));
    CHECK_ERR(decode(&none, e), ERR_CORRUPT);

    AUTO(buf) struct buf longer = {0};

    buf_append(&longer, longest.data, 2);
    buf_put_varint(&longer, ENTRY_NAME_MAX + 1);
    buf_put_u8(&longer, 'n');
    buf_append(&longer, longest.data + 4, longest.size - 4);
    CHECK_ERR(decode(&longer, e), ERR_CORRUPT);
}

TEST(unknown_types_flags_and_cuts_are_named)
{
    const struct entry en = file_entry();
    AUTO(buf) struct buf b = {0};
    struct err e;

    entry_encode(&en, &b);
    b.data[1] = 8;
    CHECK(!decode(&b, &e) && e.code == ERR_CORRUPT && strstr(e.text, "0x8") != NULL);
    b.data[1] = 0;
    b.data[0] = 8;
    CHECK(!decode(&b, &e) && e.code == ERR_CORRUPT && strstr(e.text, "type 8") != NULL);
    b.data[0] = 0;
    CHECK(!decode(&b, &e) && e.code == ERR_CORRUPT && strstr(e.text, "type 0") != NULL);
    b.data[0] = ENTRY_FILE;
    patch(&b, en.holes, SLICE_OF("\4", 1));
    CHECK(!decode(&b, &e) && e.code == ERR_CORRUPT && strstr(e.text, "cutting 4") != NULL);
    CHECK(strstr(e.text, "entry \"\\xff\\x01 ") == e.text);
}

TEST(only_files_are_indirect)
{
    for (enum entry_type type = ENTRY_FILE; type <= ENTRY_BLOCK_DEVICE; type++) {
        const struct entry en = example(type);
        AUTO(buf) struct buf b = {0};

        entry_encode(&en, &b);
        b.data[1] = ENTRY_INDIRECT;
        if (type == ENTRY_FILE)
            CHECK_OK(decode(&b, e));
        else
            CHECK_ERR(decode(&b, e), ERR_CORRUPT);
    }
}

/* mode is 07777 in the example, and uid UINT32_MAX behind it. */
TEST(modes_and_owners_out_of_range_are_refused)
{
    const struct entry en = entry_of(ENTRY_SOCKET);
    AUTO(buf) struct buf b = {0};

    entry_encode(&en, &b);
    patch(&b, en.name, SLICE_OF("\xff\x5f", 2)); /* 027777 */
    CHECK_ERR(decode(&b, e), ERR_CORRUPT);
    patch(&b, en.name, SLICE_OF("\xff\x1f\xff\xff\xff\xff\x1f", 7)); /* 2^33 - 1 */
    CHECK_ERR(decode(&b, e), ERR_CORRUPT);
    patch(&b, en.name, SLICE_OF("\xff\x1f\xff\xff\xff\xff\x0f", 7));
    CHECK_OK(decode(&b, e));
}

TEST(holes_must_ascend_without_touching_inside_the_file)
{
    static const char good[][6] = {{0, 1, 2, 5, 10, 7}, {0, 1, 2, 1, 100, 100}};
    static const char bad[][6] = {
        {0, 2, 2, 5, 10, 7},    /* touch */
        {0, 1, 2, 9, 10, 7},    /* overlap */
        {9, 1, 2, 5, 10, 7},    /* descend */
        {0, 0, 2, 5, 10, 7},    /* empty */
        {0, 1, 2, 5, 100, 101}, /* beyond the end */
        {0, 1, 2, 5, 10, -1},   /* cut short */
    };
    struct entry en = file_entry();

    en.size = 200;
    for (size_t i = 0; i < 2 + 6; i++) {
        AUTO(buf) struct buf b = {0};

        entry_encode(&en, &b);
        patch(&b, SLICE_OF("v\0v\6", 4), SLICE_OF(i < 2 ? good[i] : bad[i - 2], 6));
        if (i < 2)
            CHECK_OK(decode(&b, e));
        else
            CHECK_ERR(decode(&b, e), ERR_CORRUPT);
    }
}

TEST(a_hole_whose_end_does_not_fit_64_bits_is_refused)
{
    struct entry en = file_entry();
    AUTO(buf) struct buf good = {0};
    AUTO(buf) struct buf b = {0};

    buf_put_varint(&good, 1);
    buf_put_varint(&good, UINT64_MAX - 1);
    en.size = UINT64_MAX;
    en.holes = buf_slice(&good);
    entry_encode(&en, &b);
    CHECK_OK(decode(&b, e));
    patch(&b, SLICE_OF("v\0v\x0b", 4), SLICE_OF("\2", 1));
    CHECK_ERR(decode(&b, e), ERR_CORRUPT);
}

/* A file with this many ids; no_flags: as direct content. */
static void encode_with_ids(struct buf *out, size_t ids, uint32_t flags)
{
    AUTO(mem) uint8_t *bytes = mem_array(ids, HASH_SIZE);
    struct entry en = file_entry();

    en.flags = flags;
    en.content = SLICE_OF(bytes, ids * HASH_SIZE);
    entry_encode(&en, out);
}

TEST(content_is_whole_ids_and_not_too_many_of_them)
{
    AUTO(buf) struct buf direct = {0};
    AUTO(buf) struct buf indirect = {0};
    AUTO(buf) struct buf too_many = {0};

    encode_with_ids(&direct, ENTRY_DIRECT_MAX, 0);
    encode_with_ids(&indirect, LIST_CHUNK_IDS, ENTRY_INDIRECT);
    encode_with_ids(&too_many, ENTRY_DIRECT_MAX + 1, ENTRY_INDIRECT);
    CHECK_OK(decode(&direct, e));
    CHECK_OK(decode(&indirect, e));
    CHECK_OK(decode(&too_many, e));
    too_many.data[1] = 0;
    CHECK_ERR(decode(&too_many, e), ERR_CORRUPT);

    AUTO(buf) struct buf odd = {0};

    encode_with_ids(&odd, 1, ENTRY_INDIRECT);
    replace_last_field(&odd, HASH_SIZE, HASH_SIZE - 1);
    CHECK_ERR(decode(&odd, e), ERR_CORRUPT);
    replace_last_field(&odd, HASH_SIZE - 1, (LIST_CHUNK_IDS + 1) * HASH_SIZE);
    CHECK_ERR(decode(&odd, e), ERR_CORRUPT);
}

TEST(extended_attributes_are_pairs_with_names)
{
    static const char *const bad[] = {
        "\6user.a\0\6user.b\4v\0v", /* value runs past the end */
        "\0\6user.a\6user.b\3v\0v", /* empty name */
        "\6us\0r.a\0\6user.b\3v\0v",
    };
    const struct entry en = entry_of(ENTRY_FIFO);

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        AUTO(buf) struct buf b = {0};

        entry_encode(&en, &b);
        memcpy(b.data + b.size - en.xattrs.size, bad[i], en.xattrs.size);
        CHECK_ERR(decode(&b, e), ERR_CORRUPT);
    }
}

TEST(what_is_longer_than_its_limit_is_refused)
{
    const struct entry link = example(ENTRY_SYMLINK);
    const struct entry fifo = example(ENTRY_FIFO);
    AUTO(buf) struct buf b = {0};

    entry_encode(&link, &b);
    replace_last_field(&b, link.target.size, ENTRY_TARGET_MAX);
    CHECK_OK(decode(&b, e));
    buf_clear(&b);
    entry_encode(&link, &b);
    replace_last_field(&b, link.target.size, ENTRY_TARGET_MAX + 1);
    CHECK_ERR(decode(&b, e), ERR_CORRUPT);

    /* Pairs of one byte each: names and values \1. */
    buf_clear(&b);
    entry_encode(&fifo, &b);
    replace_last_field(&b, fifo.xattrs.size, ENTRY_XATTR_MAX);
    CHECK_OK(decode(&b, e));
    buf_clear(&b);
    entry_encode(&fifo, &b);
    replace_last_field(&b, fifo.xattrs.size, ENTRY_XATTR_MAX + 4);
    CHECK_ERR(decode(&b, e), ERR_CORRUPT);
}

TEST(targets_without_bytes_or_with_nul_are_refused)
{
    const struct entry en = example(ENTRY_SYMLINK);
    AUTO(buf) struct buf b = {0};

    entry_encode(&en, &b);
    b.data[b.size - 1] = 0;
    CHECK_ERR(decode(&b, e), ERR_CORRUPT);
    replace_last_field(&b, en.target.size, 0);
    CHECK_ERR(decode(&b, e), ERR_CORRUPT);
}

TEST(more_than_a_mebibyte_of_holes_is_refused)
{
    AUTO(buf) struct buf holes = {0};
    AUTO(buf) struct buf b = {0};
    struct entry en = file_entry();
    const struct entry fifo = entry_of(ENTRY_FIFO);

    en.size = UINT64_MAX;
    for (uint64_t at = 1 << 21; holes.size + 5 <= ENTRY_HOLES_MAX; at += 2) {
        buf_put_varint(&holes, at);
        buf_put_varint(&holes, 1);
    }
    en.holes = buf_slice(&holes);
    entry_encode(&en, &b);
    CHECK_OK(decode(&b, e));

    /* The same file with a few more holes, made by hand. */
    buf_put_varint(&holes, UINT64_MAX - 9);
    buf_put_varint(&holes, 1);
    buf_clear(&b);
    entry_encode(&fifo, &b);
    b.data[0] = ENTRY_FILE;
    buf_put_bytes(&b, buf_slice(&holes));
    buf_put_u8(&b, CUT_WHOLE);
    buf_put_bytes(&b, (struct slice){0});
    CHECK_ERR(decode(&b, e), ERR_CORRUPT);
}

TEST(a_file_is_unchanged_only_while_all_its_marks_are)
{
    const struct entry before = {.type = ENTRY_FILE, .flags = ENTRY_INDIRECT, .size = 1};
    struct entry now[9];

    for (size_t i = 0; i < 9; i++)
        now[i] = before;
    CHECK(entry_is_unchanged(&now[0], &before));
    now[0].flags = 0; /* how the content was stored is no property of the file */
    now[0].links = 9;
    CHECK(entry_is_unchanged(&now[0], &before));
    now[1].size++;
    now[2].mtime_ns++;
    now[3].ctime_ns++;
    now[4].inode++;
    now[5].mode++;
    now[6].uid++;
    now[7].gid++;
    now[8].type = ENTRY_SYMLINK;
    for (size_t i = 1; i < 9; i++) {
        CHECK(!entry_is_unchanged(&now[i], &before));
        CHECK(!entry_is_unchanged(&before, &now[i]));
    }
}

TEST(a_file_that_could_not_be_trusted_is_never_unchanged)
{
    const struct entry now = {.type = ENTRY_FILE};
    const struct entry link = {.type = ENTRY_SYMLINK};
    struct entry before = now;

    CHECK(entry_is_unchanged(&now, &before));
    before.flags = ENTRY_FUZZY;
    CHECK(!entry_is_unchanged(&now, &before));
    before.flags = ENTRY_UNTRUSTED_TIME;
    CHECK(!entry_is_unchanged(&now, &before));
    CHECK(!entry_is_unchanged(&link, &link));
}

TESTS("entry", every_type_comes_back_as_it_was_and_leaves_what_follows,
      a_fifo_is_encoded_as_the_format_says,
      every_truncation_of_every_type_fails_and_changes_nothing,
      no_flipped_bit_decodes_to_something_that_encodes_otherwise,
      names_that_lead_elsewhere_are_refused,
      the_names_dot_and_dot_dot_are_refused_but_three_dots_are_a_name, a_name_has_1_to_255_bytes,
      unknown_types_flags_and_cuts_are_named, only_files_are_indirect,
      modes_and_owners_out_of_range_are_refused, holes_must_ascend_without_touching_inside_the_file,
      a_hole_whose_end_does_not_fit_64_bits_is_refused,
      content_is_whole_ids_and_not_too_many_of_them, extended_attributes_are_pairs_with_names,
      what_is_longer_than_its_limit_is_refused, targets_without_bytes_or_with_nul_are_refused,
      more_than_a_mebibyte_of_holes_is_refused, a_file_is_unchanged_only_while_all_its_marks_are,
      a_file_that_could_not_be_trusted_is_never_unchanged)
