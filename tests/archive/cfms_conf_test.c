#include "archive/cfms_conf.h"

#include <string.h>

#include "archive/ustar.h"
#include "base/text.h"
#include "cfms_conf_seal.h"
#include "cfms_fixture.h"
#include "support/test.h"

/* Keys */

static void check_key(const char *text, const char *expected)
{
    uint8_t key[CFMS_KEY_SIZE];
    char digits[2 * CFMS_KEY_SIZE + 1];

    CHECK_OK(cfms_conf_key_parse(text, key, e));
    hex_encode(SLICE_OF(key, sizeof(key)), digits);
    ck_assert_str_eq(digits, expected);
}

/* Made with the published code. */
TEST(keys_are_read_in_both_texts)
{
    static const char counted[] =
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    static const char none[] = "0000000000000000000000000000000000000000000000000000000000000000";
    static const char all[] = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

    check_key("2226-NEX7-ZB6B-FF77-EQRK-KZCK-URH7-ZVFY-MBCW-EXQY-JDBK-MKPU-QT4C\n", counted);
    check_key("  2226NEX7ZB6BFF77EQRKKZCKURH7ZVFYMBCWEXQYJDBKMKPUQT4C ", counted);
    check_key("2226 NEX7-ZB6BFF77 EQRKKZCK-URH7ZVFYMBCWEXQYJDBKMKPUQT4C", counted);
    check_key("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n", counted);
    check_key("2222-2222-2222-2222-2222-2222-2222-2222-2222-2222-2222-2222-2222", none);
    check_key("C535-JMQS-TGMM-GPYB-77BD-VZ9K-AUDK-6BS8-7QYB-GP76-GT3E-89S2-8DB3", all);
    check_key("__________________________________________8", all);
}
END

TEST(texts_that_are_no_key_are_refused_and_not_shown)
{
    static const char *const bad[] = {
        "",
        " ",
        "----",
        "C535-JMQS-TGMM-GPYB-77BD-VZ9K-AUDK-6BS8-7QYB-GP76-GT3E-89S2-8DB4", /* 2^256 */
        "ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ",
        "2226-NEX7-ZB6B-FF77-EQRK-KZCK-URH7-ZVFY-MBCW-EXQY-JDBK-MKPU-QT4",
        "2226-NEX7-ZB6B-FF77-EQRK-KZCK-URH7-ZVFY-MBCW-EXQY-JDBK-MKPU-QT4C2",
        "2226-nex7-zb6b-ff77-eqrk-kzck-urh7-zvfy-mbcw-exqy-jdbk-mkpu-qt4c",
        "2226-NEX7-ZB6B-FF77-EQRK-KZCK-URH7-ZVFY-MBCW-EXQY-JDBK-MKPU-QT4I",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdH!8",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd/h8",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint8_t key[CFMS_KEY_SIZE] = {77};
        struct err e = {0};

        ck_assert_msg(!cfms_conf_key_parse(bad[i], key, &e), "%s", bad[i]);
        ck_assert_int_eq(e.code, ERR_USAGE);
        CHECK(strstr(e.text, "NEX7") == NULL && strstr(e.text, "AAEC") == NULL && key[0] == 77);
    }
}
END

/* Archives */

struct seen {
    struct buf log;
    int calls, fail_at;
};

static void seen_auto(struct seen *s)
{
    buf_done(&s->log);
}

static bool seen_one(struct seen *s, struct err *e)
{
    return ++s->calls != s->fail_at || err_set(e, ERR_TRANSIENT, "the visitor has enough");
}

static bool see_manifest(void *arg, const struct cfms_conf_manifest *m, struct err *e)
{
    struct seen *s = arg;

    buf_printf(&s->log, "manifest %zu %zu\n", m->table_count, m->file_count);
    return seen_one(s, e);
}

static bool see_row(void *arg, const struct cfms_conf_table *t, const json_t *row, struct err *e)
{
    struct seen *s = arg;

    buf_printf(&s->log, "%s %lld\n", t->name,
               (long long)json_integer_value(json_object_get(row, "id")));
    return seen_one(s, e);
}

static bool see_content(void *arg, const struct cfms_conf_file *f, struct err *e)
{
    struct seen *s = arg;

    buf_printf(&s->log, "%s %s: ", f->id, f->storage_path);
    return seen_one(s, e);
}

static bool see_bytes(void *arg, struct slice bytes, struct err *e)
{
    struct seen *s = arg;

    buf_append_slice(&s->log, bytes);
    return seen_one(s, e);
}

static bool see_content_end(void *arg, const struct cfms_conf_file *f, struct err *e)
{
    struct seen *s = arg;

    (void)f;
    return seen_one(s, e);
}

static bool see(struct slice archive, uint64_t bytes_max, struct seen *s, struct err *e)
{
    const struct cfms_source source = {fixture_read, &archive, archive.size};
    const struct cfms_conf_visitor v = {s,           see_manifest, see_row,
                                        see_content, see_bytes,    see_content_end};

    return cfms_conf_read(&source, fixture_key, bytes_max, &v, e);
}

static void put_member(const char *name, const char *content, struct buf *out)
{
    ustar_header(name, 0644, strlen(content), 5, out);
    buf_append_slice(out, slice_string(content));
    ustar_fill(strlen(content), out);
}

static void make(struct buf *out)
{
    AUTO(buf) struct buf tar = {0};

    put_member("manifest.json",
               "{\"format_version\":1,\"configuration\":{},\"tables\":{\"users\":{\"columns\":"
               "[\"id\"],\"rows\":2}},\"files\":[{\"file_id\":\"f\",\"storage_path\":\"a/b\","
               "\"archive_path\":\"files/00000000.bin\",\"size\":3,\"sha256\":"
               "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}]}",
               &tar);
    put_member("tables/users.jsonl", "{\"id\":7}\n{\"id\":8}\n", &tar);
    put_member("files/00000000.bin", "abc", &tar);
    ustar_end(tar.size, &tar);
    fixture_conf_pack(buf_slice(&tar), out);
}

TEST(a_backup_is_read_in_its_order)
{
    AUTO(buf) struct buf archive = {0};
    AUTO(seen) struct seen s = {0};
    struct cfms_conf_header h;

    make(&archive);

    struct slice in = buf_slice(&archive);
    const struct cfms_source source = {fixture_read, &in, in.size};

    CHECK_OK(cfms_conf_header_read(&source, &h, e));
    ck_assert_str_eq(h.core_version, "0.3.0.260519_alpha");
    ck_assert_str_eq(h.created_at, "2026-05-20T06:46:34.123456+00:00");
    CHECK_OK(see(in, CFMS_BYTES_MAX, &s, e));
    ck_assert_str_eq(buf_string(&s.log), "manifest 1 1\nusers 7\nusers 8\nf a/b: abc");
}
END

TEST(no_changed_bit_of_a_backup_is_believed)
{
    AUTO(buf) struct buf archive = {0};
    AUTO(seen) struct seen s = {0};

    make(&archive);
    for (size_t bit = 0; bit < 8 * archive.size; bit += 3) {
        archive.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        CHECK_ERR(see(buf_slice(&archive), CFMS_BYTES_MAX, &s, e), ERR_CORRUPT);
        archive.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    ck_assert_uint_eq(s.log.size, 0); /* nothing was decompressed */
}
END

TEST(every_call_of_the_visitor_can_end_the_reading_and_so_can_a_limit)
{
    AUTO(buf) struct buf archive = {0};
    AUTO(seen) struct seen all = {0};

    make(&archive);
    CHECK_OK(see(buf_slice(&archive), CFMS_BYTES_MAX, &all, e));
    for (int n = 1; n <= all.calls; n++) {
        AUTO(seen) struct seen s = {.fail_at = n};

        CHECK_ERR(see(buf_slice(&archive), CFMS_BYTES_MAX, &s, e), ERR_TRANSIENT);
        ck_assert_int_eq(s.calls, n);
    }
    CHECK_ERR(see(buf_slice(&archive), 100, &all, e), ERR_CORRUPT);
}
END

/* Gives back other bytes after the first reading. */
struct changing {
    struct slice bytes;
    bool was_read;
};

static bool changing_read(void *arg, uint64_t offset, uint8_t *to, size_t room, size_t *got,
                          struct err *e)
{
    struct changing *c = arg;

    CHECK(fixture_read(&c->bytes, offset, to, room, got, e));
    if (c->was_read && offset + *got == c->bytes.size)
        to[*got - 1] ^= 1; /* the tag, which is read last */
    c->was_read = c->was_read || offset + *got == c->bytes.size;
    return true;
}

TEST(a_backup_that_changes_while_it_is_read_is_not_believed)
{
    AUTO(buf) struct buf archive = {0};
    AUTO(seen) struct seen s = {0};

    make(&archive);

    struct changing c = {.bytes = buf_slice(&archive)};
    const struct cfms_source source = {changing_read, &c, archive.size};
    const struct cfms_conf_visitor v = {&s,          see_manifest, see_row,
                                        see_content, see_bytes,    see_content_end};

    CHECK_ERR(cfms_conf_read(&source, fixture_key, CFMS_BYTES_MAX, &v, e), ERR_CORRUPT);
    CHECK(c.was_read && s.log.size > 0);
}
END

/* Made with Python's cryptography; the payload is no xz, so what is known is that the tag fits. */
TEST(the_container_is_opened_as_the_published_code_seals_it)
{
    static const char header[] =
        "{\"compression\":\"xz\",\"core_version\":\"0.3.0.260519_alpha\",\"created_at\":\"2026-05-"
        "20T06:46:34.123456+00:00\",\"encryption\":\"AES-256-GCM\",\"format_version\":1,\"nonce\":"
        "\"AAECAwQFBgcICQoL\"}";
    AUTO(buf) struct buf archive = {0};
    AUTO(seen) struct seen s = {0};
    struct err e = {0};
    uint8_t rest[23];

    ck_assert_uint_eq(sizeof(header) - 1, 177);
    CHECK(hex_decode("17438f578aa486b8e758a2722dbbdf4556f409da8ab8bb", rest, sizeof(rest)));
    buf_append(&archive, "CONF\0\0\0\xb1", 8);
    buf_append_slice(&archive, slice_string(header));
    buf_append(&archive, rest, sizeof(rest));
    CHECK(!see(buf_slice(&archive), CFMS_BYTES_MAX, &s, &e));
    ck_assert_str_eq(e.text, "the xz stream is damaged or cut");
    archive.data[archive.size - 1] ^= 1;
    CHECK(!see(buf_slice(&archive), CFMS_BYTES_MAX, &s, &e));
    ck_assert_str_eq(e.text,
                     "Backup decryption failed; the key may be wrong or the file was modified");
}
END

TESTS("archive/cfms_conf", keys_are_read_in_both_texts,
      texts_that_are_no_key_are_refused_and_not_shown, a_backup_is_read_in_its_order,
      no_changed_bit_of_a_backup_is_believed,
      every_call_of_the_visitor_can_end_the_reading_and_so_can_a_limit,
      a_backup_that_changes_while_it_is_read_is_not_believed,
      the_container_is_opened_as_the_published_code_seals_it)
