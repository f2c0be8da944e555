#include "codec/copy_rows.h"

#include <stdlib.h>
#include <string.h>

#include "support/test.h"

static const char *const names[] = {"id", "a \"name\"", ""};

static struct copy_rows rows_of(enum copy_rows_form form, size_t columns)
{
    return (struct copy_rows){.form = form, .columns = names, .column_count = columns};
}

/* All at once, or byte by byte: it makes no difference. */
static bool turn(struct copy_rows *c, struct slice stored, bool is_slow, struct buf *out,
                 struct err *e)
{
    copy_rows_head(c, out);
    for (size_t at = 0, n; at < stored.size; at += n) {
        n = is_slow ? 1 : stored.size;
        if (!copy_rows_turn(c, SLICE_OF(stored.data + at, n), out, e))
            return false;
    }
    return true;
}

static void check(enum copy_rows_form form, size_t columns, const char *stored, uint64_t count,
                  const char *wanted)
{
    for (int is_slow = 0; is_slow < 2; is_slow++) {
        struct copy_rows c = rows_of(form, columns);
        AUTO(buf) struct buf out = {0};

        CHECK_OK(turn(&c, slice_string(stored), is_slow, &out, e));
        CHECK_OK(copy_rows_end(&c, count, e));
        ck_assert_str_eq(buf_string(&out), wanted);
    }
}

TEST(null_and_the_empty_text_stay_two_things)
{
    check(COPY_ROWS_CSV, 2, "\\N\t\n\t\\N\n", 2, "id,\"a \"\"name\"\"\"\n,\"\"\n\"\",\n");
    check(COPY_ROWS_JSON, 2, "\\N\t\n\t\\N\n", 2,
          "{\"id\":null,\"a \\\"name\\\"\":\"\"}\n{\"id\":\"\",\"a \\\"name\\\"\":null}\n");
    check(COPY_ROWS_CSV, 1, "\\\\N\nN\n\\N\n", 3, "id\n\"\\N\"\n\"N\"\n\n");
    check(COPY_ROWS_JSON, 1, "\\\\N\nN\n\\N\n", 3,
          "{\"id\":\"\\\\N\"}\n{\"id\":\"N\"}\n{\"id\":null}\n");
}
END

TEST(what_a_value_has_in_it_ends_neither_it_nor_its_row)
{
    check(COPY_ROWS_CSV, 2, "a,b\"c\t\\n\\r\\t\\\\.\n\\b\\f\\v\tsüß\n", 2,
          "id,\"a \"\"name\"\"\"\n\"a,b\"\"c\",\"\n\r\t\\.\"\n\"\b\f\v\",\"süß\"\n");
    check(COPY_ROWS_JSON, 1, "a\"\\n\\\\\x1b\n", 1, "{\"id\":\"a\\\"\\u000a\\\\\\u001b\"}\n");
}
END

TEST(a_table_without_columns_has_rows)
{
    check(COPY_ROWS_CSV, 0, "\n\n", 2, "\n\n\n");
    check(COPY_ROWS_JSON, 0, "\n\n", 2, "{}\n{}\n");
}
END

TEST(names_stand_as_copy_writes_them)
{
    check(COPY_ROWS_CSV, 3, "", 0, "id,\"a \"\"name\"\"\",\"\"\n");
    check(COPY_ROWS_JSON, 3, "", 0, "");

    static const char *const end[] = {"\\."};
    const struct copy_rows c = {.columns = end, .column_count = 1};
    AUTO(buf) struct buf out = {0};

    copy_rows_head(&c, &out);
    ck_assert_str_eq(buf_string(&out), "\"\\.\"\n");
}
END

TEST(what_copy_never_writes_is_damage)
{
    static const char *const wrong[] = {"1\n",          "1\t2\t3\n",  "\\Nx\t2\n",
                                        "\\N\\\\\t2\n", "\\x41\t2\n", "a\\N\t2\n"};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct copy_rows c = rows_of(COPY_ROWS_CSV, 2);
        AUTO(buf) struct buf out = {0};

        CHECK_ERR(turn(&c, slice_string(wrong[i]), i % 2 == 0, &out, e), ERR_CORRUPT);
    }

    struct copy_rows none = rows_of(COPY_ROWS_CSV, 0);
    AUTO(buf) struct buf out = {0};

    CHECK_ERR(turn(&none, slice_string("x\n"), false, &out, e), ERR_CORRUPT);
}
END

TEST(rows_that_are_missing_cut_off_or_too_many_are_damage)
{
    static const char *const texts[] = {"1\t2\n", "1\t2\n3", "1\t2\n3\t", "1\t2\n3\t4\n5\t6\n",
                                        "1\t2\n3\t\\"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct copy_rows c = rows_of(COPY_ROWS_JSON, 2);
        AUTO(buf) struct buf out = {0};

        CHECK_OK(turn(&c, slice_string(texts[i]), false, &out, e));
        CHECK_ERR(copy_rows_end(&c, 2, e), ERR_CORRUPT);
    }
}
END

TEST(no_more_rows_than_are_wanted)
{
    struct copy_rows c = rows_of(COPY_ROWS_JSON, 1);
    AUTO(buf) struct buf out = {0};

    c.rows_max = 2;
    CHECK_OK(turn(&c, slice_string("1\n2\nnot\tlooked\tat"), false, &out, e));
    ck_assert_str_eq(buf_string(&out), "{\"id\":\"1\"}\n{\"id\":\"2\"}\n");
    CHECK(copy_rows_is_full(&c));
    CHECK_OK(copy_rows_end(&c, 9, e));
}
END

TESTS("copy_rows", null_and_the_empty_text_stay_two_things,
      what_a_value_has_in_it_ends_neither_it_nor_its_row, a_table_without_columns_has_rows,
      names_stand_as_copy_writes_them, what_copy_never_writes_is_damage,
      rows_that_are_missing_cut_off_or_too_many_are_damage, no_more_rows_than_are_wanted)
