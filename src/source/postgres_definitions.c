#include "source/postgres_definitions.h"

#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "source/postgres_crew.h"
#include "source/postgres_tool.h"

#define NUMBER_TEXT   24
#define ARGUMENTS_MAX 12 /* with the NULL behind them */

void postgres_definitions_auto(struct postgres_definitions *d)
{
    fd_auto(&d->fd);
    postgres_archive_auto(&d->archive);
}

bool postgres_scratch_file(const struct postgres_target *t, int *fd, char path[POSTGRES_PATH_MAX],
                           struct err *e)
{
    if (!file_unnamed(t->o->scratch != NULL ? t->o->scratch : file_scratch_folder(), fd, e))
        return false;
    (void)snprintf(path, POSTGRES_PATH_MAX, "/proc/%d/fd/%d", (int)getpid(), *fd); /* has room */
    return true;
}

bool postgres_definitions_open(const struct postgres_target *t, const char *name,
                               struct postgres_definitions *out, struct err *e)
{
    AUTO(postgres_file) struct postgres_file f = {0};
    AUTO(buf) struct buf piece = {0};

    if (!postgres_file_open(&f, t->files, name, e) ||
        !postgres_scratch_file(t, &out->fd, out->path, e))
        return false;
    do {
        buf_clear(&piece);
        if (!postgres_file_next(&f, &piece, e) || !fd_write(out->fd, buf_slice(&piece), e))
            return err_wrap(e, "%s", name);
    } while (piece.size > 0);
    return true;
}

bool postgres_definitions_read(const struct postgres_target *t, const char *name,
                               struct postgres_link *l, struct postgres_definitions *out,
                               struct err *e)
{
    AUTO(buf) struct buf bytes = {0};

    return (postgres_file_read(t->files, name, POSTGRES_DEFINITIONS_MAX, &bytes, e) &&
            postgres_archive_read(buf_slice(&bytes), l, &out->archive, e) &&
            postgres_scratch_file(t, &out->fd, out->path, e) &&
            fd_write(out->fd, buf_slice(&bytes), e)) ||
           err_wrap(e, "%s", name);
}

bool postgres_definitions_list(const struct postgres_target *t, struct slice list, int *fd,
                               struct buf *option, struct err *e)
{
    char path[POSTGRES_PATH_MAX];

    if (!postgres_scratch_file(t, fd, path, e) || !fd_write(*fd, list, e))
        return false;
    buf_printf(option, "--use-list=%s", path);
    return true;
}

static bool output_ignore(void *arg, struct slice bytes, struct err *e)
{
    (void)arg;
    (void)bytes;
    (void)e;
    return true;
}

/* use_list: NULL takes all. */
static bool restore(const struct postgres_target *t, const char *program,
                    const struct postgres_definitions *d, const char *use_list, int jobs,
                    struct err *e)
{
    AUTO(buf) struct buf address = {0};
    char jobs_text[NUMBER_TEXT];
    const char *argv[ARGUMENTS_MAX] = {program, "--exit-on-error", "--no-password",
                                       "--no-tablespaces"};
    size_t count = 4;

    buf_printf(&address, "--dbname=");
    postgres_address_format(&t->address, t->password_fd >= 0 ? POSTGRES_PASSFILE : NULL, &address);
    (void)snprintf(jobs_text, sizeof(jobs_text), "--jobs=%d", jobs);
    if (t->o->without_owners) {
        argv[count++] = "--no-owner";
        argv[count++] = "--no-acl";
    }
    if (use_list != NULL)
        argv[count++] = use_list;
    argv[count++] = jobs_text;
    argv[count++] = buf_string(&address);
    argv[count++] = d->path;

    const struct postgres_tool tool = {
        .argv = (char *const *)(uintptr_t)argv,
        .password_fd = t->password_fd,
        .secret = t->o->password,
    };

    return postgres_tool_run(&tool, output_ignore, NULL, e);
}

bool postgres_definitions_before(const struct postgres_target *t, const char *program,
                                 struct err *e)
{
    AUTO(postgres_definitions) struct postgres_definitions d = POSTGRES_DEFINITIONS_NONE;

    return postgres_definitions_open(t, "pre-data.dump", &d, e) &&
           restore(t, program, &d, NULL, 1, e);
}

/* What locks no more than the one table it belongs to. */
static bool locks_one_table(const struct postgres_archive_entry *entry)
{
    return postgres_archive_is(entry->kind, "INDEX") ||
           postgres_archive_is(entry->kind, "CONSTRAINT");
}

static bool restore_some(const struct postgres_target *t, const char *program,
                         const struct postgres_definitions *d, bool is_side_by_side, struct err *e)
{
    AUTO(buf) struct buf list = {0};
    AUTO(buf) struct buf option = {0};
    AUTO(fd) int fd = -1;

    for (size_t i = 0; i < d->archive.count; i++)
        if (locks_one_table(&d->archive.entries[i]) == is_side_by_side)
            buf_printf(&list, "%lld;\n", (long long)d->archive.entries[i].id);
    return list.size == 0 || (postgres_definitions_list(t, buf_slice(&list), &fd, &option, e) &&
                              restore(t, program, d, buf_string(&option),
                                      is_side_by_side ? postgres_crew_jobs(t->o->jobs) : 1, e));
}

/*
 * Indexes are built side by side.  The rest comes one after the other: a foreign key locks two
 * tables, and pg_restore knows which only when the tables are in the same file.
 */
bool postgres_definitions_after(const struct postgres_target *t, const char *program,
                                struct postgres_link *l, struct err *e)
{
    AUTO(postgres_definitions) struct postgres_definitions d = POSTGRES_DEFINITIONS_NONE;

    return postgres_definitions_read(t, "post-data.dump", l, &d, e) &&
           restore_some(t, program, &d, true, e) && restore_some(t, program, &d, false, e);
}
