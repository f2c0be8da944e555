#include "source/recorder.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

enum slot_state { SLOT_DONE, SLOT_FILE, SLOT_DIRECTORY, SLOT_BEGUN };

struct sink_dir {
    struct sink_dir *next, **link; /* in the recorder's list of those that are open */
    struct recorder *r;
    struct listing *l;
    char *path; /* "" for the root */
    enum slot_state *states;
    size_t *records; /* index of each entry's record */
    size_t pending;
};

struct lane {
    struct recorder *r;
    struct sink_dir *d;
    size_t slot;
    struct buf content;
    uint8_t *room;
    size_t room_size;
};

static struct recorder *recorder_of(struct sink *k)
{
    return (struct recorder *)k;
}

/* Count a call; the one that is to fail does. */
static bool call(struct recorder *r, struct err *e)
{
    const size_t number = atomic_fetch_add(&r->calls, 1) + 1;

    return r->fail_at == 0 || number < r->fail_at ||
           err_set(e, ERR_TRANSIENT, "call %zu fails", number);
}

static bool rec_lane_open(struct sink *k, struct lane **out, struct err *e)
{
    struct recorder *r = recorder_of(k);

    if (!call(r, e))
        return false;
    *out = mem_new(sizeof(**out));
    (*out)->r = r;
    pthread_mutex_lock(&r->lock);
    r->open_lanes++;
    pthread_mutex_unlock(&r->lock);
    return true;
}

static void rec_lane_close(struct lane *n)
{
    if (n == NULL)
        return;
    pthread_mutex_lock(&n->r->lock);
    n->r->open_lanes--;
    pthread_mutex_unlock(&n->r->lock);
    buf_done(&n->content);
    mem_free(n->room);
    mem_free(n);
}

static void copy_entry(struct recorder *r, struct entry *en)
{
    struct slice *const slices[] = {&en->name,   &en->user,  &en->group,  &en->target,
                                    &en->xattrs, &en->holes, &en->content};

    for (size_t i = 0; i < sizeof(slices) / sizeof(slices[0]); i++)
        *slices[i] = arena_copy(&r->arena, *slices[i]);
}

static size_t record_add(struct recorder *r, const char *dir, const struct entry *en)
{
    AUTO(buf) struct buf path = {0};

    buf_printf(&path, "%s/", dir);
    buf_append_slice(&path, en->name);
    r->records = mem_resize(r->records, r->record_count + 1, sizeof(r->records[0]));
    r->records[r->record_count] = (struct record){
        .path = arena_string(&r->arena, buf_slice(&path)),
        .en = *en,
    };
    copy_entry(r, &r->records[r->record_count].en);
    return r->record_count++;
}

static void dir_free(struct sink_dir *d)
{
    d->r->open_dirs--;
    *d->link = d->next;
    if (d->next != NULL)
        d->next->link = d->link;
    listing_free(d->l);
    mem_free(d->path);
    mem_free(d->states);
    mem_free(d->records);
    mem_free(d);
}

/* One of the things that were to come has come. */
static void slot_done(struct sink_dir *d, size_t slot)
{
    assert(slot < d->l->count && d->states[slot] != SLOT_DONE);
    d->states[slot] = SLOT_DONE;
    if (--d->pending == 0)
        dir_free(d);
}

static void dir_fill(struct sink_dir *d)
{
    const struct listing *l = d->l;

    d->states = mem_array(l->count, sizeof(d->states[0]));
    d->records = mem_array(l->count, sizeof(d->records[0]));
    for (size_t i = 0; i < l->count; i++) {
        const struct entry *en = &l->entries[i];

        assert(i == 0 || slice_compare(l->entries[i - 1].name, en->name) < 0);
        d->records[i] = record_add(d->r, d->path, en);
        l->wanted[i] = en->type == ENTRY_FILE && !d->r->wants_nothing;
        if (l->wanted[i])
            d->states[i] = SLOT_FILE;
        if (en->type == ENTRY_DIRECTORY)
            d->states[i] = SLOT_DIRECTORY;
        d->pending += d->states[i] != SLOT_DONE;
    }
}

static bool rec_enter(struct lane *n, struct sink_dir *parent, size_t slot, struct listing *l,
                      struct sink_dir **out, struct err *e)
{
    struct recorder *r = n->r;

    if (!call(r, e)) {
        listing_free(l);
        return false;
    }
    pthread_mutex_lock(&r->lock);

    struct sink_dir *d = mem_new(sizeof(*d));

    d->r = r;
    d->l = l;
    d->next = r->dirs;
    d->link = &r->dirs;
    if (d->next != NULL)
        d->next->link = &d->next;
    r->dirs = d;
    d->path = mem_string(parent == NULL ? "" : r->records[parent->records[slot]].path);
    r->open_dirs++;
    AUTO(mem) char *path = mem_string(d->path);

    dir_fill(d);
    if (parent != NULL) {
        assert(parent->states[slot] == SLOT_DIRECTORY);
        slot_done(parent, slot);
    }
    *out = d->pending > 0 ? d : NULL;
    if (d->pending == 0)
        dir_free(d);
    pthread_mutex_unlock(&r->lock);
    if (r->on_enter != NULL)
        r->on_enter(r->arg, path);
    return true;
}

static bool rec_begin(struct lane *n, struct sink_dir *d, size_t slot, struct err *e)
{
    if (!call(n->r, e))
        return false;
    assert(n->d == NULL);
    pthread_mutex_lock(&n->r->lock);
    assert(d->states[slot] == SLOT_FILE);
    d->states[slot] = SLOT_BEGUN;
    pthread_mutex_unlock(&n->r->lock);
    n->d = d;
    n->slot = slot;
    buf_clear(&n->content);
    return true;
}

/* Elsewhere each time, so that a source that keeps it is found out. */
static uint8_t *rec_room(struct lane *n, size_t size)
{
    assert(n->d != NULL && size > 0 && size <= SINK_ROOM_MAX);
    mem_free(n->room);
    n->room = mem_new(size);
    n->room_size = size;
    return n->room;
}

static bool rec_write(struct lane *n, size_t size, struct err *e)
{
    if (!call(n->r, e))
        return false;
    assert(n->d != NULL && size > 0 && size <= n->room_size);
    buf_append(&n->content, n->room, size);
    n->room_size = 0;
    if (n->r->on_write != NULL)
        n->r->on_write(n->r->arg);
    return true;
}

static uint64_t hole_bytes(struct slice holes)
{
    uint64_t sum = 0;
    uint64_t end = 0;

    while (holes.size > 0) {
        uint64_t offset = 0;
        uint64_t length = 0;

        if (!take_varint(&holes, &offset) || !take_varint(&holes, &length))
            abort();
        assert(length > 0 && (offset > end || (offset == 0 && end == 0)));
        end = offset + length;
        sum += length;
    }
    return sum;
}

static bool rec_end(struct lane *n, const struct entry *final, struct err *e)
{
    if (!call(n->r, e))
        return false;
    assert(n->d != NULL && n->d->states[n->slot] == SLOT_BEGUN);
    assert(slice_is_equal(final->name, n->d->l->entries[n->slot].name));
    assert(final->size == n->content.size + hole_bytes(final->holes));
    pthread_mutex_lock(&n->r->lock);

    struct record *c = &n->r->records[n->d->records[n->slot]];

    c->en = *final;
    copy_entry(n->r, &c->en);
    c->content = n->content;
    c->is_sent = true;
    n->content = (struct buf){0};
    slot_done(n->d, n->slot);
    pthread_mutex_unlock(&n->r->lock);
    n->d = NULL;
    return true;
}

/* What the previous backup has of an entry, or NULL. */
static const struct record *record_before(const struct sink_dir *d, size_t slot)
{
    const struct recorder *r = d->r;
    const struct record *c =
        r->before == NULL ? NULL : recorder_find(r->before, r->records[d->records[slot]].path);

    return c != NULL && (c->is_sent || c->is_kept) ? c : NULL;
}

static void rec_former(struct lane *n, struct sink_dir *d, size_t slot, size_t max, struct buf *out)
{
    pthread_mutex_lock(&n->r->lock);

    const struct record *c = record_before(d, slot);

    assert(out->size == 0);
    if (c != NULL && c->content.size <= max)
        buf_append_slice(out, buf_slice(&c->content));
    pthread_mutex_unlock(&n->r->lock);
}

static bool rec_keep(struct lane *n, uint64_t size, bool *is_kept, struct err *e)
{
    if (!call(n->r, e))
        return false;
    assert(n->d != NULL && n->d->states[n->slot] == SLOT_BEGUN && n->content.size == 0);
    pthread_mutex_lock(&n->r->lock);

    const struct record *before = record_before(n->d, n->slot);

    *is_kept = before != NULL && before->content.size == size && !n->r->has_lost;
    if (*is_kept) {
        struct record *c = &n->r->records[n->d->records[n->slot]];

        buf_append_slice(&c->content, buf_slice(&before->content));
        c->en.size = size;
        c->is_kept = true;
        slot_done(n->d, n->slot);
        n->d = NULL;
    }
    pthread_mutex_unlock(&n->r->lock);
    return true;
}

static bool rec_restart(struct lane *n, struct err *e)
{
    if (!call(n->r, e))
        return false;
    buf_clear(&n->content);
    pthread_mutex_lock(&n->r->lock);
    n->r->restarts++;
    pthread_mutex_unlock(&n->r->lock);
    return true;
}

static void remark_add(struct recorder *r, const char *path, const struct err *why, bool is_skip,
                       bool has_entry)
{
    struct remark m = {.is_skip = is_skip, .has_entry = has_entry};

    assert(why->code != ERR_NONE && why->text[0] != '\0');
    m.path = arena_string(&r->arena, slice_string(path));
    memcpy(m.text, why->text, sizeof(m.text));
    r->remarks = mem_resize(r->remarks, r->remark_count + 1, sizeof(m));
    r->remarks[r->remark_count++] = m;
}

static bool rec_skip(struct lane *n, struct sink_dir *d, size_t slot, const char *path,
                     const struct err *why, struct err *e)
{
    if (!call(n->r, e))
        return false;
    pthread_mutex_lock(&n->r->lock);
    remark_add(n->r, path, why, true, d != NULL);
    if (d != NULL) {
        assert(strcmp(n->r->records[d->records[slot]].path, path) == 0);
        if (n->d == d && n->slot == slot)
            n->d = NULL;
        slot_done(d, slot);
    }
    pthread_mutex_unlock(&n->r->lock);
    return true;
}

static bool rec_note(struct lane *n, const char *path, const struct err *why, struct err *e)
{
    if (!call(n->r, e))
        return false;
    pthread_mutex_lock(&n->r->lock);
    remark_add(n->r, path, why, false, true);
    pthread_mutex_unlock(&n->r->lock);
    return true;
}

static const struct sink_ops recorder_ops = {
    .lane_open = rec_lane_open,
    .lane_close = rec_lane_close,
    .enter = rec_enter,
    .begin = rec_begin,
    .room = rec_room,
    .write = rec_write,
    .end = rec_end,
    .former = rec_former,
    .keep = rec_keep,
    .restart = rec_restart,
    .skip = rec_skip,
    .note = rec_note,
};

void recorder_init(struct recorder *r)
{
    *r = (struct recorder){.sink = {&recorder_ops}};
    pthread_mutex_init(&r->lock, NULL);
}

void recorder_done(struct recorder *r)
{
    while (r->dirs != NULL)
        dir_free(r->dirs);
    for (size_t i = 0; i < r->record_count; i++)
        buf_done(&r->records[i].content);
    mem_free(r->records);
    mem_free(r->remarks);
    arena_done(&r->arena);
}

void recorder_auto(struct recorder *r)
{
    recorder_done(r);
}

bool recorder_is_complete(const struct recorder *r)
{
    return r->open_dirs == 0 && r->open_lanes == 0;
}

const struct record *recorder_find(const struct recorder *r, const char *path)
{
    for (size_t i = 0; i < r->record_count; i++)
        if (strcmp(r->records[i].path, path) == 0)
            return &r->records[i];
    return NULL;
}

const struct remark *recorder_remark(const struct recorder *r, const char *path)
{
    for (size_t i = 0; i < r->remark_count; i++)
        if (strcmp(r->remarks[i].path, path) == 0)
            return &r->remarks[i];
    return NULL;
}

struct slice record_xattr(const struct record *c, const char *name)
{
    struct slice pairs = c->en.xattrs;
    struct slice key = {0};
    struct slice value = {0};

    while (pairs.size > 0) {
        if (!take_bytes(&pairs, &key) || !take_bytes(&pairs, &value))
            abort();
        if (slice_is_equal(key, slice_string(name)))
            return value;
    }
    return (struct slice){0};
}
