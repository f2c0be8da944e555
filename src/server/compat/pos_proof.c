/*
 * Whether a backup can be brought back, and bringing it back.
 *
 * The published service compared a checksum that anybody could have made anew.  Here a backup is
 * verified by a drill: its snapshot is restored in scratch space and compared with what was noted
 * when it was made.
 */
#include <string.h>

#include "base/clock.h"
#include "server/compat/pos_private.h"
#include "server/once.h"

#define RECENT_NS (INT64_C(3600) * 1000000000) /* a verification counts so long for a restore */
#define LOOK_BACK 50                           /* drills of a set that are looked through for it */

/* A backup that is to be proven. */
struct proof {
    struct request *r;
    const struct service *service;
    const char *id;        /* as it was asked for */
    bool is_recent_enough; /* a verification that has just been made will do */

    struct arena arena; /* of the answers */
    bool is_unknown;    /* no backup of this id, or one that has made nothing */
    struct catalog_run run;
    const char *arguments; /* of the drill */
    bool is_settled;       /* by a recent verification: is_valid says how */
    bool is_valid;
    char job[CATALOG_ID_SIZE]; /* of the drill, unless is_settled */
};

static const char *arguments_of(json_t *object, struct arena *a)
{
    AUTO(buf) struct buf text = {0};
    AUTO(json) json_t *j = object;

    json_append(j, &text);
    return arena_string(a, buf_slice(&text));
}

static bool find_backup(struct catalog_tx *t, struct proof *p, struct err *e)
{
    struct err none;

    p->is_unknown = !catalog_run_get(t, p->id, &p->arena, &p->run, &none);
    if (p->is_unknown && none.code != ERR_NOT_FOUND) {
        *e = none;
        p->is_unknown = false;
        return false;
    }
    if (!p->is_unknown)
        p->is_unknown = p->run.kind != RUN_BACKUP || p->run.outcome.snapshot == NULL ||
                        !catalog_run_state_is_final(p->run.outcome.state);
    return !p->is_unknown || err_set(e, ERR_NOT_FOUND, "no such backup");
}

/* What the newest drill of this snapshot within the time said. */
static bool find_verdict(struct catalog_tx *t, struct proof *p, struct err *e)
{
    const struct catalog_run_filter f = {.set = p->run.set,
                                         .kind = RUN_DRILL,
                                         .state = -1,
                                         .from_ns = catalog_tx_now(t) - RECENT_NS,
                                         .is_ended = true};
    const struct catalog_page page = {.limit = LOOK_BACK};
    AUTO(arena) struct arena a = {0};
    struct catalog_run_list runs = {0};

    if (!catalog_run_list(t, &f, &page, &a, &runs, e))
        return false;
    for (size_t i = 0; i < runs.count && !p->is_settled; i++) {
        const struct catalog_run *run = &runs.items[i];
        struct catalog_job j;

        if (run->job == NULL || run->outcome.verdict == NULL)
            continue;
        if (!catalog_job_get(t, run->job, &a, &j, e))
            return false;
        p->is_settled = strcmp(j.arguments, p->arguments) == 0;
        p->is_valid = strcmp(run->outcome.verdict, "proven") == 0;
    }
    return true;
}

/* One verification of a backup at a time: whoever comes second waits for the same. */
static bool begin_proof(struct catalog_tx *t, void *arg, struct err *e)
{
    struct proof *p = arg;
    struct catalog_job_ids ids;
    bool found = false;

    p->is_settled = false;
    if (!find_backup(t, p, e))
        return false;
    p->arguments = arguments_of(json_pack("{s:s}", "snapshot", p->run.outcome.snapshot), &p->arena);

    const struct order o = {.r = p->r,
                            .kind = RUN_DRILL,
                            .set = p->run.set,
                            .config = p->run.config,
                            .arguments = p->arguments,
                            .action = "verify",
                            .object = p->id};

    if (p->is_recent_enough && !find_verdict(t, p, e))
        return false;
    if (p->is_settled)
        return true;
    if (!order_find(t, &o, p->job, &found, e))
        return false;
    if (found)
        return true;
    if (!order_queue(t, &o, &ids, e))
        return false;
    memcpy(p->job, ids.job, sizeof(p->job));
    return true;
}

enum proven {
    PROVEN_VALID,
    PROVEN_INVALID,
    PROVEN_ANSWERED, /* neither is known, and the client was told */
};

/* is_unknown counts as invalid, as published. */
static enum proven prove(struct proof *p, const char *what, int64_t until_ns)
{
    AUTO(json)
    json_t *more =
        json_pack("{s:s, s:s}", "backupId", p->id, "message", "The backup is being verified");
    const struct order_wait wait = {
        .job = p->job, .until_ns = until_ns, .what = what, .more = more};
    struct catalog_run run;
    struct err e;

    if (!catalog_write(p->service->catalog, begin_proof, p, &e)) {
        if (p->is_unknown)
            return PROVEN_INVALID;
        order_reply_failure(p->r, what, &e);
        return PROVEN_ANSWERED;
    }
    if (p->is_settled)
        return p->is_valid ? PROVEN_VALID : PROVEN_INVALID;
    if (!order_await(p->r, &wait, &p->arena, &run))
        return PROVEN_ANSWERED;
    if (run.outcome.verdict != NULL)
        return strcmp(run.outcome.verdict, "proven") == 0 ? PROVEN_VALID : PROVEN_INVALID;
    /* The drill could not be held: that says nothing of the backup. */
    reply_json(p->r, 500,
               json_pack("{s:s, s:s}", "error", what, "details",
                         run.outcome.error != NULL ? run.outcome.error : "The drill was not held"));
    return PROVEN_ANSWERED;
}

void pos_proof_verify(struct request *r)
{
    static const struct field table[] = {{0}};
    struct proof p = {.r = r, .service = request_app(r), .id = request_parameter(r, "backupId")};
    enum proven proven;
    const json_t *body;

    if (!pos_reply_body(r, table, &body))
        return;
    proven = prove(&p, "Failed to verify backup", clock_monotonic_ns() + ORDER_WAIT_NS);
    if (proven != PROVEN_ANSWERED)
        reply_json(r, 200,
                   json_pack("{s:s, s:b, s:s}", "backupId", p.id, "isValid", proven == PROVEN_VALID,
                             "message",
                             proven == PROVEN_VALID ? "Backup integrity verified"
                                                    : "Backup integrity check failed"));
    arena_done(&p.arena);
}

/* Restoring */

struct restore {
    const struct proof *proof;
    const char *set; /* whose places it goes to */
    bool is_double;  /* answer: another one is under way there */
    struct catalog_job_ids ids;
};

static bool begin_restore(struct catalog_tx *t, void *arg, struct err *e)
{
    struct restore *g = arg;
    const struct proof *p = g->proof;
    AUTO(arena) struct arena a = {0};
    AUTO(json) json_t *answer = NULL;
    struct order o = {.r = p->r,
                      .kind = RUN_RESTORE,
                      .set = g->set,
                      .config = p->run.config,
                      .action = "restore",
                      .object = p->id};
    char other[CATALOG_ID_SIZE];

    if (!order_find(t, &o, other, &g->is_double, e))
        return false;
    if (g->is_double)
        return err_set(e, ERR_EXISTS, "a restore is under way");
    o.arguments = arguments_of(
        json_pack("{s:s, s:b}", "snapshot", p->run.outcome.snapshot, "in_place", 1), &a);
    if (!order_queue(t, &o, &g->ids, e))
        return false;
    answer = order_reply_job(g->ids.job, NULL);
    return once_keep(t, p->r, 202, answer, e);
}

static void restore(struct request *r, struct restore *g, int64_t until_ns)
{
    static const char what[] = "Failed to restore backup";
    const struct order_wait wait = {.job = g->ids.job, .until_ns = until_ns, .what = what};
    AUTO(arena) struct arena a = {0};
    struct catalog_run run;
    struct err e;

    if (!catalog_write(g->proof->service->catalog, begin_restore, g, &e)) {
        if (g->is_double)
            order_reply_error(r, 409, "A restore to this environment is under way");
        else
            order_reply_failure(r, what, &e);
        return;
    }
    if (!order_await(r, &wait, &a, &run))
        return;
    if (run.outcome.state == RUN_SUCCESS)
        pos_reply_done(r, "Restore completed successfully");
    else
        order_reply_run(r, what, &run);
}

void pos_proof_restore(struct request *r)
{
    static const struct field table[] = {{"targetEnvironment", FIELD_TEXT, FIELD_NULLABLE, 1, 200},
                                         {0}};
    struct proof p = {.r = r,
                      .service = request_app(r),
                      .id = request_parameter(r, "backupId"),
                      .is_recent_enough = true};
    const int64_t until_ns = clock_monotonic_ns() + ORDER_WAIT_NS;
    struct restore g = {.proof = &p};
    AUTO(arena) struct arena a = {0};
    struct service_set known;
    const json_t *body;

    if (!pos_reply_body(r, table, &body))
        return;
    g.set = json_string_value(json_object_get(body, "targetEnvironment"));
    if (g.set != NULL && !service_look_set(p.service, g.set, &a, &known)) {
        order_reply_error(r, 400, "targetEnvironment: there is no such environment");
        return;
    }
    switch (prove(&p, "Failed to restore backup", until_ns)) {
    case PROVEN_VALID:
        if (g.set == NULL)
            g.set = p.run.set;
        restore(r, &g, until_ns);
        break;
    case PROVEN_INVALID:
        order_reply_error(r, 400, "Backup integrity check failed. Cannot restore.");
        break;
    case PROVEN_ANSWERED:
        once_forget(r); /* nothing is restored yet: the client asks again */
        break;
    }
    arena_done(&p.arena);
}
