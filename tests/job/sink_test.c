/* The sink of a backup by itself: what a hostile or unlucky source may tell it. */
#include <string.h>

#include "base/mem.h"
#include "job/backup_run.h"
#include "support/fixture.h"

/* A sink without a source, a writer or an assembler. */
struct bench {
    struct store *store;
    struct repo *repo;
    struct report report;
    struct backup_run run;
    struct lane *lane;
};

static void bench_init(struct bench *b)
{
    *b = (struct bench){.store = store_memory_new()};
    b->repo = fixture_repo(b->store);
    b->run = (struct backup_run){.sink = {&backup_sink_ops},
                                 .repo = b->repo,
                                 .report = &b->report,
                                 .snapshot = snapshot_new(),
                                 .lock = PTHREAD_MUTEX_INITIALIZER};
    CHECK_OK(repo_load_index(b->repo, e));
    CHECK_OK(backup_sink_ops.lane_open(&b->run.sink, &b->lane, e));
}

static void bench_auto(struct bench *b)
{
    backup_sink_ops.lane_close(b->lane);
    snapshot_free(b->run.snapshot);
    repo_close(b->repo);
    store_close(b->store);
}

/* The sink's snapshot is one that can be written. */
static void put_snapshot(struct bench *b)
{
    struct snapshot *s = b->run.snapshot;

    s->host = mem_string("h");
    s->user = mem_string("u");
    s->program = mem_string("p");
    snapshot_add_path(s, "/");
    CHECK_OK(snapshot_put(b->repo, s, e));
}

TEST(any_number_of_errors_fits_into_a_snapshot)
{
    AUTO(bench) struct bench b;
    char path[4000];
    struct err why = {0};

    bench_init(&b);
    memset(path, '\\', sizeof(path) - 1);
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    (void)err_set(&why, ERR_FATAL, "it cannot be read");
    for (int i = 0; i < 20000; i++)
        CHECK_OK(backup_sink_ops.note(b.lane, path, &why, e));
    backup_run_close_list(&b.run);

    const struct snapshot *s = b.run.snapshot;
    const struct incomplete *last = &s->incomplete[s->incomplete_count - 1];

    CHECK(b.run.counters.errors == 20000 && s->incomplete_count > 500);
    ck_assert_str_eq(last->path, "/");
    ck_assert_ptr_nonnull(strstr(last->error, "more are not named here"));
    put_snapshot(&b);
}
END

TEST(a_reason_that_is_no_utf8_is_told_all_the_same)
{
    AUTO(bench) struct bench b;
    struct err why = {0};

    bench_init(&b);
    (void)err_set(&why, ERR_FATAL, "read extended attribute user.\xff");
    CHECK_OK(backup_sink_ops.note(b.lane, "/a\xfe", &why, e));
    backup_run_close_list(&b.run);
    ck_assert_uint_eq(b.run.snapshot->incomplete_count, 1);
    ck_assert_str_eq(b.run.snapshot->incomplete[0].path, "/a\\xfe");
    ck_assert_str_eq(b.run.snapshot->incomplete[0].error, "read extended attribute user.\\xff");
    put_snapshot(&b);
}
END

TESTS("sink", any_number_of_errors_fits_into_a_snapshot,
      a_reason_that_is_no_utf8_is_told_all_the_same)
