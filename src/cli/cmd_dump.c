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
    char *target, *table;
    int archive, as, rows;
    bool head;
};

enum { AS_STORED, AS_CSV, AS_JSON };

static const char *const archive_words[] = {"tar", "zip", NULL};
static const char *const as_words[] = {"stored", "csv", "json", NULL};

static const struct option dump_options[] = {
    {"archive", 'a', OPTION_CHOICE, offsetof(struct dump_args, archive), "FORMAT",
     "Write a directory as: tar (default), zip", NULL, NULL, archive_words},
    {"target", 't', OPTION_TEXT, offsetof(struct dump_args, target), "FILE",
     "Write to the new file FILE instead of standard output", NULL, "output"},
    {"as", 0, OPTION_CHOICE, offsetof(struct dump_args, as), "FORMAT",
     "Write the rows of a table as: stored (default), csv, json (a line for each)", NULL, NULL,
     as_words},
    {"table", 'T', OPTION_TEXT, offsetof(struct dump_args, table), "TABLE",
     "With --as csv or json: the table of the SQLite database PATH", NULL, NULL},
    {"rows", 0, OPTION_COUNT, offsetof(struct dump_args, rows), "N",
     "With --as csv or json: at most N rows; 0 (default): all", NULL, NULL},
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

static bool write_content(const struct dump_args *args, struct session *s,
                          const struct snapshot *snapshot, const char *path, int fd, struct err *e)
{
    const struct tables_dump o = {
        .path = path,
        .table = args->table,
        .form = args->as == AS_JSON ? COPY_ROWS_JSON : COPY_ROWS_CSV,
        .rows_max = args->rows > 0 ? (uint64_t)args->rows : 0,
        .fd = fd,
    };

    return args->as == AS_STORED
               ? dump_run(s->repo, &snapshot->tree, path, (enum tree_format)args->archive, fd, e)
               : tables_dump(s->repo, &snapshot->tree, &o, e);
}

static bool dump_to_file(const struct dump_args *args, struct session *s,
                         const struct snapshot *snapshot, const char *path, struct err *e)
{
    const char *target = args->target;

    AUTO(fd) int dirfd = -1;
    AUTO(fd) int fd = -1;
    const char *name = NULL;
    struct err second = {0};

    if (!make_file(target, &dirfd, &fd, &name, e))
        return err_wrap(e, "make %s", target);
    if (write_content(args, s, snapshot, path, fd, e) && fd_close(&fd, target, e))
        return true;
    /* A part of a file must not pass for the whole. */
    if (!file_remove(dirfd, name, &second))
        return err_wrap(e, "%s is incomplete", target);
    return false;
}

/* As `ls --json` has it, without the size when other bytes are written than are stored. */
static bool write_head(struct call *call, struct session *s, const struct snapshot *snapshot,
                       const char *path, struct err *e)
{
    const struct dump_args *args = call->args;
    AUTO(buf) struct buf keep = {0};
    json_t *line;
    struct entry en;

    if (!dump_find(s->repo, &snapshot->tree, path, &keep, &en, e))
        return false;
    line = json_entry(path, &en);
    if (args->as != AS_STORED)
        (void)json_object_del(line, "size"); /* a directory has none, and is refused later */
    output_json(call->out, line);
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

    if (args->table != NULL && args->as == AS_STORED)
        return err_set(e, ERR_USAGE, "--table goes with --as csv or json");
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
                             ? dump_to_file(args, &s, snapshot, buf_string(&path), e)
                             : write_content(args, &s, snapshot, buf_string(&path), 1, e);

    return is_done || err_wrap(e, "dump %s", words[1]);
}

const struct command command_dump = {
    .name = "dump",
    .summary = "Write a file of a snapshot to standard output, a directory as tar or zip",
    .examples = "holdfast dump latest /etc/fstab\n"
                "holdfast dump latest /var/www | tar xf - -C /tmp\n"
                "holdfast dump latest /var/www --archive zip --target www.zip\n"
                "holdfast dump latest /shop.sql --target shop.sql\n"
                "holdfast dump latest /postgres/shop/data/public.orders.copy --as csv\n"
                "holdfast dump latest /sqlite/app.db --table orders --as csv",
    .words = "SNAPSHOT[:DIR] PATH",
    .words_min = 2,
    .words_max = 2,
    .options = dump_options,
    .args_size = sizeof(struct dump_args),
    .run = run_dump,
};
