/*
 * Files of others in a directory of a backup.  The directory is read as any other; only their bytes
 * come from elsewhere, and nothing of them is ever taken from an earlier backup.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "source/walk.h"

static const struct files_over *over_of(const struct worker *w)
{
    return w->run->o->over;
}

static int name_order(const void *name, const void *file)
{
    return slice_compare(*(const struct slice *)name,
                         slice_string(((const struct over_file *)file)->name));
}

const struct over_file *over_find(const struct worker *w, const struct folder *f, size_t slot)
{
    const struct files_over *o = over_of(w);

    if (!f->has_over)
        return NULL;
    return bsearch(&f->entries[slot].name, o->files, o->count, sizeof(*o->files), name_order);
}

static int entry_order(const void *name, const void *entry)
{
    return slice_compare(*(const struct slice *)name, ((const struct entry *)entry)->name);
}

/* A further entry, with what the directory has. */
static bool add_entry(struct worker *w, const struct folder *f, const char *name, struct listing *l,
                      struct err *e)
{
    struct entry *en = listing_add(l);
    struct stat st;

    if (fstat(f->fd, &st) < 0)
        return err_sys(e, "look at a directory");
    *en = (struct entry){.type = ENTRY_FILE,
                         .name = slice_string(arena_string(&l->arena, slice_string(name))),
                         .mode = 0600U | ((st.st_mode & S_IRGRP) != 0 ? 0040U : 0),
                         .uid = st.st_uid,
                         .gid = st.st_gid};
    en->user = arena_copy(&l->arena, owner_name(&w->owners, OWNER_USER, en->uid));
    en->group = arena_copy(&l->arena, owner_name(&w->owners, OWNER_GROUP, en->gid));
    return true;
}

static void take_over(const struct worker *w, const struct over_file *file, struct entry *en)
{
    en->size = file->size;
    en->mtime_ns = en->ctime_ns = w->run->o->scan_started_ns;
    en->flags = ENTRY_UNTRUSTED_TIME;
    en->links = 1;
    en->device = en->inode = 0;
}

static bool apply_one(struct worker *w, const struct folder *f, const struct over_file *file,
                      struct listing *l, size_t present, struct err *e)
{
    const struct slice name = slice_string(file->name);
    struct entry *en =
        present == 0 ? NULL : bsearch(&name, l->entries, present, sizeof(*l->entries), entry_order);

    if (en != NULL && en->type != ENTRY_FILE)
        return err_set(e, ERR_EXISTS, "%s/%s is in the way: it is no file", over_of(w)->folder,
                       file->name);
    if (en == NULL && !add_entry(w, f, file->name, l, e))
        return false;
    take_over(w, file, en != NULL ? en : &l->entries[l->count - 1]);
    return true;
}

bool over_apply(struct worker *w, struct folder *f, struct listing *l, struct err *e)
{
    const struct files_over *o = over_of(w);
    const size_t present = l->count;
    AUTO(buf) struct buf path = {0};

    if (o == NULL || f->fd < 0 || f->route.count > 0)
        return true;
    folder_path(f, "", &path);
    if (strcmp(buf_string(&path), o->folder) != 0)
        return true;
    f->has_over = true;
    for (size_t i = 0; i < o->count; i++)
        if (!apply_one(w, f, &o->files[i], l, present, e))
            return false;
    listing_sort(l);
    return true;
}

/* Attributes of the file whose place it takes; a file that has none, or is gone, has none. */
static void read_xattrs(struct worker *w, const struct folder *f, const char *name)
{
    AUTO(fd)
    int fd = openat(f->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    struct err ignored = {0};

    buf_clear(&w->xattrs.encoded);
    if (fd >= 0 && !w->run->o->no_xattrs)
        (void)!xattrs_read(&w->xattrs, fd, NULL, &ignored);
}

static bool send_bytes(struct worker *w, const struct over_file *file, struct err *e)
{
    const struct sink_ops *ops = w->run->sink->ops;

    for (uint64_t at = 0; at < file->size;) {
        const uint64_t left = file->size - at;
        const size_t wanted = left < SINK_ROOM_MAX ? (size_t)left : SINK_ROOM_MAX;
        size_t got = 0;

        if (!worker_go_on(w, e) || !fd_read_at(over_of(w)->fd, file->offset + at,
                                               ops->room(w->lane, wanted), wanted, &got, e))
            return false;
        if (got < wanted)
            return err_set(e, ERR_FATAL, "%s is shorter than it was", file->name);
        if (!ops->write(w->lane, got, e))
            return false;
        at += got;
    }
    return true;
}

bool over_send(struct worker *w, const struct folder *f, size_t slot, const struct over_file *file,
               struct err *e)
{
    const struct sink_ops *ops = w->run->sink->ops;
    struct entry final = f->entries[slot];

    if (!ops->begin(w->lane, f->dir, slot, e) || !send_bytes(w, file, e))
        return false;
    read_xattrs(w, f, file->name);
    final.xattrs = buf_slice(&w->xattrs.encoded);
    if (!ops->end(w->lane, &final, e))
        return false;
    atomic_fetch_add(over_of(w)->sent, 1);
    return true;
}
