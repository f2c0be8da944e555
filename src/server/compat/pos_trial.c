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
    const struct request *r;
    const char *id, *arguments;
    struct catalog_job_ids ids; /* answer */
};

static bool queue_trial(struct catalog_tx *t, void *arg, struct err *e)
{
    struct trial *g = arg;
    const struct order o = {.r = g->r,
                            .kind = RUN_CHECK,
                            .set = POS_TRIAL_SET,
                            .arguments = g->arguments,
                            .action = "config.test",
                            .object = g->id};

    return order_queue(t, &o, &g->ids, e);
}

static void refuse(struct request *r, const struct err *e)
{
    if (e->code == ERR_USAGE)
        order_reply_error(r, 400, e->text);
    else
        order_reply_failure(r, what, e);
}

static void answer(struct request *r, const char *job)
{
    const struct order_wait wait = {
        .job = job, .until_ns = clock_monotonic_ns() + ORDER_WAIT_NS, .what = what};
    AUTO(arena) struct arena a = {0};
    struct catalog_run run;

    if (!order_await(r, &wait, &a, &run))
        return;
    if (run.outcome.state == RUN_SUCCESS)
        pos_reply_done(r, "Backup configuration test passed");
    else
        order_reply_run(r, what, &run);
}

void pos_trial_test(struct request *r)
{
    const struct service *s = request_app(r);
    AUTO(pos_config) struct pos_config *c = NULL;
    AUTO(json) json_t *arguments = NULL;
    AUTO(buf) struct buf document = {0};
    AUTO(buf) struct buf text = {0};
    struct trial g = {.r = r, .id = "new"};
    struct err e;

    if (!pos_config_parse(request_body(r), POS_TEST, &c, &e)) {
        order_reply_error(r, 400, e.text);
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
    if (catalog_write(s->catalog, queue_trial, &g, &e))
        answer(r, g.ids.job);
    else
        refuse(r, &e);
}
