#include "source/excerpt.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "support/test.h"

static void add(struct excerpt *x, const char *text)
{
    excerpt_add(x, slice_string(text));
}

static void check_text(const struct excerpt *x, const char *wanted)
{
    AUTO(buf) struct buf found = {0};

    excerpt_text(x, &found);
    ck_assert_str_eq(buf_string(&found), wanted);
}

static void check_last(const struct excerpt *x, size_t limit, const char *wanted)
{
    AUTO(buf) struct buf found = {0};

    excerpt_last_line(x, limit, &found);
    ck_assert_str_eq(buf_string(&found), wanted);
}

TEST(nothing_is_an_empty_text)
{
    AUTO(mem) struct excerpt *x = mem_new(sizeof(*x));

    check_text(x, "");
    check_last(x, 10, "");
    CHECK(!excerpt_is_cut(x));
}
END

TEST(what_is_no_text_is_escaped_line_by_line)
{
    AUTO(mem) struct excerpt *x = mem_new(sizeof(*x));

    add(x, "caf\xc3\xa9\n\x1b[31mred\n\xff\xc3");
    check_text(x, "caf\xc3\xa9\n\\x1b[31mred\n\\xff\\xc3\n");
    check_last(x, 10, "\\xff\\xc3");
}
END

TEST(the_last_line_is_the_last_that_says_something)
{
    AUTO(mem) struct excerpt *x = mem_new(sizeof(*x));

    add(x, "first\nno such table\r\n \t\n\n");
    check_last(x, 100, "no such table");
    check_last(x, 7, "no such");
    add(x, "\xc3\xa9\xc3\xa9");
    check_last(x, 3, "\xc3\xa9");
}
END

/* Lines of eight bytes with their number; the same whatever the pieces that they come in. */
static void check_numbered(unsigned lines, size_t piece)
{
    AUTO(mem) struct excerpt *x = mem_new(sizeof(*x));
    AUTO(buf) struct buf all = {0};
    AUTO(buf) struct buf found = {0};

    for (unsigned i = 0; i < lines; i++)
        buf_printf(&all, "%07u\n", i);
    for (size_t at = 0; at < all.size; at += piece)
        excerpt_add(x, SLICE_OF(all.data + at, all.size - at < piece ? all.size - at : piece));
    excerpt_text(x, &found);
    CHECK(x->total == all.size);
    CHECK(excerpt_is_cut(x) == (all.size > 2 * EXCERPT_PART));
    if (!excerpt_is_cut(x)) {
        CHECK(slice_is_equal(buf_slice(&found), buf_slice(&all)));
        return;
    }
    CHECK(found.size > 2 * EXCERPT_PART);
    CHECK(memcmp(found.data, all.data, EXCERPT_PART) == 0);
    CHECK(memcmp(found.data + found.size - EXCERPT_PART, all.data + all.size - EXCERPT_PART,
                 EXCERPT_PART) == 0);
    CHECK(strstr(buf_string(&found), "left out]\n") != NULL);
}

TEST(the_first_and_the_last_16_kib_are_kept)
{
    static const unsigned lines[] = {1, 2047, 2048, 2049, 4095, 4096, 4097, 6000, 100000};
    static const size_t pieces[] = {1, 7, 4096, 100000};

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        for (size_t k = 0; k < sizeof(pieces) / sizeof(pieces[0]); k++)
            check_numbered(lines[i], pieces[k]);
}
END

TESTS("excerpt", nothing_is_an_empty_text, what_is_no_text_is_escaped_line_by_line,
      the_last_line_is_the_last_that_says_something, the_first_and_the_last_16_kib_are_kept)
