/* What both drivers share: connections in pools, transactions, results. */
#include "catalog/db.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "catalog/db_driver.h"

#define NS_PER_MS INT64_C(1000000)

/* Waiting */

void db_cond_init(pthread_cond_t *c)
{
    pthread_condattr_t monotonic;

    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(c, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
}

bool db_cond_wait(pthread_cond_t *c, pthread_mutex_t *m, int64_t until_ns)
{
    const struct timespec until = clock_to_timespec(until_ns);

    return pthread_cond_timedwait(c, m, &until) != ETIMEDOUT;
}

/* Opening */

void db_init(struct db *d, const struct db_ops *ops, enum db_kind kind)
{
    d->ops = ops;
    d->kind = kind;
    (void)pthread_mutex_init(&d->lock, NULL);
    db_cond_init(&d->freed);
    db_cond_init(&d->woken);
    for (int i = 0; i < DB_BELLS; i++)
        d->rung[i] = 1; /* so that 0 has seen nothing */
}

void db_done(struct db *d)
{
    for (int mode = DB_READ; mode <= DB_WRITE; mode++) {
        struct db_pool *p = &d->pools[mode];

        while (p->idle != NULL) {
            struct db_link *l = p->idle;

            p->idle = l->next;
            p->open--;
            d->ops->disconnect(l);
        }
        assert(p->open == 0);
    }
    (void)pthread_cond_destroy(&d->freed);
    (void)pthread_cond_destroy(&d->woken);
    (void)pthread_mutex_destroy(&d->lock);
}

bool db_open(const struct db_options *o, struct db **out, struct err *e)
{
    return o->path != NULL ? db_sqlite_open(o, out, e) : db_postgres_open(o, out, e);
}

void db_close(struct db *d)
{
    if (d != NULL)
        d->ops->close(d);
}

void db_auto(struct db **d)
{
    db_close(*d);
}

enum db_kind db_kind(const struct db *d)
{
    return d->kind;
}

void **db_link_statement(struct db_link *l, const char *sql)
{
    size_t at = ((uintptr_t)sql / 8) % DB_STATEMENTS_MAX;

    while (l->statements[at].sql != NULL && l->statements[at].sql != sql)
        at = (at + 1) % DB_STATEMENTS_MAX;
    if (l->statements[at].sql == NULL) {
        l->statement_count++;
        assert(l->statement_count < DB_STATEMENTS_MAX);
        l->statements[at].sql = sql;
    }
    return &l->statements[at].prepared;
}

/* Pools */

static struct db_pool *pool_of(struct db *d, enum db_mode mode)
{
    return &d->pools[d->pools[mode].limit > 0 ? mode : DB_READ];
}

/* An idle connection, or NULL and the right to make one. */
static bool pool_take(struct db *d, enum db_mode mode, struct db_link **out, struct err *e)
{
    struct db_pool *p = pool_of(d, mode);
    const int64_t until = clock_monotonic_ns() + DB_WAIT_MS * NS_PER_MS;
    bool is_in_time = true;

    (void)pthread_mutex_lock(&d->lock);
    while (p->idle == NULL && p->open >= p->limit && is_in_time)
        is_in_time = db_cond_wait(&d->freed, &d->lock, until);

    struct db_link *l = p->idle;
    const bool is_mine = l != NULL || p->open < p->limit;

    if (l != NULL)
        p->idle = l->next;
    else if (is_mine)
        p->open++;
    (void)pthread_mutex_unlock(&d->lock);
    *out = l;
    return is_mine || err_set(e, ERR_TRANSIENT, "the catalog is busy");
}

/* Give back a connection (NULL: the right to one that was not made). */
static void pool_give(struct db *d, enum db_mode mode, struct db_link *l)
{
    struct db_pool *p = pool_of(d, mode);
    const bool is_kept = l != NULL && !l->is_broken;

    if (l != NULL && !is_kept)
        d->ops->disconnect(l);
    (void)pthread_mutex_lock(&d->lock);
    if (is_kept) {
        l->next = p->idle;
        p->idle = l;
    } else {
        p->open--;
    }
    (void)pthread_cond_broadcast(&d->freed);
    (void)pthread_mutex_unlock(&d->lock);
}

/* Transactions */

static bool begin_on(struct db_tx *t, struct err *e)
{
    const struct db_ops *ops = t->db->ops;
    const bool is_old = t->link != NULL;

    if (!is_old && !ops->connect(t->db, t->mode, &t->link, e))
        return false;
    if (ops->begin(t->link, t->mode, &t->now_ns, e))
        return true;
    if (!is_old || !t->link->is_broken)
        return false;
    /* It was idle when the server went away; a new one tells whether the server is back. */
    ops->disconnect(t->link);
    t->link = NULL;
    return ops->connect(t->db, t->mode, &t->link, e) && ops->begin(t->link, t->mode, &t->now_ns, e);
}

bool db_begin(struct db *d, enum db_mode mode, struct db_tx **out, struct err *e)
{
    struct db_link *link = NULL;

    if (!pool_take(d, mode, &link, e))
        return false;

    struct db_tx *t = mem_new(sizeof(*t));

    *t = (struct db_tx){.db = d, .link = link, .mode = mode};
    if (!begin_on(t, e)) {
        pool_give(d, mode, t->link);
        mem_free(t);
        return false;
    }
    *out = t;
    return true;
}

static void tx_end(struct db_tx *t)
{
    struct db *d = t->db;

    pool_give(d, t->mode, t->link);
    mem_free(t);
}

bool db_commit(struct db_tx **t, struct err *e)
{
    struct db_tx *own = TAKE(*t);
    struct db *d = own->db;

    assert(!own->is_failed);

    const bool ok = d->ops->commit(own->link, e);

    if (!ok)
        d->ops->rollback(own->link);
    if (ok && (own->rings[DB_BELL_QUEUE] || own->rings[DB_BELL_NEWS])) {
        (void)pthread_mutex_lock(&d->lock);
        for (int i = 0; i < DB_BELLS; i++)
            d->rung[i] += own->rings[i];
        (void)pthread_cond_broadcast(&d->woken);
        (void)pthread_mutex_unlock(&d->lock);
    }
    tx_end(own);
    return ok;
}

void db_abort(struct db_tx *t)
{
    if (t == NULL)
        return;
    t->db->ops->rollback(t->link);
    tx_end(t);
}

void db_tx_auto(struct db_tx **t)
{
    db_abort(*t);
}

/* Statements */

static bool tx_failed(struct db_tx *t)
{
    t->is_failed = true;
    t->may_repeat = t->link->may_repeat;
    return false;
}

bool db_run(struct db_tx *t, const char *sql, const struct db_value *values, size_t count,
            struct db_result *out, struct err *e)
{
    struct db_result unwanted = {0};
    struct db_result *r = out != NULL ? out : &unwanted;

    assert(!t->is_failed && r->cells == NULL);

    const bool ok = t->db->ops->run(t->link, sql, values, count, r, e);

    if (!ok || out == NULL)
        db_result_done(r);
    return ok || tx_failed(t);
}

bool db_change(struct db_tx *t, const char *what, const char *sql, const struct db_value *values,
               size_t count, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t, sql, values, count, &r, e))
        return false;
    if (r.changed == 1)
        return true;
    t->is_failed = true;
    return err_set(e, ERR_NOT_FOUND, "no such %s", what);
}

bool db_script(struct db_tx *t, const char *sql, struct err *e)
{
    assert(!t->is_failed);
    return t->db->ops->script(t->link, sql, e) || tx_failed(t);
}

/* Results */

void db_result_done(struct db_result *r)
{
    arena_done(&r->arena);
    mem_free(r->cells);
    *r = (struct db_result){0};
}

void db_result_auto(struct db_result *r)
{
    db_result_done(r);
}

void db_result_set(struct db_result *r, size_t rows, size_t columns)
{
    r->cells = mem_resize(r->cells, rows * columns + 1, sizeof(*r->cells));
    r->rows = rows;
    r->columns = columns;
}

static const struct db_cell *cell_at(const struct db_result *r, size_t row, size_t column)
{
    assert(row < r->rows && column < r->columns);
    return &r->cells[row * r->columns + column];
}

int64_t db_get_number(const struct db_result *r, size_t row, size_t column)
{
    return cell_at(r, row, column)->number;
}

const char *db_get_text(const struct db_result *r, size_t row, size_t column)
{
    return cell_at(r, row, column)->text;
}

const char *db_keep_text(const struct db_result *r, size_t row, size_t column, struct arena *to)
{
    const char *text = db_get_text(r, row, column);

    return text == NULL ? NULL : arena_string(to, slice_string(text));
}

/* Waking */

bool db_wake(struct db_tx *t, enum db_bell bell, struct err *e)
{
    t->rings[bell] = true;
    return t->db->ops->wake(t->link, bell, e) || tx_failed(t);
}

bool db_wait(struct db *d, enum db_bell bell, int timeout_ms, uint64_t *seen, struct err *e)
{
    return d->ops->wait(d, bell, timeout_ms, seen, e);
}
