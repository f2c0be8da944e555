#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "source/made.h"

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

bool stream_check_name(const char *name, struct err *e)
{
    return made_check_name(name, ENTRY_NAME_MAX, e);
}

bool stream_backup(int fd, const char *name, int64_t now_ns, struct sink *k, struct err *e)
{
    AUTO(listing) struct listing *l = listing_new();
    AUTO(stream) struct stream s = {.ops = k->ops};
    struct sink_dir *root = NULL;
    struct entry final;

    if (!stream_check_name(name, e))
        return false;
    made_announce(l, name, ENTRY_FILE, now_ns);
    l->entries[0].mode = 0644; /* nobody said that it is secret */

    const struct listing *listed = l;

    if (!k->ops->lane_open(k, &s.lane, e) || !k->ops->enter(s.lane, NULL, 0, TAKE(l), &root, e))
        return false;
    assert(root != NULL);
    final = listed->entries[0];
    return k->ops->begin(s.lane, root, 0, e) && stream_send(fd, &s, &final.size, e) &&
           k->ops->end(s.lane, &final, e);
}
