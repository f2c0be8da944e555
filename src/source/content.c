/*
 * The bytes of one file.
 *
 * What the file looked like before and after reading has to be the same; otherwise it is
 * read again, and after CONTENT_TRIES stored as it is and marked.  Not more is read than the
 * file was long at first, so that one that grows all the time ends too.
 */
#include "source/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/file.h"

#define CONTENT_TRIES 3

/* Smaller holes cost more to describe than to store. */
#define HOLE_MIN ((uint64_t)4 << 10)

/* Encoded holes of one entry; an offset and a length take at most 20 bytes. */
#define HOLES_MAX      ((size_t)1 << 20)
#define HOLES_PAIR_MAX 20

/* The kernel's own read-ahead is enough for less. */
#define BIG_FILE ((off_t)8 << 20)

/* Of one file, ahead of its reading: behind that its own read-ahead is under way. */
#define READ_AHEAD_MAX ((uint64_t)1 << 20)

/* How often to ask whether to go on. */
#define ASK_EVERY ((uint64_t)1 << 20)

/*
 * A file being read.  Functions return false for failures of the sink only; why is what went
 * wrong in the file.
 */
struct reading {
    struct worker *w;
    int fd;
    struct stat st;      /* before this pass */
    uint64_t sent;       /* bytes given to the sink in this pass */
    uint64_t hole_bytes; /* in w->holes */
    bool is_short;       /* the file ended before its end in this pass */
    struct err why;
};

static bool is_regular(int fd, struct stat *st, struct err *why)
{
    if (fstat(fd, st) < 0)
        return err_sys(why, "stat");
    return S_ISREG(st->st_mode) || err_set(why, ERR_NOT_FOUND, "it is no longer a regular file");
}

/* O_NONBLOCK: what took the file's place may be a FIFO that nobody writes to. */
static bool open_file(const struct folder *f, const struct entry *en, int *fd, struct err *why)
{
    const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
    const char *name = (const char *)en->name.data;

    *fd = openat(f->fd, name, flags | O_NOATIME);
    /* Only the owner may leave the access time alone. */
    if (*fd < 0 && errno == EPERM)
        *fd = openat(f->fd, name, flags);
    if (*fd >= 0)
        return true;
    if (errno == ENOENT)
        return err_set(why, ERR_NOT_FOUND, "it vanished before it could be read");
    if (errno == ELOOP || errno == ENXIO)
        return err_set(why, ERR_NOT_FOUND, "it is no longer a regular file");
    return err_sys(why, "open");
}

/* Send the bytes [from, to); fewer when the file ends before. */
static bool send_range(struct reading *r, uint64_t from, uint64_t to, struct err *e)
{
    const struct sink_ops *ops = r->w->run->sink->ops;
    uint64_t asked = from;

    while (from < to && r->why.code == ERR_NONE) {
        const uint64_t left = to - from;
        const size_t wanted = left < SINK_ROOM_MAX ? (size_t)left : SINK_ROOM_MAX;
        size_t got = 0;

        if (from - asked >= ASK_EVERY) {
            if (!worker_go_on(r->w, e))
                return false;
            asked = from;
        }
        if (!fd_read_at(r->fd, from, ops->room(r->w->lane, wanted), wanted, &got, &r->why))
            return true;
        if (got > 0 && !ops->write(r->w->lane, got, e))
            return false;
        r->sent += got;
        from += got;
        r->is_short = got < wanted;
        if (r->is_short)
            return true;
    }
    return true;
}

/* The next place from `from` on that SEEK_DATA or SEEK_HOLE finds, at most the end. */
static uint64_t seek_from(int fd, uint64_t from, uint64_t end, int whence)
{
    const off_t found = lseek(fd, (off_t)from, whence);

    if (found >= 0)
        return (uint64_t)found < end ? (uint64_t)found : end;
    /* ENXIO: nothing but a hole is left.  Where holes are not supported all is data. */
    return whence == SEEK_DATA && errno != ENXIO ? from : end;
}

/* Send a file that seems to have holes. */
static bool send_sparse(struct reading *r, uint64_t size, struct err *e)
{
    struct buf *holes = &r->w->holes;
    uint64_t from = 0; /* all in front of it is sent or a hole */
    uint64_t at = 0;   /* all in front of it is known */

    while (at < size && holes->size + HOLES_PAIR_MAX <= HOLES_MAX) {
        const uint64_t data = seek_from(r->fd, at, size, SEEK_DATA);

        if (data - at >= HOLE_MIN) {
            if (!send_range(r, from, at, e))
                return false;
            /* A hole behind the end of what was read would lie outside the file. */
            if (r->why.code != ERR_NONE || r->is_short)
                return true;
            buf_put_varint(holes, at);
            buf_put_varint(holes, data - at);
            r->hole_bytes += data - at;
            from = data;
        }
        at = seek_from(r->fd, data, size, SEEK_HOLE);
    }
    return send_range(r, from, size, e);
}

/* Read the file once, as long as it is now. */
static bool send_once(struct reading *r, struct err *e)
{
    const uint64_t size = (uint64_t)r->st.st_size;

    r->sent = 0;
    r->hole_bytes = 0;
    r->is_short = false;
    buf_clear(&r->w->holes);

    /* Files of the kernel say that they are empty and are not; what is found is stored. */
    if (size == 0)
        return send_range(r, 0, SINK_ROOM_MAX, e);
    if (size >= HOLE_MIN && (uint64_t)r->st.st_blocks * 512 < size)
        return send_sparse(r, size, e);
    if (r->st.st_size >= BIG_FILE)
        (void)posix_fadvise(r->fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* advice */
    return send_range(r, 0, size, e);
}

static bool is_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool is_unchanged(const struct reading *r, const struct stat *now)
{
    return now->st_size == r->st.st_size && is_same_time(now->st_mtim, r->st.st_mtim) &&
           is_same_time(now->st_ctim, r->st.st_ctim) &&
           r->sent + r->hole_bytes == (uint64_t)now->st_size;
}

/* False, with the sentence about it, when attributes are left out. */
static bool read_xattrs(struct reading *r, struct err *left_out)
{
    buf_clear(&r->w->xattrs.encoded);
    return r->w->run->o->no_xattrs || xattrs_read(&r->w->xattrs, r->fd, NULL, left_out);
}

/* The entry that belongs to the bytes sent. */
static struct entry final_entry(struct reading *r, const struct entry *announced)
{
    struct entry final = *announced;
    struct owners *o = &r->w->owners;

    entry_set_stat(&final, &r->st, r->w->run->o);
    final.user = owner_name(o, OWNER_USER, final.uid);
    final.group = owner_name(o, OWNER_GROUP, final.gid);
    final.size = r->sent + r->hole_bytes;
    final.holes = buf_slice(&r->w->holes);
    final.xattrs = buf_slice(&r->w->xattrs.encoded);
    return final;
}

/* Read until two looks agree or the tries are used up; *is_fuzzy says which. */
static bool send_stable(struct reading *r, struct err *left_out, bool *is_fuzzy, struct err *e)
{
    for (int try = 1;; try++) {
        struct stat now = {0};

        if (!send_once(r, e))
            return false;
        if (r->why.code != ERR_NONE)
            return true;
        if (read_xattrs(r, left_out))
            *left_out = (struct err){0};
        if (!is_regular(r->fd, &now, &r->why))
            return true;
        *is_fuzzy = !is_unchanged(r, &now);
        if (!*is_fuzzy || try == CONTENT_TRIES)
            return true;
        if (!worker_go_on(r->w, e) || !r->w->run->sink->ops->restart(r->w->lane, e))
            return false;
        r->st = now;
    }
}

void content_read_ahead(const struct worker *w, const struct folder *f, size_t slot)
{
    const struct entry *en = &f->entries[slot];
    const uint64_t size = en->size < READ_AHEAD_MAX ? en->size : READ_AHEAD_MAX;
    AUTO(fd) int fd = -1;
    struct err ignored = {0};

    if (size > 0 && over_find(w, f, slot) == NULL && open_file(f, en, &fd, &ignored))
        (void)posix_fadvise(fd, 0, (off_t)size, POSIX_FADV_WILLNEED);
}

bool content_send(struct worker *w, const struct folder *f, size_t slot, struct err *e)
{
    const struct sink_ops *ops = w->run->sink->ops;
    const struct entry *en = &f->entries[slot];
    const char *name = (const char *)en->name.data;
    const struct over_file *over = over_find(w, f, slot);
    AUTO(fd) int fd = -1;
    struct reading r = {.w = w};
    struct err left_out = {0};
    bool is_fuzzy = false;

    if (over != NULL)
        return over_send(w, f, slot, over, e);
    if (!open_file(f, en, &fd, &r.why) || !is_regular(fd, &r.st, &r.why))
        return worker_skip(w, f, slot, &r.why, e);
    r.fd = fd;
    if (!ops->begin(w->lane, f->dir, slot, e) || !send_stable(&r, &left_out, &is_fuzzy, e))
        return false;
    if (r.why.code != ERR_NONE)
        return worker_skip(w, f, slot, &r.why, e);
    if (left_out.code != ERR_NONE && !worker_note(w, f, name, &left_out, e))
        return false;

    struct entry final = final_entry(&r, en);

    if (is_fuzzy) {
        struct err why = {0};

        (void)err_set(&why, ERR_TRANSIENT, "it changed while it was read");
        if (!worker_note(w, f, name, &why, e))
            return false;
        final.flags |= ENTRY_FUZZY;
    }
    return ops->end(w->lane, &final, e);
}
