#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "source/owner.h"
#include "source/source.h"

#define STREAM_WAIT_MS 500

/* A stream on its way into a lane. */
struct stream {
    const struct sink_ops *ops;
    struct lane *lane;
};

static void stream_auto(struct stream *s)
{
    s->ops->lane_close(s->lane);
}

/* The next bytes; *got is 0 at the end.  Asks for cancellation while a writer is silent. */
static bool stream_read(int fd, void *to, size_t *got, struct err *e)
{
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        const int ready = poll(&p, 1, STREAM_WAIT_MS);

        if (cancel_is_requested())
            return cancel_err(e);
        if (ready < 0 && errno != EINTR)
            return err_sys(e, "wait for the stream");
        if (ready <= 0)
            continue;

        const ssize_t n = read(fd, to, SINK_ROOM_MAX);

        if (n >= 0) {
            *got = (size_t)n;
            return true;
        }
        if (errno != EINTR && errno != EAGAIN)
            return err_sys(e, "read the stream");
    }
}

static bool stream_send(int fd, const struct stream *s, uint64_t *size, struct err *e)
{
    size_t got = 0;

    do {
        if (!stream_read(fd, s->ops->room(s->lane, SINK_ROOM_MAX), &got, e))
            return false;
        if (got > 0 && !s->ops->write(s->lane, got, e))
            return false;
        *size += got;
    } while (got > 0);
    return true;
}

static struct entry stream_entry(const char *name, int64_t now_ns, struct owners *o,
                                 struct arena *a)
{
    struct entry en = {
        .type = ENTRY_FILE,
        .flags = ENTRY_UNTRUSTED_TIME, /* never taken from an earlier backup */
        .name = slice_string(arena_string(a, slice_string(name))),
        .mode = 0644,
        .uid = geteuid(),
        .gid = getegid(),
        .mtime_ns = now_ns,
        .ctime_ns = now_ns,
        .links = 1,
    };

    en.user = arena_copy(a, owner_name(o, OWNER_USER, en.uid));
    en.group = arena_copy(a, owner_name(o, OWNER_GROUP, en.gid));
    return en;
}

bool stream_backup(int fd, const char *name, int64_t now_ns, struct sink *k, struct err *e)
{
    const size_t length = strlen(name);

    if (length == 0 || length > ENTRY_NAME_MAX || strchr(name, '/') != NULL ||
        strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return err_set(e, ERR_USAGE, "\"%s\" cannot be the name of a file", name);

    AUTO(owners) struct owners owners = {0};
    AUTO(arena) struct arena names = {0};
    AUTO(listing) struct listing *l = listing_new();
    AUTO(stream) struct stream s = {.ops = k->ops};
    struct entry en = stream_entry(name, now_ns, &owners, &names);
    struct entry *listed = listing_add(l);
    struct sink_dir *root = NULL;

    *listed = stream_entry(name, now_ns, &owners, &l->arena);
    if (!k->ops->lane_open(k, &s.lane, e) || !k->ops->enter(s.lane, NULL, 0, TAKE(l), &root, e))
        return false;
    assert(root != NULL);
    return k->ops->begin(s.lane, root, 0, e) && stream_send(fd, &s, &en.size, e) &&
           k->ops->end(s.lane, &en, e);
}
