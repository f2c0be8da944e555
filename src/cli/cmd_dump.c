#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/paths.h"
#include "cli/render.h"
#include "cli/session.h"
#include "job/job.h"

struct dump_args {
    struct common common;
    struct filter_args filter;
    char *target;
    int archive;
    bool head;
};

static const char *const archive_words[] = {"tar", NULL};

static const struct option dump_options[] = {
    {"archive", 'a', OPTION_CHOICE, offsetof(struct dump_args, archive), "FORMAT",
     "Write a directory as: tar", NULL, NULL, archive_words},
    {"target", 't', OPTION_TEXT, offsetof(struct dump_args, target), "FILE",
     "Write to the new file FILE instead of standard output", NULL, "output"},
    {"head", 0, OPTION_FLAG, offsetof(struct dump_args, head), NULL,
     "Write a line of JSON about it in front of it", NULL, "output"},
    FILTER_OPTIONS_AND_SET(dump_args, filter),
    UPLOADS_OPTION(dump_args, filter),
    {0},
};

/* Make a file that is not there. */
static bool make_file(const char *path, int *dirfd, int *fd, const char **name, struct err *e)
{
    const char *slash = strrchr(path, '/');
    AUTO(buf) struct buf parent = {0};

    if (slash == NULL)
        buf_append(&parent, ".", 1);
    else
        buf_append(&parent, path, (size_t)(slash - path) + 1);
    *name = slash == NULL ? path : slash + 1;
    return dir_open(buf_string(&parent), dirfd, e) && beneath_create(*dirfd, *name, fd, e);
}

static bool dump_to_file(struct session *s, const struct snapshot *snapshot, const char *path,
                         const char *target, struct err *e)
{
    AUTO(fd) int dirfd = -1;
    AUTO(fd) int fd = -1;
    const char *name = NULL;
    struct err second = {0};

    if (!make_file(target, &dirfd, &fd, &name, e))
        return err_wrap(e, "make %s", target);
    if (dump_run(s->repo, &snapshot->tree, path, fd, e) && fd_close(&fd, target, e))
        return true;
    /* A part of a file must not pass for the whole. */
    if (!file_remove(dirfd, name, &second))
        return err_wrap(e, "%s is incomplete", target);
    return false;
}

/* As `ls --json` has it. */
static bool write_head(struct call *call, struct session *s, const struct snapshot *snapshot,
                       const char *path, struct err *e)
{
    AUTO(buf) struct buf keep = {0};
    struct entry en;

    if (!dump_find(s->repo, &snapshot->tree, path, &keep, &en, e))
        return false;
    output_json(call->out, json_entry(path, &en));
    return output_flush(call->out, e);
}

static bool run_dump(struct call *call, struct err *e)
{
    const struct dump_args *args = call->args;
    char *const *words = args->common.words.items;
    AUTO(session) struct session s = {0};
    AUTO(snapshot) struct snapshot *snapshot = NULL;
    AUTO(mem) char *sub = NULL;
    AUTO(buf) struct buf top = {0};
    AUTO(buf) struct buf path = {0};

    if (!session_open_indexed(call, &s, e) ||
        !session_resolve(call, &s, words[0], &args->filter, &snapshot, &sub, e))
        return false;
    path_join("/", sub == NULL ? "" : sub, &top);
    buf_append_slice(&top, slice_string("/"));
    buf_append_slice(&top, slice_string(words[1]));
    path_join("/", buf_string(&top), &path);

    if (args->head && !write_head(call, &s, snapshot, buf_string(&path), e))
        return err_wrap(e, "dump %s", words[1]);

    const bool is_done = args->target != NULL
                             ? dump_to_file(&s, snapshot, buf_string(&path), args->target, e)
                             : dump_run(s.repo, &snapshot->tree, buf_string(&path), 1, e);

    return is_done || err_wrap(e, "dump %s", words[1]);
}

const struct command command_dump = {
    .name = "dump",
    .summary = "Write a file of a snapshot to standard output, a directory as tar",
    .examples = "holdfast dump latest /etc/fstab\n"
                "holdfast dump latest /var/www | tar xf - -C /tmp\n"
                "holdfast dump latest /shop.sql --target shop.sql",
    .words = "SNAPSHOT[:DIR] PATH",
    .words_min = 2,
    .words_max = 2,
    .options = dump_options,
    .args_size = sizeof(struct dump_args),
    .run = run_dump,
};
