#include "job/retention.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

/* A snapshot on the way to its decision. */
struct choice {
    const struct retention_item *item;
    bool is_kept;
    bool is_kept_by_rule;
    bool fills; /* it counts for rules */
    struct buf reason;
};

/* The snapshots of one writer, newest first. */
struct group {
    const struct retention_case *c;
    enum retention_only only; /* what fills its places */
    struct choice *choices;
    size_t count;
};

const char *trust_text(enum trust t)
{
    static const char *const texts[] = {"failed", "none", "verified", "proven"};

    return texts[t];
}

const char *retention_kind_text(enum retention_kind k)
{
    static const char *const texts[] = {"backup", "upload", "import"};

    return texts[k];
}

const char *retention_action_text(enum retention_action a)
{
    static const char *const texts[] = {"keep", "remove", "hold"};

    return texts[a];
}

const char *retention_state_text(enum retention_state s)
{
    static const char *const texts[] = {"ready", "limited", "paused", "refused"};

    return texts[s];
}

const char *retention_places(const struct retention_limits *limits,
                             const struct retention_looks *looks)
{
    if (limits->only != ONLY_AUTO)
        return NULL;
    if (!looks->at_backups && !looks->at_uploads)
        return "nothing proves the snapshots of this set: any sound one fills a place";
    if (!looks->at_uploads)
        return "only verified and proven snapshots fill places; no drill looks at uploads: any "
               "sound one of these does";
    return "only verified and proven snapshots fill places";
}

static const char *writer_of(const struct retention_item *i)
{
    return i->writer == NULL ? "" : i->writer;
}

static int compare_choices(const void *a, const void *b)
{
    const struct retention_item *x = ((const struct choice *)a)->item;
    const struct retention_item *y = ((const struct choice *)b)->item;
    const int order = strcmp(writer_of(x), writer_of(y));

    if (order != 0)
        return order;
    if (x->received_ns != y->received_ns)
        return x->received_ns > y->received_ns ? -1 : 1;
    return strcmp(x->id, y->id);
}

static void keep(struct choice *c, const char *reason)
{
    buf_printf(&c->reason, "%s%s", c->is_kept ? ", " : "", reason);
    c->is_kept = true;
}

/* Rules */

static bool is_sound(const struct retention_item *i)
{
    return i->trust != TRUST_FAILED && !i->is_incomplete;
}

static bool is_exempt(const struct group *g, const struct retention_item *i)
{
    return i->kind == RETENTION_IMPORT ||
           (i->is_restore_point && (i->expires_ns == 0 || i->expires_ns > g->c->now_ns));
}

/* What fills places at the least. */
static enum trust least_trust(const struct group *g, const struct retention_item *i)
{
    if (g->only == ONLY_ANY)
        return TRUST_NONE;
    return g->only == ONLY_PROVEN && i->kind != RETENTION_UPLOAD ? TRUST_PROVEN : TRUST_VERIFIED;
}

static bool counts(const struct group *g, const struct retention_item *i)
{
    const enum trust least = least_trust(g, i);

    return is_sound(i) && i->trust >= least && !is_exempt(g, i);
}

/* Let the rules of forget judge those that count, as if there were no others. */
static void apply_rules(struct group *g)
{
    AUTO(mem) struct snapshot *snapshots = mem_array(g->count, sizeof(*snapshots));
    AUTO(mem) struct snapshot **list = mem_array(g->count, sizeof(*list));
    AUTO(mem) struct keep_reasons *reasons = mem_array(g->count, sizeof(*reasons));
    AUTO(mem) struct choice **filling = mem_array(g->count, sizeof(*filling));
    size_t n = 0;

    for (size_t i = 0; i < g->count; i++) {
        struct choice *c = &g->choices[i];

        c->fills = counts(g, c->item);
        if (!c->fills)
            continue;
        snapshots[n].time_ns = c->item->received_ns;
        list[n] = &snapshots[n];
        filling[n++] = c;
    }
    retention_apply_at(&g->c->rules, list, n, g->c->now_ns + RETENTION_SKEW_NS, reasons);
    for (size_t i = 0; i < n; i++) {
        if (!reasons[i].is_kept)
            continue;
        if (!filling[i]->is_kept_by_rule)
            keep(filling[i], reasons[i].text);
        filling[i]->is_kept_by_rule = true;
    }
}

/* What came after the newest that counts may count one day; the rules say nothing about it. */
static void keep_newer(struct group *g)
{
    for (size_t i = 0; i < g->count && !g->choices[i].fills; i++)
        if (!g->choices[i].is_kept && !is_exempt(g, g->choices[i].item))
            keep(&g->choices[i], "newer than the last one that counts");
}

static void keep_marked(struct group *g)
{
    for (size_t i = 0; i < g->count; i++) {
        struct choice *c = &g->choices[i];

        if (c->item->is_pinned)
            keep(c, "pinned");
        if (c->item->kind == RETENTION_IMPORT) {
            keep(c, "import: stays until it is forgotten by its id");
        } else if (is_exempt(g, c->item)) {
            char text[CLOCK_TEXT_MAX];
            AUTO(buf) struct buf reason = {0};

            clock_format(c->item->expires_ns, text);
            if (c->item->expires_ns == 0)
                buf_printf(&reason, "restore point");
            else
                buf_printf(&reason, "restore point until %.19sZ", text);
            keep(c, buf_string(&reason));
        }
    }
}

/* The newest that is as good as that. */
static bool keep_newest(struct group *g, enum trust least, bool was_proven, const char *reason)
{
    for (size_t i = 0; i < g->count; i++) {
        const struct retention_item *item = g->choices[i].item;

        if (item->trust >= least && (item->was_proven || !was_proven) && !item->is_incomplete) {
            keep(&g->choices[i], reason);
            return true;
        }
    }
    return false;
}

/* The newest of the best that there is.  A drill may fail for want of something else than data: so
 * what was proven before it failed stays until something is proven again. */
static void keep_last_good(struct group *g)
{
    if (keep_newest(g, TRUST_PROVEN, false, "the last that was proven"))
        return;
    (void)keep_newest(g, TRUST_FAILED, true, "the last that was proven, and failed later");
    (void)keep_newest(g, TRUST_VERIFIED, false, "the last that was verified");
}

/* Fill up to min_keep, newest first: sound ones, and only for want of them the others. */
static void keep_least(struct group *g)
{
    for (int pass = 0; pass < 2; pass++) {
        int kept = 0;

        for (size_t i = 0; i < g->count; i++)
            kept += g->choices[i].is_kept && (pass == 1 || is_sound(g->choices[i].item));
        for (size_t i = 0; i < g->count && kept < g->c->limits.min_keep; i++) {
            struct choice *c = &g->choices[i];

            if (c->is_kept || (pass == 0 && !is_sound(c->item)))
                continue;
            keep(c, "min_keep");
            kept++;
        }
    }
}

static void say_why_not(const struct group *g, struct choice *c)
{
    const struct retention_item *i = c->item;

    if (i->is_incomplete)
        buf_printf(&c->reason, "incomplete: fills no place");
    else if (i->trust == TRUST_FAILED)
        buf_printf(&c->reason, "failed its check: fills no place");
    else if (!c->fills)
        buf_printf(&c->reason, "not %s: fills no place", trust_text(least_trust(g, i)));
    else if (i->is_restore_point)
        buf_printf(&c->reason, "restore point expired, no rule keeps it");
    else
        buf_printf(&c->reason, "no rule keeps it");
}

/*
 * Let only what was verified fill places, in addition to what stays without that: nothing goes
 * because something looks at snapshots.  By the verified ones alone a drill a week would leave one
 * snapshot a week of daily ones.
 */
static void judge_verified(struct group *g)
{
    g->only = ONLY_VERIFIED;
    for (size_t i = 0; i < g->count; i++)
        if (g->choices[i].is_kept_by_rule && !counts(g, g->choices[i].item))
            buf_printf(&g->choices[i].reason, ", takes no place: not verified");
    apply_rules(g);
    keep_newer(g);
}

/* All of a writer are of one kind. */
static bool are_looked_at(const struct group *g)
{
    return g->choices[0].item->kind == RETENTION_UPLOAD ? g->c->looks.at_uploads
                                                        : g->c->looks.at_backups;
}

static void judge(struct group *g)
{
    const bool is_auto = g->c->limits.only == ONLY_AUTO;

    g->only = is_auto ? ONLY_ANY : (enum retention_only)g->c->limits.only;
    apply_rules(g);
    keep_newer(g);
    keep_marked(g);
    keep_last_good(g);
    keep_least(g);
    if (is_auto && are_looked_at(g))
        judge_verified(g);
    for (size_t i = 0; i < g->count; i++)
        if (!g->choices[i].is_kept)
            say_why_not(g, &g->choices[i]);
}

/* How many may go at once. */
static size_t most_at_once(const struct group *g)
{
    const size_t share = g->count * (size_t)g->c->limits.max_percent / 100;

    if (g->c->is_approved || g->c->limits.max_percent == 100)
        return g->count;
    return share == 0 && g->c->limits.max_percent > 0 ? 1 : share;
}

/* The plan */

/* True when nothing may be removed. */
static bool is_stopped(const struct retention_case *c, struct retention_plan *p)
{
    AUTO(buf) struct buf why = {0};
    int64_t newest = INT64_MIN;

    for (size_t i = 0; i < c->count; i++)
        if (c->items[i].received_ns > newest)
            newest = c->items[i].received_ns;
    if (c->count > 0 && newest > c->now_ns && newest - c->now_ns > RETENTION_SKEW_NS) {
        p->state = RETENTION_REFUSED;
        buf_printf(&why,
                   "the newest snapshot was received %" PRId64
                   " s in the future: the clock of this "
                   "machine or of the store is wrong",
                   (newest - c->now_ns) / NS_PER_S);
    } else if (c->latest_ns > c->now_ns && c->latest_ns - c->now_ns > RETENTION_SKEW_NS) {
        p->state = RETENTION_REFUSED;
        buf_printf(&why, "the clock went back by %" PRId64 " s",
                   (c->latest_ns - c->now_ns) / NS_PER_S);
    } else if (c->failed_runs > 0) {
        p->state = RETENTION_PAUSED;
        buf_printf(&why,
                   "the last backup of the set failed (%d in a row); nothing is removed until "
                   "one succeeds",
                   c->failed_runs);
    } else {
        return false;
    }
    p->sentence = mem_string(buf_string(&why));
    return true;
}

static void decide(struct retention_plan *p, struct choice *c, enum retention_action action)
{
    struct retention_decision *d = &p->decisions[p->count++];

    *d = (struct retention_decision){.item = c->item, .action = action};
    d->reason = mem_string(buf_string(&c->reason));
    p->kept += action == RETENTION_KEEP;
    p->removed += action == RETENTION_REMOVE;
    p->held += action == RETENTION_HOLD;
    if (action == RETENTION_REMOVE)
        p->bytes_removed += c->item->size;
}

/* The oldest go first; what is too much for one run stays, and the decisions say so. */
static void decide_group(struct retention_plan *p, const struct group *g, bool nothing_goes)
{
    size_t removable = 0;
    size_t skipped = 0;

    for (size_t i = 0; i < g->count; i++)
        removable += !g->choices[i].is_kept;

    const size_t most = nothing_goes ? 0 : most_at_once(g);
    const size_t too_many = removable > most ? removable - most : 0;

    for (size_t i = 0; i < g->count; i++) {
        struct choice *c = &g->choices[i];

        if (c->is_kept) {
            decide(p, c, RETENTION_KEEP);
        } else if (skipped < too_many) {
            skipped++;
            if (!nothing_goes)
                buf_printf(&c->reason, "; waits, one run removes at most %d %%",
                           g->c->limits.max_percent);
            decide(p, c, RETENTION_HOLD);
        } else {
            decide(p, c, RETENTION_REMOVE);
        }
    }
}

static void add_number(struct buf *out, int64_t n)
{
    buf_printf(out, "%" PRId64 ";", n);
}

static void add_text(struct buf *out, const char *text)
{
    buf_put_bytes(out, slice_string(text));
}

/* Two plans with the same digest remove the same of the same. */
static void sum_up(const struct retention_case *c, struct retention_plan *p)
{
    const struct retention *r = &c->rules;
    const int counts[] = {r->last,       r->hourly, r->daily,           r->weekly,
                          r->monthly,    r->yearly, c->limits.min_keep, c->limits.max_percent,
                          c->limits.only};
    const struct duration *const durations[] = {
        &r->within,        &r->within_hourly,  &r->within_daily,
        &r->within_weekly, &r->within_monthly, &r->within_yearly,
    };
    AUTO(buf) struct buf text = {0};

    add_text(&text, "holdfast retention plan 1");
    add_text(&text, c->set);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        add_number(&text, counts[i]);
    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        add_number(&text, durations[i]->years);
        add_number(&text, durations[i]->months);
        add_number(&text, durations[i]->days);
        add_number(&text, durations[i]->hours);
    }
    add_number(&text, p->state);
    for (size_t i = 0; i < p->count; i++) {
        add_text(&text, writer_of(p->decisions[i].item));
        add_text(&text, p->decisions[i].item->id);
        add_number(&text, p->decisions[i].action);
    }
    sha256(buf_slice(&text), &p->digest);
}

static void say_limit(const struct retention_case *c, struct retention_plan *p)
{
    AUTO(buf) struct buf why = {0};

    p->state = RETENTION_LIMITED;
    buf_printf(&why,
               "%zu of %zu snapshots would go, and one run removes at most %d %% (max_percent) "
               "without approval: %zu wait",
               p->removed + p->held, p->count, c->limits.max_percent, p->held);
    p->sentence = mem_string(buf_string(&why));
}

struct retention_plan *retention_plan_new(const struct retention_case *c)
{
    struct retention_plan *p = mem_new(sizeof(*p));
    AUTO(mem) struct choice *choices = mem_array(c->count, sizeof(*choices));
    const bool is_empty = retention_is_empty(&c->rules);
    const bool stopped = is_stopped(c, p);

    p->places = retention_places(&c->limits, &c->looks);
    p->decisions = mem_array(c->count, sizeof(*p->decisions));
    for (size_t i = 0; i < c->count; i++)
        choices[i].item = &c->items[i];
    if (c->count > 0)
        qsort(choices, c->count, sizeof(*choices), compare_choices);
    for (size_t first = 0, end; first < c->count; first = end) {
        for (end = first + 1; end < c->count; end++)
            if (strcmp(writer_of(choices[first].item), writer_of(choices[end].item)) != 0)
                break;

        struct group g = {.c = c, .choices = choices + first, .count = end - first};

        for (size_t i = 0; is_empty && i < g.count; i++)
            keep(&g.choices[i], "no rule is given");
        if (!is_empty)
            judge(&g);
        decide_group(p, &g, stopped);
    }
    for (size_t i = 0; i < c->count; i++)
        buf_done(&choices[i].reason);
    if (!stopped && p->held > 0)
        say_limit(c, p);
    sum_up(c, p);
    return p;
}

void retention_plan_free(struct retention_plan *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->count; i++)
        mem_free(p->decisions[i].reason);
    mem_free(p->decisions);
    mem_free(p->sentence);
    mem_free(p);
}

void retention_plan_auto(struct retention_plan **p)
{
    retention_plan_free(*p);
}

static void set_member(json_t *o, const char *key, json_t *value)
{
    const int result = json_object_set_new(o, key, value);

    assert(result == 0); /* names and reasons are UTF-8 */
}

static json_t *decision_json(const struct retention_decision *d)
{
    json_t *o = json_object();
    char time[CLOCK_TEXT_MAX];

    clock_format(d->item->received_ns, time);
    set_member(o, "id", json_string(d->item->id));
    set_member(o, "time", json_string(time));
    if (d->item->writer != NULL)
        set_member(o, "writer", json_string(d->item->writer));
    set_member(o, "kind", json_string(retention_kind_text(d->item->kind)));
    set_member(o, "size", json_integer((json_int_t)d->item->size));
    set_member(o, "trust", json_string(trust_text(d->item->trust)));
    set_member(o, "action", json_string(retention_action_text(d->action)));
    set_member(o, "reason", json_string(d->reason));
    return o;
}

json_t *retention_plan_json(const struct retention_plan *p)
{
    json_t *o = json_object();
    json_t *rows = json_array();
    char digest[2 * HASH_SIZE + 1];

    hex_encode(SLICE_OF(p->digest.bytes, HASH_SIZE), digest);
    set_member(o, "state", json_string(retention_state_text(p->state)));
    if (p->sentence != NULL)
        set_member(o, "sentence", json_string(p->sentence));
    if (p->places != NULL)
        set_member(o, "places", json_string(p->places));
    set_member(o, "keep", json_integer((json_int_t)p->kept));
    set_member(o, "remove", json_integer((json_int_t)p->removed));
    set_member(o, "hold", json_integer((json_int_t)p->held));
    set_member(o, "bytes", json_integer((json_int_t)p->bytes_removed));
    set_member(o, "digest", json_string(digest));
    for (size_t i = 0; i < p->count; i++)
        json_array_append_new(rows, decision_json(&p->decisions[i]));
    set_member(o, "snapshots", rows);
    return o;
}
