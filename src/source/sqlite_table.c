/*
 * The rows of tables, counted and summed up.
 *
 * A row is written as its values in the order of the columns, without virtual generated columns
 * and rowids.  Each value begins with a byte for its type: 'n' NULL; 'i' and 8 bytes, two's
 * complement, little-endian; 'r' and 8 bytes, IEEE 754, little-endian; 't' (text, in the encoding
 * of the database) and 'b' (blob) with the number of bytes in 8 bytes, little-endian, and the
 * bytes.  The sum of a table is the sum modulo 2^128, over its rows, of the first 16 bytes of the
 * SHA-256 of the row, taken as big-endian numbers: the order of the rows does not matter, and a row
 * that is there twice counts twice.  The schema is summed like a table.
 *
 * Tables are read in full, never through an index.  Virtual tables are only listed: code that
 * interprets their content does not run, and the tables in which they keep it are read.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "source/row_sum.h"
#include "source/sqlite_copy.h"
#include "source/sqlite_db.h"

#define SCHEMA "sqlite_schema"

enum {
    LONG_VALUE = 64 << 10, /* bytes: goes into the hash without being copied */
};

/* One table being read. */
struct reading {
    sqlite3_stmt *rows;
    bool is_utf16;
    struct buf row;               /* what is not in the stream yet */
    struct sha256_stream *stream; /* of rows with long values */
    bool is_streamed;
    struct row_sum sum;
};

static void reading_auto(struct reading *r)
{
    sqlite_statement_auto(&r->rows);
    buf_done(&r->row);
    sha256_stream_free(r->stream);
}

static void append_quoted(struct buf *out, const char *name)
{
    buf_append(out, "\"", 1);
    for (const char *c = name; *c != '\0'; c++)
        buf_append(out, *c == '"' ? "\"\"" : c, *c == '"' ? 2 : 1);
    buf_append(out, "\"", 1);
}

bool sqlite_table_query(sqlite3 *db, const char *table, struct buf *out, struct err *e)
{
    AUTO(sqlite_statement) sqlite3_stmt *columns = NULL;
    bool more = true;
    size_t count = 0;

    if (!sqlite_db_prepare(db, "SELECT name FROM pragma_table_xinfo(?1) WHERE hidden IN (0, 3)",
                           table, &columns, e))
        return false;
    buf_printf(out, "SELECT ");
    for (;; count++) {
        if (!sqlite_db_step(db, columns, &more, e))
            return false;
        if (!more)
            break;
        buf_printf(out, count > 0 ? ", " : "");
        append_quoted(out, (const char *)sqlite3_column_text(columns, 0));
    }
    if (count == 0)
        return err_set(e, ERR_CORRUPT, "no such table");
    buf_printf(out, " FROM main.");
    append_quoted(out, table);
    buf_printf(out, " NOT INDEXED");
    return true;
}

static void reading_add_bytes(struct reading *r, const void *bytes, int size)
{
    const struct slice value = SLICE_OF(bytes, (size_t)size);

    buf_put_u64(&r->row, value.size);
    if (value.size < LONG_VALUE) {
        buf_append_slice(&r->row, value);
        return;
    }
    if (r->stream == NULL)
        r->stream = sha256_stream_new();
    sha256_stream_add(r->stream, buf_slice(&r->row));
    sha256_stream_add(r->stream, value);
    buf_clear(&r->row);
    r->is_streamed = true;
}

static void reading_add_value(struct reading *r, int column)
{
    static const char letters[] = {
        [SQLITE_INTEGER] = 'i', [SQLITE_FLOAT] = 'r', [SQLITE_TEXT] = 't',
        [SQLITE_BLOB] = 'b',    [SQLITE_NULL] = 'n',
    };
    const int type = sqlite3_column_type(r->rows, column);
    uint64_t bits = 0;

    buf_put_u8(&r->row, (uint8_t)letters[type]);
    if (type == SQLITE_INTEGER) {
        buf_put_u64(&r->row, (uint64_t)sqlite3_column_int64(r->rows, column));
    } else if (type == SQLITE_FLOAT) {
        const double value = sqlite3_column_double(r->rows, column);

        memcpy(&bits, &value, sizeof(bits));
        buf_put_u64(&r->row, bits);
    } else if (type != SQLITE_NULL) {
        /* Asked in this way, SQLite converts no text: bad characters count as they are stored. */
        const int size = r->is_utf16 && type == SQLITE_TEXT
                             ? sqlite3_column_bytes16(r->rows, column)
                             : sqlite3_column_bytes(r->rows, column);

        reading_add_bytes(r, sqlite3_column_blob(r->rows, column), size);
    }
}

static void reading_add_row(struct reading *r)
{
    const int columns = sqlite3_column_count(r->rows);
    struct hash h;

    for (int i = 0; i < columns; i++)
        reading_add_value(r, i);
    if (r->is_streamed) {
        sha256_stream_add(r->stream, buf_slice(&r->row));
        sha256_stream_finish(r->stream, &h);
    } else {
        sha256(buf_slice(&r->row), &h);
    }
    buf_clear(&r->row);
    r->is_streamed = false;
    row_sum_add_hash(&r->sum, h.bytes);
}

static bool read_rows(sqlite3 *db, const char *name, bool is_utf16, struct sqlite_table *t,
                      struct err *e)
{
    AUTO(reading) struct reading r = {.is_utf16 = is_utf16};
    AUTO(buf) struct buf query = {0};
    uint64_t rows = 0;
    bool more = true;

    if (!sqlite_table_query(db, name, &query, e) ||
        !sqlite_db_prepare(db, buf_string(&query), NULL, &r.rows, e))
        return false;
    for (;; rows++) {
        if (!sqlite_db_step(db, r.rows, &more, e))
            return false;
        if (!more)
            break;
        reading_add_row(&r);
    }
    t->rows = rows;
    row_sum_bytes(&r.sum, t->sum);
    t->has_rows = true;
    return true;
}

/* Whether a name is that of a virtual table, '_', and what a module keeps under such a name. */
static bool is_shadow(sqlite3 *db, const char *name, bool *out, struct err *e)
{
    static const char *const words[] = {"data",   "idx",      "content", "docsize",
                                        "config", "segments", "segdir",  "stat",
                                        "node",   "rowid",    "parent"};
    AUTO(sqlite_statement) sqlite3_stmt *s = NULL;
    AUTO(buf) struct buf owner = {0};
    const char *last = strrchr(name, '_');
    bool is_word = false;

    for (size_t i = 0; last != NULL && i < sizeof(words) / sizeof(words[0]); i++)
        is_word = is_word || strcmp(last + 1, words[i]) == 0;
    if (!is_word) {
        *out = false;
        return true;
    }
    buf_append(&owner, name, (size_t)(last - name));
    return sqlite_db_prepare(db,
                             "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND rootpage = 0 "
                             "AND name = ?1 COLLATE NOCASE",
                             buf_string(&owner), &s, e) &&
           sqlite_db_step(db, s, out, e);
}

/* SQLite documents this one: index_info of a table's name yields rows when it has no rowids. */
static bool is_without_rowid(sqlite3 *db, const char *name, bool *out, struct err *e)
{
    AUTO(sqlite_statement) sqlite3_stmt *s = NULL;

    return sqlite_db_prepare(db, "SELECT 1 FROM pragma_index_info(?1)", name, &s, e) &&
           sqlite_db_step(db, s, out, e);
}

static bool find_kind(sqlite3 *db, const char *name, struct sqlite_table *t, struct err *e)
{
    bool has = false;

    if (!is_shadow(db, name, &has, e))
        return false;
    if (has) {
        t->kind = SQLITE_SHADOW;
        return true;
    }
    if (!is_without_rowid(db, name, &has, e))
        return false;
    t->kind = has ? SQLITE_WITHOUT_ROWID : SQLITE_TABLE;
    return true;
}

static struct sqlite_table *add_table(struct sqlite_manifest *m, const char *name)
{
    AUTO(buf) struct buf text = {0};

    path_escape(slice_string(name), &text);
    m->tables = mem_resize(m->tables, m->table_count + 1, sizeof(m->tables[0]));
    m->tables[m->table_count] =
        (struct sqlite_table){.name = arena_string(&m->arena, buf_slice(&text))};
    return &m->tables[m->table_count++];
}

static bool read_table(sqlite3 *db, const char *name, bool is_utf16, struct sqlite_manifest *m,
                       struct err *e)
{
    struct sqlite_table *t = add_table(m, name);
    AUTO(buf) struct buf fault = {0};

    if (find_kind(db, name, t, e) && read_rows(db, name, is_utf16, t, e))
        return true;
    if (e->code != ERR_CORRUPT)
        return err_wrap(e, "table %s", t->name);
    buf_printf(&fault, "table %s: %s", t->name, e->text);
    sqlite_manifest_add_fault(m, buf_string(&fault));
    return true;
}

static int compare_tables(const void *a, const void *b)
{
    const struct sqlite_table *first = a;
    const struct sqlite_table *second = b;

    return strcmp(first->name, second->name);
}

bool sqlite_table_read_all(sqlite3 *db, bool with_rows, struct sqlite_manifest *m, struct err *e)
{
    AUTO(sqlite_statement) sqlite3_stmt *s = NULL;
    const bool is_utf16 = strcmp(m->encoding, "UTF-8") != 0;
    bool more = true;

    if (with_rows && !read_table(db, SCHEMA, is_utf16, m, e))
        return false;
    if (!sqlite_db_prepare(db,
                           "SELECT name, ifnull(rootpage, 0) = 0 FROM sqlite_schema "
                           "WHERE type = 'table' AND name IS NOT NULL",
                           NULL, &s, e))
        return false;
    for (;;) {
        if (!sqlite_db_step(db, s, &more, e))
            return false;
        if (!more)
            break;

        const char *name = (const char *)sqlite3_column_text(s, 0);

        if (sqlite3_column_int(s, 1) != 0)
            add_table(m, name)->kind = SQLITE_VIRTUAL;
        else if (!with_rows)
            (void)add_table(m, name);
        else if (!read_table(db, name, is_utf16, m, e))
            return false;
    }
    qsort(m->tables, m->table_count, sizeof(m->tables[0]), compare_tables);
    return true;
}
