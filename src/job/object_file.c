#include "job/object_file.h"

#include <sys/stat.h>

#include "base/file.h"

static bool read_whole(int fd, struct buf *out, struct err *e)
{
    struct stat st;
    size_t got;

    if (fstat(fd, &st) < 0)
        return err_sys(e, "look at the file");
    if ((uint64_t)st.st_size > STORE_OBJECT_MAX)
        return err_set(e, ERR_USAGE, "the file is longer than %zu MiB, which an object takes",
                       STORE_OBJECT_MAX >> 20);
    buf_reserve(out, (size_t)st.st_size);
    if (!fd_read_at(fd, 0, out->data, (size_t)st.st_size, &got, e))
        return false;
    out->size = got;
    return got == (size_t)st.st_size || err_set(e, ERR_CORRUPT, "the file became shorter");
}

bool object_file_put(struct store *s, const char *key, int fd, struct err *e)
{
    AUTO(buf) struct buf bytes = {0};
    AUTO(buf) struct buf back = {0};

    if (!read_whole(fd, &bytes, e) || !store_put(s, key, buf_slice(&bytes), PUT_NEW, e) ||
        !store_get_all(s, key, &back, e))
        return err_wrap(e, "copy to %s", key);
    return slice_is_equal(buf_slice(&back), buf_slice(&bytes)) ||
           err_set(e, ERR_CORRUPT, "copy to %s: what is read back is not what was written", key);
}
