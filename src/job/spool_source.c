/*
 * Bundles on their way from the spool into snapshots.
 *
 * A snapshot holds every bundle that waits, and of those of the snapshot before the newest, so that
 * there are keep of them: whoever restores the newest snapshot finds the newest bundle, also when
 * none has arrived since, and a bundle is in at least one snapshot before it can fall behind.  Age
 * is the server's clock when it received them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "job/feed.h"
#include "job/spool.h"

#define MANIFEST_PATH "bundle/" BUNDLE_MANIFEST

/* One that a snapshot is to hold. */
struct wait {
    struct bundle_note note;
    bool is_waiting; /* in the spool; else in the previous snapshot */
    char *text;      /* the note as JSON, or why it cannot be had */
    bool is_broken;
};

struct spool_feed {
    struct bundle_feed feed;  /* first */
    const char *folder, *set; /* of the configuration */
    int keep;
    struct repo *repo; /* of the backup that is under way */

    struct wait *waits;
    struct bundle_item *items; /* the same, as the member sees them */
    size_t count, room;
    struct hash previous; /* tree of the snapshot that bundles are carried on from */
};

static void clear(struct spool_feed *f)
{
    for (size_t i = 0; i < f->count; i++)
        mem_free(f->waits[i].text);
    mem_free(TAKE(f->waits));
    mem_free(TAKE(f->items));
    f->count = f->room = 0;
}

static struct wait *add(struct spool_feed *f, const struct bundle_note *note)
{
    if (f->count == f->room) {
        f->room = f->room * 2 + 16;
        f->waits = mem_resize(f->waits, f->room, sizeof(*f->waits));
    }
    f->waits[f->count] = (struct wait){.note = *note};
    return &f->waits[f->count++];
}

static void add_broken(struct spool_feed *f, const char *name, const struct err *why)
{
    struct bundle_note note = {0};
    struct wait *w;

    (void)snprintf(note.name, sizeof(note.name), "%s",
                   name); /* names of bundles and the manifest */
    w = add(f, &note);
    w->is_broken = true;
    w->text = mem_string(why->text);
}

/* What waits.  One that cannot be opened stays where it is and is named. */
static bool take_waiting(struct spool_feed *f, struct err *e)
{
    AUTO(spool_list) struct spool_list l = {0};

    if (!spool_list_read(f->folder, &l, e))
        return false;
    for (size_t i = 0; i < l.count; i++) {
        AUTO(buf) struct buf bytes = {0};
        struct bundle_note note;
        struct err why = {0};

        if (cancel_is_requested())
            return cancel_err(e);
        if (spool_read(f->folder, l.items[i].name, f->repo, &note, &bytes, &why))
            add(f, &note)->is_waiting = true;
        else
            add_broken(f, l.items[i].name, &why);
    }
    return true;
}

static void damage_ignored(void *arg, const char *key, const struct err *why)
{
    (void)arg, (void)key, (void)why; /* check tells of it */
}

/* The newest committed snapshot of the set that holds bundles; ERR_NOT_FOUND when none does. */
static bool find_previous(struct spool_feed *f, struct reader *rd, struct buf *manifest,
                          struct err *e)
{
    AUTO(snapshot_list) struct snapshot_list all = {0};

    if (!snapshot_load_all(f->repo, 1U << SNAPSHOT_COMMITTED, damage_ignored, NULL, &all, e))
        return false;
    for (size_t i = all.count; i-- > 0;) {
        const struct snapshot *s = all.items[i];

        if (s->set == NULL || strcmp(s->set, f->set) != 0 || snapshot_is_import(s))
            continue;
        f->previous = s->tree;
        buf_clear(manifest);
        if (feed_get(rd, &s->tree, MANIFEST_PATH, manifest, e))
            return true;
        if (e->code != ERR_NOT_FOUND)
            return false;
    }
    return err_set(e, ERR_NOT_FOUND, "no snapshot of the set has bundles");
}

static int name_order(const void *key, const void *item)
{
    return strcmp(key, ((const struct wait *)item)->note.name);
}

/* Whether it is among the first count, which ascend by name. */
static bool is_known(const struct spool_feed *f, const char *name, size_t count)
{
    return count > 0 && bsearch(name, f->waits, count, sizeof(*f->waits), name_order) != NULL;
}

static int newest_first(const void *a, const void *b)
{
    const struct bundle_note *left = a;
    const struct bundle_note *right = b;

    if (left->received_ns != right->received_ns)
        return left->received_ns > right->received_ns ? -1 : 1;
    return -strcmp(left->name, right->name);
}

/* Of the previous snapshot's the newest, as many as there is room for behind those that wait. */
static void carry_on(struct spool_feed *f, struct bundle_manifest *m)
{
    const size_t waiting = f->count;
    size_t good = 0;

    for (size_t i = 0; i < waiting; i++)
        good += f->waits[i].is_broken ? 0 : 1;
    if (m->count > 1)
        qsort(m->notes, m->count, sizeof(*m->notes), newest_first);
    for (size_t i = 0; i < m->count && good < (size_t)f->keep; i++) {
        if (is_known(f, m->notes[i].name, waiting))
            continue;
        add(f, &m->notes[i]);
        good++;
    }
}

/* What an earlier snapshot holds stays there; when it cannot be read, that is told, and new bundles
 * are stored all the same. */
static bool take_previous(struct spool_feed *f, struct err *e)
{
    AUTO(reader) struct reader *rd = reader_new(f->repo);
    AUTO(buf) struct buf text = {0};
    AUTO(bundle_manifest) struct bundle_manifest m = {0};
    struct err why = {0};

    if (find_previous(f, rd, &text, &why) && bundle_manifest_parse(buf_slice(&text), &m, &why)) {
        carry_on(f, &m);
        return true;
    }
    if (why.code == ERR_NOT_FOUND)
        return true;
    if (why.code != ERR_CORRUPT) {
        *e = why;
        return false;
    }
    add_broken(f, "earlier bundles", &why);
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct wait *)a)->note.name, ((const struct wait *)b)->note.name);
}

static void fill_items(struct spool_feed *f)
{
    if (f->count > 1)
        qsort(f->waits, f->count, sizeof(*f->waits), by_name);
    f->items = mem_array(f->count, sizeof(*f->items));
    for (size_t i = 0; i < f->count; i++) {
        struct wait *w = &f->waits[i];

        if (!w->is_broken) {
            AUTO(buf) struct buf text = {0};
            AUTO(json) json_t *j = bundle_note_json(&w->note);

            json_append(j, &text);
            w->text = mem_string(buf_string(&text));
        }
        f->items[i] = (struct bundle_item){.name = w->note.name,
                                           .size = w->note.size,
                                           .mtime_ns = w->note.received_ns,
                                           .note = w->is_broken ? NULL : w->text,
                                           .why = w->is_broken ? w->text : NULL};
    }
}

static bool feed_list(struct bundle_feed *feed, const struct bundle_item **items, size_t *count,
                      struct err *e)
{
    struct spool_feed *f = (struct spool_feed *)feed;

    clear(f);
    if (!take_waiting(f, e) || !take_previous(f, e))
        return false;
    fill_items(f);
    *items = f->items;
    *count = f->count;
    return true;
}

/* The bytes have to be those of the note: with these the manifest is written. */
static bool check_same(const struct bundle_note *note, struct slice bytes, struct err *e)
{
    struct hash sum;

    sha256(bytes, &sum);
    return (bytes.size == note->size && hash_is_equal(&sum, &note->sha256)) ||
           err_set(e, ERR_CORRUPT, "bundle %s changed while it was read", note->name);
}

static bool feed_bytes(struct bundle_feed *feed, size_t n, struct buf *out, struct err *e)
{
    struct spool_feed *f = (struct spool_feed *)feed;
    const struct wait *w = &f->waits[n];
    struct bundle_note note;

    if (w->is_waiting) {
        if (!spool_read(f->folder, w->note.name, f->repo, &note, out, e))
            return false;
    } else {
        AUTO(reader) struct reader *rd = reader_new(f->repo);
        AUTO(buf) struct buf path = {0};

        buf_printf(&path, "bundle/%s", w->note.name);
        if (!feed_get(rd, &f->previous, buf_string(&path), out, e))
            return false;
    }
    return check_same(&w->note, buf_slice(out), e);
}

static void feed_free(struct bundle_feed *feed)
{
    clear((struct spool_feed *)feed);
    mem_free(feed);
}

static const struct bundle_feed_ops feed_ops = {
    .list = feed_list,
    .read = feed_bytes,
    .free = feed_free,
};

struct bundle_feed *spool_feed_new(const struct config_set *set, const struct config_bundle *c)
{
    struct spool_feed *f = mem_new(sizeof(*f));

    *f = (struct spool_feed){
        .feed = {&feed_ops}, .folder = c->spool, .set = set->name, .keep = c->keep};
    return &f->feed;
}

void spool_feeds_attach(const struct set *set, struct repo *r)
{
    for (size_t i = 0; i < set->member_count; i++) {
        struct bundle_feed *feed = bundle_member_feed(set->members[i]);

        if (feed != NULL && feed->ops == &feed_ops)
            ((struct spool_feed *)feed)->repo = r;
    }
}

/* Recipients */

struct spool_options spool_options_from(const struct config_bundle *c)
{
    return (struct spool_options){.folder = c->spool,
                                  .export_to = c->export_to,
                                  .names = (enum spool_names)c->names,
                                  .is_local_time = c->time != 0,
                                  .needs_form = c->form != 0,
                                  .bytes_max = c->max_size,
                                  .count_max = (uint64_t)c->max_count};
}

static bool is_of_set(const struct config_set *set, const char *name)
{
    for (size_t i = 0; i < set->repository_count; i++)
        if (strcmp(set->repositories[i]->name, name) == 0)
            return true;
    return false;
}

bool spool_introduce(const struct config_set *set, const struct config_repository *c,
                     const struct repo *r, struct err *e)
{
    const struct config_bundle *b = config_set_bundle(set);
    AUTO(spool_recipients) struct spool_recipients known = {0};
    struct spool_recipient one = {0};
    size_t kept = 0;

    if (b == NULL)
        return true;
    if (!spool_recipients_read(b->spool, &known, e))
        return false;
    (void)snprintf(one.name, sizeof(one.name), "%s", c->name); /* the configuration limits it */
    repo_recipient(r, &one.to);
    for (size_t i = 0; i < known.count; i++)
        if (is_of_set(set, known.items[i].name) && strcmp(known.items[i].name, c->name) != 0)
            known.items[kept++] = known.items[i];
    known.items = mem_resize(known.items, kept + 1, sizeof(*known.items));
    known.items[kept++] = one;
    return spool_recipients_write(b->spool, known.items, kept, e);
}

/* After the commit */

static bool is_held(const struct config_bundle *b, const char *name, struct repo *r,
                    const struct bundle_manifest *m)
{
    const struct bundle_note *stored = bundle_manifest_find(m, name);
    AUTO(buf) struct buf bytes = {0};
    struct bundle_note note;
    struct err ignored; /* what cannot be opened was not stored */

    return stored != NULL && spool_read(b->spool, name, r, &note, &bytes, &ignored) &&
           note.received_ns == stored->received_ns && hash_is_equal(&note.sha256, &stored->sha256);
}

bool spool_settle(const struct config_set *set, struct repo *r, const struct hash *snapshot,
                  uint64_t *removed, struct err *e)
{
    const struct config_bundle *b = config_set_bundle(set);
    AUTO(snapshot) struct snapshot *s = NULL;
    AUTO(reader) struct reader *rd = NULL;
    AUTO(buf) struct buf text = {0};
    AUTO(bundle_manifest) struct bundle_manifest m = {0};
    AUTO(spool_list) struct spool_list l = {0};
    AUTO(mem) const char **names = NULL;
    size_t count = 0;

    *removed = 0;
    if (b == NULL)
        return true;
    if (!repo_load_index(r, e) || !snapshot_load(r, snapshot, &s, e))
        return false;
    rd = reader_new(r);
    if (!feed_get(rd, &s->tree, MANIFEST_PATH, &text, e) ||
        !bundle_manifest_parse(buf_slice(&text), &m, e) || !spool_list_read(b->spool, &l, e))
        return false;
    names = mem_array(l.count, sizeof(*names));
    for (size_t i = 0; i < l.count; i++)
        if (is_held(b, l.items[i].name, r, &m))
            names[count++] = l.items[i].name;
    if (!spool_remove(b->spool, names, count, e))
        return false;
    *removed = count;
    return true;
}
