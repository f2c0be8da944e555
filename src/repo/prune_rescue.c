/*
 * Taking packs back from the own list in the second look.
 *
 * A copy of a chunk stays when its pack exists, nobody else condemned it, and it is not on the own
 * list or was rescued.  A delta is a copy in several packs: its own and those of its bases.  It
 * stays when all of these do, and to take it back is to take back all of them.
 */
#include "base/mem.h"
#include "repo/prune.h"

/* What the second look says of a pack. */
struct standing {
    bool exists;   /* in the store */
    bool counts;   /* and on nobody else's list */
    size_t doomed; /* position in the own list, plus 1; 0: not on it */
};

/* What became of the bases of a frame. */
enum bases {
    BASES_UNKNOWN,
    BASES_STAY,
    BASES_MAY_GO,
    BASES_RESCUED, /* the own list does not take them; others may */
};

/* An index, its packs and its frames by their numbers. */
struct view {
    const struct index *ix;
    struct standing *packs;
    uint8_t *bases; /* enum bases */
};

struct rescue {
    struct prune *prune;
    struct view views[2]; /* the loaded index, and that of what was repacked */
    size_t view_count;
};

static struct view view_of(const struct prune *p, const struct index *ix, const struct look *now)
{
    const size_t count = index_pack_count(ix);
    struct view v = {.ix = ix,
                     .packs = mem_array(count, sizeof(*v.packs)),
                     .bases = mem_array(index_frame_count(ix), sizeof(*v.bases))};

    for (uint32_t n = 0; n < count; n++) {
        const struct hash *id = &index_pack_at(ix, n)->id;
        size_t number;

        v.packs[n].exists = look_has_pack(now, id, &number);
        v.packs[n].counts = v.packs[n].exists && !condemned_has(&now->others, id);
        v.packs[n].doomed = prune_find_doomed(p, id, &number) ? number + 1 : 0;
    }
    return v;
}

static void rescue_auto(struct rescue *r)
{
    for (size_t i = 0; i < r->view_count; i++) {
        mem_free(r->views[i].packs);
        mem_free(r->views[i].bases);
    }
}

static const struct standing *standing_of(const struct view *v, uint32_t frame)
{
    return &v->packs[index_frame_at(v->ix, frame).pack];
}

static bool pack_stays(const struct rescue *r, const struct standing *s)
{
    return s->counts && (s->doomed == 0 || r->prune->is_rescued[s->doomed - 1]);
}

/* Whether a copy that can be a base stays. */
static bool base_stays(const struct rescue *r, const struct hash *id)
{
    for (size_t i = 0; i < r->view_count; i++) {
        const struct view *v = &r->views[i];
        size_t number = INDEX_NO_ENTRY;
        struct place at;

        while (index_entry_next(v->ix, id->bytes, &number, &at))
            if (index_holds_bases(v->ix, at.frame) && pack_stays(r, standing_of(v, at.frame)))
                return true;
    }
    return false;
}

static bool bases_stay(const struct rescue *r, const struct view *v, uint32_t frame)
{
    const struct index_base *bases = index_bases_at(v->ix, frame);
    const uint32_t count = index_frame_at(v->ix, frame).base_count;

    if (v->bases[frame] == BASES_UNKNOWN) {
        v->bases[frame] = BASES_STAY;
        for (uint32_t i = 0; i < count && v->bases[frame] == BASES_STAY; i++)
            if (!base_stays(r, &bases[i].id))
                v->bases[frame] = BASES_MAY_GO;
    }
    return v->bases[frame] == BASES_STAY;
}

/* What rests on this chunk looks for a copy that can be its base by itself. */
static bool copy_stays(const struct rescue *r, const uint8_t prefix[16], bool *is_there)
{
    for (size_t i = 0; i < r->view_count; i++) {
        const struct view *v = &r->views[i];
        size_t number = INDEX_NO_ENTRY;
        struct place at;

        while (index_entry_next(v->ix, prefix, &number, &at)) {
            const struct standing *s = standing_of(v, at.frame);

            *is_there = *is_there || s->exists;
            if (pack_stays(r, s) && bases_stay(r, v, at.frame))
                return true;
        }
    }
    return false;
}

static void rescue_pack(const struct rescue *r, uint32_t frame)
{
    const size_t doomed = standing_of(&r->views[0], frame)->doomed;

    if (doomed > 0)
        r->prune->is_rescued[doomed - 1] = true;
}

static void rescue_bases(const struct rescue *r, uint32_t frame)
{
    const struct view *v = &r->views[0];
    const struct index_base *bases = index_bases_at(v->ix, frame);
    const uint32_t count = index_frame_at(v->ix, frame).base_count;

    if (v->bases[frame] == BASES_RESCUED)
        return;
    for (uint32_t i = 0; i < count; i++) {
        size_t number = INDEX_NO_ENTRY;
        struct place at;

        while (index_entry_next(v->ix, bases[i].id.bytes, &number, &at))
            if (index_holds_bases(v->ix, at.frame))
                rescue_pack(r, at.frame);
    }
    v->bases[frame] = BASES_RESCUED;
}

/* Another collector may rely on any of them: where it does not, it rescues its own. */
static void rescue_copies(const struct rescue *r, const uint8_t prefix[16])
{
    size_t number = INDEX_NO_ENTRY;
    struct place at;

    while (index_entry_next(r->views[0].ix, prefix, &number, &at)) {
        rescue_pack(r, at.frame);
        rescue_bases(r, at.frame);
    }
}

bool prune_rescue(struct prune *p, const struct look *now, struct err *e)
{
    const struct index *ix = p->repo->index;
    AUTO(rescue) struct rescue r = {.prune = p};

    r.views[r.view_count++] = view_of(p, ix, now);
    if (p->moved != NULL)
        r.views[r.view_count++] = view_of(p, p->moved, now);
    for (size_t i = 0; i < index_entry_room(ix); i++) {
        bool is_there = false;
        uint8_t prefix[16];
        struct place at;

        if (!marks_has(p->marks, i) || !index_entry_at(ix, i, prefix, &at) ||
            copy_stays(&r, prefix, &is_there))
            continue;
        if (!is_there)
            return err_set(e, ERR_TRANSIENT, "packs vanished, another prune seems to be at work");
        rescue_copies(&r, prefix);
    }
    return true;
}
