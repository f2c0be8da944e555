/*
 * Put one database back: sqlite_restore_once COPY MANIFEST TARGET ACTION [STAGED].  Prints "ok", or
 * the error's code and text.  A process of its own, so that it can be killed and meets real locks.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

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

static bool act(char **argv, struct slice manifest, int fd, struct err *e)
{
    const struct sqlite_restore_options o = {
        .path = argv[3], .manifest = manifest, .force = strcmp(argv[4], "force") == 0};
    const struct sqlite_stage_options staging = {.path = argv[3], .manifest = manifest};

    if (strcmp(argv[4], "stage") == 0)
        return sqlite_stage(&staging, argv[5], feed, &fd, e);
    if (strcmp(argv[4], "exchange") == 0)
        return sqlite_exchange(argv[3], argv[5], e);
    if (strcmp(argv[4], "discard") == 0)
        return sqlite_discard(argv[3], argv[5], e);
    return sqlite_restore(&o, feed, &fd, e);
}

int main(int argc, char **argv)
{
    AUTO(fd) int fd = argc < 5 ? -1 : open(argv[1], O_RDONLY | O_CLOEXEC);
    AUTO(buf) struct buf manifest = {0};
    struct err e = {0};

    if (fd < 0 || !file_read(argv[2], SIZE_MAX / 2, &manifest, &e))
        return 2;
    if (act(argv, buf_slice(&manifest), fd, &e))
        printf("ok");
    else
        printf("%d %s", (int)e.code, e.text);
    return 0;
}
