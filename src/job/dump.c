/*
 * Writing content out of a snapshot to a descriptor: a file as it is, a directory as tar.
 */
#include <string.h>

#include "archive/tar.h"
#include "base/file.h"
#include "job/feed.h"

/* Where the bytes go: one of the two is set. */
struct dump_out {
    int fd;
    struct tar_writer *tar;
};

struct dump {
    struct reader *reader;
    struct dump_out out;
    size_t skip; /* length of the normalised path of the directory that is dumped */
};

static bool put(const struct dump_out *out, struct slice bytes, struct err *e)
{
    return out->tar != NULL ? tar_writer_bytes(out->tar, bytes, e) : fd_write(out->fd, bytes, e);
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
    if (!tar_writer_add(d->out.tar, name, en, e))
        return false;
    return en->type != ENTRY_FILE || dump_file(d, en, e) || err_wrap(e, "%s", path);
}

static bool dump_tree(struct repo *r, const struct hash *tree, const char *path, struct dump *d,
                      struct err *e)
{
    AUTO(tar_writer) struct tar_writer *tar = NULL;

    if (!tar_writer_open(d->out.fd, &tar, e))
        return false;
    d->out.tar = tar;
    d->skip = browse_path_size(path);
    return browse_walk(r, tree, path, dump_entry, d, e) && tar_writer_finish(tar, e);
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

bool dump_run(struct repo *r, const struct hash *tree, const char *path, int fd, struct err *e)
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
        return dump_tree(r, tree, path, &d, e);
    return dump_file(&d, &en, e) || err_wrap(e, "%s", path);
}
