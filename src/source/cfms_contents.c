#include "source/cfms_contents.h"

#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/cancel.h"
#include "base/file.h"
#include "base/mem.h"
#include "codec/hash.h"

enum { PIECE = 64 << 10, FOLDER_MODE = 0700 };

struct cfms_contents {
    int content_fd, fd; /* fd: -1 until the folder is there */
    struct stat owner;  /* of the content folder */
    struct file_draft draft;
    char *id; /* under way */
    struct sha256_stream *sum;
    uint64_t size;
    struct arena texts;
    char **linked; /* that were not there before */
    size_t count, room;
    bool is_kept;
};

void cfms_contents_close(struct cfms_contents *c)
{
    struct err ignored;

    if (c == NULL)
        return;
    for (size_t i = 0; i < c->count && !c->is_kept; i++)
        (void)!file_remove(c->fd, c->linked[i], &ignored); /* the next import names it */
    file_draft_auto(&c->draft);
    fd_auto(&c->content_fd);
    fd_auto(&c->fd);
    sha256_stream_free(c->sum);
    mem_free(c->linked);
    arena_done(&c->texts);
    mem_free(c);
}

void cfms_contents_auto(struct cfms_contents **c)
{
    cfms_contents_close(*c);
}

int cfms_contents_fd(const struct cfms_contents *c)
{
    return c->fd;
}

bool cfms_contents_open(const char *content_dir, struct cfms_contents **out, struct err *e)
{
    AUTO(cfms_contents) struct cfms_contents *c = mem_new(sizeof(*c));
    struct err why = {0};

    c->fd = c->content_fd = -1;
    c->draft = FILE_DRAFT_NONE;
    c->sum = sha256_stream_new();
    if (!dir_open(content_dir, &c->content_fd, e))
        return false;
    if (fstat(c->content_fd, &c->owner) < 0)
        return err_sys(e, "look at %s", content_dir);
    if (!beneath_open_dir(c->content_fd, "restore/files", &c->fd, &why) &&
        why.code != ERR_NOT_FOUND) {
        *e = why;
        return err_wrap(e, "%s", content_dir);
    }
    *out = TAKE(c);
    return true;
}

static bool make_folder(const struct cfms_contents *c, const char *path, struct err *e)
{
    struct err why = {0};

    if (beneath_mkdir(c->content_fd, path, FOLDER_MODE, &why)) {
        AUTO(fd) int made = -1;

        if (!beneath_open_dir(c->content_fd, path, &made, e))
            return false;
        return c->owner.st_uid == geteuid() ||
               fd_set_owner(made, c->owner.st_uid, c->owner.st_gid, e);
    }
    *e = why;
    return why.code == ERR_EXISTS;
}

bool cfms_contents_prepare(struct cfms_contents *c, struct err *e)
{
    AUTO(fd) int restore_fd = -1;

    if (c->fd >= 0)
        return true;
    return make_folder(c, "restore", e) && make_folder(c, "restore/files", e) &&
           beneath_open_dir(c->content_fd, "restore", &restore_fd, e) &&
           dir_sync(restore_fd, "restore", e) && dir_sync(c->content_fd, "content", e) &&
           beneath_open_dir(c->content_fd, "restore/files", &c->fd, e);
}

bool cfms_contents_begin(struct cfms_contents *c, const char *id, struct err *e)
{
    file_draft_auto(&c->draft);
    c->draft = FILE_DRAFT_NONE;
    c->id = arena_string(&c->texts, slice_string(id));
    c->size = 0;
    if (!file_draft_open(c->fd, ".holdfast-new", &c->draft, e))
        return false;
    return c->owner.st_uid == geteuid() ||
           fd_set_owner(c->draft.fd, c->owner.st_uid, c->owner.st_gid, e) ||
           err_wrap(e, "give it to the owner of the content folder");
}

bool cfms_contents_add(struct cfms_contents *c, struct slice bytes, struct err *e)
{
    sha256_stream_add(c->sum, bytes);
    c->size += bytes.size;
    return fd_write(c->draft.fd, bytes, e) || err_wrap(e, "content %s", c->id);
}

/* Whether a file that stands there is what was to come. */
static bool is_same(const struct cfms_contents *c, const struct hash *sum, bool *same,
                    struct err *e)
{
    AUTO(sha256_stream) struct sha256_stream *s = sha256_stream_new();
    AUTO(mem) uint8_t *bytes = mem_new(PIECE);
    AUTO(fd) int fd = -1;
    struct stat st;
    struct hash found;
    size_t got = PIECE;

    *same = false;
    if (!beneath_open(c->fd, c->id, &fd, e))
        return false;
    if (fstat(fd, &st) < 0)
        return err_sys(e, "look at %s", c->id);
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != c->size || st.st_uid != c->owner.st_uid)
        return true;
    for (uint64_t at = 0; got == PIECE; at += got) {
        if (cancel_is_requested())
            return cancel_err(e);
        if (!fd_read_at(fd, at, bytes, PIECE, &got, e))
            return false;
        sha256_stream_add(s, SLICE_OF(bytes, got));
    }
    sha256_stream_finish(s, &found);
    *same = hash_is_equal(&found, sum);
    return true;
}

static void note_linked(struct cfms_contents *c)
{
    if (c->count == c->room) {
        c->room = c->room > 0 ? 2 * c->room : 64;
        c->linked = mem_resize(c->linked, c->room, sizeof(*c->linked));
    }
    c->linked[c->count++] = c->id;
}

bool cfms_contents_end(struct cfms_contents *c, struct err *e)
{
    struct hash sum;
    bool same = false;

    sha256_stream_finish(c->sum, &sum);
    if (file_draft_link(&c->draft, c->fd, c->id, e)) {
        note_linked(c);
        file_draft_auto(&c->draft);
        c->draft = FILE_DRAFT_NONE;
        return true;
    }
    if (e->code != ERR_EXISTS)
        return false;
    return is_same(c, &sum, &same, e) &&
           (same ||
            err_set(e, ERR_EXISTS,
                    "content/restore/files/%s is there already, and is another content", c->id));
}

bool cfms_contents_sync(struct cfms_contents *c, struct err *e)
{
    return dir_sync(c->fd, "content/restore/files", e);
}

void cfms_contents_keep(struct cfms_contents *c)
{
    c->is_kept = true;
}
