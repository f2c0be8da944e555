/*
 * A catalog whose disk or whose server fails: the n-th write or sync, a full disk, a process that
 * dies at a call, a connection that is cut before the n-th statement.  Afterwards what was told to
 * have happened is there, what failed is not, and only what nobody can know may be either.
 */
#define TEST_SECONDS 120

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "catalog/world.h"
#include "support/shim.h"

static int64_t number_at(const struct world *w, const char *sql)
{
    AUTO(mem) char *text = world_value(w, sql);

    ck_assert_ptr_nonnull(text);
    return atoll(text);
}

#define COUNT(what) "SELECT CAST(count(*) AS TEXT) FROM " what

/* One transaction with everything that has to happen at once: its number is in all of it.  It is
 * asked for by a request with a key, whose answer is kept in it. */
struct deed {
    const struct world *world;
    int number;
    int cut_at, calls; /* the connection is cut before this call; 0: never */
};

static void step(struct deed *d)
{
    if (++d->calls == d->cut_at)
        world_sql(d->world, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                            " WHERE datname = current_database() AND pid <> pg_backend_pid()");
}

static struct catalog_request request_of(const struct deed *d, char name[16])
{
    (void)snprintf(name, 16, "n%d", d->number);
    return (struct catalog_request){"ann", name, "POST"};
}

static bool set_all(struct catalog_tx *t, void *arg, struct err *e)
{
    struct deed *d = arg;
    char name[16];
    struct catalog_job_ids ids = {0};
    int64_t version = 0;
    bool is_new = false;
    const struct catalog_job_request q = {.kind = RUN_BACKUP,
                                          .set = name,
                                          .arguments = "{}",
                                          .requested_by = "ann",
                                          .writer = name,
                                          .dedup = name};
    const struct catalog_config config = {.id = name, .name = name, .document = "{}"};
    const struct catalog_message message = {
        .channel = "mail", .recipient = "ann", .payload = "{}", .dedup = name};
    const struct catalog_audit_record record = {
        .actor = "ann", .action = "set", .object = name, .outcome = "done"};
    const struct catalog_request request = request_of(d, name);

    step(d);
    if (!catalog_config_put(t, &config, CATALOG_VERSION_NONE, "ann", &version, e))
        return false;
    step(d);
    if (!catalog_job_enqueue(t, &q, &ids, e))
        return false;
    step(d);
    if (!catalog_outbox_add(t, &message, &is_new, e))
        return false;
    step(d);
    if (!catalog_audit_append(t, &record, e))
        return false;
    step(d);
    if (!catalog_request_end(t, &request, 202, "{}", e))
        return false;
    step(d);
    return true;
}

/* Once, without another try. */
static bool try_once(struct catalog *c, struct deed *d, struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(arena) struct arena a = {0};
    struct catalog_answer answer = {0};
    char name[16];
    const struct catalog_request request = request_of(d, name);

    if (!catalog_request_begin(c, &request, &a, &answer, e))
        return false;
    /* An earlier try may have begun it; one that has an answer would be asked no more. */
    CHECK(answer.state == REQUEST_NEW || answer.state == REQUEST_RUNNING);
    return catalog_begin(c, &t, e) && set_all(t, d, e) && catalog_commit(&t, e);
}

/* All of a deed is there, or nothing. */
static bool is_done(const struct world *w, int number)
{
    static const char *const tables[] = {"configs WHERE id",
                                         "config_versions WHERE config_id",
                                         "jobs WHERE dedup",
                                         "runs WHERE set_name",
                                         "outbox WHERE dedup",
                                         "audit WHERE object",
                                         "idempotency WHERE status = 202 AND name"};
    int64_t found = -1;

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        char sql[200];

        (void)snprintf(sql, sizeof(sql), COUNT("%s = 'n%d'"), tables[i], number);
        const int64_t here = number_at(w, sql);

        ck_assert_msg(found < 0 || found == here, "%s of %d is there without the others", tables[i],
                      number);
        found = here;
    }
    ck_assert_int_le(found, 1);
    return found == 1;
}

static void check_sound(const struct world *w)
{
    AUTO(catalog) struct catalog *c = world_open(w);
    struct catalog_audit_verdict verdict = {0};

    CHECK_OK(catalog_audit_verify(c, &verdict, e));
    ck_assert_msg(verdict.is_sound, "%s", verdict.reason);
#ifndef CATALOG_ON_POSTGRES
    AUTO(mem) char *integrity = world_value(w, "PRAGMA integrity_check");

    ck_assert_str_eq(integrity, "ok");
#endif
}

#ifdef CATALOG_ON_POSTGRES
TEST(a_connection_that_is_cut_before_any_statement_leaves_all_or_nothing)
{
    AUTO(world) struct world w;

    world_init(&w);
    for (int at = 1; at <= 6; at++) {
        struct deed d = {&w, at, at, 0};
        struct err why = {0};

        /* Without another try it has not happened, unless nobody can know. */
        const bool ok = try_once(w.catalog, &d, &why);

        CHECK(!ok && (why.code == ERR_TRANSIENT || why.code == ERR_AWAY));
        CHECK(!is_done(&w, at));
        /* The end of a transaction is not done twice by itself: here it did not arrive. */
        ck_assert_int_eq(why.code, at == 6 ? ERR_AWAY : ERR_TRANSIENT);

        struct deed again = {&w, at, at, 0};

        if (at < 6)
            CHECK_OK(catalog_write(w.catalog, set_all, &again, e));
        else
            CHECK_ERR(catalog_write(w.catalog, set_all, &again, e), ERR_AWAY);
        CHECK(is_done(&w, at) == (at < 6));
    }
    check_sound(&w);
}
END

#define OF_ONE a_connection_that_is_cut_before_any_statement_leaves_all_or_nothing
#else

/* The queue and the outbox take only so many. */
static void make_room(const struct world *w)
{
    world_sql(w, "UPDATE jobs SET state = 'done', ended_ns = 1");
    world_sql(w, "UPDATE outbox SET state = 'sent', ended_ns = 1");
}

/* Calls that fail */

static void arm(const char *kind, const char *name, int at)
{
    char text[16];

    CHECK(unsetenv("SHIM_AT") == 0 && unsetenv("SHIM_KILL") == 0 && unsetenv("SHIM_STICKY") == 0);
    CHECK(setenv("SHIM_CALL", kind, 1) == 0);
    (void)snprintf(text, sizeof(text), "%d", at);
    CHECK(at == 0 || setenv(name, text, 1) == 0);
    shim_arm();
}

/* Let the n-th call of a kind fail in opening the catalog and in one deed, for n from 1 to 100; how
 * many deeds failed by it. */
static int fail_each(struct world *w, const char *kind, const char *sticky)
{
    int failed = 0;

    catalog_close(w->catalog);
    w->catalog = NULL;
    for (int at = 1; at <= 100; at++) {
        struct deed d = {w, at, 0, 0};
        struct catalog *c = NULL;
        struct err why = {0};

        arm(kind, "SHIM_AT", at);
        CHECK(sticky == NULL || setenv("SHIM_STICKY", "1", 1) == 0);
        shim_arm();
        const bool is_open = world_try(w, &c, &why);
        const bool ok = is_open && try_once(c, &d, &why);

        /* After a failed sync this handle writes no more, whatever comes. */
        if (is_open && why.code == ERR_AWAY) {
            struct deed next = {w, 100000 + at, 0, 0};

            arm(kind, "SHIM_AT", 0);
            CHECK_ERR(try_once(c, &next, e), ERR_FATAL);
            CHECK(!is_done(w, next.number));
        }
        catalog_close(c);
        arm(kind, "SHIM_AT", 0);
        CHECK(ok || why.text[0] != '\0');
        ck_assert_msg(ok ? is_done(w, at) : why.code == ERR_AWAY || !is_done(w, at),
                      "%s %d: %d, and %d in the catalog: %s", kind, at, ok, is_done(w, at),
                      why.text);
        check_sound(w);
        make_room(w);
        failed += ok ? 0 : 1;
    }
    return failed;
}

TEST(a_write_that_fails_leaves_all_or_nothing)
{
    AUTO(world) struct world w;

    world_init(&w);
    ck_assert_int_ge(fail_each(&w, "write", NULL), 4);
}
END

TEST(a_disk_that_writes_no_more_leaves_all_or_nothing)
{
    AUTO(world) struct world w;

    world_init(&w);
    ck_assert_int_ge(fail_each(&w, "write", "1"), 4);
}
END

TEST(after_a_failed_sync_nobody_is_told_that_it_happened_and_nothing_more_is_written)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_config config = {0};
    struct err why = {0};
    struct deed first = {&w, 1, 0, 0};
    struct deed second = {&w, 2, 0, 0};
    struct deed third = {&w, 3, 0, 0};

    world_init(&w);
    CHECK_OK(try_once(w.catalog, &first, e));
    arm("fsync", "SHIM_AT", 1);
    CHECK(!try_once(w.catalog, &second, &why));
    ck_assert_int_eq(why.code, ERR_AWAY);
    arm("fsync", "SHIM_AT", 0);
    CHECK_ERR(try_once(w.catalog, &third, e), ERR_FATAL);
    CHECK_ERR(catalog_write(w.catalog, set_all, &third, e), ERR_FATAL);

    /* Reading goes on. */
    AUTO(catalog_tx) struct catalog_tx *t = tx_read(&w);

    CHECK_OK(catalog_config_get(t, "n1", &a, &config, e));
    catalog_tx_auto(&t);
    t = NULL;
    catalog_close(w.catalog);
    w.catalog = world_open(&w);
    CHECK_OK(try_once(w.catalog, &third, e));
    CHECK(is_done(&w, 1) && is_done(&w, 3));
    check_sound(&w);
}
END

TEST(a_sync_that_fails_leaves_all_or_nothing)
{
    AUTO(world) struct world w;

    world_init(&w);
    ck_assert_int_ge(fail_each(&w, "fsync", NULL), 1);
}
END

TEST(a_catalog_whose_making_failed_is_made_the_next_time)
{
    static const char *const kinds[] = {"write", "fsync", "link"};

    for (size_t i = 0; i < 3; i++) {
        bool ok = false;

        for (int at = 1; !ok; at += 1 + at / 8) {
            AUTO(world) struct world w;
            struct catalog *c = NULL;
            struct err why = {0};

            world_init_empty(&w);
            arm(kinds[i], "SHIM_AT", at);
            ok = world_try(&w, &c, &why);
            catalog_close(c);
            arm(kinds[i], "SHIM_AT", 0);
            CHECK(ok || why.text[0] != '\0');
            check_sound(&w);
            ck_assert_int_lt(at, 1000);
            ok = ok && at > 60; /* some failures do no harm */
        }
    }
}
END

/* A child that does one deed and dies at a call; false when it came to the end. */
static bool dies_at(const struct world *w, int at)
{
    int status = 0;
    const pid_t child = fork();

    if (child == 0) {
        struct deed d = {w, at, 0, 0};
        struct catalog *c = NULL;
        struct err e = {0};

        arm("any", "SHIM_KILL", at);
        _exit(world_try(w, &c, &e) && try_once(c, &d, &e) ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) || status == 0);
    return WIFSIGNALED(status);
}

TEST(a_process_that_dies_at_any_call_leaves_all_or_nothing)
{
    AUTO(world) struct world w;
    bool has_died = true;
    int at = 1;

    world_init(&w);
    catalog_close(w.catalog);
    w.catalog = NULL;
    for (; has_died && at < 300; at++) {
        has_died = dies_at(&w, at);
        CHECK(has_died || is_done(&w, at));
        (void)is_done(&w, at);
        check_sound(&w);
        make_room(&w);
    }
    CHECK(!has_died && at > 10);
}
END

TEST(a_process_that_dies_while_the_catalog_is_made_leaves_one_that_can_be_made)
{
    bool has_died = true;

    for (int at = 1; has_died; at += 1 + at / 8) {
        AUTO(world) struct world w;

        world_init_empty(&w);
        has_died = dies_at(&w, at);
        check_sound(&w);
    }
}
END

/* A full disk */

/* Unmounted at the end of the scope. */
static void mounted_auto(const char **path)
{
    CHECK(umount2(*path, MNT_DETACH) == 0);
}

TEST(a_full_disk_fails_what_is_done_and_harms_nothing_that_was)
{
    if (geteuid() != 0)
        return;

    AUTO(world) struct world w;
    struct err why = {0};
    int done = 0;

    world_init_empty(&w);
    ck_assert_msg(unshare(CLONE_NEWNS) == 0, "needs a mount namespace of its own: %s",
                  strerror(errno));
    CHECK(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
    ck_assert_int_eq(mount("none", w.folder.path, "tmpfs", 0, "size=2m"), 0);
    AUTO(mounted) const char *mounted = w.folder.path;

    w.catalog = world_open(&w);
    file_put(path_in(mounted, "other"), 1, 700000);
    for (struct deed d = {&w, 1, 0, 0}; try_once(w.catalog, &d, &why); d.number++) {
        done = d.number;
        ck_assert_int_lt(done, 20000);
        if (done % 50 == 0)
            make_room(&w);
    }
    ck_assert_int_eq(why.code, ERR_FATAL);
    CHECK(strstr(why.text, "the disk is full") != NULL);
    CHECK(!is_done(&w, done + 1) && is_done(&w, done) && is_done(&w, 1));
    ck_assert_int_eq(number_at(&w, COUNT("configs")), done);

    /* With room it goes on, without opening it again. */
    struct deed d = {&w, done + 1, 0, 0};

    ck_assert_int_eq(unlink(path_in(mounted, "other")), 0);
    CHECK_OK(try_once(w.catalog, &d, e));
    CHECK(is_done(&w, done + 1));
    check_sound(&w);
    catalog_close(w.catalog);
    w.catalog = NULL;
}
END

#define OF_ONE                                                                                  \
    a_write_that_fails_leaves_all_or_nothing, a_disk_that_writes_no_more_leaves_all_or_nothing, \
        after_a_failed_sync_nobody_is_told_that_it_happened_and_nothing_more_is_written,        \
        a_sync_that_fails_leaves_all_or_nothing,                                                \
        a_catalog_whose_making_failed_is_made_the_next_time,                                    \
        a_process_that_dies_at_any_call_leaves_all_or_nothing,                                  \
        a_process_that_dies_while_the_catalog_is_made_leaves_one_that_can_be_made,              \
        a_full_disk_fails_what_is_done_and_harms_nothing_that_was
#endif

TESTS_BETWEEN("fault", world_begin, world_end, OF_ONE)
