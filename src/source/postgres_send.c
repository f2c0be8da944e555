/*
 * The work of a backup, shared out among threads.
 *
 * Each thread has a lane and a connection of its own and takes one part after the other: the
 * definitions first, because pg_dump locks tables by itself and must not come behind somebody who
 * waits to change one, then the tables, the biggest first.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "source/postgres_crew.h"
#include "source/postgres_reuse.h"

#define LOCK_NOT_THERE "55P03"

struct worker;
struct part;
typedef bool part_fn(struct worker *w, const struct part *p, struct postgres_sender *to,
                     struct err *e);

/* One file. */
struct part {
    part_fn *send;
    const char *what; /* in a failure: "dump the definitions" */
    struct sink_dir *dir;
    const struct listing *listing;
    size_t slot;
    const char *path;
    const char *section; /* of definitions */
    struct postgres_item *item;
};

struct run {
    struct postgres_member *m;
    struct postgres_snapshot *snapshot;
    struct postgres_reuse reuse; /* not changed while threads run */
    struct sink *sink;
    struct part *parts;
    size_t count;
    atomic_size_t next;

    pthread_mutex_t lock;
    struct err failure;      /* the source's first; guarded by lock */
    struct err sink_failure; /* the sink's, or the request to stop; guarded by lock */
    atomic_bool is_stopping; /* there is one of them */

    pthread_mutex_t holder; /* guards the connection that holds the snapshot */
};

struct worker {
    struct run *run;
    pthread_t thread;
    struct lane *lane;
    struct postgres_link link; /* opened when first needed */
};

/* Record a failure; the first one counts. */
static void run_fail(struct run *r, struct err *which, const struct err *why)
{
    pthread_mutex_lock(&r->lock);
    if (which->code == ERR_NONE)
        *which = *why;
    atomic_store(&r->is_stopping, true);
    pthread_mutex_unlock(&r->lock);
}

/* A copy of what was recorded; its code is ERR_NONE when there is nothing. */
static struct err run_look(struct run *r, const struct err *which)
{
    pthread_mutex_lock(&r->lock);

    const struct err seen = *which;

    pthread_mutex_unlock(&r->lock);
    return seen;
}

/* Definitions */

static bool definitions_send(struct worker *w, const struct part *p, struct postgres_sender *to,
                             struct err *e)
{
    return postgres_dump_definitions(w->run->m, w->run->snapshot->id, p->section,
                                     &w->run->is_stopping, to, e);
}

static bool globals_send(struct worker *w, const struct part *p, struct postgres_sender *to,
                         struct err *e)
{
    (void)p; /* there is one file of this kind */
    return postgres_dump_globals(w->run->m, &w->run->is_stopping, to, e);
}

/* Data */

/* Connect a thread to the moment. */
static bool worker_connect(struct worker *w, struct err *e)
{
    if (w->link.conn != NULL)
        return true;
    w->link.is_stopping = &w->run->is_stopping;
    return postgres_link_open(&w->link, &w->run->m->address, e) &&
           postgres_snapshot_join(w->run->snapshot, &w->link, e);
}

static bool blobs_send(struct worker *w, const struct part *p, struct postgres_sender *to,
                       struct err *e)
{
    (void)p; /* there is one file of this kind */
    return worker_connect(w, e) &&
           postgres_blobs_send(&w->link, &w->run->snapshot->manifest.blobs, to, e);
}

/* *is_there: the thread's own connection may read the table without waiting. */
static bool worker_lock(struct worker *w, const struct postgres_item *item, bool *is_there,
                        struct err *e)
{
    AUTO(buf) struct buf sql = {0};

    buf_printf(&sql, "LOCK TABLE ONLY %s IN ACCESS SHARE MODE NOWAIT", item->sql_name);
    *is_there = postgres_link_run(&w->link, buf_string(&sql), e);
    if (*is_there || strcmp(w->link.sqlstate, LOCK_NOT_THERE) != 0)
        return *is_there;
    return postgres_link_run(&w->link, "ROLLBACK", e) &&
           postgres_snapshot_join(w->run->snapshot, &w->link, e);
}

/* Send a table that the thread's connection has locked, unless the previous backup has it so. */
static bool rows_send_locked(struct worker *w, const struct part *p, struct postgres_sender *to,
                             struct err *e)
{
    const struct postgres_reuse *reuse = &w->run->reuse;
    const struct postgres_table *then = NULL;

    if (!postgres_reuse_find(reuse, &w->link, p->item, &then, e) ||
        (then != NULL && !postgres_reuse_keep(reuse, then, p->item, to, e)))
        return false;
    if (to->is_kept)
        return true;
    return postgres_rows_send(&w->link, p->item, w->run->snapshot->manifest.encoding, to, e) &&
           (then == NULL || postgres_reuse_compare(reuse, then, &p->item->table, p->path, to, e));
}

/*
 * Somebody who waits to change a table makes newcomers wait behind him, for as long as the
 * connection that holds the snapshot keeps him waiting: for ever.  But that connection has the
 * table already, so it reads those.
 */
static bool rows_send(struct worker *w, const struct part *p, struct postgres_sender *to,
                      struct err *e)
{
    struct run *r = w->run;
    const char *encoding = r->snapshot->manifest.encoding;
    bool is_there = false;

    if (!worker_connect(w, e) || !worker_lock(w, p->item, &is_there, e))
        return false;
    if (is_there)
        return rows_send_locked(w, p, to, e);
    pthread_mutex_lock(&r->holder);

    const bool is_sent = postgres_rows_send(r->snapshot->link, p->item, encoding, to, e);

    pthread_mutex_unlock(&r->holder);
    return is_sent;
}

/* Threads */

/* Leave a file out of the backup. */
static void worker_skip(struct worker *w, const struct part *p, const struct err *why)
{
    struct err e = {0};

    if (!w->run->sink->ops->skip(w->lane, p->dir, p->slot, p->path, why, &e))
        run_fail(w->run, &w->run->sink_failure, &e);
}

static void worker_send(struct worker *w, const struct part *p)
{
    struct run *r = w->run;
    struct postgres_sender to = {0};
    struct err e = {0};

    assert(p->listing->wanted[p->slot]);
    if (!made_file_begin(&to.file, r->sink, w->lane, p->dir, p->listing, p->slot, &e)) {
        run_fail(r, &r->sink_failure, &e);
        return;
    }
    if (p->send(w, p, &to, &e)) {
        if (!to.is_kept && !made_file_end(&to.file, &e))
            run_fail(r, &r->sink_failure, &e);
        return;
    }
    if (to.has_sink_failed || cancel_is_requested()) {
        if (!to.has_sink_failed)
            (void)cancel_err(&e);
        run_fail(r, &r->sink_failure, &e);
        return;
    }
    if (e.code != ERR_CANCELLED) { /* else another thread has told why */
        (void)err_wrap(&e, "%s%s%s", p->what, p->item != NULL ? " " : "",
                       p->item != NULL ? p->item->sql_name : "");
        run_fail(r, &r->failure, &e);
    } else {
        e = run_look(r, &r->failure);
    }
    worker_skip(w, p, &e);
}

static void *worker_run(void *arg)
{
    struct worker *w = arg;
    struct run *r = w->run;
    struct err e = {0};

    if (!r->sink->ops->lane_open(r->sink, &w->lane, &e))
        run_fail(r, &r->sink_failure, &e);
    for (;;) {
        const size_t at = atomic_fetch_add(&r->next, 1);

        if (run_look(r, &r->sink_failure).code != ERR_NONE || at >= r->count)
            break;

        const struct err failure = run_look(r, &r->failure);

        if (failure.code == ERR_NONE)
            worker_send(w, &r->parts[at]);
        else
            worker_skip(w, &r->parts[at], &failure);
    }
    postgres_link_close(&w->link);
    r->sink->ops->lane_close(w->lane);
    return NULL;
}

static void run_threads(struct run *r)
{
    const size_t wanted = (size_t)postgres_crew_jobs(r->m->o.jobs);
    const size_t count = wanted < r->count ? wanted : r->count;
    AUTO(mem) struct worker *workers = mem_array(count, sizeof(*workers));

    for (size_t i = 0; i < count; i++) {
        workers[i].run = r;
        thread_start(&workers[i].thread, worker_run, &workers[i], "postgres");
    }
    for (size_t i = 0; i < count; i++)
        thread_join(workers[i].thread);
}

/* Parts */

/* Names of a listing, in the order of their parts, and then their slots. */
static void part_add(struct run *r, struct listing *l, const char *directory, const char *name,
                     const struct part *p)
{
    struct postgres_snapshot *s = r->snapshot;
    AUTO(buf) struct buf path = {0};

    buf_printf(&path, "/%s/%s/%s%s", r->m->member.ops->kind, r->m->member.name, directory, name);
    made_announce(l, name, ENTRY_FILE, r->m->member.now_ns)->cut =
        p->item != NULL ? CUT_LINES : CUT_WHOLE;
    r->parts[r->count] = *p;
    r->parts[r->count++].path = arena_string(&s->selection.arena, buf_slice(&path));
}

static const char *base_name(const char *path)
{
    return strrchr(path, '/') + 1;
}

/* Say where parts are, once the listing has its order and the sink has it. */
static void parts_place(struct run *r, size_t from, struct sink_dir *dir, const struct listing *l)
{
    for (size_t i = from; i < r->count; i++) {
        r->parts[i].dir = dir;
        r->parts[i].listing = l;
        r->parts[i].slot = made_slot(l, base_name(r->parts[i].path));
    }
}

static struct listing *definitions_list(struct run *r)
{
    struct listing *l = listing_new();
    const struct postgres_member *m = r->m;

    part_add(r, l, "", "pre-data.dump",
             &(struct part){definitions_send, "dump the definitions", .section = "pre-data"});
    part_add(r, l, "", "post-data.dump",
             &(struct part){definitions_send, "dump the definitions", .section = "post-data"});
    if (m->o.with_globals)
        part_add(r, l, "", "globals.sql", &(struct part){globals_send, "dump the globals"});
    if (r->snapshot->manifest.blobs.count > 0)
        part_add(r, l, "", "blobs.bin", &(struct part){blobs_send, "copy the large objects"});
    made_announce(l, "data", ENTRY_DIRECTORY, m->member.now_ns);
    made_announce(l, "manifest.json", ENTRY_FILE, m->member.now_ns);
    listing_sort(l);
    return l;
}

static bool has_file(const struct postgres_item *item)
{
    return item->has_data && item->relkind == 'r';
}

static struct listing *data_list(struct run *r)
{
    struct listing *l = listing_new();
    struct postgres_selection *s = &r->snapshot->selection;

    for (size_t i = 0; i < s->count; i++) {
        AUTO(buf) struct buf name = {0};
        AUTO(buf) struct buf file = {0};
        struct postgres_item *item = &s->items[i];

        if (!has_file(item))
            continue;
        postgres_file_name(&item->table, &name);
        buf_printf(&file, "data/%s", buf_string(&name));
        item->table.file = arena_string(&s->arena, buf_slice(&file));
        part_add(r, l, "data/", buf_string(&name), &(struct part){rows_send, "copy", .item = item});
    }
    listing_sort(l);
    return l;
}

static int compare_sizes(const void *a, const void *b)
{
    const struct part *first = a;
    const struct part *second = b;

    return (first->item->size < second->item->size) - (first->item->size > second->item->size);
}

/* The largest table may take as long as all else, so it begins at once, and the definitions are
 * dumped beside it.  One thread alone dumps them first: should that fail, it fails before the rows.
 */
static void put_largest_first(struct run *r, size_t definitions)
{
    const struct part largest = r->parts[definitions];

    if (postgres_crew_jobs(r->m->o.jobs) == 1)
        return;
    memmove(r->parts + 1, r->parts, definitions * sizeof(r->parts[0]));
    r->parts[0] = largest;
}

/* The directories of the backup under way. */
struct places {
    struct lane *lane;
    struct sink_dir *dir;
    const struct listing *listing;
    size_t manifest; /* slot: the names in the listing are the sink's once files end */
};

/* Announce everything. */
static bool run_announce(struct run *r, struct places *p, struct sink_dir *kind, size_t slot,
                         struct err *e)
{
    struct sink_dir *data = NULL;
    struct listing *l = definitions_list(r);
    const size_t definitions = r->count;

    p->listing = l;
    if (!r->sink->ops->enter(p->lane, kind, slot, l, &p->dir, e))
        return false;
    parts_place(r, 0, p->dir, p->listing);
    p->manifest = made_slot(p->listing, "manifest.json");
    l = data_list(r);

    const struct listing *listed = l;

    if (!r->sink->ops->enter(p->lane, p->dir, made_slot(p->listing, "data"), l, &data, e))
        return false;
    if (r->count == definitions)
        return true; /* the sink has let go of a listing with nothing in it */
    parts_place(r, definitions, data, listed);
    qsort(r->parts + definitions, r->count - definitions, sizeof(r->parts[0]), compare_sizes);
    put_largest_first(r, definitions);
    return true;
}

/* The manifest */

static void tables_collect(struct postgres_snapshot *s)
{
    struct postgres_manifest *m = &s->manifest;

    m->tables = mem_array(s->selection.count, sizeof(m->tables[0]));
    for (size_t i = 0; i < s->selection.count; i++)
        if (s->selection.items[i].relkind != 'S')
            m->tables[m->table_count++] = s->selection.items[i].table;
}

static bool manifest_make(struct run *r, struct buf *out, struct err *e)
{
    char time[CLOCK_TEXT_MAX];

    clock_format(r->m->member.now_ns, time);
    r->snapshot->manifest.time = time;
    tables_collect(r->snapshot);
    return postgres_snapshot_end(r->snapshot, e) &&
           postgres_manifest_encode(&r->snapshot->manifest, out, e);
}

/* Send the manifest as the last file, or leave it out too. */
static bool manifest_send(struct run *r, const struct places *p, struct err *failure, struct err *e)
{
    AUTO(buf) struct buf json = {0};
    AUTO(buf) struct buf path = {0};
    struct made_file f;

    *failure = r->failure;
    if (failure->code == ERR_NONE && manifest_make(r, &json, failure))
        return made_file_begin(&f, r->sink, p->lane, p->dir, p->listing, p->manifest, e) &&
               made_file_add(&f, buf_slice(&json), e) && made_file_end(&f, e);
    if (cancel_is_requested())
        return cancel_err(e);
    buf_printf(&path, "/%s/%s/manifest.json", r->m->member.ops->kind, r->m->member.name);
    return r->sink->ops->skip(p->lane, p->dir, p->manifest, buf_string(&path), failure, e);
}

/* Read what the previous backup says of the database. */
static void look_back(struct run *r, const struct places *p)
{
    AUTO(buf) struct buf json = {0};

    if (duration_is_zero(&r->m->o.reuse))
        return;
    r->sink->ops->former(p->lane, p->dir, p->manifest, POSTGRES_MANIFEST_MAX, &json);
    postgres_reuse_begin(r->m, &r->snapshot->manifest, buf_slice(&json), &r->reuse);
}

static bool run_send(struct run *r, struct places *p, struct sink_dir *kind, size_t slot,
                     struct err *failure, struct err *e)
{
    r->parts = mem_array(r->snapshot->selection.count + 4, sizeof(r->parts[0]));
    if (!run_announce(r, p, kind, slot, e))
        return false;
    look_back(r, p);
    r->snapshot->link->is_stopping = &r->is_stopping;
    run_threads(r);
    r->snapshot->link->is_stopping = NULL;
    if (r->sink_failure.code != ERR_NONE) {
        *e = r->sink_failure;
        return false;
    }
    return manifest_send(r, p, failure, e);
}

/* Leave the whole member out. */
static bool skip_all(const struct postgres_member *m, struct sink *k, struct places *p,
                     struct sink_dir *kind, size_t slot, const struct err *why, struct err *e)
{
    AUTO(buf) struct buf path = {0};

    if (cancel_is_requested())
        return cancel_err(e);
    buf_printf(&path, "/%s/%s", m->member.ops->kind, m->member.name);
    return k->ops->skip(p->lane, kind, slot, buf_string(&path), why, e);
}

static void run_auto(struct run *r)
{
    mem_free(r->parts);
    postgres_reuse_auto(&r->reuse);
}

bool postgres_send(struct member *member, struct sink *k, struct sink_dir *dir,
                   const struct listing *l, struct err *failure, struct err *e)
{
    struct postgres_member *m = (struct postgres_member *)member;
    AUTO(postgres_snapshot) struct postgres_snapshot snapshot = {0};
    AUTO(run)
    struct run run = {.m = m,
                      .snapshot = &snapshot,
                      .sink = k,
                      .lock = PTHREAD_MUTEX_INITIALIZER,
                      .holder = PTHREAD_MUTEX_INITIALIZER};
    const size_t slot = made_slot(l, member->name);
    struct places places = {0};
    bool is_done = false;

    if (!k->ops->lane_open(k, &places.lane, e))
        return false;
    if (postgres_snapshot_begin(m, &snapshot, failure) &&
        postgres_snapshot_describe(&snapshot, failure))
        is_done = run_send(&run, &places, dir, slot, failure, e);
    else
        is_done = skip_all(m, k, &places, dir, slot, failure, e);
    k->ops->lane_close(places.lane);
    postgres_link_close(&m->link); /* whatever is left of the transaction ends with it */
    if (is_done && failure->code != ERR_NONE)
        (void)err_wrap(failure, "database %s", member->name);
    return is_done;
}
