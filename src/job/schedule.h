/*
 * The scheduler's decisions: which runs are due, which were missed, when to look again, and for
 * what nothing has succeeded for too long.  Pure: time is an argument and nothing is remembered
 * here. Part of job.h.
 *
 * A run is named by the moment for which it was scheduled, not by the one at which it begins: so
 * each is started once however many processes ask, if whoever starts it refuses a second one of the
 * same key.  Moments are seconds since 1970.
 */
#ifndef JOB_SCHEDULE_H
#define JOB_SCHEDULE_H

#include "codec/cron.h"
#include "job/config.h"

/* MISSED_ALL makes up for the newest this many, or a year without power would be a year of work. */
#define SCHEDULE_CATCH_UP_MAX 24

/* Missed runs are counted up to this many. */
#define SCHEDULE_MISSED_MAX 1000

/* A run that could not begin for ten minutes counts as missed.  Longer than a busy machine takes,
 * and shorter than anybody waits. */
#define SCHEDULE_LATE_S 600

/* The longest time without looking: a clock that was set, or a machine that was asleep, is noticed
 * then at the latest. */
#define SCHEDULE_LOOK_S 300

/* A clock that goes back by more than 25 hours was wrong before: what was done then is no reason to
 * wait. */
#define SCHEDULE_BACK_MAX_S 90000

/* How many distances between runs may pass without success before the alarm, by default. */
#define SCHEDULE_ALARM_FACTOR 2

/* One schedule and what became of it; texts and the zone are borrowed. */
struct schedule_entry {
    const char *id; /* of the set or configuration */
    struct cron cron;
    const struct zone *zone;
    int64_t jitter_s;       /* at most this late, by cron_delay(), but before the next moment */
    enum run_missed missed; /* what becomes of runs that could not begin in time */
    int64_t since_s;        /* in force since; earlier moments are not its */
    int64_t last_s;         /* the latest moment that was dealt with; 0: none */
    int64_t last_success_s; /* when a run last succeeded; 0: never */
    int alarm_factor;       /* 0: no alarm */
};

/* A run that is due. */
struct schedule_run {
    size_t entry;     /* its index */
    int64_t moment_s; /* for which it was scheduled */
    bool is_missed;   /* made up for */
    char *key;        /* "ID@MOMENT": of this run and no other */
};

/* What is to be noted of an entry. */
struct schedule_outcome {
    int64_t last_s;  /* what last_s becomes once the runs are queued; 0: still none */
    int missed;      /* runs that were due too long ago, those made up for included */
    int dropped;     /* of these, not made up for */
    int64_t next_s;  /* when the next run begins, its delay included; INT64_MAX: never */
    bool is_alarm;   /* nothing has succeeded since alarm_s */
    int64_t alarm_s; /* when the alarm is or would be; INT64_MAX: never */
};

/* When the next run begins, whatever was dealt with; INT64_MAX: never. */
int64_t schedule_next(const struct schedule_entry *s, int64_t now_s);

struct schedule_plan {
    struct schedule_run *runs; /* the earliest moment first */
    size_t run_count;
    struct schedule_outcome *outcomes; /* of each entry */
    size_t count;
    int64_t wake_s; /* look again then, or when an entry changes; after now */
};

/*
 * Decide.  Cannot fail.  Asked again with last_s as the outcome says, it names no run twice,
 * whatever the clock does in between, unless it goes back by more than SCHEDULE_BACK_MAX_S.
 */
struct schedule_plan *schedule_plan_new(const struct schedule_entry *entries, size_t count,
                                        int64_t now_s);
void schedule_plan_free(struct schedule_plan *p); /* accepts NULL */
void schedule_plan_auto(struct schedule_plan **p);

/* When the run of a moment begins. */
int64_t schedule_begin(const struct schedule_entry *s, int64_t moment_s);

/*
 * The longest time between neighbouring moments among those around a given one: what may pass
 * between two successes of a schedule that works.  0: there are no two.
 */
int64_t schedule_interval(const struct schedule_entry *s, int64_t moment_s);

#endif
