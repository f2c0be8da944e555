/*
 * Databases that come from elsewhere.
 *
 * A schema is compared object by object, as text, because that is what SQLite keeps and what it
 * would run: constraints, defaults and indexes have expressions.  The text of an object is its
 * words with one blank between them; of a table the definitions of columns and constraints are in
 * ascending order, so that a column which ALTER TABLE added behind the others compares equal to
 * one that was there from the beginning.  One line for each object: type, name, TAB, text.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/text.h"
#include "source/ready.h"
#include "source/sqlite.h"
#include "source/sqlite_copy.h"
#include "source/sqlite_db.h"

#define PATIENCE_MS 30000

/* What SQLite itself makes is not part of the schema: indexes without text, and these tables. */
#define OBJECTS                                                                                 \
    "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE NOT (type = 'index' AND sql IS " \
    "NULL) AND NOT (type = 'table' AND name IN ('sqlite_sequence', 'sqlite_stat1', "            \
    "'sqlite_stat4'))"

/* Words */

static bool is_gap(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$' || c == '.' || c >= 0x80;
}

/* Behind a quotation mark: where its end was passed; two marks stand for one. */
static size_t quoted_size(struct slice s)
{
    const uint8_t end = s.data[0] == '[' ? ']' : s.data[0];
    size_t n = 1;

    for (; n < s.size; n++) {
        if (s.data[n] != end)
            continue;
        if (end == ']' || n + 1 == s.size || s.data[n + 1] != end)
            return n + 1;
        n++;
    }
    return s.size;
}

/* A comment: to the end of the line, or between its marks. */
static size_t comment_size(struct slice s)
{
    size_t n = 2;

    if (s.size < 2)
        return 0;
    if (s.data[0] == '-' && s.data[1] == '-') {
        while (n < s.size && s.data[n] != '\n')
            n++;
        return n;
    }
    if (s.data[0] != '/' || s.data[1] != '*')
        return 0;
    while (n < s.size && (s.data[n] != '/' || s.data[n - 1] != '*' || n == 2))
        n++;
    return n < s.size ? n + 1 : n;
}

/* Take the next word; empty at the end. */
static struct slice take_word(struct slice *s)
{
    size_t n = 0;

    while (s->size > 0) {
        const size_t gap = is_gap(s->data[0]) ? 1 : comment_size(*s);

        if (gap == 0)
            break;
        *s = SLICE_OF(s->data + gap, s->size - gap);
    }
    if (s->size > 0 && memchr("'\"`[", s->data[0], 4) != NULL)
        n = quoted_size(*s);
    else
        while (n < s->size && is_letter(s->data[n]))
            n++;
    if (n == 0 && s->size > 0)
        n = 1;

    const struct slice word = SLICE_OF(s->data, n);

    *s = SLICE_OF(s->data + n, s->size - n);
    return word;
}

static bool is_mark(struct slice word, char mark)
{
    return word.size == 1 && word.data[0] == (uint8_t)mark;
}

/* Definitions between the outermost parentheses. */
struct definitions {
    struct buf *items;
    size_t count;
};

static void definitions_auto(struct definitions *d)
{
    for (size_t i = 0; i < d->count; i++)
        buf_done(&d->items[i]);
    mem_free(d->items);
}

static int definition_order(const void *a, const void *b)
{
    return slice_compare(buf_slice(a), buf_slice(b));
}

static struct buf *next_definition(struct definitions *d)
{
    if ((d->count & (d->count - 1)) == 0)
        d->items = mem_resize(d->items, d->count == 0 ? 1 : 2 * d->count, sizeof(*d->items));
    d->items[d->count] = (struct buf){0};
    return &d->items[d->count++];
}

static void put_word(struct slice word, struct buf *out)
{
    buf_append_slice(out, word);
    buf_put_u8(out, ' ');
}

/* The words of an object; of a table with its definitions in order. */
static void put_text(struct slice sql, bool is_table, struct buf *out)
{
    AUTO(definitions) struct definitions d = {0};
    struct buf *to = out;
    size_t depth = 0;

    for (;;) {
        const struct slice word = take_word(&sql);

        if (word.size == 0)
            break;
        depth -= is_mark(word, ')') && depth > 0 ? 1 : 0;
        if (is_table && depth == 0 && is_mark(word, ')') && to != out) {
            qsort(d.items, d.count, sizeof(*d.items), definition_order);
            for (size_t i = 0; i < d.count; i++) {
                buf_append_slice(out, buf_slice(&d.items[i]));
                put_word(slice_string(","), out);
            }
            to = out;
        }
        if (is_table && depth == 1 && is_mark(word, ',') && to != out)
            to = next_definition(&d);
        else
            put_word(word, to);
        if (is_mark(word, '(') && depth++ == 0 && is_table && d.count == 0)
            to = next_definition(&d);
    }
    if (to != out) /* SQLite would not have kept it */
        for (size_t i = 0; i < d.count; i++)
            buf_append_slice(out, buf_slice(&d.items[i]));
}

/* Schemas */

static struct slice column(sqlite3_stmt *s, int n)
{
    const void *bytes = sqlite3_column_text(s, n);

    return bytes == NULL ? slice_string("") : SLICE_OF(bytes, (size_t)sqlite3_column_bytes(s, n));
}

static void put_object(sqlite3_stmt *s, struct buf *out)
{
    AUTO(buf) struct buf text = {0};

    put_word(column(s, 2), &text);
    put_text(column(s, 3), slice_is_equal(column(s, 0), slice_string("table")), &text);
    path_escape(column(s, 0), out);
    buf_put_u8(out, ' ');
    path_escape(column(s, 1), out);
    buf_put_u8(out, '\t');
    path_escape(buf_slice(&text), out);
    buf_put_u8(out, '\n');
}

static bool read_schema(sqlite3 *db, struct buf *out, struct err *e)
{
    AUTO(sqlite_statement) sqlite3_stmt *s = NULL;
    bool more = true;

    if (!sqlite_db_prepare(db, OBJECTS, NULL, &s, e))
        return false;
    for (;;) {
        if (!sqlite_db_step(db, s, &more, e))
            return false;
        if (!more)
            return true;
        put_object(s, out);
    }
}

bool sqlite_schema_read(const char *path, struct buf *out, struct err *e)
{
    struct sqlite_patience patience = {.limit_ms = PATIENCE_MS};
    AUTO(sqlite_db) sqlite3 *db = NULL;
    bool is_immutable = false;

    return (sqlite_db_open_live(path, &patience, &db, &is_immutable, e) &&
            read_schema(db, out, e)) ||
           err_wrap(e, "%s", path);
}

/* Comparing */

/* Take a line of a schema; false at the end. */
static bool take_line(const char **at, struct slice *key, struct slice *text)
{
    const size_t size = strcspn(*at, "\n");
    const char *tab = memchr(*at, '\t', size);

    if (size == 0)
        return false;
    assert(tab != NULL); /* we wrote it */
    *key = SLICE_OF(*at, (size_t)(tab - *at));
    *text = SLICE_OF(tab + 1, size - key->size - 1);
    *at += size + ((*at)[size] == '\n' ? 1 : 0);
    return true;
}

static bool find(const char *schema, struct slice key, struct slice *text)
{
    struct slice found;

    while (take_line(&schema, &found, text))
        if (slice_is_equal(found, key))
            return true;
    return false;
}

static bool refuse(const char *how, struct slice key, const char *why, struct err *e)
{
    char shown[80];

    text_flatten(key, shown, sizeof(shown));
    return err_set(e, ERR_CORRUPT, "%s %s%s", how, shown, why);
}

static bool has_no_other(const char *own, const char *schema, struct err *e)
{
    struct slice key, text, there;

    while (take_line(&own, &key, &text)) {
        if (!find(schema, key, &there))
            return refuse("it has the", key, ", which the present database does not have", e);
        if (!slice_is_equal(text, there))
            return refuse("its", key, " is another than that of the present database", e);
    }
    return true;
}

static bool lacks_none(const char *own, const char *schema, struct err *e)
{
    struct slice key, text;

    while (take_line(&schema, &key, &text))
        if (!find(own, key, &text))
            return refuse("it lacks the", key, ", which the present database has", e);
    return true;
}

/* Nothing that would do something by itself, or run code of SQLite that interprets content. */
static bool has_tables_only(sqlite3 *db, struct err *e)
{
    AUTO(sqlite_statement) sqlite3_stmt *s = NULL;
    bool more = false;

    if (!sqlite_db_prepare(db,
                           "SELECT type || ' ' || name FROM sqlite_schema WHERE type NOT IN "
                           "('table', 'index') UNION ALL SELECT 'virtual table ' || name FROM "
                           "pragma_table_list WHERE schema = 'main' AND type = 'virtual' LIMIT 1",
                           NULL, &s, e) ||
        !sqlite_db_step(db, s, &more, e))
        return false;
    return !more ||
           refuse("it has the", column(s, 0), ", and only tables and indexes are taken", e);
}

static bool has_schema(int fd, const char *schema, struct err *e)
{
    AUTO(sqlite_db) sqlite3 *db = NULL;
    AUTO(buf) struct buf own = {0};

    if (!sqlite_db_open_fd(fd, false, &db, e))
        return false;
    if (schema == NULL)
        return has_tables_only(db, e);
    return read_schema(db, &own, e) && has_no_other(buf_string(&own), schema, e) &&
           lacks_none(buf_string(&own), schema, e);
}

bool sqlite_stranger_look(int fd, const char *schema, struct buf *manifest, struct err *e)
{
    AUTO(sqlite_manifest) struct sqlite_manifest m = {0};

    if (!has_schema(fd, schema, e) || !sqlite_file_get_wal(fd, &m.was_wal, e) ||
        !sqlite_manifest_look(fd, &m, e))
        return false;
    if (m.fault_count > 0)
        return err_set(e, ERR_CORRUPT, "it is damaged: %s", m.faults[0]);
    if (m.is_quick)
        return err_set(e, ERR_CORRUPT,
                       "it needs functions or collations that SQLite does not have");
    sqlite_manifest_format(&m, manifest);
    return true;
}

/* As a member */

bool sqlite_member_of_file(const char *name, int fd, struct slice manifest, struct member **out,
                           struct err *e)
{
    AUTO(sqlite_manifest) struct sqlite_manifest said = {0};
    AUTO(sqlite_manifest) struct sqlite_manifest found = {0};
    const struct ready_options o = {.kind = "sqlite", .name = name, .fd = fd, .manifest = manifest};

    if (!sqlite_file_set_wal(fd, false, e) || !sqlite_manifest_parse(manifest, &said, e) ||
        !sqlite_manifest_sum(fd, &found, e))
        return false;
    if (said.size != found.size || !hash_is_equal(&said.sha256, &found.sha256))
        return err_set(e, ERR_CORRUPT, "the manifest is not of this file");
    if (said.fault_count > 0 || said.is_quick)
        return err_set(e, ERR_CORRUPT, "it was not found whole");
    return ready_member_new(&o, out, e);
}
