/*
 * Each directory is gone through once: the names that are present, and beside them the entries of
 * the snapshot and of the safety snapshot, all in the same order.  Directories on the way down
 * stand on a stack of their own, as in a restore.
 */
#include "job/stage_present.h"

#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "base/text.h"

/* What a snapshot has in the directory. */
struct side {
    struct tree_cursor *cursor; /* NULL: nothing */
    struct entry entry;         /* the next one, while has_entry */
    bool has_entry;
};

/* A directory on the way down. */
struct level {
    struct level *above, *below; /* below is for make_level() alone */
    struct target_listing *present;
    struct side wanted, saved;
    size_t path_size;
    bool is_made;    /* it is in the new tree */
    bool is_kept;    /* its metadata is that of the present one */
    bool is_blocked; /* the snapshot has something else of this name */
    bool is_unsaved; /* nothing in it is saved: below what is excluded */
};

struct walk {
    struct stage_present *s;
    struct level *level; /* the deepest */
    struct buf path;     /* of the current item, relative to the target */
};

static const char *path_now(struct walk *w)
{
    return buf_string(&w->path);
}

static bool is_plan(const struct walk *w)
{
    return w->s->staged == NULL;
}

static void side_done(struct side *d)
{
    tree_close(d->cursor);
    *d = (struct side){0};
}

static bool side_open(struct walk *w, struct side *d, const struct hash *tree, struct err *e)
{
    return tree_open(w->s->reader, tree, &d->cursor, e) &&
           tree_next(d->cursor, &d->entry, &d->has_entry, e);
}

/* Go on to a name; *found is its entry or NULL. */
static bool side_seek(struct side *d, struct slice name, const struct entry **found, struct err *e)
{
    while (d->has_entry && slice_compare(d->entry.name, name) < 0)
        if (!tree_next(d->cursor, &d->entry, &d->has_entry, e))
            return false;
    *found = d->has_entry && slice_is_equal(d->entry.name, name) ? &d->entry : NULL;
    return true;
}

/* Levels */

static void level_free(struct level *l)
{
    target_listing_free(l->present);
    side_done(&l->wanted);
    side_done(&l->saved);
    mem_free(l);
}

static void level_pop(struct walk *w)
{
    struct level *l = w->level;

    w->level = l->above;
    w->path.size = w->level != NULL ? w->level->path_size : 0;
    level_free(l);
}

static void walk_auto(struct walk *w)
{
    while (w->level != NULL)
        level_pop(w);
    buf_done(&w->path);
}

static void warn(struct walk *w, const struct err *why)
{
    AUTO(buf) struct buf text = {0};

    w->s->counts->warnings++;
    if (w->s->report == NULL || w->s->report->item_warning == NULL)
        return;
    path_escape(buf_slice(&w->path), &text);
    w->s->report->item_warning(w->s->report->arg, buf_string(&text), why);
}

static bool make_directory(struct walk *w, struct level *l, struct err *e)
{
    AUTO(mem) char *path = mem_dup(w->path.data, l->path_size);

    if (l->is_blocked)
        return err_set(e, ERR_EXISTS,
                       "the snapshot has no directory %s, but what is in it now is in no backup",
                       path);
    l->is_made = true;
    return is_plan(w) || target_mkdir(w->s->staged, path, e);
}

/* Let the deepest directory be in the new tree, with those above it. */
static bool make_level(struct walk *w, struct err *e)
{
    struct level *next = NULL;

    for (struct level *l = w->level; l != NULL && !l->is_made; l = l->above) {
        l->below = next;
        next = l;
    }
    for (; next != NULL; next = next->below)
        if (!make_directory(w, next, e))
            return false;
    return true;
}

/* At the end of a directory: writing into it changed its time. */
static bool level_leave(struct walk *w, struct err *e)
{
    const struct level *l = w->level;
    struct err warning = {0};

    if (l->is_made && l->is_kept && !is_plan(w)) {
        if (!target_copy_metadata(l->present, w->s->staged, path_now(w), &warning, e))
            return false;
        if (warning.code != ERR_NONE)
            warn(w, &warning);
    }
    level_pop(w);
    return true;
}

/* What is not a directory */

static bool is_same_content(const struct entry *a, const struct entry *b)
{
    return ((a->flags ^ b->flags) & ENTRY_INDIRECT) == 0 && a->size == b->size &&
           slice_is_equal(a->holes, b->holes) && slice_is_equal(a->content, b->content);
}

static bool is_same_metadata(const struct entry *a, const struct entry *b)
{
    return a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
           slice_is_equal(a->user, b->user) && slice_is_equal(a->group, b->group) &&
           a->mtime_ns == b->mtime_ns && slice_is_equal(a->xattrs, b->xattrs);
}

/* Two snapshots have the same, and what they say of the second is sure. */
static bool is_same(const struct entry *wanted, const struct entry *saved)
{
    return wanted->type == saved->type &&
           (saved->flags & (ENTRY_FUZZY | ENTRY_UNTRUSTED_TIME)) == 0 &&
           is_same_metadata(wanted, saved) && is_same_content(wanted, saved) &&
           slice_is_equal(wanted->target, saved->target) && wanted->rdev == saved->rdev;
}

/* What is present is that which was backed up. */
static bool is_still(const struct entry *now, const struct entry *saved)
{
    return now->inode == saved->inode && now->device == saved->device &&
           now->ctime_ns == saved->ctime_ns && now->mtime_ns == saved->mtime_ns &&
           (now->type != ENTRY_FILE || now->size == saved->size);
}

/* As far as can be told by looking. */
static bool is_alike(const struct entry *now, const struct entry *wanted)
{
    return now->type == wanted->type && now->mtime_ns == wanted->mtime_ns &&
           now->uid == wanted->uid && now->gid == wanted->gid &&
           (now->type == ENTRY_SYMLINK || now->mode == wanted->mode) &&
           (now->type != ENTRY_FILE || now->size == wanted->size);
}

/* Files with several names in the snapshot are left to the restore, which makes them one. */
static bool has_many_names(struct walk *w, const struct entry *wanted)
{
    return wanted->links > 1 &&
           strcmp(link_table_place(w->s->names, wanted)->path, MANY_NAMES) == 0;
}

/* Give the file its name in the new tree.  *is_done = false when it was another one by then, or
 * cannot have a further name: then it is restored. */
static bool share(struct walk *w, const struct entry *saved, bool *is_done, struct err *e)
{
    struct present linked;
    struct err ignored = {0};

    if (!make_level(w, e))
        return false;
    *is_done = false;
    if (!target_carry(w->s->present, w->s->staged, path_now(w), &ignored))
        return true;
    if (!target_look(w->s->staged, path_now(w), &linked, is_done, e))
        return false;
    /* A further name changes the time of the inode. */
    linked.entry.ctime_ns = saved->ctime_ns;
    if (*is_done && is_still(&linked.entry, saved))
        return true;
    *is_done = false;
    return target_remove(w->s->staged, path_now(w), e);
}

/* The snapshot has something of this name. */
static bool visit_wanted(struct walk *w, const struct entry *now, const struct entry *wanted,
                         const struct entry *saved, struct err *e)
{
    struct stage_counts *c = w->s->counts;
    bool is_unchanged = false;

    if (wanted->type == ENTRY_DIRECTORY) {
        c->files_removed++;
        return true;
    }
    if (is_plan(w))
        is_unchanged = is_alike(now, wanted) && !has_many_names(w, wanted);
    else if (saved != NULL && is_same(wanted, saved) && is_still(now, saved) &&
             !has_many_names(w, wanted) && !share(w, saved, &is_unchanged, e))
        return false;
    if (!is_unchanged) {
        c->files_replaced++;
        return true;
    }
    c->files_unchanged++;
    w->s->bytes_unchanged += wanted->type == ENTRY_FILE ? wanted->size : 0;
    return true;
}

/* No backup has it: it must not vanish, unless somebody takes it away just now. */
static bool keep(struct walk *w, struct err *e)
{
    if (!make_level(w, e))
        return false;
    if (!is_plan(w) && !target_carry(w->s->present, w->s->staged, path_now(w), e))
        return e->code == ERR_NOT_FOUND || err_wrap(e, "carry over what is in no backup");
    w->s->counts->files_kept++;
    return true;
}

/* Going through */

static bool is_excluded(struct walk *w, bool is_dir)
{
    AUTO(buf) struct buf path = {0};

    if (w->level != NULL && w->level->is_unsaved)
        return true;
    if (w->s->exclude == NULL)
        return false;
    /* Patterns are matched from "/". */
    buf_printf(&path, "%s%s%s", w->s->root + 1, w->s->root[1] == '\0' ? "" : "/", path_now(w));
    return exclude_matches_below(w->s->exclude, buf_string(&path), w->s->given, is_dir);
}

static bool open_sides(struct walk *w, struct level *l, const struct entry *wanted,
                       const struct entry *saved, struct err *e)
{
    return (wanted == NULL || side_open(w, &l->wanted, &wanted->subtree, e)) &&
           (saved == NULL || side_open(w, &l->saved, &saved->subtree, e));
}

/* Go into the directory at the current path; wanted and saved are directories or NULL. */
static bool level_push(struct walk *w, const struct entry *wanted, const struct entry *saved,
                       struct err *e)
{
    struct level *l = mem_new(sizeof(*l));

    l->above = w->level;
    l->path_size = w->path.size;
    w->level = l;
    if (open_sides(w, l, wanted, saved, e) &&
        target_list(w->s->present, path_now(w), &l->present, e))
        return true;
    level_pop(w);
    return false;
}

static bool enter(struct walk *w, const struct entry *wanted, const struct entry *saved,
                  struct err *e)
{
    const bool is_wanted = wanted != NULL && wanted->type == ENTRY_DIRECTORY;
    const bool is_unsaved = is_plan(w) ? is_excluded(w, true) : saved == NULL;

    if (!level_push(w, is_wanted ? wanted : NULL, saved, e))
        return e->code == ERR_NOT_FOUND; /* it vanished */
    w->level->is_kept = !is_wanted;
    w->level->is_blocked = wanted != NULL && !is_wanted;
    w->level->is_unsaved = is_plan(w) && is_unsaved;
    return wanted != NULL || !is_unsaved || make_level(w, e);
}

/* Something that is present, at the current path. */
static bool visit(struct walk *w, const struct present *now, const struct entry *wanted,
                  const struct entry *saved, struct err *e)
{
    const bool is_dir = now->entry.type == ENTRY_DIRECTORY;

    if (now->is_mount)
        return err_set(
            e, ERR_USAGE,
            "something is mounted at %s%s%s: what is mounted inside a tree cannot change "
            "places with it",
            w->s->root, w->s->root[1] == '\0' ? "" : "/", path_now(w));
    if (saved != NULL && saved->type != now->entry.type)
        saved = NULL;
    if (is_dir && target_is_staging((const char *)now->entry.name.data))
        return err_set(e, ERR_EXISTS,
                       "%s%s%s belongs to another restore: undo or discard that first", w->s->root,
                       w->s->root[1] == '\0' ? "" : "/", path_now(w));
    if (is_dir)
        return enter(w, wanted, saved, e);
    if (wanted != NULL)
        return visit_wanted(w, &now->entry, wanted, saved, e);
    if (is_plan(w) ? is_excluded(w, false) : saved == NULL)
        return keep(w, e);
    w->s->counts->files_removed++;
    return true;
}

/* In a tree whose own name stays, our folders stand beside what is staged. */
static bool is_beside(const struct walk *w, const struct present *now)
{
    return w->level->path_size == 0 && target_is_staging((const char *)now->entry.name.data);
}

static bool visit_next(struct walk *w, const struct present *now, struct err *e)
{
    struct level *l = w->level;
    const struct entry *wanted = NULL, *saved = NULL;

    if (is_beside(w, now))
        return true;
    if (l->path_size > 0)
        buf_put_u8(&w->path, '/');
    buf_append_slice(&w->path, now->entry.name);
    if (!side_seek(&l->wanted, now->entry.name, &wanted, e) ||
        !side_seek(&l->saved, now->entry.name, &saved, e) || !visit(w, now, wanted, saved, e))
        return false;
    if (w->level == l)
        w->path.size = l->path_size;
    return true;
}

static bool walk_below(struct walk *w, struct err *e)
{
    while (w->level != NULL) {
        struct present now;
        bool more = false;

        if (cancel_is_requested())
            return cancel_err(e);
        if (!target_list_next(w->level->present, &now, &more, e))
            return err_wrap(e, "%s", path_now(w));
        if (more ? !visit_next(w, &now, e) : !level_leave(w, e))
            return false;
    }
    return true;
}

bool stage_present(struct stage_present *s, const char *name, const struct entry *wanted,
                   const struct entry *saved, struct err *e)
{
    AUTO(walk) struct walk w = {.s = s};
    struct present now;
    bool is_there = false;

    if (name == NULL) {
        if (!level_push(&w, wanted, saved, e))
            return false;
        w.level->is_made = true;
        return walk_below(&w, e);
    }
    if (!target_look(s->present, name, &now, &is_there, e))
        return false;
    if (!is_there)
        return true;
    buf_append(&w.path, name, strlen(name));
    return visit(&w, &now, wanted, saved, e) && walk_below(&w, e);
}
