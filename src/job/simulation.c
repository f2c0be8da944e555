#include "job/simulation.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/cron.h"
#include "codec/json.h"
#include "job/config.h"

#define DAY_NS  (INT64_C(86400) * NS_PER_S)
#define SOURCE  "rules" /* in front of sentences, from which it is taken again */
#define ID_SIZE 24

/* A snapshot from its backup to its end. */
struct life {
    char made_id[ID_SIZE]; /* of one that is simulated */
    const char *id;        /* borrowed from the question, or made_id */
    int64_t time_ns;
    int64_t removed_ns; /* 0: it is there */
    bool is_simulated, is_pinned;
    enum retention_action action;
    char *reason;
};

struct simulation {
    struct config *config; /* whose only set has the rules and the schedule */
    struct life **lives;
    size_t count, room;
    size_t *there; /* numbers of lives that are there */
    size_t there_count;
    uint64_t work;
    enum retention_state state; /* of the last look */
    char *sentence;
    const char *places;
    bool is_cut;
    int64_t until_ns;
};

static void simulation_auto(struct simulation *s)
{
    for (size_t i = 0; i < s->count; i++) {
        mem_free(s->lives[i]->reason);
        mem_free(s->lives[i]);
    }
    mem_free(s->lives);
    mem_free(s->there);
    mem_free(s->sentence);
    config_free(s->config);
}

/* The question */

/* Without "rules:1: ", which is no place that anybody knows. */
static void strip_place(struct err *e)
{
    const size_t size = strlen(SOURCE ":");
    const char *text = e->text;

    if (strncmp(text, SOURCE ":", size) != 0)
        return;
    for (text += size; isdigit((unsigned char)*text) != 0;)
        text++;
    text += strspn(text, ": ");
    memmove(e->text, text, strlen(text) + 1);
}

/* The reader of holdfast.yaml reads the rules, so that what is good here is good there. */
static bool read_rules(struct simulation *s, const json_t *question, struct err *e)
{
    static const char *const given[] = {"retention", "schedule", "drill", "check"};
    AUTO(json)
    json_t *file = json_pack("{s:{s:{s:s, s:s}}, s:{s:{s:[{s:{s:[s]}}], s:[s]}}}", "repositories",
                             "r", "url", "/r", "key_file", "/k", "sets", "s", "sources", "files",
                             "paths", "/d", "repositories", "r");
    json_t *set = json_object_get(json_object_get(file, "sets"), "s");
    AUTO(buf) struct buf text = {0};

    for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
        json_t *value = json_object_get(question, given[i]);

        if (value != NULL && !json_is_null(value))
            (void)json_object_set(set, given[i], value);
    }
    json_append(file, &text);
    if (config_read(SOURCE, buf_slice(&text), &s->config, e))
        return true;
    strip_place(e);
    return false;
}

static struct life *add_life(struct simulation *s, int64_t time_ns)
{
    struct life *l = mem_new(sizeof(*l));

    if (s->count == s->room) {
        s->room = s->room == 0 ? 64 : 2 * s->room;
        s->lives = mem_resize(s->lives, s->room, sizeof(struct life *));
        s->there = mem_resize(s->there, s->room, sizeof(*s->there));
    }
    l->time_ns = time_ns;
    s->there[s->there_count++] = s->count;
    s->lives[s->count++] = l;
    return l;
}

static bool read_snapshots(struct simulation *s, const json_t *question, struct err *e)
{
    const json_t *list = json_object_get(question, "snapshots");

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        int64_t time_ns = 0;
        struct life *l;

        if (!clock_parse(json_string_value(json_object_get(one, "time")), &time_ns, e))
            return err_wrap(e, "snapshots[%zu].time", i);
        l = add_life(s, time_ns);
        l->id = json_string_value(json_object_get(one, "id"));
        l->is_pinned = json_is_true(json_object_get(one, "pinned"));
    }
    return true;
}

/* A look */

/* Judge what is there; what goes is there no more when that is applied. */
static void look(struct simulation *s, int64_t now_ns, bool is_applied)
{
    const struct config_set *set = &s->config->sets[0];
    AUTO(mem) struct retention_item *items = mem_array(s->there_count, sizeof(*items));
    AUTO(retention_plan) struct retention_plan *p = NULL;
    size_t kept = 0;

    for (size_t i = 0; i < s->there_count; i++) {
        const struct life *l = s->lives[s->there[i]];

        items[i] = (struct retention_item){.id = l->id,
                                           .received_ns = l->time_ns,
                                           .trust = TRUST_PROVEN,
                                           .is_pinned = l->is_pinned};
    }
    p = retention_plan_new(
        &(struct retention_case){.set = set->name,
                                 .rules = set->retention,
                                 .limits = set->limits,
                                 .looks = config_set_looks(set, set->repositories[0]),
                                 .items = items,
                                 .count = s->there_count,
                                 .now_ns = now_ns});
    for (size_t i = 0; i < p->count; i++) {
        struct retention_decision *d = &p->decisions[i];
        struct life *l = s->lives[s->there[d->item - items]];

        mem_free(l->reason);
        l->reason = TAKE(d->reason);
        l->action = d->action;
        if (is_applied && d->action == RETENTION_REMOVE)
            l->removed_ns = now_ns;
    }
    for (size_t i = 0; i < s->there_count; i++)
        if (s->lives[s->there[i]]->removed_ns == 0)
            s->there[kept++] = s->there[i];
    s->work += s->there_count;
    s->there_count = kept;
    s->state = p->state;
    s->places = p->places;
    mem_free(s->sentence);
    s->sentence = TAKE(p->sentence);
}

/* Every backup of the days to come, and the rules behind it. */
static bool look_ahead(struct simulation *s, int64_t now_ns, int64_t days, struct err *e)
{
    const struct config_schedule *schedule = &s->config->sets[0].schedule;
    const int64_t end_s = (now_ns + days * DAY_NS) / NS_PER_S;
    AUTO(zone) struct zone *zone = NULL;
    struct cron cron;
    int64_t moment = now_ns / NS_PER_S;

    if (schedule->cron == NULL)
        return err_set(e, ERR_USAGE, "schedule: days to come take one");
    if (!cron_parse(schedule->cron, &cron, e) || !zone_open(schedule->timezone, NULL, &zone, e))
        return false;
    while (cron_next(&cron, zone, moment, &moment) && moment <= end_s) {
        struct life *l;

        if (s->work >= SIMULATION_WORK_MAX) {
            s->is_cut = true;
            return true;
        }
        l = add_life(s, moment * NS_PER_S);
        l->is_simulated = true;
        (void)snprintf(l->made_id, sizeof(l->made_id), "+%zu", s->count); /* has room */
        l->id = l->made_id;
        look(s, l->time_ns, true);
        s->until_ns = l->time_ns;
    }
    s->until_ns = end_s * NS_PER_S;
    return true;
}

/* The answer */

static json_t *time_json(int64_t time_ns)
{
    char text[CLOCK_TEXT_MAX];

    if (time_ns == 0)
        return json_null();
    clock_format(time_ns, text);
    return json_string(text);
}

static int by_time(const void *a, const void *b)
{
    const struct life *x = *(struct life *const *)a;
    const struct life *y = *(struct life *const *)b;

    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return strcmp(x->id, y->id);
}

static json_t *lives_json(const struct simulation *s)
{
    json_t *list = json_array();

    if (s->count > 0)
        qsort(s->lives, s->count, sizeof(struct life *), by_time);
    for (size_t i = 0; i < s->count; i++) {
        const struct life *l = s->lives[i];

        (void)json_array_append_new(
            list,
            json_pack("{s:s?, s:o, s:b, s:s, s:s?, s:o}", "id", l->is_simulated ? NULL : l->id,
                      "time", time_json(l->time_ns), "simulated", (int)l->is_simulated, "action",
                      retention_action_text(l->action), "reason", l->reason, "removed_at",
                      time_json(l->removed_ns)));
    }
    return list;
}

bool simulation_run(const json_t *question, int64_t now_ns, json_t **out, struct err *e)
{
    AUTO(simulation) struct simulation s = {.until_ns = now_ns};
    const int64_t days = json_integer_value(json_object_get(question, "days"));

    if (!read_rules(&s, question, e) || !read_snapshots(&s, question, e))
        return false;
    look(&s, now_ns, days > 0);
    if (days > 0 && !look_ahead(&s, now_ns, days, e))
        return false;
    *out = json_pack("{s:o, s:o, s:b, s:s, s:s?, s:s?, s:o}", "now", time_json(now_ns), "until",
                     time_json(s.until_ns), "truncated", (int)s.is_cut, "state",
                     retention_state_text(s.state), "sentence", s.sentence, "places", s.places,
                     "snapshots", lives_json(&s));
    return true;
}
