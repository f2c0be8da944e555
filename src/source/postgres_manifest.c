#include "source/postgres_manifest.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/mem.h"

/* In the first one SHA-256 was what rows are hashed with. */
enum { FORMAT_SHA256 = 1, FORMAT = 2 };

static const char *const choice_names[POSTGRES_CHOICES] = {
    [POSTGRES_SCHEMAS] = "schemas",
    [POSTGRES_EXCLUDE_SCHEMAS] = "exclude_schemas",
    [POSTGRES_TABLES] = "tables",
    [POSTGRES_EXCLUDE_TABLES] = "exclude_tables",
    [POSTGRES_EXCLUDE_TABLE_DATA] = "exclude_table_data",
};

static void tree_auto(json_t **j)
{
    json_decref(*j);
}

/* Encoding.  json_pack() fails, with NULL, for text that is not UTF-8 and for nothing else. */

static json_t *texts_pack(const struct postgres_texts *t)
{
    AUTO(tree) json_t *array = json_array();

    for (size_t i = 0; i < t->count; i++)
        if (json_array_append_new(array, json_string(t->items[i])) != 0)
            return NULL;
    return TAKE(array);
}

static json_t *table_pack(const struct postgres_table *t)
{
    json_t *j = json_pack("{s:s, s:s, s:s, s:s*, s:s*, s:s*, s:o, s:s*, s:s*}", "schema", t->schema,
                          "name", t->name, "kind", t->kind, "extension", t->extension, "condition",
                          t->condition, "file", t->file, "columns", texts_pack(&t->columns),
                          "state", t->state, "read", t->read);

    assert(t->file == NULL || t->row_hash == ROW_HASH_XXH3);
    if (j != NULL && t->file != NULL) {
        json_object_set_new(j, "rows", json_integer((json_int_t)t->rows));
        json_object_set_new(j, "bytes", json_integer((json_int_t)t->bytes));
        json_object_set_new(j, "hash", json_string(t->hash));
    }
    return j;
}

static json_t *tables_pack(const struct postgres_manifest *m)
{
    AUTO(tree) json_t *array = json_array();

    for (size_t i = 0; i < m->table_count; i++)
        if (json_array_append_new(array, table_pack(&m->tables[i])) != 0)
            return NULL;
    return TAKE(array);
}

static json_t *sequences_pack(const struct postgres_manifest *m)
{
    AUTO(tree) json_t *array = json_array();

    for (size_t i = 0; i < m->sequence_count; i++) {
        const struct postgres_sequence *s = &m->sequences[i];
        json_t *j = json_pack("{s:s, s:s, s:I, s:b}", "schema", s->schema, "name", s->name,
                              "last_value", (json_int_t)s->last_value, "is_called", s->is_called);

        if (json_array_append_new(array, j) != 0)
            return NULL;
    }
    return TAKE(array);
}

static json_t *extensions_pack(const struct postgres_manifest *m)
{
    AUTO(tree) json_t *array = json_array();

    for (size_t i = 0; i < m->extension_count; i++) {
        const struct postgres_extension *x = &m->extensions[i];
        json_t *j = json_pack("{s:s, s:s, s:s}", "name", x->name, "schema", x->schema, "version",
                              x->version);

        if (json_array_append_new(array, j) != 0)
            return NULL;
    }
    return TAKE(array);
}

static json_t *selection_pack(const struct postgres_manifest *m)
{
    AUTO(tree) json_t *j = json_object();

    for (size_t i = 0; i < POSTGRES_CHOICES; i++)
        if (m->selection[i].count > 0 &&
            json_object_set_new(j, choice_names[i], texts_pack(&m->selection[i])) != 0)
            return NULL;
    return TAKE(j);
}

static json_t *blobs_pack(const struct postgres_blobs *b)
{
    if (b->count == 0)
        return json_null();
    return json_pack("{s:I, s:I, s:s}", "count", (json_int_t)b->count, "bytes",
                     (json_int_t)b->bytes, "hash", b->hash);
}

static int text_append(const char *bytes, size_t size, void *arg)
{
    buf_append(arg, bytes, size);
    return 0;
}

bool postgres_manifest_encode(const struct postgres_manifest *m, struct buf *out, struct err *e)
{
    AUTO(tree)
    json_t *j = json_pack(
        "{s:i, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:s*, s:b, s:o, s:o, s:o, s:o, s:o, "
        "s:o, s:s*, s:s*}",
        "format", FORMAT, "time", m->time, "database", m->database, "server_version",
        m->server_version, "server_version_num", (json_int_t)m->server_number, "lsn", m->lsn,
        "encoding", m->encoding, "collate", m->collate, "ctype", m->ctype, "locale_provider",
        m->locale_provider, "locale", m->locale, "globals", m->has_globals, "selection",
        selection_pack(m), "extensions", extensions_pack(m), "tables", tables_pack(m), "sequences",
        sequences_pack(m), "large_objects", blobs_pack(&m->blobs), "notes", texts_pack(&m->notes),
        "instance", m->instance, "horizon", m->horizon);

    if (j == NULL)
        return err_set(e, ERR_FATAL, "a name in the database is not UTF-8");
    /* Does not fail: text_append() does not, and all text was checked when it was packed. */
    (void)json_dump_callback(j, text_append, out, JSON_INDENT(1));
    buf_append(out, "\n", 1);
    return true;
}

/* Decoding */

static bool wrong(const json_error_t *why, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "the manifest is damaged: %s", why->text);
}

static const char *keep(struct postgres_manifest *m, const char *text)
{
    return text == NULL ? NULL : arena_string(&m->arena, slice_string(text));
}

/* Room in the arena for an array; zeroed. */
static void *keep_array(struct postgres_manifest *m, size_t count, size_t size)
{
    void *p = arena_take(&m->arena, count * size);

    if (count > 0)
        memset(p, 0, count * size);
    return p;
}

static bool texts_unpack(struct postgres_manifest *m, json_t *j, struct postgres_texts *out,
                         struct err *e)
{
    if (j == NULL)
        return true;
    if (!json_is_array(j))
        return err_set(e, ERR_CORRUPT, "the manifest is damaged: a list of texts is none");

    const size_t count = json_array_size(j);
    const char **items = keep_array(m, count, sizeof(*items));

    for (size_t i = 0; i < count; i++) {
        if (!json_is_string(json_array_get(j, i)))
            return err_set(e, ERR_CORRUPT, "the manifest is damaged: a list of texts is none");
        items[i] = keep(m, json_string_value(json_array_get(j, i)));
    }
    *out = (struct postgres_texts){items, count};
    return true;
}

/* A count and a sum that the manifest tells of. */
static bool sum_is_well_formed(json_int_t rows, json_int_t bytes, const char *hash)
{
    return rows >= 0 && bytes >= 0 && strlen(hash) == ROW_SUM_TEXT - 1 &&
           strspn(hash, "0123456789abcdef") == ROW_SUM_TEXT - 1;
}

static bool table_unpack(struct postgres_manifest *m, json_t *j, struct postgres_table *t,
                         struct err *e)
{
    json_error_t why = {0};
    json_t *columns = NULL;
    json_int_t rows = 0;
    json_int_t bytes = 0;
    const char *hash = NULL;

    if (json_unpack_ex(j, &why, 0, "{s:s, s:s, s:s, s?s, s?s, s?s, s:o, s?I, s?I, s?s, s?s, s?s}",
                       "schema", &t->schema, "name", &t->name, "kind", &t->kind, "extension",
                       &t->extension, "condition", &t->condition, "file", &t->file, "columns",
                       &columns, "rows", &rows, "bytes", &bytes, "hash", &hash, "state", &t->state,
                       "read", &t->read) != 0)
        return wrong(&why, e);
    if (t->file != NULL && (hash == NULL || !sum_is_well_formed(rows, bytes, hash)))
        return err_set(e, ERR_CORRUPT, "the manifest is damaged: counts of table %.100s", t->name);
    t->schema = keep(m, t->schema);
    t->name = keep(m, t->name);
    t->kind = keep(m, t->kind);
    t->extension = keep(m, t->extension);
    t->condition = keep(m, t->condition);
    t->file = keep(m, t->file);
    t->state = keep(m, t->state);
    t->read = keep(m, t->read);
    t->rows = (uint64_t)rows;
    t->bytes = (uint64_t)bytes;
    if (t->file != NULL)
        memcpy(t->hash, hash, ROW_SUM_TEXT);
    return texts_unpack(m, columns, &t->columns, e);
}

static bool tables_unpack(struct postgres_manifest *m, json_t *array, struct err *e)
{
    m->table_count = json_array_size(array);
    m->tables = keep_array(m, m->table_count, sizeof(m->tables[0]));
    for (size_t i = 0; i < m->table_count; i++)
        if (!table_unpack(m, json_array_get(array, i), &m->tables[i], e))
            return false;
    return true;
}

static bool sequences_unpack(struct postgres_manifest *m, json_t *array, struct err *e)
{
    m->sequence_count = json_array_size(array);
    m->sequences = keep_array(m, m->sequence_count, sizeof(m->sequences[0]));
    for (size_t i = 0; i < m->sequence_count; i++) {
        struct postgres_sequence *s = &m->sequences[i];
        json_error_t why = {0};
        json_int_t last = 0;
        int is_called = 0;

        if (json_unpack_ex(json_array_get(array, i), &why, 0, "{s:s, s:s, s:I, s:b}", "schema",
                           &s->schema, "name", &s->name, "last_value", &last, "is_called",
                           &is_called) != 0)
            return wrong(&why, e);
        *s = (struct postgres_sequence){keep(m, s->schema), keep(m, s->name), last, is_called != 0};
    }
    return true;
}

static bool extensions_unpack(struct postgres_manifest *m, json_t *array, struct err *e)
{
    m->extension_count = json_array_size(array);
    m->extensions = keep_array(m, m->extension_count, sizeof(m->extensions[0]));
    for (size_t i = 0; i < m->extension_count; i++) {
        struct postgres_extension *x = &m->extensions[i];
        json_error_t why = {0};

        if (json_unpack_ex(json_array_get(array, i), &why, 0, "{s:s, s:s, s:s}", "name", &x->name,
                           "schema", &x->schema, "version", &x->version) != 0)
            return wrong(&why, e);
        *x = (struct postgres_extension){keep(m, x->name), keep(m, x->schema), keep(m, x->version)};
    }
    return true;
}

static bool blobs_unpack(struct postgres_manifest *m, json_t *j, struct err *e)
{
    json_error_t why = {0};
    json_int_t count = 0;
    json_int_t bytes = 0;
    const char *hash = NULL;

    if (json_is_null(j))
        return true;
    if (json_unpack_ex(j, &why, 0, "{s:I, s:I, s:s}", "count", &count, "bytes", &bytes, "hash",
                       &hash) != 0)
        return wrong(&why, e);
    if (!sum_is_well_formed(count, bytes, hash) || count == 0)
        return err_set(e, ERR_CORRUPT, "the manifest is damaged: counts of large objects");
    m->blobs.count = (uint64_t)count;
    m->blobs.bytes = (uint64_t)bytes;
    memcpy(m->blobs.hash, hash, ROW_SUM_TEXT);
    return true;
}

static bool server_unpack(struct postgres_manifest *m, json_t *j, struct err *e)
{
    json_error_t why = {0};
    json_int_t number = 0;
    int has_globals = 0;

    if (json_unpack_ex(j, &why, 0,
                       "{s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:s, s?s, s:b, s?s, s?s}", "time",
                       &m->time, "database", &m->database, "server_version", &m->server_version,
                       "server_version_num", &number, "lsn", &m->lsn, "encoding", &m->encoding,
                       "collate", &m->collate, "ctype", &m->ctype, "locale_provider",
                       &m->locale_provider, "locale", &m->locale, "globals", &has_globals,
                       "instance", &m->instance, "horizon", &m->horizon) != 0)
        return wrong(&why, e);

    const char **const texts[] = {
        &m->time,  &m->database,        &m->server_version, &m->lsn,      &m->encoding, &m->collate,
        &m->ctype, &m->locale_provider, &m->locale,         &m->instance, &m->horizon};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        *texts[i] = keep(m, *texts[i]);
    m->server_number = number;
    m->has_globals = has_globals != 0;
    return true;
}

static bool lists_unpack(struct postgres_manifest *m, json_t *j, struct err *e)
{
    json_error_t why = {0};
    json_t *selection = NULL;
    json_t *extensions = NULL;
    json_t *tables = NULL;
    json_t *sequences = NULL;
    json_t *blobs = NULL;
    json_t *notes = NULL;

    if (json_unpack_ex(j, &why, 0, "{s:o, s:o, s:o, s:o, s:o, s:o}", "selection", &selection,
                       "extensions", &extensions, "tables", &tables, "sequences", &sequences,
                       "large_objects", &blobs, "notes", &notes) != 0)
        return wrong(&why, e);
    if (!json_is_object(selection) || !json_is_array(extensions) || !json_is_array(tables) ||
        !json_is_array(sequences))
        return err_set(e, ERR_CORRUPT, "the manifest is damaged: a list is none");
    for (size_t i = 0; i < POSTGRES_CHOICES; i++)
        if (!texts_unpack(m, json_object_get(selection, choice_names[i]), &m->selection[i], e))
            return false;
    return extensions_unpack(m, extensions, e) && tables_unpack(m, tables, e) &&
           sequences_unpack(m, sequences, e) && blobs_unpack(m, blobs, e) &&
           texts_unpack(m, notes, &m->notes, e);
}

bool postgres_manifest_decode(struct slice json, struct postgres_manifest *out, struct err *e)
{
    AUTO(postgres_manifest) struct postgres_manifest m = {0};
    json_error_t why = {0};
    int format = 0;

    if (json.size > POSTGRES_MANIFEST_MAX)
        return err_set(e, ERR_CORRUPT, "the manifest is longer than any can be");

    AUTO(tree)
    json_t *j = json_loadb((const char *)json.data, json.size, JSON_REJECT_DUPLICATES, &why);

    if (j == NULL || json_unpack_ex(j, &why, 0, "{s:i}", "format", &format) != 0)
        return wrong(&why, e);
    if (format != FORMAT_SHA256 && format != FORMAT)
        return err_set(e, ERR_CORRUPT, "the manifest has format %d, known are 1 and %d", format,
                       FORMAT);
    if (!server_unpack(&m, j, e) || !lists_unpack(&m, j, e))
        return false;
    for (size_t i = 0; format == FORMAT_SHA256 && i < m.table_count; i++)
        m.tables[i].row_hash = ROW_HASH_SHA256;
    *out = m;
    m = (struct postgres_manifest){0};
    return true;
}

void postgres_manifest_done(struct postgres_manifest *m)
{
    arena_done(&m->arena);
    *m = (struct postgres_manifest){0};
}

void postgres_manifest_auto(struct postgres_manifest *m)
{
    postgres_manifest_done(m);
}

const struct postgres_table *postgres_manifest_find(const struct postgres_manifest *m,
                                                    const char *schema, const char *name)
{
    for (size_t i = 0; i < m->table_count; i++)
        if (strcmp(m->tables[i].schema, schema) == 0 && strcmp(m->tables[i].name, name) == 0)
            return &m->tables[i];
    return NULL;
}
