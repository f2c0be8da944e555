/* Snapshots in a repository in memory, as several tests need them. */
#ifndef TESTS_REPO_SNAPSHOTS_H
#define TESTS_REPO_SNAPSHOTS_H

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "repo/snapshot.h"
#include "support/test.h"

#define ANY (1U << SNAPSHOT_COMMITTED | 1U << SNAPSHOT_PREPARED | 1U << SNAPSHOT_FORGOTTEN)

static const uint8_t snapshots_secret[32] = {1, 2, 3};
static const struct unlock snapshots_unlock = {UNLOCK_KEY_FILE, {snapshots_secret, 32}};

static inline struct repo *repo_in(struct store *s)
{
    struct repo *r = NULL;

    CHECK_OK(repo_create(s, &snapshots_unlock, "", &r, e));
    return r;
}

/* A snapshot of a moment, not written. */
static inline struct snapshot *sample(int64_t time_s)
{
    struct snapshot *s = snapshot_new();

    s->time_ns = s->scan_started_ns = time_s * NS_PER_S;
    s->host = mem_string("db1");
    s->user = mem_string("root");
    s->program = mem_string("holdfast 0.1.0");
    snapshot_add_path(s, "/etc");
    return s;
}

static inline struct hash prepared(struct repo *r, int64_t time_s)
{
    AUTO(snapshot) struct snapshot *s = sample(time_s);

    CHECK_OK(snapshot_put(r, s, e));
    return s->id;
}

static inline struct hash committed(struct repo *r, int64_t time_s)
{
    const struct hash id = prepared(r, time_s);

    CHECK_OK(snapshot_commit(r, &id, e));
    return id;
}

static inline struct hash forgotten(struct repo *r, int64_t time_s)
{
    const struct hash id = committed(r, time_s);

    CHECK_OK(snapshot_forget(r, &id, "test", e));
    return id;
}

struct id_text {
    char text[65];
};

static inline struct id_text text_of(const struct hash *id)
{
    struct id_text t;

    snapshot_id_text(id, t.text);
    return t;
}

static inline bool has(struct repo *r, const char *folder, const struct hash *id)
{
    bool found = false;

    CHECK_OK(object_exists(r, folder, id, &found, e));
    return found;
}

static inline void object_remove(struct repo *r, const char *folder, const struct hash *id)
{
    char key[OBJECT_KEY_MAX];

    object_key(folder, id, key);
    CHECK_OK(store_remove(r->store, key, e));
}

static inline void object_spoil(struct repo *r, const char *folder, const struct hash *id)
{
    char key[OBJECT_KEY_MAX];

    object_key(folder, id, key);
    CHECK_OK(store_put(r->store, key, slice_string("rubbish"), PUT_REPLACE, e));
}

/* How many snapshots there are in the states of the mask, nothing being damaged. */
static inline size_t count_of(struct repo *r, unsigned mask)
{
    AUTO(snapshot_list) struct snapshot_list l = {0};

    CHECK_OK(snapshot_load_all(r, mask, NULL, NULL, &l, e));
    return l.count;
}

#endif
