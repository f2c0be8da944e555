/* Whether the audit log is whole. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "catalog/audit_private.h"
#include "codec/json.h"

#define ROWS_AT_ONCE 1000
#define HEAD_MAX     300

bool audit_head_read(struct catalog *c, struct audit_head *out, struct err *e)
{
    AUTO(buf) struct buf path = {0};
    AUTO(buf) struct buf line = {0};
    char sum[AUDIT_HASH];
    uint64_t seq = 0;

    buf_printf(&path, "%s/audit.head", c->state);
    if (!file_read(buf_string(&path), HEAD_MAX, &line, e))
        return false;

    const char *text = buf_string(&line);
    const char *space = strchr(text, ' ');
    const size_t number = space == NULL ? 0 : (size_t)(space - text);
    const size_t wanted = number + 1 + (size_t)2 * (AUDIT_HASH - 1) + 2;

    if (number == 0 || number > 18 || line.size != wanted || text[number + AUDIT_HASH] != ' ' ||
        text[wanted - 1] != '\n')
        return err_set(e, ERR_CORRUPT, "%s is damaged", buf_string(&path));

    AUTO(mem) char *digits = mem_dup(text, number);

    audit_hash(c, AUDIT_HEAD, SLICE_OF(text, number + AUDIT_HASH), sum);
    if (!parse_u64(digits, &seq, e) ||
        !equal_ct(sum, text + number + 1 + AUDIT_HASH, AUDIT_HASH - 1))
        return err_set(e, ERR_CORRUPT, "%s is not what this catalog wrote", buf_string(&path));
    out->seq = (int64_t)seq;
    memcpy(out->hash, text + number + 1, AUDIT_HASH - 1);
    out->hash[AUDIT_HASH - 1] = '\0';
    return true;
}

/* Verifying goes through the log with this. */
struct walk {
    struct catalog *catalog;
    struct catalog_audit_verdict *verdict;
    char hash[AUDIT_HASH];   /* of the record before */
    struct audit_head aside; /* seq 0: there is none */
};

__attribute__((format(printf, 3, 4))) static void find(struct walk *w, int64_t seq, const char *fmt,
                                                       ...)
{
    va_list args;

    w->verdict->is_sound = false;
    w->verdict->bad_seq = seq;
    va_start(args, fmt);
    (void)vsnprintf(w->verdict->reason, sizeof(w->verdict->reason), fmt, args);
    va_end(args);
}

static bool has_text(const json_t *j, const char *name, const char *wanted)
{
    const char *text = json_string_value(json_object_get(j, name));

    return text != NULL && strcmp(text, wanted) == 0;
}

/* Columns are copies of what the record says, and the hash is of the record alone. */
static bool columns_fit(const struct db_result *r, size_t row, const json_t *j)
{
    char time[CLOCK_TEXT_MAX];

    clock_format(db_get_number(r, row, 1), time);
    return json_integer_value(json_object_get(j, "seq")) == db_get_number(r, row, 0) &&
           has_text(j, "time", time) && has_text(j, "actor", db_get_text(r, row, 2)) &&
           has_text(j, "action", db_get_text(r, row, 3)) &&
           has_text(j, "object", db_get_text(r, row, 4)) &&
           has_text(j, "outcome", db_get_text(r, row, 5));
}

/* One record; false when it does not fit. */
static bool check_record(struct walk *w, const struct db_result *r, size_t row)
{
    const int64_t wanted = w->verdict->count + 1;
    const int64_t seq = db_get_number(r, row, 0);
    const char *record = db_get_text(r, row, 6);
    const char *stored = db_get_text(r, row, 7);
    AUTO(json) json_t *j = json_loads(record, JSON_REJECT_DUPLICATES, NULL);
    char hash[AUDIT_HASH];

    if (seq != wanted) {
        find(w, wanted, "record %lld is missing", (long long)wanted);
        return false;
    }
    audit_hash(w->catalog, AUDIT_RECORD, slice_string(record), hash);
    if (strlen(stored) != AUDIT_HASH - 1 || !equal_ct(hash, stored, AUDIT_HASH - 1))
        find(w, seq, "record %lld is not what was written", (long long)seq);
    else if (!has_text(j, "prev", w->hash))
        find(w, seq, "record %lld does not follow the one before it", (long long)seq);
    else if (!columns_fit(r, row, j))
        find(w, seq, "the columns of record %lld say something else", (long long)seq);
    else if (seq == w->aside.seq && strcmp(hash, w->aside.hash) != 0)
        find(w, seq, "record %lld is not the one that audit.head knows", (long long)seq);
    if (w->verdict->bad_seq != 0)
        return false;
    memcpy(w->hash, hash, sizeof(hash));
    w->verdict->count++;
    return true;
}

/* The next records; *more is false at the end of the log or of its sound part. */
static bool check_some(struct walk *w, struct catalog_tx *t, bool *more, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db,
                "SELECT seq, time_ns, actor, action, object, outcome, record, hash FROM audit"
                " WHERE seq > $1 ORDER BY seq LIMIT $2",
                DB_VALUES(db_number(w->verdict->count), db_number(ROWS_AT_ONCE)), &r, e))
        return false;
    *more = r.rows == ROWS_AT_ONCE;
    for (size_t i = 0; i < r.rows; i++)
        if (!check_record(w, &r, i)) {
            *more = false;
            return true;
        }
    return true;
}

/* The end: what the head in the database and the one aside say of it. */
static bool check_end(struct walk *w, struct catalog_tx *t, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};
    const int64_t next = w->verdict->count + 1;

    if (!db_run(t->db, "SELECT seq, hash FROM audit_head", DB_NO_VALUES, &r, e))
        return false;
    if (w->verdict->count < w->aside.seq)
        find(w, next, "records %lld to %lld are missing at the end", (long long)next,
             (long long)w->aside.seq);
    else if (r.rows != 1 || db_get_number(&r, 0, 0) != w->verdict->count ||
             strcmp(db_get_text(&r, 0, 1), w->hash) != 0)
        find(w, next, "the head of the log names another end than record %lld",
             (long long)w->verdict->count);
    return true;
}

/* A head that is not there is no fault on a host that never wrote; one that is damaged is. */
static void read_aside(struct walk *w)
{
    struct err e = {0};

    if (audit_head_read(w->catalog, &w->aside, &e) || e.code == ERR_NOT_FOUND)
        return;
    find(w, 1, "%s", e.text);
}

bool catalog_audit_verify(struct catalog *c, struct catalog_audit_verdict *out, struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    struct catalog_audit_verdict verdict = {.is_sound = true};
    struct walk w = {.catalog = c, .verdict = &verdict};
    bool more = true;

    if (!c->has_key)
        return err_set(e, ERR_DENIED, "the catalog was opened without its key");
    /* First, since records may be added between the two looks, but none goes away. */
    read_aside(&w);
    if (!catalog_begin_read(c, &t, e))
        return false;
    while (more && verdict.is_sound)
        if (!check_some(&w, t, &more, e))
            return false;
    if (verdict.is_sound && !check_end(&w, t, e))
        return false;
    *out = verdict;
    return true;
}
