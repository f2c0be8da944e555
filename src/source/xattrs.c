#include "source/xattrs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/mem.h"
#include "codec/entry.h"

/* What Linux allows for the names of one file together, and for one value. */
#define XATTRS_KERNEL_MAX ((size_t)64 << 10)

void xattrs_done(struct xattrs *x)
{
    buf_done(&x->names);
    buf_done(&x->value);
    buf_done(&x->encoded);
}

void xattrs_auto(struct xattrs *x)
{
    xattrs_done(x);
}

/*
 * The names of a file's attributes (name NULL), or the value of one.  The kernel sets memory aside
 * for all the room it is offered, for each file anew: it is offered little, until it says that this
 * is too little.
 */
static ssize_t ask(struct buf *out, int fd, const char *path, const char *name)
{
    static const size_t rooms[] = {256, XATTRS_KERNEL_MAX};
    ssize_t size = -1;

    for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
        buf_clear(out);
        buf_reserve(out, rooms[i]);

        char *to = (char *)out->data;

        if (name == NULL)
            size = fd >= 0 ? flistxattr(fd, to, rooms[i]) : llistxattr(path, to, rooms[i]);
        else
            size =
                fd >= 0 ? fgetxattr(fd, name, to, rooms[i]) : lgetxattr(path, name, to, rooms[i]);
        if (size >= 0 || errno != ERANGE)
            return size;
    }
    return size;
}

static bool names_list(struct xattrs *x, int fd, const char *path, struct err *e)
{
    const ssize_t size = ask(&x->names, fd, path, NULL);

    if (size < 0 && errno != ENOTSUP && errno != ENOENT)
        return err_sys(e, "list extended attributes");
    x->names.size = size > 0 ? (size_t)size : 0;
    return true;
}

static bool pair_add(struct xattrs *x, int fd, const char *path, const char *name, struct err *e)
{
    const ssize_t size = ask(&x->value, fd, path, name);

    if (size < 0 && (errno == ENODATA || errno == ENOENT))
        return true; /* removed since the list was read */
    if (size < 0)
        return err_sys(e, "read extended attribute %s", name);
    buf_put_bytes(&x->encoded, slice_string(name));
    buf_put_bytes(&x->encoded, SLICE_OF(x->value.data, (size_t)size));
    return x->encoded.size <= ENTRY_XATTR_MAX ||
           err_set(e, ERR_FATAL, "extended attributes are left out: they take more than 64 KiB");
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Add the pairs in ascending order of their names. */
static bool pairs_add(struct xattrs *x, int fd, const char *path, struct err *e)
{
    AUTO(mem) const char **sorted = mem_array(x->names.size, sizeof(sorted[0]));
    const char *at = (const char *)x->names.data;
    const char *end = at + x->names.size;
    size_t count = 0;

    for (; at < end; at += strlen(at) + 1)
        sorted[count++] = at;
    qsort(sorted, count, sizeof(sorted[0]), compare_names);
    for (size_t i = 0; i < count; i++)
        if (!pair_add(x, fd, path, sorted[i], e))
            return false;
    return true;
}

bool xattrs_read(struct xattrs *x, int fd, const char *path, struct err *e)
{
    buf_clear(&x->encoded);
    if (!names_list(x, fd, path, e))
        return false;
    if (x->names.size == 0 || pairs_add(x, fd, path, e))
        return true;
    buf_clear(&x->encoded);
    return false;
}
