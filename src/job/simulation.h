/*
 * What rules of retention would keep: of the snapshots that are there, and of those that a schedule
 * would make in the days to come, with the rules applied behind each backup as the service does it
 * (retention.h).  Nothing is read or changed but the zone database.  Part of job.h.
 *
 * Every snapshot counts as one writer's, whole and proven: whether the rules are good is asked
 * here, not whether the backups are.
 */
#ifndef JOB_SIMULATION_H
#define JOB_SIMULATION_H

#include <jansson.h>

#include "base/err.h"

/* Snapshots that are judged, each time that it is, before the rest of the days is left out: about a
 * second of work.  A nightly backup of two years that keeps all takes 270,000. */
#define SIMULATION_WORK_MAX 1000000

#define SIMULATION_DAYS_MAX 731

/*
 * The question is {"retention": as a set of holdfast.yaml has it, "schedule", "drill", "check": the
 * same, "days": 0 to SIMULATION_DAYS_MAX, "snapshots": [{"id", "time", "pinned"}]}; all but
 * retention may be left out, but days above 0 take a schedule.  Types of members are the caller's
 * to check, but for those of the first four.
 *
 * The answer: {"now", "until", "truncated", "state", "sentence", "places", "snapshots": [{"id",
 * "time", "simulated", "action", "reason", "removed_at"}]}, the oldest first.  With 0 days "action"
 * is what the rules do with what is there now; else "keep" and "hold" are there at the end, and
 * "remove" went at "removed_at".  "id" of what is simulated is null.  ERR_USAGE.
 */
MUST_CHECK bool simulation_run(const json_t *question, int64_t now_ns, json_t **out, struct err *e);

#endif
