/*
 * When a set is backed up and checked, what is kept of it and what its snapshots are called:
 * schedules, retention, tags.
 */
#include <string.h>

#include "codec/cron.h"
#include "codec/pos_config.h"
#include "job/config_fields.h"

/* Retention */

struct retention_reading {
    struct retention rules;
    struct retention_limits limits;
};

/* In the order of enum retention_only. */
static const char *const only_words[] = {"any", "verified", "proven", "auto", NULL};

#define AT(member) offsetof(struct retention_reading, member)

static const struct field retention_fields[] = {
    {"last", FIELD_KEEP, AT(rules.last)},
    {"hourly", FIELD_KEEP, AT(rules.hourly)},
    {"daily", FIELD_KEEP, AT(rules.daily)},
    {"weekly", FIELD_KEEP, AT(rules.weekly)},
    {"monthly", FIELD_KEEP, AT(rules.monthly)},
    {"yearly", FIELD_KEEP, AT(rules.yearly)},
    {"within", FIELD_DURATION, AT(rules.within)},
    {"within_hourly", FIELD_DURATION, AT(rules.within_hourly)},
    {"within_daily", FIELD_DURATION, AT(rules.within_daily)},
    {"within_weekly", FIELD_DURATION, AT(rules.within_weekly)},
    {"within_monthly", FIELD_DURATION, AT(rules.within_monthly)},
    {"within_yearly", FIELD_DURATION, AT(rules.within_yearly)},
    {"min_keep", FIELD_NUMBER, AT(limits.min_keep)},
    {"max_percent", FIELD_NUMBER, AT(limits.max_percent)},
    {"only", FIELD_CHOICE, AT(limits.only), false, only_words},
    {0},
};

bool retention_read(const struct config_reader *r, const struct node *n, struct retention *rules,
                    struct retention_limits *limits, struct err *e)
{
    struct retention_reading g = {.limits = RETENTION_LIMITS};

    if (n != NULL && !fields_read(r, n, "retention", retention_fields, &g, e))
        return false;
    if (n != NULL && retention_is_empty(&g.rules))
        return CONFIG_FAIL(r, n->line, e,
                           "retention has no rule that keeps a snapshot, such as daily: 7");
    if (g.limits.min_keep < 1)
        return CONFIG_FAIL(r, node_find(n, "min_keep")->line, e, "min_keep must be at least 1");
    if (g.limits.max_percent > 100)
        return CONFIG_FAIL(r, node_find(n, "max_percent")->line, e,
                           "max_percent must be at most 100");
    *rules = g.rules;
    *limits = g.limits;
    return true;
}

/* Without a check of its own the output of a command is never proven. */
static bool is_provable(const struct config_set *set)
{
    for (size_t i = 0; i < set->source_count; i++)
        if (set->sources[i].kind == SOURCE_COMMAND && set->sources[i].command.check.count == 0)
            return false;
    return true;
}

struct retention_looks config_set_looks(const struct config_set *set,
                                        const struct config_repository *in)
{
    const bool is_read = set->check.cron != NULL && set->check.reads_all;
    const bool is_drilled = set->drill != NULL && in == set->repositories[0] && is_provable(set);

    return (struct retention_looks){.at_backups = is_read || is_drilled, .at_uploads = is_read};
}

const char *config_set_places(const struct config_set *set, const struct config_repository *in)
{
    const bool has_own = !retention_is_empty(&in->retention);
    const struct retention_looks looks = config_set_looks(set, in);

    if (!has_own && retention_is_empty(&set->retention))
        return NULL;
    return retention_places(has_own ? &in->limits : &set->limits, &looks);
}

json_t *retention_show(const struct retention *rules, const struct retention_limits *limits)
{
    return fields_show(retention_fields, &(struct retention_reading){*rules, *limits});
}

/* Schedules */

/* In the order of enum run_missed. */
static const char *const missed_words[] = {"once", "skip", "all", NULL};

#undef AT
#define AT(member) offsetof(struct config_schedule, member)

static const struct field schedule_fields[] = {
    {"cron", FIELD_TEXT, AT(cron), true},
    {"timezone", FIELD_TEXT, AT(timezone)},
    {"jitter", FIELD_TIMEOUT, AT(jitter_ms)},
    {"run_missed", FIELD_CHOICE, AT(run_missed), false, missed_words},
    {0},
};

static bool check_zone(const char *name, struct err *e)
{
    AUTO(zone) struct zone *z = NULL;

    return zone_open(name, NULL, &z, e);
}

/* A member, or the text that stands for all of them. */
static size_t line_of(const struct node *n, const char *key)
{
    const struct node *m = n->kind == NODE_MAPPING ? node_find(n, key) : n;

    return m == NULL ? n->line : m->line;
}

bool schedule_read(const struct config_reader *r, const struct node *n, struct config_schedule *out,
                   struct err *e)
{
    struct config_schedule s = {.timezone = arena_string(r->arena, slice_string(ZONE_LOCAL))};
    struct cron cron;

    if (n == NULL)
        return true;
    if (n->kind == NODE_SEQUENCE || n->kind == NODE_NULL)
        return CONFIG_FAIL(r, n->line, e,
                           "schedule must be a text such as \"30 2 * * *\" or a mapping, not %s",
                           node_kind_name(n->kind));
    if (node_is_scalar(n))
        s.cron = arena_string(r->arena, slice_string(n->text));
    else if (!fields_read(r, n, "a schedule", schedule_fields, &s, e))
        return false;
    if (!cron_parse(s.cron, &cron, e))
        return config_place(r, line_of(n, "cron"), "schedule", e);
    if (!check_zone(s.timezone, e)) {
        e->code = ERR_USAGE;
        return config_place(r, line_of(n, "timezone"), "timezone", e);
    }
    *out = s;
    return true;
}

/* As the text alone where the rest is as it would be without. */
json_t *schedule_show(const struct config_schedule *s)
{
    json_t *o = fields_show(schedule_fields, s);

    if (s->jitter_ms == 0)
        (void)json_object_del(o, "jitter"); /* it is there */
    if (s->jitter_ms > 0 || s->run_missed != MISSED_ONCE || strcmp(s->timezone, ZONE_LOCAL) != 0)
        return o;
    json_decref(o);
    return json_string(s->cron);
}

/* Checks */

struct check_reading {
    struct config_check check;
    const struct node *read_data;
};

#undef AT
#define AT(member) offsetof(struct check_reading, member)

static const struct field check_fields[] = {
    {"cron", FIELD_TEXT, AT(check.cron), true},
    {"read_data", FIELD_NODE, AT(read_data)},
    {0},
};

/* true, false, or a share that is another one each time. */
static bool read_data_read(const struct config_reader *r, const struct node *n,
                           struct config_check *out, struct err *e)
{
    struct check_options o = {0};

    if (n == NULL)
        return true;
    if (n->kind == NODE_BOOL) {
        out->reads_all = n->is_true;
        return true;
    }
    if (!node_is_scalar(n) || n->kind == NODE_NULL)
        return CONFIG_FAIL(r, n->line, e, "read_data must be true, false, 10%% or 5G, not %s",
                           node_kind_name(n->kind));
    if (!check_subset_parse(n->text, &o, e))
        return config_place(r, n->line, "read_data", e);
    if (o.subset_t > 0)
        return CONFIG_FAIL(r, n->line, e,
                           "read_data: %.40s would be the same part each time; write a share such "
                           "as 10%%, which is another each time",
                           n->text);
    out->subset = arena_string(r->arena, slice_string(n->text));
    return true;
}

bool check_read(const struct config_reader *r, const struct node *n, struct config_check *out,
                struct err *e)
{
    struct check_reading g = {0};
    struct cron cron;

    if (n == NULL)
        return true;
    if (n->kind == NODE_SEQUENCE || n->kind == NODE_NULL)
        return CONFIG_FAIL(r, n->line, e,
                           "check must be a text such as \"0 4 * * 0\" or a mapping, not %s",
                           node_kind_name(n->kind));
    if (node_is_scalar(n))
        g.check.cron = arena_string(r->arena, slice_string(n->text));
    else if (!fields_read(r, n, "a check", check_fields, &g, e))
        return false;
    if (!cron_parse(g.check.cron, &cron, e))
        return config_place(r, line_of(n, "cron"), "check", e);
    if (!read_data_read(r, g.read_data, &g.check, e))
        return false;
    *out = g.check;
    return true;
}

json_t *check_show(const struct config_check *c)
{
    const struct check_reading g = {.check = *c};
    json_t *o;

    if (!c->reads_all && c->subset == NULL)
        return json_string(c->cron);
    o = fields_show(check_fields, &g);
    config_show(o, "read_data", c->reads_all ? json_true() : json_string(c->subset));
    return o;
}

bool drill_time_check(const struct config_reader *r, const struct node *n, struct err *e)
{
    struct cron cron;

    if (n == NULL || strcmp(n->text, "after_backup") == 0 || cron_parse(n->text, &cron, e))
        return true;
    return config_place(r, n->line, "drill is not after_backup", e);
}

bool tags_check(const struct config_reader *r, const struct node *n, struct err *e)
{
    for (const struct node *m = n == NULL ? NULL : n->first; m != NULL; m = m->next)
        if (strchr(m->text, ',') != NULL)
            return CONFIG_FAIL(r, m->line, e, "a tag has no comma");
        else if (strcmp(m->text, SNAPSHOT_SAFETY) == 0)
            return CONFIG_FAIL(r, m->line, e, "the tag \"%s\" is given by restores", m->text);
    return true;
}

bool backup_config_check(const struct config_reader *r, const struct node *set, struct err *e)
{
    const struct node *n = node_find(set, "backup_config");
    AUTO(pos_config) struct pos_config *c = NULL;

    if (n == NULL)
        return true;
    if (!pos_config_parse(slice_string(n->text), POS_SAVE, &c, e))
        return config_place(r, n->line, "backup_config", e);
    return strcmp(c->id, set->key) == 0 ||
           CONFIG_FAIL(r, n->line, e, "backup_config: its id is \"%s\", but the set is \"%s\"",
                       c->id, set->key);
}
