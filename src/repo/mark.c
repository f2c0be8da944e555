/*
 * The walk that finds what snapshots need.
 *
 * Trees are written after the trees below them, so a stack that yields the last child first
 * goes through the packs from their ends to their beginnings, and each frame is read about
 * once.  Content, which is nearly all, waits until there is much of it and is then looked up
 * together (index_locate()): ids are random, and a large index is read in order only.
 *
 * Memory is two bits per entry and per frame of the index, the trees that wait on the stack, and 56
 * bytes for each chunk that waits: 3.5 bytes per entry.
 */
#include "repo/mark.h"

#include <assert.h>
#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "base/text.h"
#include "repo/bits.h"

/* One entry in so many waits at most, but for small indexes. */
#define WAITING_PART  16
#define WAITING_LEAST ((size_t)4 << 10)
#define WAITING_MOST  ((size_t)16 << 20)

/* Chunks that are needed and are still to be looked up. */
struct waiting {
    struct hash *ids;
    struct index_spot *spots; /* where they are, once they are looked up */
    size_t count, room;
};

struct marks {
    struct repo *repo;
    struct reader *reader;
    uint64_t *bits;   /* by entry number */
    uint64_t *needed; /* of trees and lists: for themselves and not only as bases, so walked */
    uint64_t *deltas; /* by frame number: the bases of this one are marked, or wait */
    uint64_t *sound;  /* and that the copies of these to mark can be read */
    uint64_t count, trees;
    size_t most;        /* that wait */
    struct hash *stack; /* trees that are marked and not walked yet */
    size_t depth, room;
    struct waiting content, bases;
    struct buf page, list; /* being walked */
    mark_fault_fn *fault;  /* of the present call */
    void *arg;
};

struct marks *marks_new(struct repo *r)
{
    struct marks *m = mem_new(sizeof(*m));

    m->repo = r;
    m->reader = reader_new(r);
    m->bits = bits_new(index_entry_room(r->index));
    m->needed = bits_new(index_entry_room(r->index));
    m->deltas = bits_new(index_frame_count(r->index));
    m->sound = bits_new(index_frame_count(r->index));
    m->most = index_entry_room(r->index) / WAITING_PART;
    m->most = m->most < WAITING_LEAST ? WAITING_LEAST : m->most;
    m->most = m->most > WAITING_MOST ? WAITING_MOST : m->most;
    return m;
}

void marks_free(struct marks *m)
{
    if (m == NULL)
        return;
    reader_free(m->reader);
    mem_free(m->bits);
    mem_free(m->needed);
    mem_free(m->deltas);
    mem_free(m->sound);
    mem_free(m->stack);
    mem_free(m->content.ids);
    mem_free(m->content.spots);
    mem_free(m->bases.ids);
    mem_free(m->bases.spots);
    buf_done(&m->page);
    buf_done(&m->list);
    mem_free(m);
}

void marks_auto(struct marks **m)
{
    marks_free(*m);
}

bool marks_has(const struct marks *m, size_t entry)
{
    return bits_have(m->bits, entry);
}

uint64_t marks_count(const struct marks *m)
{
    return m->count;
}

uint64_t marks_trees(const struct marks *m)
{
    return m->trees;
}

static bool tell(struct marks *m, enum mark_fault kind, const struct hash *chunk, struct err *why,
                 struct err *e)
{
    if (m->fault(m->arg, kind, chunk, why))
        return true;
    *e = *why;
    return false;
}

static const struct index_pack *pack_of(const struct index *ix, const struct place *at)
{
    return index_pack_at(ix, index_frame_at(ix, at->frame).pack);
}

/* Whether a is the copy to mark rather than b. */
static bool is_preferred(const struct index *ix, const struct place *a, const struct place *b)
{
    const struct index_pack *left = pack_of(ix, a);
    const struct index_pack *right = pack_of(ix, b);

    const enum pack_state left_state = index_frame_state(ix, a->frame);
    const enum pack_state right_state = index_frame_state(ix, b->frame);

    if (left_state != right_state)
        return left_state < right_state;
    if (index_holds_bases(ix, a->frame) != index_holds_bases(ix, b->frame))
        return index_holds_bases(ix, a->frame);
    if (left != right)
        return hash_order(&left->id, &right->id) < 0;
    return a->frame != b->frame ? a->frame < b->frame : a->offset < b->offset;
}

/* The copy of a chunk to mark. */
struct choice {
    size_t number; /* of its entry */
    struct place at;
};

static bool choose_copy(const struct index *ix, const struct hash *id, bool plain_only,
                        struct choice *out)
{
    size_t number = INDEX_NO_ENTRY;
    struct place place;

    out->number = INDEX_NO_ENTRY;
    while (index_entry_next(ix, id->bytes, &number, &place)) {
        if (pack_of(ix, &place)->state == PACK_MISSING ||
            (plain_only && !index_holds_bases(ix, place.frame)))
            continue;
        if (out->number == INDEX_NO_ENTRY || is_preferred(ix, &place, &out->at))
            *out = (struct choice){number, place};
    }
    return out->number != INDEX_NO_ENTRY;
}

/*
 * Read the copies of the bases of a frame that are marked with it: the others may go.  *is_sound =
 * false when one is missing, which is told when it is marked, or after telling of one that cannot
 * be read.
 */
static bool read_bases(struct marks *m, uint32_t frame, bool *is_sound, struct err *e)
{
    const struct index_base *bases = index_bases_at(m->repo->index, frame);
    const uint32_t count = index_frame_at(m->repo->index, frame).base_count;
    struct slice plain;
    struct err why;

    *is_sound = true;
    if (bases == NULL || bits_have(m->sound, frame))
        return true;
    for (uint32_t i = 0; i < count && *is_sound; i++) {
        struct choice copy;

        *is_sound = choose_copy(m->repo->index, &bases[i].id, true, &copy);
        if (!*is_sound || reader_frame(m->reader, copy.at.frame, &plain, &why))
            continue;
        *is_sound = false;
        (void)err_wrap(&why, "base of a tree");
        return tell(m, MARK_UNREADABLE, &bases[i].id, &why, e);
    }
    if (*is_sound)
        bits_add(m->sound, frame);
    return true;
}

/* Read the very copy that is marked.  *is_read = false: why it cannot be is told. */
static bool read_copy(struct marks *m, enum chunk_type type, const struct hash *id, struct buf *out,
                      bool *is_read, struct err *e)
{
    struct err why;
    struct choice copy;
    const bool is_there = choose_copy(m->repo->index, id, false, &copy);

    assert(is_there);
    buf_clear(out);
    if (!read_bases(m, copy.at.frame, is_read, e))
        return false;
    if (!*is_read)
        return true;
    *is_read = reader_place(m->reader, type, id, &copy.at, out, &why);
    if (*is_read)
        return true;
    (void)err_wrap(&why, type == CHUNK_LIST ? "list of chunks" : "tree");
    return tell(m, MARK_UNREADABLE, id, &why, e);
}

static bool is_missing(struct marks *m, const char *what, const struct hash *id, struct err *e)
{
    char text[65];
    struct err why;

    hex_encode(SLICE_OF(id->bytes, HASH_SIZE), text);
    (void)err_set(&why, ERR_CORRUPT, "%s %.16s is in no pack that exists", what, text);
    return tell(m, MARK_MISSING, id, &why, e);
}

static void set_mark(struct marks *m, size_t number)
{
    if (marks_has(m, number))
        return;
    bits_add(m->bits, number);
    m->count++;
}

/* choose_copy(), where it is known already that there is one copy and no other. */
static bool choose_known(const struct index *ix, const struct hash *id, bool plain_only,
                         const struct index_spot *known, struct choice *out)
{
    if (!known->is_only)
        return choose_copy(ix, id, plain_only, out);
    *out = (struct choice){known->entry, {.frame = known->frame}};
    return pack_of(ix, &out->at)->state != PACK_MISSING &&
           (!plain_only || index_holds_bases(ix, known->frame));
}

static bool need_base(struct marks *m, const struct hash *id, const struct index_spot *known,
                      struct err *e)
{
    struct choice copy;

    if (!choose_known(m->repo->index, id, true, known, &copy))
        return is_missing(m, "base", id, e);
    set_mark(m, copy.number);
    return true;
}

typedef bool settle_fn(struct marks *m, const struct hash *id, const struct index_spot *known,
                       struct err *e);

/* Look up what waits. */
static bool settle(struct marks *m, struct waiting *w, settle_fn *fn, struct err *e)
{
    if (!index_locate(m->repo->index, w->ids, w->count, w->spots, e))
        return false;
    for (size_t i = 0; i < w->count; i++)
        if (!fn(m, &w->ids[i], &w->spots[i], e))
            return false;
    w->count = 0;
    return true;
}

static bool wait_for(struct marks *m, struct waiting *w, const struct hash *id, settle_fn *fn,
                     struct err *e)
{
    if (w->count == m->most && !settle(m, w, fn, e))
        return false;
    if (w->count == w->room) {
        w->room = w->room < WAITING_LEAST ? WAITING_LEAST : w->room * 2;
        w->room = w->room > m->most ? m->most : w->room;
        w->ids = mem_resize(w->ids, w->room, sizeof(*w->ids));
        w->spots = mem_resize(w->spots, w->room, sizeof(*w->spots));
    }
    w->ids[w->count++] = *id;
    return true;
}

/* What has to be there for a frame to be read. */
static bool need_bases(struct marks *m, uint32_t frame, struct err *e)
{
    const struct index_base *bases = index_bases_at(m->repo->index, frame);
    const uint32_t count = index_frame_at(m->repo->index, frame).base_count;

    if (bases == NULL || bits_have(m->deltas, frame))
        return true;
    for (uint32_t i = 0; i < count; i++)
        if (!wait_for(m, &m->bases, &bases[i].id, need_base, e))
            return false;
    bits_add(m->deltas, frame);
    return true;
}

static bool need_copy(struct marks *m, const struct hash *id, enum object_class class,
                      const struct choice *copy, struct err *e)
{
    char text[65];
    struct err why;

    if (pack_of(m->repo->index, &copy->at)->class != class) {
        hex_encode(SLICE_OF(id->bytes, HASH_SIZE), text);
        (void)err_set(&why, ERR_CORRUPT, "chunk %.16s is of another type than expected", text);
        return tell(m, MARK_UNREADABLE, id, &why, e);
    }
    set_mark(m, copy->number);
    return need_bases(m, copy->at.frame, e);
}

static bool need_content(struct marks *m, const struct hash *id, const struct index_spot *known,
                         struct err *e)
{
    struct choice copy;

    if (!choose_known(m->repo->index, id, false, known, &copy))
        return is_missing(m, "chunk", id, e);
    return need_copy(m, id, CLASS_CONTENT, &copy, e);
}

static bool need_all(struct marks *m, struct slice ids, struct err *e)
{
    for (; ids.size >= HASH_SIZE; ids.data += HASH_SIZE, ids.size -= HASH_SIZE) {
        struct hash id;

        memcpy(id.bytes, ids.data, HASH_SIZE);
        if (!wait_for(m, &m->content, &id, need_content, e))
            return false;
    }
    return true;
}

/* A tree or a list, which is read next when it is new. */
static bool need_node(struct marks *m, const struct hash *id, bool *is_new, struct err *e)
{
    struct choice copy;

    *is_new = false;
    if (!choose_copy(m->repo->index, id, false, &copy))
        return is_missing(m, "chunk", id, e);
    if (!need_copy(m, id, CLASS_TREE, &copy, e))
        return false;
    *is_new = marks_has(m, copy.number) && !bits_have(m->needed, copy.number);
    if (*is_new)
        bits_add(m->needed, copy.number);
    return true;
}

static bool need_tree(struct marks *m, const struct hash *id, struct err *e)
{
    bool is_new;

    if (!need_node(m, id, &is_new, e))
        return false;
    if (!is_new)
        return true;
    if (m->depth == m->room) {
        m->room = m->room == 0 ? 256 : m->room * 2;
        m->stack = mem_resize(m->stack, m->room, sizeof(*m->stack));
    }
    m->stack[m->depth++] = *id;
    return true;
}

static bool walk_list(struct marks *m, const struct hash *id, struct err *e)
{
    struct err why;
    bool is_new, is_read;

    if (!need_node(m, id, &is_new, e))
        return false;
    if (!is_new)
        return true;
    if (!read_copy(m, CHUNK_LIST, id, &m->list, &is_read, e))
        return false;
    if (!is_read)
        return true;
    if (m->list.size % HASH_SIZE != 0) {
        (void)err_set(&why, ERR_CORRUPT, "a list of chunks has an odd length");
        return tell(m, MARK_UNREADABLE, id, &why, e);
    }
    return need_all(m, buf_slice(&m->list), e);
}

static bool walk_entry(struct marks *m, const struct entry *en, struct err *e)
{
    if (en->type == ENTRY_DIRECTORY)
        return need_tree(m, &en->subtree, e);
    if (en->type != ENTRY_FILE)
        return true;
    if ((en->flags & ENTRY_INDIRECT) == 0)
        return need_all(m, en->content, e);
    for (size_t at = 0; at + HASH_SIZE <= en->content.size; at += HASH_SIZE) {
        struct hash list;

        memcpy(list.bytes, en->content.data + at, HASH_SIZE);
        if (!walk_list(m, &list, e))
            return false;
    }
    return true;
}

static bool walk_pages(struct marks *m, struct slice ids, struct err *e)
{
    for (; ids.size >= HASH_SIZE; ids.data += HASH_SIZE, ids.size -= HASH_SIZE) {
        struct hash page;

        memcpy(page.bytes, ids.data, HASH_SIZE);
        if (!need_tree(m, &page, e))
            return false;
    }
    return true;
}

/* *is_sound = false, and *why, for a page that breaks the format. */
static bool walk_entries(struct marks *m, struct slice body, uint32_t count, bool *is_sound,
                         struct err *why, struct err *e)
{
    struct slice before = {0};

    *is_sound = false;
    for (uint32_t i = 0; i < count; i++) {
        struct entry en;

        if (!entry_decode(&body, &en, why))
            return true;
        if (i > 0 && slice_compare(before, en.name) >= 0) {
            (void)err_set(why, ERR_CORRUPT, "names are out of order");
            return true;
        }
        before = en.name;
        if (!walk_entry(m, &en, e))
            return false;
    }
    *is_sound = body.size == 0;
    if (!*is_sound)
        (void)err_set(why, ERR_CORRUPT, "bytes behind its last entry");
    return true;
}

static bool walk_tree(struct marks *m, const struct hash *id, struct err *e)
{
    enum page_kind kind;
    uint32_t count;
    struct slice body;
    struct err why;
    bool is_read, is_sound;

    if (!read_copy(m, CHUNK_TREE, id, &m->page, &is_read, e))
        return false;
    if (!is_read)
        return true;
    if (!page_open(buf_slice(&m->page), &kind, &count, &body, &why)) {
        (void)err_wrap(&why, "tree");
        return tell(m, MARK_UNREADABLE, id, &why, e);
    }
    m->trees++;
    if (kind == PAGE_PAGES)
        return walk_pages(m, body, e);
    if (!walk_entries(m, body, count, &is_sound, &why, e))
        return false;
    if (is_sound)
        return true;
    (void)err_wrap(&why, "tree");
    return tell(m, MARK_UNREADABLE, id, &why, e);
}

bool marks_add(struct marks *m, const struct hash *tree, mark_fault_fn *fault, void *arg,
               struct err *e)
{
    m->fault = fault;
    m->arg = arg;
    assert(m->depth == 0 && m->content.count == 0 && m->bases.count == 0);
    if (!need_tree(m, tree, e))
        return false;
    while (m->depth > 0) {
        const struct hash id = m->stack[--m->depth];

        if (cancel_is_requested())
            return cancel_err(e);
        if (!walk_tree(m, &id, e))
            return false;
    }
    return settle(m, &m->content, need_content, e) && settle(m, &m->bases, need_base, e);
}
