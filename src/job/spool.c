/*
 * Putting bundles into a spool.
 *
 * Each thread writes and fsyncs a file without a name beside the others, gives it a name, and then
 * waits for an fsync of the folder that began after that: whoever comes first does it for all who
 * are waiting.  So a name never stands for bytes that are not on the disk, and nobody is told of
 * success before the name is there too.
 */
#include "job/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "job/spool_private.h"

#define NEW_PREFIX ".new-" /* files under way, where unnamed ones are not possible */

#define RECOUNT_NS \
    (NS_PER_S / 5) /* looking at the folder again when it seems full, not more often */

struct spool {
    struct spool_options o;
    char *folder, *export_to;
    int dirfd, export_fd; /* export_fd: -1 without one */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t synced_more;
    uint64_t linked, synced; /* names given; how many of them are durable */
    bool is_syncing;
    bool is_suspect; /* an fsync failed: what the disk holds is unknown */
    uint64_t bytes;  /* of what waits and what is being put; jobs remove behind our back */
    uint64_t count;
    int64_t counted_ns; /* monotonic: when the folder was looked at */
    int64_t last_s;     /* the second of the last name */
    unsigned counter;   /* names in it */
    uint64_t serial;    /* of files under way */
};

void spool_close(struct spool *s)
{
    if (s == NULL)
        return;
    fd_auto(&s->dirfd);
    fd_auto(&s->export_fd);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->synced_more);
    mem_free(s->folder);
    mem_free(s->export_to);
    mem_free(s);
}

void spool_auto(struct spool **s)
{
    spool_close(*s);
}

/* Opening */

static void folder_auto(DIR **d)
{
    if (*d != NULL)
        (void)closedir(*d); /* it was only read */
}

/* What a killed process left under a name of its own. */
static bool clean_up(int dirfd, struct err *e)
{
    const int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO(folder) DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (d == NULL)
        return err_sys(e, "read the spool");
    for (const struct dirent *en; (en = readdir(d)) != NULL;)
        if (strncmp(en->d_name, NEW_PREFIX, sizeof(NEW_PREFIX) - 1) == 0 &&
            !file_remove(dirfd, en->d_name, e))
            return false;
    return true;
}

/* With the lock held, or before anybody else knows it. */
static bool count_again(struct spool *s, struct err *e)
{
    AUTO(spool_list) struct spool_list l = {0};

    if (!spool_folder_list(s->dirfd, &l, e))
        return false;
    s->bytes = l.bytes;
    s->count = l.count;
    s->counted_ns = clock_monotonic_ns();
    return true;
}

static bool open_private(const char *path, int *fd, struct err *e)
{
    struct stat st;

    if (!dir_make_all(path, 0700, e) || !dir_open(path, fd, e))
        return false;
    if (fstat(*fd, &st) < 0)
        return err_sys(e, "look at %s", path);
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return err_set(e, ERR_USAGE, "others than its owner can enter %s (mode %04o, not 0700)",
                       path, (unsigned)st.st_mode & 07777);
    return true;
}

bool spool_open(const struct spool_options *o, struct spool **out, struct err *e)
{
    AUTO(spool) struct spool *s = mem_new(sizeof(*s));

    *s = (struct spool){.o = *o,
                        .folder = mem_string(o->folder),
                        .export_to = mem_string(o->export_to),
                        .dirfd = -1,
                        .export_fd = -1,
                        .lock = PTHREAD_MUTEX_INITIALIZER,
                        .synced_more = PTHREAD_COND_INITIALIZER};
    s->o.folder = s->folder;
    s->o.export_to = s->export_to;
    if (!open_private(s->folder, &s->dirfd, e))
        return err_wrap(e, "spool");
    if (flock(s->dirfd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK
                   ? err_set(e, ERR_TRANSIENT, "another process takes bundles for spool %s",
                             s->folder)
                   : err_sys(e, "lock %s", s->folder);
    if (s->export_to != NULL && !open_private(s->export_to, &s->export_fd, e))
        return err_wrap(e, "export of bundles");
    if (!clean_up(s->dirfd, e) || !count_again(s, e))
        return err_wrap(e, "spool %s", s->folder);
    *out = TAKE(s);
    return true;
}

/* Room */

static bool has_room(const struct spool *s, uint64_t size)
{
    return s->count < s->o.count_max && s->bytes <= s->o.bytes_max &&
           size <= s->o.bytes_max - s->bytes;
}

/* Take room for one more.  What jobs have removed is found out when it matters. */
static bool reserve(struct spool *s, uint64_t size, struct err *e)
{
    bool ok = true;

    pthread_mutex_lock(&s->lock);
    if (!has_room(s, size) && clock_monotonic_ns() - s->counted_ns > RECOUNT_NS)
        ok = count_again(s, e);
    if (ok && !has_room(s, size))
        ok = err_set(e, ERR_FATAL, "the spool is full: %llu bundles of %llu bytes wait in it",
                     (unsigned long long)s->count, (unsigned long long)s->bytes);
    if (ok) {
        s->bytes += size;
        s->count++;
    }
    pthread_mutex_unlock(&s->lock);
    return ok;
}

static void give_back(struct spool *s, uint64_t size)
{
    pthread_mutex_lock(&s->lock);
    s->bytes -= size < s->bytes ? size : s->bytes;
    s->count -= s->count > 0 ? 1 : 0;
    pthread_mutex_unlock(&s->lock);
}

/* Names */

static void put_stamp(const struct spool *s, int64_t second, char out[BUNDLE_STAMP_MAX])
{
    char t[CLOCK_TEXT_MAX]; /* "2026-11-21T01:30:00..." or with a blank in the middle */

    if (s->o.is_local_time)
        clock_format_local(second * NS_PER_S, t);
    else
        clock_format(second * NS_PER_S, t);
    (void)snprintf(out, BUNDLE_STAMP_MAX, "%.4s%.2s%.2s_%.2s%.2s%.2s", t, t + 5, t + 8, t + 11,
                   t + 14, t + 17); /* years have four digits */
}

/* One that is being named. */
struct naming {
    struct spool *spool;
    struct spool_receipt *receipt;
    struct buf file;
};

static void naming_auto(struct naming *n)
{
    buf_done(&n->file);
}

/* The next second that this process has given to no bundle; a clock that was set back begins anew.
 * With the lock held. */
static bool next_second(struct spool *s, int64_t now_s, int64_t *out, struct err *e)
{
    const int64_t ahead = s->last_s - now_s;

    *out = ahead >= 0 && ahead <= SPOOL_DRIFT_S ? s->last_s + 1 : now_s;
    if (*out - now_s > SPOOL_DRIFT_S)
        return err_set(e, ERR_TRANSIENT,
                       "more than one bundle a second arrives, and names are %d seconds ahead",
                       SPOOL_DRIFT_S);
    s->last_s = *out;
    return true;
}

static unsigned next_counter(struct spool *s, int64_t now_s)
{
    s->counter = s->last_s == now_s ? s->counter + 1 : 1;
    s->last_s = now_s;
    return s->counter;
}

static bool is_exported(const struct spool *s, const char *name)
{
    struct stat st;

    return s->export_fd >= 0 && fstatat(s->export_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* file_name_fn: names that were never given, until one is free in both folders. */
static bool next_name(void *arg, const char **name, struct err *e)
{
    struct naming *n = arg;
    struct spool *s = n->spool;
    char *to = n->receipt->note.name;

    do {
        int64_t second = clock_now_ns() / NS_PER_S;
        unsigned counter = 1;
        bool ok = true;

        pthread_mutex_lock(&s->lock);
        if (s->o.names == SPOOL_COUNTED)
            counter = next_counter(s, second);
        else
            ok = next_second(s, second, &second, e);
        pthread_mutex_unlock(&s->lock);
        if (!ok) {
            n->receipt->answer = BUNDLE_TOO_FAST;
            return false;
        }
        put_stamp(s, second, n->receipt->stamp);
        if (counter == 1)
            (void)snprintf(to, BUNDLE_NAME_MAX, "backup_%s.json", n->receipt->stamp);
        else
            (void)snprintf(to, BUNDLE_NAME_MAX, "backup_%s_%04u.json", n->receipt->stamp, counter);
    } while (is_exported(s, to));
    buf_clear(&n->file);
    buf_printf(&n->file, "%s" SPOOL_SUFFIX, to);
    *name = buf_string(&n->file);
    return true;
}

/* Durability */

static void suspect(struct spool *s)
{
    pthread_mutex_lock(&s->lock);
    s->is_suspect = true;
    pthread_cond_broadcast(&s->synced_more);
    pthread_mutex_unlock(&s->lock);
}

static bool is_suspect(struct spool *s, struct err *e)
{
    pthread_mutex_lock(&s->lock);
    const bool is = s->is_suspect;

    pthread_mutex_unlock(&s->lock);
    return is && !err_set(e, ERR_FATAL,
                          "the disk of spool %s has failed; it takes nothing until it is opened "
                          "anew",
                          s->folder);
}

/* fsync() of the folder for all names that were given before; with the lock held, and let go of. */
static void sync_for_all(struct spool *s)
{
    const uint64_t upto = s->linked;
    struct err why;
    bool ok;

    s->is_syncing = true;
    pthread_mutex_unlock(&s->lock);
    ok = dir_sync(s->dirfd, s->folder, &why);
    pthread_mutex_lock(&s->lock);
    s->is_syncing = false;
    s->is_suspect = s->is_suspect || !ok;
    if (ok)
        s->synced = upto;
    pthread_cond_broadcast(&s->synced_more);
}

/* Wait until the name that was just given is durable. */
static bool make_durable(struct spool *s, struct err *e)
{
    uint64_t mine;

    pthread_mutex_lock(&s->lock);
    mine = ++s->linked;
    while (s->synced < mine && !s->is_suspect) {
        if (s->is_syncing)
            pthread_cond_wait(&s->synced_more, &s->lock);
        else
            sync_for_all(s);
    }
    const bool ok = s->synced >= mine;

    pthread_mutex_unlock(&s->lock);
    return ok || err_set(e, ERR_FATAL, "fsync of spool %s failed", s->folder);
}

static bool place(struct spool *s, struct slice sealed, struct spool_receipt *out, struct err *e)
{
    AUTO(naming) struct naming n = {.spool = s, .receipt = out};
    AUTO(buf) struct buf tmp_name = {0};

    pthread_mutex_lock(&s->lock);
    buf_printf(&tmp_name, NEW_PREFIX "%llu", (unsigned long long)s->serial++);
    pthread_mutex_unlock(&s->lock);

    struct file_placing p = {
        .dirfd = s->dirfd, .tmp_name = buf_string(&tmp_name), .next = next_name, .arg = &n};

    if (file_place(&p, sealed, e))
        return true;
    if (p.is_full)
        out->answer = BUNDLE_FULL;
    if (p.is_suspect)
        suspect(s);
    return false;
}

static bool export(struct spool *s, struct slice text, struct spool_receipt *out, struct err *e)
{
    AUTO(buf) struct buf tmp_name = {0};
    bool has_failed = false;

    buf_printf(&tmp_name, ".%s", out->note.name);
    if (file_publish(s->export_fd, out->note.name, buf_string(&tmp_name), text, &has_failed, e))
        return true;
    if (has_failed)
        suspect(s);
    return err_wrap(e, "export bundle");
}

/* Putting */

static void cut_copy(const char *from, char to[BUNDLE_SENDER_MAX])
{
    if (from != NULL)
        (void)snprintf(to, BUNDLE_SENDER_MAX, "%s", from); /* a longer one is cut */
}

/* Look at the bytes and note what they are; refuse what is not taken. */
static bool examine(const struct spool *s, struct slice bytes, struct bundle *b,
                    struct spool_receipt *out, struct err *e)
{
    out->answer = bytes.size > BUNDLE_SIZE_MAX ? BUNDLE_TOO_LARGE : BUNDLE_FAILED;
    if (!bundle_read(bytes, b, e))
        return false;
    out->answer = BUNDLE_BAD_FORM;
    if (s->o.needs_form && !bundle_require_form(&b->facts, e))
        return false;
    out->answer = BUNDLE_TOO_LARGE;
    if (s->export_fd >= 0 && b->facts.indented_size > SPOOL_EXPORT_MAX)
        return err_set(e, ERR_USAGE, "it would be longer than %zu bytes in the exported form",
                       SPOOL_EXPORT_MAX);
    out->answer = BUNDLE_FAILED;
    bundle_note_measure(&out->note, bytes, &b->facts);
    return true;
}

/* Seal note and bytes to whoever is named in the folder at this moment. */
static bool seal(const struct spool *s, struct slice bytes, struct spool_receipt *out,
                 struct buf *sealed, struct err *e)
{
    AUTO(spool_recipients) struct spool_recipients known = {0};
    struct envelope_recipient to[ENVELOPE_RECIPIENTS_MAX];
    AUTO(buf) struct buf note = {0};
    AUTO(buf) struct buf plain = {0};
    AUTO(json) json_t *j = bundle_note_json(&out->note);

    if (!spool_recipients_read(s->folder, &known, e))
        return false;
    if (known.count == 0) {
        out->answer = BUNDLE_BUSY;
        return err_set(e, ERR_TRANSIENT,
                       "nobody has said to which repositories bundles of %s are sealed: \"holdfast "
                       "key public --set SET\" does, and so does every backup of the set",
                       s->folder);
    }
    for (size_t i = 0; i < known.count; i++)
        to[i] = known.items[i].to;
    json_append(j, &note);
    buf_reserve(&plain, sizeof(uint32_t) + note.size + bytes.size);
    buf_put_u32(&plain, (uint32_t)note.size);
    buf_append_slice(&plain, buf_slice(&note));
    buf_append_slice(&plain, bytes);
    envelope_seal(to, known.count, buf_slice(&plain), sealed);
    return true;
}

/* With room taken. */
static bool store(struct spool *s, struct slice bytes, const struct bundle *b, struct slice sealed,
                  struct spool_receipt *out, struct err *e)
{
    AUTO(buf) struct buf text = {0};

    if (s->export_fd >= 0)
        bundle_indent(b, bytes, false, &text);
    if (!place(s, sealed, out, e)) {
        give_back(s, sealed.size);
        return false;
    }
    return (s->export_fd < 0 || export(s, buf_slice(&text), out, e)) && make_durable(s, e);
}

bool spool_put(struct spool *s, struct slice bytes, const struct spool_sender *from,
               struct spool_receipt *out, struct err *e)
{
    AUTO(bundle) struct bundle b = {0};
    AUTO(buf) struct buf sealed = {0};
    struct err why = {0};

    *out = (struct spool_receipt){.answer = BUNDLE_FAILED,
                                  .note = {.received_ns = clock_now_ns(), .uid = from->uid}};
    cut_copy(from->peer, out->note.peer);
    cut_copy(from->token, out->note.token);
    if (is_suspect(s, e) || !examine(s, bytes, &b, out, e) || !seal(s, bytes, out, &sealed, e))
        return false;
    if (!reserve(s, sealed.size, &why)) {
        out->answer = BUNDLE_FULL;
        *e = why;
        return false;
    }
    if (!store(s, bytes, &b, buf_slice(&sealed), out, e))
        return err_wrap(e, "spool %s", s->folder);
    out->answer = BUNDLE_SAVED;
    return true;
}
