/* Figures of the catalog for /metrics.  Kept for a while, since several may ask for them. */
#include "server/api_metrics.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"

#define KEPT_NS (10 * NS_PER_S)

struct api_metrics {
    struct service *service;
    pthread_mutex_t lock; /* guards what follows */
    struct buf text;
    int64_t made_ns; /* 0: never */
};

struct api_metrics *api_metrics_new(struct service *s)
{
    struct api_metrics *m = mem_new(sizeof(*m));

    m->service = s;
    (void)pthread_mutex_init(&m->lock, NULL);
    return m;
}

void api_metrics_free(struct api_metrics *m)
{
    if (m == NULL)
        return;
    buf_done(&m->text);
    (void)pthread_mutex_destroy(&m->lock);
    mem_free(m);
}

static bool put_runs(struct metrics *m, struct catalog_tx *t, const struct principal *who,
                     struct err *e)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_run_tally_list tally = {0};

    if (!catalog_run_tally(t, &a, &tally, e))
        return false;
    metrics_family(m, "holdfast_runs", METRIC_GAUGE, "Runs that the catalog remembers");
    for (size_t i = 0; i < tally.count; i++) {
        const struct catalog_run_tally *x = &tally.items[i];
        const struct metric_label labels[] = {{"set", x->set},
                                              {"kind", catalog_run_kind_name(x->kind)},
                                              {"state", catalog_run_state_name(x->state)}};

        if (principal_has_set(who, x->set))
            metrics_sample(m, labels, 3, (double)x->runs);
    }
    return true;
}

/* One family of all sets: seconds since a time, left out where it never was. */
static void put_age(struct metrics *m, const struct catalog_set_list *sets, size_t member,
                    int64_t now_ns, const char *name, const char *help)
{
    metrics_family(m, name, METRIC_GAUGE, help);
    for (size_t i = 0; i < sets->count; i++) {
        const struct catalog_set *s = &sets->items[i];
        const struct metric_label label = {"set", s->name};
        const int64_t at_ns = *(const int64_t *)(const void *)((const char *)s + member);

        if (at_ns > 0)
            metrics_sample(m, &label, 1, (double)(now_ns - at_ns) / (double)NS_PER_S);
    }
}

/* Keep of the list what somebody may hear of. */
static void keep_sets(struct catalog_set_list *sets, const struct principal *who)
{
    size_t kept = 0;

    for (size_t i = 0; i < sets->count; i++)
        if (principal_has_set(who, sets->items[i].name))
            sets->items[kept++] = sets->items[i];
    sets->count = kept;
}

static bool put_sets(struct metrics *m, struct catalog_tx *t, const struct principal *who,
                     struct err *e)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_set_list sets = {0};
    const int64_t now_ns = catalog_tx_now(t);

    if (!catalog_set_list(t, &a, &sets, e))
        return false;
    keep_sets(&sets, who);
    put_age(m, &sets, offsetof(struct catalog_set, success_ns), now_ns,
            "holdfast_set_success_age_seconds", "Since the last backup that succeeded");
    put_age(m, &sets, offsetof(struct catalog_set, proven_ns), now_ns,
            "holdfast_set_proof_age_seconds", "Since the last drill that proved a snapshot");
    metrics_family(m, "holdfast_set_failures", METRIC_GAUGE, "Failures since the last success");
    for (size_t i = 0; i < sets.count; i++) {
        const struct metric_label label = {"set", sets.items[i].name};

        metrics_sample(m, &label, 1, (double)sets.items[i].failures);
    }
    metrics_family(m, "holdfast_set_paused", METRIC_GAUGE, "1: its schedule rests");
    for (size_t i = 0; i < sets.count; i++) {
        const struct metric_label label = {"set", sets.items[i].name};

        metrics_sample(m, &label, 1, sets.items[i].pause_reason != NULL);
    }
    return true;
}

/* Seconds since a time of each repository, left out where it never was. */
static void put_store_age(struct metrics *m, const struct catalog_store_list *stores, size_t member,
                          int64_t now_ns, const char *name, const char *help)
{
    metrics_family(m, name, METRIC_GAUGE, help);
    for (size_t i = 0; i < stores->count; i++) {
        const struct catalog_store *s = &stores->items[i];
        const struct metric_label label = {"store", s->name};
        const int64_t at_ns = *(const int64_t *)(const void *)((const char *)s + member);

        if (at_ns > 0)
            metrics_sample(m, &label, 1, (double)(now_ns - at_ns) / (double)NS_PER_S);
    }
}

static bool put_stores(struct metrics *m, struct catalog_tx *t, struct err *e)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_store_list stores = {0};

    if (!catalog_store_list(t, &a, &stores, e))
        return false;
    metrics_family(m, "holdfast_store_up", METRIC_GAUGE,
                   "0: the last job that needed the repository could not use it");
    for (size_t i = 0; i < stores.count; i++) {
        const struct catalog_store *s = &stores.items[i];
        const struct metric_label label = {"store", s->name};

        metrics_sample(m, &label, 1, strcmp(s->state, CATALOG_STORE_UP) == 0);
    }
    put_store_age(m, &stores, offsetof(struct catalog_store, checked_ns), catalog_tx_now(t),
                  "holdfast_store_check_age_seconds", "Since the last check that found no damage");
    put_store_age(m, &stores, offsetof(struct catalog_store, verified_ns), catalog_tx_now(t),
                  "holdfast_store_verified_age_seconds",
                  "Since the last check that read all data and found no damage");
    return true;
}

static bool put_queues(struct metrics *m, struct catalog_tx *t, struct err *e)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_job_list jobs = {0};
    int64_t messages[OUTBOX_STATES];
    size_t running = 0;

    if (!catalog_job_list(t, &a, &jobs, e) || !catalog_outbox_count(t, messages, e))
        return false;
    for (size_t i = 0; i < jobs.count; i++)
        running += jobs.items[i].holder != NULL;
    metrics_family(m, "holdfast_jobs", METRIC_GAUGE, "Jobs of the queue");
    metrics_sample(m, &(struct metric_label){"state", "queued"}, 1, (double)(jobs.count - running));
    metrics_sample(m, &(struct metric_label){"state", "running"}, 1, (double)running);
    metrics_family(m, "holdfast_messages", METRIC_GAUGE, "Messages of the outbox");
    for (int i = 0; i < OUTBOX_STATES; i++)
        metrics_sample(m,
                       &(struct metric_label){
                           "state", catalog_message_state_name((enum catalog_message_state)i)},
                       1, (double)messages[i]);
    return true;
}

/* Repositories and queues are of all sets together. */
static bool put_all(struct catalog *c, const struct principal *who, struct buf *out, struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    struct metrics m = {.out = out};

    return catalog_begin_read(c, &t, e) && put_runs(&m, t, who, e) && put_sets(&m, t, who, e) &&
           (who->sets[0] != '\0' || (put_stores(&m, t, e) && put_queues(&m, t, e)));
}

/* What is kept, or was made now; of all sets.  False when the catalog is away. */
static bool put_kept(struct api_metrics *m, struct buf *out)
{
    static const struct principal anybody;
    const int64_t now_ns = clock_monotonic_ns();
    AUTO(buf) struct buf text = {0};
    bool is_up = true;
    struct err e;

    pthread_mutex_lock(&m->lock);
    if (m->made_ns == 0 || now_ns - m->made_ns > KEPT_NS) {
        is_up = put_all(m->service->catalog, &anybody, &text, &e);
        buf_clear(&m->text);
        if (is_up)
            buf_append_slice(&m->text, buf_slice(&text));
        m->made_ns = is_up ? now_ns : 0;
    }
    buf_append_slice(out, buf_slice(&m->text));
    pthread_mutex_unlock(&m->lock);
    return is_up;
}

void api_metrics_put(struct api_metrics *m, const struct principal *who, struct metrics *out)
{
    AUTO(buf) struct buf text = {0};
    bool is_up;
    struct err e;

    if (who->sets[0] == '\0') {
        is_up = put_kept(m, out->out);
    } else {
        is_up = put_all(m->service->catalog, who, &text, &e);
        if (is_up)
            buf_append_slice(out->out, buf_slice(&text));
    }
    metrics_family(out, "holdfast_catalog_up", METRIC_GAUGE, "0: the catalog cannot be read");
    metrics_sample(out, NULL, 0, is_up);
}
