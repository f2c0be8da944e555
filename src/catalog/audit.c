/*
 * The audit log: adding, listing, telling others.
 *
 * The hash of a record is mac_sum() with type 1 of its JSON: HMAC-SHA-256 over one byte 0x01 and
 * the text.  The one row of audit_head is updated first by whoever adds, which puts them in a row.
 *
 * STATE/audit.head is one line: number, hash, and HMAC with type 2 of both, in hexadecimal, with
 * one space between them.
 */
#include "catalog/audit.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "catalog/audit_private.h"
#include "codec/json.h"

struct catalog_audit_added {
    struct catalog_audit_added *next; /* the one before it */
    int64_t seq;
    char hash[AUDIT_HASH];
    char *record;
};

void audit_hash(struct catalog *c, uint8_t type, struct slice text, char out[AUDIT_HASH])
{
    AUTO(mac) struct mac *m = mac_new(c->audit_key);
    struct hash h;

    mac_sum(m, type, text, &h);
    hex_encode(SLICE_OF(h.bytes, HASH_SIZE), out);
}

/* Adding */

/* The JSON of a record; NULL when the details are no object. */
static char *record_format(const struct catalog_audit_record *r, const char *prev)
{
    char time[CLOCK_TEXT_MAX];
    json_t *details =
        r->details == NULL ? json_object() : json_loads(r->details, JSON_REJECT_DUPLICATES, NULL);

    if (!json_is_object(details)) {
        json_decref(details);
        return NULL;
    }
    clock_format(r->time_ns, time);

    AUTO(json)
    json_t *j = json_pack("{sI ss ss ss ss ss so ss}", "seq", (json_int_t)r->seq, "time", time,
                          "actor", r->actor, "action", r->action, "object", r->object, "outcome",
                          r->outcome, "details", details, "prev", prev);

    return j == NULL ? NULL : json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);
}

static bool check_record(const struct catalog_audit_record *r, struct err *e)
{
    return catalog_check_text("the actor of an audit record", r->actor, 300, e) &&
           catalog_check_text("the action of an audit record", r->action, 100, e) &&
           (r->object[0] == '\0' ||
            catalog_check_text("the object of an audit record", r->object, 1000, e)) &&
           catalog_check_text("the outcome of an audit record", r->outcome, 100, e) &&
           catalog_check_document("the details of an audit record", r->details, e);
}

/* Keep what was added until it is committed. */
static void remember(struct catalog_tx *t, int64_t seq, const char *hash, char *record)
{
    struct catalog_audit_added *added = mem_new(sizeof(*added));

    added->next = t->added;
    added->seq = seq;
    memcpy(added->hash, hash, AUDIT_HASH);
    added->record = record;
    t->added = added;
}

static bool insert_record(struct catalog_tx *t, const struct catalog_audit_record *r,
                          const char *record, const char *hash, struct err *e)
{
    return db_run(t->db,
                  "INSERT INTO audit (seq, time_ns, actor, action, object, outcome, record, hash)"
                  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                  DB_VALUES(db_number(r->seq), db_number(r->time_ns), db_text(r->actor),
                            db_text(r->action), db_text(r->object), db_text(r->outcome),
                            db_text(record), db_text(hash)),
                  NULL, e) &&
           db_change(t->db, "head of the audit log", "UPDATE audit_head SET hash = $1 WHERE id = 1",
                     DB_VALUES(db_text(hash)), e);
}

bool catalog_audit_append(struct catalog_tx *t, const struct catalog_audit_record *r, struct err *e)
{
    AUTO(db_result) struct db_result head = {0};
    struct catalog_audit_record made = *r;
    char hash[AUDIT_HASH];

    if (!t->catalog->has_key)
        return err_set(e, ERR_DENIED, "the catalog was opened without its key");
    if (!check_record(r, e) ||
        !db_run(t->db, "UPDATE audit_head SET seq = seq + 1 WHERE id = 1 RETURNING seq, hash",
                DB_NO_VALUES, &head, e))
        return false;
    if (head.rows != 1)
        return err_set(e, ERR_CORRUPT, "the audit log has lost its head");
    made.seq = db_get_number(&head, 0, 0);
    made.time_ns = r->time_ns != 0 ? r->time_ns : t->db->now_ns;

    AUTO(mem) char *record = record_format(&made, db_get_text(&head, 0, 1));

    if (record == NULL)
        return err_set(e, ERR_USAGE, "the details of an audit record are a JSON object");
    audit_hash(t->catalog, AUDIT_RECORD, slice_string(record), hash);
    if (!insert_record(t, &made, record, hash, e))
        return err_wrap(e, "write the audit log");
    remember(t, made.seq, hash, TAKE(record));
    return true;
}

/* After the commit */

void catalog_audit_forget(struct catalog_tx *t)
{
    while (t->added != NULL) {
        struct catalog_audit_added *a = t->added;

        t->added = a->next;
        mem_free(a->record);
        mem_free(a);
    }
}

static void tell(struct catalog *c, const struct catalog_audit_added *a)
{
    /* Oldest first; a transaction adds a few at most. */
    if (a->next != NULL)
        tell(c, a->next);
    if (c->sink != NULL)
        c->sink(c->sink_arg, a->record);
}

/* Processes that share the folder write it one after the other: by one the draft of another would
 * be taken away, and an older head put in place of a newer one. */
static bool lock_state(struct catalog *c, int *fd, struct err *e)
{
    if (!dir_open(c->state, fd, e))
        return false;
    while (flock(*fd, LOCK_EX) < 0)
        if (errno != EINTR)
            return err_sys(e, "lock %s", c->state);
    return true;
}

static void write_head(struct catalog *c, const struct catalog_audit_added *last)
{
    AUTO(fd) int locked = -1;
    AUTO(buf) struct buf path = {0};
    AUTO(buf) struct buf draft = {0};
    AUTO(buf) struct buf line = {0};
    struct audit_head present = {0};
    char sum[AUDIT_HASH];
    bool is_suspect = false;
    struct err e = {0};

    /* Another process may be further.  One that cannot be read is replaced: verifying has to say
     * so before, and does. */
    if (!lock_state(c, &locked, &e) ||
        (audit_head_read(c, &present, &e) && present.seq >= last->seq))
        return;
    buf_printf(&path, "%s/audit.head", c->state);
    buf_printf(&draft, "%s/audit.head.new", c->state);
    buf_printf(&line, "%lld %s", (long long)last->seq, last->hash);
    audit_hash(c, AUDIT_HEAD, buf_slice(&line), sum);
    buf_printf(&line, " %s\n", sum);
    /* The record stands already.  A head that lags behind harms nothing, and the next record moves
     * it on. */
    if (!file_publish_replace(AT_FDCWD, buf_string(&path), buf_string(&draft), buf_slice(&line),
                              &is_suspect, &e))
        return;
}

void catalog_audit_committed(struct catalog_tx *t)
{
    struct catalog *c = t->catalog;

    if (t->added == NULL)
        return;
    (void)pthread_mutex_lock(&c->sink_lock);
    write_head(c, t->added);
    tell(c, t->added);
    (void)pthread_mutex_unlock(&c->sink_lock);
    catalog_audit_forget(t);
}

void catalog_audit_set_sink(struct catalog *c, catalog_audit_sink_fn *fn, void *arg)
{
    (void)pthread_mutex_lock(&c->sink_lock);
    c->sink = fn;
    c->sink_arg = arg;
    (void)pthread_mutex_unlock(&c->sink_lock);
}

/* Listing */

/* The details are in the record only. */
static const char *details_of(const char *record, struct arena *a)
{
    AUTO(json) json_t *j = json_loads(record, JSON_REJECT_DUPLICATES, NULL);
    AUTO(buf) struct buf text = {0};
    const json_t *details = json_object_get(j, "details");

    if (!json_is_object(details) || json_object_size(details) == 0)
        return NULL;
    json_append(details, &text);
    return arena_string(a, buf_slice(&text));
}

bool catalog_audit_list(struct catalog_tx *t, const struct catalog_audit_filter *f, struct arena *a,
                        struct catalog_audit_list *out, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};
    const char *sql = f->actor != NULL    ? AUDIT_LIST("actor = $1 AND ($2 = '' OR object = $2)")
                      : f->object != NULL ? AUDIT_LIST("object = $2 AND $1 = ''")
                                          : AUDIT_LIST("$1 = '' AND $2 = ''");

    assert(f->limit >= 1 && f->limit <= 1000);
    if (!db_run(t->db, sql,
                DB_VALUES(db_text(f->actor != NULL ? f->actor : ""),
                          db_text(f->object != NULL ? f->object : ""),
                          db_number(f->before_seq != 0 ? f->before_seq : INT64_MAX),
                          db_number((int64_t)f->limit), db_text(f->action != NULL ? f->action : ""),
                          db_text(f->outcome != NULL ? f->outcome : ""), db_number(f->from_ns),
                          db_number(f->until_ns != 0 ? f->until_ns : INT64_MAX)),
                &r, e))
        return false;
    out->count = r.rows;
    out->items = arena_take(a, r.rows * sizeof(out->items[0]));
    for (size_t i = 0; i < r.rows; i++)
        out->items[i] = (struct catalog_audit_record){
            .seq = db_get_number(&r, i, 0),
            .time_ns = db_get_number(&r, i, 1),
            .actor = db_keep_text(&r, i, 2, a),
            .action = db_keep_text(&r, i, 3, a),
            .object = db_keep_text(&r, i, 4, a),
            .outcome = db_keep_text(&r, i, 5, a),
            .details = details_of(db_get_text(&r, i, 6), a),
        };
    return true;
}
