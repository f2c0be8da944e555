#include "job/swap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

void swap_list_done(struct swap_list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        mem_free(l->items[i].place);
        mem_free(l->items[i].staged);
    }
    mem_free(l->items);
    *l = (struct swap_list){0};
}

void swap_list_auto(struct swap_list *l)
{
    swap_list_done(l);
}

void swap_list_add(struct swap_list *l, const char *place, const char *staged, uint64_t inode,
                   uint64_t old_inode)
{
    if (l->count == l->room) {
        l->room = l->room == 0 ? 8 : l->room * 2;
        l->items = mem_resize(l->items, l->room, sizeof(l->items[0]));
    }
    l->items[l->count++] = (struct swap){.place = mem_string(place),
                                         .staged = mem_string(staged),
                                         .inode = inode,
                                         .old_inode = old_inode};
}

/* One end of a swap: a name in an open directory, and what has it. */
struct end {
    struct beneath_name at; /* dirfd -1: the directory is not there */
    uint64_t inode;         /* 0: nothing has the name */
};

static void end_auto(struct end *s)
{
    fd_auto(&s->at.dirfd);
}

/* "/a/b" as "/a" and "b". */
static char *split(const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');

    *name = slash + 1;
    return mem_dup(path, slash == path ? 1 : (size_t)(slash - path));
}

static bool end_look(struct end *s, struct err *e)
{
    struct stat st;

    s->inode = 0;
    if (fstatat(s->at.dirfd, s->at.name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        s->inode = st.st_ino;
    else if (errno != ENOENT)
        return err_sys(e, "stat");
    return true;
}

/* What leads to a place is the user's own, and may hold links. */
static bool place_open(const char *path, struct end *out, struct err *e)
{
    const char *name = NULL;
    AUTO(mem) char *folder = split(path, &name);

    out->at.name = name;
    if (!dir_open(folder, &out->at.dirfd, e))
        return e->code == ERR_NOT_FOUND;
    return end_look(out, e);
}

/* The folder has to be ours: who owns the directory above it could have put another there. */
static bool staged_open(const char *path, struct end *out, struct err *e)
{
    const char *name = NULL, *folder_name = NULL;
    AUTO(mem) char *folder = split(path, &name);
    AUTO(mem) char *above = split(folder, &folder_name);
    AUTO(fd) int fd = -1;
    struct stat st;

    out->at.name = name;
    if (!dir_open(above, &fd, e) || !beneath_open_dir(fd, folder_name, &out->at.dirfd, e))
        return e->code == ERR_NOT_FOUND;
    if (fstat(out->at.dirfd, &st) != 0)
        return err_sys(e, "stat %s", folder);
    if (st.st_uid != geteuid())
        return err_set(e, ERR_DENIED, "%s belongs to another user", folder);
    return end_look(out, e);
}

static bool exchange(const struct end *place, const struct end *staged, struct err *e)
{
    if (place->inode == 0)
        return beneath_move(&staged->at, &place->at, e);
    if (staged->inode == 0)
        return beneath_move(&place->at, &staged->at, e);
    return beneath_exchange(&staged->at, &place->at, e);
}

static bool sync_ends(const struct end *place, const struct end *staged, struct err *e)
{
    return (place->at.dirfd < 0 || dir_sync(place->at.dirfd, "the directory", e)) &&
           (staged->at.dirfd < 0 || dir_sync(staged->at.dirfd, "the folder beside it", e));
}

/* Both ends of a swap, the place of which is to have the inode wanted. */
struct ends {
    struct end place, staged;
    bool is_done; /* it has it */
};
#define ENDS_NONE ((struct ends){.place.at.dirfd = -1, .staged.at.dirfd = -1})

static void ends_auto(struct ends *s)
{
    end_auto(&s->place);
    end_auto(&s->staged);
}

/* there is what the place has otherwise. */
static bool ends_open(const struct swap *s, uint64_t wanted, uint64_t there, struct ends *out,
                      struct err *e)
{
    if (!place_open(s->place, &out->place, e) || !staged_open(s->staged, &out->staged, e))
        return false;
    out->is_done = out->place.inode == wanted;
    if (out->is_done)
        return true;
    if (out->place.inode != there)
        return err_set(e, ERR_EXISTS, "something else has taken its place since");
    if (out->staged.inode != wanted)
        return err_set(e, ERR_EXISTS, "what belongs there is no longer at %s", s->staged);
    if (out->place.at.dirfd < 0 || out->staged.at.dirfd < 0)
        return err_set(e, ERR_NOT_FOUND, "the directory of %s is gone",
                       out->place.at.dirfd < 0 ? s->place : s->staged);
    return true;
}

/* What is done may have been renamed by a process that died before it made that durable. */
static bool swap_item(const struct swap *s, uint64_t wanted, uint64_t there, struct err *e)
{
    AUTO(ends) struct ends ends = ENDS_NONE;

    return ends_open(s, wanted, there, &ends, e) &&
           (ends.is_done || exchange(&ends.place, &ends.staged, e)) &&
           sync_ends(&ends.place, &ends.staged, e);
}

bool swap_check_back(const struct swap_list *l, struct err *e)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct swap *s = &l->items[i];
        AUTO(ends) struct ends ends = ENDS_NONE;

        if (!ends_open(s, s->old_inode, s->inode, &ends, e))
            return err_wrap(e, "put the former %s back", s->place);
    }
    return true;
}

bool swap_forward(const struct swap_list *l, struct err *e)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct swap *s = &l->items[i];

        if (!swap_item(s, s->inode, s->old_inode, e))
            return err_wrap(e, "put the restored %s in place", s->place);
    }
    return true;
}

bool swap_back(const struct swap_list *l, struct err *e)
{
    for (size_t i = l->count; i-- > 0;) {
        const struct swap *s = &l->items[i];

        if (!swap_item(s, s->old_inode, s->inode, e))
            return err_wrap(e, "put the former %s back", s->place);
    }
    return true;
}
