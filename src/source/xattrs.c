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

static bool names_list(struct xattrs *x, int fd, const char *path, struct err *e)
{
    buf_clear(&x->names);
    buf_reserve(&x->names, XATTRS_KERNEL_MAX);

    char *names = (char *)x->names.data;
    const ssize_t size = fd >= 0 ? flistxattr(fd, names, XATTRS_KERNEL_MAX)
                                 : llistxattr(path, names, XATTRS_KERNEL_MAX);

    if (size < 0 && errno != ENOTSUP && errno != ENOENT)
        return err_sys(e, "list extended attributes");
    x->names.size = size > 0 ? (size_t)size : 0;
    return true;
}

static bool pair_add(struct xattrs *x, int fd, const char *path, const char *name, struct err *e)
{
    buf_clear(&x->value);
    buf_reserve(&x->value, XATTRS_KERNEL_MAX);

    const ssize_t size = fd >= 0 ? fgetxattr(fd, name, x->value.data, XATTRS_KERNEL_MAX)
                                 : lgetxattr(path, name, x->value.data, XATTRS_KERNEL_MAX);

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
