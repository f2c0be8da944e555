#include "server/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"

const double metric_bounds[METRIC_BUCKETS] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                              0.1,   0.5,    1,     5,    15,    60};

static bool is_name(const char *s)
{
    return s[0] != '\0' && strchr("0123456789", s[0]) == NULL &&
           strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(s);
}

static bool ends_in(const char *s, const char *end)
{
    return strlen(s) >= strlen(end) && strcmp(s + strlen(s) - strlen(end), end) == 0;
}

void metrics_family(struct metrics *m, const char *name, enum metric_kind kind, const char *help)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};

    assert(is_name(name) && strncmp(name, "holdfast_", 9) == 0 && strlen(name) < sizeof(m->name));
    assert((kind == METRIC_COUNTER) == ends_in(name, "_total"));
    assert(strpbrk(help, "\\\n") == NULL);
    memcpy(m->name, name, strlen(name) + 1);
    m->kind = kind;
    buf_printf(m->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kinds[kind]);
}

static void put_labels(struct buf *out, const struct metric_label *labels, size_t count,
                       const char *bound)
{
    if (count == 0 && bound == NULL)
        return;
    buf_put_u8(out, '{');
    for (size_t i = 0; i < count; i++) {
        assert(is_name(labels[i].name));
        buf_printf(out, "%s%s=\"", i == 0 ? "" : ",", labels[i].name);
        for (const char *s = labels[i].value; *s != '\0'; s++)
            if (*s == '\n')
                buf_printf(out, "\\n");
            else if (*s == '"' || *s == '\\')
                buf_printf(out, "\\%c", *s);
            else
                buf_put_u8(out, (uint8_t)*s);
        buf_put_u8(out, '"');
    }
    if (bound != NULL)
        buf_printf(out, "%sle=\"%s\"", count == 0 ? "" : ",", bound);
    buf_put_u8(out, '}');
}

static void put_value(struct buf *out, double value)
{
    if (isnan(value))
        buf_printf(out, " NaN\n");
    else if (isinf(value))
        buf_printf(out, value > 0 ? " +Inf\n" : " -Inf\n");
    else
        buf_printf(out, " %.15g\n", value);
}

void metrics_sample(struct metrics *m, const struct metric_label *labels, size_t count,
                    double value)
{
    assert(m->name[0] != '\0' && m->kind != METRIC_HISTOGRAM);
    buf_printf(m->out, "%s", m->name);
    put_labels(m->out, labels, count, NULL);
    put_value(m->out, value);
}

void metric_observe(struct metric_histogram *h, int64_t duration_ns)
{
    const double seconds = (double)duration_ns / (double)NS_PER_S;
    size_t i = 0;

    while (i < METRIC_BUCKETS && seconds > metric_bounds[i])
        i++;
    h->counts[i]++;
    h->sum_us += (uint64_t)(duration_ns / 1000);
}

void metrics_histogram(struct metrics *m, const struct metric_label *labels, size_t count,
                       const struct metric_histogram *h)
{
    uint64_t total = 0;

    assert(m->name[0] != '\0' && m->kind == METRIC_HISTOGRAM);
    for (size_t i = 0; i <= METRIC_BUCKETS; i++) {
        AUTO(buf) struct buf bound = {0};

        if (i < METRIC_BUCKETS)
            buf_printf(&bound, "%g", metric_bounds[i]);
        else
            buf_printf(&bound, "+Inf");
        total += h->counts[i];
        buf_printf(m->out, "%s_bucket", m->name);
        put_labels(m->out, labels, count, buf_string(&bound));
        buf_printf(m->out, " %" PRIu64 "\n", total);
    }
    buf_printf(m->out, "%s_sum", m->name);
    put_labels(m->out, labels, count, NULL);
    put_value(m->out, (double)h->sum_us / 1e6);
    buf_printf(m->out, "%s_count", m->name);
    put_labels(m->out, labels, count, NULL);
    buf_printf(m->out, " %" PRIu64 "\n", total);
}
