/*
 * Writing content out of a snapshot to a descriptor: a file as it is, a directory as an archive.
 */
#include <string.h>

#include "base/file.h"
#include "job/feed.h"

/* Where the bytes go: one of the two is set. */
struct dump_out {
    int fd;
    struct tree_archive *archive;
};

struct dump {
    struct reader *reader;
    struct dump_out out;
    size_t skip; /* length of the normalised path of the directory that is dumped */
};

static bool put(const struct dump_out *out, struct slice bytes, struct err *e)
{
    return out->archive != NULL ? tree_archive_bytes(out->archive, bytes, e)
                                : fd_write(out->fd, bytes, e);
}

static bool dump_file(struct dump *d, const struct entry *en, struct err *e)
{
    AUTO(feed) struct feed f = {0};
    AUTO(buf) struct buf piece = {0};

    if (!feed_open(&f, d->reader, en, e))
        return false;
    do {
        buf_clear(&piece);
        if (!feed_next(&f, &piece, e) || !put(&d->out, buf_slice(&piece), e))
            return false;
    } while (piece.size > 0);
    return true;
}

static bool dump_entry(void *arg, const char *path, const struct entry *en, bool *descend,
                       struct err *e)
{
    struct dump *d = arg;
    /* The directory that was asked for has no name of its own in the archive. */
    const char *name = strlen(path) <= d->skip ? "." : path + d->skip + 1;

    (void)descend;
    if (!tree_archive_add(d->out.archive, name, en, e))
        return false;
    return en->type != ENTRY_FILE || dump_file(d, en, e) || err_wrap(e, "%s", path);
}

static bool check_entry(void *arg, const char *path, const struct entry *en, bool *descend,
                        struct err *e)
{
    (void)descend;
    return tree_zip_check(path, en, arg, e);
}

static bool dump_tree(struct repo *r, const struct hash *tree, const char *path,
                      enum tree_format format, struct dump *d, struct err *e)
{
    AUTO(tree_archive) struct tree_archive *archive = NULL;
    uint64_t held = 0;

    if (format == TREE_ZIP && !browse_walk(r, tree, path, check_entry, &held, e))
        return false;
    if (!tree_archive_open(d->out.fd, format, &archive, e))
        return false;
    d->out.archive = archive;
    d->skip = browse_path_size(path);
    return browse_walk(r, tree, path, dump_entry, d, e) && tree_archive_finish(archive, e);
}

static bool find(struct reader *rd, const struct hash *tree, const char *path, struct buf *keep,
                 struct entry *out, struct err *e)
{
    if (!tree_find(rd, tree, path, keep, out, e))
        return false;
    return out->type == ENTRY_DIRECTORY || out->type == ENTRY_FILE ||
           err_set(e, ERR_USAGE, "%s: neither a file nor a directory", path);
}

bool dump_find(struct repo *r, const struct hash *tree, const char *path, struct buf *keep,
               struct entry *out, struct err *e)
{
    AUTO(reader) struct reader *rd = NULL;

    if (!repo_load_index(r, e))
        return false;
    rd = reader_new(r);
    return find(rd, tree, path, keep, out, e);
}

bool dump_run(struct repo *r, const struct hash *tree, const char *path, enum tree_format format,
              int fd, struct err *e)
{
    AUTO(reader) struct reader *rd = NULL;
    AUTO(buf) struct buf keep = {0};
    struct dump d = {.out = {.fd = fd}};
    struct entry en;

    if (!repo_load_index(r, e))
        return false;
    rd = reader_new(r);
    d.reader = rd;
    if (!find(rd, tree, path, &keep, &en, e))
        return false;
    if (en.type == ENTRY_DIRECTORY)
        return dump_tree(r, tree, path, format, &d, e);
    return dump_file(&d, &en, e) || err_wrap(e, "%s", path);
}
