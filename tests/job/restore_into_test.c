#include <sqlite3.h>
#include <string.h>

#include "base/mem.h"
#include "job/world.h"

static void sql(const char *path, const char *text)
{
    sqlite3 *db = NULL;

    CHECK(sqlite3_open(path, &db) == SQLITE_OK);
    CHECK(sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_close(db);
}

static int count_rows(const char *path)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    int count;

    CHECK(sqlite3_open(path, &db) == SQLITE_OK);
    CHECK(sqlite3_prepare_v2(db, "select count(*) from t", -1, &s, NULL) == SQLITE_OK);
    CHECK(sqlite3_step(s) == SQLITE_ROW);
    count = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return count;
}

/* A database of two rows, backed up as the set "shop". */
static struct snapshot *back_up_database(struct world *w)
{
    AUTO(member) struct member *m = NULL;
    AUTO(buf) struct buf path = {0};
    struct snapshot *s = NULL;

    buf_printf(&path, "%s/app.db", w->dir.path);
    sql(buf_string(&path), "create table t (a); insert into t values (1), (2)");
    CHECK_OK(sqlite_member_new(
        &(struct sqlite_options){.name = "app.db", .path = buf_string(&path)}, &m, e));

    const struct set set = {.name = "shop", .members = &m, .member_count = 1};
    struct backup_options o = options_of(w);

    o.set = &set;
    CHECK_OK(run(w, &o, e));
    CHECK_OK(snapshot_load(w->repo, &w->result.snapshot, &s, e));
    return s;
}

static bool restore_into(struct world *w, const struct restore_into_options *o, struct err *e)
{
    AUTO(restore_into_result) struct restore_into_result r = {0};

    return restore_into_run(w->repo, o, &r, e);
}

TEST(a_sqlite_database_comes_back_over_a_later_one)
{
    AUTO(world) struct world w;
    AUTO(buf) struct buf path = {0};

    world_init(&w);
    AUTO(snapshot) struct snapshot *s = back_up_database(&w);

    buf_printf(&path, "%s/app.db", w.dir.path);
    sql(buf_string(&path), "delete from t; insert into t values (3), (4), (5)");
    CHECK_OK(restore_into(&w,
                          &(struct restore_into_options){
                              .snapshot = s, .place = "sqlite/app.db", .into = buf_string(&path)},
                          e));
    ck_assert_int_eq(count_rows(buf_string(&path)), 2);
}
END

TEST(a_damaged_backup_leaves_the_database_that_is_there)
{
    AUTO(world) struct world w;
    AUTO(buf) struct buf path = {0};

    world_init(&w);
    AUTO(snapshot) struct snapshot *s = back_up_database(&w);

    buf_printf(&path, "%s/app.db", w.dir.path);
    sql(buf_string(&path), "insert into t values (3)");
    const size_t packs = object_count(w.store, "packs/");

    for (size_t i = 0; i < packs; i++) {
        char key[128];

        object_name(w.store, "packs/", i, key);
        object_damage(w.store, key, 135);
    }
    CHECK_ERR(restore_into(&w,
                           &(struct restore_into_options){
                               .snapshot = s, .place = "sqlite/app.db", .into = buf_string(&path)},
                           e),
              ERR_CORRUPT);
    ck_assert_int_eq(count_rows(buf_string(&path)), 3);
}
END

TEST(what_is_no_database_or_takes_other_options_is_refused)
{
    AUTO(world) struct world w;
    const struct restore_server server = {.dsn = "dbname=postgres"};
    const char *const places[] = {"sqlite/app.db.manifest.json", "sqlite",   "files/a", "",
                                  "postgres/shop/data",          "command/x"};

    world_init(&w);
    AUTO(snapshot) struct snapshot *s = back_up_database(&w);
    struct restore_into_options o = {.snapshot = s, .into = "/tmp/none"};

    for (size_t i = 0; i < 6; i++) {
        o.place = places[i];
        CHECK_ERR(restore_into(&w, &o, e), ERR_USAGE);
    }
    o.place = "postgres/shop"; /* no server */
    CHECK_ERR(restore_into(&w, &o, e), ERR_USAGE);
    o.place = "sqlite/app.db";
    o.server = &server;
    CHECK_ERR(restore_into(&w, &o, e), ERR_USAGE);
    o.server = NULL;
    o.place = "sqlite/missing.db";
    CHECK_ERR(restore_into(&w, &o, e), ERR_NOT_FOUND);
}
END

TESTS("restore_into", a_sqlite_database_comes_back_over_a_later_one,
      a_damaged_backup_leaves_the_database_that_is_there,
      what_is_no_database_or_takes_other_options_is_refused)
