/*
 * Writing: the bytes go to a file in tmp/ and are made durable there, then the file gets its
 * name, and the name is made durable before put() returns.
 *
 * A new name is a hard link, because link(2) alone refuses a taken name atomically on every
 * file system.  The plain RENAME of SFTP refuses one, too, but where there are no hard links
 * OpenSSH looks first and renames then, so that of two writers at the same moment both may win;
 * it is used only where a hard link cannot be had.  A name is replaced by posix-rename.
 */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "codec/random.h"
#include "store/object_key.h"
#include "store/sftp_session.h"

enum { TMP_ID_SIZE = 16 };

/* Writes under way, oldest first. */
struct writing {
    struct sftp_session *session;
    struct sftp_request requests[SFTP_WINDOW];
    size_t first, count;
};

static void writing_auto(struct writing *w)
{
    sftp_call_auto(&w->session->call);
    for (size_t i = 0; i < SFTP_WINDOW; i++)
        sftp_request_auto(&w->requests[i]);
}

static bool ask_write(struct sftp_session *s, struct slice handle, uint64_t offset,
                      struct slice bytes, struct sftp_request *r, struct err *e)
{
    AUTO(buf) struct buf packet = {0};

    sftp_handle_packet(SFTP_WRITE, handle, &packet);
    packet_put_u64(&packet, offset);
    packet_put_u32(&packet, (uint32_t)bytes.size);
    return sftp_ask(&s->call, r, &packet, bytes, e);
}

static bool finish_write(struct writing *w, struct err *e)
{
    struct sftp_request *oldest = &w->requests[w->first];

    w->first = (w->first + 1) % SFTP_WINDOW;
    w->count--;
    return sftp_wait(&w->session->call, oldest, e) && sftp_expect(oldest, SFTP_STATUS, e);
}

static bool write_all(struct sftp_session *s, struct slice handle, struct slice data, struct err *e)
{
    AUTO(writing) struct writing w = {.session = s};
    const size_t step = sftp_link_abilities(s->call.link)->write_size;
    const size_t depth =
        SFTP_WINDOW_BYTES / step < SFTP_WINDOW ? SFTP_WINDOW_BYTES / step : SFTP_WINDOW;

    for (size_t at = 0; at < data.size;) {
        const size_t size = data.size - at < step ? data.size - at : step;

        if (w.count == depth && !finish_write(&w, e))
            return false;

        struct sftp_request *r = &w.requests[(w.first + w.count++) % SFTP_WINDOW];

        if (!ask_write(s, handle, at, SLICE_OF(data.data + at, size), r, e))
            return false;
        at += size;
    }
    while (w.count > 0)
        if (!finish_write(&w, e))
            return false;
    return true;
}

/* The path of a new file in tmp/. */
static char *tmp_path(const struct sftp *s)
{
    uint8_t id[TMP_ID_SIZE];
    char text[2 * TMP_ID_SIZE + 1];
    AUTO(buf) struct buf key = {0};

    random_bytes(id, sizeof(id));
    hex_encode(SLICE_OF(id, sizeof(id)), text);
    buf_printf(&key, "tmp/%s", text);
    return sftp_path(s, buf_string(&key));
}

/* Write, make durable and close an opened file. */
static bool fill(struct sftp_session *s, struct slice handle, struct slice data, struct err *e)
{
    if (write_all(s, handle, data, e))
        return sftp_sync_file(s, handle, e);
    sftp_close_later(s, handle);
    return false;
}

/* Names on the server: tmp is that of the file now, object is to become it. */
struct paths {
    char *tmp, *object;
};

static void paths_auto(struct paths *p)
{
    mem_free(p->tmp);
    mem_free(p->object);
}

/* Two paths, of which the first is to become the second. */
static bool ask_move(struct sftp_session *s, const char *extension, const struct paths *p,
                     struct sftp_request *r, struct err *e)
{
    AUTO(buf) struct buf packet = {0};

    if (extension == NULL) {
        sftp_path_packet(SFTP_RENAME, p->tmp, &packet);
    } else {
        sftp_extended_packet(extension, &packet);
        packet_put_string(&packet, slice_string(p->tmp));
    }
    packet_put_string(&packet, slice_string(p->object));
    return sftp_exchange(s, r, &packet, e);
}

/* Whether something has the object's name. */
static bool is_taken(struct sftp_session *s, const struct paths *p, bool *is_there, struct err *e)
{
    struct sftp_attributes a;

    *is_there = sftp_attributes(s, SFTP_LSTAT, p->object, &a, e);
    return *is_there || e->code == ERR_NOT_FOUND;
}

/* Servers say nothing better than "failure" for a taken name. */
static bool refusal(struct sftp_session *s, const struct paths *p, const struct sftp_request *r,
                    struct err *e)
{
    bool is_there = false;

    if (sftp_answered(r, SFTP_NO_SUCH_FILE))
        return err_set(e, ERR_TRANSIENT, "the temporary file, or the directory, has vanished");
    if (!is_taken(s, p, &is_there, e))
        return false;
    if (is_there)
        return err_set(e, ERR_EXISTS, "the object exists");
    return sftp_expect(r, SFTP_STATUS, e);
}

static bool name_new(struct sftp_session *s, const struct paths *p, struct err *e)
{
    AUTO(sftp_request) struct sftp_request linked = {0};
    AUTO(sftp_request) struct sftp_request renamed = {0};

    if (sftp_link_abilities(s->call.link)->can_link) {
        if (!ask_move(s, "hardlink@openssh.com", p, &linked, e))
            return false;
        if (sftp_answered(&linked, SFTP_OK)) {
            sftp_remove_later(s, p->tmp);
            return true;
        }
        if (!refusal(s, p, &linked, e) &&
            (e->code == ERR_EXISTS || e->code == ERR_TRANSIENT || e->code == ERR_CANCELLED))
            return false;
    }
    return ask_move(s, NULL, p, &renamed, e) &&
           (sftp_answered(&renamed, SFTP_OK) || refusal(s, p, &renamed, e));
}

/* Without posix-rename there is no object for a moment. */
static bool replace_name(struct sftp_session *s, const struct paths *p, struct err *e)
{
    AUTO(buf) struct buf packet = {0};
    AUTO(sftp_request) struct sftp_request removed = {0};
    AUTO(sftp_request) struct sftp_request moved = {0};
    const bool is_whole = sftp_link_abilities(s->call.link)->can_replace;

    sftp_path_packet(SFTP_REMOVE, p->object, &packet);
    if (!is_whole && !sftp_exchange(s, &removed, &packet, e))
        return false;
    if (!is_whole && !sftp_answered(&removed, SFTP_NO_SUCH_FILE) &&
        !sftp_expect(&removed, SFTP_STATUS, e))
        return false;
    return ask_move(s, is_whole ? "posix-rename@openssh.com" : NULL, p, &moved, e) &&
           sftp_expect(&moved, SFTP_STATUS, e);
}

/* Give a durable file its name, and make that durable, too. */
static bool publish(struct sftp_session *s, const struct paths *p, enum put_mode mode,
                    struct sftp_folder *folder, struct err *e)
{
    const bool ok = mode == PUT_NEW ? name_new(s, p, e) : replace_name(s, p, e);
    struct err unsynced;

    if (ok)
        return sftp_folder_sync(s, folder, e);
    sftp_remove_later(s, p->tmp);
    /* Whoever takes "exists" for "stored" needs the other writer's name to be durable. */
    if (e->code != ERR_EXISTS)
        sftp_folder_drop(s, folder);
    else if (!sftp_folder_sync(s, folder, &unsynced))
        *e = unsynced;
    return false;
}

static bool put_object(struct sftp_session *s, const struct paths *p, struct slice data,
                       enum put_mode mode, struct err *e)
{
    AUTO(mem) char *parent = sftp_parent(p->object);
    AUTO(sftp_request) struct sftp_request opened = {0};
    AUTO(sftp_folder) struct sftp_folder folder = {0};

    if (!sftp_ask_open(s, &opened, p->tmp, SFTP_OPEN_NEW, e) ||
        !sftp_folder_begin(s, &folder, parent, e) || !sftp_wait(&s->call, &opened, e))
        return false;
    if (!sftp_expect(&opened, SFTP_HANDLE, e)) {
        sftp_folder_drop(s, &folder);
        return err_wrap(e, "make %s", p->tmp);
    }
    if (fill(s, opened.reply.handle, data, e))
        return publish(s, p, mode, &folder, e);
    sftp_folder_drop(s, &folder);
    sftp_remove_later(s, p->tmp);
    return false;
}

bool sftp_put(struct store *store, const char *key, struct slice data, enum put_mode mode,
              struct err *e)
{
    assert(object_key_is_valid(key));
    assert(data.size <= STORE_OBJECT_MAX);

    struct sftp *sftp = (struct sftp *)store;
    AUTO(paths) struct paths p = {tmp_path(sftp), sftp_path(sftp, key)};
    AUTO(sftp_session) struct sftp_session s = {0};

    if (!sftp_is_sound(sftp, e) || !sftp_session_begin(&s, sftp, e) ||
        !sftp_settle(&s, "tmp/", e) || !sftp_settle(&s, key, e) ||
        !put_object(&s, &p, data, mode, e))
        return err_wrap(e, "put %s", key);
    return true;
}

static bool move_object(struct sftp_session *s, const struct paths *p, struct err *e)
{
    AUTO(mem) char *to_parent = sftp_parent(p->object);
    AUTO(mem) char *from_parent = sftp_parent(p->tmp);
    AUTO(sftp_request) struct sftp_request moved = {0};
    AUTO(sftp_folder) struct sftp_folder to = {0};
    AUTO(sftp_folder) struct sftp_folder from = {0};
    const bool can_replace = sftp_link_abilities(s->call.link)->can_replace;

    if (!ask_move(s, can_replace ? "posix-rename@openssh.com" : NULL, p, &moved, e) ||
        !sftp_expect(&moved, SFTP_STATUS, e))
        return false;
    /* The new name is durable before the old one is gone for good, so that one of them stays. */
    return sftp_folder_begin(s, &to, to_parent, e) && sftp_folder_sync(s, &to, e) &&
           sftp_folder_begin(s, &from, from_parent, e) && sftp_folder_sync(s, &from, e);
}

bool sftp_move(struct store *store, const char *from, const char *to, struct err *e)
{
    assert(object_key_is_valid(to));

    struct sftp *sftp = (struct sftp *)store;
    AUTO(paths) struct paths p = {sftp_path(sftp, from), sftp_path(sftp, to)};
    AUTO(sftp_session) struct sftp_session s = {0};

    if (!sftp_is_sound(sftp, e) || !sftp_session_begin(&s, sftp, e) || !sftp_settle(&s, to, e) ||
        !move_object(&s, &p, e))
        return err_wrap(e, "move %s", from);
    return true;
}
