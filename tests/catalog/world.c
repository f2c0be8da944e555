#include "catalog/world.h"

#include <poll.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#ifdef CATALOG_ON_POSTGRES
#include "support/postgres_server.h"

static struct postgres_server *server;
#endif

void world_begin(void)
{
#ifdef CATALOG_ON_POSTGRES
    CHECK_OK(postgres_server_start(&server, e));
#endif
}

void world_end(void)
{
#ifdef CATALOG_ON_POSTGRES
    postgres_server_free(server);
#endif
}

#ifdef CATALOG_ON_POSTGRES
/* One database for each world of a process, named by both. */
static void new_database(struct world *w)
{
    static int number;
    char name[64];
    char sql[128];

    (void)snprintf(name, sizeof(name), "c%d_%d", (int)getpid(), ++number);
    (void)snprintf(sql, sizeof(sql), "CREATE DATABASE %s", name);
    postgres_server_sql(server, "postgres", sql);
    (void)snprintf(w->address, sizeof(w->address), "host=%s user=postgres dbname=%s",
                   postgres_server_host(server), name);
}

static const char *database_of(const struct world *w)
{
    return strstr(w->address, "dbname=") + strlen("dbname=");
}

void world_sql(const struct world *w, const char *sql)
{
    char set[2000];

    ck_assert_int_lt(snprintf(set, sizeof(set), "SET search_path = holdfast; %s", sql),
                     (int)sizeof(set));
    postgres_server_sql(server, database_of(w), set);
}

char *world_value(const struct world *w, const char *sql)
{
    char set[2000];

    ck_assert_int_lt(snprintf(set, sizeof(set), "SET search_path = holdfast; %s", sql),
                     (int)sizeof(set));
    return postgres_server_value(server, database_of(w), set);
}

void world_settle(const struct world *w)
{
    postgres_server_sql(server, database_of(w), "VACUUM ANALYZE");
}
#else
static void new_database(struct world *w)
{
    (void)snprintf(w->address, sizeof(w->address), "sqlite");
}

void world_settle(const struct world *w)
{
    (void)w; /* nothing is done behind its back */
}

static sqlite3 *join(const struct world *w)
{
    sqlite3 *db = NULL;

    ck_assert_int_eq(sqlite3_open(path_in(w->folder.path, "catalog.db"), &db), SQLITE_OK);
    (void)sqlite3_busy_timeout(db, 10000);
    return db;
}

void world_sql(const struct world *w, const char *sql)
{
    sqlite3 *db = join(w);
    char *why = NULL;

    ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, &why) == SQLITE_OK, "%s: %s", sql, why);
    (void)sqlite3_close(db);
}

char *world_value(const struct world *w, const char *sql)
{
    sqlite3 *db = join(w);
    sqlite3_stmt *s = NULL;

    ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));

    char *value =
        sqlite3_step(s) == SQLITE_ROW ? mem_string((const char *)sqlite3_column_text(s, 0)) : NULL;

    (void)sqlite3_finalize(s);
    (void)sqlite3_close(db);
    return value;
}
#endif

void world_init_empty(struct world *w)
{
    *w = (struct world){0};
    scratch_init(&w->folder);
    new_database(w);
}

void world_init(struct world *w)
{
    world_init_empty(w);
    w->catalog = world_open(w);
}

void world_auto(struct world *w)
{
    catalog_close(w->catalog);
    scratch_done(&w->folder);
}

bool world_try(const struct world *w, struct catalog **out, struct err *e)
{
    const struct catalog_options o = {.state = w->folder.path, .address = w->address};

    return catalog_open(&o, out, e);
}

struct catalog *world_open(const struct world *w)
{
    struct catalog *c = NULL;

    CHECK_OK(world_try(w, &c, e));
    return c;
}

struct catalog_tx *tx_read(const struct world *w)
{
    struct catalog_tx *t = NULL;

    CHECK_OK(catalog_begin_read(w->catalog, &t, e));
    return t;
}

struct catalog_tx *tx_write(const struct world *w)
{
    struct catalog_tx *t = NULL;

    CHECK_OK(catalog_begin(w->catalog, &t, e));
    return t;
}

void tx_commit(struct catalog_tx **t)
{
    CHECK_OK(catalog_commit(t, e));
}

struct catalog_job_ids job_put(const struct world *w, const char *set, const char *dedup)
{
    const struct catalog_job_request q = {
        .kind = RUN_BACKUP,
        .set = set,
        .arguments = "{}",
        .cause = CAUSE_SCHEDULE,
        .requested_by = "system",
        .writer = set,
        .dedup = dedup,
    };
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(w);
    struct catalog_job_ids ids = {0};

    CHECK_OK(catalog_job_enqueue(t, &q, &ids, e));
    tx_commit(&t);
    return ids;
}

void world_wait_until(const struct world *w, int64_t time_ns)
{
    for (;;) {
        AUTO(catalog_tx) struct catalog_tx *t = tx_read(w);

        if (catalog_tx_now(t) > time_ns)
            return;
        (void)poll(NULL, 0, 1);
    }
}

const char some_hash[] = "$argon2id$v=19$m=65536,t=3,p=1$c29tZXNhbHRzb21lc2FsdA$"
                         "K7yjCdvAaqeDdqoNSaGUhYMqNPqYn3jNL0cIO5mC1kU";

void user_put(const struct world *w, const char *name, enum catalog_role role,
              char id[CATALOG_ID_SIZE])
{
    const struct catalog_new_user u = {.name = name, .role = role, .password = some_hash};
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(w);

    CHECK_OK(catalog_user_add(t, &u, id, e));
    tx_commit(&t);
}
