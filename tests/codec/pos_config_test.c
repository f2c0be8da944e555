#include "support/test.h"

#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "codec/pos_config.h"

/* A configuration in which a test replaces one member, or leaves one out (value NULL). */
static void put_config(const char *key, const char *value, struct buf *out)
{
    static const char *const members[][2] = {
        {"id", "\"daily\""},
        {"name", "\"Daily\""},
        {"type", "\"full\""},
        {"schedule", "\"0 2 * * *\""},
        {"retention", "{\"daily\": 7, \"weekly\": 4, \"monthly\": 6}"},
        {"compression", "\"bzip2\""},
        {"encryption", "false"},
        {"destinations",
         "[{\"type\": \"s3\", \"config\": {\"bucket\": \"b-1\", \"region\": \"eu-1\", \"folder\": "
         "\"a/b\", \"endpoint\": \"https://h:9000\"}}, {\"type\": \"local\", \"config\": "
         "{\"path\": "
         "\"/b\"}}]"},
        {"notifications", "{\"onSuccess\": [], \"onFailure\": [\"a@b.c\", \"d.e+f@g-h.i\"]}"},
        {"enabled", "true"},
    };
    const char *comma = "{";
    bool is_known = false;

    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        const bool is_it = key != NULL && strcmp(members[i][0], key) == 0;

        is_known |= is_it;
        if (is_it && value == NULL)
            continue;
        buf_printf(out, "%s\"%s\": %s", comma, members[i][0], is_it ? value : members[i][1]);
        comma = ", ";
    }
    if (!is_known && key != NULL)
        buf_printf(out, ", \"%s\": %s", key, value);
    buf_printf(out, "}");
}

static struct pos_config *parse_with(const char *key, const char *value)
{
    AUTO(buf) struct buf text = {0};
    struct pos_config *c = NULL;

    put_config(key, value, &text);
    CHECK_OK(pos_config_parse(buf_slice(&text), POS_SAVE, &c, e));
    return c;
}

static void check_refused(struct slice text, enum pos_purpose purpose, const char *wanted)
{
    struct pos_config *c = NULL;
    struct err e = {0};

    ck_assert_msg(!pos_config_parse(text, purpose, &c, &e), "accepted %.*s", (int)text.size,
                  (const char *)text.data);
    ck_assert_int_eq(e.code, ERR_USAGE);
    ck_assert_msg(strncmp(e.text, wanted, strlen(wanted)) == 0, "%s\ninstead of\n%s", e.text,
                  wanted);
    ck_assert_ptr_null(c);
}

struct row {
    const char *key, *value, *wanted;
};

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        AUTO(buf) struct buf text = {0};

        put_config(rows[i].key, rows[i].value, &text);
        check_refused(buf_slice(&text), POS_SAVE, rows[i].wanted);
    }
}

#define CHECK_ROWS(...)                                      \
    do {                                                     \
        const struct row rows_[] = {__VA_ARGS__};            \
        check_rows(rows_, sizeof(rows_) / sizeof(rows_[0])); \
    } while (0)

TEST(every_member_is_read_and_the_text_stays_as_it_came)
{
    AUTO(buf) struct buf text = {0};
    AUTO(pos_config) struct pos_config *c = parse_with(NULL, NULL);

    put_config(NULL, NULL, &text);
    ck_assert_str_eq(c->text, buf_string(&text));
    ck_assert_str_eq(c->id, "daily");
    ck_assert_str_eq(c->name, "Daily");
    ck_assert_str_eq(c->schedule, "0 2 * * *");
    ck_assert_str_eq(c->compression, "bzip2");
    CHECK(c->type == POS_FULL && !c->encryption && c->enabled);
    CHECK(c->daily == 7 && c->weekly == 4 && c->monthly == 6);
    CHECK(c->destination_count == 2 && c->destinations[0].is_s3 && !c->destinations[1].is_s3);
    ck_assert_str_eq(c->destinations[0].bucket, "b-1");
    ck_assert_str_eq(c->destinations[0].region, "eu-1");
    ck_assert_str_eq(c->destinations[0].folder, "a/b");
    ck_assert_str_eq(c->destinations[0].endpoint, "https://h:9000");
    ck_assert_str_eq(c->destinations[1].path, "/b");
    CHECK(c->on_success_count == 0 && c->on_failure_count == 2);
    ck_assert_str_eq(c->on_failure[1], "d.e+f@g-h.i");
}
END

TEST(what_may_be_left_out_has_its_default)
{
    AUTO(pos_config) struct pos_config *compression = parse_with("compression", NULL);
    AUTO(pos_config) struct pos_config *encryption = parse_with("encryption", NULL);
    AUTO(pos_config) struct pos_config *notifications = parse_with("notifications", NULL);
    AUTO(pos_config) struct pos_config *enabled = parse_with("enabled", NULL);

    ck_assert_str_eq(compression->compression, "gzip");
    CHECK(encryption->encryption && notifications->on_failure_count == 0 && !enabled->enabled);
}
END

TEST(first_missing_field_is_named_as_the_original_does)
{
    static const char *const order[] = {"id",       "name",      "type",
                                        "schedule", "retention", "destinations"};
    static const char *const nothing[] = {NULL, "null", "\"\"", "0", "false", "0.0"};

    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
        for (size_t k = 0; k < sizeof(nothing) / sizeof(nothing[0]); k++) {
            AUTO(buf) struct buf wanted = {0};

            buf_printf(&wanted, "%s is required", order[i]);
            CHECK_ROWS({order[i], nothing[k], buf_string(&wanted)});
        }
    check_refused(slice_string("{}"), POS_SAVE, "id is required");
    check_refused(slice_string("{\"id\": 5, \"type\": []}"), POS_SAVE, "name is required");
    check_refused(slice_string("{\"x\": 5}"), POS_TEST, "name is required");
    check_refused(slice_string("{\"name\": \"a\"}"), POS_TEST, "type is required");
    check_refused(slice_string("{\"name\": \"a\", \"type\": \"full\"}"), POS_TEST,
                  "destinations is required");
}
END

TEST(a_configuration_to_test_needs_no_id_or_schedule)
{
    static const char text[] = "{\"name\": \"a\", \"type\": \"files\", \"destinations\": "
                               "[{\"type\": \"local\", \"config\": {\"path\": \"/b\"}}]}";
    AUTO(pos_config) struct pos_config *c = NULL;

    CHECK_OK(pos_config_parse(slice_string(text), POS_TEST, &c, e));
    CHECK(c->id == NULL && c->schedule == NULL && c->type == POS_FILES);
    check_refused(slice_string(text), POS_SAVE, "id is required");
}
END

TEST(schedule_counts_only_while_it_is_enabled)
{
    static const char *const bad[] = {"\"* * * * * *\"", "\"0 0 31 2 *\"", "\"61 * * * *\"",
                                      "\"never\""};
    static const char off[] =
        "{\"id\": \"a\", \"name\": \"a\", \"type\": \"files\", \"schedule\": \"never\", "
        "\"retention\": {\"daily\": 1, \"weekly\": 0, \"monthly\": 0}, \"destinations\": "
        "[{\"type\": \"local\", \"config\": {\"path\": \"/b\"}}], \"enabled\": false}";
    AUTO(pos_config) struct pos_config *c = NULL;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ROWS({"schedule", bad[i], "Invalid cron schedule"});
    CHECK_OK(pos_config_parse(slice_string(off), POS_SAVE, &c, e));
    ck_assert_str_eq(c->schedule, "never");
}
END

TEST(fault_is_named_with_its_path)
{
#define LABEL_16 "abcdefghijklmnop"
#define LABEL_64 LABEL_16 LABEL_16 LABEL_16 LABEL_16
    CHECK_ROWS(
        {"id", "\"../x\"", "id: must be letters"}, {"id", "\"-x\"", "id: must be letters"},
        {"id", "\"a b\"", "id: must be letters"}, {"id", "[1]", "id: must be a text, not a list"},
        {"name", "\"a\\nb\"", "name: has a control character"},
        {"name", "{\"a\": 1}", "name: must be a text, not an object"},
        {"type", "\"both\"", "type: must be full, incremental, differential, database or files"},
        {"schedule", "5", "schedule: must be a text, not a number"},
        {"retention", "7", "retention: must be an object, not a number"},
        {"retention", "{\"daily\": 7}", "retention.weekly: is required"},
        {"retention", "{\"daily\": -1, \"weekly\": 4, \"monthly\": 6}",
         "retention.daily: must be a whole number from 0 to 10000"},
        {"retention", "{\"daily\": 1e9, \"weekly\": 4, \"monthly\": 6}",
         "retention.daily: must be a whole number"},
        {"retention", "{\"daily\": 1, \"weekly\": 1.5, \"monthly\": 6}",
         "retention.weekly: must be a whole number"},
        {"retention", "{\"daily\": 1, \"weekly\": 1, \"monthly\": \"6\"}",
         "retention.monthly: must be a whole number"},
        {"retention", "{\"daily\": 0, \"weekly\": 0, \"monthly\": 0}",
         "retention: would keep nothing"},
        {"retention", "{\"daily\": 1, \"weekly\": 1, \"monthly\": 1, \"hourly\": 1}",
         "retention.hourly: unknown field; there are daily, weekly, monthly"},
        {"compression", "\"xz\"", "compression: must be gzip, bzip2 or none"},
        {"encryption", "\"yes\"", "encryption: must be true or false, not a text"},
        {"enabled", "1", "enabled: must be true or false, not a number"},
        {"notifications", "[]", "notifications: must be an object, not a list"},
        {"notifications", "{\"onError\": []}", "notifications.onError: unknown field"},
        {"notifications", "{\"onSuccess\": \"a@b\"}", "notifications.onSuccess: must be a list"},
        {"notifications", "{\"onSuccess\": [\"a@" LABEL_64 ".org\"]}",
         "notifications.onSuccess[0]: must be an address"},
        {"notifications", "{\"onFailure\": [\"a@b\", \"a@b\\r\\nBcc: c@d\"]}",
         "notifications.onFailure[1]: must be an address"},
        {"notifications", "{\"onFailure\": [\"a@b?cc=d\"]}", "notifications.onFailure[0]: must be"},
        {"notifications", "{\"onFailure\": [\"a@b.\"]}", "notifications.onFailure[0]: must be"},
        {"notifications", "{\"onFailure\": [\"a@b..c\"]}", "notifications.onFailure[0]: must be"},
        {"notifications", "{\"onFailure\": [\"a@-b\"]}", "notifications.onFailure[0]: must be"},
        {"notifications", "{\"onFailure\": [\"a@b.1c\"]}", "notifications.onFailure[0]: must be"},
        {"notifications", "{\"onFailure\": [\".a@b\"]}", "notifications.onFailure[0]: must be"},
        {"notifications", "{\"onFailure\": [\"a!@b\"]}", "notifications.onFailure[0]: must be"},
        {"notifications", "{\"onFailure\": [7]}", "notifications.onFailure[0]: must be"},
        {"secret", "1", "secret: unknown field; there are id, name, type"},
        {"a\\u0007b", "1", "a b: unknown field"});
}
END

TEST(fault_of_a_destination_is_named_with_its_path)
{
#define S3(rest) "[{\"type\": \"s3\", \"config\": {" rest "}}]"
#define LOCAL    "{\"type\": \"local\", \"config\": {\"path\": \"/b\"}}"
#define PATH(p)  "[" LOCAL ", {\"type\": \"local\", \"config\": {\"path\": \"" p "\"}}]"
#define PLACE    "\"bucket\": \"bbb\", \"region\": \"r\", \"folder\": \"f\""
    CHECK_ROWS(
        {"destinations", "{}", "destinations: must be a list, not an object"},
        {"destinations", "[]", "destinations: must have 1 to 16 items, not 0"},
        {"destinations", "[5]", "destinations[0]: must be an object, not a number"},
        {"destinations", "[" LOCAL ", " LOCAL "]",
         "destinations[1]: is the same as destinations[0]"},
        {"destinations", "[{\"type\": \"ftp\", \"config\": {}}]",
         "destinations[0].type: must be s3 or local"},
        {"destinations", "[{\"type\": \"s3\"}]", "destinations[0].config: is required"},
        {"destinations", "[{\"type\": \"s3\", \"config\": {}, \"x\": 1}]",
         "destinations[0].x: unknown field; there are type, config"},
        {"destinations", PATH("backups"), "destinations[1].config.path: must be an absolute path"},
        {"destinations", PATH("/b/../etc"), "destinations[1].config.path: goes through \"..\""},
        {"destinations", "[{\"type\": \"local\", \"config\": {\"path\": \"/b\", \"mode\": 1}}]",
         "destinations[0].config.mode: unknown field; there are path"},
        {"destinations", S3("\"region\": \"r\""), "destinations[0].config.bucket: is required"},
        {"destinations", S3(PLACE ", \"secretAccessKey\": \"hunter2\""),
         "destinations[0].config.secretAccessKey: unknown field; there are bucket"},
        {"destinations", S3("\"bucket\": \"B!\", \"region\": \"r\", \"folder\": \"f\""),
         "destinations[0].config.bucket: must be 3 to 63"},
        {"destinations", S3("\"bucket\": \"bbb\", \"region\": \"r/x\", \"folder\": \"f\""),
         "destinations[0].config.region: must be"},
        {"destinations", S3("\"bucket\": \"bbb\", \"region\": \"r\", \"folder\": \"a/../b\""),
         "destinations[0].config.folder: must be names"},
        {"destinations", S3("\"bucket\": \"bbb\", \"region\": \"r\", \"folder\": \"/a\""),
         "destinations[0].config.folder: must be names"},
        {"destinations", S3("\"bucket\": \"bbb\", \"region\": \"r\", \"folder\": \"a?b\""),
         "destinations[0].config.folder: has a character"},
        {"destinations", S3(PLACE ", \"endpoint\": \"file:///etc/passwd\""),
         "destinations[0].config.endpoint: must be https://HOST"},
        {"destinations", S3(PLACE ", \"endpoint\": \"https://u:hunter2@h\""),
         "destinations[0].config.endpoint: must be https://HOST"},
        {"destinations", S3(PLACE ", \"endpoint\": \"https://h/path\""),
         "destinations[0].config.endpoint: must be https://HOST"},
        {"destinations", S3(PLACE ", \"endpoint\": \"https://\""),
         "destinations[0].config.endpoint: must be https://HOST"});
}
END

TEST(sources_are_places_and_names_of_servers)
{
    AUTO(pos_config)
    struct pos_config *c = parse_with(
        "sources", "[{\"type\": \"postgres\", \"config\": {\"server\": \"main\"}}, "
                   "{\"type\": \"postgres\", \"name\": \"two\", \"config\": {\"server\": \"main\", "
                   "\"database\": \"shop_2\"}}, "
                   "{\"type\": \"sqlite\", \"config\": {\"path\": \"/srv/app.db\"}}, "
                   "{\"type\": \"files\", \"config\": {\"paths\": [\"/srv/a\", \"/srv/b\"], "
                   "\"exclude\": [\"*.tmp\"]}}]");

    CHECK(c->source_count == 4 && c->sources[0].kind == POS_POSTGRES);
    ck_assert_str_eq(c->sources[0].server, "main");
    CHECK(c->sources[0].database == NULL && c->sources[0].name == NULL);
    ck_assert_str_eq(c->sources[1].database, "shop_2");
    ck_assert_str_eq(c->sources[1].name, "two");
    ck_assert_str_eq(c->sources[2].path, "/srv/app.db");
    CHECK(c->sources[3].path_count == 2 && c->sources[3].exclude_count == 1);
    ck_assert_str_eq(c->sources[3].paths[1], "/srv/b");
}
END

TEST(fault_of_a_source_is_named_with_its_path_and_programs_are_refused)
{
#define SOURCE(kind, config) "[{\"type\": \"" kind "\", \"config\": {" config "}}]"
    CHECK_ROWS(
        {"sources", "{}", "sources: must be a list, not an object"},
        {"sources", "[]", "sources: must have 1 to 16 items, not 0"},
        {"sources", "[\"/srv\"]", "sources[0]: must be an object, not a text"},
        {"sources", SOURCE("command", "\"argv\": [\"/bin/sh\"]"),
         "sources[0].type: a command would run with the rights of the service"},
        {"sources", SOURCE("bundle", ""), "sources[0].type: must be postgres, sqlite or files"},
        {"sources", "[{\"type\": \"files\"}]", "sources[0].config: is required"},
        {"sources", "[{\"type\": \"files\", \"argv\": [], \"config\": {}}]",
         "sources[0].argv: unknown field; there are type, name, config"},
        {"sources", SOURCE("postgres", ""), "sources[0].config.server: is required"},
        {"sources", SOURCE("postgres", "\"dsn\": \"host=evil\""), "sources[0].config.dsn: unknown"},
        {"sources", SOURCE("postgres", "\"server\": \"main\", \"password\": \"hunter2\""),
         "sources[0].config.password: unknown field; there are server, database"},
        {"sources", SOURCE("postgres", "\"server\": \"main\", \"password_command\": [\"/x\"]"),
         "sources[0].config.password_command: unknown"},
        {"sources", SOURCE("postgres", "\"server\": \"main\", \"database\": \"a host=evil\""),
         "sources[0].config.database: must be letters"},
        {"sources", SOURCE("postgres", "\"server\": \"main\", \"database\": \"a' host='evil\""),
         "sources[0].config.database: must be letters"},
        {"sources", SOURCE("postgres", "\"server\": \"main\", \"database\": \"postgres://evil/\""),
         "sources[0].config.database: must be letters"},
        {"sources", SOURCE("postgres", "\"server\": \"main\", \"database\": \"--version\""),
         "sources[0].config.database: must be letters"},
        {"sources", SOURCE("sqlite", "\"path\": \"app.db\""),
         "sources[0].config.path: must be an absolute path"},
        {"sources", SOURCE("sqlite", "\"path\": \"/srv/../etc/x\""),
         "sources[0].config.path: goes through"},
        {"sources", SOURCE("sqlite", "\"path\": \"/a\\nb\""),
         "sources[0].config.path: has a control character"},
        {"sources", SOURCE("files", ""), "sources[0].config.paths: must be a list"},
        {"sources", SOURCE("files", "\"paths\": []"), "sources[0].config.paths: is empty"},
        {"sources", SOURCE("files", "\"paths\": [\"/a\", 5]"),
         "sources[0].config.paths[1]: must be a text, not a number"},
        {"sources", SOURCE("files", "\"paths\": [\"/a\", \"/a/..\"]"),
         "sources[0].config.paths[1]: goes through"},
        {"sources", SOURCE("files", "\"paths\": [\"/a\"], \"exclude_file\": \"/etc/shadow\""),
         "sources[0].config.exclude_file: unknown field; there are paths, exclude"},
        {"sources", SOURCE("files", "\"paths\": [\"/a\"], \"exclude\": [\"\"]"),
         "sources[0].config.exclude[0]: is empty"});
}
END

TEST(sources_fit_the_type_of_the_whole)
{
    static const char *const rows[][3] = {
        {"files", "{\"type\": \"sqlite\", \"config\": {\"path\": \"/a\"}}",
         "sources[0].type: a database does not fit the type files"},
        {"database", "{\"type\": \"files\", \"config\": {\"paths\": [\"/a\"]}}",
         "sources[0].type: files do not fit the type database"},
    };

    for (size_t i = 0; i < 2; i++) {
        AUTO(buf) struct buf text = {0};

        buf_printf(&text,
                   "{\"name\": \"a\", \"type\": \"%s\", \"sources\": [%s], \"destinations\": "
                   "[{\"type\": \"local\", \"config\": {\"path\": \"/b\"}}]}",
                   rows[i][0], rows[i][1]);
        check_refused(buf_slice(&text), POS_TEST, rows[i][2]);
    }
}
END

TEST(no_sentence_repeats_what_could_be_a_secret)
{
    static const struct row rows[] = {
        {"destinations", S3(PLACE ", \"accessKey\": \"hunter2\""), ""},
        {"destinations", S3(PLACE ", \"endpoint\": \"https://u:hunter2@h\""), ""},
        {"destinations", PATH("hunter2"), ""},
        {"id", "\"hunter2/\"", ""},
        {"type", "\"hunter2\"", ""},
        {"notifications", "{\"onFailure\": [\"hunter2\"]}", ""},
        {"name", "\"hunter2", ""},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(buf) struct buf text = {0};
        AUTO(pos_config) struct pos_config *c = NULL;
        struct err e = {0};

        put_config(rows[i].key, rows[i].value, &text);
        CHECK(!pos_config_parse(buf_slice(&text), POS_SAVE, &c, &e));
        ck_assert_msg(strstr(e.text, "hunter2") == NULL, "%s", e.text);
    }
}
END

TEST(text_that_is_no_object_too_long_or_too_deep_is_refused)
{
    AUTO(buf) struct buf deep = {0};
    AUTO(buf) struct buf nul = {0};

    check_refused(slice_string(""), POS_SAVE, "it is not JSON");
    check_refused(slice_string("[]"), POS_SAVE, "it must be an object, not a list");
    check_refused(slice_string("\"x\""), POS_SAVE, "it must be an object, not a text");
    check_refused(slice_string("{\"id\": \"a\", \"id\": \"b\"}"), POS_SAVE, "it is not JSON");
    check_refused(slice_string("{\"id\": \"a\xff\"}"), POS_SAVE, "it is not JSON");
    check_refused(slice_string("{\"id\": \"a\\u0000b\"}"), POS_SAVE, "it is not JSON");
    check_refused(slice_string("{} {}"), POS_SAVE, "it is not JSON");
    check_refused(slice_string("{\"id\": \"a\x7f\"}"), POS_SAVE, "it has a control character");
    check_refused(slice_string("{\"id\": \"a\xc2\x9f\"}"), POS_SAVE, "it has a control character");
    check_refused(slice_string("{\"id\": \"\xef\xbf\xbe\"}"), POS_SAVE, "it has a control");
    put_config(NULL, NULL, &nul);
    nul.data[nul.size - 1] = '\0';
    buf_append(&nul, "}", 1);
    check_refused(buf_slice(&nul), POS_SAVE, "it has a control character");
    memset(buf_extend(&deep, 60000), '[', 60000);
    check_refused(buf_slice(&deep), POS_SAVE, "it is not JSON");
    memset(buf_extend(&deep, POS_CONFIG_MAX), ' ', POS_CONFIG_MAX);
    check_refused(buf_slice(&deep), POS_SAVE, "it is longer than 65536 bytes");
}
END

static void check_example(const char *name, const char *id, enum pos_type type)
{
    AUTO(buf) struct buf path = {0};
    AUTO(buf) struct buf bytes = {0};
    AUTO(buf) struct buf again = {0};
    AUTO(pos_config) struct pos_config *c = NULL;
    char *text = NULL;

    buf_printf(&path, "%s/deploy/configs/%s", SOURCE_ROOT, name);
    CHECK_OK(file_read(buf_string(&path), POS_CONFIG_MAX, &bytes, e));
    CHECK_OK(pos_config_parse(buf_slice(&bytes), POS_SAVE, &c, e));
    ck_assert_str_eq(c->id, id);
    CHECK(c->type == type && c->enabled && c->encryption);
    text = json_dumps(c->document, JSON_INDENT(2));
    buf_printf(&again, "%s\n", text);
    ck_assert_str_eq(buf_string(&bytes), buf_string(&again));
    ck_assert_str_eq(c->text, buf_string(&bytes));
    mem_free(text);
}

TEST(examples_are_configurations_with_two_blanks_of_indent)
{
    check_example("backup-daily-db.json", "daily-db-backup", POS_DATABASE);
    check_example("backup-weekly-full.json", "weekly-full-backup", POS_FULL);
    check_example("backup-files.json", "files-backup", POS_FILES);
}
END

TESTS("pos_config", every_member_is_read_and_the_text_stays_as_it_came,
      what_may_be_left_out_has_its_default, first_missing_field_is_named_as_the_original_does,
      a_configuration_to_test_needs_no_id_or_schedule, schedule_counts_only_while_it_is_enabled,
      fault_is_named_with_its_path, fault_of_a_destination_is_named_with_its_path,
      sources_are_places_and_names_of_servers,
      fault_of_a_source_is_named_with_its_path_and_programs_are_refused,
      sources_fit_the_type_of_the_whole, no_sentence_repeats_what_could_be_a_secret,
      text_that_is_no_object_too_long_or_too_deep_is_refused,
      examples_are_configurations_with_two_blanks_of_indent)
