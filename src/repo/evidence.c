/*
 * Evidence: what a drill of a snapshot found, kept beside the snapshot.
 *
 *     drills/<snapshot id>-<random, 16 hex digits>    {"snapshot": id, "time": time, ...}
 *
 * The members behind those two are the drill's; here they are only carried.
 */
#include <string.h>

#include "base/text.h"
#include "codec/random.h"
#include "repo/object.h"

#define FOLDER "drills/"

enum {
    ID_DIGITS = 2 * HASH_SIZE,
    RANDOM_SIZE = 8,
};

/* The snapshot that a key names; false for no such key. */
bool evidence_key_parse(const char *key, struct hash *snapshot)
{
    const size_t folder = strlen(FOLDER);
    char text[ID_DIGITS + 1] = "";
    uint8_t random[RANDOM_SIZE];

    if (strncmp(key, FOLDER, folder) != 0 || strlen(key) <= folder + ID_DIGITS ||
        key[folder + ID_DIGITS] != '-' ||
        !hex_decode(key + folder + ID_DIGITS + 1, random, sizeof(random)))
        return false;
    memcpy(text, key + folder, ID_DIGITS);
    return hex_decode(text, snapshot->bytes, HASH_SIZE);
}

/* What a document must say: the snapshot that its key names, and a time. */
static bool check_document(const json_t *j, const struct hash *snapshot, int64_t *time_ns,
                           struct err *e)
{
    struct hash said;

    if (!json_take_hex(j, "snapshot", said.bytes, HASH_SIZE, e) ||
        !json_take_time(j, "time", time_ns, e))
        return false;
    return hash_is_equal(&said, snapshot) ||
           err_set(e, ERR_CORRUPT, "it is that of another snapshot");
}

bool evidence_put(struct repo *r, const struct hash *snapshot, struct slice json, struct err *e)
{
    AUTO(buf) struct buf key = {0};
    AUTO(json) json_t *j = NULL;
    char id[ID_DIGITS + 1], random_text[2 * RANDOM_SIZE + 1];
    uint8_t random[RANDOM_SIZE];
    int64_t time_ns;

    if (!document_parse(json, &j, e) || !check_document(j, snapshot, &time_ns, e))
        return err_wrap(e, "evidence of a drill");
    random_bytes(random, sizeof(random));
    hex_encode(SLICE_OF(random, sizeof(random)), random_text);
    hex_encode(SLICE_OF(snapshot->bytes, HASH_SIZE), id);
    buf_printf(&key, FOLDER "%s-%s", id, random_text);
    return document_put(r, CLASS_EVIDENCE, buf_string(&key), json, e);
}

bool evidence_get(struct repo *r, const char *key, struct buf *json, int64_t *time_ns,
                  struct err *e)
{
    AUTO(buf) struct buf plain = {0};
    AUTO(json) json_t *j = NULL;
    struct hash snapshot;

    if (!evidence_key_parse(key, &snapshot))
        return err_set(e, ERR_USAGE, "%s is no evidence of a drill", key);
    if (!document_get(r, CLASS_EVIDENCE, key, &plain, e))
        return false;
    if (!document_parse(buf_slice(&plain), &j, e) || !check_document(j, &snapshot, time_ns, e))
        return err_wrap(e, "object %s", key);
    buf_append_slice(json, buf_slice(&plain));
    return true;
}

/* Whether a failure is about this piece alone, and somebody was told of it. */
static bool forgive(damaged_fn *damaged, void *arg, const char *key, const struct err *why)
{
    if (damaged == NULL || why->code != ERR_CORRUPT)
        return false;
    damaged(arg, key, why);
    return true;
}

/* snapshot NULL: of all; damaged NULL: the first damaged piece ends it. */
static bool each(struct repo *r, const struct hash *snapshot, const struct evidence_visit *v,
                 struct err *e)
{
    AUTO(key_list) struct key_list keys = {0};

    if (!key_list_read(r, FOLDER, &keys, e))
        return false;
    for (size_t i = 0; i < keys.count; i++) {
        AUTO(buf) struct buf json = {0};
        struct hash of;
        int64_t time_ns;

        if (!evidence_key_parse(keys.items[i], &of) ||
            (snapshot != NULL && !hash_is_equal(&of, snapshot)))
            continue;
        /* One that a collector took meanwhile went with its snapshot. */
        if (!evidence_get(r, keys.items[i], &json, &time_ns, e)) {
            if (e->code == ERR_NOT_FOUND || forgive(v->damaged, v->arg, keys.items[i], e))
                continue;
            return false;
        }
        if (!v->fn(v->arg, &of, time_ns, buf_slice(&json), e))
            return false;
    }
    return true;
}

bool evidence_each(struct repo *r, const struct hash *snapshot, evidence_fn *fn, void *arg,
                   struct err *e)
{
    return each(r, snapshot, &(struct evidence_visit){.fn = fn, .arg = arg}, e);
}

bool evidence_load_all(struct repo *r, const struct evidence_visit *v, struct err *e)
{
    return each(r, NULL, v, e);
}
