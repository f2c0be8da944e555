#include "job/timetable.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "codec/json.h"
#include "job/config_fields.h"
#include "job/schedule.h"
#include "job/sender.h"

#define SECOND INT64_C(1000000000)

/* Attempts of a scheduled run, and how long to wait before the second; it doubles. */
#define ATTEMPTS   3
#define BACKOFF_MS 60000

/* Longest id of an entry: what is done, the name of a set and that of a repository. */
enum { ENTRY_ID_MAX = 256 };

struct timed {
    const struct config_set *set;
    int64_t version; /* of the configuration of the API that it is; 0: of none */
    const char *variant;
    const char *repository; /* of a check; or NULL: all */
    enum catalog_run_kind kind;
    struct zone *zone;
    char id[ENTRY_ID_MAX];
    struct schedule_entry schedule; /* schedule_of() */
};

struct timetable {
    struct timetable_options options;
    struct roster_view *view; /* or NULL */
    struct timed *entries;
    size_t count;
};

void timetable_close(struct timetable *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->count; i++)
        zone_free(t->entries[i].zone);
    mem_free(t->entries);
    roster_view_drop(t->view);
    mem_free(t);
}

void timetable_auto(struct timetable **t)
{
    timetable_close(*t);
}

static void name_entry(struct timed *n)
{
    if (n->repository != NULL)
        (void)snprintf(n->id, sizeof(n->id), CATALOG_SCHEDULE_CHECKS "%s/%s", n->set->name,
                       n->repository); /* names are at most 100 long */
    else
        (void)snprintf(n->id, sizeof(n->id), "%s%s",
                       n->kind == RUN_DRILL ? CATALOG_SCHEDULE_DRILLS : "", n->set->name);
}

/* Without what the catalog says.  Entries move while others are added, so that they hold no pointer
 * to their own id. */
static struct schedule_entry schedule_of(const struct timed *n)
{
    struct schedule_entry s = n->schedule;

    s.id = n->id;
    return s;
}

/* what: the set, its version and variant, and what is done with it. */
static bool add_entry(struct timetable *t, const struct timed *what, const char *cron,
                      struct err *e)
{
    const struct config_set *set = what->set;
    struct timed *n = &t->entries[t->count];
    const char *zone = set->schedule.timezone != NULL ? set->schedule.timezone : ZONE_LOCAL;

    *n = *what;
    if (!zone_open(zone, NULL, &n->zone, e))
        return err_wrap(e, "set %s", set->name);
    t->count++;
    name_entry(n);
    n->schedule = (struct schedule_entry){.zone = n->zone,
                                          .jitter_s = set->schedule.jitter_ms / 1000,
                                          .missed = (enum run_missed)set->schedule.run_missed,
                                          .alarm_factor = SCHEDULE_ALARM_FACTOR};
    return cron_parse(cron, &n->schedule.cron, e) || err_wrap(e, "set %s", set->name);
}

/* Each repository by itself: one that is away leaves the others theirs. */
static bool add_checks(struct timetable *t, struct timed what, struct err *e)
{
    what.kind = RUN_CHECK;
    for (size_t i = 0; i < what.set->repository_count; i++) {
        what.repository = what.set->repositories[i]->name;
        if (!add_entry(t, &what, what.set->check.cron, e))
            return false;
    }
    return true;
}

static bool add_set(struct timetable *t, const struct roster_set *s, struct err *e)
{
    const bool has_drills = s->set->drill != NULL && strcmp(s->set->drill, "after_backup") != 0;
    struct timed what = {
        .set = s->set, .version = s->version, .variant = s->variant, .kind = RUN_BACKUP};

    t->entries =
        mem_resize(t->entries, t->count + 2 + s->set->repository_count, sizeof(*t->entries));
    if (s->set->schedule.cron != NULL && !add_entry(t, &what, s->set->schedule.cron, e))
        return false;
    what.kind = RUN_DRILL;
    return (!has_drills || add_entry(t, &what, s->set->drill, e)) &&
           (s->set->check.cron == NULL || add_checks(t, what, e));
}

bool timetable_open(const struct timetable_options *o, struct timetable **out, struct err *e)
{
    AUTO(timetable) struct timetable *t = mem_new(sizeof(*t));
    size_t count = o->config->set_count;

    t->options = *o;
    if (o->roster != NULL) {
        t->view = roster_take(o->roster);
        count = roster_count(t->view);
    }
    for (size_t i = 0; i < count; i++) {
        const struct roster_set own = {.set = o->roster == NULL ? &o->config->sets[i] : NULL};
        const struct roster_set *s = o->roster == NULL ? &own : roster_at(t->view, i);

        if (s->set != NULL && config_set_is_here(s->set, o->host) && !add_set(t, s, e))
            return false;
    }
    *out = TAKE(t);
    return true;
}

size_t timetable_count(const struct timetable *t)
{
    return t->count;
}

struct timetable_next timetable_next(const struct timetable *t, size_t i, int64_t now_s)
{
    const struct timed *n = &t->entries[i];
    const struct schedule_entry s = schedule_of(n);
    struct timetable_next out = {.set = n->set->name, .kind = n->kind, .repository = n->repository};

    while (out.count < TIMETABLE_NEXT) {
        now_s = schedule_next(&s, now_s);
        if (now_s == INT64_MAX)
            break;
        out.begins_s[out.count++] = now_s;
    }
    return out;
}

/* One look at one entry */

struct look {
    const struct timetable_options *options;
    const struct timed *entry;
    int64_t now_s;
    int64_t wake_s; /* answer */
    size_t lost;    /* messages for which there was no room */
};

/* For whoever does it. */
static void write_arguments(const struct timed *n, struct buf *out)
{
    AUTO(json) json_t *o = json_object();

    if (n->repository != NULL)
        config_show(o, "repository", json_string(n->repository));
    if (n->kind == RUN_CHECK && n->set->check.reads_all)
        config_show(o, "read_data", json_true());
    if (n->kind == RUN_CHECK && n->set->check.subset != NULL)
        config_show(o, "read_data_subset", json_string(n->set->check.subset));
    json_append(o, out);
}

static bool queue_run(const struct look *k, struct catalog_tx *t, const struct schedule_run *r,
                      struct err *e)
{
    AUTO(buf) struct buf arguments = {0};

    write_arguments(k->entry, &arguments);

    const struct catalog_job_request q = {
        .kind = k->entry->kind,
        .set = k->entry->set->name,
        .config = k->entry->version > 0 ? k->entry->set->name : NULL,
        .variant = k->entry->kind == RUN_BACKUP ? k->entry->variant : NULL,
        .arguments = buf_string(&arguments),
        .cause = r->is_missed ? CAUSE_CATCH_UP : CAUSE_SCHEDULE,
        .requested_by = "system",
        .writer = k->entry->set->name,
        .dedup = r->key,
        .attempts_max = ATTEMPTS,
        .backoff_ms = BACKOFF_MS,
    };
    struct catalog_job_ids ids;

    return catalog_job_enqueue(t, &q, &ids, e);
}

/* Tell once: the notice's id, which is that of a moment, is what the outbox knows it by. */
static bool tell(struct look *k, struct catalog_tx *t, enum notice_event event, int64_t moment_s,
                 const char *sentence, struct err *e)
{
    const struct texts *to = &k->entry->set->notify.on_failure;
    AUTO(message_list) struct message_list list = {0};
    char id[ENTRY_ID_MAX + 32];
    uint64_t bad = 0; /* config_load() has checked the channels */

    if (to->count == 0)
        return true;
    (void)snprintf(id, sizeof(id), "%s@%" PRId64, k->entry->id, moment_s); /* has room */
    notice_messages(&(struct notice){.event = event,
                                     .outcome = NOTICE_FAILURE,
                                     .id = id,
                                     .set = k->entry->set->name,
                                     .type = catalog_run_kind_name(k->entry->kind),
                                     .error = sentence,
                                     .host = k->options->host,
                                     .time_ns = k->now_s * SECOND},
                    (const char *const *)to->items, to->count, k->options->templates, &list, &bad);
    return sender_queue_some(t, NULL, &list, &k->lost, e);
}

static bool note(struct look *k, struct catalog_tx *t, const struct schedule_outcome *o,
                 struct err *e)
{
    char sentence[200];

    if (o->missed > 0) {
        (void)snprintf(sentence, sizeof(sentence),
                       "%d scheduled run%s could not begin in time, %d made up for", o->missed,
                       o->missed == 1 ? "" : "s", o->missed - o->dropped);
        if (!tell(k, t, NOTICE_MISSED, o->last_s, sentence, e))
            return false;
    }
    if (!o->is_alarm)
        return true;
    if (k->entry->repository == NULL)
        return tell(k, t, NOTICE_DEAD_MAN, o->alarm_s, "nothing has succeeded for too long", e);
    (void)snprintf(sentence, sizeof(sentence),
                   "no check has found repository %s whole for too long", k->entry->repository);
    return tell(k, t, NOTICE_DEAD_MAN, o->alarm_s, sentence, e);
}

/* When what the entry is about succeeded last; 0: never. */
static bool find_success(const struct timed *n, struct catalog_tx *t, const struct catalog_set *set,
                         int64_t *out_ns, struct err *e)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_store_list stores = {0};

    *out_ns = n->kind == RUN_BACKUP ? set->success_ns : n->kind == RUN_DRILL ? set->proven_ns : 0;
    if (n->kind != RUN_CHECK)
        return true;
    if (!catalog_store_list(t, &a, &stores, e))
        return false;
    for (size_t i = 0; i < stores.count; i++)
        if (strcmp(stores.items[i].name, n->repository) == 0)
            *out_ns = stores.items[i].checked_ns;
    return true;
}

/* What is kept beside a schedule: {"since": SECONDS, "version": OF THE CONFIGURATION}.  One that
 * nobody has seen before, or that was saved anew, is in force from now on. */
static int64_t since_of(const struct look *k, const struct catalog_schedule *known)
{
    AUTO(json)
    json_t *details =
        known->details == NULL ? NULL : json_loads(known->details, JSON_REJECT_DUPLICATES, NULL);
    const json_t *since = json_object_get(details, "since");

    return json_is_integer(since) &&
                   json_integer_value(json_object_get(details, "version")) == k->entry->version
               ? json_integer_value(since)
               : k->now_s;
}

/* That a configuration of the API is still what the entry was made of. */
static bool check_version(const struct look *k, struct catalog_tx *t, struct err *e)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_config c;

    if (k->entry->version == 0)
        return true;
    return catalog_config_get(t, k->entry->set->name, &a, &c, e) &&
           (c.version == k->entry->version ||
            err_set(e, ERR_NOT_FOUND, "configuration %s has changed", c.id));
}

static bool look_in(struct catalog_tx *t, void *arg, struct err *e)
{
    struct look *k = arg;
    struct schedule_entry s = schedule_of(k->entry);
    AUTO(arena) struct arena a = {0};
    AUTO(schedule_plan) struct schedule_plan *plan = NULL;
    struct catalog_schedule known;
    struct catalog_set set;
    int64_t success_ns = 0;

    k->lost = 0;
    if (!check_version(k, t, e) || !catalog_schedule_get(t, k->entry->id, &a, &known, e) ||
        !catalog_set_get(t, k->entry->set->name, &a, &set, e) ||
        !find_success(k->entry, t, &set, &success_ns, e))
        return false;
    s.since_s = since_of(k, &known);
    s.last_s = known.last_ns / SECOND;
    s.last_success_s = success_ns / SECOND;
    plan = schedule_plan_new(&s, 1, k->now_s);
    k->wake_s = plan->wake_s;
    if (set.pause_reason != NULL)
        return true;
    for (size_t i = 0; i < plan->run_count; i++)
        if (!queue_run(k, t, &plan->runs[i], e))
            return false;

    const struct schedule_outcome *o = &plan->outcomes[0];
    AUTO(json)
    json_t *details = json_pack("{s:I, s:I}", "since", (json_int_t)s.since_s, "version",
                                (json_int_t)k->entry->version);
    AUTO(buf) struct buf since = {0};

    json_append(details, &since);
    return note(k, t, o, e) &&
           catalog_schedule_put(t,
                                &(struct catalog_schedule){
                                    .config = k->entry->id,
                                    .last_ns = o->last_s * SECOND,
                                    .details = buf_string(&since),
                                    .next_ns = o->next_s == INT64_MAX ? 0 : o->next_s * SECOND},
                                known.last_ns, e);
}

bool timetable_look(struct timetable *t, int64_t now_s, int64_t *wake_s, struct err *e)
{
    int64_t wake = now_s + SCHEDULE_LOOK_S;
    size_t lost = 0;

    for (size_t i = 0; i < t->count; i++) {
        struct look k = {&t->options, &t->entries[i], now_s, wake, 0};

        /* Another process is further: it queued what was due.  Or the configuration was changed or
         * deleted, and there will be another timetable. */
        if (catalog_write(t->options.catalog, look_in, &k, e))
            lost += k.lost;
        else if (e->code != ERR_EXISTS && e->code != ERR_NOT_FOUND)
            return false;
        if (k.wake_s < wake)
            wake = k.wake_s;
    }
    if (lost > 0)
        return err_set(e, ERR_TRANSIENT, "%zu messages are lost: %d wait to be sent", lost,
                       CATALOG_OUTBOX_MAX);
    *wake_s = wake;
    return true;
}
