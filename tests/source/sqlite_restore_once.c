/*
 * Restore one database: sqlite_restore_once COPY MANIFEST TARGET [force].  Prints "ok", or the
 * error's code and text.  A process of its own, so that it can be killed and meets real locks.
 */
#include <fcntl.h>
#include <stdio.h>

#include "base/file.h"
#include "source/source.h"

/* A few at a time, so that the copy comes in many pieces. */
#define PIECE ((size_t)3000)

static bool feed(void *arg, struct buf *out, struct err *e)
{
    size_t got = 0;

    if (!fd_read(*(const int *)arg, buf_extend(out, PIECE), PIECE, &got, e))
        return false;
    out->size = out->size - PIECE + got;
    return true;
}

int main(int argc, char **argv)
{
    AUTO(fd) int fd = argc < 4 ? -1 : open(argv[1], O_RDONLY | O_CLOEXEC);
    AUTO(buf) struct buf manifest = {0};
    struct err e = {0};

    if (fd < 0 || !file_read(argv[2], SIZE_MAX / 2, &manifest, &e))
        return 2;

    const struct sqlite_restore_options o = {
        .path = argv[3], .manifest = buf_slice(&manifest), .force = argc > 4};

    if (sqlite_restore(&o, feed, &fd, &e))
        printf("ok");
    else
        printf("%d %s", (int)e.code, e.text);
    return 0;
}
