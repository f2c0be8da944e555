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
    struct catalog *catalog; /* all borrowed */
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

#endif
