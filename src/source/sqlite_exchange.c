/*
 * A database and its staged copy changing names.  sqlite.h says what holds at every moment.
 *
 * A file of SQLite that is in order needs no other once its log is in it, so one exchange of names
 * is all.  A log or journal that cannot be brought in would need a second one at the same moment.
 * It is set aside before under a name with the inode of its database instead, so that whoever comes
 * later knows where it belongs, whichever name that has by then:
 *
 *     <staged>-<inode>-wal, <staged>-<inode>-journal
 */
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "source/source.h"
#include "source/sqlite_place.h"

static const char *const companions[] = {"-wal", "-journal"};
#define COMPANION_COUNT (sizeof(companions) / sizeof(companions[0]))

struct pair {
    struct sqlite_place place;
    const char *staged; /* a name in the same folder */
    struct stat beside; /* of staged; all 0: it is not there */
};
#define PAIR_NONE ((struct pair){.place.dirfd = -1})

static void pair_auto(struct pair *p)
{
    sqlite_place_auto(&p->place);
}

static bool pair_open(struct pair *p, const char *path, const char *staged, struct err *e)
{
    return sqlite_place_open(path, &p->place, e) &&
           sqlite_place_beside(&p->place, staged, &p->staged, &p->beside, e);
}

static void aside_format(const struct pair *p, uint64_t inode, size_t i, struct buf *out)
{
    buf_printf(out, "%s-%llu%s", p->staged, (unsigned long long)inode, companions[i]);
}

/* Move the files between their places beside the database and aside.  *moved counts those that
 * were there. */
static bool companions_move(const struct pair *p, uint64_t inode, bool is_aside, int *moved,
                            struct err *e)
{
    for (size_t i = 0; i < COMPANION_COUNT; i++) {
        AUTO(buf) struct buf beside = {0};
        AUTO(buf) struct buf aside = {0};
        struct err why = {0};

        buf_printf(&beside, "%s%s", p->place.name, companions[i]);
        aside_format(p, inode, i, &aside);

        const struct beneath_name names[] = {{p->place.dirfd, buf_string(&beside)},
                                             {p->place.dirfd, buf_string(&aside)}};

        if (beneath_move(&names[is_aside ? 0 : 1], &names[is_aside ? 1 : 0], &why)) {
            ++*moved;
        } else if (why.code != ERR_NOT_FOUND) {
            *e = why;
            return false;
        }
    }
    return true;
}

/* Bring back what belongs to the database of this inode, which is at path. */
static bool settle(const struct pair *p, uint64_t inode, struct err *e)
{
    int moved = 0;

    return companions_move(p, inode, false, &moved, e) &&
           (moved == 0 || dir_sync(p->place.dirfd, "the folder", e));
}

static bool exchange_names(const struct pair *p, struct err *e)
{
    const struct beneath_name here = {p->place.dirfd, p->place.name};
    const struct beneath_name there = {p->place.dirfd, p->staged};

    if (p->place.is_there && p->beside.st_ino != 0)
        return beneath_exchange(&here, &there, e);
    return p->place.is_there ? beneath_move(&here, &there, e) : beneath_move(&there, &here, e);
}

static bool exchange(const struct pair *p, struct err *e)
{
    const uint64_t inode = p->place.old.st_ino;
    AUTO(sqlite_db) sqlite3 *old = NULL;
    int moved = 0;

    if (!p->place.is_there && p->beside.st_ino == 0)
        return err_set(e, ERR_NOT_FOUND, "neither it nor %s is there", p->staged);
    if (p->place.is_there && (!settle(p, inode, e) || !sqlite_place_hold(&p->place, &old, e) ||
                              (old == NULL && !companions_move(p, inode, true, &moved, e))))
        return false;
    return sqlite_place_clear(&p->place, e) && exchange_names(p, e) &&
           dir_sync(p->place.dirfd, "the folder", e) &&
           (p->beside.st_ino == 0 || settle(p, p->beside.st_ino, e));
}

bool sqlite_exchange(const char *path, const char *staged, struct err *e)
{
    AUTO(pair) struct pair p = PAIR_NONE;

    return (pair_open(&p, path, staged, e) && exchange(&p, e)) ||
           err_wrap(e, "exchange %s with the copy beside it", path);
}

bool sqlite_check_idle(const char *path, struct err *e)
{
    AUTO(sqlite_place) struct sqlite_place p = SQLITE_PLACE_NONE;

    return sqlite_place_open(path, &p, e) && (!p.is_there || sqlite_place_check_idle(&p, e));
}

static bool discard(const struct pair *p, struct err *e)
{
    if (p->place.is_there && !settle(p, p->place.old.st_ino, e))
        return false;
    if (p->beside.st_ino == 0)
        return true;
    for (size_t i = 0; i < COMPANION_COUNT; i++) {
        AUTO(buf) struct buf aside = {0};

        aside_format(p, p->beside.st_ino, i, &aside);
        if (!file_remove(p->place.dirfd, buf_string(&aside), e))
            return false;
    }
    return file_remove(p->place.dirfd, p->staged, e) && dir_sync(p->place.dirfd, "the folder", e);
}

bool sqlite_discard(const char *path, const char *staged, struct err *e)
{
    AUTO(pair) struct pair p = PAIR_NONE;

    return (pair_open(&p, path, staged, e) && discard(&p, e)) || err_wrap(e, "remove %s", staged);
}

bool sqlite_staged_path(const char *path, const char *suffix, struct buf *out, struct err *e)
{
    AUTO(sqlite_place) struct sqlite_place p = SQLITE_PLACE_NONE;

    if (!sqlite_place_open(path, &p, e))
        return false;
    buf_printf(out, "%s%s", p.path, suffix);
    return true;
}
