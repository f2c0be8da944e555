/*
 * One directory becomes one listing.
 *
 * Names are sorted before anything is asked about them, so that the listing comes out in
 * order; on rotating disks the order of inodes saves seeks and the listing is sorted later.
 * A directory that was not asked for itself but leads to a path that was holds only what
 * lies on the way.
 */
#include "source/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

/* Changes this close to the scan may be followed by others that show the same time. */
#define TIME_MARGIN_NS (2 * NS_PER_S)

/* A listing being made. */
struct scan {
    struct worker *w;
    struct folder *f;
    struct listing *l;
    bool is_tagged; /* the backup holds only the tag of this directory */
    struct slice tag;
    size_t directory_size; /* of the path that w->path begins with, for excludes */
};

bool entry_set_type(struct entry *en, mode_t mode)
{
    static const struct {
        mode_t format;
        enum entry_type type;
    } types[] = {
        {S_IFREG, ENTRY_FILE},    {S_IFDIR, ENTRY_DIRECTORY},        {S_IFLNK, ENTRY_SYMLINK},
        {S_IFIFO, ENTRY_FIFO},    {S_IFCHR, ENTRY_CHARACTER_DEVICE}, {S_IFBLK, ENTRY_BLOCK_DEVICE},
        {S_IFSOCK, ENTRY_SOCKET},
    };

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (types[i].format == (mode & S_IFMT)) {
            en->type = types[i].type;
            return true;
        }
    }
    return false;
}

void entry_set_stat(struct entry *en, const struct stat *st, const struct files_options *o)
{
    en->mode = st->st_mode & 07777U;
    en->uid = st->st_uid;
    en->gid = st->st_gid;
    en->mtime_ns = clock_from_timespec(st->st_mtim);
    en->ctime_ns = clock_from_timespec(st->st_ctim);
    en->device = st->st_dev;
    en->inode = st->st_ino;
    en->links = st->st_nlink;
    en->flags = 0;
    if (en->type == ENTRY_CHARACTER_DEVICE || en->type == ENTRY_BLOCK_DEVICE)
        en->rdev = st->st_rdev;
    if (en->type != ENTRY_FILE)
        return;
    en->size = (uint64_t)st->st_size;

    const int64_t trusted_until = o->scan_started_ns - TIME_MARGIN_NS;

    if (en->ctime_ns >= trusted_until || en->mtime_ns >= trusted_until)
        en->flags |= ENTRY_UNTRUSTED_TIME;
}

/* Most entries of a directory have the owner of the one before: its name is shared. */
static void set_owner_names(struct scan *s, struct entry *en)
{
    const struct entry *before = en == s->l->entries ? NULL : en - 1;
    struct owners *o = &s->w->owners;

    en->user = before != NULL && before->uid == en->uid
                   ? before->user
                   : arena_copy(&s->l->arena, owner_name(o, OWNER_USER, en->uid));
    en->group = before != NULL && before->gid == en->gid
                    ? before->group
                    : arena_copy(&s->l->arena, owner_name(o, OWNER_GROUP, en->gid));
}

static bool read_link(struct scan *s, const char *name, struct slice *target, struct err *e)
{
    struct buf *link = &s->w->link;

    buf_clear(link);
    buf_reserve(link, ENTRY_TARGET_MAX + 1);

    const ssize_t size = readlinkat(s->f->fd, name, (char *)link->data, ENTRY_TARGET_MAX + 1);

    if (size < 0)
        return err_sys(e, "read symbolic link");
    if (size > ENTRY_TARGET_MAX)
        return err_set(e, ERR_FATAL, "the target of the symbolic link is too long");
    *target = SLICE_OF(link->data, (size_t)size);
    return true;
}

/* Attributes of what is not a file: those of files are read with the bytes. */
static bool set_xattrs(struct scan *s, struct entry *en, const char *name, struct err *e)
{
    AUTO(buf) struct buf path = {0};
    struct err why = {0};

    if (s->w->run->o->no_xattrs || !s->w->run->has_proc)
        return true;

    /* What leads to a given path may be a link, and stands for the directory behind it. */
    buf_printf(&path, "/proc/self/fd/%d/%s%s", s->f->fd, name,
               s->f->route.count > 0 && en->type == ENTRY_DIRECTORY ? "/." : "");
    if (!xattrs_read(&s->w->xattrs, -1, buf_string(&path), &why))
        return worker_note(s->w, s->f, name, &why, e);
    en->xattrs = arena_copy(&s->l->arena, buf_slice(&s->w->xattrs.encoded));
    return true;
}

/* Add an entry for a name (in the listing's arena) that st describes. */
static bool scan_add(struct scan *s, const char *name, const struct stat *st, struct err *e)
{
    struct entry probe = {.name = slice_string(name)};
    struct err why = {0};
    struct slice target = {0};

    if (probe.name.size > ENTRY_NAME_MAX) {
        (void)err_set(&why, ERR_FATAL, "the name is longer than %d bytes", ENTRY_NAME_MAX);
        return worker_miss(s->w, s->f, name, &why, e);
    }
    if (!entry_set_type(&probe, st->st_mode)) {
        (void)err_set(&why, ERR_FATAL, "the type of the file is not known");
        return worker_miss(s->w, s->f, name, &why, e);
    }
    if (probe.type == ENTRY_SYMLINK && !read_link(s, name, &target, &why))
        return why.code == ERR_NOT_FOUND || worker_miss(s->w, s->f, name, &why, e);

    struct entry *en = listing_add(s->l);

    *en = probe;
    entry_set_stat(en, st, s->w->run->o);
    if (en->type == ENTRY_SYMLINK) {
        en->target = arena_copy(&s->l->arena, target);
        en->size = target.size;
    }
    set_owner_names(s, en);
    return en->type == ENTRY_FILE || set_xattrs(s, en, name, e);
}

static bool is_excluded(struct scan *s, const char *name, bool is_dir)
{
    struct buf *path = &s->w->path;

    if (s->w->run->o->exclude == NULL)
        return false;
    path->size = s->directory_size;
    buf_append(path, name, strlen(name));
    return exclude_matches_below(s->w->run->o->exclude, buf_string(path) + 1, s->f->given, is_dir);
}

static bool scan_name(struct scan *s, const struct name *n, struct err *e)
{
    const bool is_type_known = n->type != DT_UNKNOWN;
    struct stat st = {0};
    struct err why = {0};

    /* What is excluded may hang when it is asked about, such as a dead network mount. */
    if (is_type_known && is_excluded(s, n->text, n->type == DT_DIR))
        return true;
    if (n->type == DT_DIR && target_is_staging(n->text))
        return true;
    if (fstatat(s->f->fd, n->text, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0) {
        (void)err_sys(&why, "stat");
        return why.code == ERR_NOT_FOUND || worker_miss(s->w, s->f, n->text, &why, e);
    }
    if (!is_type_known && ((S_ISDIR(st.st_mode) && target_is_staging(n->text)) ||
                           is_excluded(s, n->text, S_ISDIR(st.st_mode))))
        return true;
    return scan_add(s, n->text, &st, e);
}

static bool tag_is_present(struct scan *s, const struct tag *t)
{
    AUTO(mem) char *name = mem_dup(t->name.data, t->name.size);

    if (names_find(&s->w->names, name) == NULL)
        return false;
    if (t->begins_with.size == 0)
        return true;

    AUTO(fd)
    int fd = openat(s->f->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    AUTO(mem) uint8_t *head = mem_new(t->begins_with.size);
    struct stat st = {0};
    struct err ignored = {0}; /* a tag that cannot be read is none */
    size_t got = 0;

    return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
           fd_read(fd, head, t->begins_with.size, &got, &ignored) &&
           slice_is_equal(SLICE_OF(head, got), t->begins_with);
}

static void find_tag(struct scan *s)
{
    const struct run *r = s->w->run;

    for (size_t i = 0; i < r->tag_count && !s->is_tagged; i++) {
        if (tag_is_present(s, &r->tags[i])) {
            s->is_tagged = true;
            s->tag = r->tags[i].name;
        }
    }
}

/* Whether reading in the order of inodes saves seeks on this device. */
static bool is_rotational(struct worker *w, uint64_t device)
{
    /* A partition has no queue of its own: it lies in the directory of its disk. */
    static const char *const disks[] = {"", "../"};

    if (w->has_disk && w->disk == device)
        return w->is_rotational;
    w->disk = device;
    w->has_disk = true;
    w->is_rotational = false;
    for (size_t i = 0; i < sizeof(disks) / sizeof(disks[0]); i++) {
        AUTO(buf) struct buf text = {0};
        struct err ignored = {0}; /* no block device: nothing to gain */
        char path[80];

        (void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%squeue/rotational", major(device),
                       minor(device), disks[i]);
        if (file_read(path, 16, &text, &ignored))
            w->is_rotational = text.size > 0 && text.data[0] == '1';
    }
    return w->is_rotational;
}

static int compare_inodes(const void *a, const void *b)
{
    const struct name *first = a;
    const struct name *second = b;

    return (first->inode > second->inode) - (first->inode < second->inode);
}

/* Everything in a directory but what is excluded. */
static bool scan_whole(struct scan *s, struct err *e)
{
    struct names *names = &s->w->names;
    struct err why = {0};

    if (!names_read(names, s->f->fd, &s->l->arena, &why) && !worker_note(s->w, s->f, "", &why, e))
        return false;
    find_tag(s);
    if (names->count > 0 && is_rotational(s->w, s->f->device))
        qsort(names->items, names->count, sizeof(names->items[0]), compare_inodes);
    if (s->w->run->o->exclude != NULL) {
        buf_clear(&s->w->path);
        folder_path(s->f, "", &s->w->path);
        if (s->w->path.size > 1)
            buf_append(&s->w->path, "/", 1);
        s->directory_size = s->w->path.size;
    }
    for (size_t i = 0; i < names->count; i++) {
        const struct slice name = SLICE_OF(names->items[i].text, names->items[i].size);

        if (!(s->is_tagged && !slice_is_equal(name, s->tag)) && !scan_name(s, &names->items[i], e))
            return false;
    }
    listing_sort(s->l);
    return true;
}

/* The components on the way to the given paths. */
static bool scan_route(struct scan *s, struct err *e)
{
    struct route rest = s->f->route;

    while (rest.count > 0) {
        size_t size = 0;
        const size_t count = route_group(&rest, &size);
        const char *component = rest.paths[0] + rest.at;
        const bool is_given = component[size] == '\0';
        const char *name = arena_string(&s->l->arena, SLICE_OF(component, size));
        struct stat st = {0};
        struct err why = {0};

        if (fstatat(s->f->fd, name, &st, is_given ? AT_SYMLINK_NOFOLLOW : 0) < 0)
            (void)err_sys(&why, "stat");
        else if (!is_given && !S_ISDIR(st.st_mode))
            (void)err_set(&why, ERR_NOT_FOUND, "it is not a directory");
        if (why.code != ERR_NONE ? !worker_miss(s->w, s->f, name, &why, e)
                                 : !scan_add(s, name, &st, e))
            return false;
        rest.paths += count;
        rest.count -= count;
    }
    return true;
}

/* The child of parent that its slot describes; its place among the given paths. */
static struct folder *folder_of_slot(struct worker *w, struct folder *parent, size_t slot)
{
    if (parent == NULL) {
        struct folder *root = folder_new(NULL, "");

        root->route = w->run->route;
        return root;
    }

    const char *name = (const char *)parent->entries[slot].name.data;
    struct folder *f = folder_new(parent, name);

    f->device = parent->entries[slot].device;
    f->given = parent->given;
    if (parent->route.count > 0) {
        f->given++;
        (void)route_follow(&parent->route, name, &f->route); /* made from it: always found */
    }
    return f;
}

static int open_directory(int parent, const char *name, bool is_route)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;

    if (is_route)
        return openat(parent, name, O_PATH | O_DIRECTORY | O_CLOEXEC);

    const int fd = openat(parent, name, flags | O_NOATIME);

    /* Only the owner may leave the access time alone. */
    return fd < 0 && errno == EPERM ? openat(parent, name, flags) : fd;
}

/* Open f, or leave it closed when its content is not wanted.  ERR_NOT_FOUND: it is gone. */
static bool folder_open(const struct worker *w, struct folder *f, struct err *why)
{
    const struct folder *parent = f->parent;
    const bool must_stay = w->run->o->one_file_system && f->route.count == 0 && parent != NULL;
    struct stat st = {0};

    if (must_stay && parent->route.count == 0 && f->device != parent->device)
        return true;

    AUTO(fd)
    int fd = open_directory(parent == NULL ? AT_FDCWD : parent->fd, parent == NULL ? "/" : f->name,
                            f->route.count > 0);

    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
        return err_set(why, ERR_NOT_FOUND, "it is no longer a directory");
    if (fd < 0 && errno == ENOENT)
        return err_set(why, ERR_NOT_FOUND, "it vanished before it could be read");
    if (fd < 0)
        return err_sys(why, "open");
    if (parent == NULL || must_stay) {
        if (fstat(fd, &st) < 0)
            return err_sys(why, "stat");
        /* Opening an automount point mounts what belongs there. */
        if (parent != NULL && f->device != st.st_dev)
            return true;
        f->device = st.st_dev;
    }
    f->fd = fd;
    fd = -1;
    return true;
}

static int compare_slots(const void *a, const void *b, void *arg)
{
    const struct entry *entries = arg;
    const uint64_t first = entries[*(const size_t *)a].inode;
    const uint64_t second = entries[*(const size_t *)b].inode;

    return (first > second) - (first < second);
}

/* What the sink wants of the listing becomes the work of the folder. */
static void folder_fill(struct worker *w, struct folder *f, const struct listing *l)
{
    f->entries = l->entries;
    f->order = mem_array(l->count, sizeof(f->order[0]));
    for (size_t i = 0; i < l->count; i++)
        if (l->entries[i].type == ENTRY_FILE && l->wanted[i])
            f->order[f->file_count++] = i;
    f->count = f->file_count;
    for (size_t i = 0; i < l->count; i++)
        if (l->entries[i].type == ENTRY_DIRECTORY)
            f->order[f->count++] = i;
    if (f->file_count > 1 && is_rotational(w, f->device))
        qsort_r(f->order, f->file_count, sizeof(f->order[0]), compare_slots, l->entries);
}

static bool note_missing_proc(struct worker *w, struct err *e)
{
    struct err why = {0};

    if (w->run->has_proc || w->run->o->no_xattrs)
        return true;
    (void)err_set(&why, ERR_FATAL,
                  "extended attributes of directories, links and special files are left out: "
                  "/proc is not mounted");
    return worker_note(w, NULL, "", &why, e);
}

static bool scan_folder(struct worker *w, struct folder *f, struct listing *l, struct err *e)
{
    struct scan s = {.w = w, .f = f, .l = l};

    if (f->parent == NULL && !note_missing_proc(w, e))
        return false;
    if (f->fd < 0)
        return true;
    return f->route.count > 0 ? scan_route(&s, e) : scan_whole(&s, e);
}

static void folder_auto(struct folder **f)
{
    if (*f != NULL)
        folder_release(*f);
}

bool walk_visit(struct worker *w, struct folder *parent, size_t slot, struct folder **out,
                struct err *e)
{
    AUTO(folder) struct folder *f = folder_of_slot(w, parent, slot);
    AUTO(listing) struct listing *l = listing_new();
    struct err why = {0};

    *out = NULL;
    if (!folder_open(w, f, &why)) {
        if (parent != NULL && why.code == ERR_NOT_FOUND)
            return worker_skip(w, parent, slot, &why, e);
        if (!worker_note(w, f, "", &why, e))
            return false;
    }
    if (!scan_folder(w, f, l, e) || !over_apply(w, f, l, e))
        return false;

    const struct files_options *o = w->run->o;
    const struct listing *kept = l;
    struct sink_dir *above = parent == NULL ? o->above : parent->dir;

    if (!w->run->sink->ops->enter(w->lane, above, parent == NULL ? o->above_slot : slot, TAKE(l),
                                  &f->dir, e))
        return false;
    if (f->dir == NULL)
        return true;
    folder_fill(w, f, kept);
    *out = TAKE(f);
    return true;
}
