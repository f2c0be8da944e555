/*
 * Looking for damage.
 *
 * Everything but the content of files is read and proved: documents, the index, trees, and
 * that every chunk a snapshot needs stands in a pack of the right size; with read_data the
 * packs too.  What is damaged is told and the check goes on.
 *
 * A key slot can be proved by its own secret only.  Of the others it is seen whether they have
 * the form of a slot of this repository.
 */
#include "repo/check.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "repo/condemned_list.h"
#include "repo/epochs.h"
#include "repo/slot.h"

static void check_auto(struct check *c)
{
    for (size_t i = 0; i < c->told_count; i++)
        mem_free(c->told[i]);
    mem_free(c->told);
    discarded_auto(&c->trash);
    snapshot_list_done(&c->snapshots);
    key_list_done(&c->index_keys);
    marks_free(c->marks);
    mem_free(c->is_suspect);
    mem_free(c->bad_frames);
    mem_free(c->needed_frames);
    pthread_mutex_destroy(&c->lock);
    /* It holds packs that no index names. */
    repo_drop_index(c->repo);
}

/* Telling */

static void tell(const struct check *c, const struct check_fault *f)
{
    if (c->options->fault != NULL)
        c->options->fault(c->options->arg, f);
}

void check_progress(const struct check *c, const char *step, uint64_t done, uint64_t total)
{
    if (c->options->progress != NULL)
        c->options->progress(c->options->arg, step, done, total);
}

bool check_was_told(const struct check *c, const char *key)
{
    for (size_t i = 0; i < c->told_count; i++)
        if (strcmp(c->told[i], key) == 0)
            return true;
    return false;
}

void check_damage(struct check *c, const char *key, const struct err *why)
{
    AUTO(buf) struct buf sentence = {0};

    pthread_mutex_lock(&c->lock);
    if (!check_was_told(c, key)) {
        c->told = mem_resize(c->told, c->told_count + 1, sizeof(*c->told));
        c->told[c->told_count++] = mem_string(key);
        c->stats.damaged_objects++;
        if (strstr(why->text, key) == NULL)
            buf_printf(&sentence, "object %s: ", key);
        buf_append_slice(&sentence, slice_string(why->text));
        tell(c, &(struct check_fault){
                    .kind = CHECK_DAMAGED, .object = key, .sentence = buf_string(&sentence)});
    }
    pthread_mutex_unlock(&c->lock);
}

void check_pack_damage(struct check *c, uint32_t pack, const struct err *why)
{
    char key[PACK_KEY_MAX];

    pack_key(&index_pack_at(c->repo->index, pack)->id, key);
    check_damage(c, key, why);
}

void check_litter(struct check *c, const char *key, const char *sentence)
{
    c->stats.suggest_prune = true;
    check_leftover(c, key, sentence);
}

void check_leftover(struct check *c, const char *key, const char *sentence)
{
    AUTO(buf) struct buf whole = {0};

    buf_printf(&whole, "object %s: %s", key, sentence);
    c->stats.litter++;
    tell(c, &(struct check_fault){
                .kind = CHECK_LITTER, .object = key, .sentence = buf_string(&whole)});
}

bool check_is_damage(const struct err *why)
{
    /* A damaged version reads as a newer one; what a disk cannot read any more is fatal. */
    return why->code == ERR_CORRUPT || why->code == ERR_USAGE || why->code == ERR_FATAL;
}

/* True when the failure was told as damage, or the object vanished; the check goes on. */
static bool forgive(struct check *c, const char *key, const struct err *why, struct err *e)
{
    if (why->code == ERR_NOT_FOUND)
        return true;
    if (!check_is_damage(why)) {
        *e = *why;
        return false;
    }
    check_damage(c, key, why);
    return true;
}

/* Documents */

static void check_slot(struct check *c, const struct key_slot *slot)
{
    char key[SLOT_KEY_MAX];
    struct err why;

    slot_key(slot->id, key);
    if (slot->is_damaged) {
        (void)err_set(&why, ERR_CORRUPT, "no slot of this repository; it opens with no secret");
        check_damage(c, key, &why);
    } else if (slot->epoch < c->repo->epoch) {
        check_leftover(c, key,
                       "it is of a past key epoch and opens nothing, but holds an old key; "
                       "\"holdfast key reencrypt\" removes it");
    } else if (slot->epoch > c->repo->epoch) {
        check_leftover(
            c, key,
            "it is of a rotation of the keys that is at work, or was cut short, and opens "
            "nothing; the next \"holdfast key rotate\" removes it");
    }
}

/* Without it the repository opens only by its parity. */
static bool check_newest_epoch(struct check *c, const struct key_list *keys, struct err *e)
{
    char key[EPOCH_KEY_MAX];
    struct err why;

    epoch_key(c->repo->epoch, key);
    if (epochs_have(keys, c->repo->epoch) || check_was_told(c, key))
        return true;
    (void)err_set(&why, ERR_CORRUPT, "it is missing");
    return forgive(c, key, &why, e);
}

static bool check_config(struct check *c, struct err *e)
{
    AUTO(secret_buf) struct buf plain = {0};
    AUTO(mem) struct key_slot *slots = NULL;
    size_t count;
    struct err why = {0};

    if (!document_get(c->repo, CLASS_CONFIG, "config", &plain, &why)) {
        /* It never goes. */
        if (why.code == ERR_NOT_FOUND)
            why.code = ERR_CORRUPT;
        if (!forgive(c, "config", &why, e))
            return false;
    }
    if (!key_list(c->repo, &slots, &count, e))
        return false;
    for (size_t i = 0; i < count; i++)
        check_slot(c, &slots[i]);
    return true;
}

/* Objects of epochs: those up to the newest were all written by rotations of this repository. */
static bool check_epochs(struct check *c, struct err *e)
{
    AUTO(key_list) struct key_list keys = {0};

    if (!key_list_read(c->repo, EPOCH_FOLDER, &keys, e))
        return false;
    for (size_t i = 0; i < keys.count; i++) {
        AUTO(buf) struct buf object = {0};
        struct err why = {0};
        uint32_t epoch;

        if (!epoch_key_parse(keys.items[i], &epoch))
            continue;
        if (epoch > c->repo->epoch) {
            if (!epoch_is_unheard_of(c->repo, epoch, e))
                return false;
            check_leftover(
                c, keys.items[i],
                "it is of another repository, and in the way of \"holdfast key rotate\"");
            continue;
        }
        if ((!store_get_all(c->repo->store, keys.items[i], &object, &why) ||
             !epoch_prove(c->repo, keys.items[i], buf_slice(&object), &why)) &&
            !forgive(c, keys.items[i], &why, e))
            return false;
    }
    return check_newest_epoch(c, &keys, e);
}

static bool check_condemned(struct check *c, struct err *e)
{
    AUTO(key_list) struct key_list keys = {0};

    if (!key_list_read(c->repo, "condemned/", &keys, e))
        return false;
    for (size_t i = 0; i < keys.count; i++) {
        AUTO(condemned_list) struct condemned_list l = {0};
        struct err why = {0};

        if (condemned_list_get(c->repo, keys.items[i], &l, &why))
            check_litter(c, keys.items[i], "a prune is at work, or was interrupted");
        else if (!forgive(c, keys.items[i], &why, e))
            return false;
    }
    return true;
}

/* Commits and tombstones that tell nothing of a snapshot's state are read all the same. */
static bool check_marks(struct check *c, enum object_class class, const char *prefix, struct err *e)
{
    AUTO(key_list) struct key_list keys = {0};

    if (!key_list_read(c->repo, prefix, &keys, e))
        return false;
    for (size_t i = 0; i < keys.count; i++) {
        struct err why = {0};
        struct hash id;
        bool exists = true;

        if (!key_hash(keys.items[i], &id) || check_was_told(c, keys.items[i]))
            continue;
        if (!snapshot_mark_read(c->repo, class, &id, &why)) {
            if (!forgive(c, keys.items[i], &why, e))
                return false;
            continue;
        }
        if (class != CLASS_TOMBSTONE)
            continue;
        if (!object_exists(c->repo, "snapshots", &id, &exists, e))
            return false;
        if (!exists)
            check_litter(c, keys.items[i], "the snapshot that it forgets is gone");
    }
    return true;
}

static bool check_evidence(struct check *c, struct err *e)
{
    AUTO(key_list) struct key_list keys = {0};

    if (!key_list_read(c->repo, "drills/", &keys, e))
        return false;
    for (size_t i = 0; i < keys.count; i++) {
        AUTO(buf) struct buf json = {0};
        struct err why = {0};
        struct hash id;
        int64_t time_ns;
        bool exists = true;

        if (!evidence_key_parse(keys.items[i], &id))
            continue;
        if (!evidence_get(c->repo, keys.items[i], &json, &time_ns, &why)) {
            if (!forgive(c, keys.items[i], &why, e))
                return false;
            continue;
        }
        if (!object_exists(c->repo, "snapshots", &id, &exists, e))
            return false;
        if (!exists)
            check_litter(c, keys.items[i], "the snapshot that it is about is gone");
    }
    return true;
}

static void on_damaged(void *arg, const char *key, const struct err *why)
{
    check_damage(arg, key, why);
}

static bool check_snapshots(struct check *c, struct err *e)
{
    const unsigned all =
        1u << SNAPSHOT_COMMITTED | 1u << SNAPSHOT_PREPARED | 1u << SNAPSHOT_FORGOTTEN;

    if (!snapshot_load_all(c->repo, all, on_damaged, c, &c->snapshots, e))
        return false;
    for (size_t i = 0; i < c->snapshots.count; i++) {
        char key[OBJECT_KEY_MAX];

        if (c->snapshots.states[i] != SNAPSHOT_PREPARED)
            continue;
        object_key("snapshots", &c->snapshots.items[i]->id, key);
        check_litter(c, key, "not committed; a backup is at work, or was interrupted");
    }
    return check_marks(c, CLASS_COMMIT, "commits/", e) &&
           check_marks(c, CLASS_TOMBSTONE, "trash/", e) && check_evidence(c, e);
}

/* Trees */

struct root {
    struct check *check;
    const struct snapshot *snapshot;
    enum snapshot_state state;
};

/* A pack that is lost; perhaps a collector took it away not long ago.  Where that cannot be found
 * out there is nothing to say of it. */
static void tell_lost(struct check *c, uint32_t pack)
{
    struct err ignored;
    struct err lost;

    if (!c->is_trash_read)
        (void)!discarded_read(c->repo, &c->trash, &ignored);
    c->is_trash_read = true;

    const char *key = discarded_find(&c->trash, &index_pack_at(c->repo->index, pack)->id);

    (void)err_set(&lost, ERR_CORRUPT, "it is missing, and snapshots need it%s%s%s",
                  key == NULL ? "" : "; it stands in the trash as ", key == NULL ? "" : key,
                  key == NULL ? "" : ", and \"holdfast repair packs\" brings it back");
    check_pack_damage(c, pack, &lost);
}

/* No copy can be had: the packs that the index names for it are lost. */
static void tell_missing(const struct root *root, const struct hash *chunk, const struct err *why)
{
    struct check *c = root->check;
    size_t number = INDEX_NO_ENTRY;
    bool is_told = false;
    struct place at;
    char key[OBJECT_KEY_MAX];

    while (index_entry_next(c->repo->index, chunk->bytes, &number, &at)) {
        const uint32_t pack = index_frame_at(c->repo->index, at.frame).pack;

        /* A delta that is there is no base. */
        if (index_pack_at(c->repo->index, pack)->state == PACK_MISSING) {
            tell_lost(c, pack);
            is_told = true;
        }
    }
    if (is_told)
        return;
    object_key("snapshots", &root->snapshot->id, key);
    check_damage(c, key, why);
}

static bool on_mark_fault(void *arg, enum mark_fault kind, const struct hash *chunk,
                          struct err *why)
{
    const struct root *root = arg;
    struct check *c = root->check;
    struct place at;

    if (kind == MARK_MISSING) {
        /* Its writer has not come to check that yet. */
        if (root->state != SNAPSHOT_PREPARED)
            tell_missing(root, chunk, why);
        return true;
    }
    if (why->code != ERR_NOT_FOUND && !check_is_damage(why))
        return false;
    if (index_find(c->repo->index, chunk, &at)) {
        const uint32_t pack = index_frame_at(c->repo->index, at.frame).pack;

        c->is_suspect[pack] = true;
        check_pack_damage(c, pack, why);
    }
    return true;
}

/* What is forgotten may be half removed. */
static bool check_trees(struct check *c, struct err *e)
{
    static const enum snapshot_state order[] = {SNAPSHOT_COMMITTED, SNAPSHOT_PREPARED};
    uint64_t done = 0;

    c->marks = marks_new(c->repo);
    for (size_t n = 0; n < 2; n++)
        for (size_t i = 0; i < c->snapshots.count; i++) {
            struct root root = {c, c->snapshots.items[i], c->snapshots.states[i]};

            if (root.state != order[n])
                continue;
            check_progress(c, "read trees", done++, c->snapshots.count);
            if (!marks_add(c->marks, &root.snapshot->tree, on_mark_fault, &root, e))
                return false;
            c->stats.snapshots += root.state == SNAPSHOT_COMMITTED ? 1 : 0;
        }
    c->stats.trees = marks_trees(c->marks);
    c->stats.chunks = marks_count(c->marks);
    return true;
}

bool check_run(struct repo *r, const struct check_options *o, struct check_stats *out,
               struct err *e)
{
    AUTO(check)
    struct check c = {.repo = r, .options = o, .lock = PTHREAD_MUTEX_INITIALIZER};

    repo_drop_index(r);
    /* Snapshots before the index: what they need is in it by then. */
    /* Epochs first: to one who opened before a rotation what came later may look damaged. */
    if (!check_epochs(&c, e) || !check_config(&c, e) || !check_condemned(&c, e) ||
        !check_snapshots(&c, e) || !check_index(&c, e) || !check_trees(&c, e))
        return false;
    check_index_rest(&c);
    if (!check_parity(&c, e) || !check_packs(&c, e))
        return false;
    if (c.stats.damaged_objects > 0) {
        if (index_is_stale(r, &c.index_keys))
            return err_set(e, ERR_TRANSIENT,
                           "a prune changed the repository meanwhile, so that what was found "
                           "may not be damage; check again");
        if (!check_affected(&c, e))
            return false;
    }
    *out = c.stats;
    return true;
}
