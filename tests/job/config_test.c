#include "support/test.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "codec/json.h"
#include "support/fixture.h"

/* Two repositories on lines 1 to 3; what tests append begins on line 4. */
#define HEAD                                                   \
    "repositories:\n"                                          \
    "  main: {url: /srv/main, password_file: /etc/main.key}\n" \
    "  away: {url: 's3:https://h/b', password_command: [pass, show, away]}\n"

/* A set on lines 4 to 8 with one source; what tests append belongs to the set, from line 9 on. */
#define SET                           \
    HEAD "sets:\n"                    \
         "  shop:\n"                  \
         "    repositories: [main]\n" \
         "    sources:\n"             \
         "    - sqlite: {path: /srv/app.db}\n"

/* A file of this text that only we may change, in a new directory. */
static const char *put(struct scratch *s, const char *text)
{
    scratch_init(s);

    const char *path = path_in(s->path, "holdfast.yaml");

    file_put_text(path, text);
    CHECK(chmod(path, 0600) == 0);
    return path;
}

static struct config *load(const char *text)
{
    AUTO(scratch) struct scratch s = {0};
    struct config *c = NULL;

    CHECK_OK(config_load(put(&s, text), &c, e));
    return c;
}

/* "LINE: sentence" behind the name of the file; sentence may be a beginning. */
static void check_refused(const char *text, const char *wanted)
{
    AUTO(scratch) struct scratch s = {0};
    AUTO(config) struct config *c = NULL;
    AUTO(buf) struct buf full = {0};
    const char *path = put(&s, text);
    struct err e = {0};

    buf_printf(&full, "%s:%s", path, wanted);
    ck_assert_msg(!config_load(path, &c, &e), "accepted:\n%s", text);
    ck_assert_int_eq(e.code, ERR_USAGE);
    ck_assert_msg(strncmp(e.text, buf_string(&full), full.size) == 0, "%s\ninstead of\n%s", e.text,
                  buf_string(&full));
}

struct row {
    const char *text, *wanted;
};

static void check_rows(const char *head, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        AUTO(buf) struct buf text = {0};

        buf_printf(&text, "%s%s\n", head, rows[i].text);
        check_refused(buf_string(&text), rows[i].wanted);
    }
}

#define CHECK_ROWS(head, ...)                                        \
    do {                                                             \
        const struct row rows_[] = {__VA_ARGS__};                    \
        check_rows((head), rows_, sizeof(rows_) / sizeof(rows_[0])); \
    } while (0)

static void check_texts(const struct texts *t, const char *wanted)
{
    AUTO(buf) struct buf all = {0};

    for (size_t i = 0; i < t->count; i++)
        buf_printf(&all, "%s|", t->items[i]);
    ck_assert_str_eq(buf_string(&all), wanted);
    CHECK(t->count == 0 ? t->items == NULL : t->items[t->count] == NULL);
}

TEST(a_repository_has_a_place_and_one_way_to_its_secret)
{
    AUTO(config) struct config *c = load(HEAD "  k: {url: 'local:/srv/k', key_file: /etc/k}\n");

    CHECK(c->repository_count == 3 && c->set_count == 0);
    ck_assert_str_eq(c->repositories[0].name, "main");
    ck_assert_str_eq(c->repositories[0].url, "/srv/main");
    ck_assert_str_eq(c->repositories[0].secret.password_file, "/etc/main.key");
    ck_assert_str_eq(c->repositories[1].url, "s3:https://h/b");
    check_texts(&c->repositories[1].secret.password_command, "pass|show|away|");
    ck_assert_str_eq(c->repositories[2].secret.key_file, "/etc/k");
    ck_assert_str_eq(c->state, "/var/lib/holdfast");
    ck_assert_str_eq(c->catalog, "sqlite");
}
END

TEST(a_repository_may_have_options_of_its_store)
{
    AUTO(config)
    struct config *c = load(HEAD "  k: {url: 's3:https://h/b', key_file: /etc/k, options: {"
                                 "s3.region: eu-west-1, s3.connections: 4, limit-upload: 500}}\n");
    AUTO(json) json_t *shown = config_json(c, NULL);
    const json_t *k = json_object_get(json_object_get(shown, "repositories"), "k");

    check_texts(&c->repositories[2].options,
                "s3.region=eu-west-1|s3.connections=4|limit-upload=500|");
    check_texts(&c->repositories[0].options, "");
    ck_assert_str_eq(
        json_string_value(json_object_get(json_object_get(k, "options"), "s3.connections")), "4");
}
END

TEST(an_option_that_no_store_has_is_refused_with_its_line)
{
    CHECK_ROWS(HEAD,
               {"  k: {url: /srv/k, key_file: /etc/k, options: {s3.regoin: x}}",
                "4: stores have no option s3.regoin, did you mean s3.region?"},
               {"  k: {url: /srv/k, key_file: /etc/k, options: {s3.connections: 0}}",
                "4: s3.connections: 0 is not from 1 to 64"},
               {"  k: {url: /srv/k, key_file: /etc/k, options: [s3.region]}", "4: "},
               {"  k: {url: /srv/k, key_file: /etc/k, options: {s3.region: [x]}}",
                "4: s3.region takes one value, not a list"});
}
END

TEST(a_file_tree_becomes_options_of_the_source)
{
    AUTO(config)
    struct config *c =
        load(SET "    - files:\n        name: web\n        paths: [/var/www/, //srv/./x/]\n"
                 "        exclude: ['*.tmp', /var/www/cache]\n        exclude_file: [/etc/x]\n"
                 "        exclude_caches: true\n        one_file_system: true\n"
                 "        exclude_if_present: [.nobackup]\n");
    const struct config_source *s = &c->sets[0].sources[1];

    CHECK(c->sets[0].source_count == 2 && s->kind == SOURCE_FILES);
    ck_assert_str_eq(s->name, "web");
    check_texts(&s->files.paths, "/var/www|/srv/x|");
    check_texts(&s->files.exclude_files, "/etc/x|");
    CHECK(s->files.options.path_count == 2 && s->files.options.exclude_if_present_count == 1);
    ck_assert_str_eq(s->files.options.paths[1], "/srv/x");
    ck_assert_str_eq(s->files.options.exclude_if_present[0], ".nobackup");
    CHECK(s->files.options.exclude_caches && s->files.options.one_file_system);
    CHECK(s->files.options.exclude == NULL && !s->files.options.no_xattrs);
}
END

TEST(patterns_of_a_file_tree_come_from_the_set_and_from_files)
{
    AUTO(scratch) struct scratch dir = {0};
    const char *path = put(&dir, "# no objects\n*.o\n");
    AUTO(buf) struct buf text = {0};
    AUTO(exclude) struct exclude *x = exclude_new();

    buf_printf(&text, SET "    - files: {paths: [/a], exclude: ['*.tmp'], exclude_file: [%s]}\n",
               path);

    AUTO(config) struct config *c = load(buf_string(&text));

    CHECK_OK(config_excludes(&c->sets[0].sources[1].files, x, e));
    CHECK(exclude_matches(x, "a/b.tmp", false) && exclude_matches(x, "a/b.o", false));
    CHECK(!exclude_matches(x, "a/b.c", false));
    (void)unlink(path);
    CHECK_ERR(config_excludes(&c->sets[0].sources[1].files, x, e), ERR_NOT_FOUND);
}
END

TEST(a_postgres_source_is_called_as_its_database_unless_it_has_a_name)
{
    AUTO(config)
    struct config *c = load(
        SET "    - postgres: {dsn: host=/run/postgresql dbname=shop, passfile: /etc/pgpass}\n"
            "    - postgres: {dsn: 'postgresql://u@h:5433/forum?sslmode=require'}\n"
            "    - postgres: {name: main, dsn: service=main, password_command: [pass, pg],\n"
            "        schemas: [a], exclude_schemas: [b], tables: [a.c], exclude_tables: [a.d],\n"
            "        exclude_table_data: [a.e], globals: false, jobs: 3}\n");
    const struct config_source *s = &c->sets[0].sources[1];

    ck_assert_str_eq(s[0].name, "shop");
    ck_assert_str_eq(s[0].postgres.secret.passfile, "/etc/pgpass");
    CHECK(s[0].postgres.globals && !s[0].postgres.role_passwords && s[0].postgres.jobs == 0);
    ck_assert_str_eq(s[1].name, "forum");
    ck_assert_str_eq(s[2].name, "main");
    ck_assert_str_eq(s[2].postgres.dsn, "service=main");
    check_texts(&s[2].postgres.secret.password_command, "pass|pg|");
    check_texts(&s[2].postgres.schemas, "a|");
    check_texts(&s[2].postgres.exclude_schemas, "b|");
    check_texts(&s[2].postgres.tables, "a.c|");
    check_texts(&s[2].postgres.exclude_tables, "a.d|");
    check_texts(&s[2].postgres.exclude_table_data, "a.e|");
    CHECK(!s[2].postgres.globals && s[2].postgres.jobs == 3);
}
END

TEST(a_command_has_limits_and_its_words_stay_as_they_are_written)
{
    AUTO(config)
    struct config *c =
        load(SET "    - command: {name: a, argv: [sleep, 5, true, '', $HOME]}\n"
                 "    - command: {name: b, argv: [b], environment: [PGDATA, _x1], timeout: 500ms,\n"
                 "        max_output: 1.5G, check: [b, --test], apply: [b, --put]}\n");
    const struct config_source *s = &c->sets[0].sources[1];

    check_texts(&s[0].command.argv, "sleep|5|true||$HOME|");
    CHECK(s[0].command.timeout_ms == 60000 && s[0].command.max_output == (uint64_t)64 << 20);
    check_texts(&s[0].command.check, "");
    check_texts(&s[1].command.environment, "PGDATA|_x1|");
    CHECK(s[1].command.timeout_ms == 500 && s[1].command.max_output == (uint64_t)3 << 29);
    check_texts(&s[1].command.check, "b|--test|");
    check_texts(&s[1].command.apply, "b|--put|");
}
END

TEST(a_set_has_rules_times_notices_and_checks)
{
    AUTO(config)
    struct config *c =
        load(SET "    retention: {last: 3, daily: unlimited, within: 2d, within_yearly: 1y6m}\n"
                 "    on_error: incomplete\n"
                 "    schedule: '*/15 2-4,6 * jan-mar mon'\n"
                 "    drill: after_backup\n"
                 "    notify: {on_success: [], on_failure: ['mailto:o@example.org', "
                 "'https://h/x']}\n"
                 "    health_checks: [[curl, -f, http://localhost/], [true]]\n"
                 "catalog: postgresql://h/catalog\n");
    const struct config_set *s = &c->sets[0];

    CHECK(s->retention.last == 3 && s->retention.daily == -1 && s->retention.weekly == 0);
    CHECK(s->retention.within.days == 2 && s->retention.within_yearly.months == 6);
    CHECK(s->on_error == ON_ERROR_INCOMPLETE);
    ck_assert_str_eq(s->schedule.cron, "*/15 2-4,6 * jan-mar mon");
    CHECK(s->limits.min_keep == 1 && s->limits.max_percent == 20 && s->limits.only == ONLY_ANY);
    CHECK(s->schedule.jitter_ms == 0 && s->schedule.run_missed == MISSED_ONCE);
    ck_assert_str_eq(s->schedule.timezone, "local");
    ck_assert_str_eq(s->drill, "after_backup");
    check_texts(&s->notify.on_success, "");
    check_texts(&s->notify.on_failure, "mailto:o@example.org|https://h/x|");
    CHECK(s->health_check_count == 2);
    check_texts(&s->health_checks[0], "curl|-f|http://localhost/|");
    check_texts(&s->health_checks[1], "true|");
    ck_assert_str_eq(c->catalog, "postgresql://h/catalog");
}
END

TEST(a_set_without_more_keeps_everything_and_fails_with_its_sources)
{
    AUTO(config) struct config *c = load(SET);
    const struct config_set *s = &c->sets[0];

    ck_assert_str_eq(s->sources[0].name, "app.db");
    CHECK(s->repository_count == 1 && s->repositories[0] == &c->repositories[0]);
    CHECK(retention_is_empty(&s->retention) && s->on_error == ON_ERROR_FAIL);
    CHECK(s->schedule.cron == NULL && s->drill == NULL && s->health_check_count == 0);
    CHECK(s->required_repositories == 1 && retention_is_empty(&s->repositories[0]->retention));
}
END

TEST(a_set_may_require_fewer_repositories_than_it_has_and_each_may_have_its_own_rules)
{
    AUTO(config)
    struct config *c =
        load(HEAD "  k: {url: /srv/k, key_file: /etc/k, retention: {daily: 3}}\n"
                  "sets:\n  some:\n    repositories: [main, away, k]\n    sources:\n"
                  "    - sqlite: {path: /b}\n    required_repositories: 2\n"
                  "  all:\n    repositories: [main, k]\n    sources:\n    - sqlite: {path: /b}\n");
    json_t *shown = config_json(c, &c->sets[0]);
    const json_t *set = json_object_get(json_object_get(shown, "sets"), "some");
    const json_t *k = json_object_get(json_object_get(shown, "repositories"), "k");

    CHECK(c->sets[0].required_repositories == 2 && c->sets[1].required_repositories == 2);
    CHECK(c->sets[0].repositories[2]->retention.daily == 3);
    CHECK(json_integer_value(json_object_get(set, "required_repositories")) == 2);
    CHECK(json_integer_value(json_object_get(json_object_get(k, "retention"), "daily")) == 3);
    json_decref(shown);
}
END

TEST(a_file_that_is_no_mapping_of_known_keys_is_refused)
{
    CHECK_ROWS("", {"", "1: it is empty"}, {"- a", "1: a configuration is a mapping, not a list"},
               {"a: b: c", "1: it is not YAML: mapping values are not allowed"},
               {"state: /x", "1: a configuration needs the key \"repositories\""},
               {"state: x\nrepositories: {}", "1: state must be an absolute path"},
               {"state: /x/../y\nrepositories: {}", "1: state goes through \"..\""},
               {"state: [/x]\nrepositories: {}", "1: state must be a text, not a list"},
               {"state:\nrepositories: {}", "1: state has no value"},
               {"repositories: {}", "1: repositories is empty"},
               {"repositories:", "1: repositories has no value"},
               {"repositories: [a]", "1: repositories must be a mapping, not a list"});
    CHECK_ROWS(HEAD,
               {"repositoris: {}", "4: unknown key \"repositoris\", did you mean "
                                   "\"repositories\"?"},
               {"password: x", "4: unknown key \"password\"; there are state, catalog, "},
               {"\nsets: [x]", "5: sets must be a mapping, not a list"},
               {"serve: on", "4: serve must be a mapping, not a text"},
               {"catalog: mysql", "4: catalog must be sqlite or postgresql://..."},
               {"catalog: {a: b}", "4: catalog must be a text, not a mapping"},
               {"catalog: 'postgresql://u:secret@h/c'", "4: catalog: a secret (password) stands"},
               {"state: /a\nstate: /b", "5: the key \"state\" is there twice"});
}
END

TEST(a_repository_that_lacks_something_is_refused)
{
    CHECK_ROWS(
        "repositories:\n", {"  a: {password_file: /k}", "2: a repository needs the key \"url\""},
        {"  a:\n    url: /r\n  b: {}", "2: repository a needs password_file, "},
        {"  a:", "2: a has no value"}, {"  a: /srv", "2: a must be a mapping, not a text"},
        {"  a: {url: /r, key_file: /k, password_file: /p}",
         "2: a names more than one file or command for its secret"},
        {"  a: {url: r, key_file: /k}", "2: url: it is neither an absolute path nor"},
        {"  a: {url: 'local:r', key_file: /k}", "2: url: it is neither"},
        {"  a:\n    key_file: /k\n    url: 's3:https://u:secret@h/b'",
         "4: url: a password stands inside it"},
        {"  a: {url: '', key_file: /k}", "2: url is empty"},
        {"  a: {url: /r, key_file: secret}", "2: key_file must be an absolute path"},
        {"  a: {url: /r, password_command: pass show}",
         "2: password_command must be a list such as [program, argument], not a text"},
        {"  a: {url: /r, password_command: []}", "2: password_command names no program"},
        {"  a: {url: /r, password_command: ['', x]}", "2: password_command names no program"},
        {"  a: {url: /r, keyfile: /k}", "2: unknown key \"keyfile\", did you mean \"key_file\"?"},
        {"  a b: {}", "2: \"a b\" cannot be a name"}, {"  -x: {}", "2: \"-x\" cannot be a name"},
        {"  ../x: {}", "2: \"../x\" cannot be a name"}, {"  '': {}", "2: \"\" cannot be a name"});
}
END

TEST(a_set_with_a_key_that_is_wrong_or_missing_is_refused)
{
    CHECK_ROWS(
        HEAD "sets:\n", {"  s: {repositories: [main]}", "5: a set needs the key \"sources\""},
        {"  s: {sources: [sqlite: {path: /a}]}", "5: a set needs the key \"repositories\""},
        {"  s: {sources: [], repositories: [main]}", "5: sources is empty"},
        {"  s: {sources: {sqlite: {path: /a}}, repositories: [main]}",
         "5: sources must be a list, not a mapping"},
        {"  s: {sources: [sqlite: {path: /a}],\n repositories: []}", "6: repositories is empty"},
        {"  s: {sources: [sqlite: {path: /a}],\n repositories: [main,\n mian]}",
         "7: there is no repository \"mian\", did you mean \"main\"?"},
        {"  s: {sources: [sqlite: {path: /a}], repositories: [elsewhere]}",
         "5: there is no repository \"elsewhere\""},
        {"  s: {sources: [sqlite: {path: /a}], repositories: [main,\n main]}",
         "6: repository main is there twice"},
        {"  s: {sources: [sqlite: {path: /a}], repositories: main}",
         "5: repositories must be a list, not a text"},
        {"  .s: {}", "5: \".s\" cannot be a name"});
    CHECK_ROWS(SET,
               {"    retenton: {}", "9: unknown key \"retenton\", did you mean \"retention\"?"},
               {"    on_error: ignore", "9: on_error must be fail or incomplete, not \"ignore\""},
               {"    on_error:", "9: on_error has no value"},
               {"    required_repositories: 0", "9: required_repositories must be from 1 to 1"},
               {"    required_repositories: 2", "9: required_repositories must be from 1 to 1"},
               {"  shop: {}", "9: the key \"shop\" is there twice"});
}
END

TEST(a_rule_time_notice_or_check_of_a_set_that_makes_no_sense_is_refused)
{
    CHECK_ROWS(
        SET, {"    retention: {}", "9: retention has no rule that keeps a snapshot"},
        {"    retention: {daily: 0}", "9: retention has no rule that keeps a snapshot"},
        {"    retention:\n      daily: seven", "10: daily must be a whole number from 0 to "
                                               "1000000 or unlimited, not seven"},
        {"    retention: {daily: -1}", "9: daily must be a whole number"},
        {"    retention: {daily: 1000001}", "9: daily must be a whole number"},
        {"    retention: {daily: \"7\"}", "9: daily must be a whole number"},
        {"    retention: {within: 2w}", "9: within: \"2w\" is not a duration"},
        {"    retention: {keep_daily: 1}",
         "9: unknown key \"keep_daily\"; there are last, hourly, daily, "},
        {"    schedule: 0 2 * *", "9: schedule: \"0 2 * *\" is no cron expression of five"},
        {"    schedule: 0 2 * * * *", "9: schedule: \"0 2 * * * *\" has more than five"},
        {"    schedule: 60 2 * * *", "9: schedule: field 1 (minute): 60 is above 59"},
        {"    drill: monthly", "9: drill is not after_backup: \"monthly\" is no cron expression"},
        {"    notify: {on_failure: [ops]}", "9: on_failure: it is neither mailto:"},
        {"    notify: {on_failure: ['https://u:p@h/']}", "9: on_failure: a password stands inside"},
        {"    notify:\n      on_success: [\"mailto:a@b\\n.c\"]", "10: on_success: it is neither"},
        {"    notify: {on_error: []}", "9: unknown key \"on_error\"; there are on_success, "},
        {"    health_checks: curl", "9: health_checks must be a list, not a text"},
        {"    health_checks: [curl]", "9: a health check must be a list such as"},
        {"    health_checks: [[]]", "9: a health check names no program"});
}
END

TEST(a_schedule_may_say_its_zone_how_late_it_may_begin_and_what_becomes_of_missed_runs)
{
    AUTO(config)
    struct config *c =
        load(SET "    schedule: {cron: 0 2 * * *, timezone: Europe/Berlin, jitter: 10m,\n"
                 "      run_missed: all}\n"
                 "    retention: {daily: 7, min_keep: 3, max_percent: 0, only: proven}\n");
    AUTO(json) json_t *shown = config_json(c, NULL);
    char *text = json_dumps(shown, 0);
    AUTO(config) struct config *again = load(text);
    const struct config_set *s = &again->sets[0];

    ck_assert_str_eq(s->schedule.cron, "0 2 * * *");
    ck_assert_str_eq(s->schedule.timezone, "Europe/Berlin");
    CHECK(s->schedule.jitter_ms == 600000 && s->schedule.run_missed == MISSED_ALL);
    CHECK(s->limits.min_keep == 3 && s->limits.max_percent == 0 && s->limits.only == ONLY_PROVEN);
    mem_free(text);
}
END

TEST(a_schedule_or_limit_that_makes_no_sense_is_refused_with_its_line)
{
    CHECK_ROWS(
        SET, {"    schedule: []", "9: schedule must be a text such as"},
        {"    schedule:", "9: schedule must be a text such as"},
        {"    schedule: {timezone: UTC}", "9: a schedule needs the key \"cron\""},
        {"    schedule: {cron: '@daily',\n timezone: Mars/Olympus}",
         "10: timezone: there is no time zone \"Mars/Olympus\""},
        {"    schedule: {cron: '@daily',\n timezone: ../../etc/passwd}",
         "10: timezone: \"../../etc/passwd\" is no name of a time zone"},
        {"    schedule: {timezone: UTC,\n cron: 0 0 31 2 *}",
         "10: schedule: field 3 (day of month)"},
        {"    schedule: {cron: '@daily', jitter: 10}", "9: jitter: \"10\" is not a time"},
        {"    schedule: {cron: '@daily', run_missed: yes}",
         "9: run_missed must be once or skip or all, not \"yes\""},
        {"    schedule: {cron: '@daily', zone: UTC}", "9: unknown key \"zone\"; there are cron, "},
        {"    retention: {daily: 1, min_keep: 0}", "9: min_keep must be at least 1"},
        {"    retention: {daily: 1, max_percent: 101}", "9: max_percent must be at most 100"},
        {"    retention: {daily: 1, only: tested}",
         "9: only must be any or verified or proven, not \"tested\""},
        {"    retention: {min_keep: 3}", "9: retention has no rule that keeps a snapshot"});
}
END

TEST(a_schedule_is_five_fields_within_their_ranges_or_a_name)
{
    static const char *const good[] = {"* * * * *",       "0,30 0-23/2 1,15 JAN-Dec sun-SAT",
                                       "59\t23  31 12 7", "*/59 * * * *",
                                       "@hourly",         "@weekly"};
    static const char *const bad[] = {"60 * * * *",   "* 24 * * *",   "* * 0 * *",   "* * 32 * *",
                                      "* * * 0 *",    "* * * 13 *",   "* * * * 8",   "* * * mon *",
                                      "*/0 * * * *",  "*/60 * * * *", "5/2 * * * *", "5-2 * * * *",
                                      "1-60 * * * *", "1- * * * *",   "1, * * * *",  "-1 * * * *",
                                      "+1 * * * *",   "* * * *",      "@reboot",     "*5 * * * *"};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        AUTO(buf) struct buf text = {0};

        buf_printf(&text, SET "    schedule: \"%s\"\n", good[i]);
        config_free(load(buf_string(&text)));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        AUTO(buf) struct buf text = {0};

        buf_printf(&text, SET "    schedule: \"%s\"\n", bad[i]);
        check_refused(buf_string(&text), "9: schedule: ");
    }
}
END

TEST(sources_of_different_kinds_may_have_the_same_name)
{
    AUTO(config)
    struct config *c = load(SET "    - command: {name: app.db, argv: [a]}\n"
                                "    - files: {name: app.db, paths: [/a]}\n");

    CHECK(c->sets[0].source_count == 3);
}
END

TEST(a_source_of_bundles_has_defaults_and_its_spool_below_the_state)
{
    AUTO(config) struct config *c = load("state: /srv/state\n" SET "    - bundle: {}\n");
    const struct config_bundle *b = config_set_bundle(&c->sets[0]);
    const struct spool_options o = spool_options_from(b);

    ck_assert_int_eq(b->keep, 30);
    ck_assert_str_eq(o.folder, "/srv/state/spool/shop");
    CHECK(o.names == SPOOL_EXACT && !o.is_local_time && !o.needs_form && o.export_to == NULL);
    CHECK(o.bytes_max == (uint64_t)1 << 30 && o.count_max == 10000);
}
END

TEST(a_source_of_bundles_takes_its_keys)
{
    AUTO(config)
    struct config *c = load(SET "    - bundle: {keep: 2, names: counted, time: local, form: "
                                "required, export: /srv/backups, max_size: 5M, max_count: 7}\n");
    const struct spool_options o = spool_options_from(config_set_bundle(&c->sets[0]));

    CHECK(o.names == SPOOL_COUNTED && o.is_local_time && o.needs_form && o.count_max == 7);
    ck_assert_str_eq(o.export_to, "/srv/backups");
    ck_assert_uint_eq(o.bytes_max, 5 << 20);
    CHECK_ROWS(SET, {"    - bundle: {keep: 0}", "9: keep must be at least 1"},
               {"    - bundle: {max_count: 0}", "9: max_count must be at least 1"},
               {"    - bundle: {names: any}", "9: "}, {"    - bundle: {name: x}", "9: "},
               {"    - bundle: {}\n    - bundle: {}", "10: a set has one source of kind bundle"});
}
END

TEST(a_source_of_no_kind_or_of_two_is_refused)
{
    CHECK_ROWS(
        SET, {"    - postgre: {}", "9: unknown key \"postgre\", did you mean \"postgres\"?"},
        {"    - redis: {}",
         "9: unknown key \"redis\"; there are files, postgres, sqlite, command, bundle"},
        {"    - sqlite", "9: a source is a mapping with its kind as key"},
        {"    - {}", "9: a source is a mapping with its kind as key"},
        {"    - sqlite:\n      path: /a", "10: \"path\" stands beside sqlite"},
        {"    - sqlite:", "9: sqlite has no value"},
        {"    - sqlite: /a", "9: sqlite must be a mapping, not a text"},
        {"    - sqlite: {}", "9: a source of kind sqlite needs the key \"path\""},
        {"    - sqlite: {path: a}", "9: path must be an absolute path"},
        {"    - sqlite: {path: /}", "9: name: \"\" "},
        {"    - sqlite: {path: /b, name: a/b}", "9: name: \"a/b\" "},
        {"    - sqlite: {path: /b, name: x.manifest.json}", "9: name: \"x.manifest.json\""},
        {"    - sqlite: {path: /b/app.db}", "9: a source of kind sqlite is called \"app.db\" "
                                            "already"},
        {"    - command: {name: a}", "9: a source of kind command needs the key \"argv\""},
        {"    - command: {argv: [a]}", "9: a source of kind command needs the key \"name\""},
        {"    - command: {name: a, argv: [a], timeout: 60}", "9: timeout: \"60\" is not a time"},
        {"    - command: {name: a, argv: [a], max_output: 0}", "9: max_output: it must be above 0"},
        {"    - command: {name: a, argv: [a], max_output: 1X}", "9: max_output: \"1X\" is not"},
        {"    - command: {name: a, argv: [a, [b]]}",
         "9: an item of argv must be a text, not a list"},
        {"    - command: {name: a, argv: [a], environment: [A=b]}", "9: environment takes names"},
        {"    - command: {name: a, argv: [a], environment: [1A]}", "9: environment takes names"});
}
END

TEST(a_file_tree_or_database_that_contradicts_itself_is_refused)
{
    CHECK_ROWS(
        SET, {"    - files: {exclude: [x]}", "9: a source of kind files needs the key \"paths\""},
        {"    - files: {paths: []}", "9: paths is empty"},
        {"    - files: {paths: [/a,\n /b/c, /b]}", "10: path /b/c lies in /b, which is there too"},
        {"    - files: {paths: [/a, /a/]}", "9: path /a lies in /a"},
        {"    - files: {paths: [a]}", "9: an item of paths must be an absolute path"},
        {"    - files: {paths: [/a, '']}", "9: an item of paths is empty"},
        {"    - files: {paths: [/a], exclude: ['[x']}", "9: exclude: "},
        {"    - files: {paths: [/a], exclude: '*.tmp'}", "9: exclude must be a list, not a text"},
        {"    - files: {paths: [/a], exclude_caches: yes}",
         "9: exclude_caches must be true or false, not yes"},
        {"    - files: {paths: [/a], name: postgres}",
         "9: a file tree cannot be called \"postgres\""},
        {"    - files: {paths: [/a]}\n    - files: {paths: [/b]}",
         "10: a source of kind files is called \"files\" already"},
        {"    - postgres: {}", "9: a source of kind postgres needs the key \"dsn\""},
        {"    - postgres: {dsn: shop}", "9: dsn: it is no connection string"},
        {"    - postgres: {dsn: host=/run}",
         "9: the source needs a name, because its dsn has no dbname"},
        {"    - postgres:\n        dsn: dbname=a password=secret",
         "10: dsn: a secret (password) stands"},
        {"    - postgres: {dsn: 'postgresql://u:secret@h/a'}",
         "9: dsn: a secret (password) stands"},
        {"    - postgres: {dsn: dbname=a/b}", "9: name: \"a/b\" "},
        {"    - postgres: {dsn: dbname=a, jobs: 65}", "9: jobs is above 64"},
        {"    - postgres: {dsn: dbname=a, globals: false, role_passwords: true}",
         "9: role_passwords needs globals"},
        {"    - postgres: {dsn: dbname=a, password_file: /p, passfile: /f}",
         "9: postgres names more than one file or command for its secret"});
}
END

TEST(no_sentence_repeats_a_password_that_stands_where_it_should_not)
{
    static const char *const texts[] = {
        "repositories: {a: {url: /r, password_file: hunter2}}\n",
        "repositories: {a: {url: /r, password_command: hunter2}}\n",
        "repositories: {a: {url: /r, password: hunter2}}\n",
        "repositories: {a: {url: 's3:https://u:hunter2@h/b', key_file: /k}}\n",
        SET "    - postgres: {dsn: dbname=a password=hunter2}\n",
        SET "    - postgres: {dsn: 'dbname=a hunter2'}\n",
        SET "    - postgres: {dsn: 'postgresql://u:hunter2@h:port/a'}\n",
        SET "    notify: {on_failure: ['https://u:hunter2@h/x']}\n",
        SET "    notify: {on_failure: ['ftp://u:hunter2@h/x']}\n",
        "repositories: {a: {url: /r, password_file: \"hunter2\n",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        AUTO(scratch) struct scratch s = {0};
        AUTO(config) struct config *c = NULL;
        struct err e = {0};

        CHECK(!config_load(put(&s, texts[i]), &c, &e));
        ck_assert_msg(strstr(e.text, "hunter2") == NULL, "%s", e.text);
    }
}
END

static void check_file_refused(const char *path, const char *wanted)
{
    AUTO(config) struct config *c = NULL;
    struct err e = {0};

    CHECK(!config_load(path, &c, &e));
    ck_assert_int_eq(e.code, ERR_USAGE);
    ck_assert_msg(strstr(e.text, wanted) != NULL && strstr(e.text, path) != NULL, "%s", e.text);
}

TEST(a_file_that_others_may_change_or_that_is_none_is_refused)
{
    AUTO(scratch) struct scratch s = {0};
    const char *path = put(&s, HEAD);
    AUTO(config) struct config *c = NULL;

    CHECK(chmod(path, 0644) == 0);
    CHECK_OK(config_load(path, &c, e));
    CHECK(chmod(path, 0664) == 0);
    check_file_refused(path, "it can be changed by others than its owner (mode 0664)");
    CHECK(chmod(path, 0602) == 0);
    check_file_refused(path, "it can be changed by others than its owner (mode 0602)");
    if (geteuid() == 0) {
        CHECK(chmod(path, 0600) == 0 && chown(path, 1234, 0) == 0);
        check_file_refused(path, "it belongs to user 1234");
    }
    check_file_refused("/tmp", "it is no regular file");
    CHECK(unlink(path) == 0);
    check_file_refused(path, "No such file");
    CHECK(mkfifo(path, 0600) == 0);
    check_file_refused(path, "it is no regular file");
}
END

TEST(a_set_is_found_by_its_name_or_the_nearest_is_offered)
{
    AUTO(config) struct config *c = load(SET);
    const struct config_set *s = NULL;
    struct err why = {0};

    CHECK_OK(config_find_set(c, "shop", &s, e));
    CHECK(s == &c->sets[0]);
    CHECK(!config_find_set(c, "shpo", &s, &why) && why.code == ERR_USAGE);
    CHECK(strstr(why.text, "has no set \"shpo\", did you mean \"shop\"?") != NULL);
    CHECK(!config_find_set(c, "forum", &s, &why));
    CHECK(strstr(why.text, "has no set \"forum\"") != NULL && strchr(why.text, '?') == NULL);
}
END

TEST(what_is_shown_is_a_configuration_that_shows_the_same)
{
    AUTO(config)
    struct config *c = load(
        SET
        "    - files: {paths: [/a], exclude: ['*.o'], exclude_caches: true}\n"
        "    - postgres: {dsn: \"dbname='a b'\", role_passwords: true, tables: [\"\\\"T\\\"\"]}\n"
        "    - command: {name: c, argv: [c, 5], timeout: 90s, max_output: 1M}\n"
        "    retention: {daily: unlimited, within: 1y2m}\n    on_error: incomplete\n"
        "    schedule: '@daily'\n    notify: {on_failure: ['mailto:a@b']}\n"
        "    health_checks: [[a, 'b c']]\n");
    json_t *shown = config_json(c, NULL);
    char *text = json_dumps(shown, 0);
    AUTO(config) struct config *again = load(text);
    json_t *same = config_json(again, NULL);

    CHECK(json_equal(shown, same));
    CHECK(again->sets[0].source_count == 4 && again->sets[0].retention.within.months == 2);
    CHECK(again->sets[0].sources[3].command.timeout_ms == 90000);
    CHECK(strstr(text, "\"timeout\": \"90s\"") != NULL);
    json_decref(shown);
    json_decref(same);
    mem_free(text);
}
END

TEST(addresses_of_notices_are_shown_without_what_may_be_a_token)
{
    AUTO(config)
    struct config *c =
        load(SET "    notify:\n      on_failure: ['https://hooks.test:8443/T0/secret',"
                 " 'slack+https://a.test/?k=secret', 'https://b.test',"
                 " 'mailto:a@b.test']\n");
    json_t *shown = config_json(c, NULL);
    char *text = json_dumps(shown, 0);

    CHECK(strstr(text, "[\"https://hooks.test:8443/...\", \"slack+https://a.test/...\","
                       " \"https://b.test\", \"mailto:a@b.test\"]") != NULL);
    CHECK(strstr(text, "secret") == NULL && strstr(text, "token") == NULL);

    AUTO(config) struct config *again = load(text);

    CHECK(again->sets[0].notify.on_failure.count == 4);
    json_decref(shown);
    mem_free(text);
}
END

TEST(one_set_is_shown_with_its_repositories_only)
{
    AUTO(config)
    struct config *c = load(SET "  other:\n    repositories: [away]\n    sources:\n"
                                "    - sqlite: {path: /b}\n");
    json_t *shown = config_json(c, &c->sets[1]);

    CHECK(json_object_size(json_object_get(shown, "sets")) == 1);
    CHECK(json_object_get(json_object_get(shown, "sets"), "other") != NULL);
    CHECK(json_object_size(json_object_get(shown, "repositories")) == 1);
    CHECK(json_object_get(json_object_get(shown, "repositories"), "away") != NULL);
    json_decref(shown);
}
END

TEST(long_lists_are_refused_and_many_of_the_longest_take_no_time)
{
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf paths = {0};

    buf_printf(&text, HEAD "sets:\n");
    for (int i = 0; i < 2001; i++)
        buf_printf(&text, "  s%d: {repositories: [main], sources: [sqlite: {path: /a}]}\n", i);
    check_refused(buf_string(&text), "5: sets has more than 2000 items");
    buf_printf(&paths, SET);
    for (int list = 0; list < 40; list++) {
        buf_printf(&paths, "    - files: {name: f%d, paths: [/0", list);
        for (int i = 1; i < 2000; i++)
            buf_printf(&paths, ",/%d", i);
        buf_printf(&paths, "]}\n");
    }

    AUTO(config) struct config *c = load(buf_string(&paths));

    CHECK(c->sets[0].source_count == 41);
}
END

TEST(a_service_has_addresses_names_and_ways_to_tell)
{
    AUTO(config)
    struct config *c =
        load(SET "serve:\n"
                 "  listen: ['127.0.0.1:8080', '[2001:db8::1]:443']\n"
                 "  tls: {certificate: /etc/c.pem, key: /etc/c.key}\n"
                 "  hosts: [backup.example.org]\n"
                 "  proxies: [10.0.0.1]\n"
                 "  jobs: 4\n"
                 "  mail: {host: mail.example.org, from: h@example.org, security: tls, user: h, "
                 "password_file: /etc/mail}\n"
                 "  outbound: {allowed: ['hooks.internal:443'], ca_file: /etc/ca.pem}\n"
                 "  compat: {bundle: {set: shop, without_token: true}}\n");
    const struct config_serve *s = &c->serve;
    AUTO(json) json_t *shown = config_json(c, NULL);
    AUTO(json) json_t *alone = config_json(c, &c->sets[0]);

    check_texts(&s->listen, "127.0.0.1:8080|[2001:db8::1]:443|");
    check_texts(&s->hosts, "backup.example.org|");
    check_texts(&s->bundle.listen, "127.0.0.1:8787|[::1]:8787|");
    CHECK(s->has_tls && s->has_mail && s->has_bundle && s->jobs == 4 && s->bundle.without_token);
    CHECK(s->mail.security == MAIL_SECURITY_TLS && !s->tls.self_signed);
    ck_assert_str_eq(s->outbound.ca_file, "/etc/ca.pem");
    CHECK(json_object_get(json_object_get(shown, "serve"), "compat") != NULL);
    CHECK(json_object_get(alone, "serve") == NULL);
}
END

TEST(a_service_that_nobody_configured_listens_on_this_machine_only)
{
    AUTO(config) struct config *c = load(HEAD);

    check_texts(&c->serve.listen, "127.0.0.1:8080|");
    CHECK(c->serve.jobs == CONFIG_JOBS && !c->serve.has_tls && !c->serve.has_mail &&
          !c->serve.has_bundle);
}
END

TEST(a_service_that_would_stand_open_is_refused)
{
    CHECK_ROWS(SET "serve: ", {"{listen: [8080]}", "9: listen takes addresses as 127.0.0.1:8080"},
               {"{listen: ['localhost:80']}", "9: listen takes addresses as "},
               {"{listen: ['127.0.0.1:65536']}", "9: listen takes addresses as "},
               {"{listen: ['[::1:80']}", "9: listen takes addresses as "},
               {"{listen: ['::1:80']}", "9: listen takes addresses as "},
               {"{listen: ['0.0.0.0:80']}", "9: 0.0.0.0:80 is reached by others, which needs tls"},
               {"{listen: ['[::]:80']}", "9: [::]:80 is reached by others, which needs tls"},
               {"{tls: {certificate: /c}}", "9: tls takes certificate and key, or self_signed"},
               {"{tls: {self_signed: true, certificate: /c, key: /k}}", "9: tls takes "},
               {"{tls: {self_signed: false}}", "9: tls takes "},
               {"{jobs: 0}", "9: jobs is at least 1"},
               {"{mail: {host: h}}", "9: mail needs the key \"from\""},
               {"{mail: {host: h, from: f, port: 70000}}", "9: port is above 65535"},
               {"{mail: {host: h, from: f, user: u, security: none}}", "9: without TLS "},
               {"{compat: {bundle: {set: nothing}}}", "9: bundle: "},
               {"{compat: {bundle: {set: shop, listen: ['0.0.0.0:1'], without_token: true}}}",
                "9: 0.0.0.0:1 is reached by others, which without_token does not allow"},
               {"{compat: {gateway: on}}", "9: unknown key \"gateway\""});
}
END

TEST(a_set_belongs_to_the_hosts_that_it_names_or_to_all)
{
    AUTO(config) struct config *some = load(SET "    hosts: [db1, db2]\n");
    AUTO(config) struct config *all = load(SET);

    CHECK(config_set_is_here(&some->sets[0], "db2") && !config_set_is_here(&some->sets[0], "db"));
    CHECK(config_set_is_here(&all->sets[0], "db"));
    check_refused(SET "    hosts: db1\n", "9: ");
}
END

TESTS("config", a_set_belongs_to_the_hosts_that_it_names_or_to_all,
      a_repository_has_a_place_and_one_way_to_its_secret,
      a_repository_may_have_options_of_its_store,
      an_option_that_no_store_has_is_refused_with_its_line,
      a_file_tree_becomes_options_of_the_source,
      patterns_of_a_file_tree_come_from_the_set_and_from_files,
      a_postgres_source_is_called_as_its_database_unless_it_has_a_name,
      a_command_has_limits_and_its_words_stay_as_they_are_written,
      a_set_has_rules_times_notices_and_checks,
      a_set_without_more_keeps_everything_and_fails_with_its_sources,
      a_set_may_require_fewer_repositories_than_it_has_and_each_may_have_its_own_rules,
      a_file_that_is_no_mapping_of_known_keys_is_refused,
      a_repository_that_lacks_something_is_refused,
      a_set_with_a_key_that_is_wrong_or_missing_is_refused,
      a_rule_time_notice_or_check_of_a_set_that_makes_no_sense_is_refused,
      a_schedule_may_say_its_zone_how_late_it_may_begin_and_what_becomes_of_missed_runs,
      a_schedule_or_limit_that_makes_no_sense_is_refused_with_its_line,
      a_schedule_is_five_fields_within_their_ranges_or_a_name,
      sources_of_different_kinds_may_have_the_same_name,
      a_source_of_bundles_has_defaults_and_its_spool_below_the_state,
      a_source_of_bundles_takes_its_keys, a_source_of_no_kind_or_of_two_is_refused,
      a_file_tree_or_database_that_contradicts_itself_is_refused,
      no_sentence_repeats_a_password_that_stands_where_it_should_not,
      a_file_that_others_may_change_or_that_is_none_is_refused,
      a_set_is_found_by_its_name_or_the_nearest_is_offered,
      what_is_shown_is_a_configuration_that_shows_the_same,
      addresses_of_notices_are_shown_without_what_may_be_a_token,
      one_set_is_shown_with_its_repositories_only,
      long_lists_are_refused_and_many_of_the_longest_take_no_time,
      a_service_has_addresses_names_and_ways_to_tell,
      a_service_that_nobody_configured_listens_on_this_machine_only,
      a_service_that_would_stand_open_is_refused)
