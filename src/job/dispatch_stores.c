#include "job/dispatch_stores.h"

#include <string.h>

#include "base/clock.h"
#include "codec/json.h"

enum { EPOCHS_TOLD = 100 };

static bool put_up(struct catalog_tx *t, const char *name, int64_t snapshots, struct err *e)
{
    return catalog_store_put(t,
                             &(struct catalog_store){.name = name,
                                                     .state = CATALOG_STORE_UP,
                                                     .seen_ns = catalog_tx_now(t),
                                                     .bytes = -1,
                                                     .snapshots = snapshots},
                             e);
}

/* One that took the snapshot first and failed later has answered. */
static bool put_down(struct catalog_tx *t, const char *name, const char *why, bool has_answered,
                     struct err *e)
{
    return catalog_store_put(
        t,
        &(struct catalog_store){.name = name,
                                .state = CATALOG_STORE_DOWN,
                                .seen_ns = has_answered ? catalog_tx_now(t) : 0,
                                .bytes = -1,
                                .snapshots = -1,
                                .error = why},
        e);
}

static const char *name_in(const struct config_set *set, const char *name)
{
    for (size_t i = 0; name != NULL && i < set->repository_count; i++)
        if (strcmp(set->repositories[i]->name, name) == 0)
            return set->repositories[i]->name;
    return NULL;
}

/* Of several: what the result says of each. */
static bool put_each(struct catalog_tx *t, const struct config_set *set, const struct child_job *j,
                     const json_t *list, struct err *e)
{
    const json_t *one;
    size_t i;

    json_array_foreach(list, i, one)
    {
        const char *name = name_in(set, json_string_value(json_object_get(one, "name")));
        const char *why = json_string_value(json_object_get(one, "error"));
        const bool has_it = json_object_get(one, "snapshot_id") != NULL;

        if (name == NULL)
            continue;
        if (why != NULL && !put_down(t, name, why, has_it, e))
            return false;
        /* A copy reads what there is in each. */
        if (why == NULL && (has_it || j->verb == CHILD_COPY) && !put_up(t, name, -1, e))
            return false;
    }
    return true;
}

/* The one repository that the job is about; NULL: there are several. */
static const char *only_one(const struct config_set *set, const struct child_job *j)
{
    const char *named = json_string_value(json_object_get(j->arguments, "repository"));

    if (named != NULL)
        return name_in(set, named);
    return set->repository_count == 1 ? set->repositories[0]->name : NULL;
}

/* Whether the end of the job means that the repository was open. */
static bool was_open(const struct child_job *j, const struct child_outcome *o)
{
    return j->verb != CHILD_UNDO && o->result != NULL &&
           (o->state == CHILD_SUCCEEDED || o->state == CHILD_INCOMPLETE);
}

/* What a check has found: damage, or none in what it read, which may be everything. */
static bool put_checked(struct catalog_tx *t, const char *name, const struct child_outcome *o,
                        struct err *e)
{
    const char *id = json_string_value(json_object_get(o->result, "repository"));
    const char *began = json_string_value(json_object_get(o->result, "began"));
    int64_t began_ns = 0;
    struct err ignored; /* what cannot be read verifies nothing */

    if (json_integer_value(json_object_get(o->result, "num_errors")) > 0)
        return catalog_store_verify(t, name, NULL, 0, e);
    if (o->state != CHILD_SUCCEEDED || id == NULL || began == NULL ||
        !clock_parse(began, &began_ns, &ignored))
        return true;
    return catalog_store_check(t, name, began_ns, e) &&
           (!dispatch_verified(o) || catalog_store_verify(t, name, id, began_ns, e));
}

/* What a measuring of epochs has to say, by the names that the command has for it. */
static const char *const left_names[] = {
    "epoch",        "packs_left",     "bytes_left",          "index_objects_left",
    "records_left", "snapshots_left", "packs_left_in_trash", "bytes_left_in_trash",
    "unreadable",   "keys_past",      "keys_unfinished",     NULL,
};
static const char *const epoch_names[] = {
    "epoch",          "keys",           "packs",     "pack_bytes", "index_objects",
    "packs_in_trash", "bytes_in_trash", "snapshots", "records",    NULL,
};

/* The numbers of these names, or NULL: one is missing, or is none. */
static json_t *take_numbers(const json_t *from, const char *const *names)
{
    AUTO(json) json_t *out = json_object();

    for (size_t i = 0; names[i] != NULL; i++) {
        const json_t *n = json_object_get(from, names[i]);

        if (!json_is_integer(n) || json_integer_value(n) < 0)
            return NULL;
        (void)json_object_set_new(out, names[i], json_integer(json_integer_value(n)));
    }
    return TAKE(out);
}

/* Of the newest epochs, for there may be many. */
static json_t *take_epochs(const json_t *list)
{
    AUTO(json) json_t *out = json_array();
    const size_t count = json_array_size(list);

    for (size_t i = count > EPOCHS_TOLD ? count - EPOCHS_TOLD : 0; i < count; i++) {
        json_t *one = take_numbers(json_array_get(list, i), epoch_names);

        if (one == NULL)
            return NULL;
        (void)json_array_append_new(out, one);
    }
    return count > 0 ? TAKE(out) : NULL;
}

/* What is left of which epoch of the keys; a result that does not say so in full says nothing. */
static bool put_keys(struct catalog_tx *t, const char *name, const struct child_outcome *o,
                     struct err *e)
{
    AUTO(json) json_t *left = take_numbers(o->result, left_names);
    AUTO(json) json_t *epochs = take_epochs(json_object_get(o->result, "epochs"));
    AUTO(buf) struct buf text = {0};

    if (left == NULL || epochs == NULL)
        return true;
    (void)json_object_set(left, "epochs", epochs);
    json_append(left, &text);
    return catalog_store_keys(t, name, buf_string(&text), e);
}

bool dispatch_verified(const struct child_outcome *o)
{
    return o->state == CHILD_SUCCEEDED && json_is_true(json_object_get(o->result, "read_all"));
}

bool dispatch_stores(struct catalog_tx *t, const struct config_set *set, const struct child_job *j,
                     const struct child_outcome *o, struct err *e)
{
    const json_t *list = json_object_get(o->result, "repositories");
    const json_t *snapshots = json_object_get(o->result, "snapshots");
    const char *name;

    if (set == NULL)
        return true;
    if (json_is_array(list))
        return put_each(t, set, j, list, e);
    name = only_one(set, j);
    if (name == NULL)
        return true;
    if (was_open(j, o) &&
        !put_up(t, name,
                j->verb == CHILD_CHECK && json_is_integer(snapshots) ? json_integer_value(snapshots)
                                                                     : -1,
                e))
        return false;
    if (j->verb == CHILD_CHECK && !put_checked(t, name, o, e))
        return false;
    if (j->verb == CHILD_REENCRYPT && was_open(j, o) && !put_keys(t, name, o, e))
        return false;
    if (o->state == CHILD_FAILED && o->is_opening)
        return put_down(t, name, o->why.text, false, e);
    return true;
}
