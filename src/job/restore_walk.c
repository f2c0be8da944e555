/*
 * The walk of a restore: one thread makes directories and everything that has no content, and
 * plans the files, which restore_plan.c writes.  Then hard links, then the metadata of
 * directories, the deepest first, because writing into a directory changes its times.
 *
 * Directories on the way down stand on a stack of their own: a backup may hold more levels than
 * a thread's stack has room for.
 */
#include <unistd.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "job/link_table.h"
#include "job/restore_plan.h"

/* A path of the target and what the snapshot says of it. */
struct pending_item {
    const char *path;
    const char *earlier;  /* hard link: path of the file to link to */
    struct slice encoded; /* the entry */
    uint64_t size;        /* of a file */
    enum target_action action;
};

struct item_list {
    struct pending_item *items;
    size_t count, room;
};

/* A directory on the way down. */
struct level {
    struct level *parent, *below; /* below is for make_level() alone */
    struct entry entry;           /* slices belong to the parent's cursor; unset for the target */
    struct tree_cursor *cursor;
    size_t path_size; /* of the walk's path when this directory is current */
    bool is_made, is_selected;
};

struct walk {
    struct restore_run *run;
    struct restore_plan *plan;
    struct reader *reader;
    struct level *level; /* the deepest */
    struct buf path;     /* of the current item, relative to the target */
    struct arena arena;
    struct item_list directories, links;
    struct link_table names;
    bool is_verify; /* second walk: compare instead of restore */
};

static bool is_dry(const struct walk *w)
{
    return w->run->options->is_dry_run;
}

static const char *path_now(struct walk *w)
{
    return buf_string(&w->path);
}

static void remember(struct walk *w, struct item_list *l, const struct entry *en,
                     const char *earlier, enum target_action action)
{
    AUTO(buf) struct buf encoded = {0};

    if (l->count == l->room) {
        l->room = l->room == 0 ? 64 : l->room * 2;
        l->items = mem_resize(l->items, l->room, sizeof(*l->items));
    }
    entry_encode(en, &encoded);
    l->items[l->count++] =
        (struct pending_item){.path = arena_string(&w->arena, buf_slice(&w->path)),
                              .earlier = earlier,
                              .encoded = arena_copy(&w->arena, buf_slice(&encoded)),
                              .size = en->type == ENTRY_FILE ? en->size : 0,
                              .action = action};
}

/* Hard links */

/* True when the entry is another name of a file restored already. */
static bool is_later_link(struct walk *w, const struct entry *en, const char **earlier)
{
    if (en->links < 2 || en->type == ENTRY_DIRECTORY)
        return false;

    struct link_name *n = link_table_place(&w->names, en);

    *earlier = n->path;
    if (n->path != NULL)
        return true;
    link_table_name(&w->names, n, en, arena_string(&w->arena, buf_slice(&w->path)));
    return false;
}

/* Selection */

static bool is_included(struct walk *w, const struct entry *en)
{
    const struct restore_options *o = w->run->options;

    return o->include == NULL || w->level->is_selected ||
           exclude_matches(o->include, path_now(w), en->type == ENTRY_DIRECTORY);
}

static bool is_excluded(struct walk *w, const struct entry *en)
{
    const struct restore_options *o = w->run->options;

    return o->exclude != NULL &&
           exclude_matches(o->exclude, path_now(w), en->type == ENTRY_DIRECTORY);
}

/* Directories */

static bool make_directory(struct walk *w, struct level *l, struct err *e)
{
    const size_t size = w->path.size;

    l->is_made = true;
    if (w->is_verify)
        return true;
    w->path.size = l->path_size;
    const bool ok = is_dry(w) || target_mkdir(w->run->target, path_now(w), e);

    if (ok)
        remember(w, &w->directories, &l->entry, NULL, TARGET_CREATE);
    /* The bytes behind path_size are still those of the longer path, but for the NUL. */
    w->path.size = size;
    if (size > l->path_size)
        w->path.data[l->path_size] = '/';
    return ok;
}

/* Make the directories that lead to a selected item, each once, from the top. */
static bool make_level(struct walk *w, struct level *l, struct err *e)
{
    struct level *next = NULL;

    for (; !l->is_made; l = l->parent) {
        l->below = next;
        next = l;
    }
    for (; next != NULL; next = next->below)
        if (!make_directory(w, next, e))
            return false;
    return true;
}

static bool remove_extra(void *arg, const char *path, struct err *e)
{
    struct walk *w = arg;
    const struct restore_options *o = w->run->options;

    if (o->exclude != NULL && exclude_matches(o->exclude, path, false))
        return true;
    if (!is_dry(w) && !target_remove(w->run->target, path, e)) {
        restore_item_error(w->run, "delete", path, e);
        return true;
    }
    atomic_fetch_add(&w->run->counters.files_deleted, 1);
    restore_item(w->run, "deleted", path, 0);
    return true;
}

static bool delete_extras(struct walk *w, const struct hash *tree, struct err *e)
{
    AUTO(tree_cursor) struct tree_cursor *c = NULL;
    AUTO(arena) struct arena arena = {0};
    struct slice *names = NULL;
    size_t count = 0, room = 0;
    struct entry en;
    bool more = true, ok;

    if (!tree_open(w->reader, tree, &c, e))
        return false;
    while ((ok = tree_next(c, &en, &more, e)) && more) {
        if (count == room) {
            room = room == 0 ? 64 : room * 2;
            names = mem_resize(names, room, sizeof(*names));
        }
        names[count++] = arena_copy(&arena, en.name);
    }
    ok = ok && target_extras(w->run->target, path_now(w), names, count, remove_extra, w, e);
    mem_free(names);
    return ok;
}

/* Items */

static bool restore_special(struct walk *w, const struct entry *en, enum target_action action,
                            struct err *e)
{
    struct restore_run *run = w->run;
    struct err warning = {0};

    if (!target_special(run->target, path_now(w), en, action, &warning, e))
        return false;
    if (warning.code != ERR_NONE)
        restore_warning(run, path_now(w), &warning);
    atomic_fetch_add(&run->counters.files_restored, 1);
    restore_item(run, "restored", path_now(w), 0);
    return true;
}

static bool update(struct walk *w, const struct entry *en, struct err *e)
{
    struct restore_run *run = w->run;
    struct err warning = {0};

    if (!is_dry(w) && !target_update(run->target, path_now(w), en, &warning, e))
        return false;
    if (warning.code != ERR_NONE)
        restore_warning(run, path_now(w), &warning);
    atomic_fetch_add(&run->counters.files_updated, 1);
    restore_item(run, "updated", path_now(w), en->size);
    return true;
}

static void skip(struct walk *w, const struct entry *en)
{
    const enum overwrite how = w->run->options->how.overwrite;

    /* Otherwise it is there because it is right.  Only a comparison asks. */
    if (w->run->options->verify && (how == OVERWRITE_NEVER || how == OVERWRITE_IF_NEWER))
        restore_left(w->run, path_now(w));
    atomic_fetch_add(&w->run->counters.files_skipped, 1);
    atomic_fetch_add(&w->run->counters.bytes_skipped, en->size);
    restore_item(w->run, "skipped", path_now(w), en->size);
}

static void pretend(struct walk *w, const struct entry *en)
{
    atomic_fetch_add(&w->run->counters.files_restored, 1);
    if (en->type == ENTRY_FILE)
        atomic_fetch_add(&w->run->counters.bytes_restored, en->size);
    restore_item(w->run, "restored", path_now(w), en->size);
}

static bool restore_entry(struct walk *w, const struct entry *en, struct err *e)
{
    enum target_action action = TARGET_CREATE;
    const char *earlier;

    atomic_fetch_add(&w->run->counters.files_total, 1);
    if (en->type == ENTRY_FILE)
        atomic_fetch_add(&w->run->counters.bytes_total, en->size);
    if (w->run->target != NULL && !target_decide(w->run->target, path_now(w), en, &action, e))
        return false;
    if (action == TARGET_SKIP) {
        skip(w, en);
        return true;
    }
    if (action == TARGET_UPDATE)
        return update(w, en, e);
    if (is_dry(w)) {
        pretend(w, en);
        return true;
    }
    if (is_later_link(w, en, &earlier)) {
        remember(w, &w->links, en, earlier, action);
        return true;
    }
    if (en->type != ENTRY_FILE)
        return restore_special(w, en, action, e);
    return restore_plan_add(w->plan, w->reader, path_now(w), en, action, e);
}

static bool verify_entry(struct walk *w, const struct entry *en, struct err *e)
{
    if (en->type != ENTRY_FILE || restore_was_left(w->run, path_now(w)))
        return true;
    if (!restore_verify_file(w->run, w->reader, path_now(w), en, e)) {
        if (e->code != ERR_DENIED || geteuid() == 0)
            return false;
        /* Restored with the mode it had, it may not be readable for who restores it. */
        (void)err_wrap(e, "not verified");
        restore_warning(w->run, path_now(w), e);
        return true;
    }
    atomic_fetch_add(&w->run->counters.files_verified, 1);
    return true;
}

/* Levels */

static struct level *level_new(const struct walk *w, const struct entry *en, bool is_selected)
{
    struct level *l = mem_new(sizeof(*l));

    l->parent = w->level;
    l->entry = *en;
    l->path_size = w->path.size;
    l->is_selected = is_selected;
    return l;
}

static void level_free(struct level *l)
{
    tree_close(l->cursor);
    mem_free(l);
}

static void level_leave(struct walk *w)
{
    struct level *l = w->level;

    w->level = l->parent;
    w->path.size = w->level != NULL ? w->level->path_size : 0;
    level_free(l);
}

/* Go into a directory, whose path is the current one; takes l.  False ends the restore. */
static bool level_enter(struct walk *w, struct level *l, struct err *e)
{
    const struct restore_options *o = w->run->options;
    struct err item = {0};

    w->level = l;
    if (cancel_is_requested())
        return cancel_err(e);
    if (!tree_open(w->reader, &l->entry.subtree, &l->cursor, &item)) {
        restore_item_error(w->run, "restore", path_now(w), &item);
        level_leave(w);
        return true;
    }
    if (o->delete_extra && !w->is_verify && w->run->target != NULL && l->is_selected &&
        !delete_extras(w, &l->entry.subtree, &item))
        restore_item_error(w->run, "delete", path_now(w), &item);
    return true;
}

/* The next entry of the deepest directory; *more = false at its end or when it is damaged. */
static void level_next(struct walk *w, struct entry *out, bool *more)
{
    struct err item = {0};

    if (tree_next(w->level->cursor, out, more, &item))
        return;
    *more = false;
    restore_item_error(w->run, "restore", path_now(w), &item);
}

static bool walk_directory(struct walk *w, const struct entry *en, bool is_selected, struct err *e)
{
    const struct restore_options *o = w->run->options;
    struct err item = {0};

    if (!is_selected && !exclude_may_match_below(o->include, path_now(w)))
        return true;

    struct level *l = level_new(w, en, is_selected);

    if (!is_selected || make_level(w, l, &item))
        return level_enter(w, l, e);
    restore_item_error(w->run, "restore", path_now(w), &item);
    level_free(l);
    return true;
}

/* An entry of the deepest directory; its failure is told and does not end the walk. */
static bool walk_entry(struct walk *w, const struct entry *en, struct err *e)
{
    const bool is_selected = is_included(w, en);
    struct err item = {0};

    if (is_excluded(w, en))
        return true;
    if (en->type == ENTRY_DIRECTORY)
        return walk_directory(w, en, is_selected, e);
    if (!is_selected)
        return true;
    if (!make_level(w, w->level, &item) ||
        !(w->is_verify ? verify_entry(w, en, &item) : restore_entry(w, en, &item)))
        restore_item_error(w->run, w->is_verify ? "verify" : "restore", path_now(w), &item);
    return !restore_plan_is_full(w->plan) || restore_plan_run(w->plan, e);
}

/* False only for what ends the whole restore. */
static bool walk_below(struct walk *w, struct err *e)
{
    while (w->level != NULL && restore_goes_on(w->run, e)) {
        const struct level *l = w->level;
        struct entry en;
        bool more = true;

        level_next(w, &en, &more);
        if (!more) {
            level_leave(w);
            continue;
        }
        if (l->path_size > 0)
            buf_put_u8(&w->path, '/');
        buf_append_slice(&w->path, en.name);
        if (!walk_entry(w, &en, e))
            return false;
        if (w->level == l)
            w->path.size = l->path_size;
    }
    return restore_goes_on(w->run, e);
}

/* What comes after all files */

static void make_links(struct walk *w)
{
    for (size_t i = 0; i < w->links.count; i++) {
        const struct pending_item *it = &w->links.items[i];
        struct err e = {0};

        /* What stands there is not the file of the snapshot. */
        if (restore_was_left(w->run, it->earlier))
            (void)err_set(&e, ERR_NOT_FOUND, "its other name %s was not restored", it->earlier);
        if (e.code != ERR_NONE ||
            !target_link(w->run->target, it->earlier, it->path, it->action, &e)) {
            restore_item_error(w->run, "restore", it->path, &e);
            continue;
        }
        atomic_fetch_add(&w->run->counters.files_restored, 1);
        atomic_fetch_add(&w->run->counters.bytes_restored, it->size);
        restore_item(w->run, "restored", it->path, it->size);
    }
}

static void finish_directories(struct walk *w)
{
    for (size_t i = w->directories.count; i-- > 0;) {
        const struct pending_item *it = &w->directories.items[i];
        struct slice encoded = it->encoded;
        struct err warning = {0}, e = {0};
        struct entry en;

        if (!entry_decode(&encoded, &en, &e) ||
            !target_directory_finish(w->run->target, it->path, &en, &warning, &e))
            restore_item_error(w->run, "restore", it->path, &e);
        else if (warning.code != ERR_NONE)
            restore_warning(w->run, it->path, &warning);
    }
}

static void walk_auto(struct walk *w)
{
    while (w->level != NULL)
        level_leave(w);
    restore_plan_free(w->plan);
    reader_free(w->reader);
    buf_done(&w->path);
    arena_done(&w->arena);
    mem_free(w->directories.items);
    mem_free(w->links.items);
    link_table_done(&w->names);
}

/* The target stands for the directory that is restored, or for the one above a single file. */
static bool walk_root(struct walk *w, const struct entry *root, struct err *e)
{
    struct level *top = level_new(w, root, w->run->options->include == NULL);

    top->is_made = true;
    if (root->type == ENTRY_DIRECTORY)
        return level_enter(w, top, e) && walk_below(w, e);
    w->level = top;
    buf_append_slice(&w->path, root->name);
    return walk_entry(w, root, e);
}

bool restore_walk(struct restore_run *run, const struct entry *root, bool is_verify, struct err *e)
{
    AUTO(walk) struct walk w = {.run = run, .is_verify = is_verify};

    w.reader = reader_new(run->repo);
    w.plan = restore_plan_new(run);
    if (!walk_root(&w, root, e))
        return false;
    if (is_verify || run->options->is_dry_run)
        return restore_goes_on(run, e);
    if (!restore_plan_run(w.plan, e))
        return false;
    make_links(&w);
    finish_directories(&w);
    return restore_goes_on(run, e);
}
