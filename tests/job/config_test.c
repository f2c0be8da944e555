/* What a configuration says, found, and shown again. */
#include <unistd.h>

#include "base/mem.h"
#include "codec/json.h"
#include "config_world.h"

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
            "        exclude_table_data: [a.e], globals: false, jobs: 3,\n"
            "        reuse_unchanged_tables: 1m7d}\n");
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
    CHECK(duration_is_zero(&s[1].postgres.reuse_unchanged_tables));
    CHECK(s[2].postgres.reuse_unchanged_tables.months == 1);
    CHECK(s[2].postgres.reuse_unchanged_tables.days == 7);
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
                 "    compression: max\n"
                 "    schedule: '*/15 2-4,6 * jan-mar mon'\n"
                 "    drill: after_backup\n"
                 "    check: {cron: 0 4 * * 0, read_data: 2.5%}\n"
                 "    notify: {on_success: [], on_failure: ['mailto:o@example.org', "
                 "'https://h/x']}\n"
                 "    health_checks: [[curl, -f, http://localhost/], [true]]\n"
                 "    restore: {stop: [[systemctl, stop, a], [wg-quick, down, wg0]], "
                 "start: [[systemctl, start, a]], timeout: 2m}\n"
                 "catalog: postgresql://h/catalog\n");
    const struct config_set *s = &c->sets[0];

    CHECK(s->retention.last == 3 && s->retention.daily == -1 && s->retention.weekly == 0);
    CHECK(s->retention.within.days == 2 && s->retention.within_yearly.months == 6);
    CHECK(s->on_error == ON_ERROR_INCOMPLETE && s->level == LEVEL_MAX);
    ck_assert_str_eq(s->schedule.cron, "*/15 2-4,6 * jan-mar mon");
    CHECK(s->limits.min_keep == 1 && s->limits.max_percent == 20 && s->limits.only == ONLY_AUTO);
    CHECK(s->schedule.jitter_ms == 0 && s->schedule.run_missed == MISSED_ONCE);
    ck_assert_str_eq(s->schedule.timezone, "local");
    ck_assert_str_eq(s->drill, "after_backup");
    ck_assert_str_eq(s->check.cron, "0 4 * * 0");
    ck_assert_str_eq(s->check.subset, "2.5%");
    CHECK(!s->check.reads_all);
    check_texts(&s->notify.on_success, "");
    check_texts(&s->notify.on_failure, "mailto:o@example.org|https://h/x|");
    CHECK(s->health_checks.count == 2);
    check_texts(&s->health_checks.items[0], "curl|-f|http://localhost/|");
    check_texts(&s->health_checks.items[1], "true|");
    CHECK(s->restore.stop.count == 2 && s->restore.start.count == 1);
    check_texts(&s->restore.stop.items[1], "wg-quick|down|wg0|");
    CHECK(s->restore.timeout_ms == 120000);
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
    CHECK(s->schedule.cron == NULL && s->drill == NULL && s->health_checks.count == 0);
    CHECK(s->restore.stop.count == 0 && s->restore.timeout_ms == 0);
    CHECK(s->check.cron == NULL && s->compression == NULL && s->level == LEVEL_AUTO);
    CHECK(s->required_repositories == 1 && retention_is_empty(&s->repositories[0]->retention));
}
END

TEST(a_check_is_shown_as_it_was_written)
{
    static const struct {
        const char *written, *shown;
    } rows[] = {
        {"'@weekly'", "\"check\": \"@weekly\""},
        {"{cron: '@weekly', read_data: false}", "\"check\": \"@weekly\""},
        {"{cron: '@weekly', read_data: true}",
         "\"check\": {\"cron\": \"@weekly\", \"read_data\": true}"},
        {"{cron: '@weekly', read_data: 5G}",
         "\"check\": {\"cron\": \"@weekly\", \"read_data\": \"5G\"}"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(buf) struct buf text = {0};

        buf_printf(&text, SET "    check: %s\n", rows[i].written);

        AUTO(config) struct config *c = load(buf_string(&text));
        AUTO(json) json_t *shown = config_json(c, NULL);
        char *dumped = json_dumps(shown, 0);

        CHECK(c->sets[0].check.reads_all == (i == 2));
        CHECK(strstr(dumped, rows[i].shown) != NULL);
        free(dumped);
    }
}
END

static void note_value(void *arg, const char *path, const json_t *value, size_t line)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY);

    buf_printf(arg, "%zu %s %s\n", line, path, text);
    free(text);
}

TEST(each_value_is_told_with_its_line_or_as_a_default)
{
    static const char *const wanted[] = {
        "0 /state \"/var/lib/holdfast\"",
        "2 /repositories/main/url \"/srv/a~b\"",
        "3 /repositories/main/key_file \"/k\"",
        "5 /repositories/main/options/s3.region \"eu\"",
        "9 /sets/shop/sources/0/files/paths/0 \"/srv\"",
        "10 /sets/shop/sources/0/files/paths/1 \"/etc\"",
        "0 /sets/shop/sources/0/files/one_file_system false",
        "11 /sets/shop/sources/1/sqlite/path \"/a.db\"",
        "0 /sets/shop/sources/1/sqlite/name \"a.db\"",
        "12 /sets/shop/repositories/0 \"main\"",
        "13 /sets/shop/schedule \"0 2 * * *\"",
        "14 /sets/shop/retention/daily 7",
        "0 /sets/shop/retention/max_percent 20",
        "15 /sets/shop/check/read_data true",
        "16 /sets/shop/notify/on_failure/0 \"https://h.example.org/...\"",
        "18 /sets/shop/health_checks/0/1 \"b\"",
        "0 /sets/shop/on_error \"fail\"",
    };
    AUTO(config)
    struct config *c =
        load("repositories:\n  main: {url: /srv/a~b,\n    key_file: /k,\n"
             "    options: {\n      s3.region: eu}}\n"
             "sets:\n  shop:\n    sources:\n"
             "    - files: {paths: [/srv,\n       /etc]}\n    - sqlite: {path: /a.db}\n"
             "    repositories: [main]\n    schedule: 0 2 * * *\n"
             "    retention: {daily: 7}\n    check: {cron: '@daily', read_data: true}\n"
             "    notify: {on_failure: ['https://h.example.org/secret']}\n"
             "    health_checks:\n    - [a, b]\n"
             "  other: {sources: [{sqlite: {path: /b}}], repositories: [main]}\n");
    AUTO(buf) struct buf all = {0};
    AUTO(buf) struct buf one = {0};

    config_origins(c, NULL, note_value, &all);
    config_origins(c, &c->sets[0], note_value, &one);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        AUTO(buf) struct buf line = {0};

        buf_printf(&line, "%s\n", wanted[i]);
        if (strstr(buf_string(&all), buf_string(&line)) == NULL)
            ck_abort_msg("%s is not in:\n%s", wanted[i], buf_string(&all));
        CHECK(strstr(buf_string(&one), buf_string(&line)) != NULL);
    }
    CHECK(strstr(buf_string(&all), "\n19 /sets/other/sources/0/sqlite/path ") != NULL);
    CHECK(strstr(buf_string(&one), "/sets/other") == NULL);
    CHECK(strstr(buf_string(&all), "secret") == NULL);
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

/* "backups uploads" that something looks at, in the first repository and in the second. */
static void check_looks(const char *more, const char *first, const char *second)
{
    AUTO(buf) struct buf text = {0};

    buf_printf(&text,
               HEAD "sets:\n  shop:\n    repositories: [main, away]\n    retention: {last: 1}\n%s",
               more);

    AUTO(config) struct config *c = load(buf_string(&text));
    const struct config_set *set = &c->sets[0];
    const char *const wanted[] = {first, second};

    for (size_t i = 0; i < 2; i++) {
        const struct retention_looks l = config_set_looks(set, set->repositories[i]);
        const char *places = config_set_places(set, set->repositories[i]);
        char got[] = {l.at_backups ? 'b' : '-', l.at_uploads ? 'u' : '-', '\0'};

        ck_assert_msg(strcmp(got, wanted[i]) == 0, "%s: %zu: %s", more, i, got);
        CHECK((strstr(places, "nothing proves") != NULL) == (strcmp(got, "--") == 0));
    }
}

TEST(what_looks_at_snapshots_is_a_check_of_all_data_or_a_drill_that_can_prove)
{
    const char *const files = "    sources: [files: {paths: [/a]}]\n";
    const struct {
        const char *more, *first, *second;
    } rows[] = {
        {"", "--", "--"},
        {"    check: 0 4 * * 0\n", "--", "--"},
        {"    check: {cron: 0 4 * * 0, read_data: 10%}\n", "--", "--"},
        {"    check: {cron: 0 4 * * 0, read_data: true}\n", "bu", "bu"},
        {"    drill: after_backup\n", "b-", "--"},
        {"    drill: 0 5 * * 0\n    check: {cron: 0 4 * * 0, read_data: true}\n", "bu", "bu"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(buf) struct buf more = {0};

        buf_printf(&more, "%s%s", files, rows[i].more);
        check_looks(buf_string(&more), rows[i].first, rows[i].second);
    }
    check_looks("    drill: after_backup\n    sources: [command: {name: c, argv: [/c]}]\n", "--",
                "--");
    check_looks(
        "    drill: after_backup\n    sources: [command: {name: c, argv: [/c], check: [/t]}]\n",
        "b-", "--");
}
END

TEST(what_fills_places_is_told_only_where_there_are_rules_that_do_not_say_it)
{
    AUTO(config)
    struct config *c = load(SET "    drill: after_backup\n"
                                "    retention: {last: 1, only: any}\n"
                                "  bare:\n"
                                "    repositories: [main]\n"
                                "    sources: [files: {paths: [/a]}]\n");

    for (size_t i = 0; i < 2; i++)
        CHECK(config_set_places(&c->sets[i], c->sets[i].repositories[0]) == NULL);
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
        "    compression: 12\n    schedule: '@daily'\n    notify: {on_failure: ['mailto:a@b']}\n"
        "    health_checks: [[a, 'b c']]\n    restore: {start: [[a, b], [c]]}\n");
    json_t *shown = config_json(c, NULL);
    char *text = json_dumps(shown, 0);
    AUTO(config) struct config *again = load(text);
    json_t *same = config_json(again, NULL);

    CHECK(json_equal(shown, same));
    CHECK(again->sets[0].source_count == 4 && again->sets[0].retention.within.months == 2);
    CHECK(again->sets[0].level == 12);
    CHECK(again->sets[0].sources[3].command.timeout_ms == 90000);
    CHECK(strstr(text, "\"timeout\": \"90s\"") != NULL);
    CHECK(strstr(text, "\"restore\": {\"start\": [[\"a\", \"b\"], [\"c\"]], "
                       "\"timeout\": \"60s\"}") != NULL);
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
                 "  job_limits: {time: 12h, memory: 4G, must_confine: true}\n"
                 "  templates: /etc/holdfast/templates\n"
                 "  console: false\n"
                 "  mail: {host: mail.example.org, from: h@example.org, security: tls, user: h, "
                 "password_file: /etc/mail}\n"
                 "  outbound: {allowed: ['hooks.internal:443'], ca_file: /etc/ca.pem}\n"
                 "  compat: {bundle: {set: shop, without_token: true}, cfms: {database: /a/app.db, "
                 "content_dir: /a/content, output_dir: /b, key_dir: /k}}\n");
    const struct config_serve *s = &c->serve;
    AUTO(json) json_t *shown = config_json(c, NULL);
    AUTO(json) json_t *alone = config_json(c, &c->sets[0]);

    check_texts(&s->listen, "127.0.0.1:8080|[2001:db8::1]:443|");
    check_texts(&s->hosts, "backup.example.org|");
    check_texts(&s->bundle.listen, "127.0.0.1:8787|[::1]:8787|");
    CHECK(!s->has_console);
    check_texts(&s->cfms.listen, "127.0.0.1:5104|[::1]:5104|");
    CHECK(s->has_tls && s->has_mail && s->has_bundle && s->jobs == 4 && s->bundle.without_token);
    CHECK(s->job_limits.time_ms == INT64_C(12) * 3600000 && s->job_limits.stall_ms == 3600000);
    CHECK(s->job_limits.memory == UINT64_C(4) << 30 && s->job_limits.cpu_ms == 0);
    CHECK(s->job_limits.must_confine);
    ck_assert_str_eq(s->templates, "/etc/holdfast/templates");
    CHECK(s->has_cfms && s->cfms.dsn == NULL);
    ck_assert_str_eq(s->cfms.database, "/a/app.db");
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
    CHECK(c->serve.upload_max == CONFIG_UPLOAD_MAX);
    CHECK(c->serve.job_limits.time_ms == INT64_C(7) * 24 * 3600000);
    CHECK(c->serve.job_limits.stall_ms == 3600000 && !c->serve.job_limits.must_confine);
    CHECK(c->serve.jobs == CONFIG_JOBS && !c->serve.has_tls && !c->serve.has_mail &&
          !c->serve.has_bundle && !c->serve.has_cfms && c->serve.has_console);
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
      a_repository_may_have_options_of_its_store, a_file_tree_becomes_options_of_the_source,
      patterns_of_a_file_tree_come_from_the_set_and_from_files,
      a_postgres_source_is_called_as_its_database_unless_it_has_a_name,
      a_command_has_limits_and_its_words_stay_as_they_are_written,
      a_set_has_rules_times_notices_and_checks,
      a_set_without_more_keeps_everything_and_fails_with_its_sources,
      a_check_is_shown_as_it_was_written, each_value_is_told_with_its_line_or_as_a_default,
      a_set_may_require_fewer_repositories_than_it_has_and_each_may_have_its_own_rules,
      a_schedule_may_say_its_zone_how_late_it_may_begin_and_what_becomes_of_missed_runs,
      a_schedule_is_five_fields_within_their_ranges_or_a_name,
      sources_of_different_kinds_may_have_the_same_name,
      a_source_of_bundles_has_defaults_and_its_spool_below_the_state,
      a_source_of_bundles_takes_its_keys, a_set_is_found_by_its_name_or_the_nearest_is_offered,
      what_is_shown_is_a_configuration_that_shows_the_same,
      addresses_of_notices_are_shown_without_what_may_be_a_token,
      what_looks_at_snapshots_is_a_check_of_all_data_or_a_drill_that_can_prove,
      what_fills_places_is_told_only_where_there_are_rules_that_do_not_say_it,
      one_set_is_shown_with_its_repositories_only, a_service_has_addresses_names_and_ways_to_tell,
      a_service_that_nobody_configured_listens_on_this_machine_only)
