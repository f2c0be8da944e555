/*
 * Trying a configuration before it is saved: a job connects to its database, looks at its folders
 * and writes to its destinations, and keeps nothing.
 */
#include "base/clock.h"
#include "codec/json.h"
#include "codec/pos_config.h"
#include "server/compat/pos_private.h"

static const char what[] = "Failed to test backup configuration";

/* What saving asks for and testing does not, where it is missing. */
static void complete(const struct pos_config *c, struct buf *out)
{
    AUTO(json) json_t *j = json_deep_copy(c->document);

    if (c->id == NULL)
        (void)json_object_set_new(j, "id", json_string("configuration-on-trial"));
    if (c->schedule == NULL)
        (void)json_object_set_new(j, "schedule", json_string("0 0 * * *"));
    if (c->daily == 0 && c->weekly == 0 && c->monthly == 0)
        (void)json_object_set_new(
            j, "retention", json_pack("{s:i, s:i, s:i}", "daily", 1, "weekly", 0, "monthly", 0));
    json_append(j, out);
}

struct trial {
    const char *id, *arguments;
    char actor[POS_ACTOR_MAX];
    struct catalog_job_ids ids; /* answer */
};

static bool queue_trial(struct catalog_tx *t, void *arg, struct err *e)
{
    struct trial *g = arg;
    const struct pos_order o = {.kind = RUN_CHECK,
                                .set = POS_TRIAL_SET,
                                .arguments = g->arguments,
                                .actor = g->actor,
                                .action = "config.test",
                                .object = g->id};

    return pos_order_queue(t, &o, &g->ids, e);
}

static void refuse(struct request *r, const struct err *e)
{
    if (e->code == ERR_USAGE)
        pos_reply_error(r, 400, e->text);
    else
        pos_reply_failure(r, what, e);
}

static void answer(struct request *r, const char *job)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_run run;
    struct err e;

    switch (pos_order_await(r, job, clock_monotonic_ns() + POS_ORDER_WAIT_NS, &a, &run, &e)) {
    case POS_LATER:
        pos_reply_later(r, job, NULL);
        return;
    case POS_LOST:
        pos_reply_failure(r, what, &e);
        return;
    case POS_ENDED:
        break;
    }
    if (run.outcome.state == RUN_SUCCESS)
        pos_reply_done(r, "Backup configuration test passed");
    else
        reply_json(r, 500,
                   json_pack("{s:s, s:s}", "error", what, "details",
                             run.outcome.error != NULL
                                 ? run.outcome.error
                                 : catalog_run_state_name(run.outcome.state)));
}

void pos_trial_test(struct request *r)
{
    const struct service *s = request_app(r);
    AUTO(pos_config) struct pos_config *c = NULL;
    AUTO(json) json_t *arguments = NULL;
    AUTO(buf) struct buf document = {0};
    AUTO(buf) struct buf text = {0};
    struct trial g = {.id = "new"};
    struct err e;

    if (!pos_config_parse(request_body(r), POS_TEST, &c, &e)) {
        pos_reply_error(r, 400, e.text);
        return;
    }
    if (c->id != NULL)
        g.id = c->id;
    complete(c, &document);
    if (s->check_config != NULL && !s->check_config(s->arg, buf_string(&document), &e)) {
        refuse(r, &e);
        return;
    }
    arguments = json_pack("{s:s}", "document", buf_string(&document));
    json_append(arguments, &text);
    g.arguments = buf_string(&text);
    pos_order_actor(r, g.actor);
    if (catalog_write(s->catalog, queue_trial, &g, &e))
        answer(r, g.ids.job);
    else
        refuse(r, &e);
}
