/*
 * The index against the packs: which packs there are, how long they are, who names them.
 */
#include "base/mem.h"
#include "repo/bits.h"
#include "repo/check.h"

/* A collector that rewrites the index may outrun a check this many times in a row. */
#define CHECK_INDEX_ROUNDS 8

static bool add_rows(struct index *ix, struct slice plain, struct err *e)
{
    struct slice body;
    uint32_t count, number;

    if (!index_document_open(plain, &count, &body, e))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct index_row row;

        if (!index_document_next(&body, &row, e) ||
            !index_add_pack(ix, &row.id, row.class, PACK_MISSING, row.directory, &number, e))
            return false;
        if (index_pack_at(ix, number)->size != row.pack_size)
            return err_set(e, ERR_CORRUPT, "the size of a pack and its directory disagree");
    }
    return body.size == 0 ? true : err_set(e, ERR_CORRUPT, "bytes behind its last row");
}

static bool load_object(struct check *c, struct index *ix, const char *key, bool *is_stale,
                        struct err *e)
{
    AUTO(buf) struct buf plain = {0};
    struct err why = {0};

    if (document_get(c->repo, CLASS_INDEX, key, &plain, &why) &&
        add_rows(ix, buf_slice(&plain), &why))
        return true;
    if (why.code == ERR_NOT_FOUND) {
        *is_stale = true;
        return true;
    }
    if (!check_is_damage(&why)) {
        *e = why;
        return false;
    }
    c->stats.suggest_repair_index = true;
    check_damage(c, key, &why);
    return true;
}

static bool load_objects(struct check *c, struct index *ix, struct err *e)
{
    bool is_stale = true;

    for (int round = 0; is_stale; round++) {
        struct key_list *keys = &c->index_keys;

        key_list_done(keys);
        is_stale = false;
        if (round == CHECK_INDEX_ROUNDS)
            return err_set(e, ERR_TRANSIENT, "the index keeps changing while it is read");
        if (!key_list_read(c->repo, "index/", keys, e))
            return false;
        for (size_t i = 0; i < keys->count; i++) {
            check_progress(c, "read index", i, keys->count);
            if (!load_object(c, ix, keys->items[i], &is_stale, e))
                return false;
        }
    }
    return true;
}

/* A pack that no index object names tells of itself. */
static bool add_unnamed(struct check *c, struct index *ix, const struct hash *id, uint64_t size,
                        struct err *e)
{
    AUTO(buf) struct buf directory = {0};
    enum object_class class;
    struct err why = {0};
    uint32_t number;
    char key[PACK_KEY_MAX];

    if (index_has_pack(ix, id, &number))
        return true;
    if (pack_directory_get(c->repo, id, size, &class, &directory, &why) &&
        index_add_pack(ix, id, class, PACK_CONDEMNED, buf_slice(&directory), &number, &why))
        return true;
    if (why.code == ERR_NOT_FOUND)
        return true;
    if (!check_is_damage(&why)) {
        *e = why;
        return false;
    }
    pack_key(id, key);
    check_damage(c, key, &why);
    return true;
}

static void compare_size(struct check *c, uint32_t number, uint64_t size)
{
    const uint64_t wanted = index_pack_at(c->repo->index, number)->size;
    struct err why;

    if (size == wanted)
        return;
    c->is_suspect[number] = true;
    (void)err_set(&why, ERR_CORRUPT, "it has %llu bytes instead of %llu", (unsigned long long)size,
                  (unsigned long long)wanted);
    check_pack_damage(c, number, &why);
}

bool check_index(struct check *c, struct err *e)
{
    AUTO(index) struct index *ix = index_new();
    AUTO(key_list) struct key_list packs = {0};
    struct hash id;

    if (!load_objects(c, ix, e) || !key_list_read(c->repo, "packs/", &packs, e))
        return false;
    c->indexed = (uint32_t)index_pack_count(ix);
    for (size_t i = 0; i < packs.count; i++) {
        if (!pack_key_parse(packs.items[i], &id))
            continue;
        c->stats.packs++;
        if (!add_unnamed(c, ix, &id, packs.sizes[i], e))
            return false;
    }
    c->is_suspect = mem_array(index_pack_count(ix), sizeof(*c->is_suspect));
    c->bad_frames = bits_new(index_frame_count(ix));
    for (size_t i = 0; i < c->options->suspect_count; i++) {
        uint32_t number;

        if (index_has_pack(ix, &c->options->suspects[i], &number))
            c->is_suspect[number] = true;
    }
    c->repo->index = TAKE(ix);
    for (size_t i = 0; i < packs.count; i++) {
        uint32_t number;

        if (!pack_key_parse(packs.items[i], &id) || !index_has_pack(c->repo->index, &id, &number))
            continue;
        if (number < c->indexed)
            index_set_pack_state(c->repo->index, number, PACK_LIVE);
        compare_size(c, number, packs.sizes[i]);
    }
    index_judge_deltas(c->repo->index);
    return true;
}

/* Which packs are needed, for the caller to free; which frames, to c. */
static bool *packs_needed(struct check *c)
{
    const struct index *ix = c->repo->index;
    bool *needed = mem_array(index_pack_count(ix), sizeof(*needed));

    c->needed_frames = bits_new(index_frame_count(ix));
    for (size_t i = 0; i < index_entry_room(ix); i++) {
        uint8_t prefix[16];
        struct place at;

        if (!marks_has(c->marks, i) || !index_entry_at(ix, i, prefix, &at))
            continue;
        needed[index_frame_at(ix, at.frame).pack] = true;
        bits_add(c->needed_frames, at.frame);
    }
    return needed;
}

/* With an index object damaged nobody can say which packs it named. */
static void judge_unnamed(struct check *c, const bool *needed)
{
    const struct index *ix = c->repo->index;
    uint32_t lost = 0;
    struct err why;

    if (c->stats.suggest_repair_index)
        return;
    for (uint32_t n = c->indexed; n < index_pack_count(ix); n++) {
        char key[PACK_KEY_MAX];

        pack_key(&index_pack_at(ix, n)->id, key);
        if (needed[n])
            lost++;
        else
            check_litter(c, key, "no index names it; a backup is at work, or was interrupted");
    }
    if (lost == 0)
        return;
    c->stats.suggest_repair_index = true;
    (void)err_set(&why, ERR_CORRUPT,
                  "index objects are missing: none names %u packs that snapshots need", lost);
    check_damage(c, "index", &why);
}

void check_index_rest(struct check *c)
{
    const struct index *ix = c->repo->index;
    AUTO(mem) bool *needed = packs_needed(c);

    for (uint32_t n = 0; n < c->indexed; n++) {
        char key[PACK_KEY_MAX];

        pack_key(&index_pack_at(ix, n)->id, key);
        if (index_pack_at(ix, n)->state == PACK_MISSING && !check_was_told(c, key))
            check_litter(c, key, "the index names it, it is gone, and no snapshot needs it");
    }
    judge_unnamed(c, needed);
}
