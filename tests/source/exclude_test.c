/* What patterns match. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "source/recorder.h"
#include "source/source.h"
#include "support/test.h"

struct row {
    const char *patterns; /* one per line */
    const char *path;     /* a trailing '/' says that it is a directory */
    bool is_excluded;
};

static const struct row rows[] = {
    {"*.o", "a.o", true},
    {"*.o", "x/y/a.o", true},
    {"*.o", "a.ox", false},
    {"*.o", "dir.o/file", true}, /* a match of a directory covers what is below */
    {"/a", "a", true},
    {"/a", "b/a", false},
    {"/a", "a/b/c", true},
    {"a/b", "a/b", true},
    {"a/b", "x/a/b", true},
    {"a/b", "x/a/b/y", true},
    {"a/b", "a/x/b", false},
    {"/a/*/c", "a/b/c", true},
    {"/a/*/c", "a/b/b/c", false},
    {"/a/**/c", "a/c", true},
    {"/a/**/c", "a/b/b/c", true},
    {"/a/**/c", "b/a/c", false},
    {"a/**", "a/", false},
    {"a/**", "a/x", true},
    {"**/x", "x", true},
    {"**/x", "a/b/x", true},
    {"**", "anything", true},
    {"/**", "anything", true},
    {"/**/**/x/**/**", "a/x/b", true},
    {"cache/", "cache/", true},
    {"cache/", "cache", false},
    {"cache/", "cache/x", true},
    {"/home/*/cache/", "home/me/cache/f", true},
    {"a?c", "abc", true},
    {"a?c",
     "a\xC3\xA4"
     "c",
     true}, /* one character of two bytes */
    {"a?c",
     "a\xFF"
     "c",
     true}, /* a byte that is no character */
    {"a?c", "ac", false},
    {"?", "a/b", true},
    {"[a-c]x", "bx", true},
    {"[a-c]x", "dx", false},
    {"[!a-c]x", "dx", true},
    {"[^a-c]x", "bx", false},
    {"[]]x", "]x", true},
    {"[a-]x", "-x", true},
    {"[\xC3\xA4-\xC3\xB6]", "\xC3\xA5", true},
    {"\\*", "*", true},
    {"\\*", "a", false},
    {"\\!a", "!a", true},
    {"a**b", "axxb", true},
    {"*.log\n!keep.log", "x.log", true},
    {"*.log\n!keep.log", "a/keep.log", false},
    {"!keep.log\n*.log", "keep.log", true},
    {"/build\n!/build/keep", "build/keep/x", false},
    {"a//b", "a/b", true},
    {"ab", "a", false},
    {"a", "ab", false},
    {"*", "a", true},
    {"*a*", "bcad", true},
    {"*ab", "aab", true},
    {"x/*.c", "x/y/z.c", false},
};

static struct exclude *exclude_of(const char *patterns)
{
    struct exclude *x = exclude_new();
    AUTO(mem) char *lines = mem_string(patterns);

    for (char *line = lines; line != NULL;) {
        char *end = strchr(line, '\n');

        if (end != NULL)
            *end++ = '\0';
        CHECK_OK(exclude_add(x, line, e));
        line = end;
    }
    return x;
}

TEST(patterns_match_what_the_table_says)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(exclude) struct exclude *x = exclude_of(rows[i].patterns);
        AUTO(mem) char *path = mem_string(rows[i].path);
        const size_t size = strlen(path);
        const bool is_dir = path[size - 1] == '/';

        if (is_dir)
            path[size - 1] = '\0';
        ck_assert_msg(exclude_matches(x, path, is_dir) == rows[i].is_excluded, "%s against %s",
                      rows[i].patterns, rows[i].path);
    }
}
END

TEST(malformed_patterns_are_refused)
{
    static const char *const bad[] = {"",    "!",      "/",           "a[",  "a[b",  "[]",
                                      "a\\", "[z-a]x", "[[:alpha:]]", "a/.", "../a", "x/[a/b]"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        AUTO(exclude) struct exclude *x = exclude_new();

        CHECK_ERR(exclude_add(x, bad[i], e), ERR_USAGE);
        CHECK(!exclude_matches(x, "a", false));
    }
}
END

TEST(nothing_is_excluded_without_patterns)
{
    AUTO(exclude) struct exclude *x = exclude_new();

    CHECK(!exclude_matches(x, "a/b", false));
    CHECK(!exclude_may_match_below(x, "a"));
}
END

TEST(hostile_patterns_end_soon)
{
    AUTO(buf) struct buf path = {0};
    AUTO(exclude)
    struct exclude *x = exclude_of("**/**/**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/b\n"
                                   "*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b\n"
                                   "a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/b\n"
                                   "/**/*a*a*a*a*a*a*b/**/*a*a*a*a*a*a*a*b");
    const clock_t start = clock();

    for (int i = 0; i < 2000; i++)
        buf_append(&path, "a/", 2);
    for (int i = 0; i < 255; i++)
        buf_append(&path, "a", 1);
    CHECK(!exclude_matches(x, buf_string(&path), false));
    CHECK(clock() - start < CLOCKS_PER_SEC); /* of the processor */
}
END

TEST(a_match_in_the_given_path_does_not_count)
{
    AUTO(exclude) struct exclude *x = exclude_of("tmp\n/tmp/a");

    CHECK(!exclude_matches_below(x, "tmp/a/b", 2, false));
    CHECK(exclude_matches_below(x, "tmp/a/tmp", 2, false));
    CHECK(exclude_matches_below(x, "tmp/a/b", 1, false));
    CHECK(exclude_matches(x, "tmp/a/b", false));
}
END

TEST(only_directories_on_the_way_may_hold_a_match)
{
    AUTO(exclude) struct exclude *x = exclude_of("/home/*/mail\n!/etc/x\n/srv/**/log");

    CHECK(exclude_may_match_below(x, "home"));
    CHECK(exclude_may_match_below(x, "home/me"));
    CHECK(exclude_may_match_below(x, "home/me/mail/new"));
    CHECK(!exclude_may_match_below(x, "home/me/src"));
    CHECK(!exclude_may_match_below(x, "etc"));
    CHECK(exclude_may_match_below(x, "srv/a/b"));
    CHECK(exclude_may_match_below(x, ""));
    AUTO(exclude) struct exclude *any = exclude_of("x");

    CHECK(exclude_may_match_below(any, "home"));
}
END

TEST(a_file_of_patterns_skips_comments_and_names_the_bad_line)
{
    AUTO(scratch) struct scratch s;
    AUTO(exclude) struct exclude *x = exclude_new();
    char path[100];
    struct err why = {0};

    scratch_init(&s);
    (void)snprintf(path, sizeof(path), "%s/list", s.path);
    put_file(s.fd, "list", "# no\n\n*.o  \r\n\\#x\nend", 20);
    CHECK_OK(exclude_add_file(x, path, e));
    CHECK(exclude_matches(x, "a.o", false));
    CHECK(exclude_matches(x, "#x", false));
    CHECK(exclude_matches(x, "end", false));
    CHECK(!exclude_matches(x, "# no", false));
    put_file(s.fd, "list", "a\n[\n", 4);
    CHECK(!exclude_add_file(x, path, &why) && why.code == ERR_USAGE);
    CHECK(strstr(why.text, "line 2") != NULL);
    put_file(s.fd, "list", "a\0b", 3);
    CHECK_ERR(exclude_add_file(x, path, e), ERR_USAGE);
    (void)unlinkat(s.fd, "list", 0);
    CHECK_ERR(exclude_add_file(x, path, e), ERR_NOT_FOUND);
}
END

TESTS("exclude", patterns_match_what_the_table_says, malformed_patterns_are_refused,
      nothing_is_excluded_without_patterns, hostile_patterns_end_soon,
      a_match_in_the_given_path_does_not_count, only_directories_on_the_way_may_hold_a_match,
      a_file_of_patterns_skips_comments_and_names_the_bad_line)
