#include "cli/serve_read.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/json.h"

/* How often who waits for a place looks for one. */
#define WAIT_LOOK_MS 20

/* Whether this host does what there is to do with the set, else who does. */
static bool check_host(const struct serve_read *s, const struct config_set *set, struct err *e)
{
    AUTO(buf) struct buf hosts = {0};

    if (config_set_is_here(set, service_host(s->parts)))
        return true;
    for (size_t i = 0; i < set->hosts.count; i++)
        buf_printf(&hosts, "%s%s", i == 0 ? "" : ", ", set->hosts.items[i]);
    return err_set(e, ERR_EXISTS, "the set belongs to %s: ask the service there",
                   buf_string(&hosts));
}

static bool check_repository(const struct config_set *set, const json_t *arguments, struct err *e)
{
    const char *name = json_string_value(json_object_get(arguments, "repository"));

    for (size_t i = 0; name != NULL && i < set->repository_count; i++)
        if (strcmp(set->repositories[i]->name, name) == 0)
            return true;
    return name == NULL || err_set(e, ERR_USAGE, "repository: is none of the set's");
}

/* The configuration that the set is in, as it is now. */
static bool take_config(const struct serve_read *s, const struct service_reading *q, char **out,
                        struct err *e)
{
    struct roster *roster = service_roster(s->parts);
    AUTO(roster_view) struct roster_view *v = NULL;
    const struct roster_set *set;
    bool has_changed;

    if (!roster_look(roster, &has_changed, e)) {
        e->code = ERR_AWAY; /* whatever it is of the catalog: nothing for clients */
        return false;
    }
    v = roster_take(roster);
    set = roster_find(v, q->set);
    if (set == NULL)
        return err_set(e, ERR_NOT_FOUND, "no set of this name is configured on this host, %s",
                       service_host(s->parts));
    if (set->set == NULL)
        return err_set(e, ERR_EXISTS, "this host cannot use the set's configuration");
    if (!check_host(s, set->set, e) || !check_repository(set->set, q->arguments, e))
        return false;
    if (!roster_publish(roster, set, out, e)) {
        e->code = ERR_FATAL; /* of our own files */
        return false;
    }
    return true;
}

static bool make_job(const struct serve_read *s, const struct service_reading *q,
                     struct child_job *out, struct err *e)
{
    AUTO(child_job) struct child_job j = {.attempt = 1, .limits = READING_LIMITS};
    char id[CATALOG_ID_SIZE];

    if (!child_verb_parse(q->verb, &j.verb) || !child_verb_is_reading(j.verb))
        return err_set(e, ERR_FATAL, "\"%s\" is no reading", q->verb);
    catalog_id_new(id);
    (void)snprintf(j.id, sizeof(j.id), "%s", id); /* ids of the catalog fit */
    if (!take_config(s, q, &j.config, e))
        return false;
    j.set = mem_string(q->set);
    j.arguments = json_deep_copy(q->arguments);
    *out = j;
    j = (struct child_job){0};
    return true;
}

/* What came of it, in words for clients; those of the command are for the log. */
static bool judge(const struct child_outcome *o, struct err *e)
{
    if (o->state == CHILD_SUCCEEDED)
        return true;
    if (o->is_missing)
        return err_set(e, ERR_NOT_FOUND, "no such snapshot of the set, or no such path in it");
    if (o->is_invalid)
        return err_set(
            e, ERR_USAGE,
            "several snapshots begin so, or the path is of nothing that this can be had of");
    if (o->is_opening)
        return err_set(e, ERR_AWAY, "%s", o->why.text);
    if (o->state == CHILD_CONFLICT)
        return err_set(e, ERR_EXISTS, "another run is in the way; the same may succeed later");
    if (o->state == CHILD_CANCELLED)
        return err_set(e, ERR_CANCELLED, "nobody waited for it");
    return err_set(e, ERR_FATAL, "%s", o->why.text);
}

static bool run(struct serve_read *s, const struct service_reading *q, struct err *e)
{
    const struct reading_ends ends = {
        .take = q->take, .give = q->give, .is_wanted = q->is_wanted, .arg = q->arg};
    AUTO(child_job) struct child_job j = {0};
    AUTO(child_outcome) struct child_outcome o = {0};

    if (!make_job(s, q, &j, e))
        return false;
    if (!reading_run(&j, &ends, &o, e)) {
        e->code = ERR_FATAL; /* the request was checked: it is something of ours, for the log */
        return false;
    }
    if (!judge(&o, e))
        return false;
    if (q->result != NULL)
        *q->result = json_incref(o.result);
    return true;
}

void serve_read_init(struct serve_read *s, struct service_parts *parts)
{
    *s = (struct serve_read){.parts = parts};
    pthread_mutex_init(&s->lock, NULL);
}

void serve_read_done(struct serve_read *s)
{
    if (s->parts != NULL)
        pthread_mutex_destroy(&s->lock);
}

/* Take one of so many places, of which nobody has more than some; NULL: there is none. */
static const char **place_take(struct serve_read *s, const char **places, size_t count,
                               size_t own_max, const char *who)
{
    const char **out = NULL;
    size_t own = 0;

    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < count; i++) {
        if (places[i] == NULL)
            out = &places[i];
        else if (strcmp(places[i], who) == 0)
            own++;
    }
    if (own >= own_max)
        out = NULL;
    if (out != NULL)
        *out = who;
    pthread_mutex_unlock(&s->lock);
    return out;
}

static void place_give(struct serve_read *s, const char **place)
{
    pthread_mutex_lock(&s->lock);
    *place = NULL;
    pthread_mutex_unlock(&s->lock);
}

/* Whether one more may wait. */
static bool wait_begin(struct serve_read *s)
{
    pthread_mutex_lock(&s->lock);

    const bool may_wait = s->waiting < SERVE_WAITING_MAX;

    s->waiting += may_wait ? 1 : 0;
    pthread_mutex_unlock(&s->lock);
    return may_wait;
}

static void wait_end(struct serve_read *s)
{
    pthread_mutex_lock(&s->lock);
    s->waiting--;
    pthread_mutex_unlock(&s->lock);
}

static const char **place_to_read(struct serve_read *s, const struct service_reading *q)
{
    const int64_t until_ns = clock_monotonic_ns() + SERVE_WAIT_S * NS_PER_S;
    const char **place = place_take(s, s->readings, SERVE_READINGS_MAX, SERVE_READINGS_OWN, q->who);

    if (place != NULL || !wait_begin(s))
        return place;
    while (place == NULL && clock_monotonic_ns() < until_ns && q->is_wanted(q->arg)) {
        (void)poll(NULL, 0, WAIT_LOOK_MS);
        place = place_take(s, s->readings, SERVE_READINGS_MAX, SERVE_READINGS_OWN, q->who);
    }
    wait_end(s);
    return place;
}

bool serve_read(struct serve_read *s, const struct service_reading *q, struct err *e)
{
    const bool is_upload = q->give != NULL;
    const char **place =
        is_upload ? place_take(s, s->uploads, SERVE_UPLOADS_MAX, SERVE_UPLOADS_MAX, q->who)
                  : place_to_read(s, q);

    if (place == NULL)
        return err_set(e, ERR_TRANSIENT, "%s already; try again",
                       is_upload ? "too many uploads are under way"
                                 : "too many, or too many of yours, are looking into snapshots");

    const bool is_done = run(s, q, e);

    place_give(s, place);
    return is_done;
}
