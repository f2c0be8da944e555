#include "source/postgres_manifest.h"

#include <string.h>

#include "source/postgres_case.h"
#include "source/postgres_run.h"
#include "source/postgres_selection.h"

static const char *const some_columns[] = {"id", "a \"b\"\n"};
static const char *const some_patterns[] = {"public.s*"};

static struct postgres_table tables[] = {
    {.schema = "public",
     .name = "t",
     .kind = "table",
     .file = "data/public.t.copy",
     .columns = {some_columns, 2},
     .rows = 3,
     .bytes = 40,
     .hash = "00112233445566778899aabbccddeeff",
     .state = "16384 16390 3 0 0 -5",
     .read = "before"},
    {.schema = "x",
     .name = "m",
     .kind = "materialized_view",
     .extension = "e",
     .condition = "WHERE y"},
};
static struct postgres_sequence sequences[] = {{"public", "s", INT64_MIN, false},
                                               {"public", "z", INT64_MAX, true}};

static struct postgres_manifest manifest_fixture(void)
{
    return (struct postgres_manifest){.database = "d\xc3\xa4",
                                      .time = "now",
                                      .server_version = "15.1",
                                      .server_number = 150001,
                                      .lsn = "0/1",
                                      .encoding = "UTF8",
                                      .collate = "C",
                                      .ctype = "C",
                                      .locale_provider = "libc",
                                      .selection[POSTGRES_EXCLUDE_TABLES] = {some_patterns, 1},
                                      .instance = "one life",
                                      .horizon = "750",
                                      .tables = tables,
                                      .table_count = 2,
                                      .sequences = sequences,
                                      .sequence_count = 2,
                                      .blobs = {7, 9, "ffffffffffffffffffffffffffffffff"}};
}

TEST(a_manifest_reads_back_as_it_was_written)
{
    AUTO(buf) struct buf first = {0};
    AUTO(buf) struct buf second = {0};
    AUTO(postgres_manifest) struct postgres_manifest read = {0};
    const struct postgres_manifest m = manifest_fixture();

    CHECK_OK(postgres_manifest_encode(&m, &first, e));
    CHECK_OK(postgres_manifest_decode(buf_slice(&first), &read, e));
    CHECK_OK(postgres_manifest_encode(&read, &second, e));
    CHECK(slice_is_equal(buf_slice(&first), buf_slice(&second)));
    CHECK(read.table_count == 2 && read.sequences[0].last_value == INT64_MIN);
    ck_assert_str_eq(read.tables[0].columns.items[1], "a \"b\"\n");
    ck_assert_str_eq(read.instance, "one life");
    ck_assert_str_eq(read.horizon, "750");
    ck_assert_str_eq(read.tables[0].state, "16384 16390 3 0 0 -5");
    ck_assert_str_eq(read.tables[0].read, "before");
    CHECK(read.tables[1].state == NULL && read.tables[1].read == NULL);
    ck_assert_ptr_null(read.tables[1].file);
    ck_assert_str_eq(read.tables[1].condition, "WHERE y");
    CHECK(postgres_manifest_find(&read, "x", "m") == &read.tables[1]);
    ck_assert_ptr_null(postgres_manifest_find(&read, "public", "m"));
}
END

TEST(a_manifest_cut_short_anywhere_is_corrupt)
{
    AUTO(buf) struct buf whole = {0};
    const struct postgres_manifest m = manifest_fixture();

    CHECK_OK(postgres_manifest_encode(&m, &whole, e));
    for (size_t size = 0; size + 2 < whole.size; size++) {
        struct postgres_manifest read = {0};

        CHECK_ERR(postgres_manifest_decode(SLICE_OF(whole.data, size), &read, e), ERR_CORRUPT);
    }
}
END

/* Replace the first from by to. */
static void replace(struct buf *b, const char *from, const char *to)
{
    AUTO(buf) struct buf out = {0};
    const uint8_t *at = memmem(b->data, b->size, from, strlen(from));

    ck_assert_ptr_nonnull(at);
    buf_append(&out, b->data, (size_t)(at - b->data));
    buf_append(&out, to, strlen(to));
    at += strlen(from);
    buf_append(&out, at, (size_t)(b->data + b->size - at));
    buf_clear(b);
    buf_append_slice(b, buf_slice(&out));
}

TEST(a_manifest_with_a_wrong_member_is_corrupt)
{
    static const char *const wrong[][2] = {
        {"\"format\": 2", "\"format\": 3"},
        {"\"format\": 2", "\"format\": \"2\""},
        {"\"rows\": 3", "\"rows\": -3"},
        {"\"hash\": \"0011", "\"hash\": \"001"},
        {"\"hash\": \"0011", "\"hash\": \"001G"},
        {"\"hash\": \"0011", "\"Hash\": \"0011"},
        {"\"tables\": [\n", "\"tables\": [7,\n"},
        {"\"notes\": []", "\"notes\": {}"},
        {"\"notes\": []", "\"notes\": [1]"},
        {"\"count\": 7", "\"count\": 0"},
        {"\"selection\": {", "\"selection\": 1, \"s\": {"},
        {"\"lsn\": \"0/1\"", "\"lsn\": null"},
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        AUTO(buf) struct buf json = {0};
        struct postgres_manifest read = {0};
        const struct postgres_manifest m = manifest_fixture();

        CHECK_OK(postgres_manifest_encode(&m, &json, e));
        replace(&json, wrong[i][0], wrong[i][1]);
        CHECK_ERR(postgres_manifest_decode(buf_slice(&json), &read, e), ERR_CORRUPT);
    }
}
END

TEST(a_name_that_is_not_utf8_makes_no_manifest)
{
    AUTO(buf) struct buf json = {0};
    struct postgres_manifest m = manifest_fixture();

    m.database = "\xff";
    CHECK_ERR(postgres_manifest_encode(&m, &json, e), ERR_FATAL);
}
END

static void check_file_name(const char *schema, const char *name, const char *wanted)
{
    AUTO(buf) struct buf out = {0};
    const struct postgres_table t = {.schema = schema, .name = name};

    postgres_file_name(&t, &out);
    ck_assert_str_eq(buf_string(&out), wanted);
}

TEST(a_file_name_tells_schema_and_table_apart_and_has_no_slash)
{
    check_file_name("public", "t", "public.t.copy");
    check_file_name("a.b", "c", "a%2Eb.c.copy");
    check_file_name("a", "b.c", "a.b%2Ec.copy");
    check_file_name("..", "/etc\n\x7f%~", "%2E%2E.%2Fetc%0A%7F%25%7E.copy");
    check_file_name("\xc3\xa4", "$(x) '\"", "\xc3\xa4.$(x) '\".copy");
}
END

TEST(long_file_names_are_cut_and_differ)
{
    AUTO(buf) struct buf first = {0};
    AUTO(buf) struct buf second = {0};
    char name[64];

    memset(name, '/', 63);
    name[63] = '\0';
    postgres_file_name(&(struct postgres_table){.schema = name, .name = name}, &first);
    name[62] = '.';
    postgres_file_name(&(struct postgres_table){.schema = name, .name = name}, &second);
    CHECK(first.size <= 200 && second.size <= 200);
    CHECK(!slice_is_equal(buf_slice(&first), buf_slice(&second)));
    CHECK(memcmp(first.data, second.data, 130) == 0);
}
END

static void check_pattern(const char *pattern, const char *schema, const char *name)
{
    AUTO(buf) struct buf s = {0};
    AUTO(buf) struct buf n = {0};

    CHECK_OK(postgres_pattern_parse(pattern, false, &s, &n, e));
    ck_assert_str_eq(buf_string(&s), schema);
    ck_assert_str_eq(buf_string(&n), name);
}

TEST(patterns_become_regular_expressions)
{
    check_pattern("Orders", "", "^(orders)$");
    check_pattern("sh*p.o?", "^(sh.*p)$", "^(o.)$");
    check_pattern("\"Sh*p\".\"a.\"\"b\"", "^(Sh\\*p)$", "^(a\\.\"b)$");
    check_pattern("a$|(b|c)[0-9]+", "", "^(a\\$|(b|c)[0-9]+)$");
    check_pattern("x[]", "", "^(x\\[])$");
}
END

TEST(a_malformed_pattern_is_refused)
{
    static const char *const wrong[] = {"", ".", "a.", ".a", "a.b.c", "\"a", "\"\""};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        AUTO(buf) struct buf s = {0};
        AUTO(buf) struct buf n = {0};

        CHECK_ERR(postgres_pattern_parse(wrong[i], false, &s, &n, e), ERR_USAGE);
    }
    AUTO(buf) struct buf s = {0};
    AUTO(buf) struct buf n = {0};

    CHECK_ERR(postgres_pattern_parse("a.b", true, &s, &n, e), ERR_USAGE);
}
END

/* The sums of one row, of that and another, and of both in the other order. */
static void check_sums(enum row_hash how, const char *of_nothing, const char *of_both)
{
    struct row_sum one = {.how = how};
    struct row_sum other = {.how = how};
    char text[ROW_SUM_TEXT], same[ROW_SUM_TEXT];

    row_sum_add(&one, slice_string(""));
    row_sum_format(&one, text);
    ck_assert_str_eq(text, of_nothing);
    row_sum_add(&one, slice_string("abc"));
    row_sum_format(&one, text);
    ck_assert_str_eq(text, of_both);
    row_sum_add(&other, slice_string("abc"));
    row_sum_add(&other, slice_string(""));
    row_sum_format(&other, same);
    ck_assert_str_eq(same, text);
    row_sum_add(&other, slice_string(""));
    row_sum_format(&other, same);
    ck_assert_str_ne(same, text); /* how often counts */
}

TEST(the_sum_of_rows_is_that_of_their_hashes_in_any_order)
{
    /* "abc" is 06b05ab6733a618578af5f94892f3950 and ba7816bf8f01cfea414140de5dae2223. */
    check_sums(ROW_HASH_XXH3, "99aa06d3014798d86001c324468d497f",
               "a05a61897481fa5dd8b122b8cfbc82cf");
    check_sums(ROW_HASH_SHA256, "e3b0c44298fc1c149afbf4c8996fb924",
               "9e28db0227fdebfedc3d35a6f71ddb47");
}
END

TEST(a_manifest_of_the_first_format_has_other_hashes)
{
    AUTO(buf) struct buf json = {0};
    AUTO(postgres_manifest) struct postgres_manifest now = {0}, old = {0};
    const struct postgres_manifest m = manifest_fixture();

    CHECK_OK(postgres_manifest_encode(&m, &json, e));
    CHECK_OK(postgres_manifest_decode(buf_slice(&json), &now, e));
    CHECK(now.tables[0].row_hash == ROW_HASH_XXH3);
    replace(&json, "\"format\": 2", "\"format\": 1");
    CHECK_OK(postgres_manifest_decode(buf_slice(&json), &old, e));
    CHECK(old.tables[0].row_hash == ROW_HASH_SHA256);
}
END

TESTS("postgres_manifest", a_manifest_reads_back_as_it_was_written,
      a_manifest_cut_short_anywhere_is_corrupt, a_manifest_with_a_wrong_member_is_corrupt,
      a_name_that_is_not_utf8_makes_no_manifest, a_manifest_of_the_first_format_has_other_hashes,
      a_file_name_tells_schema_and_table_apart_and_has_no_slash, long_file_names_are_cut_and_differ,
      patterns_become_regular_expressions, a_malformed_pattern_is_refused,
      the_sum_of_rows_is_that_of_their_hashes_in_any_order)
