/*
 * Restoring a snapshot, or a part of it, into a directory.
 *
 * One thread walks the tree: it makes directories and everything that has no content, and
 * plans the files, which restore_plan.c writes.  Then hard links, then the metadata of
 * directories, the deepest first, because writing into a directory changes its times.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "job/link_table.h"
#include "job/restore_plan.h"
#include "job/ticker.h"

/* A path of the target and what the snapshot says of it. */
struct pending_item {
    const char *path;
    const char *earlier;  /* hard link: path of the file to link to */
    struct slice encoded; /* the entry */
    enum target_action action;
};

struct item_list {
    struct pending_item *items;
    size_t count, room;
};

/* A directory on the way down. */
struct level {
    struct level *parent;
    const struct entry *entry; /* NULL: the target itself */
    size_t path_size;          /* of the walk's path when this directory is current */
    bool is_made, is_selected;
};

struct walk {
    struct restore_run *run;
    struct restore_plan *plan;
    struct reader *reader;
    struct buf path; /* of the current item, relative to the target */
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

static bool is_included(struct walk *w, const struct entry *en, const struct level *l)
{
    const struct restore_options *o = w->run->options;

    return o->include == NULL || l->is_selected ||
           exclude_matches(o->include, path_now(w), en->type == ENTRY_DIRECTORY);
}

static bool is_excluded(struct walk *w, const struct entry *en)
{
    const struct restore_options *o = w->run->options;

    return o->exclude != NULL &&
           exclude_matches(o->exclude, path_now(w), en->type == ENTRY_DIRECTORY);
}

/* Directories */

/* Make the directories that lead to a selected item, each once. */
static bool make_level(struct walk *w, struct level *l, struct err *e)
{
    if (l->is_made)
        return true;
    if (l->parent != NULL && !make_level(w, l->parent, e))
        return false;
    l->is_made = true;
    if (l->entry == NULL || w->is_verify)
        return true;

    const size_t size = w->path.size;

    w->path.size = l->path_size;
    const bool ok = is_dry(w) || target_mkdir(w->run->target, path_now(w), e);

    if (ok)
        remember(w, &w->directories, l->entry, NULL, TARGET_CREATE);
    /* The bytes behind path_size are still those of the longer path, but for the NUL. */
    w->path.size = size;
    if (size > l->path_size)
        w->path.data[l->path_size] = '/';
    return ok;
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
    if (en->type != ENTRY_FILE)
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

static bool walk_directory(struct walk *w, struct level *l, const struct hash *tree, struct err *e);

/* An entry below l; its failure is told and does not end the walk. */
static bool walk_entry(struct walk *w, struct level *l, const struct entry *en, struct err *e)
{
    const struct restore_options *o = w->run->options;
    const bool is_selected = is_included(w, en, l);
    struct level below = {
        .parent = l, .entry = en, .path_size = w->path.size, .is_selected = is_selected};
    struct err item = {0};

    if (is_excluded(w, en))
        return true;
    if (is_selected && !make_level(w, en->type == ENTRY_DIRECTORY ? &below : l, &item)) {
        restore_item_error(w->run, "restore", path_now(w), &item);
        return true;
    }
    if (en->type == ENTRY_DIRECTORY) {
        const struct hash tree = en->subtree;

        if (!is_selected && !exclude_may_match_below(o->include, path_now(w)))
            return true;
        return walk_directory(w, &below, &tree, e);
    }
    if (!is_selected)
        return true;
    if (!(w->is_verify ? verify_entry(w, en, &item) : restore_entry(w, en, &item)))
        restore_item_error(w->run, w->is_verify ? "verify" : "restore", path_now(w), &item);
    return !restore_plan_is_full(w->plan) || restore_plan_run(w->plan, e);
}

/* False only for what ends the whole restore. */
static bool walk_directory(struct walk *w, struct level *l, const struct hash *tree, struct err *e)
{
    AUTO(tree_cursor) struct tree_cursor *c = NULL;
    const size_t base = w->path.size;
    struct entry en;
    bool more = true, ok;

    if (cancel_is_requested())
        return cancel_err(e);
    ok = tree_open(w->reader, tree, &c, e);
    if (ok && w->run->options->delete_extra && !w->is_verify && w->run->target != NULL &&
        l->is_selected)
        ok = delete_extras(w, tree, e);
    while (ok && (ok = tree_next(c, &en, &more, e)) && more) {
        if (base > 0)
            buf_put_u8(&w->path, '/');
        buf_append_slice(&w->path, en.name);
        if (!walk_entry(w, l, &en, e))
            return false;
        w->path.size = base;
    }
    if (ok)
        return true;
    restore_item_error(w->run, "restore", path_now(w), e);
    return true;
}

/* What comes after all files */

static void make_links(struct walk *w)
{
    for (size_t i = 0; i < w->links.count; i++) {
        const struct pending_item *it = &w->links.items[i];
        struct err e = {0};

        if (!target_link(w->run->target, it->earlier, it->path, it->action, &e)) {
            restore_item_error(w->run, "restore", it->path, &e);
            continue;
        }
        atomic_fetch_add(&w->run->counters.files_restored, 1);
        restore_item(w->run, "restored", it->path, 0);
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

static void walk_done(struct walk *w)
{
    restore_plan_free(w->plan);
    reader_free(w->reader);
    buf_done(&w->path);
    arena_done(&w->arena);
    mem_free(w->directories.items);
    mem_free(w->links.items);
    link_table_done(&w->names);
}

static void walk_auto(struct walk *w)
{
    walk_done(w);
}

static bool walk_all(struct restore_run *run, const struct entry *root, bool is_verify,
                     struct err *e)
{
    AUTO(walk) struct walk w = {.run = run, .is_verify = is_verify};
    struct level top = {.is_made = true, .is_selected = run->options->include == NULL};

    w.reader = reader_new(run->repo);
    w.plan = restore_plan_new(run);
    if (root->type == ENTRY_DIRECTORY) {
        if (!walk_directory(&w, &top, &root->subtree, e))
            return false;
    } else {
        buf_append_slice(&w.path, root->name);
        if (!walk_entry(&w, &top, root, e))
            return false;
    }
    if (is_verify || run->options->is_dry_run)
        return true;
    if (!restore_plan_run(w.plan, e))
        return false;
    make_links(&w);
    finish_directories(&w);
    return true;
}

static void fill_result(const struct restore_counters *c, struct restore_result *out)
{
    *out = (struct restore_result){.files_total = atomic_load(&c->files_total),
                                   .files_restored = atomic_load(&c->files_restored),
                                   .files_updated = atomic_load(&c->files_updated),
                                   .files_skipped = atomic_load(&c->files_skipped),
                                   .files_deleted = atomic_load(&c->files_deleted),
                                   .bytes_total = atomic_load(&c->bytes_total),
                                   .bytes_restored = atomic_load(&c->bytes_restored),
                                   .bytes_skipped = atomic_load(&c->bytes_skipped),
                                   .files_verified = atomic_load(&c->files_verified),
                                   .errors = atomic_load(&c->errors),
                                   .warnings = atomic_load(&c->warnings)};
}

struct restore_ticker {
    struct restore_run *run;
    int64_t started_ns;
};

static void tick(void *arg)
{
    const struct restore_ticker *t = arg;
    const struct restore_options *o = t->run->options;
    const struct restore_counters *c = &t->run->counters;
    const bool is_whole = o->include == NULL && o->exclude == NULL && o->sub == NULL;
    const struct progress p = {
        .elapsed_ns = clock_monotonic_ns() - t->started_ns,
        .files_done = atomic_load(&c->files_restored) + atomic_load(&c->files_skipped),
        .files_total = is_whole ? o->snapshot->counts.total_files : 0,
        .bytes_done = atomic_load(&c->bytes_restored) + atomic_load(&c->bytes_skipped),
        .bytes_total = is_whole ? o->snapshot->counts.total_bytes : 0,
        .errors = atomic_load(&c->errors)};

    pthread_mutex_lock(&t->run->lock);
    t->run->report->progress(t->run->report->arg, &p);
    pthread_mutex_unlock(&t->run->lock);
}

static bool open_target(const struct restore_options *o, struct target **out, struct err *e)
{
    /* A dry run makes nothing, not even the directory itself. */
    if (o->is_dry_run && access(o->target, F_OK) != 0)
        return true;
    return target_open(o->target, &o->how, out, e);
}

bool restore_run(struct repo *r, const struct restore_options *o, const struct report *report,
                 struct restore_result *out, struct err *e)
{
    AUTO(target) struct target *target = NULL;
    AUTO(reader) struct reader *rd = NULL;
    AUTO(buf) struct buf keep = {0};
    struct restore_run run = {
        .repo = r, .options = o, .report = report, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct restore_ticker timing = {&run, clock_monotonic_ns()};
    struct entry root;

    if (!repo_load_index(r, e))
        return false;
    rd = reader_new(r);
    if (!tree_find(rd, &o->snapshot->tree, o->sub != NULL ? o->sub : "", &keep, &root, e) ||
        !open_target(o, &target, e))
        return false;
    run.target = target;

    struct ticker *ticker = ticker_start(report->progress != NULL ? tick : NULL, &timing);
    const bool ok = walk_all(&run, &root, false, e) &&
                    (!o->verify || o->is_dry_run || walk_all(&run, &root, true, e));

    ticker_stop(ticker);
    fill_result(&run.counters, out);
    if (!ok)
        return false;
    if (run.damage.code == ERR_NONE)
        return true;
    *e = run.damage;
    return err_wrap(e, "the repository is damaged; what it touches was not restored");
}
