/*
 * Processes that share a catalog and are killed at any moment: nothing is lost, nothing is doubled.
 *
 * The test itself has no catalog open while they run: SQLite's connections do not survive fork().
 */
#define TEST_SECONDS 150

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "catalog/audit_private.h"
#include "catalog/world.h"

#define JOBS     36 /* instants of a schedule */
#define SETS     6
#define WORKERS  4
#define PLANNERS 2
#define KILLS    40
#define LEASE_MS 2000 /* much longer than a process is kept waiting on a busy machine */

/* Children say what must not be by their end: not by the checks of the test, whose pipe they
 * share. */
enum ending {
    ENDED_WELL = 0,
    ENDED_BY_FAILURE = 3,
    ENDED_BY_TWO_HOLDERS,
};

/* Whatever a killed neighbour, a cut connection or a full queue brings: others try again. */
static bool is_expected(const struct err *e)
{
    if (e->code == ERR_TRANSIENT || e->code == ERR_AWAY)
        return true;
    (void)fprintf(stderr, "%s\n", e->text);
    return false;
}

static struct catalog *open_in_child(const struct world *w)
{
    struct catalog *c = NULL;
    struct err e = {0};

    while (!world_try(w, &c, &e)) {
        if (!is_expected(&e))
            _exit(ENDED_BY_FAILURE);
        (void)poll(NULL, 0, 10);
    }
    return c;
}

/* What is written while a job is held, and its end: in one transaction, and so once. */
struct ending_work {
    struct catalog_job_hold hold;
    struct catalog_job_end end;
};

static bool end_job(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct ending_work *w = arg;
    char name[100];
    bool again = false;

    (void)snprintf(name, sizeof(name), "done/%s/%lld", w->hold.id, (long long)w->hold.fence);
    return catalog_setting_put(t, name, "1", "test", e) &&
           catalog_job_finish(t, &w->hold, &w->end, &again, e);
}

/* Take one job and do it.  The lock on a file of the writer is gone with the process, and proves
 * that no other holds it. */
static enum ending work_once(const struct world *w, struct catalog *c, bool *found)
{
    const struct catalog_job_offer offer = {"here:1", NULL, LEASE_MS};
    AUTO(arena) struct arena a = {0};
    struct catalog_job j = {0};
    struct err e = {0};
    bool is_cancelled = false;

    if (!catalog_job_claim(c, &offer, &a, &j, found, &e))
        return is_expected(&e) ? ENDED_WELL : ENDED_BY_FAILURE;
    if (!*found)
        return ENDED_WELL;

    AUTO(fd) int lock = open(path_in(w->folder.path, j.set), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct ending_work end = {{j.id, j.fence}, {{.state = RUN_SUCCESS}, false}};

    if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0)
        return ENDED_BY_TWO_HOLDERS;
    (void)poll(NULL, 0, 5);
    (void)flock(lock, LOCK_UN);
    /* Some fail once, and are tried again. */
    if (strcmp(j.set, "set0") == 0 && j.attempt == 1)
        end.end = (struct catalog_job_end){{.state = RUN_FAILED}, true};
    if ((catalog_job_extend(c, &end.hold, LEASE_MS, "{}", &is_cancelled, &e) &&
         catalog_write(c, end_job, &end, &e)) ||
        e.code == ERR_DENIED) /* somebody else's by now */
        return ENDED_WELL;
    return is_expected(&e) ? ENDED_WELL : ENDED_BY_FAILURE;
}

/* Whether all jobs of the schedule are there and done. */
static bool is_all_done(struct catalog *c)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(db_result) struct db_result r = {0};
    struct err e = {0};

    return catalog_begin_read(c, &t, &e) &&
           db_run(t->db, "SELECT count(*) FROM jobs WHERE state = 'done'", DB_NO_VALUES, &r, &e) &&
           db_get_number(&r, 0, 0) == JOBS;
}

static void worker(const struct world *w)
{
    AUTO(catalog) struct catalog *c = open_in_child(w);
    uint64_t seen = 0;

    while (!is_all_done(c)) {
        struct err e = {0};
        bool found = false;
        const enum ending ending = work_once(w, c, &found);

        if (ending != ENDED_WELL)
            _exit((int)ending);
        if (!found && !catalog_job_wait(c, 300, &seen, &e))
            (void)poll(NULL, 0, 10);
    }
}

static bool plan_one(struct catalog_tx *t, void *arg, struct err *e)
{
    const int number = *(const int *)arg;
    struct catalog_job_ids ids = {0};
    char set[16], dedup[32];
    const struct catalog_job_request q = {.kind = RUN_BACKUP,
                                          .set = set,
                                          .arguments = "{}",
                                          .requested_by = "system",
                                          .cause = CAUSE_SCHEDULE,
                                          .writer = set,
                                          .dedup = dedup,
                                          .attempts_max = 2,
                                          .backoff_ms = 10};
    const struct catalog_audit_record said = {
        .actor = "system", .action = "plan", .object = dedup, .outcome = "done"};

    (void)snprintf(set, sizeof(set), "set%d", number % SETS);
    (void)snprintf(dedup, sizeof(dedup), "%s@%d", set, number);
    return catalog_job_enqueue(t, &q, &ids, e) &&
           (!ids.is_new || catalog_audit_append(t, &said, e));
}

/* Several do the same, as services on several hosts do. */
static void planner(const struct world *w)
{
    AUTO(catalog) struct catalog *c = open_in_child(w);

    for (int i = 0; i < JOBS; i++) {
        struct err e = {0};

        while (!catalog_write(c, plan_one, &i, &e)) {
            if (!is_expected(&e))
                _exit(ENDED_BY_FAILURE);
            (void)poll(NULL, 0, 5);
        }
        (void)poll(NULL, 0, 20);
    }
}

typedef void role_fn(const struct world *w);

static pid_t begin(const struct world *w, role_fn *fn)
{
    const pid_t child = fork();

    if (child == 0) {
        fn(w);
        _exit(ENDED_WELL);
    }
    ck_assert_int_gt(child, 0);
    return child;
}

/* Kill one of them and put another in its place; true when it had come to its end before. */
static bool replace(const struct world *w, pid_t *child, role_fn *fn)
{
    int status = 0;

    CHECK(kill(*child, SIGKILL) == 0);
    ck_assert_int_eq(waitpid(*child, &status, 0), *child);
    ck_assert_msg(WIFSIGNALED(status) || WEXITSTATUS(status) == ENDED_WELL, "a child ended with %d",
                  WEXITSTATUS(status));
    *child = begin(w, fn);
    return !WIFSIGNALED(status);
}

/* Cut the connection of one of them, where there is one. */
static void cut_any(const struct world *w)
{
#ifdef CATALOG_ON_POSTGRES
    world_sql(w, "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity"
                 " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                 " ORDER BY random() LIMIT 1) AS one");
#else
    (void)w;
#endif
}

static int64_t number_at(const struct world *w, const char *sql)
{
    AUTO(mem) char *text = world_value(w, sql);

    ck_assert_ptr_nonnull(text);
    return atoll(text);
}

#define COUNT(what) "SELECT CAST(count(*) AS TEXT) FROM " what

static void check_outcome(const struct world *w)
{
    ck_assert_int_eq(number_at(w, COUNT("jobs")), JOBS);
    ck_assert_int_eq(number_at(w, COUNT("jobs WHERE state <> 'done'")), 0);
    ck_assert_int_eq(number_at(w, COUNT("runs WHERE state IN ('queued', 'running')")), 0);
    /* A job succeeded once, or was interrupted as often as it may be. */
    ck_assert_int_eq(
        number_at(w, COUNT("jobs j WHERE (SELECT count(*) FROM runs r WHERE r.job_id = j.id"
                           " AND r.state = 'success') > 1")),
        0);
    ck_assert_int_eq(
        number_at(w, COUNT("jobs j WHERE NOT EXISTS (SELECT 1 FROM runs r WHERE r.job_id = j.id"
                           " AND r.state = 'success') AND (SELECT count(*) FROM runs r WHERE"
                           " r.job_id = j.id AND r.state = 'interrupted') <> 2")),
        0);
    /* What holders wrote with the end of a run is there as often as runs came to an end. */
    ck_assert_int_eq(number_at(w, COUNT("settings WHERE name LIKE 'done/%'")),
                     number_at(w, COUNT("runs WHERE state IN ('success', 'failed')")));
    ck_assert_int_ge(number_at(w, COUNT("runs WHERE state = 'success'")), JOBS / 2);
    ck_assert_int_eq(number_at(w, COUNT("audit")), JOBS);
}

TEST(many_processes_that_are_killed_at_any_moment_lose_no_job_and_double_none)
{
    AUTO(world) struct world w;
    pid_t children[WORKERS + PLANNERS];
    struct catalog_audit_verdict verdict = {0};

    world_init(&w);
    catalog_close(w.catalog);
    w.catalog = NULL;
    for (int i = 0; i < WORKERS + PLANNERS; i++)
        children[i] = begin(&w, i < WORKERS ? worker : planner);
    srand(1);
    for (int i = 0; i < KILLS; i++) {
        const int victim = rand() % (WORKERS + PLANNERS);

        (void)poll(NULL, 0, 5 + rand() % 80);
        (void)replace(&w, &children[victim], victim < WORKERS ? worker : planner);
        if (i % 3 == 0)
            cut_any(&w);
    }
    for (int i = 0; i < WORKERS + PLANNERS; i++) {
        int status = 0;

        ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
        ck_assert_msg(status == 0, "a child ended with %x", (unsigned)status);
    }
    check_outcome(&w);
    w.catalog = world_open(&w);
    CHECK_OK(catalog_audit_verify(w.catalog, &verdict, e));
    ck_assert_msg(verdict.is_sound, "%s", verdict.reason);
}
END

/* The audit log, by many */

#define TALKERS 4
#define RECORDS 250

static bool say(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct catalog_audit_record r = {
        .actor = "ann", .action = "look", .object = "", .outcome = "done"};

    (void)arg;
    return catalog_audit_append(t, &r, e);
}

static void talker(const struct world *w)
{
    AUTO(catalog) struct catalog *c = open_in_child(w);

    for (int i = 0; i < RECORDS; i++) {
        struct err e = {0};

        while (!catalog_write(c, say, NULL, &e))
            if (!is_expected(&e))
                _exit(ENDED_BY_FAILURE);
    }
}

TEST(the_audit_log_is_whole_at_any_moment_while_processes_add_to_it)
{
    AUTO(world) struct world w;
    pid_t children[TALKERS];
    size_t ended = 0;

    world_init(&w);
    catalog_close(w.catalog);
    w.catalog = NULL;
    for (int i = 0; i < TALKERS; i++)
        children[i] = begin(&w, talker);
    w.catalog = world_open(&w);
    while (ended < TALKERS) {
        struct catalog_audit_verdict verdict = {0};

        CHECK_OK(catalog_audit_verify(w.catalog, &verdict, e));
        ck_assert_msg(verdict.is_sound, "%s", verdict.reason);
        for (int i = 0; i < TALKERS; i++) {
            int status = 0;

            if (children[i] != 0 && waitpid(children[i], &status, WNOHANG) == children[i]) {
                ck_assert_int_eq(status, 0);
                children[i] = 0;
                ended++;
            }
        }
    }

    struct catalog_audit_verdict verdict = {0};
    struct audit_head head = {0};

    CHECK_OK(catalog_audit_verify(w.catalog, &verdict, e));
    ck_assert_int_eq(verdict.count, TALKERS * RECORDS);
    /* Nobody put an older head in place of a newer one. */
    CHECK_OK(audit_head_read(w.catalog, &head, e));
    ck_assert_int_eq(head.seq, TALKERS * RECORDS);
}
END

static void *say_once(void *catalog)
{
    CHECK_OK(catalog_write(catalog, say, NULL, e));
    return NULL;
}

TEST(who_writes_the_head_of_the_log_waits_for_another_that_does)
{
    AUTO(world) struct world w;
    struct audit_head head = {0};
    pthread_t t;

    world_init(&w);
    (void)say_once(w.catalog);
    AUTO(fd) int folder = open(w.folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(folder >= 0 && flock(folder, LOCK_EX) == 0);
    ck_assert_int_eq(pthread_create(&t, NULL, say_once, w.catalog), 0);
    (void)poll(NULL, 0, 200);
    CHECK_OK(audit_head_read(w.catalog, &head, e));
    ck_assert_int_eq(head.seq, 1);
    CHECK(flock(folder, LOCK_UN) == 0);
    ck_assert_int_eq(pthread_join(t, NULL), 0);
    CHECK_OK(audit_head_read(w.catalog, &head, e));
    ck_assert_int_eq(head.seq, 2);
}
END

TESTS_BETWEEN("crash", world_begin, world_end,
              many_processes_that_are_killed_at_any_moment_lose_no_job_and_double_none,
              the_audit_log_is_whole_at_any_moment_while_processes_add_to_it,
              who_writes_the_head_of_the_log_waits_for_another_that_does)
