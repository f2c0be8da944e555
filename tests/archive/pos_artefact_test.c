#include "archive/pos_artefact.h"

#include <string.h>

#include "archive/bzip2.h"
#include "archive/cbc.h"
#include "base/mem.h"
#include "base/text.h"
#include "support/test.h"

#define KEY  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HEAD "--\n-- PostgreSQL database dump\n--\n\n"
#define SAID "-- Dumped from database version 15.18\n-- Dumped by pg_dump version 15.20\n\n"
#define TAIL "\n--\n-- PostgreSQL database dump complete\n--\n\n"
#define SQL  HEAD SAID "CREATE TABLE public.t (id integer);\n" TAIL
#define UUID "5f0c2b1e-0d6c-4c4e-9a55-0b8f5ed0a7c1"

static struct pos_key key_of(const char *digits)
{
    struct pos_key key;

    CHECK_OK(pos_key_parse(slice_string(digits), &key, e));
    return key;
}

static bool collect(void *arg, struct slice piece, struct err *e)
{
    (void)e;
    buf_append_slice(arg, piece);
    return true;
}

static void write_bytes(struct slice plain, enum pos_compression compression,
                        const struct pos_key *key, struct buf *out)
{
    const struct pos_writing how = {collect, out, compression, key, 1754791200123000000};
    AUTO(pos_writer) struct pos_writer *w = NULL;
    struct pos_written written;
    struct hash sum;

    CHECK_OK(pos_writer_open(&how, &w, e));
    CHECK_OK(pos_writer_add(w, plain, e));
    CHECK_OK(pos_writer_finish(w, &written, e));
    sha256(buf_slice(out), &sum);
    CHECK(hash_is_equal(&sum, &written.sha256));
    ck_assert_uint_eq(written.size, out->size);
}

static void write_zip(struct buf *out)
{
    const struct output to = output_of_buf(out);
    AUTO(zip_writer) struct zip_writer *w = zip_writer_new(&to, &pos_zip_rules);

    CHECK_OK(zip_writer_begin(w, "uploads/caf\xc3\xa9.jpg", 1754791200123000000, e));
    CHECK_OK(zip_writer_bytes(w, slice_string("a picture, "), e));
    CHECK_OK(zip_writer_bytes(w, slice_string("and more of it"), e));
    CHECK_OK(zip_writer_end(w, e));
    CHECK_OK(zip_writer_begin(w, "config/package.json", 1754791200123000000, e));
    CHECK_OK(zip_writer_end(w, e));
    CHECK_OK(zip_writer_finish(w, e));
}

/* Everything in a file: SQL, or names and bytes of members. */
static bool read_bytes(struct slice file, const struct pos_key *key, struct pos_found *found,
                       struct buf *out, struct err *e)
{
    const struct input from = input_of_slice(&file);
    AUTO(pos_reader) struct pos_reader *r = NULL;
    char version[POS_VERSION_MAX];

    buf_clear(out);
    if (!pos_reader_open(&from, key, &r, e))
        return false;
    *found = *pos_reader_found(r);
    if (found->kind == POS_KIND_DATABASE)
        return pos_reader_sql(r, collect, out, version, e);

    const struct zip *z = pos_reader_zip(r);

    for (size_t i = 0; i < z->count; i++) {
        buf_printf(out, "<%s ", z->entries[i].name);
        if (!zip_read(z, &z->entries[i], collect, out, e))
            return false;
    }
    return true;
}

TEST(a_key_is_64_digits_and_32_are_refused_with_the_reason)
{
    struct pos_key key;
    struct err why = {0};

    CHECK_OK(pos_key_parse(slice_string(KEY "\n"), &key, e));
    ck_assert_uint_eq(key.bytes[1], 0x23);
    CHECK(!pos_key_parse(slice_string("0123456789abcdef0123456789abcdef"), &key, &why));
    CHECK(why.code == ERR_USAGE && strstr(why.text, "16 bytes") != NULL);
    CHECK(strstr(why.text, "0123") == NULL);
    CHECK_ERR(pos_key_parse(slice_string(KEY "0"), &key, e), ERR_USAGE);
    CHECK_ERR(pos_key_parse(slice_string(""), &key, e), ERR_USAGE);
    CHECK_ERR(pos_key_parse(slice_string("your-32-byte-hex-key"), &key, e), ERR_USAGE);
    CHECK_ERR(pos_key_parse(slice_string("g123456789abcdef0123456789abcdef0123456789abcdef"
                                         "0123456789abcdef"),
                            &key, e),
              ERR_USAGE);
}
END

TEST(a_file_that_another_program_encrypted_opens_at_any_place)
{
    static const char digits[] = "000102030405060708090a0b0c0d0e0f36993c219b832034b7f57915375325fe";
    const struct pos_key key = key_of(KEY);
    uint8_t bytes[(sizeof(digits) - 1) / 2];
    const struct slice file = {bytes, sizeof(bytes)};
    const struct input from = input_of_slice(&file);
    AUTO(cbc_reader) struct cbc_reader *r = NULL;
    char text[32] = "";
    size_t got = 0;

    CHECK(hex_decode(digits, bytes, sizeof(bytes)));
    CHECK_OK(cbc_reader_open(&from, key.bytes, &r, e));

    const struct input plain = cbc_reader_input(r);

    ck_assert_uint_eq(plain.size, 13);
    CHECK_OK(plain.read_at(plain.arg, 0, text, sizeof(text), &got, e));
    CHECK(got == 13 && memcmp(text, "hello backup\n", 13) == 0);
    CHECK_OK(plain.read_at(plain.arg, 6, text, 3, &got, e));
    CHECK(got == 3 && memcmp(text, "bac", 3) == 0);
    CHECK_OK(plain.read_at(plain.arg, 13, text, 3, &got, e));
    ck_assert_uint_eq(got, 0);
}
END

TEST(encrypted_bytes_of_every_size_come_back_wherever_reading_begins)
{
    static const size_t sizes[] = {0,     1,     15,    16,    17,    65519, 65520,  65521,
                                   65535, 65536, 65537, 65551, 65552, 65553, 131072, 200001};
    const struct pos_key key = key_of(KEY);

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        AUTO(buf) struct buf plain = {0};
        AUTO(buf) struct buf sealed = {0};
        AUTO(cbc_writer) struct cbc_writer *w = NULL;
        AUTO(cbc_reader) struct cbc_reader *r = NULL;
        uint8_t back[40];

        for (size_t k = 0; k < sizes[i]; k++)
            buf_put_u8(&plain, (uint8_t)(k * 7 + k / 251));
        CHECK_OK(cbc_writer_open(key.bytes, collect, &sealed, &w, e));
        CHECK_OK(cbc_writer_add(w, buf_slice(&plain), e));
        CHECK_OK(cbc_writer_finish(w, e));

        const struct slice file = buf_slice(&sealed);
        const struct input from = input_of_slice(&file);

        CHECK_OK(cbc_reader_open(&from, key.bytes, &r, e));

        const struct input in = cbc_reader_input(r);

        ck_assert_uint_eq(in.size, sizes[i]);
        for (size_t at = 0; at < sizes[i]; at += 1021) { /* forwards, and from the end */
            const size_t places[] = {at, sizes[i] - 1 - at};

            for (int k = 0; k < 2; k++) {
                const size_t left = sizes[i] - places[k];
                const size_t n = left < sizeof(back) ? left : sizeof(back);

                CHECK_OK(input_read(&in, places[k], back, n, e));
                CHECK(memcmp(back, plain.data + places[k], n) == 0);
            }
        }
    }
}
END

TEST(what_is_written_is_recognised_and_read_back)
{
    const struct pos_key key = key_of(KEY);
    AUTO(buf) struct buf zip = {0};

    write_zip(&zip);
    for (int c = POS_GZIP; c <= POS_NONE; c++)
        for (int sealed = 0; sealed < 2; sealed++)
            for (int kind = POS_KIND_DATABASE; kind <= POS_KIND_FILES; kind++) {
                AUTO(buf) struct buf file = {0};
                AUTO(buf) struct buf back = {0};
                struct pos_found found;

                if (kind == POS_KIND_FILES && c != POS_NONE)
                    continue;
                write_bytes(kind == POS_KIND_FILES ? buf_slice(&zip) : slice_string(SQL),
                            (enum pos_compression)c, sealed ? &key : NULL, &file);
                CHECK_OK(read_bytes(buf_slice(&file), &key, &found, &back, e));
                CHECK((int)found.kind == kind && (int)found.compression == c &&
                      found.is_sealed == (sealed != 0));
                ck_assert_str_eq(buf_string(&back),
                                 kind == POS_KIND_FILES
                                     ? "<uploads/caf\xc3\xa9.jpg a picture, and more "
                                       "of it<config/package.json "
                                     : SQL);
                if (sealed)
                    CHECK_ERR(read_bytes(buf_slice(&file), NULL, &found, &back, e), ERR_CORRUPT);
            }
}
END

TEST(another_key_opens_nothing)
{
    const struct pos_key key = key_of(KEY);
    struct pos_key other = key;

    for (int c = POS_GZIP; c <= POS_NONE; c++) {
        AUTO(buf) struct buf file = {0};
        AUTO(buf) struct buf back = {0};
        struct pos_found found;

        write_bytes(slice_string(SQL), (enum pos_compression)c, &key, &file);
        for (int i = 0; i < 300; i++) { /* one in 256 has padding that is right by chance */
            struct err why = {0};

            other.bytes[0] = (uint8_t)(i + 2);
            other.bytes[5] = (uint8_t)(i >> 6);
            CHECK(!read_bytes(buf_slice(&file), &other, &found, &back, &why));
            CHECK(why.code == ERR_CORRUPT && strstr(why.text, "key does not fit") != NULL);
        }
    }
}
END

TEST(a_dump_of_newer_programs_ends_with_its_token_and_nothing_else)
{
    static const struct {
        const char *text;
        bool is_good;
    } cases[] = {
        {HEAD "\\restrict abc\n" TAIL "\\unrestrict abc\n\n", true},
        {HEAD TAIL, true},
        {HEAD "-- Started on 2025-08-10\n" TAIL, true},
        {HEAD TAIL "\\unrestrict abc", false},
        {HEAD TAIL "\\unrestrict abc\n\\unrestrict abc\n", false},
        {HEAD TAIL "\\! id\n", false},
        {HEAD TAIL "DROP TABLE t;\n", false},
        {HEAD "CREATE TABLE t ();\n", false},
        {"--\n-- PostgreSQL database cluster dump\n--\n" TAIL, false},
        {"CREATE TABLE t ();\n" TAIL, false},
        {"-- MySQL dump 10.13\n" TAIL, false},
        {TAIL, false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        AUTO(buf) struct buf back = {0};
        struct pos_found found;
        struct err e = {0};
        const bool is_good = read_bytes(slice_string(cases[i].text), NULL, &found, &back, &e);

        ck_assert_msg(is_good == cases[i].is_good, "case %zu: %s", i, e.text);
        CHECK(is_good || e.code == ERR_CORRUPT);
    }
}
END

TEST(the_version_of_pg_dump_is_told)
{
    const struct slice text = slice_string(SQL);
    const struct input from = input_of_slice(&text);
    AUTO(pos_reader) struct pos_reader *r = NULL;
    AUTO(buf) struct buf out = {0};
    char version[POS_VERSION_MAX];

    CHECK_OK(pos_reader_open(&from, NULL, &r, e));
    CHECK_OK(pos_reader_sql(r, collect, &out, version, e));
    ck_assert_str_eq(version, "15.20");
}
END

/* Nothing that was cut off counts, and nothing that was changed where a sum can tell. */
TEST(every_cut_is_noticed_and_every_change_that_a_sum_covers)
{
    const struct pos_key key = key_of(KEY);
    size_t tried = 0;
    AUTO(buf) struct buf zip = {0};

    write_zip(&zip);
    for (int c = 0; c < 8; c++) {
        const bool is_zip = c >= 6;
        const bool is_sealed = c % 2 == 1;
        const enum pos_compression compression = is_zip ? POS_NONE : (enum pos_compression)(c / 2);
        AUTO(buf) struct buf file = {0};
        AUTO(buf) struct buf whole = {0};
        AUTO(buf) struct buf back = {0};
        struct pos_found found;
        struct err why = {0};

        write_bytes(is_zip ? buf_slice(&zip) : slice_string(SQL), compression,
                    is_sealed ? &key : NULL, &file);
        CHECK_OK(read_bytes(buf_slice(&file), &key, &found, &whole, e));
        for (size_t size = 0; size < file.size; size += 3, tried++) {
            if (size >= file.size - 2 && !is_zip && compression == POS_NONE && !is_sealed)
                continue; /* empty lines at the end of plain text */
            CHECK(!read_bytes(SLICE_OF(file.data, size), &key, &found, &back, &why));
            CHECK(why.code == ERR_CORRUPT);
        }
        for (size_t at = 0; at < file.size; at++, tried++) {
            file.data[at] ^= (uint8_t)(1 << at % 8);
            if (!read_bytes(buf_slice(&file), &key, &found, &back, &why))
                CHECK(why.code == ERR_CORRUPT);
            else if (compression != POS_NONE)
                ck_assert_str_eq(buf_string(&back), buf_string(&whole)); /* name, time, system */
            file.data[at] ^= (uint8_t)(1 << at % 8);
        }
        buf_put_u8(&file, 'x');
        CHECK_ERR(read_bytes(buf_slice(&file), &key, &found, &back, e), ERR_CORRUPT);
    }
    CHECK(tried > 1500);
}
END

/* What expands without end is given up, with little of it read. */
TEST(bombs_are_given_up)
{
    AUTO(mem) uint8_t *zeros = mem_new(1 << 20);

    for (int c = POS_GZIP; c <= POS_BZIP2; c++) {
        AUTO(buf) struct buf file = {0};
        const struct pos_writing how = {collect, &file, (enum pos_compression)c, NULL, 0};
        AUTO(pos_writer) struct pos_writer *w = NULL;
        AUTO(buf) struct buf back = {0};
        struct pos_written written;
        struct pos_found found;
        struct err why = {0};

        CHECK_OK(pos_writer_open(&how, &w, e));
        CHECK_OK(pos_writer_add(w, slice_string(HEAD), e));
        for (int i = 0; i < 32; i++)
            CHECK_OK(pos_writer_add(w, SLICE_OF(zeros, 1 << 20), e));
        CHECK_OK(pos_writer_add(w, slice_string(TAIL), e));
        CHECK_OK(pos_writer_finish(w, &written, e));
        CHECK(!read_bytes(buf_slice(&file), NULL, &found, &back, &why));
        CHECK(why.code == ERR_CORRUPT && strstr(why.text, "500 times") != NULL);
    }
}
END

TEST(two_streams_behind_each_other_are_refused)
{
    for (int c = POS_GZIP; c <= POS_BZIP2; c++) {
        AUTO(buf) struct buf file = {0};
        AUTO(buf) struct buf second = {0};
        AUTO(buf) struct buf back = {0};
        struct pos_found found;

        write_bytes(slice_string(SQL), (enum pos_compression)c, NULL, &file);
        write_bytes(slice_string(SQL), (enum pos_compression)c, NULL, &second);
        buf_append_slice(&file, buf_slice(&second));
        CHECK_ERR(read_bytes(buf_slice(&file), NULL, &found, &back, e), ERR_CORRUPT);
    }
}
END

TEST(a_zip_file_of_the_service_holds_its_folders_only)
{
    static const struct {
        const char *name;
        bool is_known;
    } cases[] = {{"uploads/a", true},     {"exports/x/y", true}, {"config/schema.prisma", true},
                 {"config/other", false}, {"a", false},          {"backup_metadata.json", false},
                 {"uploadsx/a", false}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        AUTO(buf) struct buf file = {0};
        const struct output to = output_of_buf(&file);
        AUTO(zip_writer) struct zip_writer *w = zip_writer_new(&to, &pos_zip_rules);
        AUTO(pos_reader) struct pos_reader *r = NULL;

        CHECK_OK(zip_writer_begin(w, "reports/r", 0, e));
        CHECK_OK(zip_writer_end(w, e));
        CHECK_OK(zip_writer_begin(w, cases[i].name, 0, e));
        CHECK_OK(zip_writer_end(w, e));
        CHECK_OK(zip_writer_finish(w, e));

        const struct slice bytes = buf_slice(&file);
        const struct input from = input_of_slice(&bytes);

        CHECK_OK(pos_reader_open(&from, NULL, &r, e));
        ck_assert_msg(pos_zip_is_known(pos_reader_zip(r)) == cases[i].is_known, "%s",
                      cases[i].name);
    }
}
END

TEST(names_are_those_of_the_service_and_lead_back)
{
    static const char *const names[] = {
        "Daily Database Backup_2025-08-10T02-00-00-123Z_database.sql.gz.enc",
        "a_2025-08-10T02-00-00-123Z_database.sql.bz2", "a_b_2025-08-10T02-00-00-123Z_database.sql",
        "Files and Uploads Backup_2025-08-10T02-00-00-123Z_files_backup_" UUID ".zip.enc",
        "f_2025-08-10T02-00-00-123Z_files_backup_" UUID ".zip"};
    static const char *const others[] = {
        "",
        "database.sql.gz",
        "_2025-08-10T02-00-00-123Z_database.sql",
        "a_2025-13-10T02-00-00-123Z_database.sql",
        "a_2025-08-10T02:00:00.123Z_database.sql",
        "a_2025-08-10T02-00-00-123Z_database.sql.zip",
        "a/b_2025-08-10T02-00-00-123Z_database.sql",
        "../a_2025-08-10T02-00-00-123Z_database.sql",
        "a_2025-08-10T02-00-00-123Z_files_backup_5f0c2b1e.zip",
        "a_2025-08-10T02-00-00-123Z_files_backup_" UUID ".zip.gz",
        "a_2025-08-10T02-00-00-123Z_files_backup_5F0C2B1E-0d6c-4c4e-9a55-0b8f5ed0a7c1.zip"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct pos_name n;
        char again[POS_FILE_NAME_MAX];

        CHECK_OK(pos_name_parse(names[i], &n, e));
        CHECK_OK(pos_name_format(&n, again, e));
        ck_assert_str_eq(again, names[i]);
        ck_assert_int_eq(n.time_ns, 1754791200123000000);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct pos_name n;

        CHECK_ERR(pos_name_parse(others[i], &n, e), ERR_USAGE);
    }
}
END

TESTS("pos_artefact", a_key_is_64_digits_and_32_are_refused_with_the_reason,
      a_file_that_another_program_encrypted_opens_at_any_place,
      encrypted_bytes_of_every_size_come_back_wherever_reading_begins,
      what_is_written_is_recognised_and_read_back, another_key_opens_nothing,
      a_dump_of_newer_programs_ends_with_its_token_and_nothing_else, the_version_of_pg_dump_is_told,
      every_cut_is_noticed_and_every_change_that_a_sum_covers, bombs_are_given_up,
      two_streams_behind_each_other_are_refused, a_zip_file_of_the_service_holds_its_folders_only,
      names_are_those_of_the_service_and_lead_back)
