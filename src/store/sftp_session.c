/*
 * Connections: a call takes the one with the fewest calls on it, and a further one is opened
 * while all are in use, up to the store's number.  One that broke is closed after its last
 * call, and the next call opens another.
 */
#include "store/sftp_session.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

/* Choosing a connection */

/* Only the first connection may ask a person; the others are an offer. */
static bool open_link(const struct sftp *s, bool is_first, struct sftp_link **out, struct err *e)
{
    const bool may_ask = is_first && (isatty(STDIN_FILENO) || isatty(STDERR_FILENO));
    AUTO(arena) struct arena a = {0};
    struct sftp_program program = {
        .argv = s->command, .has_terminal = may_ask, .timeout_s = s->timeout_s};
    char **argv = NULL;

    if (s->command == NULL) {
        if (!sftp_place_argv(&s->place, s->args, may_ask, &a, &argv, e))
            return false;
        program.argv = argv;
    }
    return sftp_link_open(&program, out, e) || err_wrap(e, "sftp: %s", s->place.host);
}

/* A slot by its use; lock held. */
struct choice {
    struct sftp_slot *least; /* used, of those with a link that works */
    struct sftp_slot *empty;
    bool is_waited_for; /* one is being opened, or a broken one is in use */
};

static struct choice choose(struct sftp *s)
{
    struct choice c = {0};

    for (int i = 0; i < s->slot_count; i++) {
        struct sftp_slot *slot = &s->slots[i];

        if (slot->link != NULL && slot->users == 0 && sftp_link_is_broken(slot->link)) {
            sftp_link_close(slot->link);
            slot->link = NULL;
        }
        if (slot->link == NULL && slot->users == 0 && c.empty == NULL)
            c.empty = slot;
        else if (slot->users > 0 && (slot->link == NULL || sftp_link_is_broken(slot->link)))
            c.is_waited_for = true;
        else if (slot->link != NULL && (c.least == NULL || slot->users < c.least->users))
            c.least = slot;
    }
    return c;
}

/* Open a link in a slot that this thread holds.  Lock held, and let go of meanwhile. */
static bool fill_slot(struct sftp *s, struct sftp_slot *slot, bool is_first, struct err *e)
{
    struct sftp_link *link = NULL;

    slot->users = 1;
    pthread_mutex_unlock(&s->lock);

    const bool ok = open_link(s, is_first, &link, e);

    pthread_mutex_lock(&s->lock);
    slot->link = link;
    slot->users = ok ? 1 : 0;
    pthread_cond_broadcast(&s->released);
    return ok;
}

/* A slot with one user more; lock held. */
static struct sftp_slot *take_slot(struct sftp *s, struct err *e)
{
    for (;;) {
        const struct choice c = choose(s);
        struct err why;

        if (c.least != NULL && (c.least->users == 0 || c.empty == NULL)) {
            c.least->users++;
            return c.least;
        }
        if (c.empty == NULL) {
            pthread_cond_wait(&s->released, &s->lock);
            continue;
        }
        if (fill_slot(s, c.empty, c.least == NULL && !c.is_waited_for, &why))
            return c.empty;
        if (c.least == NULL) {
            *e = why;
            return NULL;
        }
        /* The server takes no more; the last slot is given up if it is the empty one. */
        while (s->slot_count > 1 && s->slots[s->slot_count - 1].link == NULL &&
               s->slots[s->slot_count - 1].users == 0)
            s->slot_count--;
    }
}

bool sftp_session_begin(struct sftp_session *s, struct sftp *sftp, struct err *e)
{
    *s = (struct sftp_session){.sftp = sftp};
    pthread_mutex_lock(&sftp->lock);
    s->slot = take_slot(sftp, e);
    if (s->slot != NULL)
        sftp_call_init(&s->call, s->slot->link);
    pthread_mutex_unlock(&sftp->lock);
    return s->slot != NULL;
}

void sftp_session_auto(struct sftp_session *s)
{
    if (s->slot == NULL)
        return;
    sftp_call_auto(&s->call);
    pthread_mutex_lock(&s->sftp->lock);
    s->slot->users--;
    pthread_cond_broadcast(&s->sftp->released);
    pthread_mutex_unlock(&s->sftp->lock);
}

/* Paths and packets */

char *sftp_path(const struct sftp *s, const char *key)
{
    const bool has_slash = strcmp(s->root, "/") == 0;
    AUTO(buf) struct buf path = {0};

    buf_printf(&path, "%s%s%s", s->root, has_slash || key[0] == '\0' ? "" : "/", key);
    return mem_string(buf_string(&path));
}

char *sftp_parent(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        return mem_string(".");
    return slash == path ? mem_string("/") : mem_dup(path, (size_t)(slash - path));
}

void sftp_path_packet(enum sftp_kind kind, const char *path, struct buf *packet)
{
    buf_clear(packet);
    packet_begin(packet, kind, 0);
    packet_put_string(packet, slice_string(path));
}

void sftp_handle_packet(enum sftp_kind kind, struct slice handle, struct buf *packet)
{
    buf_clear(packet);
    packet_begin(packet, kind, 0);
    packet_put_string(packet, handle);
}

void sftp_extended_packet(const char *name, struct buf *packet)
{
    sftp_path_packet(SFTP_EXTENDED, name, packet);
}

bool sftp_send(struct sftp_session *s, struct sftp_request *r, struct buf *packet, struct err *e)
{
    return sftp_ask(&s->call, r, packet, (struct slice){0}, e);
}

bool sftp_exchange(struct sftp_session *s, struct sftp_request *r, struct buf *packet,
                   struct err *e)
{
    return sftp_send(s, r, packet, e) && sftp_wait(&s->call, r, e);
}

/* Attributes */

bool sftp_attributes(struct sftp_session *s, enum sftp_kind kind, const char *path,
                     struct sftp_attributes *out, struct err *e)
{
    AUTO(buf) struct buf packet = {0};
    AUTO(sftp_request) struct sftp_request r = {0};

    sftp_path_packet(kind, path, &packet);
    if (!sftp_exchange(s, &r, &packet, e) || !sftp_expect(&r, SFTP_ATTRS, e))
        return false;
    *out = r.reply.attributes;
    return true;
}

bool sftp_is_file(const struct sftp_attributes *a)
{
    return a->has_mode && S_ISREG(a->mode);
}

bool sftp_is_directory(const struct sftp_attributes *a)
{
    return a->has_mode && S_ISDIR(a->mode);
}

bool sftp_are_whole(const struct sftp_attributes *a, struct err *e)
{
    if (a->has_mode && (a->mode & S_IFMT) != 0 && a->has_size && a->has_mtime)
        return true;
    return err_set(e, ERR_FATAL, "the server does not tell the kind, size and time of a file");
}

/* Handles */

bool sftp_ask_open(struct sftp_session *s, struct sftp_request *r, const char *path,
                   enum sftp_open how, struct err *e)
{
    AUTO(buf) struct buf packet = {0};

    sftp_path_packet(SFTP_OPEN, path, &packet);
    packet_put_u32(&packet, how);
    if (how == SFTP_OPEN_NEW)
        packet_put_mode(&packet, SFTP_FILE_MODE);
    else
        packet_put_no_attributes(&packet);
    return sftp_send(s, r, &packet, e);
}

void sftp_close_later(struct sftp_session *s, struct slice handle)
{
    AUTO(buf) struct buf packet = {0};

    sftp_handle_packet(SFTP_CLOSE, handle, &packet);
    sftp_tell(&s->call, &packet);
}

void sftp_remove_later(struct sftp_session *s, const char *path)
{
    AUTO(buf) struct buf packet = {0};

    sftp_path_packet(SFTP_REMOVE, path, &packet);
    sftp_tell(&s->call, &packet);
}

/* Making durable */

bool sftp_is_sound(struct sftp *s, struct err *e)
{
    return !atomic_load(&s->is_suspect) ||
           err_set(e, ERR_FATAL,
                   "an earlier fsync failed, so nothing is known about what the server's disk "
                   "holds; nothing more is written until the repository is opened again");
}

static bool can_sync(const struct sftp_session *s)
{
    return sftp_link_abilities(s->call.link)->can_sync;
}

/* fsync, and then close.  Both are asked at once: who can fsync does one after the other. */
static bool sync_and_close(struct sftp_session *s, struct slice handle, struct sftp_request *synced,
                           struct sftp_request *closed, struct err *e)
{
    AUTO(buf) struct buf packet = {0};

    sftp_extended_packet("fsync@openssh.com", &packet);
    packet_put_string(&packet, handle);
    if (!sftp_send(s, synced, &packet, e))
        return false;
    sftp_handle_packet(SFTP_CLOSE, handle, &packet);
    return sftp_send(s, closed, &packet, e) && sftp_wait(&s->call, synced, e) &&
           sftp_wait(&s->call, closed, e);
}

static bool sync_failed(struct sftp_session *s, struct err *e)
{
    atomic_store(&s->sftp->is_suspect, true);
    e->code = ERR_FATAL;
    return err_wrap(e, "fsync");
}

bool sftp_sync_file(struct sftp_session *s, struct slice handle, struct err *e)
{
    AUTO(sftp_request) struct sftp_request synced = {0};
    AUTO(sftp_request) struct sftp_request closed = {0};
    AUTO(buf) struct buf packet = {0};

    if (!can_sync(s)) {
        sftp_handle_packet(SFTP_CLOSE, handle, &packet);
        return sftp_exchange(s, &closed, &packet, e) && sftp_expect(&closed, SFTP_STATUS, e);
    }
    if (!sync_and_close(s, handle, &synced, &closed, e))
        return false;
    if (!sftp_expect(&synced, SFTP_STATUS, e))
        return sync_failed(s, e);
    return sftp_expect(&closed, SFTP_STATUS, e);
}

bool sftp_folder_begin(struct sftp_session *s, struct sftp_folder *f, const char *path,
                       struct err *e)
{
    f->is_asked = can_sync(s) && !atomic_load(&s->sftp->lacks_dir_sync);
    return !f->is_asked || sftp_ask_open(s, &f->opened, path, SFTP_OPEN_READ, e);
}

/* Servers differ in what they answer when they open no directory; one that is not there is no
 * reason to believe that this one never does. */
static bool is_opened(struct sftp_session *s, const struct sftp_request *opened)
{
    struct err ignored;

    if (sftp_expect(opened, SFTP_HANDLE, &ignored))
        return true;
    if (!sftp_answered(opened, SFTP_NO_SUCH_FILE))
        atomic_store(&s->sftp->lacks_dir_sync, true);
    return false;
}

bool sftp_folder_sync(struct sftp_session *s, struct sftp_folder *f, struct err *e)
{
    AUTO(sftp_request) struct sftp_request synced = {0};
    AUTO(sftp_request) struct sftp_request closed = {0};

    if (!f->is_asked)
        return true;
    if (!sftp_wait(&s->call, &f->opened, e))
        return false;
    if (!is_opened(s, &f->opened))
        return true;
    if (!sync_and_close(s, f->opened.reply.handle, &synced, &closed, e))
        return false;
    /* EINVAL, or no such call: this file system has none for directories. */
    if (sftp_answered(&synced, SFTP_BAD_MESSAGE) || sftp_answered(&synced, SFTP_OP_UNSUPPORTED)) {
        atomic_store(&s->sftp->lacks_dir_sync, true);
        return true;
    }
    return sftp_expect(&synced, SFTP_STATUS, e) || sync_failed(s, e);
}

void sftp_folder_drop(struct sftp_session *s, struct sftp_folder *f)
{
    struct err ignored;

    if (f->is_asked && sftp_wait(&s->call, &f->opened, &ignored) && is_opened(s, &f->opened))
        sftp_close_later(s, f->opened.reply.handle);
}

void sftp_folder_auto(struct sftp_folder *f)
{
    sftp_request_auto(&f->opened);
}

/* Directories */

/* What MKDIR and the LSTAT behind it say. */
static bool is_made(const struct sftp_request *made, const struct sftp_request *found,
                    const char *path, struct err *e)
{
    if (sftp_answered(made, SFTP_OK))
        return true;
    if (found->reply.kind == SFTP_ATTRS && sftp_is_directory(&found->reply.attributes))
        return true;
    if (found->reply.kind == SFTP_ATTRS)
        return err_set(e, ERR_FATAL, "%s is there and no directory", path);
    return sftp_expect(made, SFTP_STATUS, e) || err_wrap(e, "make directory %s", path);
}

bool sftp_make_directory(struct sftp_session *s, const char *path, struct err *e)
{
    AUTO(mem) char *parent = sftp_parent(path);
    AUTO(buf) struct buf packet = {0};
    AUTO(sftp_request) struct sftp_request made = {0};
    AUTO(sftp_request) struct sftp_request found = {0};
    AUTO(sftp_folder) struct sftp_folder above = {0};

    sftp_path_packet(SFTP_MKDIR, path, &packet);
    packet_put_mode(&packet, SFTP_DIR_MODE);
    if (!sftp_send(s, &made, &packet, e))
        return false;
    sftp_path_packet(SFTP_LSTAT, path, &packet);
    if (!sftp_send(s, &found, &packet, e) || !sftp_folder_begin(s, &above, parent, e) ||
        !sftp_wait(&s->call, &made, e) || !sftp_wait(&s->call, &found, e))
        return false;
    if (is_made(&made, &found, path, e))
        return sftp_folder_sync(s, &above, e);
    sftp_folder_drop(s, &above);
    return false;
}

static bool is_settled(struct sftp *s, const char *path)
{
    bool found = false;

    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; !found && i < s->settled_count; i++)
        found = strcmp(s->settled[i], path) == 0;
    pthread_mutex_unlock(&s->lock);
    return found;
}

static void note_settled(struct sftp *s, const char *path)
{
    pthread_mutex_lock(&s->lock);
    s->settled = mem_resize(s->settled, s->settled_count + 1, sizeof(*s->settled));
    s->settled[s->settled_count++] = mem_string(path);
    pthread_mutex_unlock(&s->lock);
}

bool sftp_settle(struct sftp_session *s, const char *key, struct err *e)
{
    for (const char *slash = strchr(key, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        AUTO(mem) char *partial = mem_dup(key, (size_t)(slash - key));
        AUTO(mem) char *path = sftp_path(s->sftp, partial);

        if (is_settled(s->sftp, path))
            continue;
        if (!sftp_make_directory(s, path, e))
            return false;
        note_settled(s->sftp, path);
    }
    return true;
}
