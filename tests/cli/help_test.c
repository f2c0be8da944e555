/*
 * Help, manual pages, completion and the pages in docs/commands agree with the tables.
 */
#include "support/test.h"

#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/process.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "server/server.h"

static void check_has(struct buf *text, const char *wanted, const char *where)
{
    ck_assert_msg(strstr(buf_string(text), wanted) != NULL, "%s lacks: %s", where, wanted);
}

/* docs/commands/key.md for "key list". */
static void read_page(const struct command *c, struct buf *out)
{
    AUTO(buf) struct buf path = {0};

    buf_printf(&path, "%s/docs/commands/%.*s.md", SOURCE_ROOT, (int)strcspn(c->name, " "), c->name);
    CHECK_OK(file_read(buf_string(&path), 1 << 20, out, e));
}

TEST(help_names_every_option_of_a_command_and_every_command)
{
    AUTO(buf) struct buf overview = {0};

    help_overview_format(&overview);
    for (size_t i = 0; commands[i] != NULL; i++) {
        AUTO(buf) struct buf text = {0};
        const struct option *o = NULL;

        check_has(&overview, commands[i]->summary, "the overview");
        help_command_format(commands[i], &text);
        for (size_t n = 0; (o = option_at(commands[i], n)) != NULL; n++)
            check_has(&text, o->help, commands[i]->name);
    }
}

TEST(help_fits_a_wide_terminal)
{
    for (size_t i = 0; commands[i] != NULL; i++) {
        AUTO(buf) struct buf text = {0};

        help_command_format(commands[i], &text);
        for (const char *at = buf_string(&text); *at != '\0'; at += strspn(at, "\n")) {
            const size_t size = strcspn(at, "\n");

            ck_assert_msg(size <= 132, "%s: %.*s", commands[i]->name, (int)size, at);
            at += size;
        }
    }
}

TEST(every_command_has_a_page_that_begins_with_its_examples)
{
    for (size_t i = 0; commands[i] != NULL; i++) {
        AUTO(buf) struct buf page = {0};
        AUTO(mem) char *examples = mem_string(commands[i]->examples);
        char *rest = examples;
        const char *line = NULL;

        read_page(commands[i], &page);

        const char *options = strstr(buf_string(&page), "\n## Options");

        while ((line = strsep(&rest, "\n")) != NULL) {
            const char *at = strstr(buf_string(&page), line);

            ck_assert_msg(at != NULL, "%s lacks: %s", commands[i]->name, line);
            ck_assert_msg(options == NULL || at < options, "%s: late: %s", commands[i]->name, line);
        }
    }
}

TEST(every_page_names_every_option_of_its_command)
{
    for (size_t i = 0; commands[i] != NULL; i++) {
        AUTO(buf) struct buf page = {0};

        read_page(commands[i], &page);
        for (const struct option *o = commands[i]->options; o != NULL && o->name != NULL; o++) {
            AUTO(buf) struct buf name = {0};

            buf_printf(&name, "`--%s", o->name);
            if (option_has_value(o))
                buf_printf(&name, option_takes_next(o) ? " %s" : "[=%s]", o->value);
            buf_printf(&name, "`");
            check_has(&page, buf_string(&name), commands[i]->name);
        }
    }
}

TEST(manual_pages_hold_no_line_that_troff_would_obey_by_accident)
{
    static const char *const requests[] = {".TH ", ".SH ", ".TP", ".nf", ".fi", ".BR "};

    for (size_t i = 0; commands[i] != NULL; i++) {
        AUTO(buf) struct buf text = {0};

        man_command_format(commands[i], &text);
        for (const char *at = buf_string(&text); *at != '\0'; at += strcspn(at, "\n") + 1) {
            bool is_known = *at != '.' && *at != '\'';

            for (size_t n = 0; n < sizeof(requests) / sizeof(requests[0]); n++)
                is_known = is_known || strncmp(at, requests[n], strlen(requests[n])) == 0;
            ck_assert_msg(is_known, "%s: %.40s", commands[i]->name, at);
        }
    }
}

TEST(manual_pages_show_dots_quotes_and_backslashes_of_texts_as_they_are)
{
    const struct command c = {.name = "x y",
                              .summary = "a-b",
                              .details = ".SH forged\n'br \\n",
                              .examples = "",
                              .words = ""};
    AUTO(buf) struct buf text = {0};

    man_command_format(&c, &text);
    check_has(&text, "\n\\&.SH forged\n\\&'br \\en\n", "the page");
    check_has(&text, "holdfast\\-x\\-y \\- a\\-b\n", "the page");
}

/* What bash completes when the last word of a line is being typed, with blanks between. */
static void complete(const char *line, struct buf *out)
{
    AUTO(buf) struct buf script = {0};
    char bash[] = "bash";
    char option[] = "-c";

    completion_bash_format(&script);
    buf_printf(&script,
               "COMP_WORDS=(%s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _holdfast; "
               "echo \" ${COMPREPLY[*]} \"\n",
               line);

    AUTO(mem) char *text = mem_string(buf_string(&script));

    CHECK_OK(child_capture((char *const[]){bash, option, text, NULL}, 1 << 20, out, e));
}

static void check_completed(const char *line, const char *has, const char *lacks)
{
    AUTO(buf) struct buf out = {0};

    complete(line, &out);
    ck_assert_msg(strstr(buf_string(&out), has) != NULL, "%s: %s", line, buf_string(&out));
    ck_assert_msg(lacks == NULL || strstr(buf_string(&out), lacks) == NULL, "%s: %s", line,
                  buf_string(&out));
}

TEST(bash_completes_commands_second_words_options_and_values)
{
    check_completed("holdfast re", " restore repair ", "backup");
    check_completed("holdfast -r /x key pa", " passwd ", NULL);
    check_completed("holdfast --json backup --exclude-f", " --exclude-file ", "--exclude-caches");
    check_completed("holdfast key add --new", " --new-key-file --new-password-file ", NULL);
    check_completed("holdfast restore latest --overwrite if", " if-changed if-newer ", "never");
    check_completed("holdfast backup /de", "/dev", NULL);
    check_completed("holdfast import /de", "/dev", NULL);
    check_completed("holdfast import x --allow", " --allow-unauthenticated ", NULL);
    check_completed("holdfast import tables --skip", " --skip-triggers ", NULL);
}

/* The row of docs/api.md about a command, without its first cell; in the arena. */
static const char *row_of(const char *page, const char *name, struct arena *a)
{
    AUTO(buf) struct buf start = {0};

    buf_printf(&start, "\n| `%s` | ", name);

    const char *at = strstr(page, buf_string(&start));

    ck_assert_msg(at != NULL, "docs/api.md lacks a row: %s", name);
    at += start.size;
    ck_assert_msg(strstr(at, buf_string(&start)) == NULL, "docs/api.md has two rows: %s", name);
    return arena_string(a, SLICE_OF(at, strcspn(at, "\n")));
}

/* Whether the table of the service has "POST /api/v1/...". */
static bool is_route(const char *text)
{
    size_t count = 0;
    AUTO(mem) struct route *api = api_routes_new(true, &count);
    bool is_found = false;

    for (size_t i = 0; i < count + api_bundle_route_count; i++) {
        const struct route *r = i < count ? &api[i] : &api_bundle_routes[i - count];
        AUTO(buf) struct buf one = {0};

        buf_printf(&one, "%s %s", method_name(r->method), r->path);
        is_found = is_found || strcmp(buf_string(&one), text) == 0;
    }
    return is_found;
}

TEST(each_command_has_a_route_or_a_reason_why_not)
{
    static const char rule[] = "|---|---|---|\n";
    AUTO(buf) struct buf page = {0};
    AUTO(arena) struct arena a = {0};
    size_t rows = 0, count = 0;

    CHECK_OK(file_read(SOURCE_ROOT "/docs/api.md", 1 << 20, &page, e));

    const char *table = strstr(buf_string(&page), "## Commands and their routes");

    CHECK(table != NULL && (table = strstr(table, rule)) != NULL);
    table += sizeof(rule) - 2; /* from the end of that line */
    for (; commands[count] != NULL; count++) {
        const char *row = row_of(table, commands[count]->name, &a);
        size_t routes = 0;

        for (const char *at = row; (at = strchr(at, '`')) != NULL; at++) {
            const size_t size = strcspn(at + 1, "`");
            const char *text = arena_string(&a, SLICE_OF(at + 1, size));

            at += size + 1;
            if (strchr(text, ' ') == NULL || strstr(text, " /") == NULL)
                continue;
            /* A query behind a path is no part of the route. */
            text = arena_string(&a, SLICE_OF(text, strcspn(text, "?")));
            routes++;
            ck_assert_msg(is_route(text), "%s: there is no route %s", commands[count]->name, text);
        }
        ck_assert_msg(routes > 0 || strncmp(row, "| ", 2) == 0, "%s: no route",
                      commands[count]->name);
        ck_assert_msg(routes > 0 || strlen(row) > sizeof("|  |"), "%s: no reason",
                      commands[count]->name);
    }
    for (const char *at = table; strncmp(at, "\n| `", 4) == 0; at += 1 + strcspn(at + 1, "\n"))
        rows++;
    ck_assert_uint_eq(rows, count); /* and none of what is no command */
}
END

static void check_script(void (*format)(struct buf *out), const char *name)
{
    AUTO(buf) struct buf script = {0};

    format(&script);
    for (size_t i = 0; commands[i] != NULL; i++)
        for (const struct option *o = commands[i]->options; o != NULL && o->name != NULL; o++)
            check_has(&script, o->name, name);
}

TEST(completion_of_all_shells_knows_every_option)
{
    check_script(completion_bash_format, "bash");
    check_script(completion_zsh_format, "zsh");
    check_script(completion_fish_format, "fish");
}

TESTS("help", each_command_has_a_route_or_a_reason_why_not,
      help_names_every_option_of_a_command_and_every_command, help_fits_a_wide_terminal,
      every_command_has_a_page_that_begins_with_its_examples,
      every_page_names_every_option_of_its_command,
      manual_pages_hold_no_line_that_troff_would_obey_by_accident,
      manual_pages_show_dots_quotes_and_backslashes_of_texts_as_they_are,
      bash_completes_commands_second_words_options_and_values,
      completion_of_all_shells_knows_every_option)
