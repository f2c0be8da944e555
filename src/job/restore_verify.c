/*
 * Reading a restored file back and comparing it with the snapshot, chunk by chunk.
 */
#include <string.h>

#include "base/file.h"
#include "codec/extent.h"
#include "job/restore_plan.h"

/* Append size bytes of content, leaving holes out. */
static bool read_content(int fd, struct extent *x, size_t size, struct buf *out, struct err *e)
{
    while (size > 0) {
        size_t n, got;

        (void)extent_skip(x);
        n = (size_t)extent_room(x, size);
        if (!fd_read_at(fd, x->at, buf_extend(out, n), n, &got, e))
            return false;
        if (got != n)
            return err_set(e, ERR_FATAL, "it is shorter than the snapshot says");
        x->at += n;
        size -= n;
    }
    return true;
}

bool restore_verify_file(struct restore_run *run, struct reader *rd, const char *path,
                         const struct entry *en, struct err *e)
{
    AUTO(fd) int fd = -1;
    AUTO(buf) struct buf ids = {0};
    AUTO(buf) struct buf bytes = {0};
    struct extent at;
    struct stat st;

    if (!target_open_read(run->target, path, &fd, e) || !reader_content(rd, en, &ids, e))
        return false;
    if (fstat(fd, &st) != 0)
        return err_sys(e, "stat");
    if ((uint64_t)st.st_size != en->size)
        return err_set(e, ERR_FATAL, "its size differs from the snapshot's");
    extent_begin(&at, en->holes);
    for (size_t i = 0; i < ids.size; i += HASH_SIZE) {
        struct hash id;
        struct place place;

        memcpy(id.bytes, ids.data + i, HASH_SIZE);
        if (!repo_find(run->repo, &id, &place))
            return repo_err_lost(run->repo, &id, e);
        buf_clear(&bytes);
        if (!read_content(fd, &at, place.size, &bytes, e))
            return false;
        if (!reader_verify(rd, CHUNK_DATA, buf_slice(&bytes), &id, e))
            return err_set(e, ERR_FATAL, "what was written reads back differently");
    }
    return true;
}
