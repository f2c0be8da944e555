#include "support/test.h"

#include <errno.h>
#include <string.h>

TEST(err_set_returns_false_and_keeps_code_and_sentence)
{
    struct err e = {0};

    CHECK(!err_set(&e, ERR_USAGE, "keep is %d", 3));
    CHECK(e.code == ERR_USAGE);
    ck_assert_str_eq(e.text, "keep is 3");
}

TEST(err_sys_maps_errno_to_the_code_a_caller_acts_on)
{
    static const struct {
        int number;
        enum err_code code;
    } rows[] = {
        {ENOENT, ERR_NOT_FOUND},     {EEXIST, ERR_EXISTS},    {EACCES, ERR_DENIED},
        {EPERM, ERR_DENIED},         {EAGAIN, ERR_TRANSIENT}, {ETIMEDOUT, ERR_TRANSIENT},
        {ECONNRESET, ERR_TRANSIENT}, {ENOSPC, ERR_FATAL},     {EIO, ERR_FATAL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct err e = {0};

        errno = rows[i].number;
        CHECK(!err_sys(&e, "open %s", "plan"));
        ck_assert_int_eq(e.code, rows[i].code);
        CHECK(strncmp(e.text, "open plan: ", 11) == 0);
    }
}

TEST(a_full_disk_is_named_as_such)
{
    struct err e = {0};

    errno = ENOSPC;
    CHECK(!err_sys(&e, "write"));
    ck_assert_str_eq(e.text, "write: No space left on device");
}

TEST(err_wrap_puts_context_in_front_and_keeps_the_code)
{
    struct err e = {0};

    CHECK(!err_set(&e, ERR_CORRUPT, "pack is short"));
    CHECK(!err_wrap(&e, "check %s", "db1"));
    ck_assert_str_eq(e.text, "check db1: pack is short");
    CHECK(e.code == ERR_CORRUPT);
}

TEST(a_long_path_does_not_push_out_the_reason)
{
    struct err e = {0};
    char path[4000];

    memset(path, 'p', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    errno = ENOSPC;
    CHECK(!err_sys(&e, "open %s", path));
    for (int i = 0; i < 50; i++)
        CHECK(!err_wrap(&e, "a level of context number %d", i));
    CHECK(strlen(e.text) < sizeof(e.text));
    CHECK(strncmp(e.text, "a level of context number 49: ", 30) == 0);
    CHECK(strstr(e.text, "...") != NULL);
    CHECK(strcmp(e.text + strlen(e.text) - 23, "No space left on device") == 0);
}

TEST(a_cut_never_splits_a_character)
{
    /* Every alignment of two-byte characters against the two cuts. */
    for (size_t shift = 0; shift < 4; shift++) {
        struct err e = {0};
        char text[1200] = {0};

        memset(text, 'a', shift);
        for (size_t i = shift; i + 2 < sizeof(text); i += 2)
            memcpy(text + i, "\xC3\xA4", 2);
        CHECK(!err_set(&e, ERR_FATAL, "%s", text));

        const char *gap = strstr(e.text, "...");

        CHECK(gap != NULL);
        CHECK((size_t)(gap - e.text) % 2 == shift % 2);
        CHECK(gap[3] == '\xC3');
        CHECK(strlen(e.text) > sizeof(e.text) - 5);
    }
}

TEST(a_sentence_of_the_longest_size_is_kept_whole)
{
    struct err e = {0};
    char text[sizeof(e.text)];

    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    CHECK(!err_set(&e, ERR_FATAL, "%s", text));
    ck_assert_str_eq(e.text, text);
    CHECK(!err_set(&e, ERR_FATAL, "%s!", text));
    ck_assert_uint_eq(strlen(e.text), sizeof(e.text) - 1);
}

TEST(err_wrap_may_name_the_text_it_wraps)
{
    struct err e = {0};

    CHECK(!err_set(&e, ERR_FATAL, "inner"));
    CHECK(!err_set(&e, ERR_FATAL, "outer: %s", e.text));
    ck_assert_str_eq(e.text, "outer: inner");
}

TESTS("err", err_set_returns_false_and_keeps_code_and_sentence,
      err_sys_maps_errno_to_the_code_a_caller_acts_on, a_full_disk_is_named_as_such,
      err_wrap_puts_context_in_front_and_keeps_the_code, a_long_path_does_not_push_out_the_reason,
      a_cut_never_splits_a_character, a_sentence_of_the_longest_size_is_kept_whole,
      err_wrap_may_name_the_text_it_wraps)
