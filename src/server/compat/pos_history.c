/* What was backed up, and figures about it. */
#include <string.h>

#include "notify/notify.h"
#include "server/compat/pos_private.h"
#include "server/figures.h"

#define DAY_NS     (INT64_C(24) * 3600 * 1000000000)
#define LIMIT      20   /* of a page, as published */
#define LIMIT_MAX  1000 /* of a page of the catalog */
#define RECENT_MAX 7    /* days */

struct history {
    const char *config, *type;
    struct catalog_page page;
    struct arena arena;
    struct catalog_run_list runs;
    int64_t total;
};

static bool read_history(struct catalog *c, struct history *h, struct err *e)
{
    /* A set is called as its configuration; scheduled runs know the set only. */
    const struct catalog_run_filter f = {
        .set = h->config, .kind = RUN_BACKUP, .state = -1, .is_ended = true};
    AUTO(catalog_tx) struct catalog_tx *t = NULL;

    return catalog_begin_read(c, &t, e) && pos_record_type_of(t, h->config, &h->type, e) &&
           catalog_run_count(t, &f, &h->total, e) &&
           catalog_run_list(t, &f, &h->page, &h->arena, &h->runs, e);
}

static json_t *history_json(const struct service *s, const struct history *h, uint32_t page)
{
    const int64_t limit = (int64_t)h->page.limit;
    json_t *list = json_array();

    for (size_t i = 0; i < h->runs.count; i++)
        (void)json_array_append_new(list, pos_record_json(s, &h->runs.items[i], h->type));
    return json_pack("{s:o, s:I, s:I, s:I, s:I}", "backups", list, "total", (json_int_t)h->total,
                     "page", (json_int_t)page, "limit", (json_int_t)limit, "totalPages",
                     (json_int_t)((h->total + limit - 1) / limit));
}

bool pos_history_read(const struct service *s, const char *config, uint32_t page, size_t limit,
                      json_t **out, struct err *e)
{
    struct history h = {.config = config,
                        .page = {.limit = limit, .offset = (size_t)(page - 1) * limit}};
    const bool is_read = read_history(s->catalog, &h, e);

    if (is_read)
        *out = history_json(s, &h, page);
    arena_done(&h.arena);
    return is_read;
}

void pos_history_get(struct request *r)
{
    const struct service *s = request_app(r);
    struct request_page p;
    json_t *answer = NULL;
    struct err e;

    if (!request_page(r, LIMIT_MAX, &p))
        return;
    if (request_query(r, "limit") == NULL)
        p.limit = LIMIT;
    if (pos_history_read(s, request_parameter(r, "configId"), p.page, p.limit, &answer, &e))
        reply_json(r, 200, answer);
    else
        order_reply_failure(r, "Failed to get backup history", &e);
}

/* Figures */

struct figures {
    struct arena arena;
    struct run_record *records;
    size_t count;
    struct statistics_scope scope;
};

static void add_sums(struct figures *g, const struct catalog_run_sums *sums, int64_t time_ns)
{
    for (size_t i = 0; i < sums->count; i++) {
        const struct catalog_run_sum *m = &sums->items[i];
        const enum figure_state state = figures_state(m->state);

        if (m->kind == RUN_BACKUP && m->runs > 0)
            g->records[g->count++] =
                (struct run_record){.kind = FIGURE_BACKUP,
                                    .state = state,
                                    .type = m->variant != NULL ? m->variant : "",
                                    .set = "",
                                    .time_ns = time_ns,
                                    .duration_ms = m->seconds * 1000,
                                    .size = state == FIGURE_FAILURE ? 0 : (uint64_t)m->bytes,
                                    .count = (uint64_t)m->runs};
    }
}

/* Sums, not runs: those of the last days, which the API shows apart, and those before. */
static bool read_figures(struct catalog *c, struct figures *g, struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    struct catalog_config_list configs = {0};
    struct catalog_run_sums recent = {0};
    struct catalog_run_sums before = {0};
    int64_t now_ns;
    int64_t border_ns;

    if (!catalog_begin_read(c, &t, e))
        return false;
    now_ns = catalog_tx_now(t);
    border_ns = now_ns - RECENT_MAX * DAY_NS;
    if (!catalog_config_list(t, &g->arena, &configs, e) ||
        !catalog_run_sum(t, border_ns, 0, &g->arena, &recent, e) ||
        !catalog_run_sum(t, 0, border_ns, &g->arena, &before, e))
        return false;
    g->scope = (struct statistics_scope){.now_ns = now_ns, .days = 1, .configs = configs.count};
    for (size_t i = 0; i < configs.count; i++)
        g->scope.configs_enabled += configs.items[i].is_enabled;
    g->records = arena_take(&g->arena, (recent.count + before.count) * sizeof(*g->records));
    add_sums(g, &recent, now_ns);
    add_sums(g, &before, border_ns);
    return true;
}

bool pos_stats_read(const struct service *s, json_t **out, struct err *e)
{
    struct figures g = {0};
    const bool is_read = read_figures(s->catalog, &g, e);

    if (is_read)
        *out = statistics_pos_json(g.records, g.count, &g.scope);
    arena_done(&g.arena);
    return is_read;
}

void pos_history_stats(struct request *r)
{
    json_t *answer = NULL;
    struct err e;

    if (pos_stats_read(request_app(r), &answer, &e))
        reply_json(r, 200, answer);
    else
        order_reply_failure(r, "Failed to get backup statistics", &e);
}
