/*
 * Figures of the catalog for /metrics: runs by set, kind and state, ages of the last success and
 * the last proof, queues.  Any thread.
 */
#ifndef SERVER_API_METRICS_H
#define SERVER_API_METRICS_H

#include "server/metrics.h"
#include "server/service.h"

struct api_metrics;
struct api_metrics *api_metrics_new(struct service *s); /* borrowed */
void api_metrics_free(struct api_metrics *m);           /* accepts NULL */

/* What was read in the last ten seconds, or is now; of who is for some sets only, what is of these.
 * A catalog that is away leaves its figures out
 * and shows as holdfast_catalog_up 0. */
void api_metrics_put(struct api_metrics *m, const struct principal *who, struct metrics *out);

#endif
