#include "source/table_db.h"

#include <poll.h>
#include <string.h>

#include "base/cancel.h"

#define CANCEL_LOOK_MS 200
#define PARAMETERS_MAX 64

/* Values come and go in forms that do not depend on the server's settings. */
static const char settings[] = "SET DateStyle = 'ISO, YMD';"
                               "SET IntervalStyle = 'iso_8601';"
                               "SET TimeZone = 'UTC';"
                               "SET extra_float_digits = 1;"
                               "SET bytea_output = 'hex';"
                               "SET xmloption = 'content';"
                               "SET lc_monetary = 'C';"
                               "SET standard_conforming_strings = on;"
                               /* Policies must not hide rows: without the right to see all it
                                * fails. */
                               "SET row_security = off;"
                               "SET statement_timeout = 0;"
                               "SET idle_in_transaction_session_timeout = 0;"
                               "SET lock_timeout = '60s'";

void table_db_auto(struct table_db *d)
{
    PQfinish(d->connection);
    arena_done(&d->arena);
}

void table_result_auto(PGresult **r)
{
    PQclear(*r);
}

static enum err_code code_of(const char *sqlstate)
{
    static const struct {
        const char *prefix;
        enum err_code code;
    } codes[] = {{"28", ERR_DENIED},     {"42501", ERR_DENIED},    {"08", ERR_TRANSIENT},
                 {"40", ERR_TRANSIENT},  {"53", ERR_TRANSIENT},    {"55P03", ERR_TRANSIENT},
                 {"57P", ERR_TRANSIENT}, {"42P01", ERR_NOT_FOUND}, {"3D", ERR_NOT_FOUND}};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (strncmp(sqlstate, codes[i].prefix, strlen(codes[i].prefix)) == 0)
            return codes[i].code;
    return ERR_FATAL;
}

/* libpq ends its sentences with a newline. */
static bool set_sentence(enum err_code code, const char *text, struct err *e)
{
    size_t size = strlen(text);

    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '.'))
        size--;
    return err_set(e, code, "%.*s", (int)(size < 400 ? size : 400), text);
}

static const char *field_of(struct table_db *d, const PGresult *r, int field)
{
    const char *text = r != NULL ? PQresultErrorField(r, field) : NULL;

    return text != NULL ? arena_string(&d->arena, slice_string(text)) : "";
}

bool table_db_failed(struct table_db *d, const PGresult *r, struct err *e)
{
    const char *text = field_of(d, r, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = field_of(d, r, PG_DIAG_MESSAGE_DETAIL);

    d->fault = (struct table_fault){.sqlstate = field_of(d, r, PG_DIAG_SQLSTATE),
                                    .schema = field_of(d, r, PG_DIAG_SCHEMA_NAME),
                                    .relation = field_of(d, r, PG_DIAG_TABLE_NAME),
                                    .column = field_of(d, r, PG_DIAG_COLUMN_NAME),
                                    .constraint = field_of(d, r, PG_DIAG_CONSTRAINT_NAME),
                                    .where = field_of(d, r, PG_DIAG_CONTEXT)};
    if (text[0] == '\0')
        return set_sentence(PQstatus(d->connection) == CONNECTION_OK ? ERR_FATAL : ERR_TRANSIENT,
                            PQerrorMessage(d->connection), e);
    /* Which table stands in the way of TRUNCATE.  Other details may hold whole rows. */
    if (strcmp(d->fault.sqlstate, "0A000") == 0 && detail[0] != '\0') {
        (void)set_sentence(ERR_FATAL, detail, e);
        return err_wrap(e, "%.90s", text);
    }
    return set_sentence(code_of(d->fault.sqlstate), text, e);
}

/* What the server has to remark is no failure, and libpq would print it. */
static void ignore_notice(void *arg, const PGresult *r)
{
    (void)arg;
    (void)r;
}

bool table_db_open(struct table_db *d, const struct table_json_database *where, struct err *e)
{
    const char *names[PARAMETERS_MAX] = {"connect_timeout", "fallback_application_name"};
    const char *values[PARAMETERS_MAX] = {"30", "holdfast"};
    char *why = NULL;
    PQconninfoOption *given = PQconninfoParse(where->dsn, &why);
    size_t n = 2;

    if (given == NULL) {
        PQfreemem(why); /* it may quote a password */
        return err_set(e, ERR_USAGE, "the connection string cannot be read");
    }
    /* The last of equal names counts. */
    for (const PQconninfoOption *o = given; o->keyword != NULL && n < PARAMETERS_MAX - 3; o++)
        if (o->val != NULL) {
            names[n] = o->keyword;
            values[n++] = o->val;
        }
    if (where->password != NULL) {
        names[n] = "password";
        values[n++] = where->password;
    }
    names[n] = "client_encoding";
    values[n] = "UTF8";
    d->connection = PQconnectdbParams(names, values, 0);
    PQconninfoFree(given);
    if (PQstatus(d->connection) != CONNECTION_OK) {
        (void)set_sentence(PQconnectionNeedsPassword(d->connection) ? ERR_DENIED : ERR_TRANSIENT,
                           PQerrorMessage(d->connection), e);
        return err_wrap(e, "connect to PostgreSQL");
    }
    (void)PQsetNoticeReceiver(d->connection, ignore_notice, NULL);
    return table_db_run(d, settings, e);
}

/* Ask the server to give up what it is doing. */
static bool give_up(struct table_db *d, struct err *e)
{
    char why[256];
    PGcancel *c = PQgetCancel(d->connection);

    if (c != NULL)
        (void)PQcancel(c, why, sizeof(why)); /* the connection is closed soon in any case */
    PQfreeCancel(c);
    return cancel_err(e);
}

bool table_db_result(struct table_db *d, PGresult **out, struct err *e)
{
    struct pollfd answer = {.fd = PQsocket(d->connection), .events = POLLIN};

    while (PQisBusy(d->connection)) {
        if (cancel_is_requested())
            return give_up(d, e);
        if (poll(&answer, 1, CANCEL_LOOK_MS) > 0 && !PQconsumeInput(d->connection))
            return table_db_failed(d, NULL, e);
    }
    *out = PQgetResult(d->connection);
    return true;
}

static bool is_good(const PGresult *r)
{
    const ExecStatusType status = PQresultStatus(r);

    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_COPY_IN ||
           status == PGRES_SINGLE_TUPLE;
}

/* Take all results of what was sent; the last good one is kept. */
static bool take_results(struct table_db *d, PGresult **out, struct err *e)
{
    AUTO(table_result) PGresult *kept = NULL;
    bool is_well = true;

    for (;;) {
        PGresult *r = NULL;

        if (!table_db_result(d, &r, e))
            return false;
        if (r == NULL)
            break;
        if (is_well && !is_good(r))
            is_well = table_db_failed(d, r, e);
        PQclear(kept);
        kept = r;
        if (PQresultStatus(r) == PGRES_COPY_IN)
            break;
    }
    if (is_well && out != NULL)
        *out = TAKE(kept);
    return is_well;
}

bool table_db_ask(struct table_db *d, const char *sql, const char *const *parameters,
                  size_t parameter_count, PGresult **out, struct err *e)
{
    if (!PQsendQueryParams(d->connection, sql, (int)parameter_count, NULL, parameters, NULL, NULL,
                           0))
        return table_db_failed(d, NULL, e);
    return take_results(d, out, e);
}

bool table_db_run(struct table_db *d, const char *sql, struct err *e)
{
    if (!PQsendQuery(d->connection, sql))
        return table_db_failed(d, NULL, e);
    return take_results(d, NULL, e);
}

bool table_db_rows_begin(struct table_db *d, const char *sql, struct err *e)
{
    if (!PQsendQueryParams(d->connection, sql, 0, NULL, NULL, NULL, NULL, 0) ||
        !PQsetSingleRowMode(d->connection))
        return table_db_failed(d, NULL, e);
    return true;
}

bool table_db_rows_next(struct table_db *d, PGresult **out, struct err *e)
{
    AUTO(table_result) PGresult *r = NULL;

    if (!table_db_result(d, &r, e))
        return false;
    if (r != NULL && PQresultStatus(r) == PGRES_SINGLE_TUPLE) {
        *out = TAKE(r);
        return true;
    }
    if (r == NULL || !is_good(r))
        return table_db_failed(d, r, e);
    PQclear(r);
    r = NULL;
    *out = NULL;
    return take_results(d, NULL, e);
}
