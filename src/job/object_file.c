#include "job/object_file.h"

#include <sys/stat.h>

#include "base/file.h"

enum { PIECE = 16 << 20 }; /* bytes that are compared at a time */

/* Append the bytes of the file from there. */
static bool read_piece(int fd, uint64_t offset, size_t size, struct buf *out, struct err *e)
{
    size_t got = 0;

    if (!fd_read_at(fd, offset, buf_extend(out, size), size, &got, e))
        return false;
    return got == size || err_set(e, ERR_CORRUPT, "the file became shorter");
}

static bool put_object(struct store *s, const char *key, int fd, size_t size, struct err *e)
{
    AUTO(buf) struct buf bytes = {0};

    return read_piece(fd, 0, size, &bytes, e) && store_put(s, key, buf_slice(&bytes), PUT_NEW, e);
}

static bool put_parts(struct store *s, const char *key, int fd, uint64_t size, struct err *e)
{
    struct object_info there = {0};

    if (store_stat(s, key, &there, e))
        return err_set(e, ERR_EXISTS, "object %s exists already", key);
    return e->code == ERR_NOT_FOUND && store_put_file(s, key, fd, size, e);
}

static bool is_other(struct err *e)
{
    return err_set(e, ERR_CORRUPT, "what is read back is not what was written");
}

static bool compare(struct store *s, const char *key, int fd, uint64_t size, struct err *e)
{
    AUTO(buf) struct buf bytes = {0};
    AUTO(buf) struct buf back = {0};
    struct object_info there = {0};

    if (!store_stat(s, key, &there, e))
        return false;
    for (uint64_t at = 0; at < size && there.size == size; at += PIECE) {
        const size_t n = size - at < PIECE ? (size_t)(size - at) : PIECE;

        buf_clear(&bytes);
        buf_clear(&back);
        if (!read_piece(fd, at, n, &bytes, e) || !store_get(s, key, at, n, &back, e))
            return false;
        if (!slice_is_equal(buf_slice(&back), buf_slice(&bytes)))
            return is_other(e);
    }
    return there.size == size || is_other(e);
}

bool object_file_put(struct store *s, const char *key, int fd, struct err *e)
{
    const uint64_t longest = s->file_max > STORE_OBJECT_MAX ? s->file_max : STORE_OBJECT_MAX;
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_sys(e, "look at the file");

    const uint64_t size = (uint64_t)st.st_size;
    bool is_put = false;

    if (size > longest)
        (void)err_set(e, ERR_USAGE, "the file is longer than %llu MiB, which is all that it takes",
                      (unsigned long long)(longest >> 20));
    else if (size > STORE_OBJECT_MAX)
        is_put = put_parts(s, key, fd, size, e);
    else
        is_put = put_object(s, key, fd, (size_t)size, e);
    return (is_put && compare(s, key, fd, size, e)) || err_wrap(e, "copy to %s", key);
}
