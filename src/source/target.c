/*
 * Reaching places below the target and deciding what happens to what is there.
 */
#include "source/target.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/random.h"
#include "source/names.h"
#include "source/walk.h"

/* Takes the descriptor. */
static struct target *target_new(int root, const struct target_options *o)
{
    struct target *t = mem_new(sizeof(*t));

    t->root = root;
    t->o = *o;
    t->is_superuser = geteuid() == 0;
    t->sets_owner = o->keep_owner && t->is_superuser;
    (void)pthread_mutex_init(&t->lock, NULL); /* cannot fail on Linux */
    return t;
}

bool target_open(const char *path, const struct target_options *o, struct target **out,
                 struct err *e)
{
    int root = -1;

    names_raise_limit();
    if (!dir_make_all(path, 0700, e) || !dir_open(path, &root, e))
        return false;
    *out = target_new(root, o);
    return true;
}

bool target_open_below(struct target *t, const char *path, struct target **out, struct err *e)
{
    AUTO(place) struct place p = {-1, -1, NULL};
    int root = -1;

    if (!place_reach(t, path, &p, e) || !beneath_open_dir(p.dirfd, p.name, &root, e))
        return false;
    *out = target_new(root, &t->o);
    return true;
}

void target_close(struct target *t)
{
    if (t == NULL)
        return;
    fd_auto(&t->root);
    owners_done(&t->owners);
    (void)pthread_mutex_destroy(&t->lock);
    mem_free(t);
}

void target_auto(struct target **t)
{
    target_close(*t);
}

void place_auto(struct place *p)
{
    fd_auto(&p->owned);
}

/* Go into the directory that the first size bytes of p->name lead to. */
static bool place_enter(struct place *p, size_t size, struct err *e)
{
    AUTO(mem) char *head = mem_dup(p->name, size);
    int fd = -1;

    if (!beneath_open_dir(p->dirfd, head, &fd, e))
        return false;
    fd_auto(&p->owned);
    p->owned = p->dirfd = fd;
    p->name += size + (p->name[size] == '/');
    return true;
}

bool place_reach(const struct target *t, const char *path, struct place *p, struct err *e)
{
    *p = (struct place){t->root, -1, path};
    while (strnlen(p->name, PATH_MAX) == PATH_MAX) {
        const char *slash = memrchr(p->name, '/', PATH_MAX - 1);

        if (slash == NULL)
            return err_set(e, ERR_FATAL, "%.100s...: the name is too long", p->name);
        if (!place_enter(p, (size_t)(slash - p->name), e))
            return err_wrap(e, "%s", path);
    }
    return true;
}

bool place_parent(const struct target *t, const char *path, struct place *p, struct err *e)
{
    if (!place_reach(t, path, p, e))
        return false;

    const char *slash = strrchr(p->name, '/');
    const char *last = slash == NULL ? p->name : slash + 1;

    if (last[0] == '\0' || strcmp(last, ".") == 0 || strcmp(last, "..") == 0)
        return err_set(e, ERR_DENIED, "\"%s\" does not end in a file name", path);
    return slash == NULL || place_enter(p, (size_t)(slash - p->name), e);
}

bool place_stat(const struct place *p, struct stat *st, bool *is_there, struct err *e)
{
    *is_there = fstatat(p->dirfd, p->name, st, AT_SYMLINK_NOFOLLOW) == 0;
    return *is_there || errno == ENOENT || err_sys(e, "stat %s", p->name);
}

bool place_replace(const struct place *p, const char *from, struct err *e)
{
    struct stat st = {0};
    struct err first = {0};
    bool is_there = false;

    if (beneath_rename(p->dirfd, from, p->name, &first))
        return true;
    if (place_stat(p, &st, &is_there, e) && is_there && S_ISDIR(st.st_mode))
        return dir_remove(p->dirfd, p->name, e) && beneath_rename(p->dirfd, from, p->name, e);
    *e = first;
    return false;
}

void temporary_name(char *out)
{
    uint8_t random[8];
    char hex[2 * sizeof(random) + 1];

    random_bytes(random, sizeof(random));
    hex_encode(SLICE_OF(random, sizeof(random)), hex);
    (void)snprintf(out, 40, ".holdfast-%s", hex);
}

static bool is_empty(const struct place *p, bool *out, struct err *e)
{
    AUTO(names) struct names names = {0};
    AUTO(arena) struct arena a = {0};
    AUTO(fd) int fd = -1;

    if (!beneath_open_dir(p->dirfd, p->name, &fd, e) || !names_read(&names, fd, &a, e))
        return false;
    *out = names.count == 0;
    return true;
}

/* Is the content of what is there that of the entry, as far as can be told without reading? */
static bool is_same_content(const struct place *p, const struct stat *st, const struct entry *en)
{
    char target[PATH_MAX];
    struct entry there = {0};

    if (!entry_set_type(&there, st->st_mode) || there.type != en->type)
        return false;
    if (en->type == ENTRY_FILE)
        return (uint64_t)st->st_size == en->size &&
               clock_from_timespec(st->st_mtim) == en->mtime_ns;
    if (en->type == ENTRY_CHARACTER_DEVICE || en->type == ENTRY_BLOCK_DEVICE)
        return st->st_rdev == en->rdev;
    if (en->type != ENTRY_SYMLINK)
        return true;

    const ssize_t size = readlinkat(p->dirfd, p->name, target, sizeof(target));

    return size >= 0 && slice_is_equal(SLICE_OF(target, (size_t)size), en->target);
}

static bool decide_directory(const struct target *t, const struct stat *st, enum target_action *out)
{
    if (t->o.overwrite == OVERWRITE_NEVER)
        *out = TARGET_SKIP;
    else
        *out = S_ISDIR(st->st_mode) ? TARGET_UPDATE : TARGET_REPLACE;
    return true;
}

/* What is there gives way, unless it is a directory that holds something. */
static bool decide_replace(const struct place *p, const char *path, const struct stat *st,
                           enum target_action *out, struct err *e)
{
    bool empty = true;

    if (S_ISDIR(st->st_mode) && !is_empty(p, &empty, e))
        return err_wrap(e, "%s", path);
    if (!empty)
        return err_set(e, ERR_EXISTS, "%s is a directory that is not empty", path);
    *out = TARGET_REPLACE;
    return true;
}

bool target_decide(struct target *t, const char *path, const struct entry *en,
                   enum target_action *out, struct err *e)
{
    AUTO(place) struct place p = {-1, -1, NULL};
    struct stat st = {0};
    bool is_there = false;

    if (!place_parent(t, path, &p, e)) {
        if (e->code != ERR_NOT_FOUND)
            return false;
        *out = TARGET_CREATE;
        return true;
    }
    if (!place_stat(&p, &st, &is_there, e))
        return err_wrap(e, "%s", path);
    *out = is_there ? TARGET_SKIP : TARGET_CREATE;
    if (!is_there || t->o.overwrite == OVERWRITE_NEVER)
        return true;
    if (en->type == ENTRY_DIRECTORY)
        return decide_directory(t, &st, out);
    if (t->o.overwrite == OVERWRITE_IF_NEWER && en->mtime_ns <= clock_from_timespec(st.st_mtim))
        return true;
    if (t->o.overwrite == OVERWRITE_IF_CHANGED && is_same_content(&p, &st, en)) {
        *out = meta_is_right(t, &p, &st, en) ? TARGET_SKIP : TARGET_UPDATE;
        return true;
    }
    return decide_replace(&p, path, &st, out, e);
}

bool target_mkdir(struct target *t, const char *path, struct err *e)
{
    AUTO(place) struct place p = {-1, -1, NULL};
    struct stat st = {0};
    bool is_there = false;

    if (path[0] == '\0')
        return true;
    if (!place_reach(t, path, &p, e))
        return false;
    if (beneath_mkdir(p.dirfd, p.name, 0700, e))
        return true;
    if (e->code != ERR_EXISTS)
        return false;
    place_auto(&p);
    if (!place_parent(t, path, &p, e) || !place_stat(&p, &st, &is_there, e))
        return false;
    if (is_there && S_ISDIR(st.st_mode))
        return true;
    if (is_there && t->o.overwrite == OVERWRITE_NEVER)
        return err_set(e, ERR_EXISTS, "%s is there and is not a directory", path);
    return file_remove(p.dirfd, p.name, e) && beneath_mkdir(p.dirfd, p.name, 0700, e);
}
