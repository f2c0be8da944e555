/*
 * Snapshots: the struct, and the objects that bring one into the repository and out of it.
 * FORMAT.md, "Order of writes", says which come first.
 */
#include "repo/snapshot.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "repo/parity_objects.h"

/* The struct */

struct snapshot *snapshot_new(void)
{
    return mem_new(sizeof(struct snapshot));
}

static void texts_free(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mem_free(texts[i]);
    mem_free(texts);
}

void snapshot_free(struct snapshot *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->incomplete_count; i++) {
        mem_free(s->incomplete[i].path);
        mem_free(s->incomplete[i].error);
    }
    mem_free(s->incomplete);
    texts_free(s->paths, s->path_count);
    texts_free(s->tags, s->tag_count);
    mem_free(s->host);
    mem_free(s->user);
    mem_free(s->set);
    mem_free(s->configuration);
    mem_free(s->job);
    mem_free(s->program);
    mem_free(s);
}

void snapshot_auto(struct snapshot **s)
{
    snapshot_free(*s);
}

static void text_add(char ***texts, size_t *count, const char *text)
{
    *texts = mem_resize(*texts, *count + 1, sizeof(**texts));
    (*texts)[(*count)++] = mem_string(text);
}

void snapshot_add_path(struct snapshot *s, const char *path)
{
    text_add(&s->paths, &s->path_count, path);
}

void snapshot_add_tag(struct snapshot *s, const char *tag)
{
    text_add(&s->tags, &s->tag_count, tag);
}

void snapshot_add_incomplete(struct snapshot *s, const char *path, const char *error)
{
    s->incomplete = mem_resize(s->incomplete, s->incomplete_count + 1, sizeof(*s->incomplete));
    s->incomplete[s->incomplete_count++] =
        (struct incomplete){.path = mem_string(path), .error = mem_string(error)};
}

void snapshot_id_text(const struct hash *id, char out[65])
{
    hex_encode(SLICE_OF(id->bytes, HASH_SIZE), out);
}

/* Objects */

bool snapshot_load(struct repo *r, const struct hash *id, struct snapshot **out, struct err *e)
{
    AUTO(buf) struct buf plain = {0};
    struct snapshot *s = NULL;
    char key[OBJECT_KEY_MAX];

    object_key("snapshots", id, key);
    if (!document_get(r, CLASS_SNAPSHOT, key, &plain, e))
        return false;
    if (!snapshot_decode(buf_slice(&plain), &s, e))
        return err_wrap(e, "object %s", key);
    s->id = *id;
    *out = s;
    return true;
}

/* What is damaged cannot be counted on, and must not stop a backup either. */
static void damage_ignored(void *arg, const char *key, const struct err *why)
{
    (void)arg;
    (void)key;
    (void)why;
}

bool snapshot_number(struct repo *r, struct snapshot *s, struct err *e)
{
    const unsigned any =
        1U << SNAPSHOT_COMMITTED | 1U << SNAPSHOT_PREPARED | 1U << SNAPSHOT_FORGOTTEN;
    AUTO(snapshot_list) struct snapshot_list all = {0};

    if (!snapshot_load_all(r, any, damage_ignored, NULL, &all, e))
        return false;
    memcpy(s->writer, r->writer, sizeof(s->writer));
    s->seq = 1;
    s->has_prev = false;
    s->prev = (struct hash){0};
    for (size_t i = 0; i < all.count; i++) {
        const struct snapshot *other = all.items[i];

        if (memcmp(other->writer, r->writer, sizeof(r->writer)) != 0 || other->seq < s->seq)
            continue;
        s->seq = other->seq + 1;
        s->has_prev = true;
        s->prev = other->id;
    }
    return true;
}

/* A snapshot that no reader would take must not be written. */
static bool snapshot_read_back(struct slice plain, struct err *e)
{
    AUTO(snapshot) struct snapshot *again = NULL;
    struct err why = {0};

    return snapshot_decode(plain, &again, &why) ||
           err_set(e, ERR_USAGE, "the snapshot breaks a limit of the format: %s", why.text);
}

bool snapshot_put_numbered(struct repo *r, struct snapshot *s, struct err *e)
{
    AUTO(buf) struct buf plain = {0};

    return snapshot_encode(s, &plain, e) && snapshot_read_back(buf_slice(&plain), e) &&
           document_put_hashed(r, CLASS_SNAPSHOT, "snapshots", buf_slice(&plain), &s->id, e);
}

bool snapshot_put(struct repo *r, struct snapshot *s, struct err *e)
{
    struct snapshot numbered = *s; /* shares all that s owns */

    if (!snapshot_number(r, &numbered, e) || !snapshot_put_numbered(r, &numbered, e))
        return false;
    *s = numbered;
    return true;
}

/* The folder of a kind of mark. */
static const char *mark_folder(enum object_class class)
{
    assert(class == CLASS_COMMIT || class == CLASS_TOMBSTONE);
    return class == CLASS_COMMIT ? "commits" : "trash";
}

bool snapshot_mark_load(struct repo *r, enum object_class class, const struct hash *id,
                        json_t **out, struct err *e)
{
    AUTO(buf) struct buf plain = {0};
    AUTO(json) json_t *j = NULL;
    struct hash marked = {0};
    char key[OBJECT_KEY_MAX];

    object_key(mark_folder(class), id, key);
    if (!document_get(r, class, key, &plain, e))
        return false;
    if (!document_parse(buf_slice(&plain), &j, e) ||
        !json_take_hex(j, "snapshot", marked.bytes, HASH_SIZE, e))
        return err_wrap(e, "object %s", key);
    if (!hash_is_equal(&marked, id))
        return err_set(e, ERR_CORRUPT, "object %s: it is that of another snapshot", key);
    *out = TAKE(j);
    return true;
}

bool snapshot_mark_read(struct repo *r, enum object_class class, const struct hash *id,
                        struct err *e)
{
    AUTO(json) json_t *j = NULL;

    return snapshot_mark_load(r, class, id, &j, e);
}

/* Write a mark; one that is there already and authentic serves as well.  reason may be NULL. */
static bool mark_put(struct repo *r, enum object_class class, const struct hash *id,
                     const char *reason, struct err *e)
{
    AUTO(buf) struct buf plain = {0};
    char text[2 * HASH_SIZE + 1];
    char now[CLOCK_TEXT_MAX];
    char key[OBJECT_KEY_MAX];

    snapshot_id_text(id, text);
    clock_format(clock_now_ns(), now);
    object_key(mark_folder(class), id, key);

    AUTO(json)
    json_t *j = json_pack("{s:s, s:s, s:s*}", "snapshot", text, "time", now, "reason", reason);

    if (j == NULL)
        return err_set(e, ERR_USAGE, "the reason is not UTF-8");
    json_append(j, &plain);
    if (document_put(r, class, key, buf_slice(&plain), e))
        return true;
    return e->code == ERR_EXISTS && snapshot_mark_read(r, class, id, e);
}

/*
 * With the commit there: whoever forgot the prepared snapshot put the tombstone before a
 * collector removed the object, so in this order one of the two is seen.
 */
static bool commit_check(struct repo *r, const struct hash *id, struct err *e)
{
    bool is_forgotten = false;
    bool has_object = false;

    if (!object_exists(r, "trash", id, &is_forgotten, e) ||
        !object_exists(r, "snapshots", id, &has_object, e))
        return false;
    return (!is_forgotten && has_object) ||
           err_set(e, ERR_TRANSIENT, "the snapshot was forgotten before it was complete");
}

bool snapshot_commit(struct repo *r, const struct hash *id, struct err *e)
{
    return mark_put(r, CLASS_COMMIT, id, NULL, e) && commit_check(r, id, e);
}

bool snapshot_withdraw(struct repo *r, const struct hash *id, struct err *e)
{
    char key[OBJECT_KEY_MAX];
    bool is_committed = false;

    object_key("snapshots", id, key);
    if (!object_exists(r, "commits", id, &is_committed, e))
        return false;
    if (is_committed)
        return err_set(e, ERR_USAGE, "object %s is a committed snapshot and cannot be withdrawn",
                       key);
    return object_remove(r, key, e);
}

bool snapshot_forget(struct repo *r, const struct hash *id, const char *reason, struct err *e)
{
    char text[2 * HASH_SIZE + 1];
    bool is_committed = false;
    bool has_object = false;

    if (!object_exists(r, "commits", id, &is_committed, e) ||
        !object_exists(r, "snapshots", id, &has_object, e))
        return false;
    if (!is_committed && !has_object) {
        snapshot_id_text(id, text);
        return err_set(e, ERR_NOT_FOUND, "there is no snapshot %s", text);
    }
    return mark_put(r, CLASS_TOMBSTONE, id, reason, e);
}

/* Bringing back */

/* Why there is no tombstone.  Returns false. */
static bool tell_unforgotten(struct repo *r, const char *prefix, struct err *e)
{
    AUTO(key_list) struct key_list keys = {0};
    AUTO(buf) struct buf folder = {0};

    buf_printf(&folder, "commits/%s", prefix);
    if (!key_list_read(r, buf_string(&folder), &keys, e))
        return false;
    return keys.count > 0
               ? err_set(e, ERR_NOT_FOUND, "snapshot %s is not forgotten", prefix)
               : err_set(e, ERR_NOT_FOUND,
                         "there is no forgotten snapshot %s; what a prune has taken away does not "
                         "come back",
                         prefix);
}

/* The only tombstone whose id begins with the prefix. */
static bool tombstone_find(struct repo *r, const char *prefix, struct hash *out, struct err *e)
{
    AUTO(key_list) struct key_list keys = {0};
    AUTO(buf) struct buf folder = {0};
    size_t found = 0;

    if (!snapshot_prefix_check(prefix, 1, e))
        return false;
    buf_printf(&folder, "trash/%s", prefix);
    if (!key_list_read(r, buf_string(&folder), &keys, e))
        return false;
    for (size_t i = 0; i < keys.count; i++)
        found += key_hash(keys.items[i], out);
    if (found == 0)
        return tell_unforgotten(r, prefix, e);
    return found == 1 || err_set(e, ERR_USAGE, "several forgotten snapshots begin with %s", prefix);
}

bool snapshot_find_forgotten(struct repo *r, const char *id, const char *set, struct hash *out,
                             struct err *e)
{
    AUTO(snapshot) struct snapshot *s = NULL;
    struct hash found = {0};

    if (!tombstone_find(r, id, &found, e))
        return false;
    if (!snapshot_load(r, &found, &s, e))
        return e->code == ERR_NOT_FOUND
                   ? err_set(e, ERR_NOT_FOUND, "a prune has removed what it held")
                   : false;
    if (!snapshot_is_of_set(s, set) && !(set != NULL && snapshot_is_upload(s, set)))
        return err_set(e, ERR_NOT_FOUND, "there is no forgotten snapshot %s of set %s", id, set);
    *out = found;
    return true;
}

static bool collector_check(struct repo *r, struct err *e)
{
    AUTO(key_list) struct key_list lists = {0};

    if (!key_list_read(r, "condemned/", &lists, e))
        return false;
    return lists.count == 0 ||
           err_set(e, ERR_TRANSIENT,
                   "a prune is running or was interrupted (object %s); run prune to its end first",
                   lists.items[0]);
}

/* With the tombstone gone: is everything there, and will it stay? */
static bool return_check(struct repo *r, const struct hash *id, struct err *e)
{
    bool has_commit = false;
    bool has_object = false;

    if (!collector_check(r, e) || !object_exists(r, "commits", id, &has_commit, e) ||
        !object_exists(r, "snapshots", id, &has_object, e))
        return false;
    return (has_commit && has_object) ||
           err_set(e, ERR_NOT_FOUND, "a prune has removed what it held");
}

/*
 * A collector that lists snapshots after the tombstone went keeps the snapshot; one that did
 * so before has published its list by then, which return_check() sees.
 */
static bool tombstone_remove(struct repo *r, const struct hash *id, struct err *e)
{
    AUTO(buf) struct buf tombstone = {0};
    char key[OBJECT_KEY_MAX];
    struct err why = {0};

    object_key("trash", id, key);
    if (!collector_check(r, e) || !store_get_all(r->store, key, &tombstone, e))
        return false;
    if (object_remove(r, key, e) && return_check(r, id, e))
        return true;
    /* Also when the removal failed: it may have happened. */
    if ((!store_put(r->store, key, buf_slice(&tombstone), PUT_NEW, &why) &&
         why.code != ERR_EXISTS) ||
        !parity_put(r, key, buf_slice(&tombstone), &why))
        return err_set(e, ERR_FATAL, "%s; the tombstone cannot be put back, forget it again: %s",
                       e->text, why.text);
    return false;
}

bool snapshot_unforget(struct repo *r, const char *id, struct hash *done, struct err *e)
{
    struct hash found = {0};
    char text[2 * HASH_SIZE + 1];

    if (!tombstone_find(r, id, &found, e))
        return false;
    snapshot_id_text(&found, text);
    if (!tombstone_remove(r, &found, e))
        return err_wrap(e, "snapshot %s", text);
    *done = found;
    return true;
}
