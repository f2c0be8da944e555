/*
 * News of jobs that other processes do, for those who listen here: what dispatch_told_fn tells of
 * the jobs of this process, read from a catalog that several share.  Part of job.h.
 *
 * Whoever does a job writes its progress into the catalog and rings (catalog_job_hear); a ring only
 * says that a look is worth while.  So who may connect to the database and rings without end costs
 * a look every NEWS_PAUSE_MS, and can tell nothing that is not so.  A look every NEWS_POLL_MS finds
 * what no ring came for: the connection broke, or a pooler stands in between.
 */
#ifndef JOB_NEWS_H
#define JOB_NEWS_H

#include "catalog/catalog.h"
#include "job/dispatch.h"

#define NEWS_PAUSE_MS 200
#define NEWS_POLL_MS  5000

struct news;

/* catalog and arg are borrowed. */
struct news *news_new(struct catalog *c, dispatch_told_fn *told, void *arg);
void news_free(struct news *n); /* accepts NULL */
void news_auto(struct news **n);

/* Tell nothing of the job of a topic: this process does it and tells by itself.  Any thread. */
void news_leave(struct news *n, const char *topic);

/*
 * Look, and tell what has changed since the last look; the first one tells nothing of jobs that are
 * done.  Of one thread, in which told() is called.  After a failure the next look finds what this
 * one did not.
 */
MUST_CHECK bool news_look(struct news *n, struct err *e);

/* Wait for a ring, at most NEWS_POLL_MS and at least NEWS_PAUSE_MS, unless cancel_is_requested().
 */
MUST_CHECK bool news_wait(struct news *n, struct err *e);

#endif
