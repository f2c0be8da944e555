/*
 * The assembler: one thread that owns all directories of a backup once their entries are
 * announced, and turns each complete one into tree chunks.
 *
 * Messages arrive in no special order.  After a failure it goes on taking them, without
 * effect, so that nobody waits for it in vain.
 */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "job/backup_run.h"

/* A run of pages under construction. */
struct pages {
    struct backup_run *run;
    const struct sink_dir *dir;
    bool has_former;
    struct hash former; /* the tree that the directory had */
    struct buf page;
    uint32_t count;       /* entries in page */
    size_t first_slot;    /* of these */
    size_t former_before; /* former pages that begin before this one, or with it */
    struct buf ids;       /* of the finished pages */
};

static void pages_auto(struct pages *p)
{
    buf_done(&p->page);
    buf_done(&p->ids);
}

/* The page that stood where this one does; NULL: none. */
static const struct hash *find_base(struct pages *p)
{
    const struct sink_dir *d = p->dir;

    while (p->former_before < d->page_count && d->pages[p->former_before].slot <= p->first_slot)
        p->former_before++;
    if (p->former_before > 0)
        return &d->pages[p->former_before - 1].id;
    return p->has_former ? &p->former : NULL;
}

static bool put_page(struct pages *p, struct hash *id, struct err *e)
{
    page_finish(&p->page, p->count);
    if (!writer_put_tree(p->run->writer, CHUNK_TREE, buf_slice(&p->page), find_base(p), id, e))
        return false;
    buf_append(&p->ids, id->bytes, HASH_SIZE);
    page_begin(&p->page, PAGE_ENTRIES);
    p->count = 0;
    return true;
}

static bool add_entry(struct pages *p, size_t slot, struct err *e)
{
    const struct entry *en = &p->dir->listing->entries[slot];
    struct hash id;

    if (p->count == 0)
        p->first_slot = slot;
    entry_encode(en, &p->page);
    p->count++;
    return !page_is_full(p->count, p->page.size, en->name) || put_page(p, &id, e);
}

/* The tree chunk of a directory: its only page, or a page of pages. */
static bool write_tree(struct backup_run *run, const struct sink_dir *d, struct hash *tree,
                       struct err *e)
{
    AUTO(pages) struct pages p = {.run = run, .dir = d};

    p.has_former = backup_run_tree_before(run, d, &p.former);
    page_begin(&p.page, PAGE_ENTRIES);
    for (size_t i = 0; i < d->listing->count; i++)
        if (d->states[i] != SLOT_LEFT_OUT && !add_entry(&p, i, e))
            return false;
    if ((p.count > 0 || p.ids.size == 0) && !put_page(&p, tree, e))
        return false;
    if (p.ids.size == HASH_SIZE) {
        memcpy(tree->bytes, p.ids.data, HASH_SIZE);
        return true;
    }
    page_begin(&p.page, PAGE_PAGES);
    buf_append_slice(&p.page, buf_slice(&p.ids));
    page_finish(&p.page, (uint32_t)(p.ids.size / HASH_SIZE));
    return writer_put_tree(run->writer, CHUNK_TREE, buf_slice(&p.page),
                           d->page_count > 0 ? &p.former : NULL, tree, e);
}

static void count_directory(struct backup_run *run, const struct sink_dir *d,
                            const struct hash *tree)
{
    const struct sink_dir *parent = d->parent;
    _Atomic uint64_t *counter = &run->counters.dirs_new;

    if (parent == NULL)
        return;
    if (parent->had_before[d->parent_slot])
        counter = hash_is_equal(&parent->listing->entries[d->parent_slot].subtree, tree)
                      ? &run->counters.dirs_unmodified
                      : &run->counters.dirs_changed;
    atomic_fetch_add(counter, 1);
}

/* d is complete: write it and look whether that completes the directories above. */
static bool finish_directory(struct backup_run *run, struct sink_dir *d, struct err *e)
{
    while (d != NULL) {
        struct sink_dir *parent = d->parent;
        const size_t slot = d->parent_slot;
        struct hash tree;

        assert(d->pending == 0);
        if (!write_tree(run, d, &tree, e))
            return false;
        count_directory(run, d, &tree);
        sink_dir_free(run, d);
        if (parent == NULL) {
            run->root = tree;
            run->is_complete = true;
            return true;
        }
        parent->listing->entries[slot].subtree = tree;
        parent->states[slot] = SLOT_READY;
        d = --parent->pending == 0 ? parent : NULL;
    }
    return true;
}

static bool settle(struct backup_run *run, struct sink_dir *d, size_t slot, enum slot_state state,
                   struct err *e)
{
    assert(d->states[slot] == SLOT_WAITING && d->pending > 0);
    d->states[slot] = (uint8_t)state;
    return --d->pending > 0 || finish_directory(run, d, e);
}

/* The lists that a file had; none where its content was no such thing. */
static struct slice former_lists(const struct sink_dir *d, size_t slot)
{
    return d->before == NULL || !d->before[slot].is_indirect ? (struct slice){0}
                                                             : d->before[slot].content;
}

/* The content member of an entry with many chunks: ids of chunks that hold the ids. */
static bool write_lists(struct backup_run *run, struct slice ids, struct slice former,
                        struct buf *lists, struct err *e)
{
    const size_t full = (size_t)LIST_CHUNK_IDS * HASH_SIZE;

    for (size_t at = 0; at < ids.size; at += full) {
        const size_t size = ids.size - at < full ? ids.size - at : full;
        struct hash base, id;
        struct slice next;
        const bool has_base = take_slice(&former, HASH_SIZE, &next);

        if (has_base)
            memcpy(base.bytes, next.data, HASH_SIZE);
        if (!writer_put_tree(run->writer, CHUNK_LIST, SLICE_OF(ids.data + at, size),
                             has_base ? &base : NULL, &id, e))
            return false;
        buf_append(lists, id.bytes, HASH_SIZE);
    }
    return true;
}

/* All ids of a file are known and it has ended. */
static bool finish_file(struct backup_run *run, struct file_record *f, struct err *e)
{
    AUTO(buf) struct buf lists = {0};
    struct sink_dir *d = f->dir;
    const size_t slot = f->slot;

    if (f->final.size == 0) {
        file_record_free(run, f);
        return true;
    }

    struct arena *arena = &d->listing->arena;
    struct entry *en = &d->listing->entries[slot];
    struct slice encoded = arena_copy(arena, buf_slice(&f->final));
    struct slice content = buf_slice(&f->ids);

    if (!entry_decode(&encoded, en, e))
        return err_wrap(e, "entry of a file just read");
    if (f->chunk_count > ENTRY_DIRECT_MAX) {
        if (!write_lists(run, content, former_lists(d, slot), &lists, e))
            return false;
        content = buf_slice(&lists);
        en->flags |= ENTRY_INDIRECT;
    }
    en->content = arena_copy(arena, content);
    file_record_free(run, f);
    return settle(run, d, slot, SLOT_READY, e);
}

static bool take_batch(struct backup_run *run, struct lane_batch *wrap, struct err *e)
{
    struct batch *b = wrap->batch;
    struct file_record *ended = wrap->ended;
    bool ok = true;

    mem_free(wrap);
    for (size_t i = 0; i < b->count; i++) {
        const struct piece *p = &b->pieces[i];
        struct file_record *f = p->cookie;
        const size_t end = (size_t)(p->number + 1) * HASH_SIZE;

        if (f->ids.size < end)
            buf_extend(&f->ids, end - f->ids.size);
        memcpy(f->ids.data + p->number * HASH_SIZE, p->id.bytes, HASH_SIZE);
        f->known++;
        if (ok && f->has_ended && f->known == f->chunk_count)
            ok = finish_file(run, f, e);
    }
    writer_release(run->writer, b);
    while (ended != NULL) {
        struct file_record *f = ended;

        ended = f->next_ended;
        f->has_ended = true;
        if (ok && f->known == f->chunk_count)
            ok = finish_file(run, f, e);
    }
    return ok;
}

static bool take_skip(struct backup_run *run, struct skip *s, struct err *e)
{
    struct sink_dir *d = s->dir;
    const size_t slot = s->slot;

    mem_free(s);
    return settle(run, d, slot, SLOT_LEFT_OUT, e);
}

static void discard(struct backup_run *run, enum message_kind *message)
{
    switch (*message) {
    case MESSAGE_DIRECTORY:
        break;
    case MESSAGE_BATCH:
        writer_release(run->writer, ((struct lane_batch *)message)->batch);
        mem_free(message);
        break;
    case MESSAGE_SKIP:
        mem_free(message);
        break;
    }
}

static bool take(struct backup_run *run, enum message_kind *message, struct err *e)
{
    switch (*message) {
    case MESSAGE_DIRECTORY:
        return finish_directory(run, (struct sink_dir *)message, e);
    case MESSAGE_BATCH:
        return take_batch(run, (struct lane_batch *)message, e);
    case MESSAGE_SKIP:
        return take_skip(run, (struct skip *)message, e);
    }
    assert(false);
}

static void *assembler_main(void *arg)
{
    struct backup_run *run = arg;
    enum message_kind *message;

    while ((message = queue_take(run->messages)) != NULL) {
        struct err e = {0};

        if (atomic_load(&run->has_failed))
            discard(run, message);
        else if (!take(run, message, &e))
            backup_run_fail(run, &e);
    }
    return NULL;
}

void assembler_start(struct backup_run *run)
{
    thread_start(&run->assembler, assembler_main, run, "assembler");
}

void assembler_finish(struct backup_run *run)
{
    queue_close(run->messages);
    thread_join(run->assembler);
    while (run->records != NULL)
        file_record_free(run, run->records);
    while (run->dirs != NULL)
        sink_dir_free(run, run->dirs);
}
