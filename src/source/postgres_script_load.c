#include "source/postgres_script_load.h"

#include <string.h>

#include "source/postgres_restore_run.h"
#include "source/postgres_statement.h"

#define ROWS_PIECE ((size_t)256 << 10)

/* Roles with which SQL reaches further than its own databases. */
static const char find_rights[] =
    "SELECT r.rolsuper OR r.rolcreaterole OR r.rolreplication OR EXISTS (SELECT FROM pg_roles p"
    " WHERE p.rolname IN ('pg_execute_server_program', 'pg_read_server_files',"
    " 'pg_write_server_files') AND pg_has_role(r.oid, p.oid, 'MEMBER'))"
    " OR EXISTS (SELECT FROM pg_roles p WHERE (p.rolsuper OR p.rolcreaterole)"
    " AND pg_has_role(r.oid, p.oid, 'MEMBER'))"
    " FROM pg_roles r WHERE r.rolname = session_user";

struct script {
    postgres_script_next_fn *next;
    void *arg;
    struct buf bytes;
    size_t at;     /* of what was not taken yet */
    uint64_t line; /* there */
    bool is_ended; /* there is no more behind bytes */
    bool is_first; /* at is the beginning of a row of COPY */
    bool is_done;  /* all rows of a COPY were taken */
};

static void script_auto(struct script *s)
{
    buf_done(&s->bytes);
}

static struct slice rest_of(const struct script *s)
{
    return SLICE_OF(s->bytes.data + s->at, s->bytes.size - s->at);
}

static void take(struct script *s, size_t size)
{
    const uint8_t *from = s->bytes.data + s->at;

    for (const uint8_t *end = from + size;
         from < end && (from = memchr(from, '\n', (size_t)(end - from))) != NULL; from++)
        s->line++;
    s->at += size;
}

/* Twice as much as there is, so that a long statement is not looked at again too often. */
static bool more(struct script *s, struct err *e)
{
    const size_t left = s->bytes.size - s->at;

    if (left > POSTGRES_STATEMENT_MAX)
        return err_set(e, ERR_USAGE, "a statement is longer than 64 MiB");
    if (s->at > 0)
        memmove(s->bytes.data, s->bytes.data + s->at, left);
    s->bytes.size = left;
    s->at = 0;
    while (!s->is_ended && s->bytes.size <= 2 * left) {
        const size_t before = s->bytes.size;

        if (!s->next(s->arg, &s->bytes, e))
            return false;
        s->is_ended = s->bytes.size == before;
    }
    return true;
}

/* A line that says nothing: a comment, or a mark for psql. */
static bool is_passed_over(struct slice rest)
{
    static const char *const heads[] = {"--", "\\restrict ", "\\unrestrict "};

    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        if (rest.size >= strlen(heads[i]) && memcmp(rest.data, heads[i], strlen(heads[i])) == 0)
            return true;
    return false;
}

/* Go to the next statement; *is_there: there is one. */
static bool skip_blanks(struct script *s, bool *is_there, struct err *e)
{
    for (;;) {
        const struct slice rest = rest_of(s);
        const uint8_t *end = rest.size == 0 ? NULL : memchr(rest.data, '\n', rest.size);

        if (rest.size > 0 &&
            (rest.data[0] == ' ' || (rest.data[0] >= '\t' && rest.data[0] <= '\r'))) {
            take(s, 1);
        } else if (end == NULL && !s->is_ended) { /* a whole line, to know what it is */
            if (!more(s, e))
                return false;
        } else if (is_passed_over(rest)) {
            take(s, end == NULL ? rest.size : (size_t)(end - rest.data) + 1);
        } else {
            *is_there = rest.size > 0;
            return true;
        }
    }
}

/* The next statement, in bytes until more() is called. */
static bool next_statement(struct script *s, struct slice *out, struct err *e)
{
    for (;;) {
        size_t size = 0;

        switch (postgres_statement_measure(rest_of(s), &size)) {
        case POSTGRES_STATEMENT_WHOLE:
            *out = SLICE_OF(rest_of(s).data, size);
            return true;
        case POSTGRES_STATEMENT_COMMAND:
            return err_set(e, ERR_USAGE, "it has a command of psql, and none is run");
        case POSTGRES_STATEMENT_CUT:
            break;
        }
        if (s->is_ended)
            return err_set(e, ERR_USAGE, "the script ends within a statement");
        if (!more(s, e))
            return false;
    }
}

/* Rows of a COPY, up to a line "\\.": a postgres_piece_fn. */
static bool next_rows(void *arg, struct buf *out, struct err *e)
{
    struct script *s = arg;

    while (!s->is_done && out->size < ROWS_PIECE) {
        const struct slice rest = rest_of(s);
        const uint8_t *end = memchr(rest.data, '\n', rest.size);
        const size_t size = end == NULL ? rest.size : (size_t)(end - rest.data) + 1;

        if (rest.size == 0 || (s->is_first && end == NULL && rest.size < 4)) {
            if (out->size > 0)
                return true;
            if (s->is_ended)
                return err_set(e, ERR_USAGE, "the script ends within rows");
            if (!more(s, e))
                return false;
            continue;
        }
        s->is_done = s->is_first && size == 3 && memcmp(rest.data, "\\.\n", 3) == 0;
        if (!s->is_done)
            buf_append(out, rest.data, size);
        s->is_first = end != NULL;
        take(s, size);
    }
    return true;
}

static bool load_rows(struct script *s, struct postgres_link *l, const char *sql, uint64_t *rows,
                      struct err *e)
{
    const struct slice rest = rest_of(s);

    if (rest.size > 0 && rest.data[0] == '\r')
        take(s, 1);
    if (rest_of(s).size == 0 || rest_of(s).data[0] != '\n')
        return err_set(e, ERR_USAGE, "its rows do not stand on lines of their own");
    take(s, 1);
    s->is_first = true;
    s->is_done = false;
    return postgres_link_load(l, sql, next_rows, s, rows, e);
}

/* pg_dump puts large objects into transactions, which are part of ours. */
static bool is_bracket(struct slice statement)
{
    static const char *const brackets[] = {"BEGIN;", "COMMIT;"};

    for (size_t i = 0; i < 2; i++)
        if (statement.size == strlen(brackets[i]) &&
            memcmp(statement.data, brackets[i], statement.size) == 0)
            return true;
    return false;
}

static bool run_statement(struct script *s, struct postgres_link *l,
                          struct postgres_script_report *report, struct err *e)
{
    AUTO(buf) struct buf sql = {0};
    struct slice statement;
    uint64_t rows = 0;

    if (!next_statement(s, &statement, e))
        return false;
    if (is_bracket(statement)) {
        take(s, statement.size);
        return true;
    }
    if (memchr(statement.data, '\0', statement.size) != NULL)
        return err_set(e, ERR_USAGE, "it has bytes that no statement has");
    buf_append_slice(&sql, statement);

    const bool is_copy = postgres_statement_is_copy(statement);

    if (is_copy && !postgres_statement_is_copy_in(statement))
        return err_set(e, ERR_USAGE, "it copies in another way than from the lines behind it");
    take(s, statement.size);
    if (!(is_copy ? load_rows(s, l, buf_string(&sql), &rows, e)
                  : postgres_link_statement(l, buf_string(&sql), e)))
        return false;
    if (PQtransactionStatus(l->conn) != PQTRANS_INTRANS)
        return err_set(e, ERR_USAGE, "it ends the transaction");
    report->statements++;
    report->rows += rows;
    return true;
}

static bool run_all(struct script *s, struct postgres_link *l,
                    struct postgres_script_report *report, struct err *e)
{
    for (;;) {
        bool is_there = false;

        if (!skip_blanks(s, &is_there, e))
            return false;
        if (!is_there)
            return true;

        const uint64_t line = s->line;

        if (!run_statement(s, l, report, e))
            return err_wrap(e, "line %llu", (unsigned long long)line);
    }
}

static bool check_role(struct postgres_target *t, struct err *e)
{
    AUTO(postgres_result) PGresult *r = NULL;
    const struct postgres_query q = {.sql = find_rights};

    if (!postgres_link_query(&t->link, &q, &r, e))
        return false;
    if (PQntuples(r) == 1 && !postgres_result_bool(r, 0, 0))
        return true;
    return err_set(e, ERR_DENIED,
                   "nobody answers for the script, and role %s may do more than to its own "
                   "databases: connect as one that may make databases and no more",
                   PQuser(t->link.conn));
}

static bool fill(struct postgres_target *t, struct script *s, struct postgres_script_report *report,
                 struct err *e)
{
    AUTO(postgres_link) struct postgres_link l = {0};

    if (!postgres_link_open(&l, &t->address, e) || !postgres_link_run(&l, "BEGIN", e) ||
        !run_all(s, &l, report, e) || !postgres_link_run(&l, "COMMIT", e))
        return false;
    return true;
}

bool postgres_script_load(const struct postgres_restore_options *o, postgres_script_next_fn *next,
                          void *arg, struct postgres_script_report *out, struct err *e)
{
    AUTO(postgres_target) struct postgres_target t = POSTGRES_TARGET_NONE;
    AUTO(script) struct script s = {.next = next, .arg = arg, .line = 1};
    struct postgres_restore_report made = {0};
    struct postgres_script_report report = {0};

    t.report = &made;
    if (!postgres_target_open(&t, o, e) || !check_role(&t, e) || !postgres_database_make(&t, e) ||
        !fill(&t, &s, &report, e) || !postgres_database_complete(&t, e))
        return postgres_database_give_up(&t, e);
    *out = report;
    return true;
}
