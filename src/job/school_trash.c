/*
 * Deleting with a delay: a backup that was deleted has another name, which nobody takes for that of
 * a backup, until its time is over and the next sweep removes it.
 *
 *     backup-....enc.deleted-1790000000      removed at this time (s since 1970) or later
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "job/school_manifest.h"

#define MARK      ".deleted-"
#define MARK_SIZE (sizeof(MARK) - 1)
#define SECONDS   20 /* digits of a time, at most */
#define NAME_ROOM (SCHOOL_FILE_MAX + sizeof(MARK) + SECONDS)

static void mark_name(const char *file, int64_t due_s, char out[NAME_ROOM])
{
    (void)snprintf(out, NAME_ROOM, "%s" MARK "%lld", file, (long long)due_s); /* it fits */
}

/* False for any other name. */
static bool mark_parse(const char *text, struct school_deleted *out)
{
    const size_t size = SCHOOL_FILE_MAX - 1;
    struct school_deleted d = {0};
    uint64_t due = 0;
    struct err why;

    if (strlen(text) <= size + MARK_SIZE || strncmp(text + size, MARK, MARK_SIZE) != 0)
        return false;
    memcpy(d.backup.file, text, size);
    if (!school_name_parse(d.backup.file, &d.backup.name, &why) ||
        !parse_u64(text + size + MARK_SIZE, &due, &why) || due > INT64_MAX / NS_PER_S)
        return false;
    d.due_s = (int64_t)due;
    *out = d;
    return true;
}

/* What the database is told, in the transaction within which names change. */

struct moving {
    int dirfd;
    const char *from, *to; /* NULL: it goes, with its manifest */
};

static bool move_file(void *arg, struct err *e)
{
    const struct moving *m = arg;
    char manifest[SCHOOL_MANIFEST_ROOM];

    if (m->to != NULL)
        return beneath_move(&(struct beneath_name){m->dirfd, m->from},
                            &(struct beneath_name){m->dirfd, m->to}, e) &&
               dir_sync(m->dirfd, "the folder of backups", e);

    char file[SCHOOL_FILE_MAX];

    (void)snprintf(file, sizeof(file), "%.*s", SCHOOL_FILE_MAX - 1, m->from);
    school_manifest_name(file, manifest);
    return file_remove(m->dirfd, m->from, e) && file_remove(m->dirfd, manifest, e) &&
           dir_sync(m->dirfd, "the folder of backups", e);
}

static bool move_told(const struct school_place *p, const struct school_backup *b,
                      const struct school_log_entry *entry, struct moving *m,
                      struct school_logged *out, struct err *e)
{
    struct school_logged logged = {0};

    if (!(p->database.dsn == NULL
              ? move_file(m, e)
              : school_log_write(&p->database, entry, move_file, m, &logged, e)))
        return err_wrap(e, "%s", b->file);
    *out = logged;
    return true;
}

bool school_backup_mark(const struct school_place *p, const char *id, int64_t due_s,
                        struct school_logged *out, struct err *e)
{
    AUTO(fd) int dirfd = -1;
    AUTO(school_file) struct school_file f = {.fd = -1};
    AUTO(buf) struct buf changes = {0};
    char digits[SCHOOL_ID_MAX];
    char name[NAME_ROOM];

    if (!dir_open(p->folder, &dirfd, e) ||
        !school_file_open(dirfd, id, "File not found or could not be deleted", &f, e))
        return false;
    school_backup_id(&f.backup, digits);
    school_changes(&f.backup, "delete", &changes);
    mark_name(f.backup.file, due_s, name);

    const struct school_log_entry entry = {.action = "DELETE",
                                           .id = digits,
                                           .file = f.backup.file,
                                           .user = p->user,
                                           .changes = buf_string(&changes)};

    return move_told(p, &f.backup, &entry, &(struct moving){dirfd, f.backup.file, name}, out, e);
}

/* What is there */

void school_deleted_list_auto(struct school_deleted_list *l)
{
    mem_free(l->items);
}

static bool add_deleted(void *arg, int dirfd, const char *name, struct err *e)
{
    struct school_deleted_list *l = arg;
    struct school_deleted d;
    struct stat st;

    if (!mark_parse(name, &d))
        return true;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT || err_sys(e, "look at %s", name);
    if (!S_ISREG(st.st_mode))
        return true;
    if (l->count == SCHOOL_LIST_MAX)
        return err_set(e, ERR_FATAL, "more than %d backups were deleted", SCHOOL_LIST_MAX);
    if (l->count == l->room) {
        l->room = l->room * 2 + 16;
        l->items = mem_resize(l->items, l->room, sizeof(*l->items));
    }
    d.backup.size = (uint64_t)st.st_size;
    l->items[l->count++] = d;
    return true;
}

static int compare_due(const void *a, const void *b)
{
    const struct school_deleted *x = a;
    const struct school_deleted *y = b;

    return x->due_s != y->due_s ? (x->due_s < y->due_s ? -1 : 1)
                                : strcmp(x->backup.file, y->backup.file);
}

static bool list_deleted(int dirfd, struct school_deleted_list *out, struct err *e)
{
    AUTO(school_deleted_list) struct school_deleted_list l = {0};

    if (!school_folder_each(dirfd, add_deleted, &l, e))
        return false;
    if (l.count > 1)
        qsort(l.items, l.count, sizeof(*l.items), compare_due);
    *out = l;
    l = (struct school_deleted_list){0};
    return true;
}

bool school_deleted_get(const struct school_place *p, struct school_deleted_list *out,
                        struct err *e)
{
    AUTO(fd) int dirfd = -1;

    return dir_open(p->folder, &dirfd, e) && list_deleted(dirfd, out, e);
}

static bool has_id(const struct school_backup *b, const char *id)
{
    char digits[SCHOOL_ID_MAX];

    school_backup_id(b, digits);
    return strcmp(id, b->file) == 0 || strcasecmp(id, digits) == 0;
}

bool school_backup_unmark(const struct school_place *p, const char *id, struct school_backup *out,
                          struct school_logged *logged, struct err *e)
{
    AUTO(fd) int dirfd = -1;
    AUTO(school_deleted_list) struct school_deleted_list l = {0};
    AUTO(buf) struct buf changes = {0};
    char digits[SCHOOL_ID_MAX];
    char stamp[SCHOOL_STAMP_MAX];
    char name[NAME_ROOM];
    size_t i = 0;

    if (!dir_open(p->folder, &dirfd, e) || !list_deleted(dirfd, &l, e))
        return false;
    while (i < l.count && !has_id(&l.items[i].backup, id))
        i++;
    if (i == l.count)
        return err_set(e, ERR_NOT_FOUND, "no such backup was deleted, or it is gone");

    const struct school_backup *b = &l.items[i].backup;

    school_backup_id(b, digits);
    school_stamp_format(b->name.time_ns, stamp);
    school_changes(b, "undelete", &changes);
    mark_name(b->file, l.items[i].due_s, name);

    const struct school_log_entry entry = {.action = "UPDATE",
                                           .id = digits,
                                           .file = b->file,
                                           .user = p->user,
                                           .created = stamp,
                                           .size = b->size,
                                           .changes = buf_string(&changes)};

    if (!move_told(p, b, &entry, &(struct moving){dirfd, name, b->file}, logged, e))
        return false;
    *out = *b;
    return true;
}

static bool remove_deleted(const struct school_place *p, int dirfd, const struct school_deleted *d,
                           struct school_logged *logged, struct err *e)
{
    AUTO(buf) struct buf changes = {0};
    char digits[SCHOOL_ID_MAX];
    char name[NAME_ROOM];

    school_backup_id(&d->backup, digits);
    school_changes(&d->backup, "remove", &changes);
    mark_name(d->backup.file, d->due_s, name);

    const struct school_log_entry entry = {.action = "DELETE",
                                           .id = digits,
                                           .file = d->backup.file,
                                           .user = p->user,
                                           .changes = buf_string(&changes)};

    return move_told(p, &d->backup, &entry, &(struct moving){dirfd, name, NULL}, logged, e);
}

bool school_backup_sweep(const struct school_place *p, int64_t now_s, uint64_t *removed,
                         struct school_logged *logged, struct err *e)
{
    AUTO(fd) int dirfd = -1;
    AUTO(school_deleted_list) struct school_deleted_list l = {0};

    *removed = 0;
    if (!dir_open(p->folder, &dirfd, e) || !list_deleted(dirfd, &l, e))
        return false;
    for (size_t i = 0; i < l.count && l.items[i].due_s <= now_s; i++) {
        if (!remove_deleted(p, dirfd, &l.items[i], logged, e))
            return false;
        (*removed)++;
    }
    return true;
}
