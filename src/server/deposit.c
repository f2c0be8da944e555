#include "server/deposit.h"

#include <stdio.h>

#include "base/file.h"
#include "base/mem.h"

#define PIECE ((size_t)64 << 10)

void deposit_auto(struct deposit *d)
{
    fd_auto(&d->fd);
    fd_auto(&d->arrival.fd);
}

static bool ours(struct deposit *d, bool is_done)
{
    d->is_ours = !is_done;
    return is_done;
}

bool deposit_begin(struct deposit *d, const struct service *s, struct err *e)
{
    if (s->begin_arrival(s->arg, &d->arrival, e))
        return true;
    d->arrival.fd = -1;
    return ours(d, false);
}

bool deposit_archive(struct deposit *d, const char *name, struct err *e)
{
    AUTO(fd) int folder = -1;

    return ours(d, beneath_mkdir(d->arrival.fd, d->arrival.folder, 0700, e) &&
                       beneath_open_dir(d->arrival.fd, d->arrival.folder, &folder, e) &&
                       beneath_create(folder, name, &d->fd, e));
}

bool deposit_key(struct deposit *d, int number, struct err *e)
{
    char name[32];

    (void)snprintf(name, sizeof(name), "%s%d", d->arrival.key, number); /* has room */
    return ours(d, beneath_create(d->arrival.fd, name, &d->fd, e));
}

bool deposit_bytes(struct deposit *d, struct slice bytes, struct err *e)
{
    return ours(d, fd_write(d->fd, bytes, e));
}

bool deposit_end(struct deposit *d, struct err *e)
{
    return ours(d, fd_sync(d->fd, "what arrived", e) && fd_close(&d->fd, "what arrived", e));
}

bool deposit_read(struct request *r, struct multipart *m, struct err *e)
{
    AUTO(mem) uint8_t *piece = mem_new(PIECE);
    size_t got = 1;

    while (got > 0)
        if (!request_read(r, piece, PIECE, &got, e) || !multipart_add(m, SLICE_OF(piece, got), e))
            return false;
    return multipart_finish(m, e);
}
