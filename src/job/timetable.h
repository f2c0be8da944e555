/*
 * The schedules of the configuration, kept in the catalog: queues what is due.  Part of job.h.
 *
 * Any number of processes may look at the same time: a run is queued under its own key, and the
 * catalog takes each key once.
 */
#ifndef JOB_TIMETABLE_H
#define JOB_TIMETABLE_H

#include "catalog/catalog.h"
#include "job/config.h"
#include "job/roster.h"
#include "notify/notify.h"

struct timetable_options {
    struct catalog *catalog; /* all borrowed; NULL as templates: for timetable_next() only */
    const struct config *config;
    const struct template_set *templates;
    const char *host; /* this one: other hosts see to their sets */
    struct roster
        *roster; /* instead of the sets of config: the newest when it is opened; or NULL */
};

struct timetable;

/* Of what the roster has now: open another when that changes.  ERR_NOT_FOUND or ERR_USAGE naming
 * the set whose time zone is none. */
MUST_CHECK bool timetable_open(const struct timetable_options *o, struct timetable **out,
                               struct err *e);
void timetable_close(struct timetable *t); /* accepts NULL */
void timetable_auto(struct timetable **t);

/*
 * Queue what is due, note what was missed and what has not succeeded for too long, with messages
 * for those who hear of failures.  *wake_s is when to look again, in seconds since 1970.  What was
 * queued before a failure stays so; the next look goes on.  Messages for which the outbox has no
 * room are lost: that is a failure too, after all else was done.
 */
MUST_CHECK bool timetable_look(struct timetable *t, int64_t now_s, int64_t *wake_s, struct err *e);

/* What comes next of one schedule. */
#define TIMETABLE_NEXT 3
struct timetable_next {
    const char *set; /* borrowed from the timetable, as is the repository */
    enum catalog_run_kind kind;
    const char *repository; /* of checks; or NULL */
    int64_t begins_s[TIMETABLE_NEXT];
    size_t count;
};
size_t timetable_count(const struct timetable *t);
/* Of schedule i, as its expression says: what was missed or waits is not counted. */
struct timetable_next timetable_next(const struct timetable *t, size_t i, int64_t now_s);

#endif
