/*
 * The document as a whole: its members, its tables and their columns.
 */

#include "base/clock.h"
#include "base/mem.h"
#include "source/table_stage.h"

/* Tokens that must come */

static bool expect(struct json_reader *r, enum json_token wanted, const char *what, struct err *e)
{
    enum json_token found;

    if (!json_reader_next(r, &found, e))
        return false;
    return found == wanted || err_set(e, ERR_CORRUPT, "%s is missing", what);
}

/* The next name in an object, which stays in r->text; *is_end: there is none. */
static bool next_name(struct json_reader *r, bool *is_end, struct err *e)
{
    enum json_token token;

    if (!json_reader_next(r, &token, e))
        return false;
    *is_end = token == JSON_TOKEN_OBJECT_END;
    return true;
}

static bool name_is(const struct json_reader *r, const char *name)
{
    return slice_is_equal(buf_slice(&r->text), slice_string(name));
}

static bool read_column(struct table_rows *w, struct err *e)
{
    struct json_reader *r = &w->import->reader;
    bool has_name = false;
    bool is_end;

    for (;;) {
        if (!next_name(r, &is_end, e))
            return false;
        if (is_end)
            return has_name || err_set(e, ERR_CORRUPT, "a column has no name");
        if (!name_is(r, "name")) {
            if (!json_reader_skip(r, e))
                return false;
            continue;
        }
        if (has_name)
            return err_set(e, ERR_CORRUPT, "a column has two names");
        if (!expect(r, JSON_TOKEN_TEXT, "the name of a column", e) ||
            !table_rows_add_column(w, buf_slice(&r->text), e))
            return false;
        has_name = true;
    }
}

static bool read_columns(struct table_rows *w, struct err *e)
{
    struct json_reader *r = &w->import->reader;
    enum json_token token;

    if (w->is_settled)
        return err_set(e, ERR_CORRUPT, "its columns stand there twice");
    if (!expect(r, JSON_TOKEN_ARRAY, "the list of columns", e))
        return false;
    for (;;) {
        json_reader_limit(r, TABLE_JSON_ROW_MAX);
        if (!json_reader_next(r, &token, e))
            return false;
        if (token == JSON_TOKEN_ARRAY_END)
            break;
        if (token != JSON_TOKEN_OBJECT)
            return err_set(e, ERR_CORRUPT, "one of its columns is no object");
        if (!read_column(w, e))
            return false;
    }
    w->is_settled = true;
    return true;
}

/* {"columns": [...], "rows": [...]}, behind the first bracket. */
static bool read_typed(struct table_rows *w, struct err *e)
{
    struct json_reader *r = &w->import->reader;
    bool has_rows = false;
    bool is_end;

    for (;;) {
        json_reader_limit(r, TABLE_JSON_ROW_MAX);
        if (!next_name(r, &is_end, e))
            return false;
        if (is_end)
            return has_rows || err_set(e, ERR_CORRUPT, "it has no rows");
        if (name_is(r, "columns")) {
            if (!read_columns(w, e))
                return false;
        } else if (name_is(r, "rows")) {
            if (has_rows || !w->is_settled)
                return err_set(e, ERR_CORRUPT, "its rows %s",
                               has_rows ? "stand there twice" : "come before its columns");
            if (!expect(r, JSON_TOKEN_ARRAY, "the list of rows", e) || !table_rows_read(w, e))
                return false;
            has_rows = true;
        } else if (!json_reader_skip(r, e)) {
            return false;
        }
    }
}

/* Tables */

/* NULL: unknown. */
static struct table *find_table(struct table_import *m, struct slice name)
{
    const struct table_json_import_options *o = m->options;

    for (size_t i = 0; i < o->pick_count; i++) {
        const struct table_json_pick *p = &o->picks[i];

        if (slice_is_equal(slice_string(p->name != NULL ? p->name : p->table), name))
            return table_db_find(&m->db, slice_string(p->table));
    }
    return o->pick_count == 0 ? table_db_find(&m->db, name) : NULL;
}

static bool has_key(const struct table *t)
{
    for (size_t i = 0; i < t->column_count; i++)
        if (t->columns[i].is_key)
            return true;
    return false;
}

/* Takes name. */
static struct table_stage *add_stage(struct table_import *m, struct table *t, char *name)
{
    struct table_stage *s;

    if (m->count == m->room) {
        m->room = m->room > 0 ? 2 * m->room : 16;
        m->stages = mem_resize(m->stages, m->room, sizeof(m->stages[0]));
    }
    s = &m->stages[m->count];
    *s = (struct table_stage){.table = t, .name = name, .number = m->count};
    s->columns = mem_array(t->column_count, sizeof(s->columns[0]));
    m->count++;
    return s;
}

static bool check_table(struct table_import *m, struct table *t, struct err *e)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->stages[i].table == t)
            return err_set(e, ERR_CORRUPT, "it stands there twice");
    if (m->count == TABLE_STAGES_MAX)
        return err_set(e, ERR_CORRUPT, "there are more than %d tables", TABLE_STAGES_MAX);
    if (!table_db_columns(&m->db, t, e))
        return false;
    return m->options->mode != TABLE_JSON_UPSERT || has_key(t) ||
           err_set(e, ERR_USAGE, "it has no primary key, by which rows could be updated");
}

static bool read_content(struct table_import *m, struct table_stage *s, struct err *e)
{
    AUTO(table_rows) struct table_rows w = {0};
    enum json_token token;

    table_rows_init(&w, m, s);
    if (!json_reader_next(&m->reader, &token, e))
        return false;
    if (token == JSON_TOKEN_OBJECT) {
        w.form = TABLE_JSON_TYPED;
        return read_typed(&w, e);
    }
    w.form = TABLE_JSON_PLAIN;
    return token == JSON_TOKEN_ARRAY ? table_rows_read(&w, e)
                                     : err_set(e, ERR_CORRUPT, "it is neither array nor object");
}

/* Behind its name. */
static bool read_table(struct table_import *m, struct err *e)
{
    AUTO(mem) char *name = mem_dup(buf_string(&m->reader.text), m->reader.text.size);
    struct table *t = find_table(m, buf_slice(&m->reader.text));
    struct table_stage *s;

    if (t == NULL && m->options->ignores_unknown)
        return json_reader_skip(&m->reader, e);
    if (t == NULL)
        return err_set(e, ERR_NOT_FOUND, "the database has no table %.100s", name);
    if (!check_table(m, t, e))
        return err_wrap(e, "table %s", t->name);
    s = add_stage(m, t, TAKE(name));
    return read_content(m, s, e) || err_wrap(e, "table %s", t->name);
}

static bool read_tables(struct table_import *m, struct err *e)
{
    bool is_end;

    if (!expect(&m->reader, JSON_TOKEN_OBJECT, "the object of tables", e))
        return false;
    for (;;) {
        json_reader_limit(&m->reader, TABLE_JSON_ROW_MAX);
        if (!next_name(&m->reader, &is_end, e))
            return false;
        if (is_end)
            return true;
        if (!read_table(m, e))
            return false;
    }
}

static bool read_version(struct table_import *m, struct err *e)
{
    return expect(&m->reader, JSON_TOKEN_TEXT, "the version", e) &&
           (name_is(&m->reader, "1.0") || err_set(e, ERR_CORRUPT, "it is of version %.20s, not 1.0",
                                                  buf_string(&m->reader.text)));
}

static bool read_timestamp(struct table_import *m, struct err *e)
{
    struct err why = {0};
    int64_t time_ns;

    return expect(&m->reader, JSON_TOKEN_TEXT, "the timestamp", e) &&
           (clock_parse(buf_string(&m->reader.text), &time_ns, &why) ||
            err_set(e, ERR_CORRUPT, "its timestamp is no time"));
}

typedef bool member_fn(struct table_import *m, struct err *e);

static const struct {
    const char *name;
    member_fn *read;
} members[] = {
    {"version", read_version},
    {"timestamp", read_timestamp},
    {"tables", read_tables},
};
#define MEMBERS (sizeof(members) / sizeof(members[0]))

/* The member whose name was just read; others are passed. */
static bool read_named(struct table_import *m, bool has[MEMBERS], struct err *e)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        if (!name_is(&m->reader, members[i].name))
            continue;
        if (has[i])
            return err_set(e, ERR_CORRUPT, "%s stands there twice", members[i].name);
        has[i] = true;
        return members[i].read(m, e);
    }
    return json_reader_skip(&m->reader, e);
}

bool table_document_read(struct table_import *m, struct err *e)
{
    bool has[MEMBERS] = {false};
    bool is_end;

    json_reader_limit(&m->reader, TABLE_JSON_ROW_MAX);
    if (!expect(&m->reader, JSON_TOKEN_OBJECT, "the document's object", e))
        return false;
    for (;;) {
        if (!next_name(&m->reader, &is_end, e))
            return false;
        if (is_end)
            break;
        if (!read_named(m, has, e))
            return false;
        json_reader_limit(&m->reader, TABLE_JSON_ROW_MAX);
    }
    for (size_t i = 0; i < MEMBERS; i++)
        if (!has[i])
            return err_set(e, ERR_CORRUPT, "it has no %s", members[i].name);
    return expect(&m->reader, JSON_TOKEN_END, "the end", e);
}
