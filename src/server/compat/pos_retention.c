/* Retention on request: a job for each configuration, and waiting for all of them. */
#include <string.h>

#include "base/clock.h"
#include "server/compat/pos_private.h"

static const char what[] = "Failed to apply retention policies";

/* Configurations whose rules are applied. */
struct sweep {
    const struct request *r;
    struct arena arena; /* of the answers */
    const char **configs;
    char (*jobs)[CATALOG_ID_SIZE];
    size_t count;
};

/* What runs already does what is asked for. */
static bool queue_one(struct catalog_tx *t, struct sweep *s, const char *id, struct err *e)
{
    const struct order o = {.r = s->r,
                            .kind = RUN_RETENTION,
                            .set = id,
                            .config = id,
                            .arguments = "{}",
                            .action = "retention",
                            .object = id};
    AUTO(arena) struct arena a = {0};
    struct catalog_job_ids ids;
    struct catalog_set set;
    bool found = false;

    if (!catalog_set_get(t, id, &a, &set, e))
        return false;
    if (set.success_ns == 0) /* there is nothing, and perhaps no repository */
        return true;
    if (!order_find(t, &o, s->jobs[s->count], &found, e))
        return false;
    if (!found) {
        if (!order_queue(t, &o, &ids, e))
            return false;
        memcpy(s->jobs[s->count], ids.job, CATALOG_ID_SIZE);
    }
    s->configs[s->count++] = arena_string(&s->arena, slice_string(id));
    return true;
}

static bool queue_all(struct catalog_tx *t, void *arg, struct err *e)
{
    struct sweep *s = arg;
    AUTO(arena) struct arena a = {0};
    struct catalog_config_list list = {0};

    if (!catalog_config_list(t, &a, &list, e))
        return false;
    s->count = 0;
    s->configs = arena_take(&s->arena, list.count * sizeof(*s->configs));
    s->jobs = arena_take(&s->arena, list.count * sizeof(*s->jobs));
    for (size_t i = 0; i < list.count; i++)
        if (!queue_one(t, s, list.items[i].id, e))
            return false;
    return true;
}

/* Wait for one; true when there is more to do, false after answering. */
static bool await_one(struct request *r, const struct sweep *s, size_t i, int64_t until_ns,
                      json_t *paused)
{
    const struct order_wait wait = {.job = s->jobs[i], .until_ns = until_ns, .what = what};
    AUTO(arena) struct arena a = {0};
    struct catalog_run run;

    if (!order_await(r, &wait, &a, &run))
        return false;
    if (run.outcome.state == RUN_SKIPPED)
        (void)json_array_append_new(paused, json_string(s->configs[i]));
    if (run.outcome.state == RUN_SUCCESS || run.outcome.state == RUN_SKIPPED)
        return true;
    reply_json(r, 500,
               json_pack("{s:s, s:o}", "error", what, "details",
                         json_sprintf("%s: %s", s->configs[i], order_run_error(&run))));
    return false;
}

static void answer(struct request *r, const struct sweep *s)
{
    const int64_t until_ns = clock_monotonic_ns() + ORDER_WAIT_NS;
    json_t *paused = json_array();
    json_t *done;

    for (size_t i = 0; i < s->count; i++)
        if (!await_one(r, s, i, until_ns, paused)) {
            json_decref(paused);
            return;
        }
    done =
        json_pack("{s:b, s:s}", "success", 1, "message", "Retention policies applied successfully");
    if (json_array_size(paused) > 0)
        (void)json_object_set(done, "paused", paused);
    json_decref(paused);
    reply_json(r, 200, done);
}

void pos_retention_apply(struct request *r)
{
    static const struct field table[] = {{0}};
    const struct service *service = request_app(r);
    struct sweep s = {.r = r};
    const json_t *body;
    struct err e;

    if (!pos_reply_body(r, table, &body))
        return;
    if (catalog_write(service->catalog, queue_all, &s, &e))
        answer(r, &s);
    else
        order_reply_failure(r, what, &e);
    arena_done(&s.arena);
}
