#include "source/app_db.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "source/postgres_link.h"
#include "source/sqlite_db.h"

enum {
    PATIENCE_MS = 30000,  /* for the locks of the application */
    VALUE_MAX = 16 << 20, /* bytes of one value or row of SQLite */
    KEPT_MAX = 32,        /* statements that a program of ours repeats */
    NUMBER_TEXT_MAX = 32, /* of a real, with NUL */
    CURSOR_TEXT_MAX = 64, /* of a statement about a cursor, with NUL */
};

/* SQLite's file is the schema "public" of its connection. */
static const char main_schema[] = "public";

struct app_db {
    enum app_db_use use;
    sqlite3 *sqlite; /* NULL: PostgreSQL */
    struct sqlite_patience patience;
    struct {
        const char *sql; /* by its address */
        sqlite3_stmt *prepared;
    } kept[KEPT_MAX];
    size_t kept_count;
    struct postgres_link link;
    unsigned cursors;
};

struct app_rows {
    struct app_db *db;
    sqlite3_stmt *prepared;
    PGresult *result;
    int row;
    unsigned cursor; /* 0: all rows are there */
};

/* Opening */

void app_db_close(struct app_db *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; i < d->kept_count; i++)
        sqlite_statement_auto(&d->kept[i].prepared);
    sqlite_db_auto(&d->sqlite);
    postgres_link_close(&d->link);
    mem_free(d);
}

void app_db_auto(struct app_db **d)
{
    app_db_close(*d);
}

bool app_db_is_sqlite(const struct app_db *d)
{
    return d->sqlite != NULL;
}

static int compare_bytes(void *arg, int a_size, const void *a, int b_size, const void *b)
{
    const int order = memcmp(a, b, (size_t)(a_size < b_size ? a_size : b_size));

    (void)arg;
    return order != 0 ? order : a_size - b_size;
}

static bool open_sqlite(struct app_db *d, const char *file, struct err *e)
{
    bool is_immutable = false;
    int64_t count = 0;
    int result;

    d->patience.limit_ms = PATIENCE_MS;
    if (!(d->use == APP_DB_READ
              ? sqlite_db_open_live(file, &d->patience, &d->sqlite, &is_immutable, e)
              : sqlite_db_open_target(file, &d->patience, &d->sqlite, e)))
        return err_wrap(e, "%s", file);
    result = sqlite3_db_config(d->sqlite, SQLITE_DBCONFIG_MAINDBNAME, main_schema);
    if (result == SQLITE_OK)
        result = sqlite3_db_config(d->sqlite, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_create_collation(d->sqlite, "C", SQLITE_UTF8, NULL, compare_bytes);
    if (result != SQLITE_OK)
        return sqlite_db_err(e, d->sqlite, result);
    (void)sqlite3_limit(d->sqlite, SQLITE_LIMIT_LENGTH, VALUE_MAX);
    /* Temporary tables and sorting are as large as the application. */
    return (sqlite_db_run(d->sqlite, "PRAGMA temp_store = FILE", e) &&
            sqlite_db_number(d->sqlite, "SELECT count(*) FROM sqlite_schema", &count, e)) ||
           err_wrap(e, "%s", file);
}

static bool open_postgres(struct app_db *d, const struct app_db_place *p, struct err *e)
{
    AUTO(postgres_address) struct postgres_address a = {0};

    return (postgres_address_init_secret(&a, p->dsn, p->password, e) &&
            postgres_link_open(&d->link, &a, e)) ||
           err_wrap(e, "connect to PostgreSQL");
}

bool app_db_open(const struct app_db_place *p, enum app_db_use use, struct app_db **out,
                 struct err *e)
{
    AUTO(app_db) struct app_db *d = mem_new(sizeof(*d));

    d->use = use;
    if (!(p->file != NULL ? open_sqlite(d, p->file, e) : open_postgres(d, p, e)))
        return false;
    *out = TAKE(d);
    return true;
}

/* Transactions */

bool app_db_script(struct app_db *d, const char *sql, struct err *e)
{
    return d->sqlite != NULL ? sqlite_db_run(d->sqlite, sql, e)
                             : postgres_link_run(&d->link, sql, e);
}

bool app_db_begin(struct app_db *d, struct err *e)
{
    const bool is_moment = d->use == APP_DB_READ && d->sqlite == NULL;

    return app_db_script(d, is_moment ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" : "BEGIN",
                         e);
}

bool app_db_commit(struct app_db *d, struct err *e)
{
    struct err ignored;

    if (d->sqlite != NULL) {
        if (sqlite_db_run(d->sqlite, "COMMIT", e))
            return true;
        (void)!sqlite_db_run(d->sqlite, "ROLLBACK", &ignored); /* closing does it otherwise */
        return false;
    }
    d->link.sqlstate[0] = '\0';
    if (postgres_link_run(&d->link, "COMMIT", e))
        return true;
    if (d->link.sqlstate[0] == '\0')
        e->code = ERR_AWAY;
    return false;
}

/* Statements */

static int bind_all(sqlite3_stmt *s, const struct app_value *values, size_t count)
{
    int result = SQLITE_OK;

    for (size_t i = 0; i < count && result == SQLITE_OK; i++)
        result = values[i].is_real
                     ? sqlite3_bind_double(s, (int)i + 1, values[i].real)
                     : sqlite3_bind_text(s, (int)i + 1, values[i].text, -1, SQLITE_TRANSIENT);
    return result;
}

/* The statement of this address, prepared once. */
static bool keep_statement(struct app_db *d, const char *sql, sqlite3_stmt **out, struct err *e)
{
    for (size_t i = 0; i < d->kept_count; i++) {
        *out = d->kept[i].prepared;
        if (d->kept[i].sql == sql)
            return true;
    }
    assert(d->kept_count < KEPT_MAX);
    if (!sqlite_db_prepare(d->sqlite, sql, NULL, out, e))
        return false;
    d->kept[d->kept_count].sql = sql;
    d->kept[d->kept_count++].prepared = *out;
    return true;
}

static bool run_sqlite(struct app_db *d, const char *sql, const struct app_value *values,
                       size_t count, uint64_t *changed, struct err *e)
{
    sqlite3_stmt *s = NULL;
    bool more = true;
    int result;

    if (!keep_statement(d, sql, &s, e))
        return false;
    result = bind_all(s, values, count);
    if (result != SQLITE_OK)
        return sqlite_db_err(e, d->sqlite, result);

    bool is_done = true;

    while (is_done && more)
        is_done = sqlite_db_step(d->sqlite, s, &more, e);
    (void)sqlite3_reset(s); /* repeats what the last step said */
    (void)sqlite3_clear_bindings(s);
    if (is_done && changed != NULL)
        *changed = (uint64_t)sqlite3_changes(d->sqlite);
    return is_done;
}

static bool query_postgres(struct app_db *d, const char *sql, const struct app_value *values,
                           size_t count, PGresult **out, struct err *e)
{
    char texts[APP_VALUES_MAX][NUMBER_TEXT_MAX];
    struct postgres_query q = {.sql = sql, .count = (int)count};

    assert(count <= APP_VALUES_MAX);
    for (size_t i = 0; i < count; i++) {
        q.values[i] = values[i].text;
        if (!values[i].is_real)
            continue;
        (void)snprintf(texts[i], sizeof(texts[i]), "%.17g", values[i].real); /* has room */
        q.values[i] = texts[i];
    }
    return postgres_link_query(&d->link, &q, out, e);
}

bool app_db_run(struct app_db *d, const char *sql, const struct app_value *values, size_t count,
                uint64_t *changed, struct err *e)
{
    AUTO(postgres_result) PGresult *r = NULL;

    if (d->sqlite != NULL)
        return run_sqlite(d, sql, values, count, changed, e);
    if (!query_postgres(d, sql, values, count, &r, e))
        return false;
    if (changed == NULL)
        return true;
    *changed = 0;
    return PQcmdTuples(r)[0] == '\0' || parse_u64(PQcmdTuples(r), changed, e);
}

/* Rows */

void app_rows_auto(struct app_rows **rows)
{
    struct app_rows *r = *rows;

    if (r == NULL)
        return;
    sqlite_statement_auto(&r->prepared);
    PQclear(r->result);
    mem_free(r); /* a cursor goes with its transaction */
}

static bool declare_cursor(struct app_rows *r, const char *sql, struct err *e)
{
    AUTO(buf) struct buf text = {0};

    r->cursor = ++r->db->cursors;
    buf_printf(&text, "DECLARE c%u NO SCROLL CURSOR FOR %s", r->cursor, sql);
    return postgres_link_run(&r->db->link, buf_string(&text), e);
}

bool app_db_query(struct app_db *d, const char *sql, const struct app_value *values, size_t count,
                  struct app_rows **out, struct err *e)
{
    AUTO(app_rows) struct app_rows *r = mem_new(sizeof(*r));

    r->db = d;
    r->row = -1;
    if (d->sqlite != NULL) {
        if (!sqlite_db_prepare(d->sqlite, sql, NULL, &r->prepared, e))
            return false;

        const int result = bind_all(r->prepared, values, count);

        if (result != SQLITE_OK)
            return sqlite_db_err(e, d->sqlite, result);
    } else if (!(count == 0 ? declare_cursor(r, sql, e)
                            : query_postgres(d, sql, values, count, &r->result, e))) {
        return false;
    }
    *out = TAKE(r);
    return true;
}

static bool fetch(struct app_rows *r, bool *more, struct err *e)
{
    char sql[CURSOR_TEXT_MAX];

    if (r->result != NULL && ++r->row < PQntuples(r->result)) {
        *more = true;
        return true;
    }
    *more = false;
    if (r->cursor == 0)
        return true;
    PQclear(r->result);
    r->result = NULL;
    r->row = 0;
    (void)snprintf(sql, sizeof(sql), "FETCH 200 FROM c%u", r->cursor); /* has room */
    if (!postgres_link_query(&r->db->link, &(struct postgres_query){.sql = sql}, &r->result, e))
        return false;
    *more = PQntuples(r->result) > 0;
    return true;
}

bool app_rows_next(struct app_rows *r, bool *more, struct err *e)
{
    if (r->prepared == NULL)
        return fetch(r, more, e);
    if (!sqlite_db_step(r->db->sqlite, r->prepared, more, e))
        return false;
    for (int i = 0; *more && i < sqlite3_column_count(r->prepared); i++) {
        const int type = sqlite3_column_type(r->prepared, i);
        const char *text;

        if (type != SQLITE_TEXT && type != SQLITE_BLOB)
            continue;
        text = (const char *)sqlite3_column_text(r->prepared, i);
        if (text != NULL && strlen(text) != (size_t)sqlite3_column_bytes(r->prepared, i))
            return err_set(e, ERR_CORRUPT, "a text in the database has a NUL in it");
    }
    return true;
}

const char *app_rows_text(const struct app_rows *r, int column)
{
    if (r->prepared != NULL)
        return (const char *)sqlite3_column_text(r->prepared, column);
    return PQgetisnull(r->result, r->row, column) ? NULL : PQgetvalue(r->result, r->row, column);
}

int64_t app_rows_number(const struct app_rows *r, int column)
{
    if (r->prepared != NULL)
        return sqlite3_column_int64(r->prepared, column);
    return (int64_t)postgres_result_u64(r->result, r->row, column);
}

double app_rows_real(const struct app_rows *r, int column)
{
    if (r->prepared != NULL)
        return sqlite3_column_double(r->prepared, column);
    return parse_double(PQgetvalue(r->result, r->row, column));
}

bool app_db_number(struct app_db *d, const char *sql, uint64_t *out, struct err *e)
{
    AUTO(app_rows) struct app_rows *r = NULL;
    bool more = false;

    if (!app_db_query(d, sql, APP_NO_VALUES, &r, e) || !app_rows_next(r, &more, e))
        return false;
    *out = more ? (uint64_t)app_rows_number(r, 0) : 0;
    return true;
}
