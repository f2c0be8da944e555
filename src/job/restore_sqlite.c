/*
 * SQLite databases: the copy is written as "<file>-holdfast-<id>" beside the database.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "job/feed.h"
#include "job/restore_source.h"

static bool plan(struct restore_source *p, struct source_plan *out, struct err *e)
{
    AUTO(reader) struct reader *rd = reader_new(p->repo);
    AUTO(buf) struct buf manifest = {0};
    struct sqlite_stored stored = {0};
    struct stat st;

    out->where = mem_string(p->source->sqlite.path);
    if (!restore_source_manifest(p, rd, &manifest, e) ||
        !sqlite_stored_read(buf_slice(&manifest), &stored, e))
        return false;
    out->tables = stored.tables;
    out->rows = stored.rows;
    out->bytes = stored.bytes;
    out->is_there = stat(out->where, &st) == 0;
    if (!out->is_there && errno != ENOENT)
        return err_sys(e, "look at %s", out->where);
    out->present_bytes = out->is_there ? (uint64_t)st.st_size : 0;
    return true;
}

/* How much of the folder of a path is there, in bytes of the path; all of it: its length. */
static bool find_there(const char *path, size_t *out, struct err *e)
{
    const size_t size = (size_t)(strrchr(path, '/') - path);
    AUTO(mem) char *folder = mem_dup(path, size);
    struct stat st;

    for (*out = size; *out > 0 && stat(folder, &st) != 0;) {
        if (errno != ENOENT)
            return err_sys(e, "look at %s", folder);
        *out = (size_t)(strrchr(folder, '/') - folder);
        folder[*out] = '\0';
    }
    return true;
}

/* Links in a folder that is not there yet cannot be followed, and need not be. */
static bool begin(struct restore_source *p, struct err *e)
{
    const char *path = p->source->sqlite.path;
    AUTO(buf) struct buf suffix = {0};
    AUTO(buf) struct buf staged = {0};
    size_t there = 0;

    buf_printf(&suffix, "-holdfast-%s", p->id);
    if (!find_there(path, &there, e))
        return false;
    if (path + there != strrchr(path, '/'))
        buf_printf(&staged, "%s%s", path, buf_string(&suffix));
    else if (!sqlite_staged_path(path, buf_string(&suffix), &staged, e))
        return false;
    restore_source_note_set(p, "path", path);
    restore_source_note_set(p, "staged", buf_string(&staged));
    (void)json_object_set_new(p->note, "there", json_integer((json_int_t)there));
    return true;
}

static bool check_idle(struct restore_source *p, struct err *e)
{
    const char *path = p->source->sqlite.path;
    size_t there = 0;

    return find_there(path, &there, e) &&
           (path + there != strrchr(path, '/') || sqlite_check_idle(path, e));
}

/* Make the folder of the database, if need be. */
static bool make_folder(const char *path, struct err *e)
{
    AUTO(mem) char *folder = mem_dup(path, (size_t)(strrchr(path, '/') - path));

    return folder[0] == '\0' || dir_make_all(folder, 0700, e);
}

/* What was made of it, unless somebody uses it by now. */
static void remove_folder(const struct restore_source *p, const char *path)
{
    const json_t *there = json_object_get(p->note, "there");
    AUTO(mem) char *folder = mem_dup(path, (size_t)(strrchr(path, '/') - path));
    struct err ignored = {0};

    while (json_is_integer(there) && (json_int_t)strlen(folder) > json_integer_value(there) &&
           dir_remove(AT_FDCWD, folder, &ignored))
        *strrchr(folder, '/') = '\0';
}

/* Which of the two has the database's place. */
enum seat { SEAT_OLD, SEAT_NEW };

static json_int_t inode_of(const char *path, struct err *e)
{
    struct stat st;

    if (stat(path, &st) == 0)
        return (json_int_t)st.st_ino;
    return errno == ENOENT ? 0 : (err_sys(e, "look at %s", path), -1);
}

/* What stands elsewhere than it was put was put there by somebody else since. */
static bool look(struct restore_source *p, enum seat wanted, const char **path, const char **staged,
                 bool *is_done, struct err *e)
{
    const json_int_t new_inode = json_integer_value(json_object_get(p->note, "inode"));
    const json_int_t old_inode = json_integer_value(json_object_get(p->note, "old_inode"));
    const json_int_t to_be = wanted == SEAT_NEW ? new_inode : old_inode;
    const json_int_t to_go = wanted == SEAT_NEW ? old_inode : new_inode;
    json_int_t in_place, beside;

    if (!restore_source_note_text(p, "path", path, e) ||
        !restore_source_note_text(p, "staged", staged, e))
        return false;
    in_place = inode_of(*path, e);
    beside = inode_of(*staged, e);
    if (in_place < 0 || beside < 0)
        return false;
    *is_done = in_place == to_be;
    return *is_done || (in_place == to_go && beside == to_be) ||
           err_set(e, ERR_EXISTS, "%s or %s is not what the restore put there", *path, *staged);
}

/* From here on inodes tell what stands where. */
static bool note_inodes(struct restore_source *p, struct err *e)
{
    const char *path, *staged;
    json_int_t new_inode, old_inode;

    if (!restore_source_note_text(p, "path", &path, e) ||
        !restore_source_note_text(p, "staged", &staged, e))
        return false;
    new_inode = inode_of(staged, e);
    old_inode = inode_of(path, e);
    if (new_inode < 0 || old_inode < 0)
        return false;
    (void)json_object_set_new(p->note, "inode", json_integer(new_inode));
    (void)json_object_set_new(p->note, "old_inode", json_integer(old_inode));
    return true;
}

static bool stage(struct restore_source *p, struct buf *what, struct err *e)
{
    AUTO(reader) struct reader *rd = reader_new(p->repo);
    AUTO(buf) struct buf manifest = {0};
    AUTO(buf) struct buf keep = {0};
    AUTO(feed) struct feed f = {0};
    struct sqlite_stage_options o = {0};
    struct sqlite_stored stored = {0};
    const char *staged;
    struct entry en;

    if (!restore_source_note_text(p, "path", &o.path, e) ||
        !restore_source_note_text(p, "staged", &staged, e) ||
        !restore_source_manifest(p, rd, &manifest, e) ||
        !sqlite_stored_read(buf_slice(&manifest), &stored, e) ||
        !tree_find(rd, &p->snapshot->tree, p->place, &keep, &en, e))
        return false;
    if (en.type != ENTRY_FILE)
        return err_set(e, ERR_CORRUPT, "/%s is no file", p->place);
    o.manifest = buf_slice(&manifest);
    if (!make_folder(o.path, e) || !feed_open(&f, rd, &en, e) ||
        !sqlite_stage(&o, staged, feed_next, &f, e) || !note_inodes(p, e))
        return false;
    restore_put_rows(what, stored.tables, stored.rows);
    return true;
}

static bool exchange(struct restore_source *p, enum seat wanted, struct err *e)
{
    const char *path, *staged;
    bool is_done = false;

    return look(p, wanted, &path, &staged, &is_done, e) &&
           (is_done || sqlite_exchange(path, staged, e));
}

static bool check_back(struct restore_source *p, struct err *e)
{
    const char *path, *staged;
    bool is_done = false;

    return look(p, SEAT_OLD, &path, &staged, &is_done, e) &&
           (is_done || sqlite_check_idle(path, e));
}

static bool forward(struct restore_source *p, struct err *e)
{
    return exchange(p, SEAT_NEW, e);
}

static bool back(struct restore_source *p, struct err *e)
{
    return exchange(p, SEAT_OLD, e);
}

static bool discard(struct restore_source *p, struct err *e)
{
    const char *path, *staged;
    size_t there = 0;

    if (!restore_source_note_text(p, "path", &path, e) ||
        !restore_source_note_text(p, "staged", &staged, e) || !find_there(path, &there, e))
        return false;
    if (path + there == strrchr(path, '/') && !sqlite_discard(path, staged, e))
        return false;
    remove_folder(p, path);
    return true;
}

const struct restore_source_ops restore_sqlite_ops = {plan,       begin, stage,   forward,
                                                      check_back, back,  discard, check_idle};
