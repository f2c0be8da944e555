#include "cli/backup_paths.h"

#include <string.h>

#include "base/file.h"
#include "cli/paths.h"

enum {
    LIST_MAX = 256 << 20, /* bytes of a list of paths */
    READ_STEP = 64 << 10,
};

bool backup_excludes(const struct backup_paths_args *args, struct exclude *out, struct err *e)
{
    for (size_t i = 0; i < args->exclude.count; i++)
        if (!exclude_add(out, args->exclude.items[i], e))
            return err_wrap(e, "--exclude");
    for (size_t i = 0; i < args->exclude_files.count; i++)
        if (!exclude_add_file(out, args->exclude_files.items[i], e))
            return err_wrap(e, "--exclude-file");
    return true;
}

static bool add_path(struct call *call, const char *path, struct strings *out, struct err *e)
{
    AUTO(buf) struct buf absolute = {0};

    if (!path_absolute(path, &absolute, e))
        return false;
    strings_add(out, arena_string(&call->arena, buf_slice(&absolute)));
    return true;
}

static bool read_stdin(struct buf *out, struct err *e)
{
    size_t got = 0;

    do {
        const size_t size = out->size;

        if (!fd_read(0, buf_extend(out, READ_STEP), READ_STEP, &got, e))
            return err_wrap(e, "standard input");
        out->size = size + got;
        if (out->size > LIST_MAX)
            return err_set(e, ERR_USAGE, "standard input is longer than %d bytes", LIST_MAX);
    } while (got == READ_STEP);
    return true;
}

/* One path a line; empty lines and lines that begin with '#' are skipped. */
static bool add_lines(struct call *call, const char *from, struct strings *out, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    const bool is_read =
        strcmp(from, "-") == 0 ? read_stdin(&text, e) : file_read(from, LIST_MAX, &text, e);

    if (!is_read)
        return false;
    if (strlen(buf_string(&text)) != text.size)
        return err_set(e, ERR_USAGE, "%s holds a NUL byte", from);
    for (const char *at = buf_string(&text); *at != '\0';) {
        const size_t size = strcspn(at, "\n");
        AUTO(buf) struct buf line = {0};

        buf_append(&line, at, size);
        if (size > 0 && *at != '#' && !add_path(call, buf_string(&line), out, e))
            return false;
        at += size + (at[size] == '\n');
    }
    return true;
}

bool backup_paths(struct call *call, const struct backup_paths_args *args, struct strings *out,
                  struct err *e)
{
    const struct strings *words = &call->common->words;

    for (size_t i = 0; i < words->count; i++)
        if (!add_path(call, words->items[i], out, e))
            return false;
    for (size_t i = 0; i < args->files_from.count; i++)
        if (!add_lines(call, args->files_from.items[i], out, e))
            return err_wrap(e, "--files-from");
    if (out->count == 0)
        return err_set(e, ERR_USAGE, "backup needs a path, --files-from or --stdin");
    paths_prune(out);
    return true;
}
