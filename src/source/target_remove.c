/*
 * Removing what a backup does not have.
 *
 * A tree is removed from the bottom up with a stack of open directories: each is opened by a
 * single name in the one above and never through a link, so that nobody can lead the removal
 * elsewhere by moving directories about.
 */
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/mem.h"
#include "source/names.h"
#include "source/target.h"

static int compare_slices(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

bool target_extras(struct target *t, const char *path, const struct slice *names, size_t count,
                   target_extra_fn *fn, void *arg, struct err *e)
{
    AUTO(place) struct place p = {-1, -1, NULL};
    AUTO(names) struct names found = {0};
    AUTO(arena) struct arena a = {0};
    AUTO(fd) int fd = -1;
    AUTO(buf) struct buf extra = {0};

    if (!place_reach(t, path, &p, e) || !beneath_open_dir(p.dirfd, p.name, &fd, e))
        return e->code == ERR_NOT_FOUND;
    if (!names_read(&found, fd, &a, e))
        return err_wrap(e, "%s", path);
    for (size_t i = 0; i < found.count; i++) {
        const struct slice name = SLICE_OF(found.items[i].text, found.items[i].size);

        if (count > 0 && bsearch(&name, names, count, sizeof(names[0]), compare_slices) != NULL)
            continue;
        buf_clear(&extra);
        buf_printf(&extra, "%s%s%s", path, path[0] == '\0' ? "" : "/", found.items[i].text);
        if (!fn(arg, buf_string(&extra), e))
            return false;
    }
    return true;
}

/* An open directory whose content is being removed. */
struct level {
    int fd;
    struct names names;
    struct arena arena; /* of the names */
    size_t next;
};

struct levels {
    struct level *items;
    size_t count, room;
    bool asks; /* whether to go on */
};

static void level_done(struct level *l)
{
    fd_auto(&l->fd);
    names_done(&l->names);
    arena_done(&l->arena);
}

static void levels_auto(struct levels *s)
{
    while (s->count > 0)
        level_done(&s->items[--s->count]);
    mem_free(s->items);
}

static bool levels_push(struct levels *s, int dirfd, const char *name, struct err *e)
{
    struct level l = {
        .fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC),
    };

    if (l.fd < 0)
        return err_sys(e, "open directory %s", name);
    if (!names_read(&l.names, l.fd, &l.arena, e)) {
        level_done(&l);
        return err_wrap(e, "%s", name);
    }
    mem_free(l.names.buffer);
    l.names.buffer = NULL;
    if (s->count == s->room) {
        s->room = s->room > 0 ? s->room * 2 : 16;
        s->items = mem_resize(s->items, s->room, sizeof(s->items[0]));
    }
    s->items[s->count++] = l;
    return true;
}

/* Remove a name, or go into the directory that it is. */
static bool remove_name(struct levels *s, int dirfd, const char *name, struct err *e)
{
    struct stat st = {0};
    bool is_there = false;
    const struct place p = {dirfd, -1, name};

    if (s->asks && cancel_is_requested())
        return cancel_err(e);
    if (!place_stat(&p, &st, &is_there, e))
        return false;
    if (!is_there)
        return true;
    /* What is our own goes, also where a mode forbids its owner to remove what is in it. */
    if (!s->asks && S_ISDIR(st.st_mode) && (st.st_mode & S_IRWXU) != S_IRWXU && geteuid() != 0 &&
        !at_set_mode(dirfd, name, S_IRWXU, e))
        return false;
    return S_ISDIR(st.st_mode) ? levels_push(s, dirfd, name, e) : file_remove(dirfd, name, e);
}

/* The directory on top is empty now: remove it from the one it stands in. */
static bool levels_pop(struct levels *s, const struct place *top, struct err *e)
{
    level_done(&s->items[--s->count]);
    if (s->count == 0)
        return dir_remove(top->dirfd, top->name, e);

    const struct level *above = &s->items[s->count - 1];

    return dir_remove(above->fd, above->names.items[above->next - 1].text, e);
}

static bool remove_place(const struct place *p, bool asks, struct err *e)
{
    AUTO(levels) struct levels s = {.asks = asks};

    if (!remove_name(&s, p->dirfd, p->name, e))
        return false;
    while (s.count > 0) {
        struct level *l = &s.items[s.count - 1];
        const bool is_done = l->next == l->names.count;

        if (is_done ? !levels_pop(&s, p, e)
                    : !remove_name(&s, l->fd, l->names.items[l->next++].text, e))
            return false;
    }
    return true;
}

bool target_remove(struct target *t, const char *path, struct err *e)
{
    AUTO(place) struct place p = {-1, -1, NULL};

    if (!place_parent(t, path, &p, e))
        return e->code == ERR_NOT_FOUND;
    return remove_place(&p, true, e) || err_wrap(e, "remove %s", path);
}

bool tree_remove(int dirfd, const char *name, struct err *e)
{
    return remove_place(&(struct place){dirfd, -1, name}, false, e) ||
           err_wrap(e, "remove %s", name);
}
