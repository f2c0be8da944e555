/* What most tests of jobs need: a place for files, a repository in memory, and what was told. */
#ifndef TESTS_JOB_WORLD_H
#define TESTS_JOB_WORLD_H

#include "support/fixture.h"

#define MIB ((size_t)1 << 20)

struct world {
    struct scratch dir;
    struct store *store;
    struct repo *repo;
    struct seen seen;
    struct backup_result result;
    const char *path; /* of options */
};

static inline void world_init(struct world *w)
{
    *w = (struct world){0};
    scratch_init(&w->dir);
    w->store = store_memory_new();
    w->repo = fixture_repo(w->store);
    seen_init(&w->seen);
    w->path = w->dir.path;
}

static inline void world_auto(struct world *w)
{
    repo_close(w->repo);
    store_close(w->store);
    scratch_done(&w->dir);
    seen_auto(&w->seen);
}

static inline struct backup_options options_of(const struct world *w)
{
    return (struct backup_options){
        .files = {.paths = &w->path, .path_count = 1}, .stream_fd = -1, .host = "h"};
}

/* Back up with options; what was seen before is forgotten. */
static inline bool run(struct world *w, const struct backup_options *o, struct err *e)
{
    seen_auto(&w->seen);
    seen_init(&w->seen);
    return backup_run(w->repo, o, &w->seen.report, &w->result, e);
}

/* Back up w->path. */
static inline void back_up(struct world *w)
{
    const struct backup_options o = options_of(w);

    CHECK_OK(run(w, &o, e));
    CHECK(w->result.is_committed);
}

/* The last backup restores as the directory is now. */
static inline void check_restores(struct world *w)
{
    AUTO(scratch) struct scratch to = {0};

    scratch_init(&to);
    fixture_restore(w->repo, &w->result.snapshot, w->dir.path, to.path);
}

/* Drill the last backup; a scratch folder that is NULL is the default one. */
static inline bool drill(struct world *w, const char *scratch_path, struct drill_result *out,
                         struct err *e)
{
    AUTO(snapshot) struct snapshot *s = NULL;

    return snapshot_load(w->repo, &w->result.snapshot, &s, e) &&
           drill_run(w->repo, &(struct drill_options){.snapshot = s, .scratch = scratch_path}, out,
                     e);
}

#endif
