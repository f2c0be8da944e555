/*
 * The catalog on a PostgreSQL server, by libpq.
 *
 * Everything stands in the schema "holdfast" of the database, and nothing else is on the search
 * path.  Values travel as binary parameters, results come in binary: bigint and text have one form
 * each.  No call waits longer than the server's own limits and a little more: a server that says
 * nothing any more is a broken connection.
 */
#include <assert.h>
#include <endian.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/pq.h"
#include "base/text.h"
#include "catalog/db_driver.h"

#define NS_PER_MS    INT64_C(1000000)
#define CONNECTIONS  8
#define VALUES_MAX   32
#define ANSWER_MS    (DB_STATEMENT_MS + 5000)
#define LOOK_STEP_MS 200
#define OID_BIGINT   20 /* pg_type.dat */
#define OID_TEXT     25

static const char settings[] =
    "SET search_path = holdfast; SET statement_timeout = 30000; SET lock_timeout = 10000;"
    "SET idle_in_transaction_session_timeout = 60000; SET client_min_messages = warning;"
    "SET default_transaction_isolation = 'read committed'; SET row_security = off;"
    /* Lists have optional filters: the plan depends on which are given. */
    "SET plan_cache_mode = force_custom_plan";

static_assert(DB_STATEMENT_MS == 30000, "as in the settings");
static_assert(DB_WAIT_MS == 10000, "as in the settings");

/* What a dsn leaves open: a server that is gone is noticed after two minutes. */
static const struct {
    const char *keyword, *value;
} defaults[] = {
    {"connect_timeout", "15"},      {"keepalives_idle", "60"},
    {"keepalives_interval", "10"},  {"keepalives_count", "6"},
    {"tcp_user_timeout", "120000"}, {"fallback_application_name", "holdfast"},
};
#define DEFAULTS (sizeof(defaults) / sizeof(defaults[0]))

struct postgres_base {
    struct db db;
    char *dsn;
    char *password; /* secret memory or NULL */
    /* Guarded by db.lock: */
    bool is_listening; /* a thread has listener in its hands */
    PGconn *listener;  /* that waits for notices; NULL: none yet, or it broke */
};

struct postgres_link {
    struct db_link link;
    PGconn *conn;
    unsigned prepared; /* statements so far */
};

static struct postgres_base *base_of(struct db *d)
{
    return (struct postgres_base *)d;
}

static struct postgres_link *link_of(struct db_link *l)
{
    return (struct postgres_link *)l;
}

static void result_auto(PGresult **r)
{
    PQclear(*r);
}

static void conn_auto(PGconn **c)
{
    PQfinish(*c);
}

/* Failures */

static enum err_code code_of(const char *sqlstate)
{
    static const struct {
        const char *begins_with;
        enum err_code code;
    } codes[] = {
        {"23505", ERR_EXISTS},  {"23503", ERR_NOT_FOUND}, {"23514", ERR_USAGE},
        {"28", ERR_DENIED},     {"42501", ERR_DENIED},    {"3D", ERR_NOT_FOUND},
        {"XX001", ERR_CORRUPT}, {"XX002", ERR_CORRUPT},   {"08", ERR_TRANSIENT},
        {"53100", ERR_FATAL},   {"53", ERR_TRANSIENT},    {"55P03", ERR_TRANSIENT},
        {"57", ERR_TRANSIENT},  {"40", ERR_TRANSIENT},
    };

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (strncmp(sqlstate, codes[i].begins_with, strlen(codes[i].begins_with)) == 0)
            return codes[i].code;
    return ERR_FATAL;
}

/* Record what the server said, or without a result libpq.  Returns false. */
static bool postgres_err(struct db_link *l, const PGresult *r, struct err *e)
{
    const PGconn *conn = link_of(l)->conn;
    const char *state = r == NULL ? NULL : PQresultErrorField(r, PG_DIAG_SQLSTATE);
    const char *primary = r == NULL ? NULL : PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    char sentence[PQ_SENTENCE_MAX];

    pq_sentence(primary != NULL ? primary : PQerrorMessage(conn), sentence);
    l->is_broken = l->is_broken || state == NULL || PQstatus(conn) != CONNECTION_OK;

    const enum err_code code = state == NULL ? ERR_TRANSIENT : code_of(state);

    l->may_repeat = l->is_broken || code == ERR_TRANSIENT;
    return err_set(e, l->is_broken ? ERR_TRANSIENT : code, "the catalog's server: %s",
                   sentence[0] != '\0' ? sentence : "the connection broke");
}

static bool connect_err(const PGconn *conn, struct err *e)
{
    (void)pq_connect_err(conn, e);
    return err_wrap(e, "connect to the catalog");
}

/* Waiting for answers */

/* The next result, NULL after the last one.  A server that is silent is gone. */
static bool next_result(struct db_link *l, int64_t until_ns, PGresult **out, struct err *e)
{
    PGconn *conn = link_of(l)->conn;

    while (PQisBusy(conn) == 1) {
        const int64_t left_ms = (until_ns - clock_monotonic_ns()) / NS_PER_MS;
        struct pollfd p = {.fd = PQsocket(conn), .events = POLLIN};

        if (left_ms <= 0) {
            l->is_broken = l->may_repeat = true;
            return err_set(e, ERR_TRANSIENT, "the catalog's server does not answer");
        }
        (void)poll(&p, 1, (int)left_ms);
        if (PQconsumeInput(conn) != 1)
            return postgres_err(l, NULL, e);
    }
    *out = PQgetResult(conn);
    return true;
}

/* Take all results of what was sent; *out is the last one. */
static bool take_results(struct db_link *l, PGresult **out, struct err *e)
{
    const int64_t until = clock_monotonic_ns() + ANSWER_MS * NS_PER_MS;
    bool ok = true;

    for (;;) {
        AUTO(result) PGresult *r = NULL;

        if (!next_result(l, until, &r, e))
            return false;
        if (r == NULL)
            break;
        if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK) {
            ok = ok && postgres_err(l, r, e);
            continue;
        }
        PQclear(*out);
        *out = TAKE(r);
    }
    return ok && (*out != NULL || postgres_err(l, NULL, e));
}

static bool simple(struct db_link *l, const char *sql, PGresult **out, struct err *e)
{
    AUTO(result) PGresult *unwanted = NULL;

    if (PQsendQuery(link_of(l)->conn, sql) != 1)
        return postgres_err(l, NULL, e);
    return take_results(l, out != NULL ? out : &unwanted, e);
}

static bool postgres_script(struct db_link *l, const char *sql, struct err *e)
{
    return simple(l, sql, NULL, e);
}

/* Connections */

/* Libraries do not print, and libpq does unless told otherwise. */
static void ignore_notice(void *arg, const PGresult *r)
{
    (void)arg;
    (void)r;
}

static bool connect_to(struct postgres_base *b, PGconn **out, struct err *e)
{
    const char *keywords[DEFAULTS + 4] = {0};
    const char *values[DEFAULTS + 4] = {0};
    size_t n = 0;

    for (; n < DEFAULTS; n++) {
        keywords[n] = defaults[n].keyword;
        values[n] = defaults[n].value;
    }
    keywords[n] = "dbname"; /* expanded, since it is a connection string */
    values[n++] = b->dsn;
    keywords[n] = "client_encoding";
    values[n++] = "UTF8";
    if (b->password != NULL) {
        keywords[n] = "password";
        values[n++] = b->password;
    }

    AUTO(conn) PGconn *conn = PQconnectdbParams(keywords, values, 1);

    if (conn == NULL || PQstatus(conn) != CONNECTION_OK)
        return connect_err(conn, e);
    (void)PQsetNoticeReceiver(conn, ignore_notice, NULL);
    *out = TAKE(conn);
    return true;
}

static void postgres_disconnect(struct db_link *l)
{
    PQfinish(link_of(l)->conn);
    mem_free(l);
}

static bool postgres_connect(struct db *d, enum db_mode mode, struct db_link **out, struct err *e)
{
    struct postgres_link *p = mem_new(sizeof(*p));

    p->link.db = d;
    p->link.mode = mode;
    if (!connect_to(base_of(d), &p->conn, e) || !postgres_script(&p->link, settings, e)) {
        postgres_disconnect(&p->link);
        return false;
    }
    *out = &p->link;
    return true;
}

/* Transactions */

/* In one round trip: microseconds since 1970, by the one clock that all hosts share. */
#define NOW "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"

static bool postgres_begin(struct db_link *l, enum db_mode mode, int64_t *now_ns, struct err *e)
{
    AUTO(result) PGresult *r = NULL;
    uint64_t now_us = 0;

    if (!simple(l,
                mode == DB_READ ? "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;" NOW
                                : "BEGIN ISOLATION LEVEL READ COMMITTED;" NOW,
                &r, e) ||
        !parse_u64(PQgetvalue(r, 0, 0), &now_us, e)) {
        l->is_broken = true; /* it may have begun */
        return false;
    }
    *now_ns = (int64_t)now_us * 1000;
    return true;
}

/*
 * The server's word for it is what counts, even when something breaks behind it.  What ends the
 * connection leaves it open, whatever reason is given: a proxy that lost its server gives one too.
 */
static bool postgres_commit(struct db_link *l, struct err *e)
{
    AUTO(result) PGresult *r = NULL;
    const bool ok = simple(l, "COMMIT", &r, e);

    if (r != NULL && strcmp(PQcmdStatus(r), "COMMIT") == 0)
        return true;
    /* A transaction in which something failed answers so, and that is no error to the server. */
    if (ok)
        return err_set(e, ERR_FATAL, "the catalog's server rolled the transaction back");
    if (l->is_broken || PQstatus(link_of(l)->conn) != CONNECTION_OK) {
        l->is_broken = true;
        e->code = ERR_AWAY;
    }
    return false;
}

static void postgres_rollback(struct db_link *l)
{
    struct err ignored = {0}; /* a connection that cannot do it is closed, which does it */

    if (l->is_broken || PQtransactionStatus(link_of(l)->conn) == PQTRANS_IDLE)
        return;
    if (!simple(l, "ROLLBACK", NULL, &ignored))
        l->is_broken = true;
}

/* Statements */

/* The values as libpq takes them. */
struct parameters {
    Oid types[VALUES_MAX];
    const char *values[VALUES_MAX];
    int sizes[VALUES_MAX], formats[VALUES_MAX];
    uint64_t numbers[VALUES_MAX]; /* big-endian */
};

static void set_parameters(struct parameters *p, const struct db_value *values, size_t count)
{
    assert(count <= VALUES_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct db_value *v = &values[i];

        p->types[i] = v->is_text ? OID_TEXT : OID_BIGINT;
        p->numbers[i] = htobe64((uint64_t)v->number);
        p->values[i] = v->is_text ? v->text : (const char *)&p->numbers[i];
        if (v->is_null)
            p->values[i] = NULL;
        p->sizes[i] = v->is_text ? 0 : (int)sizeof(p->numbers[i]); /* text: as far as its NUL */
        p->formats[i] = v->is_text ? 0 : 1;
    }
}

static bool prepare(struct db_link *l, const char *sql, const char *name,
                    const struct parameters *p, size_t count, struct err *e)
{
    AUTO(result) PGresult *r = NULL;

    if (PQsendPrepare(link_of(l)->conn, name, sql, (int)count, p->types) != 1)
        return postgres_err(l, NULL, e);
    return take_results(l, &r, e);
}

/* A number as the server sends it: two, four or eight bytes. */
static bool take_number(const char *bytes, int size, int64_t *out)
{
    uint64_t v = 0;

    if (size != 1 && size != 2 && size != 4 && size != 8)
        return false;
    for (int i = 0; i < size; i++)
        v = v << 8 | (uint8_t)bytes[i];
    *out = size == 4 ? (int32_t)v : size == 2 ? (int16_t)v : (int64_t)v;
    return true;
}

static bool is_text(Oid type)
{
    return type == OID_TEXT || type == 1043 || type == 19; /* text, varchar, name */
}

static bool take_rows(const PGresult *r, struct db_result *out, struct err *e)
{
    const int rows = PQntuples(r);
    const int columns = PQnfields(r);

    if (rows > DB_ROWS_MAX)
        return err_set(e, ERR_FATAL, "a result has more than %d rows", DB_ROWS_MAX);
    db_result_set(out, (size_t)rows, (size_t)columns);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            struct db_cell *cell = &out->cells[i * columns + j];
            const int size = PQgetlength(r, i, j);

            *cell = (struct db_cell){.is_null = PQgetisnull(r, i, j) == 1};
            if (cell->is_null)
                continue;
            if (is_text(PQftype(r, j)))
                cell->text = arena_string(&out->arena, SLICE_OF(PQgetvalue(r, i, j), (size_t)size));
            else if (!take_number(PQgetvalue(r, i, j), size, &cell->number))
                return err_set(e, ERR_FATAL, "a result has a column of type %u", PQftype(r, j));
        }
    return true;
}

static bool postgres_run(struct db_link *l, const char *sql, const struct db_value *values,
                         size_t count, struct db_result *out, struct err *e)
{
    struct postgres_link *p = link_of(l);
    struct parameters parameters;
    AUTO(result) PGresult *r = NULL;
    void **place = db_link_statement(l, sql);
    const bool is_new = *place == NULL;
    const unsigned number = is_new ? p->prepared + 1 : (unsigned)(uintptr_t)*place;
    char name[16];
    uint64_t changed = 0;

    (void)snprintf(name, sizeof(name), "s%u", number);
    set_parameters(&parameters, values, count);
    if (is_new) {
        if (!prepare(l, sql, name, &parameters, count, e))
            return false;
        p->prepared = number;
        *place = (void *)(uintptr_t)number;
    }
    if (PQsendQueryPrepared(p->conn, name, (int)count, parameters.values, parameters.sizes,
                            parameters.formats, 1) != 1)
        return postgres_err(l, NULL, e);
    if (!take_results(l, &r, e) || !take_rows(r, out, e))
        return false;
    if (PQcmdTuples(r)[0] != '\0' && !parse_u64(PQcmdTuples(r), &changed, e))
        return false;
    out->changed = (int64_t)changed;
    return true;
}

/* Waking: NOTIFY, and one connection of the process that listens */

static const struct {
    const char *channel, *notify;
} bells[] = {
    [DB_BELL_QUEUE] = {"holdfast", "NOTIFY holdfast"},
    [DB_BELL_NEWS] = {"holdfast_news", "NOTIFY holdfast_news"},
};

static bool postgres_wake(struct db_link *l, enum db_bell bell, struct err *e)
{
    return postgres_script(l, bells[bell].notify, e);
}

/* The listening connection, made when there is none.  Notices may have been lost before. */
static bool listen(struct postgres_base *b, PGconn **conn, bool *rung, struct err *e)
{
    AUTO(conn) PGconn *made = NULL;
    AUTO(result) PGresult *r = NULL;

    if (*conn != NULL)
        return true;
    if (!connect_to(b, &made, e))
        return false;
    r = PQexec(made, "LISTEN holdfast; LISTEN holdfast_news");
    if (PQresultStatus(r) != PGRES_COMMAND_OK)
        return connect_err(made, e);
    *conn = TAKE(made);
    for (int i = 0; i < DB_BELLS; i++)
        rung[i] = true;
    return true;
}

/* Wait for notices for some time; *conn becomes NULL when it broke. */
static bool hear(struct postgres_base *b, PGconn **conn, int timeout_ms, bool *rung, struct err *e)
{
    const bool is_new = *conn == NULL;

    if (!listen(b, conn, rung, e))
        return false;

    struct pollfd p = {.fd = PQsocket(*conn), .events = POLLIN};

    if (is_new || poll(&p, 1, timeout_ms) <= 0)
        return true;
    if (PQconsumeInput(*conn) != 1) {
        PQfinish(*conn);
        *conn = NULL;
        return true; /* the next look makes another, or says why it cannot */
    }
    for (PGnotify *n = PQnotifies(*conn); n != NULL; n = PQnotifies(*conn)) {
        for (int i = 0; i < DB_BELLS; i++)
            rung[i] = rung[i] || strcmp(n->relname, bells[i].channel) == 0;
        PQfreemem(n);
    }
    return true;
}

/* One look: by the thread that listens, or by one that waits for it. */
static bool look(struct postgres_base *b, int timeout_ms, struct err *e)
{
    struct db *d = &b->db;
    bool rung[DB_BELLS] = {false};

    if (b->is_listening) {
        (void)db_cond_wait(&d->woken, &d->lock, clock_monotonic_ns() + timeout_ms * NS_PER_MS);
        return true;
    }
    b->is_listening = true;

    PGconn *conn = b->listener;

    (void)pthread_mutex_unlock(&d->lock);
    const bool ok = hear(b, &conn, timeout_ms, rung, e);
    (void)pthread_mutex_lock(&d->lock);
    b->listener = conn;
    b->is_listening = false;
    for (int i = 0; i < DB_BELLS; i++)
        d->rung[i] += rung[i];
    (void)pthread_cond_broadcast(&d->woken); /* another may listen */
    return ok;
}

static bool postgres_wait(struct db *d, enum db_bell bell, int timeout_ms, uint64_t *seen,
                          struct err *e)
{
    const int64_t until = clock_monotonic_ns() + timeout_ms * NS_PER_MS;
    bool ok = true;

    (void)pthread_mutex_lock(&d->lock);
    while (ok && d->rung[bell] == *seen && !cancel_is_requested()) {
        const int64_t left_ms = (until - clock_monotonic_ns()) / NS_PER_MS;

        if (left_ms <= 0)
            break;
        ok = look(base_of(d), left_ms < LOOK_STEP_MS ? (int)left_ms : LOOK_STEP_MS, e);
    }
    *seen = d->rung[bell];
    (void)pthread_mutex_unlock(&d->lock);
    return ok;
}

/* Opening */

static void postgres_close(struct db *d)
{
    struct postgres_base *b = base_of(d);

    db_done(d);
    PQfinish(b->listener);
    mem_free(b->dsn);
    mem_secret_free(b->password);
    mem_free(b);
}

static const struct db_ops postgres_ops = {
    .connect = postgres_connect,
    .disconnect = postgres_disconnect,
    .begin = postgres_begin,
    .run = postgres_run,
    .script = postgres_script,
    .commit = postgres_commit,
    .rollback = postgres_rollback,
    .wake = postgres_wake,
    .wait = postgres_wait,
    .close = postgres_close,
};

static void options_auto(PQconninfoOption **options)
{
    PQconninfoFree(*options);
}

/* libpq's own words about a malformed dsn may quote a password, so they are not shown. */
static bool check_dsn(const char *dsn, struct err *e)
{
    AUTO(options) PQconninfoOption *options = PQconninfoParse(dsn, NULL);

    if (options == NULL)
        return err_set(e, ERR_USAGE,
                       "the catalog's address is neither a list of keyword=value nor "
                       "a postgresql:// URI");
    for (const PQconninfoOption *o = options; o->keyword != NULL; o++)
        if (o->val != NULL &&
            (strcmp(o->keyword, "password") == 0 || strcmp(o->keyword, "sslpassword") == 0))
            return err_set(e, ERR_USAGE,
                           "the catalog's address holds a %s, which has no place "
                           "in it",
                           o->keyword);
    return true;
}

bool db_postgres_open(const struct db_options *o, struct db **out, struct err *e)
{
    if (!check_dsn(o->dsn, e))
        return false;

    struct postgres_base *b = mem_new(sizeof(*b));
    struct db *d = &b->db;

    db_init(d, &postgres_ops, DB_POSTGRES);
    d->pools[DB_READ].limit = o->connections > 0 ? o->connections : CONNECTIONS;
    b->dsn = mem_string(o->dsn);
    if (o->password != NULL) {
        b->password = mem_secret_new(strlen(o->password) + 1);
        memcpy(b->password, o->password, strlen(o->password));
    }
    *out = d;
    return true;
}
