/*
 * A store behind SFTP: the same files and directories as those of local.c, so that a
 * repository can be used from either side.
 *
 * What differs is what the server decides: it resolves paths, symbolic links among them, and
 * says what is where.  A server without fsync@openssh.com makes nothing durable that it could
 * tell us of; one that opens no directories keeps bytes, but perhaps not names, through a loss of
 * power.
 */
#include "store/sftp.h"

#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/command_split.h"
#include "base/mem.h"
#include "store/sftp_session.h"

enum {
    CONNECTIONS_DEFAULT = 3,
    PARALLEL_LEAST = 4, /* several calls share a connection well */
    TIMEOUT_DEFAULT_S = 60,
};

#define TMP_AGE_S 3600

static bool sftp_stat(struct store *store, const char *key, struct object_info *info, struct err *e)
{
    AUTO(mem) char *path = sftp_path((struct sftp *)store, key);
    AUTO(sftp_session) struct sftp_session s = {0};
    struct sftp_attributes a = {0};

    if (!sftp_session_begin(&s, (struct sftp *)store, e))
        return err_wrap(e, "stat %s", key);
    if (!sftp_attributes(&s, SFTP_LSTAT, path, &a, e))
        return e->code == ERR_NOT_FOUND ? err_set(e, ERR_NOT_FOUND, "no object %s", key)
                                        : err_wrap(e, "stat %s", key);
    if (!sftp_are_whole(&a, e))
        return err_wrap(e, "stat %s", key);
    if (!sftp_is_file(&a))
        return err_set(e, ERR_NOT_FOUND, "no object %s, but something that is no file", key);
    *info = (struct object_info){.key = key, .size = a.size, .mtime = a.mtime};
    return true;
}

/* Durable, so that nothing removed before comes back when something removed later does not. */
static bool remove_path(struct sftp_session *s, const char *path, struct err *e)
{
    AUTO(mem) char *parent = sftp_parent(path);
    AUTO(buf) struct buf packet = {0};
    AUTO(sftp_request) struct sftp_request removed = {0};
    AUTO(sftp_folder) struct sftp_folder folder = {0};

    sftp_path_packet(SFTP_REMOVE, path, &packet);
    if (!sftp_send(s, &removed, &packet, e) || !sftp_folder_begin(s, &folder, parent, e) ||
        !sftp_wait(&s->call, &removed, e))
        return false;
    if (sftp_answered(&removed, SFTP_NO_SUCH_FILE) || sftp_expect(&removed, SFTP_STATUS, e))
        return sftp_folder_sync(s, &folder, e);
    sftp_folder_drop(s, &folder);
    return false;
}

static bool sftp_remove(struct store *store, const char *key, struct err *e)
{
    struct sftp *sftp = (struct sftp *)store;
    AUTO(mem) char *path = sftp_path(sftp, key);
    AUTO(sftp_session) struct sftp_session s = {0};

    if (!sftp_is_sound(sftp, e) || !sftp_session_begin(&s, sftp, e) || !remove_path(&s, path, e))
        return err_wrap(e, "remove %s", key);
    return true;
}

/* Remove what is at these keys; the directories that held them are not durable yet. */
static bool remove_each(struct sftp_session *s, const char *const *keys, size_t count,
                        struct sftp_request *requests, struct err *e)
{
    size_t asked = 0;
    size_t done = 0;
    bool ok = true;

    for (; asked < count && ok; asked++) {
        AUTO(mem) char *path = sftp_path(s->sftp, keys[asked]);
        AUTO(buf) struct buf packet = {0};

        sftp_path_packet(SFTP_REMOVE, path, &packet);
        ok = sftp_send(s, &requests[asked], &packet, e);
    }
    /* All are waited for, also behind one that failed. */
    for (; done < asked; done++) {
        struct err why;

        if (!sftp_wait(&s->call, &requests[done], &why) ||
            (!sftp_answered(&requests[done], SFTP_NO_SUCH_FILE) &&
             !sftp_expect(&requests[done], SFTP_STATUS, &why))) {
            if (ok)
                *e = why;
            ok = false;
        }
    }
    return ok;
}

static bool sync_folder(struct sftp_session *s, const char *path, struct err *e)
{
    AUTO(sftp_folder) struct sftp_folder folder = {0};

    return sftp_folder_begin(s, &folder, path, e) && sftp_folder_sync(s, &folder, e);
}

/* Each directory once, where keys of one stand together. */
static bool sync_folders(struct sftp_session *s, const char *const *keys, size_t count,
                         struct err *e)
{
    AUTO(mem) char *last = NULL;

    for (size_t i = 0; i < count; i++) {
        AUTO(mem) char *path = sftp_path(s->sftp, keys[i]);
        AUTO(mem) char *parent = sftp_parent(path);

        if (last != NULL && strcmp(last, parent) == 0)
            continue;
        if (!sync_folder(s, parent, e))
            return false;
        mem_free(last);
        last = TAKE(parent);
    }
    return true;
}

static bool remove_some(struct sftp *sftp, const char *const *keys, size_t count, struct err *e)
{
    struct sftp_request requests[SFTP_WINDOW] = {0};
    AUTO(sftp_session) struct sftp_session s = {0};
    bool ok = sftp_is_sound(sftp, e) && sftp_session_begin(&s, sftp, e) &&
              remove_each(&s, keys, count, requests, e) && sync_folders(&s, keys, count, e);

    for (size_t i = 0; i < SFTP_WINDOW; i++)
        sftp_request_auto(&requests[i]);
    return ok;
}

static bool sftp_remove_all(struct store *store, const char *const *keys, size_t count,
                            struct err *e)
{
    for (size_t at = 0; at < count; at += SFTP_WINDOW) {
        const size_t some = count - at < SFTP_WINDOW ? count - at : SFTP_WINDOW;

        if (!remove_some((struct sftp *)store, keys + at, some, e))
            return err_wrap(e, "remove %s and others", keys[at]);
    }
    return true;
}

static void sftp_close(struct store *store)
{
    struct sftp *s = (struct sftp *)store;

    for (int i = 0; i < SFTP_CONNECTIONS_MAX; i++)
        if (s->slots[i].link != NULL)
            sftp_link_close(s->slots[i].link);
    for (size_t i = 0; i < s->settled_count; i++)
        mem_free(s->settled[i]);
    mem_free(s->settled);
    pthread_cond_destroy(&s->released);
    pthread_mutex_destroy(&s->lock);
    arena_done(&s->arena);
    mem_free(s);
}

static const struct store_ops sftp_ops = {
    .scheme = "sftp",
    .get = sftp_get,
    .put = sftp_put,
    .stat = sftp_stat,
    .list = sftp_list,
    .remove = sftp_remove,
    .remove_all = sftp_remove_all,
    .move = sftp_move,
    .close = sftp_close,
};

/* Opening */

static bool take_options(struct sftp *s, const struct sftp_options *o, struct err *e)
{
    const int connections = o->connections == 0 ? CONNECTIONS_DEFAULT : o->connections;

    if (connections < 1 || connections > SFTP_CONNECTIONS_MAX)
        return err_set(e, ERR_USAGE, "sftp.connections is %d, must be 1 to %d", connections,
                       SFTP_CONNECTIONS_MAX);
    if (o->command != NULL && o->args != NULL)
        return err_set(e, ERR_USAGE, "sftp.args are for ssh, which sftp.command replaces");
    if (o->command != NULL && !command_split(o->command, &s->arena, &s->command, e))
        return err_wrap(e, "sftp.command");
    if (o->args != NULL)
        s->args = arena_string(&s->arena, slice_string(o->args));
    s->slot_count = connections;
    s->store.needs_probe = true;
    s->store.can_move = true;
    s->timeout_s = o->timeout_s == 0 ? TIMEOUT_DEFAULT_S : o->timeout_s;
    s->store.parallel = 2 * connections > PARALLEL_LEAST ? 2 * connections : PARALLEL_LEAST;
    return true;
}

static void take_root(struct sftp *s)
{
    size_t length = strlen(s->place.path);

    while (length > 1 && s->place.path[length - 1] == '/')
        length--;
    s->root = arena_string(&s->arena, SLICE_OF(s->place.path, length));
}

/* A store without a connection. */
static bool sftp_new(const char *place, const struct sftp_options *o, struct sftp **out,
                     struct err *e)
{
    struct sftp *s = mem_new(sizeof(*s));

    s->store.ops = &sftp_ops;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->released, NULL);
    if (!sftp_place_parse(place, &s->arena, &s->place, e) || !take_options(s, o, e)) {
        sftp_close(&s->store);
        return false;
    }
    take_root(s);
    *out = s;
    return true;
}

/* Files in tmp/ that writers left which no longer run. */
struct litter {
    struct sftp_session *session;
    int64_t oldest;
};

static bool remove_litter(void *arg, const struct sftp_entry *entry, struct err *e)
{
    const struct litter *l = arg;
    AUTO(mem) char *name = mem_dup(entry->name.data, entry->name.size);
    AUTO(buf) struct buf key = {0};

    (void)e; /* nothing here is worth a failure */
    if (!sftp_is_file(&entry->attributes) || !entry->attributes.has_mtime ||
        entry->attributes.mtime >= l->oldest)
        return true;
    buf_printf(&key, "tmp/%s", name);

    AUTO(mem) char *path = sftp_path(l->session->sftp, buf_string(&key));

    sftp_remove_later(l->session, path);
    return true;
}

static void tidy(struct sftp_session *s)
{
    AUTO(mem) char *path = sftp_path(s->sftp, "tmp");
    struct litter l = {s, clock_now_ns() / NS_PER_S - TMP_AGE_S};
    struct err ignored; /* a repository that is only read may hold litter */

    (void)!sftp_read_directory(s, path, remove_litter, &l, &ignored);
}

static bool see_entry(void *arg, const struct sftp_entry *entry, struct err *e)
{
    (void)arg;
    (void)entry;
    (void)e;
    return true;
}

/* The root is a directory that can be read. */
static bool look_at_root(struct sftp *sftp, struct err *e)
{
    AUTO(sftp_session) struct sftp_session s = {0};
    struct sftp_attributes a = {0};

    if (!sftp_session_begin(&s, sftp, e))
        return false;
    if (!sftp_attributes(&s, SFTP_STAT, sftp->root, &a, e))
        return err_wrap(e, "sftp: %s: %s", sftp->place.host, sftp->root);
    if (!sftp_is_directory(&a))
        return err_set(e, ERR_FATAL, "sftp: %s: %s is no directory", sftp->place.host, sftp->root);
    if (!sftp_read_directory(&s, sftp->root, see_entry, NULL, e))
        return err_wrap(e, "sftp: %s: %s", sftp->place.host, sftp->root);
    if (!sftp_link_abilities(s.call.link)->can_sync)
        sftp->store.caveat = "the server cannot say that data is on its disk (it offers no "
                             "fsync@openssh.com): a loss of power there may take what was stored "
                             "in the minutes before";
    tidy(&s);
    return true;
}

bool sftp_open(const char *place, const struct sftp_options *options, struct store **out,
               struct err *e)
{
    struct sftp *s = NULL;

    if (!sftp_new(place, options, &s, e))
        return false;
    if (!look_at_root(s, e)) {
        sftp_close(&s->store);
        return false;
    }
    *out = &s->store;
    return true;
}

/* Making */

/* The root and the directories above it.  Those that are there need not be ours to look at. */
static bool make_root(struct sftp_session *s, struct err *e)
{
    const char *root = s->sftp->root;
    struct sftp_attributes a = {0};

    if (sftp_attributes(s, SFTP_STAT, root, &a, e))
        return sftp_is_directory(&a) || err_set(e, ERR_FATAL, "%s is no directory", root);
    if (e->code != ERR_NOT_FOUND)
        return false;
    for (const char *slash = strchr(root + 1, '/');; slash = strchr(slash + 1, '/')) {
        AUTO(mem) char *path = mem_dup(root, slash == NULL ? strlen(root) : (size_t)(slash - root));

        if (!sftp_attributes(s, SFTP_STAT, path, &a, e) &&
            (e->code != ERR_NOT_FOUND || !sftp_make_directory(s, path, e)))
            return false;
        if (slash == NULL)
            return true;
    }
}

static bool is_own(struct slice name)
{
    static const char *const names[] = {".", "..", "lost+found"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (slice_is_equal(name, slice_string(names[i])))
            return true;
    return false;
}

static bool refuse_foreign(void *arg, const struct sftp_entry *entry, struct err *e)
{
    const struct sftp *s = arg;

    return is_own(entry->name) || err_set(e, ERR_EXISTS, "%s is there and not empty", s->root);
}

static bool make(struct sftp *sftp, struct err *e)
{
    AUTO(sftp_session) struct sftp_session s = {0};

    if (!sftp_session_begin(&s, sftp, e))
        return false;
    return (make_root(&s, e) && sftp_read_directory(&s, sftp->root, refuse_foreign, sftp, e)) ||
           err_wrap(e, "sftp: %s", sftp->place.host);
}

bool sftp_create(const char *place, const struct sftp_options *options, struct store **out,
                 struct err *e)
{
    struct sftp *s = NULL;

    if (!sftp_new(place, options, &s, e))
        return false;
    if (!make(s, e) || !look_at_root(s, e)) {
        sftp_close(&s->store);
        return false;
    }
    *out = &s->store;
    return true;
}
