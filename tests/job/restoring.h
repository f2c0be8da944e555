/* A restore of what a world backed up last. */
#ifndef TESTS_JOB_RESTORING_H
#define TESTS_JOB_RESTORING_H

#include <sys/stat.h>

#include "job/world.h"

/* It goes into a directory of its own. */
struct restoring {
    struct scratch to;
    struct restore_options o;
    struct restore_result result;
    struct snapshot *snapshot;
    struct exclude *patterns;
};

static inline void restoring_init(struct restoring *r, struct world *w)
{
    *r = (struct restoring){0};
    scratch_init(&r->to);
    CHECK_OK(snapshot_load(w->repo, &w->result.snapshot, &r->snapshot, e));
    r->patterns = exclude_new();
    r->o = (struct restore_options){.snapshot = r->snapshot,
                                    .sub = w->dir.path,
                                    .target = r->to.path,
                                    .how = {.keep_owner = geteuid() == 0}};
}

static inline void restoring_auto(struct restoring *r)
{
    scratch_done(&r->to);
    snapshot_free(r->snapshot);
    exclude_free(r->patterns);
}

static inline bool restore(struct world *w, struct restoring *r, struct err *e)
{
    seen_auto(&w->seen);
    seen_init(&w->seen);
    return restore_run(w->repo, &r->o, &w->seen.report, &r->result, e);
}

static inline bool is_there(const struct restoring *r, const char *name)
{
    struct stat st;

    return lstat(path_in(r->to.path, name), &st) == 0;
}

static inline void check_text(const struct restoring *r, const char *name, const char *wanted)
{
    AUTO(buf) struct buf got = {0};

    file_take(path_in(r->to.path, name), &got);
    ck_assert_str_eq(buf_string(&got), wanted);
}

/* "a/x.c", "a/x.h", "a/deep/y.c", "b/z.c", "top.c" */
static inline void make_sources(struct world *w)
{
    CHECK(mkdir(path_in(w->dir.path, "a"), 0750) == 0);
    CHECK(mkdir(path_in(w->dir.path, "a/deep"), 0700) == 0);
    CHECK(mkdir(path_in(w->dir.path, "b"), 0755) == 0);
    file_put_text(path_in(w->dir.path, "a/x.c"), "x.c");
    file_put_text(path_in(w->dir.path, "a/x.h"), "x.h");
    file_put_text(path_in(w->dir.path, "a/deep/y.c"), "y.c");
    file_put_text(path_in(w->dir.path, "b/z.c"), "z.c");
    file_put_text(path_in(w->dir.path, "top.c"), "top.c");
}

static inline void sources_init(struct world *w)
{
    world_init(w);
    make_sources(w);
    back_up(w);
}

#endif
