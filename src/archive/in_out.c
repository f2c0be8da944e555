#include "archive/in_out.h"

#include <assert.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"

static bool read_fd(void *arg, uint64_t offset, void *to, size_t size, size_t *got, struct err *e)
{
    const int *fd = arg;

    return fd_read_at(*fd, offset, to, size, got, e);
}

bool input_of_fd(const int *fd, struct input *out, struct err *e)
{
    struct stat st;

    if (fstat(*fd, &st) != 0)
        return err_sys(e, "look at the file");
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_USAGE, "it is no regular file");
    *out = (struct input){read_fd, (void *)(uintptr_t)fd, (uint64_t)st.st_size};
    return true;
}

static bool read_slice(void *arg, uint64_t offset, void *to, size_t size, size_t *got,
                       struct err *e)
{
    const struct slice *from = arg;
    const size_t left = offset < from->size ? from->size - (size_t)offset : 0;

    (void)e; /* memory does not fail */
    *got = size < left ? size : left;
    if (*got > 0)
        memcpy(to, from->data + offset, *got);
    return true;
}

struct input input_of_slice(const struct slice *bytes)
{
    return (struct input){read_slice, (void *)(uintptr_t)bytes, bytes->size};
}

bool input_read(const struct input *in, uint64_t offset, void *to, size_t size, struct err *e)
{
    size_t got = 0;

    return in->read_at(in->arg, offset, to, size, &got, e) &&
           (got == size || err_set(e, ERR_CORRUPT, "it is shorter than it was"));
}

static bool write_fd(void *arg, struct slice piece, struct err *e)
{
    const int *fd = arg;

    return fd_write(*fd, piece, e);
}

static bool patch_fd(void *arg, uint64_t offset, struct slice bytes, struct err *e)
{
    const int *fd = arg;

    return fd_write_at(*fd, offset, bytes, e);
}

struct output output_of_fd(const int *fd)
{
    return (struct output){write_fd, patch_fd, (void *)(uintptr_t)fd};
}

static bool write_buf(void *arg, struct slice piece, struct err *e)
{
    (void)e; /* memory does not fail */
    buf_append_slice(arg, piece);
    return true;
}

static bool patch_buf(void *arg, uint64_t offset, struct slice bytes, struct err *e)
{
    struct buf *to = arg;

    (void)e; /* memory does not fail */
    assert(offset <= to->size && bytes.size <= to->size - offset);
    memcpy(to->data + offset, bytes.data, bytes.size);
    return true;
}

struct output output_of_buf(struct buf *to)
{
    return (struct output){write_buf, patch_buf, to};
}
