/* What was read of repositories, into the catalog. */
#include "job/catalog_rebuild.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/json.h"
#include "codec/pos_config.h"
#include "job/catalog_rebuild_private.h"

enum {
    BATCH = 200, /* items in a transaction */
    TRIES = 20,  /* against another rebuild that writes the same at the same moment */
    ID_BYTES = (CATALOG_ID_SIZE - 1) / 2,
    SNAPSHOT_TEXT = 65,
    DRILLS_MAX = 1000, /* drills of one snapshot that are compared */
};

/* How far the clocks of hosts and database may lie apart. */
#define SKEW_NS (600 * NS_PER_S)

#define RUN_NS  (CATALOG_RUN_DAYS * INT64_C(86400) * NS_PER_S)

static const char requested_by[] = "catalog rebuild";

/* One thing to be written: a configuration, a drill, or the copies of a snapshot. */
struct item {
    const struct pos_config *config;
    const struct rebuild_drill *drill;
    const struct rebuild_snapshot *copies;
    size_t copy_count;
    bool is_newest; /* of its set */
};

struct writing {
    const struct rebuild_options *options;
    struct item *items;
    size_t count;
    struct pos_config **configs; /* owned */
    size_t config_count;

    /* Of the batch. */
    size_t from, to;
    struct rebuild_counts done;
};

static void writing_auto(struct writing *w)
{
    for (size_t i = 0; i < w->config_count; i++)
        pos_config_free(w->configs[i]);
    mem_free(w->configs);
    mem_free(w->items);
}

/* Ids */

/* The same for the same thing, whoever asks. */
static void make_id(const char *kind, struct slice what, char out[CATALOG_ID_SIZE])
{
    AUTO(buf) struct buf text = {0};
    struct hash sum;

    buf_printf(&text, "holdfast run %s ", kind);
    buf_append_slice(&text, what);
    sha256(buf_slice(&text), &sum);
    hex_encode(SLICE_OF(sum.bytes, ID_BYTES), out);
}

static bool has_run(struct catalog_tx *t, const char *id, bool *has, struct err *e)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_run run;

    *has = catalog_run_get(t, id, &a, &run, e);
    return *has || e->code == ERR_NOT_FOUND;
}

/* Whether a run of this kind has not ended that may be the one which made it. */
static bool is_under_way(struct catalog_tx *t, const char *set, enum catalog_run_kind kind,
                         int64_t time_ns, bool *is, struct err *e)
{
    struct catalog_run_filter f = CATALOG_RUNS_ALL;
    AUTO(arena) struct arena a = {0};
    struct catalog_run_list runs = {0};

    f.set = set;
    f.kind = (int)kind;
    f.state = RUN_RUNNING;
    if (!catalog_run_list(t, &f, &(struct catalog_page){.limit = 100}, &a, &runs, e))
        return false;
    for (size_t i = 0; i < runs.count && !*is; i++)
        *is = runs.items[i].started_ns - SKEW_NS <= time_ns;
    return true;
}

/* Backups */

static int64_t number_of(uint64_t n)
{
    return n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

static bool has_backup_of(struct catalog_tx *t, const struct hash *snapshot, bool *has,
                          struct err *e)
{
    static const enum catalog_run_kind kinds[] = {RUN_BACKUP, RUN_PUSH};
    struct catalog_run_filter f = CATALOG_RUNS_ALL;
    char id[SNAPSHOT_TEXT];

    snapshot_id_text(snapshot, id);
    f.snapshot = id;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && !*has; i++) {
        int64_t count = 0;

        f.kind = (int)kinds[i];
        if (!catalog_run_count(t, &f, &count, e))
            return false;
        *has = count > 0;
    }
    return true;
}

/* The catalog may know it by any of its copies. */
static bool is_known_backup(struct catalog_tx *t, const struct item *n, const char *id,
                            bool *is_known, struct err *e)
{
    if (!has_run(t, id, is_known, e) ||
        (!*is_known && !has_backup_of(t, rebuild_origin(n->copies[0].snapshot), is_known, e)))
        return false;
    for (size_t i = 0; i < n->copy_count && !*is_known; i++)
        if (!has_backup_of(t, &n->copies[i].snapshot->id, is_known, e))
            return false;
    return true;
}

static const char *variant_of(const struct snapshot *s)
{
    static const char type[] = "type:"; /* pos_set.h */

    for (size_t i = 0; i < s->tag_count; i++)
        if (strncmp(s->tags[i], type, sizeof(type) - 1) == 0)
            return s->tags[i] + sizeof(type) - 1;
    return NULL;
}

static void put_details(const struct item *n, struct buf *out)
{
    const struct snapshot *s = n->copies[0].snapshot;
    json_t *names = json_array();
    AUTO(json)
    json_t *j = json_pack("{s:b, s:s, s:s, s:o}", "rebuilt", 1, "host", s->host, "program",
                          s->program, "repositories", names);

    for (size_t i = 0; i < n->copy_count; i++)
        json_array_append_new(names, json_string(n->copies[i].repository));
    json_append(j, out);
}

static bool add_backup(struct catalog_tx *t, const struct item *n, const char *id, struct err *e)
{
    const struct snapshot *s = n->copies[0].snapshot;
    const bool is_whole = s->incomplete_count == 0;
    AUTO(json) json_t *set = rebuild_set_config(s);
    const char *on_error = json_string_value(json_object_get(set, "on_error"));
    AUTO(buf) struct buf details = {0};
    char snapshot[SNAPSHOT_TEXT];

    snapshot_id_text(&s->id, snapshot);
    put_details(n, &details);

    const struct catalog_run run = {
        .id = id,
        .attempt = 1,
        .config = json_object_get(set, "backup_config") != NULL ? s->set : NULL,
        .set = s->set,
        .kind = RUN_BACKUP,
        .variant = variant_of(s),
        .cause = CAUSE_MANUAL,
        .requested_by = requested_by,
        .created_ns = s->counts.started_ns,
        .started_ns = s->counts.started_ns,
        .ended_ns = s->counts.ended_ns,
        .outcome =
            {
                .state = is_whole ? RUN_SUCCESS : RUN_INCOMPLETE,
                .snapshot = snapshot,
                .bytes = number_of(s->counts.total_bytes),
                .bytes_added = number_of(s->counts.bytes_added),
                .files = number_of(s->counts.total_files),
                .error_code = is_whole ? NULL : "incomplete",
                .error = is_whole ? NULL : "something could not be read or checked",
                .details = buf_string(&details),
                .may_be_incomplete = on_error != NULL && strcmp(on_error, "incomplete") == 0,
            },
    };

    return catalog_run_add(t, &run, NULL, e);
}

static bool write_backup(struct writing *w, struct catalog_tx *t, const struct item *n,
                         struct err *e)
{
    const struct snapshot *s = n->copies[0].snapshot;
    char id[CATALOG_ID_SIZE];
    bool is_known = false;
    bool is_busy = false;

    make_id("backup", SLICE_OF(rebuild_origin(s)->bytes, HASH_SIZE), id);
    if (!is_known_backup(t, n, id, &is_known, e) ||
        !is_under_way(t, s->set, RUN_BACKUP, s->counts.started_ns, &is_busy, e))
        return false;
    if (is_known || is_busy) {
        w->done.known += is_known ? 1 : 0;
        w->done.under_way += is_known ? 0 : 1;
        return true;
    }
    if (!n->is_newest && s->counts.ended_ns < catalog_tx_now(t) - RUN_NS) {
        w->done.old++;
        return true;
    }
    w->done.backups++;
    return add_backup(t, n, id, e);
}

/* Drills */

/* Whether a run of the catalog tells of the same drill: both have the time that it noted. */
static bool has_drill(struct catalog_tx *t, const char *snapshot, const char *time, bool *has,
                      struct err *e)
{
    struct catalog_run_filter f = CATALOG_RUNS_ALL;
    AUTO(arena) struct arena a = {0};
    struct catalog_run_list runs = {0};

    f.snapshot = snapshot;
    f.kind = RUN_DRILL;
    if (!catalog_run_list(t, &f, &(struct catalog_page){.limit = DRILLS_MAX}, &a, &runs, e))
        return false;
    for (size_t i = 0; i < runs.count && !*has; i++) {
        const char *details = runs.items[i].outcome.details;
        AUTO(json) json_t *j = details == NULL ? NULL : json_loads(details, 0, NULL);
        const char *noted = json_string_value(json_object_get(j, "time"));

        *has = noted != NULL && strcmp(noted, time) == 0;
    }
    return true;
}

/* The sentence about the first thing that is not proven. */
static const char *why_of(const json_t *evidence)
{
    const json_t *m;
    size_t i;

    json_array_foreach(json_object_get(evidence, "members"), i, m)
    {
        const char *why = json_string_value(json_object_get(m, "why"));

        if (why != NULL)
            return why;
    }
    return NULL;
}

static bool add_drill(struct catalog_tx *t, const struct rebuild_drill *d, const json_t *evidence,
                      const char *id, struct err *e)
{
    const char *verdict = json_string_value(json_object_get(evidence, "verdict"));
    const bool is_proven = verdict != NULL && strcmp(verdict, "proven") == 0;
    const bool has_failed = verdict == NULL || strcmp(verdict, "failed") == 0;
    const int64_t ms = json_integer_value(json_object_get(evidence, "duration_ms"));
    char snapshot[SNAPSHOT_TEXT];

    snapshot_id_text(&d->snapshot, snapshot);

    const struct catalog_run run = {
        .id = id,
        .attempt = 1,
        .set = d->set,
        .kind = RUN_DRILL,
        .cause = CAUSE_MANUAL,
        .requested_by = requested_by,
        .created_ns = d->time_ns,
        .started_ns = d->time_ns,
        .ended_ns = d->time_ns + (ms > 0 && ms < INT32_MAX ? ms : 0) * (NS_PER_S / 1000),
        .outcome =
            {
                .state = is_proven    ? RUN_SUCCESS
                         : has_failed ? RUN_FAILED
                                      : RUN_INCOMPLETE,
                .snapshot = snapshot,
                .verdict = is_proven    ? "proven"
                           : has_failed ? "failed"
                                        : NULL,
                .error_code = is_proven    ? NULL
                              : has_failed ? "drill-failed"
                                           : "incomplete",
                .error = is_proven ? NULL : why_of(evidence),
                .details = strlen(d->json) <= CATALOG_DOCUMENT_MAX ? d->json : NULL,
            },
    };

    return catalog_run_add(t, &run, NULL, e);
}

static bool write_drill(struct writing *w, struct catalog_tx *t, const struct rebuild_drill *d,
                        struct err *e)
{
    AUTO(json) json_t *evidence = json_loads(d->json, 0, NULL);
    const char *time = json_string_value(json_object_get(evidence, "time"));
    char id[CATALOG_ID_SIZE], snapshot[SNAPSHOT_TEXT];
    bool is_known = false;
    bool is_busy = false;

    snapshot_id_text(&d->snapshot, snapshot);
    make_id("drill", slice_string(d->json), id);
    if (!has_run(t, id, &is_known, e) ||
        (!is_known && !has_drill(t, snapshot, time, &is_known, e)) ||
        !is_under_way(t, d->set, RUN_DRILL, d->time_ns, &is_busy, e))
        return false;
    if (is_known || is_busy) {
        w->done.known += is_known ? 1 : 0;
        w->done.under_way += is_known ? 0 : 1;
        return true;
    }
    if (d->time_ns < catalog_tx_now(t) - RUN_NS) {
        w->done.old++;
        return true;
    }
    w->done.drills++;
    return add_drill(t, d, evidence, id, e);
}

/* Configurations */

/* One that was deleted stays so. */
static bool write_config(struct writing *w, struct catalog_tx *t, const struct pos_config *c,
                         struct err *e)
{
    AUTO(arena) struct arena a = {0};
    const char *document = NULL;
    int64_t version = 0;

    if (catalog_config_get_version(t, c->id, 1, &a, &document, e))
        return true;
    if (e->code != ERR_NOT_FOUND)
        return false;
    w->done.configs++;
    return catalog_config_put(
        t,
        &(struct catalog_config){
            .id = c->id, .name = c->name, .document = c->text, .is_enabled = c->enabled},
        CATALOG_VERSION_NONE, requested_by, &version, e);
}

/* All of it */

static bool write_batch(struct catalog_tx *t, void *arg, struct err *e)
{
    struct writing *w = arg;

    w->done = (struct rebuild_counts){0};
    for (size_t i = w->from; i < w->to; i++) {
        const struct item *n = &w->items[i];

        if (!(n->config != NULL  ? write_config(w, t, n->config, e)
              : n->drill != NULL ? write_drill(w, t, n->drill, e)
                                 : write_backup(w, t, n, e)))
            return false;
    }
    return w->done.backups + w->done.drills + w->done.configs == 0 ||
           w->options->record(w->options->arg, t, &w->done, e);
}

static void list_configs(struct writing *w, const struct rebuild *b)
{
    AUTO(mem) const struct snapshot **newest = mem_array(b->snapshot_count, sizeof(*newest));
    const size_t count = rebuild_newest(b, newest);
    const struct config_set *known = NULL;
    struct err ignored;

    w->configs = mem_array(count, sizeof(*w->configs));
    for (size_t i = 0; i < count; i++) {
        AUTO(json) json_t *set = rebuild_set_config(newest[i]);
        const char *text = json_string_value(json_object_get(set, "backup_config"));

        /* It was read when its set was; one that is none now is of another program. */
        if (text == NULL || config_find_set(w->options->config, newest[i]->set, &known, &ignored) ||
            !pos_config_parse(slice_string(text), POS_SAVE, &w->configs[w->config_count], &ignored))
            continue;
        w->items[w->count++].config = w->configs[w->config_count++];
    }
}

static bool is_copy(const struct snapshot *a, const struct snapshot *b)
{
    return strcmp(a->set, b->set) == 0 && hash_is_equal(rebuild_origin(a), rebuild_origin(b));
}

static void list_backups(struct writing *w, const struct rebuild *b)
{
    for (size_t i = 0, end; i < b->snapshot_count; i = end) {
        const struct rebuild_snapshot *first = &b->snapshots[i];

        end = i + 1;
        while (end < b->snapshot_count && is_copy(first->snapshot, b->snapshots[end].snapshot))
            end++;
        w->items[w->count++] = (struct item){
            .copies = first,
            .copy_count = end - i,
            .is_newest = end == b->snapshot_count ||
                         strcmp(b->snapshots[end].snapshot->set, first->snapshot->set) != 0,
        };
    }
}

static void add_counts(struct rebuild_counts *sum, const struct rebuild_counts *n)
{
    sum->backups += n->backups;
    sum->drills += n->drills;
    sum->configs += n->configs;
    sum->known += n->known;
    sum->old += n->old;
    sum->under_way += n->under_way;
}

bool rebuild_write(struct rebuild *b, const struct rebuild_options *o, struct rebuild_counts *out,
                   struct err *e)
{
    AUTO(writing) struct writing w = {.options = o};
    struct rebuild_counts sum = {0};

    w.items = mem_array(2 * b->snapshot_count + b->drill_count, sizeof(*w.items));
    rebuild_sort(b);
    list_configs(&w, b);
    list_backups(&w, b);
    for (size_t i = 0; i < b->drill_count; i++)
        w.items[w.count++].drill = &b->drills[i];
    while (w.to < w.count) {
        w.from = w.to;
        w.to = w.count - w.from > BATCH ? w.from + BATCH : w.count;
        for (int try = 1; !catalog_write(o->catalog, write_batch, &w, e); try++)
            if (e->code != ERR_EXISTS || try == TRIES)
                return false;
        add_counts(&sum, &w.done);
    }
    *out = sum;
    return true;
}
