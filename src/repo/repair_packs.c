/*
 * Damaged and missing packs: back bit for bit from parity or from the same pack elsewhere, or else
 * their chunks from another repository into new packs.
 *
 * A pack that comes back bit for bit replaces what is left of it, so nothing else changes.  Chunks
 * go the way of a backup: packs, then index.  The damaged pack they replace then goes as a
 * collector's do (docs/decisions/0003): a list condemns it before another look for lists of others;
 * and where there is one the pack stays for a later run.
 */
#include "repo/repair_packs.h"

#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "repo/parity_objects.h"

static void mending_auto(struct mending *m)
{
    key_list_done(&m->packs);
    mem_free(m->bad);
    index_free(m->own.index);
    store_close(m->view);
    discarded_auto(&m->trash);
    repo_drop_index(m->repo);
}

/* Telling */

void mending_tell(struct mending *m, const struct hash *pack, enum heal_source from,
                  const char *sentence)
{
    char key[PACK_KEY_MAX];

    pack_key(pack, key);
    if (m->options->told != NULL)
        m->options->told(m->options->arg,
                         &(struct healing){.object = key, .from = from, .sentence = sentence});
}

void mending_progress(const struct mending *m, const char *step, uint64_t done, uint64_t total)
{
    if (m->options->progress != NULL)
        m->options->progress(m->options->arg, step, done, total);
}

/* Finding */

static void add_bad(struct mending *m, const struct hash *id, bool is_missing)
{
    m->bad = mem_resize(m->bad, m->bad_count + 1, sizeof(*m->bad));
    m->bad[m->bad_count++] = (struct bad_pack){.id = *id, .is_missing = is_missing};
}

static bool is_chosen(const struct mending *m, const struct hash *id)
{
    const struct repair_packs_options *o = m->options;

    for (size_t i = 0; i < o->only_count; i++)
        if (hash_is_equal(&o->only[i], id))
            return true;
    return o->only_count == 0;
}

/* One that vanishes meanwhile is missing. */
static bool look_at(struct mending *m, const char *key, const struct hash *id, struct err *e)
{
    AUTO(buf) struct buf object = {0};
    struct err why = {0};

    m->stats.packs++;
    if (store_get_all(m->repo->store, key, &object, &why) &&
        object_prove(m->repo, key, buf_slice(&object), &why))
        return true;
    if (!object_is_at_fault(&why)) {
        *e = why;
        return false;
    }
    add_bad(m, id, why.code == ERR_NOT_FOUND);
    return true;
}

static void on_damaged(void *arg, const char *key, const struct err *why)
{
    struct mending *m = arg;

    (void)key;
    if (!m->has_bad_index)
        m->index_fault = *why;
    m->has_bad_index = true;
}

static int bad_order(const void *a, const void *b)
{
    return hash_order(&((const struct bad_pack *)a)->id, &((const struct bad_pack *)b)->id);
}

static bool find_bad(struct mending *m, struct err *e)
{
    const struct index *ix = NULL;
    struct hash id;

    repo_drop_index(m->repo);
    if (!index_load(m->repo, on_damaged, m, &m->repo->index, e) ||
        !key_list_read(m->repo, "packs/", &m->packs, e))
        return false;
    for (size_t i = 0; i < m->packs.count; i++) {
        if (cancel_is_requested())
            return cancel_err(e);
        mending_progress(m, "read packs", i, m->packs.count);
        if (pack_key_parse(m->packs.items[i], &id) && is_chosen(m, &id) &&
            !look_at(m, m->packs.items[i], &id, e))
            return false;
    }
    ix = m->repo->index;
    for (uint32_t n = 0; n < index_pack_count(ix); n++) {
        const struct index_pack *p = index_pack_at(ix, n);

        if (p->state == PACK_MISSING && is_chosen(m, &p->id))
            add_bad(m, &p->id, true);
    }
    m->stats.damaged = m->bad_count;
    return true;
}

/* Bit for bit */

/*
 * The same pack in another store: a repository that was copied file by file.  Not in place of one
 * that is gone: a collector may have taken it away, and another may be about to do so again, which
 * nobody who saw it in between would learn (docs/decisions/0013).
 */
static bool take_whole(struct mending *m, const struct bad_pack *b, const char *key, struct err *e)
{
    AUTO(buf) struct buf object = {0};

    if (b->is_missing)
        return err_set(e, ERR_NOT_FOUND, "it is gone, and only its chunks may come back");
    if (m->options->from == NULL)
        return err_set(e, ERR_NOT_FOUND, "there is no other repository to take it from");
    return store_get_all(m->options->from->store, key, &object, e) &&
           object_prove(m->repo, key, buf_slice(&object), e) &&
           object_mend(m->repo, key, buf_slice(&object), e) &&
           parity_put(m->repo, key, buf_slice(&object), e);
}

/* Set is_whole when the pack is as it was. */
static bool heal_pack(struct mending *m, struct bad_pack *b, struct err *e)
{
    struct err of_parity = {0};
    struct err why = {0};
    char key[PACK_KEY_MAX];

    pack_key(&b->id, key);
    if (parity_heal_object(m->repo, key, &of_parity)) {
        mending_tell(m, &b->id, HEAL_PARITY, "worked out from its parity");
    } else if (!object_is_at_fault(&of_parity)) {
        *e = of_parity;
        return false;
    } else if (take_whole(m, b, key, &why)) {
        mending_tell(m, &b->id, HEAL_REPOSITORY,
                     "the same pack was taken from the other repository");
    } else if (!object_is_at_fault(&why)) {
        *e = why;
        return false;
    } else {
        b->why = of_parity;
        return true;
    }
    b->is_whole = true;
    m->stats.healed++;
    return true;
}

static bool heal_packs(struct mending *m, struct err *e)
{
    size_t left = 0;

    for (size_t i = 0; i < m->bad_count; i++) {
        if (cancel_is_requested())
            return cancel_err(e);
        mending_progress(m, "heal packs", i, m->bad_count);
        if (!heal_pack(m, &m->bad[i], e))
            return false;
        if (!m->bad[i].is_whole)
            m->bad[left++] = m->bad[i];
    }
    m->bad_count = left;
    if (left > 0)
        qsort(m->bad, left, sizeof(*m->bad), bad_order);
    return true;
}

struct bad_pack *mending_find(const struct mending *m, const struct hash *id)
{
    const struct bad_pack wanted = {.id = *id};

    return m->bad_count == 0 ? NULL
                             : bsearch(&wanted, m->bad, m->bad_count, sizeof(*m->bad), bad_order);
}

/* What could not be put back. */
static void tell_left(struct mending *m)
{
    for (size_t i = 0; i < m->bad_count; i++) {
        struct bad_pack *b = &m->bad[i];

        if (b->is_replaced) {
            m->stats.healed++;
            continue;
        }
        m->stats.left++;
        mending_tell(m, &b->id, HEAL_NOT, b->why.text);
    }
}

/* A pack of the trash does not get its name back (docs/decisions/0013): its chunks are copied. */
static bool look_into_trash(struct mending *m, struct err *e)
{
    if (m->bad_count == 0)
        return true;
    if (!discarded_read(m->repo, &m->trash, e))
        return false;
    for (size_t i = 0; i < m->bad_count; i++)
        m->helps_trash |= discarded_find(&m->trash, &m->bad[i].id) != NULL;
    return true;
}

/* Of two repositories, to be compared. */
static bool has_same_ids(const struct repo *a, const struct repo *b, struct err *e)
{
    return equal_ct(a->keys->chunk_id, b->keys->chunk_id, SEAL_KEY_SIZE) ||
           err_set(e, ERR_USAGE,
                   "the two repositories name the same bytes differently; only one that was made "
                   "with init --copy-chunker-params, or a copy of all files, can help");
}

bool repair_packs(struct repo *r, const struct repair_packs_options *o,
                  struct repair_packs_stats *out, struct err *e)
{
    AUTO(mending) struct mending m = {.repo = r, .options = o};

    if ((o->from != NULL && !has_same_ids(r, o->from, e)) || !find_bad(&m, e) ||
        !heal_packs(&m, e) || !look_into_trash(&m, e))
        return false;
    if (m.bad_count > 0 && (o->from != NULL || m.helps_trash)) {
        if (m.has_bad_index)
            return err_set(e, ERR_CORRUPT, "repair the index first: %s", m.index_fault.text);
        if (!mending_copy(&m, e) || !mending_drop(&m, e))
            return false;
    }
    tell_left(&m);
    *out = m.stats;
    return true;
}
