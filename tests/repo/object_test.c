#include <string.h>

#include "base/mem.h"
#include "codec/random.h"
#include "repo/object.h"
#include "support/test.h"

static const uint8_t secret[32] = {1, 2, 3};
static const struct unlock with = {UNLOCK_KEY_FILE, {secret, sizeof(secret)}};

static struct repo *repo_in(struct store *s)
{
    struct repo *r = NULL;

    CHECK_OK(repo_create(s, &with, "", &r, e));
    return r;
}

/* Bytes that compress (every fourth size) or do not. */
static void fill(struct buf *out, size_t size)
{
    buf_clear(out);
    random_bytes(buf_extend(out, size), size);
    if (size % 4 == 0)
        memset(out->data, 'x', size);
}

TEST(document_opens_to_the_bytes_that_were_sealed)
{
    static const size_t sizes[] = {0, 1, 2, 100, 4096, 4097, 1000000, 1000001};
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(s);

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        AUTO(buf) struct buf plain = {0};
        AUTO(buf) struct buf object = {0};
        AUTO(buf) struct buf again = {0};

        fill(&plain, sizes[i]);
        document_seal(r, CLASS_INDEX, buf_slice(&plain), &object);
        CHECK_OK(document_open(r, CLASS_INDEX, buf_slice(&object), &again, e));
        CHECK(slice_is_equal(buf_slice(&plain), buf_slice(&again)));
    }
}
END

TEST(document_does_not_open_with_a_flipped_bit)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(s);

    for (size_t size = 100; size < 102; size++) {
        AUTO(buf) struct buf plain = {0};
        AUTO(buf) struct buf object = {0};
        AUTO(buf) struct buf again = {0};
        struct err e;

        fill(&plain, size);
        document_seal(r, CLASS_COMMIT, buf_slice(&plain), &object);
        for (size_t i = 0; i < object.size * 8; i++) {
            object.data[i / 8] ^= (uint8_t)(1U << i % 8);
            CHECK(!document_open(r, CLASS_COMMIT, buf_slice(&object), &again, &e));
            CHECK(e.code == ERR_CORRUPT || (i / 8 == 8 && e.code == ERR_USAGE));
            object.data[i / 8] ^= (uint8_t)(1U << i % 8);
        }
        CHECK(again.size == 0);
    }
}
END

TEST(document_does_not_open_when_cut_off_or_lengthened)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(s);

    for (size_t size = 100; size < 102; size++) {
        AUTO(buf) struct buf plain = {0};
        AUTO(buf) struct buf object = {0};
        AUTO(buf) struct buf again = {0};

        fill(&plain, size);
        document_seal(r, CLASS_COMMIT, buf_slice(&plain), &object);
        for (size_t n = 0; n < object.size; n++)
            CHECK_ERR(document_open(r, CLASS_COMMIT, SLICE_OF(object.data, n), &again, e),
                      ERR_CORRUPT);
        buf_put_u8(&object, 0);
        CHECK_ERR(document_open(r, CLASS_COMMIT, buf_slice(&object), &again, e), ERR_CORRUPT);
    }
}
END

/* Even one that somebody sealed who has the key. */
TEST(document_that_is_not_as_long_as_it_says_is_corrupt)
{
    static const enum compression kinds[] = {COMPRESSION_NONE, COMPRESSION_ZSTD};
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(s);
    AUTO(seal_box) struct seal_box *box = seal_box_new();

    for (size_t i = 0; i < 2; i++) {
        const struct section claim = {0, SECTION_DOCUMENT, kinds[i], 1000};
        AUTO(buf) struct buf object = {0};
        AUTO(buf) struct buf plain = {0};

        object_seal_begin(r, box, CLASS_COMMIT, buf_extend(&object, SEAL_HEADER_SIZE));
        buf_put_u32(&object, claim.plain_size);
        buf_put_u32(&object, (uint32_t)claim.compression);
        seal_section(box, &claim, slice_string("{}"), &object);
        CHECK_ERR(document_open(r, CLASS_COMMIT, buf_slice(&object), &plain, e), ERR_CORRUPT);
    }
}
END

TEST(document_opens_only_as_its_class_and_in_its_repository)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(store) struct store *s2 = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(s);
    AUTO(repo) struct repo *other = repo_in(s2);
    AUTO(buf) struct buf object = {0};
    AUTO(buf) struct buf plain = {0};

    document_seal(r, CLASS_COMMIT, slice_string("{}"), &object);
    CHECK_ERR(document_open(r, CLASS_TOMBSTONE, buf_slice(&object), &plain, e), ERR_CORRUPT);
    CHECK_ERR(document_open(r, CLASS_CONDEMNED, buf_slice(&object), &plain, e), ERR_CORRUPT);
    CHECK_ERR(document_open(other, CLASS_COMMIT, buf_slice(&object), &plain, e), ERR_CORRUPT);
    CHECK_OK(document_open(r, CLASS_COMMIT, buf_slice(&object), &plain, e));
}
END

TEST(hashed_document_under_another_name_is_corrupt)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(s);
    AUTO(buf) struct buf object = {0};
    AUTO(buf) struct buf plain = {0};
    struct hash id = {0};
    char key[OBJECT_KEY_MAX];

    CHECK_OK(document_put_hashed(r, CLASS_INDEX, "index", slice_string("abc"), &id, e));
    object_key("index", &id, key);
    CHECK_OK(document_get(r, CLASS_INDEX, key, &plain, e));
    CHECK(slice_is_equal(buf_slice(&plain), slice_string("abc")));

    CHECK_OK(store_get_all(s, key, &object, e));
    id.bytes[0] ^= 1;
    object_key("index", &id, key);
    CHECK_OK(store_put(s, key, buf_slice(&object), PUT_NEW, e));
    CHECK_ERR(document_get(r, CLASS_INDEX, key, &plain, e), ERR_CORRUPT);
}
END

TEST(document_longer_than_an_object_is_refused)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(s);
    AUTO(mem) uint8_t *bytes = mem_new(DOCUMENT_MAX + 1);
    struct hash id = {0};

    CHECK_ERR(document_put(r, CLASS_COMMIT, "commits/x", SLICE_OF(bytes, DOCUMENT_MAX + 1), e),
              ERR_USAGE);
    CHECK_ERR(
        document_put_hashed(r, CLASS_INDEX, "index", SLICE_OF(bytes, DOCUMENT_MAX + 1), &id, e),
        ERR_USAGE);
}
END

TEST(document_does_not_replace_another)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(s);

    CHECK_OK(document_put(r, CLASS_COMMIT, "commits/x", slice_string("1"), e));
    CHECK_ERR(document_put(r, CLASS_COMMIT, "commits/x", slice_string("2"), e), ERR_EXISTS);
}
END

TEST(json_that_two_readers_could_read_differently_is_refused)
{
    static const char *const bad[] = {
        "",
        "[]",
        "1",
        "{",
        "{}{}",
        "{} x",
        "{\"a\":1,\"a\":1}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\":\"\xff\"}",
        "{\"a\":99999999999999999999}",
        "{a:1}",
        "{\"a\":1,}",
    };
    AUTO(json) json_t *j = NULL;
    AUTO(buf) struct buf deep = {0};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(document_parse(slice_string(bad[i]), &j, e), ERR_CORRUPT);
    for (size_t i = 0; i < 100000; i++)
        buf_append(&deep, "{\"a\":", 5);
    CHECK_ERR(document_parse(buf_slice(&deep), &j, e), ERR_CORRUPT);
}
END

TEST(json_members_of_another_kind_are_corrupt)
{
    AUTO(json)
    json_t *j = json_pack("{s:s, s:s, s:i, s:s, s:n, s:s}", "hex", "0aff", "time",
                          "2026-11-21T01:30:00.000000001Z", "n", 5, "local", "2026-11-21 01:30:00",
                          "null", "text", "abc");
    AUTO(mem) char *text = NULL;
    uint8_t bytes[2];
    int64_t time = 0;
    uint64_t n = 0;

    CHECK_OK(json_take_hex(j, "hex", bytes, 2, e));
    CHECK(bytes[0] == 0x0a && bytes[1] == 0xff);
    CHECK_ERR(json_take_hex(j, "hex", bytes, 1, e), ERR_CORRUPT);
    CHECK_ERR(json_take_hex(j, "n", bytes, 1, e), ERR_CORRUPT);
    CHECK_OK(json_take_time(j, "time", &time, e));
    CHECK(time % 1000000000 == 1);
    CHECK_ERR(json_take_time(j, "local", &time, e), ERR_CORRUPT);
    CHECK_ERR(json_take_time(j, "absent", &time, e), ERR_CORRUPT);
    CHECK_OK(json_take_u64(j, "n", &n, e));
    CHECK_ERR(json_take_u64(j, "text", &n, e), ERR_CORRUPT);
    json_object_set_new(j, "n", json_integer(-1));
    CHECK_ERR(json_take_u64(j, "n", &n, e), ERR_CORRUPT);
    CHECK_ERR(json_take_text(j, "null", false, &text, e), ERR_CORRUPT);
    CHECK_OK(json_take_text(j, "null", true, &text, e));
    CHECK(text == NULL);
    CHECK_OK(json_take_text(j, "text", true, &text, e));
    CHECK(strcmp(text, "abc") == 0);
}
END

TEST(text_of_more_than_64_kib_is_corrupt)
{
    AUTO(json) json_t *j = json_object();
    AUTO(buf) struct buf text = {0};
    AUTO(mem) char *out = NULL;

    memset(buf_extend(&text, 65537), 'x', 65537);
    json_object_set_new(j, "t", json_stringn((const char *)text.data, 65537));
    CHECK_ERR(json_take_text(j, "t", false, &out, e), ERR_CORRUPT);
    json_object_set_new(j, "t", json_stringn((const char *)text.data, 65536));
    CHECK_OK(json_take_text(j, "t", false, &out, e));
}
END

TEST(key_names_a_hash_only_in_its_one_spelling)
{
    static const char id[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    AUTO(buf) struct buf key = {0};
    struct hash hash = {0};
    char made[OBJECT_KEY_MAX];

    buf_printf(&key, "packs/00/%s", id);
    CHECK(key_hash(buf_string(&key), &hash));
    CHECK(hash.bytes[1] == 0x11 && hash.bytes[31] == 0xff);
    pack_key(&hash, made);
    CHECK(strcmp(made, buf_string(&key)) == 0);
    object_key("index", &hash, made);
    CHECK(strncmp(made, "index/0011", 10) == 0 && strlen(made) == 6 + 64);

    key.data[key.size - 1] = 'F';
    CHECK(!key_hash(buf_string(&key), &hash));
    key.size--;
    CHECK(!key_hash(buf_string(&key), &hash));
    CHECK(!key_hash(id, &hash));
    CHECK(!key_hash("index/", &hash));
}
END

TEST(class_of_a_key_is_that_of_its_folder)
{
    enum object_class class = CLASS_CONTENT;

    CHECK(object_class_of("config", &class) && class == CLASS_CONFIG);
    CHECK(object_class_of("index/ab", &class) && class == CLASS_INDEX);
    CHECK(object_class_of("trash/ab", &class) && class == CLASS_TOMBSTONE);
    CHECK(object_class_of("condemned/ab", &class) && class == CLASS_CONDEMNED);
    CHECK(!object_class_of("packs/ab/cd", &class));
    CHECK(!object_class_of("keys/ab", &class));
    CHECK(!object_class_of("config2", &class));
    CHECK(!object_class_of("index", &class));
}
END

/* Publish a list of packs with these first bytes. */
static void condemn(struct repo *r, const char *key, const char *first_bytes)
{
    AUTO(buf) struct buf json = {0};

    buf_printf(&json, "{\"time\":\"2026-11-21T01:30:00Z\",\"packs\":[");
    for (size_t i = 0; first_bytes[i] != '\0'; i++)
        buf_printf(&json, "%s\"%02x%062d\"", i > 0 ? "," : "", (unsigned)first_bytes[i], 0);
    buf_printf(&json, "]}");
    CHECK_OK(document_put(r, CLASS_CONDEMNED, key, buf_slice(&json), e));
}

TEST(condemned_packs_are_those_of_all_lists_but_the_own)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(s);
    AUTO(condemned) struct condemned none = {0};
    AUTO(condemned) struct condemned all = {0};
    AUTO(condemned) struct condemned others = {0};

    CHECK_OK(condemned_read(r, NULL, &none, e));
    CHECK(none.count == 0 && none.list_count == 0);
    CHECK(!condemned_has(&none, &(struct hash){{'a'}}));

    condemn(r, "condemned/1", "cab");
    condemn(r, "condemned/2", "bdb");
    condemn(r, "condemned/3", "");

    CHECK_OK(condemned_read(r, NULL, &all, e));
    CHECK(all.count == 4 && all.list_count == 3);
    for (uint8_t c = 'a'; c <= 'd'; c++)
        CHECK(condemned_has(&all, &(struct hash){{c}}));
    CHECK(!condemned_has(&all, &(struct hash){{'e'}}));
    CHECK_OK(condemned_read(r, "condemned/1", &others, e));
    CHECK(others.count == 2 && others.list_count == 2);
    CHECK(!condemned_has(&others, &(struct hash){{'a'}}));
}
END

TEST(damaged_condemned_list_is_an_error)
{
    static const char *const bad[] = {"[]", "{}", "{\"packs\":[\"ab\"]}", "{\"packs\":[1]}"};
    const char *key = "condemned/1";
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(s);
    AUTO(condemned) struct condemned c = {0};

    CHECK_OK(store_put(s, key, slice_string("x"), PUT_NEW, e));
    CHECK_ERR(condemned_read(r, NULL, &c, e), ERR_CORRUPT);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_OK(store_remove(s, key, e));
        CHECK_OK(document_put(r, CLASS_CONDEMNED, key, slice_string(bad[i]), e));
        CHECK_ERR(condemned_read(r, NULL, &c, e), ERR_CORRUPT);
    }
    CHECK_OK(condemned_read(r, key, &c, e));
}
END

TESTS("object", document_opens_to_the_bytes_that_were_sealed,
      document_does_not_open_with_a_flipped_bit, document_does_not_open_when_cut_off_or_lengthened,
      document_that_is_not_as_long_as_it_says_is_corrupt,
      document_opens_only_as_its_class_and_in_its_repository,
      hashed_document_under_another_name_is_corrupt, document_longer_than_an_object_is_refused,
      document_does_not_replace_another, json_that_two_readers_could_read_differently_is_refused,
      json_members_of_another_kind_are_corrupt, text_of_more_than_64_kib_is_corrupt,
      key_names_a_hash_only_in_its_one_spelling, class_of_a_key_is_that_of_its_folder,
      condemned_packs_are_those_of_all_lists_but_the_own, damaged_condemned_list_is_an_error)
