/* Drills of a database: the server is a real one, made by the drill. */
#define TEST_SECONDS 120

#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/mem.h"
#include "codec/chunker.h"
#include "codec/seal.h"
#include "job/world.h"
#include "support/postgres_server.h"

#define LOOKS 1000

static struct postgres_server *server;

static void server_begin(void)
{
    CHECK_OK(postgres_server_start(&server, e));
    postgres_server_sql(server, "postgres",
                        "CREATE TABLE plain AS SELECT i, 'spoil me ' || i AS b FROM"
                        " generate_series(1, 5000) i; CREATE INDEX ON plain (i);"
                        "CREATE MATERIALIZED VIEW mv AS SELECT count(*) FROM plain;"
                        "CREATE ROLE somebody; ALTER TABLE plain OWNER TO somebody;"
                        "SELECT lo_from_bytea(0, 'abc')");
    postgres_server_sql(server, "postgres", "CREATE DATABASE other");
}

static void server_end(void)
{
    postgres_server_free(server);
}

/* A sink that changes one byte of what passes through, or takes it away. */
static const struct sink_ops *real;
static struct sink *real_sink;
static _Thread_local uint8_t *room;
static const char *spoiled; /* where the byte is */
static bool is_dropped;
static _Thread_local size_t dropped; /* of the file that the lane is at */

static bool spoil_open(struct sink *k, struct lane **out, struct err *e)
{
    (void)k;
    return real->lane_open(real_sink, out, e);
}

static uint8_t *spoil_room(struct lane *n, size_t size)
{
    return room = real->room(n, size);
}

static bool spoil_write(struct lane *n, size_t size, struct err *e)
{
    const size_t length = strlen(spoiled);
    uint8_t *at = memmem(room, size, spoiled, length);

    if (at != NULL && is_dropped) {
        memmove(at, at + length, (size_t)(room + size - at) - length);
        size -= length;
        dropped = length;
    } else if (at != NULL) {
        *at = 'S';
    }
    return real->write(n, size, e);
}

static bool spoil_end(struct lane *n, const struct entry *final, struct err *e)
{
    struct entry shorter = *final;

    shorter.size -= dropped;
    dropped = 0;
    return real->end(n, &shorter, e);
}

static void spoil_rows(struct sink *k, uint64_t more)
{
    (void)k;
    real->rows(real_sink, more);
}

static const struct member_ops *member_real;

static bool spoil_send(struct member *m, struct sink *k, struct sink_dir *dir,
                       const struct listing *l, struct err *failure, struct err *e)
{
    static struct sink_ops ops;
    struct sink spoiling = {&ops};

    real = k->ops;
    real_sink = k;
    ops = *real;
    ops.lane_open = spoil_open;
    ops.room = spoil_room;
    ops.write = spoil_write;
    ops.end = spoil_end;
    ops.rows = spoil_rows;
    return member_real->send(m, &spoiling, dir, l, failure, e);
}

/* Back up a database of the server as a set; what is stored differs in one byte, or (NULL) does
 * not. */
static void back_up_database(struct world *w, struct postgres_options *o, const char *spoil)
{
    static struct member_ops ops;
    AUTO(member) struct member *m = NULL;
    struct set set = {.name = "shop", .members = &m, .member_count = 1};
    struct backup_options options = options_of(w);

    o->name = "db";
    CHECK_OK(postgres_member_new(o, &m, e));
    if (spoil != NULL) {
        spoiled = spoil;
        member_real = m->ops;
        ops = *m->ops;
        ops.send = spoil_send;
        m->ops = &ops;
    }
    options.set = &set;
    CHECK_OK(run(w, &options, e));
    CHECK(w->result.is_committed);
}

/* Drill what was backed up: this verdict, and these words in it; nothing is left. */
static void check_drill(struct world *w, enum verdict verdict, const char *with,
                        struct drill_result *d)
{
    AUTO(scratch) struct scratch place = {0};

    scratch_init(&place);
    chmod(place.path, 0755);
    CHECK_OK(drill(w, place.path, d, e));
    ck_assert_uint_eq(d->count, 1);
    ck_assert_str_eq(d->members[0].place, "postgres/db");

    const char *why = d->members[0].why == NULL ? "" : d->members[0].why;

    ck_assert_msg(d->verdict == verdict && strstr(why, with) != NULL, "%s: %s",
                  verdict_text(d->verdict), why);
    ck_assert_uint_eq(directory_count(place.path), 0);
}

TEST(a_sound_backup_of_a_database_is_proven)
{
    AUTO(world) struct world w;
    AUTO(drill_result) struct drill_result d = {0};
    struct postgres_options o = {.dsn = postgres_server_dsn(server)};

    world_init(&w);
    back_up_database(&w, &o, NULL);
    check_drill(&w, VERDICT_PROVEN, "", &d);
    CHECK(d.members[0].tables == 1 && d.members[0].rows == 5000 && d.members[0].bytes > 5000);
}
END

TEST(a_backup_with_roles_is_proven_with_their_rights)
{
    AUTO(world) struct world w;
    AUTO(drill_result) struct drill_result d = {0};
    struct postgres_options o = {.dsn = postgres_server_dsn(server), .with_globals = true};

    world_init(&w);
    back_up_database(&w, &o, NULL);
    check_drill(&w, VERDICT_PROVEN, "", &d);
}
END

TEST(one_byte_of_one_row_that_changed_fails_the_drill)
{
    AUTO(world) struct world w;
    AUTO(drill_result) struct drill_result d = {0};
    struct postgres_options o = {.dsn = postgres_server_dsn(server)};

    world_init(&w);
    back_up_database(&w, &o, "spoil me 77\n");
    check_drill(&w, VERDICT_FAILED, "table public.plain has other rows", &d);
}
END

TEST(one_row_that_was_dropped_fails_the_drill)
{
    AUTO(world) struct world w;
    AUTO(drill_result) struct drill_result d = {0};
    struct postgres_options o = {.dsn = postgres_server_dsn(server)};

    world_init(&w);
    is_dropped = true;
    back_up_database(&w, &o, "77\tspoil me 77\n");
    is_dropped = false;
    check_drill(&w, VERDICT_FAILED, "its file has 4999 rows, and the manifest tells of 5000", &d);
}
END

TEST(a_manifest_or_definitions_that_changed_fail_the_drill)
{
    static const char *const places[] = {"\"format\": 2", "PGDMP", "REATE INDEX"};
    static const char *const words[] = {"manifest is damaged", "before the data", "after the data"};

    for (size_t i = 0; i < 3; i++) {
        AUTO(world) struct world w;
        AUTO(drill_result) struct drill_result d = {0};
        struct postgres_options o = {.dsn = postgres_server_dsn(server)};

        world_init(&w);
        back_up_database(&w, &o, places[i]);
        check_drill(&w, VERDICT_FAILED, words[i], &d);
    }
}
END

TEST(damage_of_the_repository_fails_the_drill)
{
    AUTO(world) struct world w;
    AUTO(drill_result) struct drill_result d = {0};
    struct postgres_options o = {.dsn = postgres_server_dsn(server)};

    world_init(&w);
    back_up_database(&w, &o, NULL);
    for (size_t i = 0; i < object_count(w.store, "packs/"); i++) {
        AUTO(buf) struct buf head = {0};
        char key[128];

        object_name(w.store, "packs/", i, key);
        CHECK_OK(store_get(w.store, key, 0, SEAL_HEADER_SIZE, &head, e));
        if (head.data[9] == CLASS_CONTENT)
            object_damage(w.store, key, 135);
    }
    check_drill(&w, VERDICT_FAILED, "", &d);
}
END

TEST(a_role_that_is_not_in_the_backup_leaves_it_unchecked)
{
    AUTO(world) struct world w;
    AUTO(drill_result) struct drill_result d = {0};
    AUTO(buf) struct buf dsn = {0};

    world_init(&w);
    postgres_server_sql(server, "other",
                        "CREATE TABLE t (a int); CREATE POLICY p ON t TO somebody USING (true)");
    buf_printf(&dsn, "host=%s user=postgres dbname=other", postgres_server_host(server));
    struct postgres_options o = {.dsn = buf_string(&dsn)};

    back_up_database(&w, &o, NULL);
    check_drill(&w, VERDICT_NOT_CHECKED, "role \"somebody\" does not exist", &d);
}
END

TEST(a_folder_that_the_server_cannot_reach_leaves_it_unchecked)
{
    AUTO(world) struct world w;
    AUTO(scratch) struct scratch place = {0};
    AUTO(drill_result) struct drill_result d = {0};
    struct postgres_options o = {.dsn = postgres_server_dsn(server)};

    world_init(&w);
    scratch_init(&place);
    if (geteuid() != 0)
        return; /* then it is the same user */
    chmod(place.path, 0700);
    back_up_database(&w, &o, NULL);
    CHECK_OK(drill(&w, place.path, &d, e));
    CHECK(d.verdict == VERDICT_NOT_CHECKED && d.members[0].why != NULL);
    ck_assert_uint_eq(directory_count(place.path), 0);
}
END

/* The number of the server's process in a drill under way, once it accepts connections. */
static pid_t server_of(const char *place)
{
    AUTO(buf) struct buf pattern = {0};

    buf_printf(&pattern, "%s/holdfast-scratch-*/cluster/.s.PGSQL.5432.lock", place);
    for (int i = 0; i < LOOKS; i++) {
        AUTO(buf) struct buf text = {0};
        glob_t found = {0};
        struct err e = {0};

        if (glob(buf_string(&pattern), GLOB_PERIOD, NULL, &found) == 0 &&
            file_read(found.gl_pathv[0], 1000, &text, &e) && text.size > 0) {
            globfree(&found);
            return (pid_t)strtoul(buf_string(&text), NULL, 10);
        }
        globfree(&found);
        (void)poll(NULL, 0, 10); /* a pause between two looks */
    }
    ck_abort_msg("no server");
}

/* Gone, or dead and not reaped yet by whoever inherited it. */
static bool is_dead(pid_t pid)
{
    char path[40];
    AUTO(buf) struct buf text = {0};
    struct err e = {0};

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    return !file_read(path, 4096, &text, &e) || strstr(buf_string(&text), ") Z ") != NULL;
}

static pid_t drill_in_child(struct world *w, const char *place)
{
    const pid_t child = fork();

    if (child == 0) {
        struct drill_result d = {0};
        struct err e = {0};

        _exit(drill(w, place, &d, &e) ? 0 : (int)e.code);
    }
    return child;
}

static void wait_for_death(pid_t pid)
{
    for (int i = 0; i < LOOKS && !is_dead(pid); i++)
        (void)poll(NULL, 0, 10); /* a pause between two looks */
    CHECK(is_dead(pid));
}

TEST(a_killed_drill_leaves_no_server_and_the_next_one_no_folder)
{
    AUTO(world) struct world w;
    AUTO(scratch) struct scratch place = {0};
    AUTO(drill_result) struct drill_result d = {0};
    struct postgres_options o = {.dsn = postgres_server_dsn(server)};

    world_init(&w);
    scratch_init(&place);
    chmod(place.path, 0755);
    back_up_database(&w, &o, NULL);
    const pid_t child = drill_in_child(&w, place.path);
    const pid_t postmaster = server_of(place.path);

    CHECK(!is_dead(postmaster));
    kill(child, SIGKILL);
    CHECK(waitpid(child, NULL, 0) == child);
    wait_for_death(postmaster);
    ck_assert_uint_eq(directory_count(place.path), 1);
    CHECK_OK(drill(&w, place.path, &d, e));
    CHECK(d.verdict == VERDICT_PROVEN);
    ck_assert_uint_eq(directory_count(place.path), 0);
}
END

static void on_stop(int number)
{
    (void)number;
    cancel_request();
}

TEST(a_cancelled_drill_leaves_neither_server_nor_folder)
{
    AUTO(world) struct world w;
    AUTO(scratch) struct scratch place = {0};
    struct postgres_options o = {.dsn = postgres_server_dsn(server)};
    int status = 0;

    world_init(&w);
    scratch_init(&place);
    chmod(place.path, 0755);
    back_up_database(&w, &o, NULL);
    (void)signal(SIGUSR1, on_stop);
    const pid_t child = drill_in_child(&w, place.path);
    const pid_t postmaster = server_of(place.path);

    kill(child, SIGUSR1);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == ERR_CANCELLED);
    CHECK(is_dead(postmaster));
    ck_assert_uint_eq(directory_count(place.path), 0);
}
END

/* Not only a drill's matter: rows that stay must make the chunks that they made before. */
TEST(a_table_is_cut_where_rows_end)
{
    AUTO(world) struct world w;
    AUTO(buf) struct buf dsn = {0};
    AUTO(buf) struct buf keep = {0};
    AUTO(buf) struct buf ids = {0};
    AUTO(snapshot) struct snapshot *s = NULL;
    struct entry en;

    world_init(&w);
    postgres_server_sql(server, "other",
                        "CREATE TABLE rows AS SELECT i, md5(i::text) FROM"
                        " generate_series(1, 100000) i");
    buf_printf(&dsn, "%s dbname=other", postgres_server_dsn(server));
    back_up_database(&w, &(struct postgres_options){.dsn = buf_string(&dsn)}, NULL);
    CHECK_OK(snapshot_load(w.repo, &w.result.snapshot, &s, e));
    CHECK_OK(repo_load_index(w.repo, e));

    AUTO(reader) struct reader *rd = reader_new(w.repo);

    CHECK_OK(tree_find(rd, &s->tree, "/postgres/db/data/public.rows.copy", &keep, &en, e));
    CHECK_OK(reader_content(rd, &en, &ids, e));
    CHECK(en.cut == CUT_LINES && ids.size > 3 * HASH_SIZE);
    for (size_t i = 0; i < ids.size / HASH_SIZE; i++) {
        AUTO(buf) struct buf chunk = {0};
        struct hash id;

        memcpy(id.bytes, ids.data + i * HASH_SIZE, HASH_SIZE);
        CHECK_OK(reader_chunk(rd, CHUNK_DATA, &id, &chunk, e));
        CHECK(chunk.size == CHUNK_MAX || chunk.data[chunk.size - 1] == '\n');
    }
}
END

TESTS_BETWEEN("prove_postgres", server_begin, server_end, a_sound_backup_of_a_database_is_proven,
              a_backup_with_roles_is_proven_with_their_rights,
              one_byte_of_one_row_that_changed_fails_the_drill,
              one_row_that_was_dropped_fails_the_drill,
              a_manifest_or_definitions_that_changed_fail_the_drill,
              damage_of_the_repository_fails_the_drill,
              a_role_that_is_not_in_the_backup_leaves_it_unchecked,
              a_folder_that_the_server_cannot_reach_leaves_it_unchecked,
              a_killed_drill_leaves_no_server_and_the_next_one_no_folder,
              a_cancelled_drill_leaves_neither_server_nor_folder, a_table_is_cut_where_rows_end)
