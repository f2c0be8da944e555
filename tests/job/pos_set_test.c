#include "support/test.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "codec/json.h"
#include "job/job.h"
#include "support/fixture.h"

static const char *const folders[] = {"/srv/uploads", "/srv/reports", "/srv/uploads/exports"};

static const struct pos_surroundings surroundings = {
    .dsn = "host='db' dbname='shop'",
    .password_file = "/etc/holdfast/db",
    .key_file = "/etc/holdfast/key",
    .folders = folders,
    .folder_count = 3,
};

static struct pos_config *parse(const char *text)
{
    struct pos_config *c = NULL;

    CHECK_OK(pos_config_parse(slice_string(text), POS_SAVE, &c, e));
    return c;
}

static struct pos_config *example(const char *name)
{
    AUTO(buf) struct buf path = {0};
    AUTO(buf) struct buf text = {0};

    buf_printf(&path, "%s/deploy/configs/%s", SOURCE_ROOT, name);
    CHECK_OK(file_read(buf_string(&path), POS_CONFIG_MAX, &text, e));
    return parse(buf_string(&text));
}

/* What the configuration loader makes of a document. */
static struct config *load(const json_t *document)
{
    AUTO(buf) struct buf text = {0};
    struct config *c = NULL;

    json_append(document, &text);
    CHECK_OK(config_read("sets", buf_slice(&text), &c, e));
    return c;
}

static struct config *load_one(const struct pos_config *pos)
{
    AUTO(json) json_t *document = NULL;

    CHECK_OK(pos_set_add(pos, &surroundings, &document, e));
    return load(document);
}

TEST(daily_example_becomes_a_set_with_one_database)
{
    AUTO(pos_config) struct pos_config *pos = example("backup-daily-db.json");
    AUTO(config) struct config *c = load_one(pos);
    const struct config_set *s = &c->sets[0];

    CHECK(c->set_count == 1 && c->repository_count == 1 && s->source_count == 1);
    ck_assert_str_eq(s->name, "daily-db-backup");
    CHECK(s->sources[0].kind == SOURCE_POSTGRES);
    ck_assert_str_eq(s->sources[0].name, "shop");
    ck_assert_str_eq(s->sources[0].postgres.secret.password_file, "/etc/holdfast/db");
    ck_assert_str_eq(c->repositories[0].url,
                     "s3:https://s3.us-east-1.amazonaws.com/vevurn-backups/database");
    ck_assert_str_eq(c->repositories[0].options.items[0], "s3.region=us-east-1");
    ck_assert_str_eq(s->schedule.cron, "0 2 * * *");
    ck_assert_str_eq(s->schedule.timezone, "local");
    CHECK(s->retention.daily == 7 && s->retention.weekly == 4 && s->retention.monthly == 6);
    ck_assert_str_eq(s->notify.on_success.items[0], "mailto:admin@vevurn.com");
    CHECK(s->notify.on_failure.count == 2);
    ck_assert_str_eq(s->tags.items[0], "type:database");
}
END

TEST(a_configuration_may_name_the_zone_of_its_schedule)
{
#define ZONED(zone, rest)                                                                 \
    "{\"id\":\"a\",\"name\":\"a\",\"type\":\"files\",\"schedule\":\"0 2 * * *\"," zone    \
    "\"retention\":{\"daily\":1,\"weekly\":0,\"monthly\":0},\"destinations\":[{\"type\":" \
    "\"local\","                                                                          \
    "\"config\":{\"path\":\"/backup\"}}]" rest "}"
    AUTO(pos_config)
    struct pos_config *pos = parse(ZONED("\"timezone\":\"Asia/Kathmandu\",", ",\"enabled\":true"));
    AUTO(config) struct config *c = load_one(pos);
    const char *text = NULL;
    static const char *const bad[] = {"\"\"", "\"Nowhere/Else\"", "\"../../etc/passwd\"", "7"};

    ck_assert_str_eq(c->sets[0].schedule.timezone, "Asia/Kathmandu");
    ck_assert_str_eq(c->sets[0].schedule.cron, "0 2 * * *");
    CHECK_OK(pos_set_export(&c->sets[0], &text, e));
    ck_assert_str_eq(text, pos->text);
    memcpy(c->sets[0].schedule.timezone, "UTC", sizeof("UTC"));
    CHECK_ERR(pos_set_export(&c->sets[0], &text, e), ERR_USAGE);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        AUTO(buf) struct buf wrong = {0};
        struct pos_config *none = NULL;
        struct err why;

        buf_printf(&wrong, ZONED("\"timezone\":%s,", ""), bad[i]);
        CHECK(!pos_config_parse(buf_slice(&wrong), POS_SAVE, &none, &why));
        ck_assert_int_eq(why.code, ERR_USAGE);
        CHECK(strncmp(why.text, "timezone: ", 10) == 0);
    }
}
END

TEST(weekly_example_becomes_a_set_with_all_and_two_repositories)
{
    AUTO(pos_config) struct pos_config *pos = example("backup-weekly-full.json");
    AUTO(config) struct config *c = load_one(pos);
    const struct config_set *s = &c->sets[0];

    CHECK(s->source_count == 2 && s->repository_count == 2 && s->required_repositories == 2);
    CHECK(s->sources[1].kind == SOURCE_FILES);
    /* The third lies in the first. */
    CHECK(s->sources[1].files.paths.count == 2);
    ck_assert_str_eq(s->sources[1].files.paths.items[1], "/srv/reports");
    ck_assert_str_eq(c->repositories[1].url, "/backup/local/weekly");
    CHECK(strncmp(c->repositories[1].name, "local-", 6) == 0);
}
END

TEST(files_example_needs_no_database)
{
    AUTO(pos_config) struct pos_config *pos = example("backup-files.json");
    AUTO(json) json_t *document = NULL;
    struct pos_surroundings without = surroundings;

    without.dsn = NULL;
    CHECK_OK(pos_set_add(pos, &without, &document, e));

    AUTO(config) struct config *c = load(document);

    CHECK(c->sets[0].source_count == 1 && c->sets[0].sources[0].kind == SOURCE_FILES);
    CHECK(c->sets[0].notify.on_success.count == 0);
}
END

TEST(configurations_at_the_same_place_share_a_repository)
{
    AUTO(pos_config) struct pos_config *a = example("backup-daily-db.json");
    AUTO(pos_config) struct pos_config *b = example("backup-weekly-full.json");
    AUTO(pos_config)
    struct pos_config *same =
        parse("{\"id\": \"x\", \"name\": \"x\", \"type\": \"differential\", \"schedule\": "
              "\"@daily\", \"retention\": {\"daily\": 0, \"weekly\": 0, \"monthly\": 1}, "
              "\"destinations\": [{\"type\": \"local\", \"config\": {\"path\": "
              "\"/backup/local/weekly\"}}]}");
    AUTO(json) json_t *document = NULL;

    CHECK_OK(pos_set_add(a, &surroundings, &document, e));
    CHECK_OK(pos_set_add(b, &surroundings, &document, e));
    CHECK_OK(pos_set_add(same, &surroundings, &document, e));
    CHECK_ERR(pos_set_add(same, &surroundings, &document, e), ERR_USAGE);

    AUTO(config) struct config *c = load(document);

    CHECK(c->set_count == 3 && c->repository_count == 3);
    CHECK(c->sets[2].repositories[0] == c->sets[1].repositories[1]);
    CHECK(c->sets[2].source_count == 2 && c->sets[2].schedule.cron == NULL);
    ck_assert_str_eq(c->sets[2].tags.items[0], "type:differential");
    CHECK(c->sets[2].retention.daily == 0 && c->sets[2].retention.monthly == 1);
}
END

TEST(configuration_comes_back_from_its_set_unchanged)
{
    static const char *const names[] = {"backup-daily-db.json", "backup-weekly-full.json",
                                        "backup-files.json"};

    for (size_t i = 0; i < 3; i++) {
        AUTO(pos_config) struct pos_config *pos = example(names[i]);
        AUTO(config) struct config *c = load_one(pos);
        AUTO(json) json_t *shown = config_json(c, NULL);
        AUTO(config) struct config *again = load(shown);
        const char *text = NULL;

        CHECK_OK(pos_set_export(&again->sets[0], &text, e));
        ck_assert_str_eq(text, pos->text);
    }
}
END

/* The first set of the daily example with one member replaced. */
static struct config *load_changed(const char *key, json_t *value)
{
    AUTO(pos_config) struct pos_config *pos = example("backup-daily-db.json");
    AUTO(json) json_t *document = NULL;

    CHECK_OK(pos_set_add(pos, &surroundings, &document, e));
    CHECK(json_object_set_new(json_object_get(json_object_get(document, "sets"), pos->id), key,
                              value) == 0);
    return load(document);
}

TEST(configuration_of_a_set_that_was_changed_is_not_handed_out)
{
    const char *text = NULL;
    AUTO(config) struct config *schedule = load_changed("schedule", json_string("@daily"));
    AUTO(config)
    struct config *zone = load_changed(
        "schedule", json_pack("{s:s, s:s}", "cron", "0 2 * * *", "timezone", "Europe/Berlin"));
    AUTO(config)
    struct config *retention = load_changed("retention", json_pack("{s:i}", "daily", 8));
    AUTO(config) struct config *tags = load_changed("tags", json_array());
    AUTO(config) struct config *notify = load_changed("notify", json_object());

    CHECK_ERR(pos_set_export(&schedule->sets[0], &text, e), ERR_USAGE);
    CHECK_ERR(pos_set_export(&zone->sets[0], &text, e), ERR_USAGE);
    CHECK_ERR(pos_set_export(&retention->sets[0], &text, e), ERR_USAGE);
    CHECK_ERR(pos_set_export(&tags->sets[0], &text, e), ERR_USAGE);
    CHECK_ERR(pos_set_export(&notify->sets[0], &text, e), ERR_USAGE);
    schedule->sets[0].backup_config = NULL;
    CHECK_ERR(pos_set_export(&schedule->sets[0], &text, e), ERR_NOT_FOUND);
}
END

TEST(what_is_lacking_is_said_and_nothing_is_added)
{
    AUTO(pos_config) struct pos_config *pos = example("backup-weekly-full.json");
    static const char *const elsewhere[] = {"/backup/local/week", "/srv"};
    static const char *const here[] = {"/backup//local/."};
    json_t *document = NULL;
    struct pos_surroundings s = surroundings;
    struct err why = {0};

    s.dsn = NULL;
    CHECK(!pos_set_add(pos, &s, &document, &why));
    ck_assert_str_eq(why.text, "type: DATABASE_URL not configured");
    s = surroundings;
    s.folder_count = 0;
    CHECK_ERR(pos_set_add(pos, &s, &document, e), ERR_USAGE);
    s = surroundings;
    s.key_file = NULL;
    CHECK_ERR(pos_set_add(pos, &s, &document, e), ERR_USAGE);
    s = surroundings;
    s.roots = elsewhere;
    s.root_count = 2;
    CHECK(!pos_set_add(pos, &s, &document, &why));
    CHECK(strncmp(why.text, "destinations[1].config.path: lies outside", 41) == 0);
    s.dsn = "host='\xff'";
    s.root_count = 0;
    CHECK_ERR(pos_set_add(pos, &s, &document, e), ERR_USAGE);
    ck_assert_ptr_null(document);
    s = surroundings;
    s.roots = here;
    s.root_count = 1;
    CHECK_OK(pos_set_add(pos, &s, &document, e));
    json_decref(document);
}
END

/* A configuration of its own sources, without brackets. */
static struct pos_config *with_sources(const char *sources)
{
    AUTO(buf) struct buf text = {0};

    buf_printf(&text,
               "{\"id\": \"own\", \"name\": \"Own\", \"type\": \"full\", \"schedule\": \"@daily\", "
               "\"retention\": {\"daily\": 1, \"weekly\": 0, \"monthly\": 0}, \"destinations\": "
               "[{\"type\": \"local\", \"config\": {\"path\": \"/backup\"}}], \"sources\": [%s]}",
               sources);
    return parse(buf_string(&text));
}

#define SERVER(rest) "{\"type\": \"postgres\", \"config\": {\"server\": " rest "}}"
#define SQLITE(path) "{\"type\": \"sqlite\", \"config\": {\"path\": \"" path "\"}}"
#define FILES(path)  "{\"type\": \"files\", \"config\": {\"paths\": [\"/srv/a\", \"" path "\"]}}"

static char main_name[] = "main", main_dsn[] = "host=db user=holdfast";
static char fixed_name[] = "fixed", fixed_dsn[] = "postgresql://db/shop", fixed_database[] = "shop";
static char password_file[] = "/etc/holdfast/db";

static struct pos_surroundings opened(void)
{
    static const char *const roots[] = {"/srv", "/home/app"};
    static const struct config_server servers[] = {
        {.name = main_name, .dsn = main_dsn, .secret.password_file = password_file},
        {.name = fixed_name, .dsn = fixed_dsn, .database = fixed_database},
    };

    return (struct pos_surroundings){.key_file = "/etc/holdfast/key",
                                     .source_roots = roots,
                                     .source_root_count = 2,
                                     .servers = servers,
                                     .server_count = 2};
}

TEST(own_sources_become_sources_of_the_set)
{
    AUTO(pos_config)
    struct pos_config *pos = with_sources(SERVER("\"main\", \"database\": \"shop$1\"") ", " SERVER(
        "\"fixed\"") ", " SQLITE("/home/app/app.db") ", {\"type\": \"files\", \"name\": \"tree\", "
                                                     "\"config\": {\"paths\": [\"/srv/up\"], "
                                                     "\"exclude\": [\"*.tmp\"]}}");
    const struct pos_surroundings s = opened();
    AUTO(json) json_t *document = NULL;

    CHECK_OK(pos_set_add(pos, &s, &document, e));

    AUTO(config) struct config *c = load(document);
    const struct config_source *sources = c->sets[0].sources;

    CHECK(c->sets[0].source_count == 4);
    ck_assert_str_eq(sources[0].postgres.dsn, "host=db user=holdfast dbname='shop$1'");
    ck_assert_str_eq(sources[0].name, "shop$1");
    ck_assert_str_eq(sources[0].postgres.secret.password_file, "/etc/holdfast/db");
    ck_assert_str_eq(sources[1].postgres.dsn, "postgresql://db/shop");
    ck_assert_str_eq(sources[2].sqlite.path, "/home/app/app.db");
    ck_assert_str_eq(sources[3].name, "tree");
    ck_assert_str_eq(sources[3].files.exclude.items[0], "*.tmp");
}
END

TEST(own_sources_reach_only_what_the_host_has_opened)
{
    static const struct {
        const char *sources, *wanted;
    } rows[] = {
        {SERVER("\"other\""), "sources[0].config.server: this host knows no server \"other\""},
        {SERVER("\"main\""), "sources[0].config.database: is required"},
        {SERVER("\"fixed\", \"database\": \"postgres\""),
         "sources[0].config.database: the server fixed is allowed with another one only"},
        {SQLITE("/etc/app.db"), "sources[0].config.path: lies outside"},
        {SQLITE("/srvx/app.db"), "sources[0].config.path: lies outside"},
        {FILES("/"), "sources[0].config.paths[1]: lies outside"},
        {FILES("/home//./apps"), "sources[0].config.paths[1]: lies outside"},
    };
    const struct pos_surroundings closed = {.key_file = "/etc/holdfast/key"};
    const struct pos_surroundings s = opened();
    json_t *document = NULL;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(pos_config) struct pos_config *pos = with_sources(rows[i].sources);
        struct err why = {0};

        ck_assert_msg(!pos_set_add(pos, &s, &document, &why), "accepted %s", rows[i].sources);
        ck_assert_msg(strncmp(why.text, rows[i].wanted, strlen(rows[i].wanted)) == 0, "%s",
                      why.text);
        CHECK(why.code == ERR_USAGE);
        CHECK_ERR(pos_set_add(pos, &closed, &document, e), ERR_USAGE);
        ck_assert_ptr_null(document);
    }
}
END

/* A host whose folder has srv, state and key, and srv/out leads out of srv. */
static struct config *host_at(const char *folder, const char *roots)
{
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf link = {0};
    struct config *c = NULL;

    buf_printf(&text, "%s/srv", folder);
    CHECK_OK(dir_make_all(buf_string(&text), 0700, e));
    buf_printf(&link, "%s/srv/out", folder);
    CHECK(symlink("/etc", buf_string(&link)) == 0 || access(buf_string(&link), F_OK) == 0);
    buf_clear(&text);
    buf_printf(
        &text,
        "{\"state\": \"%s/state\", \"repositories\": {\"r\": {\"url\": \"%s/repo\", "
        "\"key_file\": \"%s/srv/key\"}}, \"sets\": {\"s\": {\"sources\": [{\"sqlite\": "
        "{\"path\": \"/x\"}}], \"repositories\": [\"r\"]}}, \"serve\": {\"compat\": {\"pos\": "
        "{\"key_file\": \"%s/key\", \"source_roots\": [\"%s%s\"]}}}}",
        folder, folder, folder, folder, folder, roots);
    CHECK_OK(config_read("host", buf_slice(&text), &c, e));
    return c;
}

TEST(own_sources_follow_no_link_out_and_hold_nothing_of_the_service)
{
    AUTO(scratch) struct scratch f;
    static const struct {
        const char *roots, *path, *wanted; /* below the folder */
    } rows[] = {
        {"/srv", "/srv/app.db", NULL},
        {"/srv", "/srv/none/of/these", NULL},
        {"/srv", "/srv/out/passwd", "sources[0].config.path: a symbolic link leads out"},
        {"/srv", "/srv/out", "sources[0].config.path: a symbolic link leads out"},
        {"/srv", "/srv/key", "sources[0].config.path: the service's own files"},
        {"/srv", "/srv", "sources[0].config.path: the service's own files"},
        {"/", "/state/catalog.db", "sources[0].config.path: the service's own files"},
        {"/", "/repo/config", "sources[0].config.path: the service's own files"},
        {"/", "", "sources[0].config.path: the service's own files"},
    };

    scratch_init(&f);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(config) struct config *c = host_at(f.path, rows[i].roots);
        AUTO(buf) struct buf source = {0};
        struct err e = {0};

        buf_printf(&source, "{\"type\": \"sqlite\", \"config\": {\"path\": \"%s%s\"}}", f.path,
                   rows[i].path);

        AUTO(pos_config) struct pos_config *pos = with_sources(buf_string(&source));
        const bool ok = pos_sources_check(pos, c, &e);

        ck_assert_msg(ok == (rows[i].wanted == NULL), "%s: %s", rows[i].path,
                      ok ? "taken" : e.text);
        if (!ok)
            ck_assert_msg(strncmp(e.text, rows[i].wanted, strlen(rows[i].wanted)) == 0, "%s",
                          e.text);
    }
}
END

TEST(what_may_be_named_is_told_without_addresses_and_secrets)
{
    AUTO(config) struct config *c = NULL;
    static const char text[] =
        "{\"repositories\": {\"r\": {\"url\": \"/r\", \"key_file\": \"/k\"}}, \"sets\": {\"s\": "
        "{\"sources\": [{\"sqlite\": {\"path\": \"/x\"}}], \"repositories\": [\"r\"]}}, \"serve\": "
        "{\"compat\": {\"pos\": {\"key_file\": \"/k\", \"source_roots\": [\"/srv\"], \"servers\": "
        "{\"main\": {\"dsn\": \"host=hidden\", \"password_file\": \"/hidden\"}, \"two\": {\"dsn\": "
        "\"postgresql://hidden/shop\"}}}}}}";
    AUTO(buf) struct buf told = {0};

    CHECK_OK(config_read("host", slice_string(text), &c, e));

    AUTO(json) json_t *places = pos_sources_places(c);
    AUTO(json) json_t *shown = config_json(c, NULL);
    AUTO(config) struct config *again = load(shown);

    json_append(places, &told);
    ck_assert_str_eq(buf_string(&told),
                     "{\"servers\":[{\"name\":\"main\",\"database\":null},{\"name\":\"two\","
                     "\"database\":\"shop\"}],\"folders\":[\"/srv\"]}");
    CHECK(again->serve.pos.server_count == 2);
    ck_assert_str_eq(again->serve.pos.servers[0].secret.password_file, "/hidden");
}
END

TEST(address_of_a_database_is_taken_apart)
{
    static const struct {
        const char *url, *dsn, *password;
    } rows[] = {
        {"postgresql://user:pass@host:5433/db", "user='user' host='host' port='5433' dbname='db'",
         "pass"},
        {"postgres://host/db", "host='host' port='5432' dbname='db'", NULL},
        {"postgres://u@h/db", "user='u' host='h' port='5432' dbname='db'", NULL},
        {"postgresql://u%40x:p%3a%2F%27@h/my%20db?schema=public&sslmode=require",
         "user='u@x' host='h' port='5432' dbname='my db' sslmode='require'", "p:/'"},
        {"postgresql://u:a:b@c@[::1]:6/d", "user='u' host='::1' port='6' dbname='d'", "a:b@c"},
        {"postgresql://o%27brien:x@%2Frun%2Fpostgresql/d%5C",
         "user='o\\'brien' host='/run/postgresql' port='5432' dbname='d\\\\'", "x"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(pos_database) struct pos_database d = {0};

        CHECK_OK(pos_database_parse(rows[i].url, &d, e));
        ck_assert_str_eq(d.dsn, rows[i].dsn);
        CHECK((d.password == NULL) == (rows[i].password == NULL));
        if (d.password != NULL)
            ck_assert_str_eq(d.password, rows[i].password);
    }
}
END

TEST(address_that_is_none_is_refused_without_being_repeated)
{
    static const char *const bad[] = {
        "",
        "mysql://u:hunter2@h/d",
        "postgresql://",
        "postgresql://u:hunter2@h",
        "postgresql://u:hunter2@h/",
        "postgresql://u:hunter2@/d",
        "postgresql://u:hunter2@h:0/d",
        "postgresql://u:hunter2@h:65536/d",
        "postgresql://u:hunter2@h:/d",
        "postgresql://u:hunter2@h:5x/d",
        "postgresql://u:hunter2%@h/d",
        "postgresql://u:hunter2%0@h/d",
        "postgresql://u:hunter2%00@h/d",
        "postgresql://u:hunter2%ff@h/d",
        "postgresql://u:hunter2@h,i/d",
        "postgresql://u:hunter2@h/d?host=evil",
        "postgresql://u:hunter2@h/d?password=x",
        "postgresql://u:hunter2@h/d#x",
        "postgresql://u:hunter2@[::1/d",
        "postgresql://u:hunter2@[::1]x/d",
        "postgresql://u:hun/ter2@h/d",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        AUTO(pos_database) struct pos_database d = {0};
        struct err e = {0};

        ck_assert_msg(!pos_database_parse(bad[i], &d, &e), "accepted %s", bad[i]);
        CHECK(e.code == ERR_USAGE && strstr(e.text, "hun") == NULL);
        CHECK(d.dsn == NULL && d.password == NULL);
    }
}
END

TESTS("pos_set", daily_example_becomes_a_set_with_one_database,
      a_configuration_may_name_the_zone_of_its_schedule,
      weekly_example_becomes_a_set_with_all_and_two_repositories, files_example_needs_no_database,
      configurations_at_the_same_place_share_a_repository,
      configuration_comes_back_from_its_set_unchanged,
      configuration_of_a_set_that_was_changed_is_not_handed_out,
      what_is_lacking_is_said_and_nothing_is_added, own_sources_become_sources_of_the_set,
      own_sources_reach_only_what_the_host_has_opened,
      own_sources_follow_no_link_out_and_hold_nothing_of_the_service,
      what_may_be_named_is_told_without_addresses_and_secrets, address_of_a_database_is_taken_apart,
      address_that_is_none_is_refused_without_being_repeated)
