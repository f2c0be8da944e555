/*
 * Figures about runs, from a list of what ran.  Pure: nothing is read, and now is an argument. Part
 * of notify.h.
 */
#ifndef NOTIFY_STATISTICS_H
#define NOTIFY_STATISTICS_H

#include <jansson.h>
#include <stdint.h>

#include "base/buf.h"

#define STATISTICS_DAYS_MAX 366

enum figure_kind {
    FIGURE_BACKUP,
    FIGURE_DRILL,
    FIGURE_RESTORE,
    FIGURE_RETENTION,
    FIGURE_OTHER,
};
#define FIGURE_KINDS (FIGURE_OTHER + 1)

enum figure_state {
    FIGURE_SUCCESS,
    FIGURE_INCOMPLETE, /* a result with something missing */
    FIGURE_FAILURE,
    FIGURE_UNFINISHED, /* waiting, running or cancelled: in no figure */
};

/* Borrows its texts. */
struct run_record {
    enum figure_kind kind;
    enum figure_state state;
    const char *type; /* "full", "database", "files", ...; never NULL */
    const char *set;  /* never NULL */
    int64_t time_ns;  /* when it began */
    int64_t duration_ms;
    uint64_t size;  /* bytes; of a failure 0 */
    uint64_t added; /* of them, bytes that the repository grew by */
    /* How many alike it stands for, with size and duration of all together; 0 is 1.  Not for
     * statistics_json(), which ranks durations. */
    uint64_t count;
};

struct statistics_scope {
    int64_t now_ns;
    int days; /* of the trend, today the last of them; 1 to STATISTICS_DAYS_MAX */
    uint64_t configs, configs_enabled;
};

/*
 * What GET /api/backup/stats of the POS application answers: {"stats":{"total":{"backups",
 * "successful","failed","size","avgDuration"},"recent":{"count","successful","failed"},
 * "storage":{"database","files","full"},"configs":{"total","enabled","disabled"},
 * "successRate"}}.  Only backups count.  avgDuration is whole seconds over all of them, recent is
 * the last seven days, successRate is whole per cent; halves are rounded up.  An incomplete
 * backup is neither successful nor failed, as "partial" is there.
 */
json_t *statistics_pos_json(const struct run_record *runs, size_t count,
                            const struct statistics_scope *scope);

/*
 * Our own: {"kinds":{"backup":{...},"drill":{...},...},"types":[...],"sets":[...],"days":[...]}.
 *
 * Each of kinds, the elements of types and of sets (backups only, ordered by "name") hold "runs",
 * "successful", "incomplete", "failed", "success_rate" (per cent with one decimal, null without
 * runs), "size_bytes" and "added_bytes" (all together), "last_success" (RFC 3339, or null), and
 * "duration_s" with "mean", "p50", "p95" and "longest" (nearest rank; null without runs).  days is
 * the trend of backups: one element a day of UTC, the oldest first, with "day" ("2026-11-21"),
 * "runs", "successful", "incomplete", "failed", "size_bytes", "added_bytes", and "duration_s" with
 * "mean" and "longest" (null without runs).
 */
json_t *statistics_json(const struct run_record *runs, size_t count,
                        const struct statistics_scope *scope);

#endif
