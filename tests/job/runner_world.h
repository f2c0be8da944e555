/*
 * A state folder and a configuration with four sets, for tests that run jobs as processes.
 */
#ifndef TESTS_JOB_RUNNER_WORLD_H
#define TESTS_JOB_RUNNER_WORLD_H

#include <stdio.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "job/child.h"
#include "support/fixture.h"

struct world {
    struct scratch scratch;
    char *config;
    struct child_job job;
};

static inline void world_init(struct world *w)
{
    AUTO(buf) struct buf text = {0};

    *w = (struct world){0};
    scratch_init(&w->scratch);
    w->config = mem_string(path_in(w->scratch.path, "holdfast.yaml"));
    buf_printf(&text,
               "state: %s/state\nrepositories:\n"
               "  main: {url: %s/repo, key_file: /etc/passwd}\nsets:\n",
               w->scratch.path, w->scratch.path);
    for (char set = 'a'; set < 'e'; set++)
        buf_printf(&text, "  %c: {sources: [{files: {paths: [/usr/bin]}}], repositories: [main]}\n",
                   set);
    file_put_text(w->config, buf_string(&text));
    CHECK(chmod(w->config, 0600) == 0);
    CHECK(mkdir(path_in(w->scratch.path, "repo"), 0700) == 0);
    CHECK(mkdir(path_in(w->scratch.path, "told"), 0700) == 0);
}

static inline void world_auto(struct world *w)
{
    mem_free(w->config);
    child_job_done(&w->job);
    scratch_done(&w->scratch);
}

/* A backup of the set that behaves like this; valid until the next. */
static inline struct child_job *job(struct world *w, const char *id, const char *set,
                                    const char *how)
{
    child_job_done(&w->job);
    w->job = (struct child_job){.attempt = 1, .verb = CHILD_BACKUP, .limits = {.grace_s = 1}};
    (void)snprintf(w->job.id, sizeof(w->job.id), "%s", id);
    w->job.config = mem_string(w->config);
    w->job.set = mem_string(set);
    w->job.arguments = json_pack("{s:[s]}", "tags", how);
    return &w->job;
}

#endif
