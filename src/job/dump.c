/*
 * Writing content out of a snapshot to a descriptor: a file as it is, a directory as tar.
 */
#include <string.h>

#include "archive/tar.h"
#include "base/file.h"
#include "codec/extent.h"
#include "job/job.h"

/* Zeros for holes are written in steps this long. */
#define HOLE_STEP ((size_t)64 << 10)

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

static bool put_zeros(const struct dump_out *out, uint64_t size, struct err *e)
{
    static const uint8_t zeros[HOLE_STEP];

    while (size > 0) {
        const size_t n = size < HOLE_STEP ? (size_t)size : HOLE_STEP;

        if (!put(out, SLICE_OF(zeros, n), e))
            return false;
        size -= n;
    }
    return true;
}

static bool put_content(const struct dump_out *out, struct extent *x, struct slice bytes,
                        struct err *e)
{
    while (bytes.size > 0) {
        if (!put_zeros(out, extent_skip(x), e))
            return false;

        const size_t n = (size_t)extent_room(x, bytes.size);

        if (!put(out, SLICE_OF(bytes.data, n), e))
            return false;
        x->at += n;
        bytes = SLICE_OF(bytes.data + n, bytes.size - n);
    }
    return true;
}

static bool dump_file(struct dump *d, const struct entry *en, struct err *e)
{
    AUTO(buf) struct buf ids = {0};
    AUTO(buf) struct buf bytes = {0};
    struct extent x;

    if (!reader_content(d->reader, en, &ids, e))
        return false;
    extent_begin(&x, en->holes);
    for (size_t i = 0; i < ids.size; i += HASH_SIZE) {
        struct hash id;

        memcpy(id.bytes, ids.data + i, HASH_SIZE);
        buf_clear(&bytes);
        if (!reader_chunk(d->reader, CHUNK_DATA, &id, &bytes, e) ||
            !put_content(&d->out, &x, buf_slice(&bytes), e))
            return false;
    }
    if (!put_zeros(&d->out, extent_skip(&x), e))
        return false;
    return x.at == en->size ? true
                            : err_set(e, ERR_CORRUPT, "its chunks do not add up to its size");
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
    if (!tree_find(rd, tree, path, &keep, &en, e))
        return false;
    if (en.type == ENTRY_DIRECTORY)
        return dump_tree(r, tree, path, &d, e);
    if (en.type != ENTRY_FILE)
        return err_set(e, ERR_USAGE, "%s: neither a file nor a directory", path);
    return dump_file(&d, &en, e) || err_wrap(e, "%s", path);
}
