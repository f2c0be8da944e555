/*
 * Text of metrics for Prometheus (exposition format 0.0.4), written by hand.  A writer is one
 * scrape: families one after another, each with its samples; nothing is kept between scrapes.
 */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include "base/buf.h"

enum metric_kind {
    METRIC_COUNTER, /* its name ends in _total */
    METRIC_GAUGE,
    METRIC_HISTOGRAM,
};

struct metric_label {
    const char *name, *value; /* a value is any UTF-8 text */
};

struct metrics {
    struct buf *out;
    char name[128]; /* of the family that samples go to */
    enum metric_kind kind;
};

/*
 * Begin a family.  Names are constants of the program and asserted: [a-z_][a-z0-9_]*, "holdfast_"
 * in front, counters with "_total" behind; the same name is begun once in a scrape.
 */
void metrics_family(struct metrics *m, const char *name, enum metric_kind kind, const char *help);

/* One sample of a counter or gauge.  labels may be NULL when count is 0. */
void metrics_sample(struct metrics *m, const struct metric_label *labels, size_t count,
                    double value);

/* Counts of a histogram, kept by whoever observes; atomic, so that any thread may add. */
#define METRIC_BUCKETS 12
struct metric_histogram {
    _Atomic uint64_t counts[METRIC_BUCKETS + 1]; /* the last: above all bounds */
    _Atomic uint64_t sum_us;
};

/* Upper bounds in seconds, 1 ms to 60 s: what requests and jobs of a backup service last. */
extern const double metric_bounds[METRIC_BUCKETS];

void metric_observe(struct metric_histogram *h, int64_t duration_ns);

/* The samples of a histogram: _bucket, _sum, _count. */
void metrics_histogram(struct metrics *m, const struct metric_label *labels, size_t count,
                       const struct metric_histogram *h);

#endif
