/* Making the catalog, bringing it up to date, and what cannot be opened. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "catalog/schema.h"
#include "catalog/world.h"

static struct db *open_db(const struct world *w)
{
    const bool is_file = strcmp(w->address, "sqlite") == 0;
    const struct db_options o = {.path = is_file ? path_in(w->folder.path, "catalog.db") : NULL,
                                 .dsn = is_file ? NULL : w->address};
    struct db *d = NULL;

    CHECK_OK(db_open(&o, &d, e));
    return d;
}

TEST(a_catalog_is_made_where_there_is_none_and_is_there_the_next_time)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    const char *value = NULL;

    world_init(&w);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_setting_put(t, "a", "b", "test", e));
    tx_commit(&t);
    catalog_close(w.catalog);
    w.catalog = world_open(&w);
    t = tx_read(&w);
    CHECK_OK(catalog_setting_get(t, "a", &a, &value, e));
    ck_assert_str_eq(value, "b");
}
END

TEST(looking_for_a_catalog_makes_none)
{
    AUTO(world) struct world w;
    bool is_there = true;

    world_init_empty(&w);
    const struct catalog_options o = {.state = w.folder.path, .address = w.address};
    for (int i = 0; i < 2; i++) {
        CHECK_OK(catalog_is_there(&o, &is_there, e));
        CHECK(!is_there);
    }
#ifdef CATALOG_ON_POSTGRES
    AUTO(mem)
    char *schemas = world_value(&w, "SELECT count(*) FROM pg_namespace WHERE nspname = 'holdfast'");

    ck_assert_str_eq(schemas, "0");
#endif
    CHECK(access(path_in(w.folder.path, "catalog.db"), F_OK) != 0);
    CHECK(access(path_in(w.folder.path, "catalog.key"), F_OK) != 0);
    w.catalog = world_open(&w);
    CHECK_OK(catalog_is_there(&o, &is_there, e));
    CHECK(is_there);
}
END

TEST(every_earlier_version_is_brought_up_to_date)
{
    for (int version = 1; version <= schema_newest(); version++) {
        AUTO(world) struct world w;
        AUTO(arena) struct arena a = {0};
        int found = 0;

        world_init_empty(&w);
        AUTO(db) struct db *d = open_db(&w);
        CHECK_OK(schema_update(d, version, e));
        CHECK_OK(schema_version(d, &found, e));
        ck_assert_int_eq(found, version);
        if (version >= 2)
            world_sql(&w, "INSERT INTO settings VALUES ('a', 'kept', 'test', 1)");
        w.catalog = world_open(&w);
        CHECK_OK(schema_version(d, &found, e));
        ck_assert_int_eq(found, schema_newest());

        AUTO(catalog_tx) struct catalog_tx *t = tx_read(&w);
        const char *value = NULL;

        CHECK_OK(catalog_setting_get(t, "a", &a, &value, e));
        CHECK((value != NULL) == (version >= 2));
    }
}
END

TEST(a_catalog_of_a_newer_program_is_refused)
{
    AUTO(world) struct world w;
    struct catalog *c = NULL;

    world_init(&w);
    world_sql(&w, "UPDATE schema_version SET version = version + 1");
    CHECK_ERR(world_try(&w, &c, e), ERR_USAGE);
    world_sql(&w, "UPDATE schema_version SET version = 0");
    CHECK_ERR(world_try(&w, &c, e), ERR_CORRUPT);
    world_sql(&w, "DELETE FROM schema_version");
    CHECK_ERR(world_try(&w, &c, e), ERR_CORRUPT);
}
END

static void *open_one(void *arg)
{
    struct catalog *c = NULL;

    CHECK_OK(world_try(arg, &c, e));
    catalog_close(c);
    return NULL;
}

TEST(many_that_open_a_new_catalog_at_once_make_one)
{
    AUTO(world) struct world w;
    pthread_t threads[6];

    world_init_empty(&w);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, open_one, &w), 0);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);

    AUTO(mem) char *count = world_value(&w, "SELECT CAST(count(*) AS TEXT) FROM schema_version");

    ck_assert_str_eq(count, "1");
}
END

TEST(what_is_not_committed_has_not_happened)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    const char *value = NULL;

    world_init(&w);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_setting_put(t, "a", "b", "test", e));
    catalog_tx_auto(&t);
    t = tx_read(&w);
    CHECK_OK(catalog_setting_get(t, "a", &a, &value, e));
    CHECK(value == NULL);
}
END

#ifdef CATALOG_ON_POSTGRES
TEST(addresses_that_hold_a_secret_or_make_no_sense_are_refused)
{
    AUTO(world) struct world w;
    struct catalog *c = NULL;
    static const char *const bad[] = {"host=/tmp password=secret", "postgresql://a:b@c/d",
                                      "nonsense", "host=/tmp unheard=of"};

    world_init_empty(&w);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        (void)snprintf(w.address, sizeof(w.address), "%s", bad[i]);
        CHECK_ERR(world_try(&w, &c, e), ERR_USAGE);
    }
    (void)snprintf(w.address, sizeof(w.address), "host=/nowhere user=postgres");
    CHECK_ERR(world_try(&w, &c, e), ERR_TRANSIENT);
}
END

TEST(a_database_that_is_not_there_is_not_found)
{
    AUTO(world) struct world w;
    struct catalog *c = NULL;

    world_init_empty(&w);
    (void)snprintf(strstr(w.address, "dbname="), 20, "dbname=none");
    CHECK_ERR(world_try(&w, &c, e), ERR_NOT_FOUND);
}
END

TEST(a_connection_that_was_cut_is_made_again)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    const char *value = NULL;

    world_init(&w);
    for (int i = 0; i < 3; i++) {
        AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);

        CHECK_OK(catalog_setting_put(t, "a", "b", "test", e));
        if (i == 1) {
            /* In the middle of it: nothing of it happened, and that is said. */
            struct err e = {0};

            world_sql(&w, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                          " WHERE datname = current_database() AND pid <> pg_backend_pid()");
            CHECK(!catalog_setting_get(t, "a", &a, &value, &e) && e.code == ERR_TRANSIENT);
            continue;
        }
        tx_commit(&t);
        world_sql(&w, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                      " WHERE datname = current_database() AND pid <> pg_backend_pid()");
    }
}
END

struct cut {
    const struct world *world;
    int calls;
};

static bool cut_once(struct catalog_tx *t, void *arg, struct err *e)
{
    struct cut *c = arg;

    if (c->calls++ == 0)
        world_sql(c->world, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                            " WHERE datname = current_database() AND pid <> pg_backend_pid()");
    return catalog_setting_put(t, "a", "b", "test", e);
}

TEST(work_whose_connection_was_cut_is_done_again)
{
    AUTO(world) struct world w;
    struct cut c = {&w, 0};

    world_init(&w);
    CHECK_OK(catalog_write(w.catalog, cut_once, &c, e));
    ck_assert_int_eq(c.calls, 2);
}
END

#define OF_ONE                                                                              \
    addresses_that_hold_a_secret_or_make_no_sense_are_refused,                              \
        a_database_that_is_not_there_is_not_found, a_connection_that_was_cut_is_made_again, \
        work_whose_connection_was_cut_is_done_again
#else
TEST(the_files_are_for_their_owner_alone)
{
    AUTO(world) struct world w;
    static const char *const names[] = {"catalog.db", "catalog.db-wal", "catalog.db-shm",
                                        "catalog.db.lock", "catalog.key"};

    world_init(&w);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct stat st = {0};

        ck_assert_int_eq(stat(path_in(w.folder.path, names[i]), &st), 0);
        ck_assert_msg((st.st_mode & 077) == 0, "%s has mode %o", names[i], st.st_mode);
    }
}
END

TEST(files_that_are_no_catalog_are_refused_and_stay_as_they_are)
{
    AUTO(world) struct world w;
    AUTO(buf) struct buf after = {0};
    struct catalog *c = NULL;
    const char *path = NULL;

    world_init_empty(&w);
    path = path_in(w.folder.path, "catalog.db");
    file_put_text(path, "this is no database, but it is long enough to be taken for one ....."
                        "................................................................");
    CHECK_ERR(world_try(&w, &c, e), ERR_CORRUPT);
    file_take(path, &after);
    CHECK(strncmp(buf_string(&after), "this is no", 10) == 0);
    ck_assert_int_eq(unlink(path), 0);
    world_sql(&w, "CREATE TABLE others (x); INSERT INTO others VALUES (1)");
    CHECK_ERR(world_try(&w, &c, e), ERR_CORRUPT);

    AUTO(mem) char *count = world_value(&w, "SELECT count(*) FROM sqlite_schema");

    ck_assert_str_eq(count, "1");
}
END

TEST(a_damaged_page_is_an_error_and_never_an_answer)
{
    AUTO(world) struct world w;
    const char *path = NULL;
    struct stat st = {0};

    world_init(&w);
    for (int i = 0; i < 50; i++)
        (void)job_put(&w, "shop", NULL);
    catalog_close(w.catalog);
    w.catalog = world_open(&w); /* checkpoints */
    catalog_close(w.catalog);
    w.catalog = NULL;
    path = path_in(w.folder.path, "catalog.db");
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(unlink(path_in(w.folder.path, "catalog.db-wal")), 0);
    ck_assert_int_eq(unlink(path_in(w.folder.path, "catalog.db-shm")), 0);

    AUTO(buf) struct buf bytes = {0};

    file_take(path, &bytes);
    CHECK(bytes.size > 20 * 4096);
    memset(bytes.data + 4096, 0xa5, bytes.size - 4096);
    file_put(path, 1, 0);

    FILE *f = fopen(path, "w");

    ck_assert_uint_eq(fwrite(bytes.data, 1, bytes.size, f), bytes.size);
    ck_assert_int_eq(fclose(f), 0);
    CHECK_ERR(world_try(&w, &w.catalog, e), ERR_CORRUPT);
}
END

TEST(a_folder_that_is_not_there_or_not_ours_is_said)
{
    AUTO(world) struct world w;
    struct catalog *c = NULL;
    const struct catalog_options o = {.state = "/nowhere/at/all"};

    CHECK_ERR(catalog_open(&o, &c, e), ERR_NOT_FOUND);
    world_init_empty(&w);
    ck_assert_int_eq(mkdir(path_in(w.folder.path, "catalog.db"), 0700), 0);
    CHECK(!world_try(&w, &c, &(struct err){0}));
}
END

static void *put_one(void *arg)
{
    const struct world *w = arg;
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(w);

    CHECK_OK(catalog_setting_put(t, "a", "b", "test", e));
    tx_commit(&t);
    return NULL;
}

TEST(who_writes_waits_for_the_lock_beside_the_file_and_who_reads_does_not)
{
    AUTO(world) struct world w;
    pthread_t thread;

    world_init(&w);
    AUTO(fd) int lock = open(path_in(w.folder.path, "catalog.db.lock"), O_RDONLY | O_CLOEXEC);
    CHECK(lock >= 0 && flock(lock, LOCK_EX) == 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, put_one, &w), 0);
    (void)poll(NULL, 0, 200);
    for (int i = 0; i < 2; i++) {
        AUTO(arena) struct arena a = {0};
        AUTO(catalog_tx) struct catalog_tx *t = tx_read(&w);
        const char *value = NULL;

        CHECK_OK(catalog_setting_get(t, "a", &a, &value, e));
        CHECK((value != NULL) == (i == 1));
        if (i == 1)
            break;
        CHECK(flock(lock, LOCK_UN) == 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
    }
}
END

#define OF_ONE                                                            \
    who_writes_waits_for_the_lock_beside_the_file_and_who_reads_does_not, \
        the_files_are_for_their_owner_alone,                              \
        files_that_are_no_catalog_are_refused_and_stay_as_they_are,       \
        a_damaged_page_is_an_error_and_never_an_answer,                   \
        a_folder_that_is_not_there_or_not_ours_is_said
#endif

TESTS_BETWEEN("opening", world_begin, world_end,
              a_catalog_is_made_where_there_is_none_and_is_there_the_next_time,
              looking_for_a_catalog_makes_none, every_earlier_version_is_brought_up_to_date,
              a_catalog_of_a_newer_program_is_refused,
              many_that_open_a_new_catalog_at_once_make_one, what_is_not_committed_has_not_happened,
              OF_ONE)
