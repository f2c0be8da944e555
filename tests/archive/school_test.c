#include "archive/school.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/cipher.h"
#include "support/test.h"

#define KEY_TEXT "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define EMPTY \
    "{\"version\":\"1.0\",\"timestamp\":\"2025-11-21T10:28:30.846Z\",\"tables\":{\"users\":[]}}"

/* What Node 20 makes of EMPTY with this key and the IV 00 01 ... 0f. */
static const char gzip_vector[] =
    "1f8b0800000000000003ab562a4b2d2acecccf53b25232d43350d2512ac9cc4d2d2e49cc2d50b25232323032d53534"
    "d435320c3134b032b2b03236d0b330318b02294b4cca492d56b2aa562a2d4e2d2a56b28a8eadad050045d41d2a4e00"
    "0000";
/* What zlib makes of it. */
static const char zlib_gzip[] =
    "1f8b0800000000000003ab562a4b2d2acecccf53b25232d43350d2512ac9cc4d2d2e49cc2d008a18191899ea1a1aea"
    "1a1986181a58195958191be85998984581942526e5a4162b59552b9516034d50b28a8eadad050045d41d2a4e00000"
    "0";
static const char file_vector[] =
    "000102030405060708090a0b0c0d0e0f34ce29979fbab0956f6b115e7d9eef5482e0f6dbc0b71d0430d711a5563b40"
    "6abe7c92594719d59d2e9ac45edf4ce00dc902a0148e8270900fed08f9cf85b96130be140af56a92dbe200fccd6a17"
    "7b526dc66851a63520ccc3f5c1e3f130cb14035eb40088ade294164d58259f87f87c";
/* The same text sealed without being compressed. */
static const char plain_vector[] =
    "000102030405060708090a0b0c0d0e0f758fd9768a76cc2413684a34670a709de64988beb2c4746b5ef680d14d5e5d"
    "625c922963982e943d7ca7662dcfa71e70d619c4e992fff0f369ee08f12888b78635a2200ff78082457046ab7fb542"
    "39fb559401681f197fe95365cc94a103";

static const uint8_t vector_iv[SCHOOL_IV_SIZE] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                  8, 9, 10, 11, 12, 13, 14, 15};

static void unhex(const char *text, struct buf *out)
{
    const size_t size = strlen(text) / 2;

    CHECK(hex_decode(text, buf_extend(out, size), size));
}

static struct school_key test_key(void)
{
    struct school_key k;

    CHECK_OK(school_key_parse(KEY_TEXT, &k, e));
    return k;
}

static bool seal_with(const struct school_key *k, const uint8_t *iv, struct slice json,
                      struct output to, struct school_written *written, struct err *e)
{
    const struct school_writing how = {to, k, .allows_public_key = true, .iv = iv};
    AUTO(school_writer) struct school_writer *w = NULL;

    return school_writer_open(&how, &w, e) && school_writer_add(w, json, e) &&
           school_writer_finish(w, written, e);
}

static void seal_text(struct slice json, struct buf *out)
{
    const struct school_key k = test_key();
    struct school_written written;

    CHECK_OK(seal_with(&k, NULL, json, output_of_buf(out), &written, e));
    ck_assert_uint_eq(written.size, out->size);
    ck_assert_uint_eq(written.plain_size, json.size);
}

/* All of it; *out is only set then. */
static bool unseal_with(const struct school_key *k, struct input from, struct inflate_limits limits,
                        struct buf *out, struct err *e)
{
    const struct school_reading how = {from, k, limits};
    AUTO(school_reader) struct school_reader *r = NULL;
    size_t got;

    if (!school_reader_open(&how, &r, e))
        return false;
    do {
        uint8_t piece[1000];

        if (!school_reader_read(r, piece, sizeof(piece), &got, e))
            return false;
        buf_append(out, piece, got);
    } while (got > 0);
    return true;
}

static bool unseal(struct slice file, struct buf *out, struct err *e)
{
    const struct school_key k = test_key();

    return unseal_with(&k, input_of_slice(&file), (struct inflate_limits){0}, out, e);
}

/* Keys */

TEST(keys_are_64_hex_characters_and_refused_in_the_applications_words)
{
    struct school_key k = {{7}};
    struct err why;

    CHECK(!school_key_parse("0123", &k, &why));
    ck_assert_str_eq(why.text, "Encryption key must be 64 hex characters");
    CHECK(!school_key_parse(KEY_TEXT "0", &k, &why));
    ck_assert_str_eq(why.text, "Encryption key must be 64 hex characters");
    CHECK(!school_key_parse("z123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", &k,
                            &why));
    ck_assert_str_eq(why.text, "Invalid key length");
    ck_assert_int_eq(k.bytes[0], 7);
    CHECK_OK(school_key_parse("FF23456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
                              &k, e));
    CHECK(!school_key_is_public(&k));
}
END

TEST(the_published_key_is_known_and_nothing_is_written_with_it_unasked)
{
    struct school_key k = test_key();
    AUTO(buf) struct buf file = {0};
    const struct school_writing how = {output_of_buf(&file), &k};
    struct school_writer *w = NULL;

    CHECK(school_key_is_public(&k));
    CHECK_ERR(school_writer_open(&how, &w, e), ERR_DENIED);
    ck_assert_uint_eq(file.size, 0);
    school_key_auto(&k);
    for (size_t i = 0; i < sizeof(k.bytes); i++)
        ck_assert_int_eq(k.bytes[i], 0);
}
END

/* Files */

/* Seal bytes as they are. */
static void seal_raw(struct slice in, struct buf *out)
{
    const struct school_key k = test_key();
    AUTO(cipher)
    struct cipher *c =
        cipher_gcm_seal(k.bytes, SLICE_OF(vector_iv, SCHOOL_IV_SIZE), (struct slice){0});

    buf_append(out, vector_iv, sizeof(vector_iv));
    (void)buf_extend(out, SCHOOL_TAG_SIZE + in.size);
    (void)cipher_add(c, in, out->data + SCHOOL_HEAD);
    cipher_gcm_tag(c, out->data + SCHOOL_IV_SIZE);
}

TEST(the_seal_is_that_of_the_application_byte_for_byte)
{
    AUTO(buf) struct buf gzip = {0};
    AUTO(buf) struct buf wanted = {0};
    AUTO(buf) struct buf plain = {0};
    AUTO(buf) struct buf file = {0};

    unhex(gzip_vector, &gzip);
    unhex(file_vector, &wanted);
    seal_raw(buf_slice(&gzip), &file);
    CHECK(slice_is_equal(buf_slice(&file), buf_slice(&wanted)));
    buf_clear(&file);
    unhex(plain_vector, &plain);
    seal_raw(slice_string(EMPTY), &file);
    CHECK(slice_is_equal(buf_slice(&file), buf_slice(&plain)));
}
END

TEST(a_file_of_the_application_is_read)
{
    AUTO(buf) struct buf file = {0};
    AUTO(buf) struct buf text = {0};

    unhex(file_vector, &file);
    CHECK_OK(unseal(buf_slice(&file), &text, e));
    ck_assert_str_eq(buf_string(&text), EMPTY);
}
END

/* Node's zlib finds no repetitions of three bytes, Debian's does: two forms of the same text. */
TEST(a_file_is_sealed_gzip_of_zlib_at_its_default_level_and_its_sum_is_that_of_the_text)
{
    const struct school_key k = test_key();
    AUTO(buf) struct buf gzip = {0};
    AUTO(buf) struct buf wanted = {0};
    AUTO(buf) struct buf file = {0};
    struct school_written written;
    struct hash sum;

    unhex(zlib_gzip, &gzip);
    seal_raw(buf_slice(&gzip), &wanted);
    CHECK_OK(seal_with(&k, vector_iv, slice_string(EMPTY), output_of_buf(&file), &written, e));
    CHECK(slice_is_equal(buf_slice(&file), buf_slice(&wanted)));
    sha256(slice_string(EMPTY), &sum);
    CHECK(hash_is_equal(&sum, &written.sha256));
}
END

TEST(a_file_that_is_authentic_but_not_compressed_is_refused)
{
    AUTO(buf) struct buf file = {0};
    AUTO(buf) struct buf text = {0};
    struct err e;

    unhex(plain_vector, &file);
    CHECK(!unseal(buf_slice(&file), &text, &e));
    ck_assert_int_eq(e.code, ERR_CORRUPT);
    ck_assert_str_eq(e.text, "incorrect header check");
    ck_assert_uint_eq(text.size, 0);
}
END

TEST(every_changed_bit_and_every_cut_is_seen_before_a_byte_is_given_out)
{
    AUTO(buf) struct buf file = {0};
    AUTO(buf) struct buf text = {0};

    unhex(file_vector, &file);
    for (size_t bit = 0; bit < 8 * file.size; bit++) {
        file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK_ERR(unseal(buf_slice(&file), &text, e), ERR_CORRUPT);
        file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t size = 0; size < file.size; size++)
        CHECK_ERR(unseal(SLICE_OF(file.data, size), &text, e), ERR_CORRUPT);
    buf_append(&file, "", 1);
    CHECK_ERR(unseal(buf_slice(&file), &text, e), ERR_CORRUPT);
    ck_assert_uint_eq(text.size, 0);
}
END

TEST(another_key_and_a_file_that_was_not_finished_have_their_sentences)
{
    struct school_key k = test_key();
    AUTO(buf) struct buf file = {0};
    AUTO(buf) struct buf text = {0};
    struct slice bytes;
    struct err e;

    unhex(file_vector, &file);
    bytes = buf_slice(&file);
    k.bytes[31] ^= 1;
    CHECK(!unseal_with(&k, input_of_slice(&bytes), (struct inflate_limits){0}, &text, &e));
    CHECK(strstr(e.text, "Unsupported state or unable to authenticate data") == e.text);
    memset(file.data + SCHOOL_IV_SIZE, 0, SCHOOL_TAG_SIZE);
    CHECK(!unseal(bytes, &text, &e));
    CHECK(strstr(e.text, "its tag is all zero") == e.text);
    CHECK(!unseal(SLICE_OF(file.data, SCHOOL_HEAD + 10), &text, &e));
    CHECK(strstr(e.text, "its tag is all zero") == e.text);
}
END

/* Bytes that do not compress. */
static void noise(struct buf *out, size_t size)
{
    uint64_t x = 88172645463325252U;

    for (size_t i = 0; i < size; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        buf_put_u8(out, (uint8_t)x);
    }
}

TEST(files_of_many_pieces_come_back_through_a_descriptor)
{
    const struct school_key k = test_key();
    AUTO(buf) struct buf in = {0};
    AUTO(buf) struct buf text = {0};
    AUTO(fd) int fd = -1;
    struct school_written written;
    struct input from;

    noise(&in, 3500001);
    CHECK_OK(file_unnamed(file_scratch_folder(), &fd, e));
    CHECK_OK(seal_with(&k, NULL, buf_slice(&in), output_of_fd(&fd), &written, e));
    CHECK_OK(input_of_fd(&fd, &from, e));
    ck_assert_uint_eq(from.size, written.size);
    CHECK_OK(unseal_with(&k, from, (struct inflate_limits){0}, &text, e));
    CHECK(slice_is_equal(buf_slice(&in), buf_slice(&text)));
}
END

TEST(ivs_differ)
{
    AUTO(buf) struct buf a = {0};
    AUTO(buf) struct buf b = {0};

    seal_text(slice_string(EMPTY), &a);
    seal_text(slice_string(EMPTY), &b);
    CHECK(memcmp(a.data, b.data, SCHOOL_IV_SIZE) != 0);
}
END

/* An input that is another from its n-th read on. */
struct changing {
    struct slice before, after;
    int reads, change_at;
};

static bool read_changing(void *arg, uint64_t offset, void *to, size_t size, size_t *got,
                          struct err *e)
{
    struct changing *c = arg;
    const struct slice now = c->reads++ < c->change_at ? c->before : c->after;
    const struct input in = input_of_slice(&now);

    return in.read_at(in.arg, offset, to, size, got, e);
}

TEST(a_file_that_changes_between_the_passes_yields_no_byte_that_was_not_authentic)
{
    const struct school_key k = test_key();
    AUTO(buf) struct buf in = {0};
    AUTO(buf) struct buf file = {0};
    AUTO(buf) struct buf other = {0};

    noise(&in, 2500000);
    seal_text(buf_slice(&in), &file);
    buf_append_slice(&other, buf_slice(&file));
    for (size_t i = SCHOOL_HEAD; i < other.size; i += 100000)
        other.data[i] ^= 1;
    for (int at = 0; at <= 7; at++) { /* the head, three pieces, three pieces again */
        struct changing c = {buf_slice(&file), buf_slice(&other), 0, at};
        const struct input from = {read_changing, &c, file.size};
        AUTO(buf) struct buf text = {0};
        struct err why;
        const bool ok = unseal_with(&k, from, (struct inflate_limits){0}, &text, &why);

        CHECK(ok == (at == 7));
        CHECK(at > 3 || text.size == 0);
        ck_assert_uint_le(text.size, in.size);
        CHECK(text.size == 0 || memcmp(text.data, in.data, text.size) == 0);
    }
    {
        struct changing c = {buf_slice(&file), SLICE_OF(file.data, file.size - 1), 0, 6};
        const struct input from = {read_changing, &c, file.size};
        AUTO(buf) struct buf text = {0};

        CHECK_ERR(unseal_with(&k, from, (struct inflate_limits){0}, &text, e), ERR_CORRUPT);
    }
}
END

static bool expand(struct slice compressed, struct inflate_limits limits, struct buf *out,
                   struct err *e)
{
    struct slice rest = compressed;
    AUTO(inflater) struct inflater *i = inflater_new(DEFLATE_GZIP, &limits, json_read_slice, &rest);
    size_t got;

    do {
        uint8_t piece[70000];

        if (!inflater_read(i, piece, sizeof(piece), &got, e))
            return false;
        buf_append(out, piece, got);
    } while (got > 0);
    return true;
}

static void compress_zeros(size_t size, struct buf *out)
{
    struct output to = output_of_buf(out);
    AUTO(deflater) struct deflater *d = deflater_new(DEFLATE_GZIP, to.write, to.arg);
    AUTO(mem) uint8_t *zeros = mem_new(size);

    CHECK_OK(deflater_add(d, SLICE_OF(zeros, size), e));
    CHECK_OK(deflater_finish(d, e));
}

static const struct inflate_limits wide = {1 << 30, 2000};

TEST(what_expands_too_far_is_refused_by_size_and_by_ratio)
{
    AUTO(buf) struct buf bomb = {0};
    AUTO(buf) struct buf out = {0};
    struct err why;

    compress_zeros((size_t)8 << 20, &bomb);
    CHECK_OK(expand(buf_slice(&bomb), wide, &out, e));
    buf_clear(&out);
    CHECK(!expand(buf_slice(&bomb), (struct inflate_limits){1 << 30, 100}, &out, &why));
    ck_assert_str_eq(why.text, "it expands to more than 100 times its size");
    CHECK(out.size < (size_t)3 << 20);
    buf_clear(&out);
    CHECK(!expand(buf_slice(&bomb), (struct inflate_limits){100000, 2000}, &out, &why));
    ck_assert_str_eq(why.text, "it expands to more than 100000 bytes");
    CHECK(out.size <= 100000);
    buf_clear(&out);
    CHECK_OK(expand(buf_slice(&bomb), (struct inflate_limits){(uint64_t)8 << 20, 2000}, &out, e));
}
END

TEST(a_stream_that_shrinks_well_but_is_short_is_no_bomb)
{
    AUTO(buf) struct buf small = {0};
    AUTO(buf) struct buf out = {0};

    compress_zeros(INFLATE_RATIO_FROM, &small);
    CHECK_OK(expand(buf_slice(&small), (struct inflate_limits){1 << 30, 1}, &out, e));
}
END

TEST(nothing_stands_behind_the_one_stream_and_it_is_whole)
{
    AUTO(buf) struct buf one = {0};
    AUTO(buf) struct buf two = {0};
    AUTO(buf) struct buf out = {0};
    struct err why;

    compress_zeros(1000, &one);
    buf_append_slice(&two, buf_slice(&one));
    buf_append_slice(&two, buf_slice(&one));
    CHECK(!expand(buf_slice(&two), wide, &out, &why));
    ck_assert_str_eq(why.text, "another compressed stream stands behind its end");
    buf_append(&one, "", 1);
    CHECK(!expand(buf_slice(&one), wide, &out, &why));
    ck_assert_str_eq(why.text, "there are bytes behind its end");
    for (size_t size = 0; size < one.size - 1; size++)
        CHECK_ERR(expand(SLICE_OF(one.data, size), wide, &out, e), ERR_CORRUPT);
    one.size--;
    one.data[one.size - 5] ^= 1; /* of the sum */
    CHECK_ERR(expand(buf_slice(&one), wide, &out, e), ERR_CORRUPT);
    one.data[one.size - 5] ^= 1;
    one.data[one.size - 1] ^= 1; /* of the size */
    CHECK_ERR(expand(buf_slice(&one), wide, &out, e), ERR_CORRUPT);
}
END

/* An output of which one call fails. */
struct failing {
    struct buf file;
    int left;
};

static bool write_failing(void *arg, struct slice piece, struct err *e)
{
    struct failing *f = arg;

    if (f->left-- == 0)
        return err_set(e, ERR_FATAL, "no space left");
    buf_append_slice(&f->file, piece);
    return true;
}

static bool patch_failing(void *arg, uint64_t offset, struct slice bytes, struct err *e)
{
    struct failing *f = arg;
    const struct output to = output_of_buf(&f->file);

    if (f->left-- == 0)
        return err_set(e, ERR_FATAL, "no space left");
    return to.patch(to.arg, offset, bytes, e);
}

TEST(whichever_write_fails_the_failure_is_told_and_nobody_can_read_what_is_there)
{
    const struct school_key k = test_key();
    AUTO(buf) struct buf in = {0};
    bool done = false;
    int n = 0;

    noise(&in, 300000);
    for (; !done; n++) {
        struct failing f = {.left = n};
        AUTO(buf) struct buf text = {0};
        struct school_written written;
        struct err e = {0};

        done = seal_with(&k, NULL, buf_slice(&in),
                         (struct output){write_failing, patch_failing, &f}, &written, &e);
        CHECK(done == unseal(buf_slice(&f.file), &text, &(struct err){0}));
        CHECK(done || strcmp(e.text, "no space left") == 0);
        buf_done(&f.file);
    }
    ck_assert_int_gt(n, 5);
}
END

/* Names */

TEST(names_are_those_of_the_application)
{
    static const char real[] =
        "backup-2025-11-21T10-03-35-495Z-04407c0c8e2a9185adef6193aabc4599.enc";
    struct school_name n;
    char text[SCHOOL_FILE_MAX], stamp[SCHOOL_STAMP_MAX];

    CHECK_OK(school_name_parse(real, &n, e));
    school_stamp_format(n.time_ns, stamp);
    ck_assert_str_eq(stamp, "2025-11-21T10:03:35.495Z");
    ck_assert_int_eq(n.id[0], 0x04);
    ck_assert_int_eq(n.id[15], 0x99);
    school_name_format(&n, text);
    ck_assert_str_eq(text, real);
}
END

static const char *const no_names[] = {
    "",
    "backup-.enc",
    "../backup-2025-11-21T10-03-35-495Z-04407c0c8e2a9185adef6193aabc4599.enc",
    "backup-2025-11-21T10-03-35-495Z-04407c0c8e2a9185adef6193aabc4599.en",
    "backup-2025-11-21T10-03-35-495Z-04407c0c8e2a9185adef6193aabc4599.ENC",
    "backup-2025-11-21T10-03-35-495Z-04407C0C8e2a9185adef6193aabc4599.enc",
    "backup-2025-11-21T10-03-35-495Z-04407c0c8e2a9185adef6193aabc459g.enc",
    "backup-2025-11-21T10:03:35.495Z-04407c0c8e2a9185adef6193aabc4599.enc",
    "backup-2025-02-30T10-03-35-495Z-04407c0c8e2a9185adef6193aabc4599.enc",
    "backup-2025-11-21T24-03-35-495Z-04407c0c8e2a9185adef6193aabc4599.enc",
    "backup-2025-11-21T10-03-35-495z-04407c0c8e2a9185adef6193aabc4599.enc",
    "backup-2025-11-21 10-03-35-495Z-04407c0c8e2a9185adef6193aabc4599.enc",
    "backup-2025-11-21T10-03-35-495Z_04407c0c8e2a9185adef6193aabc4599.enc",
    "backup/2025-11-21T10-03-35-495Z-04407c0c8e2a9185adef6193aabc4599.enc",
    "backup-2025-11-21T10-03-35-495Z-04407c0c8e2a9185adef6193aabc4599.enc\n",
};

TEST(other_names_and_paths_are_refused_in_the_applications_words)
{
    for (size_t i = 0; i < sizeof(no_names) / sizeof(no_names[0]); i++) {
        struct school_name n;
        struct err e = {0};

        ck_assert_msg(!school_name_parse(no_names[i], &n, &e), "%s", no_names[i]);
        ck_assert_str_eq(e.text, "Invalid backup ID");
    }
}
END

/* Documents */

static bool document(const char *text, const struct school_rows *rows, struct school_facts *f,
                     struct err *e)
{
    struct slice rest = slice_string(text);

    return school_document_read(json_read_slice, &rest, rows, f, e);
}

static bool collect(void *arg, int table, const char *name, struct slice row, struct err *e)
{
    (void)e;
    buf_printf(arg, "%d %s %.*s\n", table, name, (int)row.size, (const char *)row.data);
    return true;
}

TEST(rows_come_as_they_stand_with_the_table_they_are_of)
{
    static const char text[] =
        "{\"version\":\"1.0\", \"timestamp\":\"2025-11-21T10:28:30.846Z\",\"tables\":{\n"
        "\"users\":[{\"id\":\"u1\" , \"n\":1.50,\"x\":[null,{\"\\u00e9\":\"\\n\"}]},{}],"
        "\"auditLogs\":[],\"schools\":[ {\"id\":\"s\"} ]}}";
    AUTO(buf) struct buf out = {0};
    const struct school_rows rows = {collect, &out};
    struct school_facts f;
    struct hash sum;

    CHECK_OK(document(text, &rows, &f, e));
    ck_assert_str_eq(buf_string(&out),
                     "0 users {\"id\":\"u1\" , \"n\":1.50,\"x\":[null,{\"\\u00e9\":\"\\n\"}]}\n"
                     "0 users {}\n-1 schools {\"id\":\"s\"}\n");
    ck_assert_str_eq(f.timestamp, "2025-11-21T10:28:30.846Z");
    CHECK(f.has[0] && f.rows[0] == 2 && f.has[21] && f.rows[21] == 0 && !f.has[1]);
    CHECK(f.others == 1 && f.other_rows == 1 && f.size == sizeof(text) - 1);
    sha256(slice_string(text), &sum);
    CHECK(hash_is_equal(&sum, &f.sha256));
}
END

#define HEAD_TEXT "\"version\":\"1.0\",\"timestamp\":\"2025-11-21T10:28:30.846Z\""

static const struct {
    const char *text, *why;
} no_documents[] = {
    {"", "byte 1: the document ends early"},
    {"[]", "Invalid backup format: it is no object"},
    {"null", "Invalid backup format: it is no object"},
    {"{}", "Invalid backup format: it lacks version, timestamp or tables"},
    {"{" HEAD_TEXT "}", "it lacks version, timestamp or tables"},
    {"{\"version\":\"1.0\",\"tables\":{}}", "it lacks version, timestamp or tables"},
    {"{\"version\":1,\"timestamp\":\"t\",\"tables\":{}}", "version is no text"},
    {"{\"version\":\"1.1\"}", "its version is not 1.0"},
    {"{\"version\":\"\"}", "its version is not 1.0"},
    {"{\"version\":\"1.0\",\"version\":\"1.0\"}", "version stands there twice"},
    {"{\"timestamp\":null}", "timestamp is no text"},
    {"{\"timestamp\":\"2025-11-21T10:28:30Z\"}", "its timestamp is no moment"},
    {"{\"timestamp\":\"2025-11-31T10:28:30.846Z\"}", "its timestamp is no moment"},
    {"{\"timestamp\":\"2025-11-21T10:28:30.84\\u0000Z\"}", "its timestamp is no moment"},
    {"{" HEAD_TEXT ",\"timestamp\":\"2025-11-21T10:28:30.846Z\"}", "timestamp stands there twice"},
    {"{\"tables\":[]}", "tables is no object"},
    {"{\"tables\":null}", "tables is no object"},
    {"{\"tables\":{},\"tables\":{}}", "tables stands there twice"},
    {"{" HEAD_TEXT ",\"tables\":{},\"more\":1}", "it has a member besides"},
    {"{\"tables\":{\"users\":{}}}", "table users: Invalid backup format: it is no list"},
    {"{\"tables\":{\"users\":null}}", "table users: Invalid backup format: it is no list"},
    {"{\"tables\":{\"users\":[1]}}", "table users: Invalid backup format: a row is no object"},
    {"{\"tables\":{\"users\":[[]]}}", "table users: Invalid backup format: a row is no object"},
    {"{\"tables\":{\"users\":[],\"users\":[]}}", "table users: Invalid backup format: it stands"},
    {"{\"tables\":{\"else\":[],\"else\":[]}}", "table else: Invalid backup format: it stands"},
    {"{\"tables\":{\"\":[]}}", "a table has no name"},
    {"{\"tables\":{\"a\\nb\":[]}}", "a table has no name"},
    {"{\"tables\":{\"users\":[{\"a\":1]}}", "it is not JSON"},
    {"{\"tables\":{\"users\":[{\"a\":tru}]}}", "it is not JSON"},
    {"{\"tables\":{\"users\":[{\"a\":\"\xff\"}]}}", "not UTF-8"},
    {"{\"tables\":{\"users\":[{\"a\":01}]}}", "it is not JSON"},
    {"{\"tables\":{,\"administrators\":[]}}", "it is not JSON"},
    {"{" HEAD_TEXT ",\"tables\":{}} x", "it is not JSON"},
    {"{" HEAD_TEXT ",\"tables\":{}}{}", "it is not JSON"},
    {"\xef\xbb\xbf{" HEAD_TEXT ",\"tables\":{}}", "it is not JSON"},
};

TEST(what_is_no_such_document_is_refused_with_its_reason)
{
    const struct school_rows none = {0};

    for (size_t i = 0; i < sizeof(no_documents) / sizeof(no_documents[0]); i++) {
        struct school_facts f;
        struct err e = {0};

        ck_assert_msg(!document(no_documents[i].text, &none, &f, &e), "%s", no_documents[i].text);
        ck_assert_int_eq(e.code, ERR_CORRUPT);
        ck_assert_msg(strstr(e.text, no_documents[i].why) != NULL, "%s: %s", no_documents[i].text,
                      e.text);
    }
}
END

/* A document with one row of nested brackets, or of a text of this length. */
static bool takes_row(size_t depth, size_t length, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    const struct school_rows none = {0};
    struct school_facts f;

    buf_printf(&text, "{" HEAD_TEXT ",\"tables\":{\"users\":[{\"a\":");
    memset(buf_extend(&text, depth), '[', depth);
    buf_printf(&text, "\"");
    memset(buf_extend(&text, length), 'x', length);
    buf_printf(&text, "\"");
    memset(buf_extend(&text, depth), ']', depth);
    buf_printf(&text, "}]}}");
    return document(buf_string(&text), &none, &f, e);
}

TEST(depth_and_rows_are_bounded)
{
    CHECK_OK(takes_row(JSON_DEPTH_MAX - 4, 1, e));
    CHECK_ERR(takes_row(JSON_DEPTH_MAX - 3, 1, e), ERR_CORRUPT);
    CHECK_OK(takes_row(0, SCHOOL_ROW_MAX / 2 - 100, e));
    CHECK_ERR(takes_row(0, SCHOOL_ROW_MAX, e), ERR_CORRUPT);
}
END

static bool takes_tables(size_t count, size_t name, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    const struct school_rows none = {0};
    struct school_facts f;

    buf_printf(&text, "{" HEAD_TEXT ",\"tables\":{");
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "%s\"%0*zu\":[]", i > 0 ? "," : "", (int)name, i);
    buf_printf(&text, "}}");
    return document(buf_string(&text), &none, &f, e);
}

TEST(names_and_numbers_of_tables_are_bounded)
{
    CHECK_OK(takes_tables(SCHOOL_OTHERS_MAX, 10, e));
    CHECK_ERR(takes_tables(SCHOOL_OTHERS_MAX + 1, 10, e), ERR_CORRUPT);
    CHECK_OK(takes_tables(1, SCHOOL_NAME_MAX, e));
    CHECK_ERR(takes_tables(1, SCHOOL_NAME_MAX + 1, e), ERR_CORRUPT);
    CHECK_ERR(takes_tables(1, 5000, e), ERR_CORRUPT);
}
END

static bool refuse(void *arg, int table, const char *name, struct slice row, struct err *e)
{
    (void)arg, (void)table, (void)name, (void)row;
    return err_set(e, ERR_CANCELLED, "enough");
}

TEST(who_takes_the_rows_may_end_it)
{
    const struct school_rows rows = {refuse, NULL};
    struct school_facts f = {.others = 77};

    CHECK_ERR(document("{\"tables\":{\"users\":[{}]}}", &rows, &f, e), ERR_CANCELLED);
    ck_assert_uint_eq(f.others, 77);
}
END

TEST(tables_are_restored_each_once_and_after_those_they_refer_to)
{
    bool seen[SCHOOL_TABLES] = {0};

    ck_assert_str_eq(school_tables[school_restore_order[0]].name, "users");
    ck_assert_str_eq(school_tables[school_restore_order[4]].name, "sections");
    ck_assert_str_eq(school_tables[school_restore_order[8]].name, "students");
    for (size_t i = 0; i < SCHOOL_TABLES; i++) {
        CHECK(!seen[school_restore_order[i]]);
        seen[school_restore_order[i]] = true;
    }
}
END

TESTS("archive/school", keys_are_64_hex_characters_and_refused_in_the_applications_words,
      the_published_key_is_known_and_nothing_is_written_with_it_unasked,
      the_seal_is_that_of_the_application_byte_for_byte, a_file_of_the_application_is_read,
      a_file_is_sealed_gzip_of_zlib_at_its_default_level_and_its_sum_is_that_of_the_text,
      a_file_that_is_authentic_but_not_compressed_is_refused,
      every_changed_bit_and_every_cut_is_seen_before_a_byte_is_given_out,
      another_key_and_a_file_that_was_not_finished_have_their_sentences,
      files_of_many_pieces_come_back_through_a_descriptor, ivs_differ,
      a_file_that_changes_between_the_passes_yields_no_byte_that_was_not_authentic,
      what_expands_too_far_is_refused_by_size_and_by_ratio,
      a_stream_that_shrinks_well_but_is_short_is_no_bomb,
      nothing_stands_behind_the_one_stream_and_it_is_whole,
      whichever_write_fails_the_failure_is_told_and_nobody_can_read_what_is_there,
      names_are_those_of_the_application,
      other_names_and_paths_are_refused_in_the_applications_words,
      rows_come_as_they_stand_with_the_table_they_are_of,
      what_is_no_such_document_is_refused_with_its_reason, depth_and_rows_are_bounded,
      names_and_numbers_of_tables_are_bounded, who_takes_the_rows_may_end_it,
      tables_are_restored_each_once_and_after_those_they_refer_to)
