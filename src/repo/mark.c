/*
 * The walk that finds what snapshots need.
 *
 * Trees are written after the trees below them, so a stack that yields the last child first
 * goes through the packs from their ends to their beginnings, and each frame is read about
 * once.  Memory is one bit per entry of the index and the trees that wait on the stack.
 */
#include "repo/mark.h"

#include <assert.h>
#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "base/text.h"
#include "repo/bits.h"

struct marks {
    struct repo *repo;
    struct reader *reader;
    uint64_t *bits;   /* by entry number */
    uint64_t *deltas; /* by frame number: the bases of this one are marked */
    uint64_t count, trees;
    struct hash *stack; /* trees that are marked and not walked yet */
    size_t depth, room;
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
    m->deltas = bits_new(index_frame_count(r->index));
    return m;
}

void marks_free(struct marks *m)
{
    if (m == NULL)
        return;
    reader_free(m->reader);
    mem_free(m->bits);
    mem_free(m->deltas);
    mem_free(m->stack);
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

static bool choose_copy(const struct index *ix, const struct hash *id, bool plain_only,
                        size_t *number, struct place *out)
{
    size_t at = INDEX_NO_ENTRY;
    struct place place;

    *number = INDEX_NO_ENTRY;
    while (index_entry_next(ix, id->bytes, &at, &place)) {
        if (pack_of(ix, &place)->state == PACK_MISSING ||
            (plain_only && !index_holds_bases(ix, place.frame)))
            continue;
        if (*number == INDEX_NO_ENTRY || is_preferred(ix, &place, out)) {
            *number = at;
            *out = place;
        }
    }
    return *number != INDEX_NO_ENTRY;
}

/* Read the very copy that is marked: the others may go. */
static bool read_copy(struct marks *m, enum chunk_type type, const struct hash *id, struct buf *out,
                      struct err *why)
{
    struct place at;
    size_t number;
    const bool is_there = choose_copy(m->repo->index, id, false, &number, &at);

    assert(is_there);
    return reader_place(m->reader, type, id, &at, out, why);
}

static bool is_missing(struct marks *m, const char *what, const struct hash *id, struct err *e)
{
    char text[65];
    struct err why;

    hex_encode(SLICE_OF(id->bytes, HASH_SIZE), text);
    (void)err_set(&why, ERR_CORRUPT, "%s %.16s is in no pack that exists", what, text);
    return tell(m, MARK_MISSING, id, &why, e);
}

static bool set_mark(struct marks *m, size_t number)
{
    if (marks_has(m, number))
        return false;
    bits_add(m->bits, number);
    m->count++;
    return true;
}

/* What has to be there for a frame to be read. */
static bool need_bases(struct marks *m, uint32_t frame, struct err *e)
{
    const struct index *ix = m->repo->index;
    const struct index_base *bases = index_bases_at(ix, frame);
    const uint32_t count = index_frame_at(ix, frame).base_count;

    if (bases == NULL || bits_have(m->deltas, frame))
        return true;
    for (uint32_t i = 0; i < count; i++) {
        struct place at;
        size_t number;

        if (choose_copy(ix, &bases[i].id, true, &number, &at))
            (void)set_mark(m, number);
        else if (!is_missing(m, "base", &bases[i].id, e))
            return false;
    }
    bits_add(m->deltas, frame);
    return true;
}

static bool need(struct marks *m, const struct hash *id, enum object_class class, bool *is_new,
                 struct err *e)
{
    char text[65];
    struct err why;
    struct place at;
    size_t number;

    *is_new = false;
    if (!choose_copy(m->repo->index, id, false, &number, &at))
        return is_missing(m, "chunk", id, e);
    if (pack_of(m->repo->index, &at)->class != class) {
        hex_encode(SLICE_OF(id->bytes, HASH_SIZE), text);
        (void)err_set(&why, ERR_CORRUPT, "chunk %.16s is of another type than expected", text);
        return tell(m, MARK_UNREADABLE, id, &why, e);
    }
    *is_new = set_mark(m, number);
    return need_bases(m, at.frame, e);
}

static bool need_all(struct marks *m, struct slice ids, struct err *e)
{
    for (; ids.size >= HASH_SIZE; ids.data += HASH_SIZE, ids.size -= HASH_SIZE) {
        struct hash id;
        bool is_new;

        memcpy(id.bytes, ids.data, HASH_SIZE);
        if (!need(m, &id, CLASS_CONTENT, &is_new, e))
            return false;
    }
    return true;
}

static bool need_tree(struct marks *m, const struct hash *id, struct err *e)
{
    bool is_new;

    if (!need(m, id, CLASS_TREE, &is_new, e))
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
    bool is_new;

    if (!need(m, id, CLASS_TREE, &is_new, e))
        return false;
    if (!is_new)
        return true;
    buf_clear(&m->list);
    if (!read_copy(m, CHUNK_LIST, id, &m->list, &why))
        return tell(m, MARK_UNREADABLE, id, &why, e);
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
    bool is_sound;

    buf_clear(&m->page);
    if (!read_copy(m, CHUNK_TREE, id, &m->page, &why) ||
        !page_open(buf_slice(&m->page), &kind, &count, &body, &why)) {
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
    m->depth = 0;
    if (!need_tree(m, tree, e))
        return false;
    while (m->depth > 0) {
        const struct hash id = m->stack[--m->depth];

        if (cancel_is_requested())
            return cancel_err(e);
        if (!walk_tree(m, &id, e))
            return false;
    }
    return true;
}
