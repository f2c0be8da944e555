/*
 * What is in a copy, found by looking and written as JSON.
 *
 * The integrity check comes before the rows: a row of a database that has no fault is not longer
 * than the file, so reading it takes memory that the file can justify.  Of a damaged database the
 * tables are only named.
 */
#include <string.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/json.h"
#include "source/source.h"
#include "source/sqlite_copy.h"
#include "source/sqlite_db.h"

enum {
    FORMAT = 1,
    FAULTS_MAX = 20, /* lines that SQLite is asked for: enough to see what kind of damage it is */
    PIECE_SIZE = 256 << 10,
    TEXT_MAX = 256 << 20, /* a million tables */
};

static const char *const kinds[] = {
    [SQLITE_TABLE] = "table",
    [SQLITE_WITHOUT_ROWID] = "without_rowid",
    [SQLITE_SHADOW] = "shadow",
    [SQLITE_VIRTUAL] = "virtual",
};
#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

void sqlite_manifest_done(struct sqlite_manifest *m)
{
    arena_done(&m->arena);
    mem_free(m->faults);
    mem_free(m->tables);
}

void sqlite_manifest_auto(struct sqlite_manifest *m)
{
    sqlite_manifest_done(m);
}

void sqlite_manifest_add_fault(struct sqlite_manifest *m, const char *text)
{
    m->faults = mem_resize(m->faults, m->fault_count + 1, sizeof(m->faults[0]));
    m->faults[m->fault_count++] = arena_string(&m->arena, slice_string(text));
}

/* Looking */

bool sqlite_manifest_sum(int fd, struct sqlite_manifest *m, struct err *e)
{
    AUTO(sha256_stream) struct sha256_stream *sum = sha256_stream_new();
    AUTO(mem) uint8_t *piece = mem_new(PIECE_SIZE);
    size_t got = 0;

    do {
        if (cancel_is_requested())
            return cancel_err(e);
        if (!fd_read_at(fd, m->size, piece, PIECE_SIZE, &got, e))
            return false;
        if (m->size == 0 && got >= SQLITE_MODE_OFFSET + SQLITE_MODE_SIZE)
            memset(piece + SQLITE_MODE_OFFSET, SQLITE_MODE_ROLLBACK, SQLITE_MODE_SIZE);
        sha256_stream_add(sum, SLICE_OF(piece, got));
        m->size += got;
    } while (got == PIECE_SIZE);
    sha256_stream_finish(sum, &m->sha256);
    return true;
}

static bool look_at_header(sqlite3 *db, struct sqlite_manifest *m, struct err *e)
{
    const struct {
        const char *pragma;
        int64_t *out;
    } numbers[] = {
        {"PRAGMA page_size", &m->page_size},       {"PRAGMA page_count", &m->page_count},
        {"PRAGMA user_version", &m->user_version}, {"PRAGMA application_id", &m->application_id},
        {"PRAGMA auto_vacuum", &m->auto_vacuum},
    };
    AUTO(sqlite_statement) sqlite3_stmt *s = NULL;
    bool more = false;

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (!sqlite_db_number(db, numbers[i].pragma, numbers[i].out, e))
            return false;
    if (!sqlite_db_prepare(db, "PRAGMA encoding", NULL, &s, e) || !sqlite_db_step(db, s, &more, e))
        return false;
    (void)sqlite3_snprintf(sizeof(m->encoding), m->encoding, "%s", sqlite3_column_text(s, 0));
    (void)sqlite3_snprintf(sizeof(m->version), m->version, "%s", sqlite3_libversion());
    return true;
}

/* The lines of an integrity check but "ok". */
static bool look_for_faults(sqlite3 *db, const char *check, struct sqlite_manifest *m,
                            struct err *e)
{
    AUTO(sqlite_statement) sqlite3_stmt *s = NULL;
    char pragma[40];
    bool more = true;

    (void)sqlite3_snprintf(sizeof(pragma), pragma, "PRAGMA %s(%d)", check, FAULTS_MAX);
    if (!sqlite_db_prepare(db, pragma, NULL, &s, e))
        return false;
    for (;;) {
        AUTO(buf) struct buf line = {0};

        if (!sqlite_db_step(db, s, &more, e))
            return false;
        if (!more)
            return true;

        const char *text = (const char *)sqlite3_column_text(s, 0);

        path_escape(slice_string(text == NULL ? "" : text), &line);
        if (strcmp(buf_string(&line), "ok") != 0)
            sqlite_manifest_add_fault(m, buf_string(&line));
    }
}

static int compare_bytes(void *arg, int size, const void *one, int other_size, const void *other)
{
    (void)arg;
    return slice_compare(SLICE_OF(one, (size_t)size), SLICE_OF(other, (size_t)other_size));
}

/* Stands for a collation that is not there, where an order is named but not looked at. */
static void on_collation(void *arg, sqlite3 *db, int encoding, const char *name)
{
    (void)sqlite3_create_collation(db, name, encoding, arg, compare_bytes); /* else as before */
}

/*
 * The whole check needs the functions and collations that indexes and constraints are made with.
 * Where they are an application's own, the shorter one has to do, which compares no keys.
 */
static bool check_integrity(sqlite3 *db, struct sqlite_manifest *m, struct err *e)
{
    if (look_for_faults(db, "integrity_check", m, e))
        return true;
    if (e->code != ERR_CORRUPT)
        return false;
    m->is_quick = true;
    m->fault_count = 0;
    (void)sqlite3_collation_needed(db, NULL, on_collation);
    if (sqlite_db_run(db, "PRAGMA ignore_check_constraints = ON", e) &&
        look_for_faults(db, "quick_check", m, e))
        return true;
    if (e->code != ERR_CORRUPT)
        return false;
    sqlite_manifest_add_fault(m, e->text);
    return true;
}

/* What is damaged beyond reading has faults and nothing else. */
static bool look_inside(sqlite3 *db, struct sqlite_manifest *m, struct err *e)
{
    if (!look_at_header(db, m, e) || !check_integrity(db, m, e))
        return false;
    /* The check takes a page that could not be read for damage. */
    if (cancel_is_requested() || sqlite_file_failure(db) != NULL)
        return sqlite_db_err(e, db, SQLITE_IOERR_READ);
    return sqlite_table_read_all(db, m->fault_count == 0, m, e);
}

bool sqlite_manifest_look(int fd, struct sqlite_manifest *m, struct err *e)
{
    AUTO(sqlite_db) sqlite3 *db = NULL;
    struct err why = {0};

    if (!sqlite_manifest_sum(fd, m, e))
        return false;
    if (sqlite_db_open_fd(fd, false, &db, &why) && look_inside(db, m, &why))
        return true;
    if (why.code != ERR_CORRUPT) {
        *e = why;
        return false;
    }
    sqlite_manifest_add_fault(m, why.text);
    return true;
}

/* JSON */

static json_t *json_of_faults(const struct sqlite_manifest *m)
{
    json_t *lines = json_array();

    if (m->fault_count == 0) {
        json_decref(lines);
        return json_string("ok");
    }
    for (size_t i = 0; i < m->fault_count; i++)
        (void)json_array_append_new(lines, json_string(m->faults[i]));
    return lines;
}

static json_t *json_of_table(const struct sqlite_table *t)
{
    json_t *j = json_pack("{s:s, s:s}", "name", t->name, "kind", kinds[t->kind]);
    char sum[2 * sizeof(t->sum) + 1];

    if (t->has_rows) {
        hex_encode(SLICE_OF(t->sum, sizeof(t->sum)), sum);
        (void)json_object_set_new(j, "rows", json_integer((json_int_t)t->rows));
        (void)json_object_set_new(j, "hash", json_string(sum));
    }
    return j;
}

static int append_text(const char *bytes, size_t size, void *arg)
{
    buf_append(arg, bytes, size);
    return 0;
}

void sqlite_manifest_format(const struct sqlite_manifest *m, struct buf *out)
{
    char sum[2 * HASH_SIZE + 1];
    json_t *tables = json_array();

    for (size_t i = 0; i < m->table_count; i++)
        (void)json_array_append_new(tables, json_of_table(&m->tables[i]));
    hex_encode(SLICE_OF(m->sha256.bytes, HASH_SIZE), sum);

    /* Takes the values over; all text is UTF-8, so nothing of it fails. */
    AUTO(json)
    json_t *j = json_pack(
        "{s:i, s:s, s:I, s:s, s:I, s:I, s:s, s:I, s:I, s:I, s:s, s:s, s:s, s:o, s:o}", "format",
        FORMAT, "sqlite_version", m->version, "size", (json_int_t)m->size, "sha256", sum,
        "page_size", (json_int_t)m->page_size, "page_count", (json_int_t)m->page_count, "encoding",
        m->encoding, "user_version", (json_int_t)m->user_version, "application_id",
        (json_int_t)m->application_id, "auto_vacuum", (json_int_t)m->auto_vacuum, "journal_mode",
        m->was_wal ? "wal" : "delete", "opened", m->was_immutable ? "immutable" : "normal", "check",
        m->is_quick ? "quick_check" : "integrity_check", "integrity", json_of_faults(m), "tables",
        tables);

    (void)json_dump_callback(j, append_text, out, JSON_INDENT(1));
    buf_append(out, "\n", 1);
}

static bool is_wrong(const char *what, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "the manifest's %s", what);
}

static bool parse_table(json_t *j, struct sqlite_manifest *m, struct err *e)
{
    const char *name = NULL, *kind = NULL, *sum = NULL;
    json_int_t rows = -1;
    struct sqlite_table *t = &m->tables[m->table_count];
    size_t k = 0;

    if (json_unpack(j, "{s:s, s:s, s?I, s?s}", "name", &name, "kind", &kind, "rows", &rows, "hash",
                    &sum) != 0)
        return is_wrong("tables are not as they must be", e);
    while (k < KIND_COUNT && strcmp(kind, kinds[k]) != 0)
        k++;
    if (k == KIND_COUNT || (sum == NULL) != (rows < 0) ||
        (sum != NULL && !hex_decode(sum, t->sum, sizeof(t->sum))))
        return is_wrong("tables are not as they must be", e);
    t->kind = (enum sqlite_kind)k;
    t->has_rows = sum != NULL;
    t->rows = t->has_rows ? (uint64_t)rows : 0;
    t->name = arena_string(&m->arena, slice_string(name));
    if (m->table_count > 0 && strcmp(t[-1].name, t->name) >= 0)
        return is_wrong("tables are out of order", e);
    m->table_count++;
    return true;
}

static bool parse_lists(json_t *tables, json_t *integrity, struct sqlite_manifest *m, struct err *e)
{
    size_t i = 0;
    json_t *item = NULL;

    if (!json_is_array(tables) ||
        (!json_is_array(integrity) &&
         (!json_is_string(integrity) || strcmp(json_string_value(integrity), "ok") != 0)))
        return is_wrong("lists are not as they must be", e);
    json_array_foreach(integrity, i, item)
    {
        if (!json_is_string(item))
            return is_wrong("integrity is not as it must be", e);
        sqlite_manifest_add_fault(m, json_string_value(item));
    }
    m->tables = mem_array(json_array_size(tables), sizeof(m->tables[0]));
    json_array_foreach(tables, i, item) if (!parse_table(item, m, e)) return false;
    return true;
}

bool sqlite_manifest_parse(struct slice text, struct sqlite_manifest *m, struct err *e)
{
    json_error_t why = {0};
    const char *sum = NULL, *encoding = NULL, *version = NULL, *mode = NULL, *opened = NULL;
    const char *check = NULL;
    json_t *integrity = NULL, *tables = NULL;
    json_int_t size = 0, page_size = 0, pages = 0, user = 0, application = 0, vacuum = 0;
    int format = 0;

    if (text.size > TEXT_MAX)
        return is_wrong("text is too long", e);

    AUTO(json)
    json_t *j = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, &why);

    if (j == NULL)
        return err_set(e, ERR_CORRUPT, "the manifest is not JSON: line %d: %s", why.line, why.text);
    if (json_unpack(j, "{s:i}", "format", &format) != 0 || format != FORMAT)
        return is_wrong("format is unknown", e);
    if (json_unpack_ex(
            j, &why, 0, "{s:s, s:I, s:s, s:I, s:I, s:s, s:I, s:I, s:I, s:s, s:s, s:s, s:o, s:o}",
            "sqlite_version", &version, "size", &size, "sha256", &sum, "page_size", &page_size,
            "page_count", &pages, "encoding", &encoding, "user_version", &user, "application_id",
            &application, "auto_vacuum", &vacuum, "journal_mode", &mode, "opened", &opened, "check",
            &check, "integrity", &integrity, "tables", &tables) != 0)
        return err_set(e, ERR_CORRUPT, "the manifest is not as it must be: %s", why.text);
    if (size < 0 || !hex_decode(sum, m->sha256.bytes, HASH_SIZE))
        return is_wrong("size or hash is not as it must be", e);
    m->size = (uint64_t)size;
    m->page_size = page_size;
    m->page_count = pages;
    m->user_version = user;
    m->application_id = application;
    m->auto_vacuum = vacuum;
    m->was_wal = strcmp(mode, "wal") == 0;
    m->was_immutable = strcmp(opened, "immutable") == 0;
    m->is_quick = strcmp(check, "quick_check") == 0;
    (void)sqlite3_snprintf(sizeof(m->encoding), m->encoding, "%s", encoding);
    (void)sqlite3_snprintf(sizeof(m->version), m->version, "%s", version);
    return parse_lists(tables, integrity, m, e);
}

bool sqlite_stored_read(struct slice manifest, struct sqlite_stored *out, struct err *e)
{
    AUTO(sqlite_manifest) struct sqlite_manifest m = {0};
    struct sqlite_stored stored = {0};

    if (!sqlite_manifest_parse(manifest, &m, e))
        return false;
    stored.bytes = m.size;
    for (size_t i = 0; i < m.table_count; i++) {
        if (m.tables[i].kind == SQLITE_SHADOW || strncmp(m.tables[i].name, "sqlite_", 7) == 0)
            continue;
        stored.tables++;
        stored.rows += m.tables[i].rows;
    }
    *out = stored;
    return true;
}
