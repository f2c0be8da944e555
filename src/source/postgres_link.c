#include "source/postgres_link.h"

#include <assert.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "base/pq.h"
#include "base/text.h"

#define WAIT_MS         200
#define CANCEL_TEXT_MAX 256
#define LINES_PER_LOOK  1024 /* between looks at the requests to stop */

/*
 * Everything that changes the text of values or when a statement ends.  The first statement comes
 * first: after it nothing that users made can be taken for an operator or function of the server.
 */
static const char settings[] =
    "SELECT pg_catalog.set_config('search_path', '', false);"
    "SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET TimeZone = 'UTC';"
    "SET extra_float_digits = 3; SET bytea_output = 'hex'; SET lc_monetary = 'C';"
    "SET xmloption = 'content'; SET quote_all_identifiers = off; SET synchronize_seqscans = off;"
    "SET row_security = off; SET statement_timeout = 0; SET lock_timeout = 30000;"
    "SET idle_in_transaction_session_timeout = 0;"
    /* What not every version has: a table that turns into a view runs no functions of its owner. */
    "SELECT set_config(s.name, v.value, false) FROM pg_settings s JOIN (VALUES"
    " ('transaction_timeout', '0'), ('restrict_nonsystem_relation_kind', 'view, foreign-table'))"
    " AS v (name, value) ON v.name = s.name";

static_assert(POSTGRES_LOCK_WAIT_MS == 30000, "as in the settings");

/* Failures */

static enum err_code code_of(const char *sqlstate)
{
    static const struct {
        const char *begins_with;
        enum err_code code;
    } codes[] = {
        {"28", ERR_DENIED},       {"42501", ERR_DENIED},  {"3D", ERR_NOT_FOUND},
        {"42P01", ERR_NOT_FOUND}, {"08", ERR_TRANSIENT},  {"53", ERR_TRANSIENT},
        {"55P03", ERR_TRANSIENT}, {"57P", ERR_TRANSIENT}, {"40", ERR_TRANSIENT},
        {"55006", ERR_TRANSIENT},
    };

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (strncmp(sqlstate, codes[i].begins_with, strlen(codes[i].begins_with)) == 0)
            return codes[i].code;
    return sqlstate[0] == '\0' ? ERR_TRANSIENT : ERR_FATAL;
}

/* Record what the server or, without a result, libpq said, and keep it.  Returns false. */
static bool link_err(struct postgres_link *l, PGresult *r, struct err *e)
{
    const char *state = postgres_result_field(r, PG_DIAG_SQLSTATE);
    const char *primary = postgres_result_field(r, PG_DIAG_MESSAGE_PRIMARY);
    char sentence[PQ_SENTENCE_MAX];

    PQclear(l->failure);
    l->failure = r;
    memset(l->sqlstate, 0, sizeof(l->sqlstate));
    memcpy(l->sqlstate, state, strnlen(state, sizeof(l->sqlstate) - 1));
    pq_sentence(primary[0] != '\0' ? primary : PQerrorMessage(l->conn), sentence);
    return err_set(e, code_of(l->sqlstate), "%s",
                   sentence[0] != '\0' ? sentence : "the server gave no answer");
}

/* Connections */

/* Libraries do not print, and libpq does unless told otherwise. */
static void ignore_notice(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

bool postgres_link_open(struct postgres_link *l, const struct postgres_address *a, struct err *e)
{
    AUTO(mem) const char **keywords = mem_array(a->count + 3, sizeof(*keywords));
    AUTO(mem) const char **values = mem_array(a->count + 3, sizeof(*values));
    size_t count = a->count;

    memcpy(keywords, a->keywords, count * sizeof(*keywords));
    memcpy(values, a->values, count * sizeof(*values));
    keywords[count] = "client_encoding";
    values[count++] = "UTF8";
    keywords[count] = "password";
    values[count++] = a->password;
    /* Not expanded: a database whose name looks like a connection string stays a name. */
    l->conn = PQconnectdbParams(keywords, values, 0);
    if (l->conn == NULL || PQstatus(l->conn) != CONNECTION_OK) {
        (void)pq_connect_err(l->conn, e);
        postgres_link_close(l);
        return false;
    }
    PQsetNoticeProcessor(l->conn, ignore_notice, NULL);
    if (!postgres_link_reset(l, e)) {
        postgres_link_close(l);
        return false;
    }
    return true;
}

bool postgres_link_reset(struct postgres_link *l, struct err *e)
{
    return postgres_link_run(l, settings, e);
}

static void link_cancel(PGconn *conn)
{
    PGcancel *cancel = PQgetCancel(conn);
    char text[CANCEL_TEXT_MAX];

    if (cancel == NULL)
        return;
    /* Fails only when there is nobody to tell. */
    (void)PQcancel(cancel, text, sizeof(text));
    PQfreeCancel(cancel);
}

void postgres_link_close(struct postgres_link *l)
{
    if (l->conn == NULL)
        return;
    if (PQtransactionStatus(l->conn) == PQTRANS_ACTIVE)
        link_cancel(l->conn);
    PQfinish(l->conn);
    PQclear(l->failure);
    l->conn = NULL;
    l->failure = NULL;
}

static bool go_on(const struct postgres_link *l, struct err *e)
{
    if (cancel_is_requested() && !l->is_tidying)
        return cancel_err(e);
    if (l->is_stopping != NULL && atomic_load(l->is_stopping))
        return err_set(e, ERR_CANCELLED, "another part of the backup failed");
    return true;
}

/* Wait a while for more from the server and take it in. */
static bool link_wait(struct postgres_link *l, struct err *e)
{
    struct pollfd p = {.fd = PQsocket(l->conn), .events = POLLIN};

    if (!go_on(l, e))
        return false;
    if (poll(&p, 1, WAIT_MS) <= 0)
        return true; /* nothing, or a signal */
    return PQconsumeInput(l->conn) == 1 || link_err(l, NULL, e);
}

/* The next result, NULL after the last one. */
static bool link_result(struct postgres_link *l, PGresult **out, struct err *e)
{
    while (PQisBusy(l->conn) == 1)
        if (!link_wait(l, e))
            return false;
    *out = PQgetResult(l->conn);
    return true;
}

static bool is_good(const PGresult *r)
{
    const ExecStatusType status = PQresultStatus(r);

    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_COPY_OUT;
}

static bool link_send(struct postgres_link *l, const struct postgres_query *q, struct err *e)
{
    int sent = 0;

    if (q->count == 0 && !q->is_binary)
        sent = PQsendQuery(l->conn, q->sql);
    else
        sent = PQsendQueryParams(l->conn, q->sql, q->count, NULL, q->values, NULL, NULL,
                                 q->is_binary ? 1 : 0);
    return sent == 1 || link_err(l, NULL, e);
}

/* Take the results that are left; *ok and *e become those of the first failure.  False: the
 * connection is of no use any more. */
static bool link_drain(struct postgres_link *l, PGresult **last, bool *ok, struct err *e)
{
    for (;;) {
        AUTO(postgres_result) PGresult *r = NULL;

        if (!link_result(l, &r, e))
            return false;
        if (r == NULL)
            return true;
        if (*ok && !is_good(r)) {
            *ok = link_err(l, TAKE(r), e);
            continue;
        }
        PQclear(*last);
        *last = TAKE(r);
    }
}

bool postgres_link_query(struct postgres_link *l, const struct postgres_query *q, PGresult **out,
                         struct err *e)
{
    AUTO(postgres_result) PGresult *last = NULL;
    bool ok = true;

    if (!link_send(l, q, e) || !link_drain(l, &last, &ok, e))
        return false;
    if (ok && last == NULL)
        return link_err(l, NULL, e);
    if (ok && out != NULL)
        *out = TAKE(last);
    return ok;
}

bool postgres_link_run(struct postgres_link *l, const char *sql, struct err *e)
{
    return postgres_link_query(l, &(struct postgres_query){.sql = sql}, NULL, e);
}

bool postgres_link_rows(struct postgres_link *l, const char *sql, postgres_row_fn *fn, void *arg,
                        struct err *e)
{
    uint64_t count = 0;
    bool ok = true;

    if (!link_send(l, &(struct postgres_query){.sql = sql}, e))
        return false;
    if (PQsetSingleRowMode(l->conn) != 1)
        return link_err(l, NULL, e);
    for (;;) {
        AUTO(postgres_result) PGresult *r = NULL;

        if (!link_result(l, &r, e))
            return false;
        if (r == NULL)
            return ok;
        if (PQresultStatus(r) == PGRES_SINGLE_TUPLE) {
            if (!fn(arg, r, e) || (++count % LINES_PER_LOOK == 0 && !go_on(l, e)))
                return false;
        } else if (ok && !is_good(r)) {
            ok = link_err(l, TAKE(r), e);
        }
    }
}

bool postgres_link_statement(struct postgres_link *l, const char *sql, struct err *e)
{
    bool ok = true;

    /* The extended protocol has one statement at a time. */
    if (PQsendQueryParams(l->conn, sql, 0, NULL, NULL, NULL, NULL, 0) != 1 ||
        PQsetSingleRowMode(l->conn) != 1)
        return link_err(l, NULL, e);
    for (;;) {
        AUTO(postgres_result) PGresult *r = NULL;

        if (!go_on(l, e) || !link_result(l, &r, e))
            return false;
        if (r == NULL)
            return ok;

        const ExecStatusType status = PQresultStatus(r);

        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH)
            return err_set(e, ERR_USAGE, "it copies in a way that is not for scripts");
        if (ok && status != PGRES_SINGLE_TUPLE && status != PGRES_EMPTY_QUERY && !is_good(r))
            ok = link_err(l, TAKE(r), e);
    }
}

static bool copy_lines(struct postgres_link *l, postgres_line_fn *fn, void *arg, uint64_t *count,
                       struct err *e)
{
    for (;;) {
        char *line = NULL;
        const int size = PQgetCopyData(l->conn, &line, 1);

        if (size == -1)
            return true;
        if (size == -2)
            return link_err(l, NULL, e);
        if (size == 0) {
            if (!link_wait(l, e))
                return false;
            continue;
        }

        const bool is_taken = fn(arg, SLICE_OF(line, (size_t)size), e);

        PQfreemem(line);
        if (!is_taken || (++*count % LINES_PER_LOOK == 0 && !go_on(l, e)))
            return false;
    }
}

bool postgres_link_copy(struct postgres_link *l, const char *sql, postgres_line_fn *fn, void *arg,
                        struct err *e)
{
    AUTO(postgres_result) PGresult *begun = NULL;
    AUTO(postgres_result) PGresult *ended = NULL;
    uint64_t count = 0;
    uint64_t wanted = 0;
    bool ok = true;

    if (!link_send(l, &(struct postgres_query){.sql = sql}, e) || !link_result(l, &begun, e))
        return false;
    if (PQresultStatus(begun) != PGRES_COPY_OUT) {
        (void)link_err(l, TAKE(begun), e);
        struct err later = {0}; /* what comes after the failure adds nothing */

        ok = false;
        (void)link_drain(l, &ended, &ok, &later);
        return false;
    }
    if (!copy_lines(l, fn, arg, &count, e) || !link_drain(l, &ended, &ok, e) || !ok)
        return false;
    if (!parse_u64(ended == NULL ? "" : PQcmdTuples(ended), &wanted, e) || wanted != count)
        return err_set(e, ERR_FATAL, "the server sent %llu rows and speaks of \"%s\"",
                       (unsigned long long)count, ended == NULL ? "" : PQcmdTuples(ended));
    return true;
}

/* Loading */

/* Let the server have what was put for it. */
static bool link_flush(struct postgres_link *l, struct err *e)
{
    for (;;) {
        struct pollfd p = {.fd = PQsocket(l->conn), .events = POLLIN | POLLOUT};
        const int left = PQflush(l->conn);

        if (left <= 0)
            return left == 0 || link_err(l, NULL, e);
        if (!go_on(l, e))
            return false;
        if (poll(&p, 1, WAIT_MS) > 0 && (p.revents & POLLIN) != 0 && PQconsumeInput(l->conn) != 1)
            return link_err(l, NULL, e);
    }
}

static bool load_pieces(struct postgres_link *l, postgres_piece_fn *fn, void *arg, struct err *e)
{
    AUTO(buf) struct buf piece = {0};

    do {
        buf_clear(&piece);
        if (!go_on(l, e) || !fn(arg, &piece, e))
            return false;
        assert(piece.size <= INT_MAX);
        if (PQputCopyData(l->conn, (const char *)piece.data, (int)piece.size) != 1)
            return link_err(l, NULL, e);
        if (!link_flush(l, e))
            return false;
    } while (piece.size > 0);
    return PQputCopyEnd(l->conn, NULL) == 1 || link_err(l, NULL, e);
}

bool postgres_link_load(struct postgres_link *l, const char *sql, postgres_piece_fn *fn, void *arg,
                        uint64_t *rows, struct err *e)
{
    AUTO(postgres_result) PGresult *begun = NULL;
    AUTO(postgres_result) PGresult *ended = NULL;
    bool ok = true;

    if (!link_send(l, &(struct postgres_query){.sql = sql}, e) || !link_result(l, &begun, e))
        return false;
    if (PQresultStatus(begun) != PGRES_COPY_IN)
        return link_err(l, TAKE(begun), e);
    /* Never blocking: a server that does not read must not keep us from stopping. */
    if (PQsetnonblocking(l->conn, 1) != 0)
        return link_err(l, NULL, e);
    if (!load_pieces(l, fn, arg, e) || !link_flush(l, e) || !link_drain(l, &ended, &ok, e) || !ok)
        return false;
    if (PQsetnonblocking(l->conn, 0) != 0)
        return link_err(l, NULL, e);
    return parse_u64(ended == NULL ? "" : PQcmdTuples(ended), rows, e);
}

/* Texts in statements.  Unlike libpq's functions these need no connection; the server reads
 * backslashes in E'' as such whatever its settings. */

void postgres_name_quote(const char *name, struct buf *out)
{
    buf_append(out, "\"", 1);
    for (; *name != '\0'; name++) {
        if (*name == '"')
            buf_append(out, name, 1);
        buf_append(out, name, 1);
    }
    buf_append(out, "\"", 1);
}

void postgres_text_quote(const char *text, struct buf *out)
{
    buf_append(out, "E'", 2);
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\')
            buf_append(out, text, 1);
        buf_append(out, text, 1);
    }
    buf_append(out, "'", 1);
}

/* Results */

void postgres_result_auto(PGresult **r)
{
    PQclear(*r);
}

const char *postgres_result_field(const PGresult *r, int field)
{
    const char *text = r == NULL ? NULL : PQresultErrorField(r, field);

    return text == NULL ? "" : text;
}

uint64_t postgres_result_u64(const PGresult *r, int row, int column)
{
    struct err e = {0};
    uint64_t n = 0;

    return parse_u64(PQgetvalue(r, row, column), &n, &e) ? n : 0;
}

bool postgres_result_bool(const PGresult *r, int row, int column)
{
    return PQgetvalue(r, row, column)[0] == 't';
}
