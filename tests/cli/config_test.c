/*
 * config show and config validate as people run them, and where the file is looked for.
 */
#include "support/test.h"

#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/process.h"
#include "cli/config_path.h"
#include "cli/yaml.h"
#include "codec/document.h"
#include "job/job.h"
#include "support/fixture.h"

#define GOOD                                                       \
    "repositories:\n"                                              \
    "  main: {url: /srv/b, password_command: [pass, \"true\"]}\n"  \
    "sets:\n"                                                      \
    "  shop:\n"                                                    \
    "    repositories: [main]\n"                                   \
    "    sources:\n"                                               \
    "    - command: {name: \"no\", argv: [a, \"5\", \"x: #y\"]}\n" \
    "  forum:\n"                                                   \
    "    repositories: [main]\n"                                   \
    "    sources: [sqlite: {path: /srv/f.db}]\n"

/* A new working directory with this holdfast.yaml (NULL: none). */
static void enter(struct scratch *s, const char *text)
{
    scratch_init(s);
    CHECK(chdir(s->path) == 0);
    if (text == NULL)
        return;
    file_put_text("holdfast.yaml", text);
    CHECK(chmod("holdfast.yaml", 0600) == 0);
}

/* What the program prints to one of its outputs, and its exit status. */
static int run(char *const argv[], bool wants_errors, struct buf *out)
{
    AUTO(child) struct child c = CHILD_NONE;
    const struct child_spec spec = {.argv = argv, .takes_errors = true};
    struct err why = {0};
    size_t got = 0;
    const char *status = NULL;

    CHECK_OK(child_start_with(&spec, &c, e));

    const int fd = wants_errors ? c.err_fd : c.out_fd;

    buf_extend(out, 65536);
    CHECK_OK(fd_read(fd, out->data, 65536, &got, e));
    out->size = got;
    if (child_wait(&c, &why))
        return 0;
    status = strstr(why.text, "status ");
    ck_assert_msg(status != NULL, "%s", why.text);
    return status[7] - '0';
}

#define RUN(wants_errors, out, ...) \
    run((char *[]){program, __VA_ARGS__, NULL}, (wants_errors), (out))

/* Arguments of programs are not constant. */
static char program[] = HOLDFAST, config[] = "config", show[] = "show", validate[] = "validate",
            shop[] = "shop", as_json[] = "--json", option[] = "-c", other[] = "other.yaml";

TEST(validate_counts_the_sets_of_a_good_file)
{
    AUTO(scratch) struct scratch s = {0};
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf one = {0};
    AUTO(buf) struct buf json = {0};

    enter(&s, GOOD);
    ck_assert_int_eq(RUN(false, &text, config, validate), 0);
    ck_assert_str_eq(buf_string(&text), "holdfast.yaml: 2 sets, all well\n");
    ck_assert_int_eq(RUN(false, &one, config, validate, shop), 0);
    ck_assert_str_eq(buf_string(&one), "holdfast.yaml: set shop, all well\n");
    ck_assert_int_eq(RUN(false, &json, config, validate, as_json), 0);
    ck_assert_str_eq(buf_string(&json),
                     "{\"message_type\":\"config_valid\",\"path\":\"holdfast.yaml\","
                     "\"sets\":[\"shop\",\"forum\"],\"places\":[]}\n");
}
END

TEST(validate_and_show_tell_what_fills_places_of_rules_that_do_not_say_it)
{
    AUTO(scratch) struct scratch s = {0};
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf json = {0};
    AUTO(buf) struct buf yaml = {0};

    enter(&s, GOOD "    retention: {daily: 7}\n");
    ck_assert_int_eq(RUN(false, &text, config, validate), 0);
    ck_assert_str_eq(buf_string(&text), "holdfast.yaml: 2 sets, all well\n"
                                        "forum in main: nothing proves the snapshots of this set: "
                                        "any sound one fills a place\n");
    ck_assert_int_eq(RUN(false, &json, config, validate, as_json), 0);
    CHECK(strstr(buf_string(&json), "\"places\":[{\"set\":\"forum\",\"repository\":\"main\",") !=
          NULL);
    ck_assert_int_eq(RUN(false, &yaml, config, show), 0);
    CHECK(strstr(buf_string(&yaml), "\n# forum in main: nothing proves") != NULL);
    CHECK(strstr(buf_string(&yaml), "only: auto") != NULL);
}
END

TEST(validate_tells_file_and_line_of_a_fault_and_ends_with_status_2)
{
    AUTO(scratch) struct scratch s = {0};
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf unknown = {0};
    AUTO(buf) struct buf missing = {0};

    enter(&s, GOOD "    retenton: {}\n");
    ck_assert_int_eq(RUN(true, &text, config, validate), 2);
    ck_assert_str_eq(buf_string(&text), "holdfast: holdfast.yaml:11: unknown key \"retenton\", did "
                                        "you mean \"retention\"?\n");
    file_put_text("holdfast.yaml", GOOD);
    ck_assert_int_eq(RUN(true, &unknown, config, validate, other), 2);
    CHECK(strstr(buf_string(&unknown), "holdfast.yaml has no set \"other.yaml\"") != NULL);
    ck_assert_int_eq(RUN(true, &missing, config, validate, option, other), 2);
    CHECK(strstr(buf_string(&missing), "configuration other.yaml: open: No such file") != NULL);
}
END

static void check_shown(struct buf *text)
{
    const char *const parts[] = {
        "state: /var/lib/holdfast\n",   "\n    password_command: [pass, \"true\"]\n",
        "\n        name: \"no\"\n",     "\n        argv: [a, \"5\", \"x: #y\"]\n",
        "\n        timeout: \"60s\"\n", "\n        max_output: 67108864\n",
        "\n    on_error: fail\n"};

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        ck_assert_msg(strstr(buf_string(text), parts[i]) != NULL, "%s lacks %s", buf_string(text),
                      parts[i]);
}

TEST(show_prints_defaults_as_yaml_that_shows_the_same_again)
{
    AUTO(scratch) struct scratch s = {0};
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf again = {0};
    AUTO(buf) struct buf json = {0};

    enter(&s, GOOD);
    ck_assert_int_eq(RUN(false, &text, config, show), 0);
    check_shown(&text);
    file_put_text(other, buf_string(&text));
    CHECK(chmod(other, 0600) == 0);
    ck_assert_int_eq(RUN(false, &again, config, show, option, other), 0);
    ck_assert_str_eq(buf_string(&again), buf_string(&text));

    ck_assert_int_eq(RUN(false, &json, config, show, shop, as_json), 0);

    json_t *o = json_loadb((const char *)json.data, json.size, 0, NULL);

    CHECK(json_object_get(json_object_get(o, "sets"), "shop") != NULL);
    CHECK(json_object_get(json_object_get(o, "sets"), "forum") == NULL);
    json_decref(o);
}
END

TEST(the_file_is_the_option_the_variable_or_in_the_working_directory)
{
    AUTO(scratch) struct scratch s = {0};
    AUTO(buf) struct buf text = {0};
    const char *path = NULL;

    enter(&s, GOOD);
    CHECK_OK(config_path("/x/y", &path, e));
    ck_assert_str_eq(path, "/x/y");
    CHECK_OK(config_path(NULL, &path, e));
    ck_assert_str_eq(path, "holdfast.yaml");
    CHECK(setenv("HOLDFAST_CONFIG", other, 1) == 0);
    ck_assert_int_eq(RUN(true, &text, config, validate), 2);
    CHECK(strstr(buf_string(&text), "other.yaml") != NULL);
}
END

TEST(without_any_file_both_places_are_named)
{
    AUTO(scratch) struct scratch s = {0};
    AUTO(buf) struct buf text = {0};

    enter(&s, NULL);
    if (access("/etc/holdfast/holdfast.yaml", F_OK) == 0)
        return; /* this machine has one */
    ck_assert_int_eq(RUN(true, &text, config, show), 2);
    CHECK(strstr(buf_string(&text), "neither holdfast.yaml in the working directory nor "
                                    "/etc/holdfast/holdfast.yaml") != NULL);
}
END

TEST(the_example_of_the_documentation_is_a_good_configuration)
{
    AUTO(scratch) struct scratch s = {0};
    AUTO(buf) struct buf page = {0};
    AUTO(buf) struct buf text = {0};
    AUTO(config) struct config *c = NULL;

    CHECK_OK(file_read(SOURCE_ROOT "/docs/configuration.md", 1 << 20, &page, e));

    const char *start = strstr(buf_string(&page), "```yaml\n") + 8;

    buf_append(&text, start, (size_t)(strstr(start, "```") - start));
    enter(&s, buf_string(&text));
    CHECK_OK(config_load("holdfast.yaml", &c, e));
    CHECK(c->repository_count == 2 && c->set_count == 1 && c->sets[0].source_count == 4);
}
END

TEST(texts_that_yaml_could_take_for_something_else_stand_in_quotes)
{
    static const char *const texts[] = {"",   "true", "No",       "~",          "5",    "1e3",
                                        "-",  "a: b", "#x",       " a ",        "a\nb", "\x1b[31m",
                                        "'",  "*x",   "\xc3\xa9", "2026-11-21", "0x1F", "=",
                                        "<<", "NULL", "off"};
    AUTO(buf) struct buf out = {0};
    AUTO(document) struct document *d = NULL;
    json_t *list = json_array();
    const struct node *n = NULL;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        json_array_append_new(list, json_string(texts[i]));
    yaml_format(list, &out);
    json_decref(list);
    CHECK(memchr(out.data, 0x1b, out.size) == NULL);
    CHECK_OK(document_read(buf_slice(&out), &d, e));
    n = document_root(d)->first;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++, n = n->next) {
        CHECK(n->is_quoted);
        ck_assert_str_eq(n->text, texts[i]);
    }
}
END

TEST(show_says_where_each_value_stands)
{
    static char origin[] = "--origin";
    AUTO(scratch) struct scratch s = {0};
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf json = {0};

    enter(&s, GOOD);
    ck_assert_int_eq(RUN(false, &text, config, show, shop, origin), 0);
    CHECK(strstr(buf_string(&text), "holdfast.yaml:7\n") != NULL);
    CHECK(strstr(buf_string(&text), "default\n") != NULL);
    CHECK(strstr(buf_string(&text), "forum") == NULL);
    ck_assert_int_eq(RUN(false, &json, config, show, origin, as_json), 0);
    CHECK(strstr(buf_string(&json),
                 "{\"message_type\":\"config_value\",\"path\":\"/repositories/main/url\",\"value\":"
                 "\"/srv/b\",\"file\":\"holdfast.yaml\",\"line\":2}\n") != NULL);
    CHECK(strstr(buf_string(&json), "\"value\":\"sqlite\",\"file\":null,\"line\":null}\n") != NULL);
    CHECK(strstr(buf_string(&json), "\"/sets/forum/sources/0/sqlite/path\"") != NULL);
}
END

TESTS("config", show_says_where_each_value_stands, validate_counts_the_sets_of_a_good_file,
      validate_and_show_tell_what_fills_places_of_rules_that_do_not_say_it,
      validate_tells_file_and_line_of_a_fault_and_ends_with_status_2,
      show_prints_defaults_as_yaml_that_shows_the_same_again,
      the_file_is_the_option_the_variable_or_in_the_working_directory,
      without_any_file_both_places_are_named,
      the_example_of_the_documentation_is_a_good_configuration,
      texts_that_yaml_could_take_for_something_else_stand_in_quotes)
