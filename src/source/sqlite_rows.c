/*
 * Rows of a table of a copy, as text.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "source/sqlite.h"
#include "source/sqlite_copy.h"
#include "source/sqlite_db.h"

enum {
    PIECE = 64 << 10,     /* bytes of a value, and of a piece before it ends */
    NUMBER_TEXT = 32,     /* "-1.7976931348623157e+308" */
    EXACT_DIGITS = 17,    /* of any double */
    FRIENDLY_DIGITS = 15, /* of most that somebody wrote */
};

struct sqlite_rows {
    sqlite3 *db;
    sqlite3_stmt *rows;
    struct arena arena; /* names */
    const char **columns;
    size_t count;
    bool is_in_row, is_over;
    bool is_text;        /* the value under way, and valid */
    size_t column, done; /* of the row: the value under way, and how much of it is written */
};

void sqlite_rows_close(struct sqlite_rows *r)
{
    if (r == NULL)
        return;
    sqlite_statement_auto(&r->rows);
    sqlite_db_auto(&r->db);
    arena_done(&r->arena);
    mem_free(r->columns);
    mem_free(r);
}

void sqlite_rows_auto(struct sqlite_rows **r)
{
    sqlite_rows_close(*r);
}

/* The name in the database of a table that the manifest calls `table`. */
static bool find_table(sqlite3 *db, const char *table, struct buf *name, struct err *e)
{
    AUTO(sqlite_statement) sqlite3_stmt *s = NULL;
    AUTO(buf) struct buf shown = {0};
    bool more = true;

    if (!sqlite_db_prepare(db,
                           "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 "
                           "AND name IS NOT NULL",
                           NULL, &s, e))
        return false;
    for (;;) {
        if (!sqlite_db_step(db, s, &more, e))
            return false;
        if (!more)
            return err_set(e, ERR_NOT_FOUND, "there is no table %s", table);
        buf_clear(&shown);
        buf_clear(name);
        buf_printf(name, "%s", (const char *)sqlite3_column_text(s, 0));
        path_escape(buf_slice(name), &shown);
        if (strcmp(buf_string(&shown), table) == 0)
            return true;
    }
}

/* Names that are not valid are shown as those of tables are. */
static void keep_columns(struct sqlite_rows *r)
{
    r->count = (size_t)sqlite3_column_count(r->rows);
    r->columns = mem_resize(NULL, r->count, sizeof(r->columns[0]));
    for (size_t i = 0; i < r->count; i++) {
        AUTO(buf) struct buf name = {0};
        const char *text = sqlite3_column_name(r->rows, (int)i);

        if (utf8_is_valid(slice_string(text)))
            buf_printf(&name, "%s", text);
        else
            path_escape(slice_string(text), &name);
        r->columns[i] = arena_string(&r->arena, buf_slice(&name));
    }
}

bool sqlite_rows_open(int fd, const char *table, struct sqlite_rows **out, struct err *e)
{
    AUTO(sqlite_rows) struct sqlite_rows *r = mem_new(sizeof(*r));
    AUTO(buf) struct buf name = {0};
    AUTO(buf) struct buf query = {0};

    if (!sqlite_db_open_fd(fd, false, &r->db, e) || !find_table(r->db, table, &name, e) ||
        !sqlite_table_query(r->db, buf_string(&name), &query, e) ||
        !sqlite_db_prepare(r->db, buf_string(&query), NULL, &r->rows, e))
        return false;
    keep_columns(r);
    *out = TAKE(r);
    return true;
}

const char *const *sqlite_rows_columns(const struct sqlite_rows *r, size_t *count)
{
    *count = r->count;
    return r->columns;
}

/* Values */

static void put_real(double value, struct buf *out)
{
    char text[NUMBER_TEXT];

    (void)snprintf(text, sizeof(text), "%.*g", FRIENDLY_DIGITS, value);
    if (parse_double(text) != value)
        (void)snprintf(text, sizeof(text), "%.*g", EXACT_DIGITS, value);
    /* A whole one stays a real one, as SQLite shows it. */
    buf_printf(out, strpbrk(text, ".en") == NULL ? "%s.0" : "%s", text);
}

static void put_text(struct slice text, struct buf *out)
{
    static const char bytes[] = "\b\f\n\r\t\v\\";
    static const char letters[] = "bfnrtv\\";

    for (size_t i = 0; i < text.size; i++) {
        const uint8_t byte = text.data[i];
        const char *at = byte == 0 ? NULL : strchr(bytes, byte);

        if (at != NULL)
            buf_put_u8(out, '\\');
        buf_put_u8(out, at != NULL ? (uint8_t)letters[at - bytes] : byte);
    }
}

static void put_hex(struct slice bytes, struct buf *out)
{
    for (size_t i = 0; i < bytes.size; i++)
        buf_printf(out, "%02x", bytes.data[i]);
}

/* The next part of the text or blob under way; false when there is more of it. */
static bool put_part(struct sqlite_rows *r, int type, struct buf *out)
{
    const int n = (int)r->column;
    const void *data =
        type == SQLITE_TEXT ? sqlite3_column_text(r->rows, n) : sqlite3_column_blob(r->rows, n);
    const size_t size = (size_t)sqlite3_column_bytes(r->rows, n);
    const struct slice all = data == NULL ? slice_string("") : SLICE_OF(data, size);
    const size_t left = all.size - r->done;
    const struct slice part = SLICE_OF(all.data + r->done, left < PIECE ? left : PIECE);

    if (r->done == 0) {
        r->is_text = type == SQLITE_TEXT && utf8_is_valid(all);
        if (!r->is_text)
            buf_printf(out, "\\\\x");
    }
    if (r->is_text)
        put_text(part, out);
    else
        put_hex(part, out);
    r->done += part.size;
    return r->done == all.size;
}

/* False when there is more of the value. */
static bool put_value(struct sqlite_rows *r, struct buf *out)
{
    const int n = (int)r->column;
    const int type = sqlite3_column_type(r->rows, n);

    switch (type) {
    case SQLITE_NULL:
        buf_printf(out, "\\N");
        return true;
    case SQLITE_INTEGER:
        buf_printf(out, "%lld", (long long)sqlite3_column_int64(r->rows, n));
        return true;
    case SQLITE_FLOAT:
        put_real(sqlite3_column_double(r->rows, n), out);
        return true;
    default:
        return put_part(r, type, out);
    }
}

static void put_values(struct sqlite_rows *r, struct buf *out)
{
    while (out->size < PIECE) {
        if (!put_value(r, out))
            continue;
        r->done = 0;
        r->column++;
        r->is_in_row = r->column < r->count;
        buf_put_u8(out, r->is_in_row ? '\t' : '\n');
        if (!r->is_in_row)
            return;
    }
}

/* Go to the next row unless one is under way. */
static bool take_row(struct sqlite_rows *r, struct err *e)
{
    bool more = true;

    if (r->is_in_row)
        return true;
    if (!sqlite_db_step(r->db, r->rows, &more, e))
        return false;
    r->is_over = !more;
    r->is_in_row = more;
    r->column = 0;
    return true;
}

bool sqlite_rows_next(void *arg, struct buf *out, struct err *e)
{
    struct sqlite_rows *r = arg;
    AUTO(buf) struct buf piece = {0};

    while (piece.size < PIECE && !r->is_over) {
        if (!take_row(r, e))
            return false;
        if (!r->is_in_row)
            break;
        put_values(r, &piece);
        if (sqlite3_errcode(r->db) == SQLITE_NOMEM) /* a value was left out */
            return sqlite_db_err(e, r->db, SQLITE_NOMEM);
    }
    buf_append_slice(out, buf_slice(&piece));
    return true;
}
