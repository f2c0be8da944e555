#include "job/retention_run.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/json.h"

/* What the newest drill of a snapshot said. */
struct finding {
    struct hash snapshot;
    int64_t time_ns;
    enum trust trust;
};

/* What a plan is made of. */
struct gathering {
    int64_t verified_ns; /* what the store received before it is verified */
    struct snapshot_list all;
    int64_t *received_ns; /* of each */
    struct finding *findings;
    size_t finding_count;
};

static void gathering_auto(struct gathering *g)
{
    snapshot_list_done(&g->all);
    mem_free(g->received_ns);
    mem_free(g->findings);
}

void retention_run_free(struct retention_run *r)
{
    if (r == NULL)
        return;
    retention_plan_free(r->plan);
    arena_done(&r->arena);
    mem_free(r);
}

void retention_run_auto(struct retention_run **r)
{
    retention_run_free(*r);
}

/* Evidence */

static enum trust trust_of(struct slice json)
{
    AUTO(json)
    json_t *j = json_loadb((const char *)json.data, json.size, JSON_REJECT_DUPLICATES, NULL);
    const char *verdict = json_string_value(json_object_get(j, "verdict"));

    if (verdict == NULL)
        return TRUST_NONE;
    return strcmp(verdict, "proven") == 0   ? TRUST_PROVEN
           : strcmp(verdict, "failed") == 0 ? TRUST_FAILED
                                            : TRUST_NONE;
}

static bool take_evidence(void *arg, const struct hash *snapshot, int64_t time_ns,
                          struct slice json, struct err *e)
{
    struct gathering *g = arg;
    const struct finding f = {*snapshot, time_ns, trust_of(json)};

    (void)e;
    if (f.trust == TRUST_NONE) /* nobody knows, as before */
        return true;
    g->findings = mem_resize(g->findings, g->finding_count + 1, sizeof(*g->findings));
    g->findings[g->finding_count++] = f;
    return true;
}

static int finding_compare(const void *a, const void *b)
{
    const struct finding *x = a, *y = b;
    const int order = memcmp(x->snapshot.bytes, y->snapshot.bytes, HASH_SIZE);

    return order != 0 ? order : (x->time_ns > y->time_ns) - (x->time_ns < y->time_ns);
}

/* The newest about a snapshot, or NULL. */
static const struct finding *finding_of(const struct gathering *g, const struct hash *snapshot)
{
    size_t low = 0;
    size_t high = g->finding_count; /* the first one behind those of the snapshot */

    while (low < high) {
        const size_t middle = (low + high) / 2;

        if (memcmp(g->findings[middle].snapshot.bytes, snapshot->bytes, HASH_SIZE) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && hash_is_equal(&g->findings[low - 1].snapshot, snapshot)
               ? &g->findings[low - 1]
               : NULL;
}

/* Items */

static bool until_of(const char *tag, int64_t *until_ns)
{
    const size_t size = strlen(RETENTION_POINT);
    struct err ignored;

    if (strncmp(tag, RETENTION_POINT, size) != 0 || (tag[size] != '\0' && tag[size] != ':'))
        return false;
    /* What cannot be read keeps its snapshot for good. */
    if (tag[size] == '\0' || !clock_parse(tag + size + 1, until_ns, &ignored))
        *until_ns = 0;
    return true;
}

/* Of several restore points the last to expire counts. */
static void add_point(struct retention_item *i, int64_t until_ns)
{
    const bool is_later = i->expires_ns != 0 && (until_ns == 0 || until_ns > i->expires_ns);

    if (!i->is_restore_point || is_later)
        i->expires_ns = until_ns;
    i->is_restore_point = true;
}

static void take_tags(const struct snapshot *s, struct retention_item *i)
{
    for (size_t n = 0; n < s->tag_count; n++) {
        int64_t until_ns;

        if (until_of(s->tags[n], &until_ns))
            add_point(i, until_ns);
    }
    if (s->set != NULL && snapshot_has_tag(s, SNAPSHOT_SAFETY))
        add_point(i, i->received_ns + RETENTION_SAFETY_NS);
    i->is_pinned = snapshot_has_tag(s, RETENTION_PIN);
}

/* Whether it or an earlier one about the same snapshot says so. */
static bool was_proven(const struct gathering *g, const struct finding *f)
{
    for (size_t i = (size_t)(f - g->findings) + 1; i-- > 0;) {
        if (!hash_is_equal(&g->findings[i].snapshot, &f->snapshot))
            break;
        if (g->findings[i].trust == TRUST_PROVEN)
            return true;
    }
    return false;
}

static void judge(const struct gathering *g, const struct snapshot *s, int64_t received_ns,
                  struct retention_item *out)
{
    const struct finding *f = finding_of(g, &s->id);

    if (f == NULL && s->has_original)
        f = finding_of(g, &s->original);
    if (f != NULL) {
        out->trust = f->trust;
        out->was_proven = was_proven(g, f);
    } else {
        out->trust = received_ns < g->verified_ns ? TRUST_VERIFIED : TRUST_NONE;
    }
}

static enum retention_kind kind_of(const struct snapshot *s)
{
    if (s->set == NULL)
        return RETENTION_UPLOAD;
    return snapshot_is_import(s) ? RETENTION_IMPORT : RETENTION_BACKUP;
}

/* Whose it is: those of each are judged among themselves. */
static void writer_text(const struct snapshot *s, struct buf *out)
{
    char writer[2 * sizeof(s->writer) + 1];

    if (s->has_original)
        buf_printf(out, "copy:");
    if (kind_of(s) != RETENTION_BACKUP)
        buf_printf(out, "%s:", retention_kind_text(kind_of(s)));
    hex_encode(SLICE_OF(s->writer, sizeof(s->writer)), writer);
    buf_printf(out, "%s", writer);
    if (kind_of(s) == RETENTION_UPLOAD && s->path_count > 0)
        buf_printf(out, ":%s", s->paths[0]);
}

static void item_fill(const struct gathering *g, size_t n, struct arena *a,
                      struct retention_item *out)
{
    const struct snapshot *s = g->all.items[n];
    const int64_t received_ns = g->received_ns[n];
    char id[2 * HASH_SIZE + 1];
    AUTO(buf) struct buf who = {0};

    snapshot_id_text(&s->id, id);
    writer_text(s, &who);
    *out = (struct retention_item){
        .id = arena_string(a, slice_string(id)),
        .writer = arena_string(a, buf_slice(&who)),
        .kind = kind_of(s),
        .received_ns = s->has_original && s->time_ns < received_ns ? s->time_ns : received_ns,
        .size = s->counts.total_bytes,
        .is_incomplete = s->incomplete_count > 0};
    judge(g, s, received_ns, out);
    take_tags(s, out);
}

static bool gather(struct repo *r, struct gathering *g, struct err *e)
{
    if (!snapshot_load_all(r, 1U << SNAPSHOT_COMMITTED, NULL, NULL, &g->all, e))
        return false;
    g->received_ns = mem_array(g->all.count, sizeof(*g->received_ns));
    if (!snapshot_received(r, &g->all, g->received_ns, e) ||
        !evidence_each(r, NULL, take_evidence, g, e))
        return false;
    if (g->finding_count > 0)
        qsort(g->findings, g->finding_count, sizeof(*g->findings), finding_compare);
    return true;
}

/* Before which time everything in the repository was verified; 0: nothing was. */
static int64_t verified_before(const struct repo *r, const struct retention_known *k,
                               int64_t now_ns)
{
    char id[REPO_ID_TEXT];
    int64_t newest_ns = RETENTION_SKEW_NS;

    repo_id_text(r, id);
    for (size_t i = 0; i < k->verified_count; i++) {
        const struct retention_verified *v = &k->verified[i];

        /* A time that is yet to come was noted by a clock that was wrong. */
        if (strcmp(v->repository, id) == 0 && v->time_ns > newest_ns &&
            v->time_ns <= now_ns + RETENTION_SKEW_NS)
            newest_ns = v->time_ns;
    }
    return newest_ns - RETENTION_SKEW_NS;
}

bool retention_run_plan(struct repo *r, const struct config_set *set,
                        const struct config_repository *in, const struct retention_known *k,
                        struct retention_run **out, struct err *e)
{
    const bool has_own = !retention_is_empty(&in->retention);
    AUTO(gathering) struct gathering g = {0};
    AUTO(retention_run) struct retention_run *run = mem_new(sizeof(*run));
    struct retention_case c = {.set = set->name,
                               .rules = has_own ? in->retention : set->retention,
                               .limits = has_own ? in->limits : set->limits,
                               .looks = config_set_looks(set, in),
                               .now_ns = k->now_ns != 0 ? k->now_ns : clock_now_ns(),
                               .latest_ns = k->latest_ns,
                               .failed_runs = k->failed_runs,
                               .is_approved = k->is_approved};
    struct retention_item *items;

    if (retention_is_empty(&c.rules))
        return err_set(e, ERR_USAGE,
                       "set %s has no retention in its configuration, nor repository %s", set->name,
                       in->name);
    if (!gather(r, &g, e))
        return false;
    g.verified_ns = verified_before(r, k, c.now_ns);
    items = arena_take(&run->arena, g.all.count * sizeof(*items));
    for (size_t i = 0; i < g.all.count; i++)
        if (snapshot_is_of_set(g.all.items[i], set->name) ||
            snapshot_is_upload(g.all.items[i], set->name))
            item_fill(&g, i, &run->arena, &items[c.count++]);
    c.items = items;
    run->plan = retention_plan_new(&c);
    *out = TAKE(run);
    return true;
}

static bool has_digest(const struct retention_run *run, const char *digest)
{
    char text[2 * HASH_SIZE + 1];

    hex_encode(SLICE_OF(run->plan->digest.bytes, HASH_SIZE), text);
    return strcmp(text, digest) == 0;
}

bool retention_run_find(struct repo *r, const struct config_set *set,
                        const struct config_repository *in, const struct retention_known *k,
                        const char *digest, struct retention_run **out, struct err *e)
{
    for (int is_approved = 0; is_approved < 2; is_approved++) {
        AUTO(retention_run) struct retention_run *run = NULL;
        struct retention_known known = *k;

        known.is_approved = k->is_approved || is_approved;
        if (!retention_run_plan(r, set, in, &known, &run, e))
            return false;
        if (digest == NULL || has_digest(run, digest)) {
            *out = TAKE(run);
            return true;
        }
    }
    return err_set(e, ERR_EXISTS,
                   "the plan of set %s in %s is not the one that was shown: something has changed "
                   "since; look at it again",
                   set->name, in->name);
}

bool retention_run_apply(struct repo *r, const struct retention_run *run, uint64_t *removed,
                         struct err *e)
{
    *removed = 0;
    for (size_t i = 0; i < run->plan->count; i++) {
        const struct retention_decision *d = &run->plan->decisions[i];
        struct hash id;

        if (d->action != RETENTION_REMOVE || !hex_decode(d->item->id, id.bytes, HASH_SIZE))
            continue;
        if (!snapshot_forget(r, &id, "retention", e))
            return err_wrap(e, "forget %.8s", d->item->id);
        ++*removed;
    }
    return true;
}
