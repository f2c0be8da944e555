/*
 * Listing: a walk with many directories under way at once, one request each.  Nothing is told
 * before the walk has come to its end.
 */
#include <string.h>

#include "base/mem.h"
#include "store/object_key.h"
#include "store/object_list.h"
#include "store/sftp_session.h"

enum {
    KEY_LONGEST = 1024,    /* longer ones are an error: a server may show a tree without end */
    OBJECTS_MAX = 1 << 24, /* in one listing, for the same reason */
};

/* A directory that is to be read, or is being read. */
struct folder {
    struct folder *next;
    char *key;   /* ends with a slash, or is empty */
    char *start; /* names in it that matter begin so */
    char *handle;
    size_t handle_size; /* 0: not open yet */
    struct sftp_request request;
};

/* Directories in the order in which their answers come. */
struct line {
    struct folder *first, *last;
    size_t count;
};

struct walk {
    struct sftp_session *session;
    struct line waiting, active;
    struct object_list found;
    size_t found_count;
};

static void folder_free(struct folder *f)
{
    mem_free(f->key);
    mem_free(f->start);
    mem_free(f->handle);
    sftp_request_auto(&f->request);
    mem_free(f);
}

static void line_add(struct line *l, struct folder *f)
{
    f->next = NULL;
    if (l->last == NULL)
        l->first = f;
    else
        l->last->next = f;
    l->last = f;
    l->count++;
}

static struct folder *line_take(struct line *l)
{
    struct folder *f = l->first;

    if (f == NULL)
        return NULL;
    l->first = f->next;
    if (l->first == NULL)
        l->last = NULL;
    l->count--;
    return f;
}

static void walk_auto(struct walk *w)
{
    struct folder *f = NULL;

    if (w->active.count > 0)
        sftp_call_auto(&w->session->call); /* answers still to come have their place here */
    while ((f = line_take(&w->active)) != NULL) {
        if (f->handle_size > 0)
            sftp_close_later(w->session, SLICE_OF(f->handle, f->handle_size));
        folder_free(f);
    }
    while ((f = line_take(&w->waiting)) != NULL)
        folder_free(f);
    object_list_auto(&w->found);
}

static void add_folder(struct walk *w, const char *key, const char *start)
{
    struct folder *f = mem_new(sizeof(*f));

    f->key = mem_string(key);
    f->start = mem_string(start);
    line_add(&w->waiting, f);
}

/* Ask for the next entries, or for the directory to be opened. */
static bool ask_more(struct walk *w, struct folder *f, struct err *e)
{
    AUTO(buf) struct buf packet = {0};

    line_add(&w->active, f);
    if (f->handle_size > 0) {
        sftp_handle_packet(SFTP_READDIR, SLICE_OF(f->handle, f->handle_size), &packet);
        return sftp_send(w->session, &f->request, &packet, e);
    }

    const size_t length = strlen(f->key);
    AUTO(mem) char *key = mem_dup(f->key, length == 0 ? 0 : length - 1);
    AUTO(mem) char *path = sftp_path(w->session->sftp, key);

    sftp_path_packet(SFTP_OPENDIR, path, &packet);
    return sftp_send(w->session, &f->request, &packet, e);
}

static bool has_start(struct slice name, const char *start)
{
    const size_t length = strlen(start);

    return name.size >= length && (length == 0 || memcmp(name.data, start, length) == 0);
}

/* Where note_entry() stands. */
struct place {
    struct walk *walk;
    const struct folder *folder;
};

static bool note_entry(void *arg, const struct sftp_entry *entry, struct err *e)
{
    const struct place *at = arg;
    struct walk *w = at->walk;
    AUTO(buf) struct buf text = {0};

    buf_append_slice(&text, slice_string(at->folder->key));
    buf_append_slice(&text, entry->name);

    const char *key = buf_string(&text);

    if (!has_start(entry->name, at->folder->start) || !object_key_is_valid(key))
        return true;
    if (text.size > KEY_LONGEST)
        return err_set(e, ERR_FATAL, "there is a path longer than that of any object");
    if (!sftp_are_whole(&entry->attributes, e))
        return false;
    if (sftp_is_directory(&entry->attributes)) {
        buf_append(&text, "/", 1);
        add_folder(w, buf_string(&text), "");
        return true;
    }
    if (!sftp_is_file(&entry->attributes))
        return true;
    if (++w->found_count > OBJECTS_MAX)
        return err_set(e, ERR_FATAL, "there are more files than any repository has");

    const struct object_info info = {key, entry->attributes.size, entry->attributes.mtime};

    return object_list_add(&w->found, &info, e);
}

static bool each_entry(struct sftp_request *r, sftp_entry_fn *fn, void *arg, struct err *e)
{
    for (uint32_t i = 0; i < r->reply.count; i++) {
        struct sftp_entry entry;

        if (!reply_take_entry(&r->reply, &entry, e) || !fn(arg, &entry, e))
            return false;
    }
    return true;
}

/* Keep the handle of a directory that was opened. */
static bool note_handle(struct folder *f, struct err *e)
{
    if (!sftp_expect(&f->request, SFTP_HANDLE, e))
        return false;
    f->handle_size = f->request.reply.handle.size;
    f->handle = mem_dup(f->request.reply.handle.data, f->handle_size);
    return true;
}

/* What the answer for a directory says; *is_over when it was the last. */
static bool take_answer(struct walk *w, struct folder *f, bool *is_over, struct err *e)
{
    struct place at = {w, f};

    /* Vanished since it was seen, or a file where only a directory matters. */
    *is_over = sftp_answered(&f->request, f->handle_size == 0 ? SFTP_NO_SUCH_FILE : SFTP_EOF);
    if (*is_over)
        return true;
    if (f->handle_size == 0)
        return note_handle(f, e);
    return sftp_expect(&f->request, SFTP_NAME, e) && each_entry(&f->request, note_entry, &at, e);
}

/* Go on with the directory that was asked about first. */
static bool step(struct walk *w, struct err *e)
{
    struct folder *f = w->active.first;
    bool is_over = false;

    if (!sftp_wait(&w->session->call, &f->request, e) || !take_answer(w, f, &is_over, e))
        return err_wrap(e, "list %s", f->key);
    (void)line_take(&w->active);
    if (!is_over)
        return ask_more(w, f, e);
    if (f->handle_size > 0)
        sftp_close_later(w->session, SLICE_OF(f->handle, f->handle_size));
    folder_free(f);
    return true;
}

static bool walk_all(struct walk *w, struct err *e)
{
    for (;;) {
        if (w->active.count < SFTP_WINDOW && w->waiting.count > 0) {
            if (!ask_more(w, line_take(&w->waiting), e))
                return false;
        } else if (w->active.count == 0) {
            return true;
        } else if (!step(w, e)) {
            return false;
        }
    }
}

/* The prefix up to its last slash is the directory where names begin with the rest. */
static void add_first(struct walk *w, const char *prefix)
{
    const char *slash = strrchr(prefix, '/');
    AUTO(mem) char *key = mem_dup(prefix, slash == NULL ? 0 : (size_t)(slash + 1 - prefix));

    add_folder(w, key, slash == NULL ? prefix : slash + 1);
}

static bool take_listing(struct sftp *sftp, const char *prefix, struct object_list *out,
                         struct err *e)
{
    AUTO(sftp_session) struct sftp_session s = {0};

    if (!sftp_session_begin(&s, sftp, e))
        return err_wrap(e, "list %s", prefix);

    AUTO(walk) struct walk w = {.session = &s};

    add_first(&w, prefix);
    if (!walk_all(&w, e))
        return false;
    *out = w.found;
    w.found = (struct object_list){0};
    return true;
}

bool sftp_list(struct store *s, const char *prefix, object_fn *fn, void *arg, struct err *e)
{
    AUTO(object_list) struct object_list found = {0};

    return take_listing((struct sftp *)s, prefix, &found, e) &&
           object_list_tell(&found, fn, arg, e);
}

static bool read_entries(struct sftp_session *s, struct slice handle, sftp_entry_fn *fn, void *arg,
                         struct err *e)
{
    for (;;) {
        AUTO(buf) struct buf packet = {0};
        AUTO(sftp_request) struct sftp_request r = {0};

        sftp_handle_packet(SFTP_READDIR, handle, &packet);
        if (!sftp_exchange(s, &r, &packet, e))
            return false;
        if (sftp_answered(&r, SFTP_EOF))
            return true;
        if (!sftp_expect(&r, SFTP_NAME, e) || !each_entry(&r, fn, arg, e))
            return false;
    }
}

bool sftp_read_directory(struct sftp_session *s, const char *path, sftp_entry_fn *fn, void *arg,
                         struct err *e)
{
    AUTO(buf) struct buf packet = {0};
    AUTO(sftp_request) struct sftp_request opened = {0};

    sftp_path_packet(SFTP_OPENDIR, path, &packet);
    if (!sftp_exchange(s, &opened, &packet, e) || !sftp_expect(&opened, SFTP_HANDLE, e))
        return false;

    const bool ok = read_entries(s, opened.reply.handle, fn, arg, e);

    sftp_close_later(s, opened.reply.handle);
    return ok;
}
