#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "codec/hash.h"
#include "source/program.h"
#include "support/test.h"

/* Back up, and expect that everything arrives. */
static void check_sent(const struct command_options *o, struct recorder *r)
{
    struct err failure = {0};

    recorder_init(r);
    CHECK_OK(command_back_up(o, r, &failure, e));
    ck_assert_msg(failure.code == ERR_NONE, "%s", failure.text);
    CHECK(recorder_is_complete(r) && r->record_count == 3 && r->remark_count == 0);
}

static void check_output(const struct command_options *o, const char *wanted, size_t size)
{
    AUTO(recorder) struct recorder r;

    check_sent(o, &r);
    CHECK(slice_is_equal(buf_slice(&recorder_find(&r, "/command/x")->content),
                         SLICE_OF(wanted, size)));
}

TEST(output_comes_back_with_a_manifest_that_says_what_was_run)
{
    AUTO(scratch) struct scratch s;
    AUTO(recorder) struct recorder r;
    AUTO(command_manifest) struct command_manifest m = {0};
    struct hash sum;

    scratch_init(&s);

    const char *program = program_put(&s, "save", "echo note >&2; printf 'rule\\n%s' \"$1\"");

    check_sent(&(struct command_options){.name = "fw",
                                         .argv = argv_of(program, "arg", NULL),
                                         .check = argv_of("restore", "--test", "\xc3\xa9"),
                                         .apply = argv_of("restore", NULL, NULL)},
               &r);

    const struct record *c = recorder_find(&r, "/command/fw");
    struct record *manifest = &r.records[2];

    CHECK(slice_is_equal(buf_slice(&c->content), slice_string("rule\narg")));
    CHECK(c->en.size == 8 && c->en.mode == 0600 && c->en.mtime_ns == 5);
    ck_assert_str_eq(manifest->path, "/command/fw.manifest.json");
    CHECK_OK(command_manifest_parse(buf_slice(&manifest->content), &m, e));
    ck_assert_str_eq(m.name, "fw");
    ck_assert_str_eq(m.argv0, program);
    ck_assert_str_eq(m.check[2], "\xc3\xa9");
    CHECK(m.check[3] == NULL && strcmp(m.apply[0], "restore") == 0 && m.apply[1] == NULL);
    sha256(slice_string("rule\narg"), &sum);
    CHECK(m.bytes == 8 && memcmp(m.sha256, sum.bytes, HASH_SIZE) == 0);
    CHECK(m.started_ns > 0 && m.duration_ms < 60000);
    CHECK(strstr(buf_string(&manifest->content), "\"argument_count\":2") != NULL);
    CHECK(strstr(buf_string(&manifest->content), "\"stderr\":\"note\\n\"") != NULL);
    CHECK(strstr(buf_string(&manifest->content), "\"stderr_truncated\":false") != NULL);
}
END

TEST(damaged_manifests_are_told_from_good_ones)
{
    static const char good[] =
        "{\"format\":1,\"name\":\"a\",\"argv0\":\"b\",\"started\":\"2026-11-21T02:00:00Z\","
        "\"duration_ms\":1,\"bytes\":2,\"sha256\":\"%064d\",\"check\":null,\"apply\":[\"c\"]}";
    static const char *const words[] = {"1,\"name", "\"a\"", "\"b\"", "\"2026-11-21", ":1,\"bytes",
                                        ":2,\"sha", "%064d", "null",  "[\"c\"]",      "}"};
    AUTO(command_manifest) struct command_manifest m = {0};
    AUTO(buf) struct buf text = {0};

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    buf_printf(&text, good, 0);
#pragma GCC diagnostic pop
    CHECK_OK(command_manifest_parse(buf_slice(&text), &m, e));
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        AUTO(buf) struct buf bad = {0};
        struct command_manifest none;
        const char *at = strstr(good, words[i]);

        buf_append(&bad, good, (size_t)(at - good));
        buf_printf(&bad, "{}%s", at + 1);
        CHECK_ERR(command_manifest_parse(buf_slice(&bad), &none, e), ERR_CORRUPT);
    }
}
END

TEST(megabytes_of_output_stream_through)
{
    AUTO(scratch) struct scratch s;
    AUTO(recorder) struct recorder r;

    scratch_init(&s);
    check_sent(
        &(struct command_options){
            .name = "x",
            .argv = argv_of(program_put(&s, "p", "yes 1234567 | head -n 1000000"), NULL, NULL)},
        &r);

    const struct buf *content = &recorder_find(&r, "/command/x")->content;

    ck_assert_uint_eq(content->size, 8000000);
    for (size_t i = 0; i < content->size; i += 8)
        ck_assert(memcmp(content->data + i, "1234567\n", 8) == 0);
}
END

TEST(no_output_is_an_empty_file)
{
    check_output(&(struct command_options){.name = "x", .argv = argv_of("true", NULL, NULL)}, "",
                 0);
}
END

TEST(hostile_arguments_reach_the_program_as_they_are)
{
    static const char wanted[] = "$(touch /tmp/x)`id`;\n\"'\\ \xff *\0--help\0";
    AUTO(scratch) struct scratch s;

    scratch_init(&s);
    check_output(&(struct command_options){.name = "x",
                                           .argv = argv_of(
                                               program_put(&s, "--p $(x)", "printf '%s\\0' \"$@\""),
                                               wanted, "--help")},
                 wanted, sizeof(wanted) - 1);
}
END

TEST(the_environment_is_what_was_named_and_nothing_else)
{
    static const char *const named[] = {"WANTED", "UNSET", NULL};
    struct command_options o = {.name = "x", .argv = argv_of("env", NULL, NULL)};

    clearenv();
    setenv("PATH", "/usr/bin:/bin", 1);
    setenv("SECRET", "geheim", 1);
    setenv("WANTED", "yes", 1);
    setenv("HOLDFAST_PASSWORD", "geheim", 1);
    setenv("LANG", "C", 1);
    setenv("PATHOS", "no", 1);
    setenv("TZ", "UTC", 1);
    setenv("LD_PRELOAD", "", 1);
    check_output(&o, "PATH=/usr/bin:/bin\nLANG=C\nTZ=UTC\n", 33);
    o.environment = named;
    check_output(&o, "PATH=/usr/bin:/bin\nWANTED=yes\nLANG=C\nTZ=UTC\n", 44);
}
END

static void check_not_prepared(const char *program, enum err_code wanted)
{
    AUTO(recorder) struct recorder r;
    struct err failure = {0};
    const struct command_options o = {.name = "x", .argv = argv_of(program, NULL, NULL)};
    struct err e = {0};

    recorder_init(&r);
    CHECK(!command_back_up(&o, &r, &failure, &e));
    ck_assert_msg(e.code == wanted, "%s: %s", program, e.text);
    ck_assert_msg(strstr(e.text, "command x") == e.text && strstr(e.text, program) != NULL, "%s",
                  e.text);
    CHECK(r.calls == 0);
}

TEST(programs_that_cannot_run_are_known_before_anything_is_stored)
{
    AUTO(scratch) struct scratch s;

    scratch_init(&s);
    put_file(s.fd, "plain", "x", 1);
    check_not_prepared("no-such-program-here", ERR_NOT_FOUND);
    check_not_prepared(path_in(&s, "missing"), ERR_NOT_FOUND);
    check_not_prepared(path_in(&s, "plain"), ERR_DENIED);
    check_not_prepared(s.path, ERR_DENIED);
    setenv("PATH", s.path, 1);
    check_not_prepared("plain", ERR_DENIED);
}
END

TEST(names_and_arguments_that_cannot_be_stored_are_refused)
{
    const char *const *argv = argv_of("true", NULL, NULL);
    const char *const *odd = argv_of("\xff", NULL, NULL);
    const struct command_options bad[] = {
        {.name = "", .argv = argv},
        {.name = "a/b", .argv = argv},
        {.name = "..", .argv = argv},
        {.name = "a.manifest.json", .argv = argv},
        {.name = "x", .argv = argv_of(NULL, NULL, NULL)},
        {.name = "x", .argv = argv_of("", NULL, NULL)},
        {.name = "x", .argv = NULL},
        {.name = "x", .argv = argv, .check = odd},
        {.name = "x", .argv = argv, .apply = odd},
    };
    struct member *m = NULL;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(command_member_new(&bad[i], &m, e), ERR_USAGE);
}
END

TEST(a_program_without_an_interpreter_is_not_given_to_a_shell)
{
    AUTO(scratch) struct scratch s;
    AUTO(recorder) struct recorder r;
    struct err failure = {0};

    scratch_init(&s);
    recorder_init(&r);
    put_file(s.fd, "p", "echo run\n", 9);
    CHECK(fchmodat(s.fd, "p", 0755, 0) == 0);
    CHECK_OK(command_back_up(
        &(struct command_options){.name = "x", .argv = argv_of(path_in(&s, "p"), NULL, NULL)}, &r,
        &failure, e));
    ck_assert_msg(strstr(failure.text, "Exec format error") != NULL, "%s", failure.text);
    CHECK(recorder_is_complete(&r) && r.remark_count == 2);
}
END

TEST(a_sink_that_fails_at_any_call_ends_the_work_with_its_error)
{
    static const char lines[] = "echo $$ >\"$1\"; yes | head -c 400000";
    AUTO(scratch) struct scratch s;
    size_t failures = 0;

    scratch_init(&s);

    const struct command_options o = {
        .name = "x",
        .argv = argv_of(program_put(&s, "p", lines), path_in(&s, "pid"), NULL),
    };

    for (bool is_sent = false; !is_sent; failures++) {
        AUTO(recorder) struct recorder r;
        struct err failure = {0};
        struct err e = {0};

        recorder_init(&r);
        r.fail_at = failures + 1;
        is_sent = command_back_up(&o, &r, &failure, &e);
        ck_assert_msg(is_sent || e.code == ERR_TRANSIENT, "%s", e.text);
        CHECK(r.open_lanes == 0 && failure.code == ERR_NONE);
    }
    /* Two lanes, two directories, begin, four writes, end, and the manifest's begin, write, end. */
    ck_assert_uint_eq(failures, 2 + 2 + 1 + 4 + 1 + 3 + 1);
}
END

TESTS("command", output_comes_back_with_a_manifest_that_says_what_was_run,
      damaged_manifests_are_told_from_good_ones, megabytes_of_output_stream_through,
      no_output_is_an_empty_file, hostile_arguments_reach_the_program_as_they_are,
      the_environment_is_what_was_named_and_nothing_else,
      programs_that_cannot_run_are_known_before_anything_is_stored,
      names_and_arguments_that_cannot_be_stored_are_refused,
      a_program_without_an_interpreter_is_not_given_to_a_shell,
      a_sink_that_fails_at_any_call_ends_the_work_with_its_error)
