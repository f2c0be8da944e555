/*
 * From the document into temporary tables, with COPY.
 */
#include "source/table_stage.h"

#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/mem.h"
#include "source/table_value.h"

#define GATHER ((size_t)64 << 10)

/* The rows of one table on their way. */
struct rows {
    struct table_import *import;
    struct table_stage *stage;
    enum table_json_form form;
    bool is_settled;   /* the columns are known */
    struct buf fields; /* of the row being read, in the order of the document */
    size_t *begin, *size;
    bool *is_set;
    size_t next; /* the column that most likely comes now */
    struct buf lines;
};

static void rows_auto(struct rows *w)
{
    buf_done(&w->fields);
    buf_done(&w->lines);
    mem_free(w->begin);
    mem_free(w->size);
    mem_free(w->is_set);
}

void table_import_auto(struct table_import *m)
{
    for (size_t i = 0; i < m->count; i++) {
        mem_free(m->stages[i].name);
        mem_free(m->stages[i].columns);
    }
    mem_free(m->stages);
    json_reader_auto(&m->reader);
    table_db_auto(&m->db);
}

size_t table_stage_column(const struct table_stage *s, struct slice name)
{
    size_t i = 0;

    while (i < s->column_count && !slice_is_equal(slice_string(s->columns[i]->name), name))
        i++;
    return i;
}

static const struct table_column *column_of(const struct table *t, struct slice name)
{
    for (size_t i = 0; i < t->column_count; i++)
        if (slice_is_equal(slice_string(t->columns[i].name), name))
            return &t->columns[i];
    return NULL;
}

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

/* Columns */

/* Let the document's column be one of the stage, unless it is computed here or may be missing. */
static bool add_column(struct rows *w, struct slice name, struct err *e)
{
    struct table_stage *s = w->stage;
    const struct table_column *c = column_of(s->table, name);

    if (c == NULL && w->import->options->ignores_unknown)
        return true;
    if (c == NULL)
        return err_set(e, ERR_NOT_FOUND, "the table has no column %.*s",
                       (int)(name.size < 100 ? name.size : 100), (const char *)name.data);
    if (c->is_generated)
        return true;
    if (table_stage_column(s, name) < s->column_count)
        return err_set(e, ERR_CORRUPT, "column %s stands there twice", c->name);
    s->columns[s->column_count++] = c;
    return true;
}

static bool read_column(struct rows *w, struct err *e)
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
            !add_column(w, buf_slice(&r->text), e))
            return false;
        has_name = true;
    }
}

static bool read_columns(struct rows *w, struct err *e)
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

/* Rows */

/* The temporary table; two rows with one key would both claim to be the row's content. */
static bool make_stage(struct rows *w, struct err *e)
{
    const struct table_stage *s = w->stage;
    const struct table *t = s->table;
    bool has_unique = false;
    AUTO(buf) struct buf sql = {0};

    buf_printf(&sql, "CREATE TEMPORARY TABLE " TABLE_STAGE_NAME " (n bigint", s->number);
    for (size_t i = 0; i < s->column_count; i++)
        buf_printf(&sql, ", c%zu %s", i, s->columns[i]->type);
    for (size_t i = 0; i < t->column_count; i++) {
        const size_t at = table_stage_column(s, slice_string(t->columns[i].name));

        if (w->import->options->mode != TABLE_JSON_UPSERT || !t->columns[i].is_key)
            continue;
        if (at == s->column_count)
            return err_set(e, ERR_CORRUPT, "column %s of the primary key is missing",
                           t->columns[i].name);
        buf_printf(&sql, "%sc%zu", has_unique ? ", " : ", UNIQUE (", at);
        has_unique = true;
    }
    buf_printf(&sql, "%s) ON COMMIT DROP", has_unique ? ")" : "");
    if (!table_db_run(&w->import->db, buf_string(&sql), e))
        return false;
    buf_clear(&sql);
    buf_printf(&sql, "COPY " TABLE_STAGE_NAME " FROM STDIN", s->number);
    return table_db_run(&w->import->db, buf_string(&sql), e);
}

/* The name was read: where its value goes; *at is column_count for nowhere. */
static bool find_column(struct rows *w, struct slice name, size_t *at, struct err *e)
{
    const struct table_stage *s = w->stage;
    size_t before = s->column_count;

    if (w->next < before && slice_is_equal(slice_string(s->columns[w->next]->name), name)) {
        *at = w->next;
        return true;
    }
    *at = table_stage_column(s, name);
    if (*at < before)
        return true;
    if (!add_column(w, name, e))
        return false;
    *at = s->column_count > before ? before : s->column_count;
    return s->column_count == before || !w->is_settled ||
           err_set(e, ERR_CORRUPT, "it has a column %s, others have not", s->columns[*at]->name);
}

static bool read_member(struct rows *w, struct err *e)
{
    struct json_reader *r = &w->import->reader;
    size_t at;

    if (!find_column(w, buf_slice(&r->text), &at, e))
        return false;
    if (at == w->stage->column_count)
        return json_reader_skip(r, e);

    const struct table_column *c = w->stage->columns[at];

    if (w->is_set[at])
        return err_set(e, ERR_CORRUPT, "column %s stands there twice", c->name);
    w->begin[at] = w->fields.size;
    if (!table_value_read(r, c->kind, w->form, &w->fields, e))
        return err_wrap(e, "column %s", c->name);
    w->size[at] = w->fields.size - w->begin[at];
    w->is_set[at] = true;
    w->next = at + 1;
    return true;
}

static bool put_line(struct rows *w, struct err *e)
{
    const struct table_stage *s = w->stage;

    buf_printf(&w->lines, "%llu", (unsigned long long)s->rows);
    for (size_t i = 0; i < s->column_count; i++) {
        buf_put_u8(&w->lines, '\t');
        if (w->is_set[i])
            buf_append(&w->lines, w->fields.data + w->begin[i], w->size[i]);
        else if (w->form == TABLE_JSON_TYPED)
            table_value_null(&w->lines);
        else
            return err_set(e, ERR_CORRUPT, "column %s is missing", s->columns[i]->name);
    }
    buf_put_u8(&w->lines, '\n');
    return true;
}

static bool send_lines(struct rows *w, struct err *e)
{
    struct table_db *d = &w->import->db;

    if (w->lines.size > 0 &&
        PQputCopyData(d->connection, (const char *)w->lines.data, (int)w->lines.size) != 1)
        return table_db_failed(d, NULL, e);
    buf_clear(&w->lines);
    return !cancel_is_requested() || cancel_err(e);
}

/* Behind the '{' of a row. */
static bool read_row(struct rows *w, struct err *e)
{
    const size_t most = w->stage->table->column_count;
    bool is_end;

    buf_clear(&w->fields);
    memset(w->is_set, 0, most * sizeof(w->is_set[0]));
    w->next = 0;
    for (;;) {
        if (!next_name(&w->import->reader, &is_end, e))
            return false;
        if (is_end)
            break;
        if (!read_member(w, e))
            return false;
    }
    if (w->stage->rows == 1 && !make_stage(w, e))
        return false;
    w->is_settled = true;
    return put_line(w, e) && (w->lines.size < GATHER || send_lines(w, e));
}

/*
 * COPY says where it stopped in a sentence of the server's language, which names the line and
 * the column: "COPY holdfast_stage_3, line 17, column c2: ...".
 */
static bool copy_failed(struct rows *w, struct err *e)
{
    const struct table_stage *s = w->stage;
    const char *at = strstr(w->import->db.fault.where, "holdfast_stage_");
    const char *comma = at != NULL ? strchr(at, ',') : NULL;
    const char *colon = at != NULL ? strchr(at, ':') : NULL;
    unsigned long long row = 0;
    size_t column = 0;
    bool has_column = false;

    if (strcmp(w->import->db.fault.sqlstate, "23505") == 0)
        (void)err_set(e, ERR_CORRUPT, "a row before it has the same primary key");
    if (comma == NULL)
        return false;
    for (at = comma; *at != '\0' && (*at < '0' || *at > '9'); at++)
        ;
    for (; *at >= '0' && *at <= '9'; at++)
        row = row * 10 + (unsigned)(*at - '0');
    for (; *at != '\0' && (colon == NULL || at < colon); at++)
        if (at[0] == ' ' && at[1] == 'c' && at[2] >= '0' && at[2] <= '9') {
            has_column = true;
            for (at += 2; *at >= '0' && *at <= '9'; at++)
                column = column * 10 + (unsigned)(*at - '0');
            break;
        }
    if (has_column && column < s->column_count)
        (void)err_wrap(e, "column %s", s->columns[column]->name);
    return err_wrap(e, "row %llu", row);
}

static bool end_copy(struct rows *w, struct err *e)
{
    struct table_db *d = &w->import->db;
    AUTO(buf) struct buf sql = {0};
    bool is_well = true;

    if (!send_lines(w, e))
        return false;
    if (PQputCopyEnd(d->connection, NULL) != 1)
        return table_db_failed(d, NULL, e);
    for (;;) {
        AUTO(table_result) PGresult *r = NULL;

        if (!table_db_result(d, &r, e))
            return false;
        if (r == NULL)
            break;
        if (is_well && PQresultStatus(r) != PGRES_COMMAND_OK) {
            is_well = table_db_failed(d, r, e);
            (void)copy_failed(w, e);
        }
    }
    buf_printf(&sql, "ANALYZE " TABLE_STAGE_NAME, w->stage->number);
    return is_well && table_db_run(d, buf_string(&sql), e);
}

/* Behind the '[' of the rows. */
static bool read_rows(struct rows *w, struct err *e)
{
    struct json_reader *r = &w->import->reader;
    enum json_token token;

    for (;;) {
        json_reader_limit(r, TABLE_JSON_ROW_MAX);
        if (!json_reader_next(r, &token, e))
            return false;
        if (token == JSON_TOKEN_ARRAY_END)
            break;
        w->stage->rows++;
        if (token != JSON_TOKEN_OBJECT)
            return err_set(e, ERR_CORRUPT, "row %llu is no object",
                           (unsigned long long)w->stage->rows);
        if (!read_row(w, e))
            return err_wrap(e, "row %llu", (unsigned long long)w->stage->rows);
    }
    return w->stage->rows == 0 || end_copy(w, e);
}

/* {"columns": [...], "rows": [...]}, behind the first bracket. */
static bool read_typed(struct rows *w, struct err *e)
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
            if (!expect(r, JSON_TOKEN_ARRAY, "the list of rows", e) || !read_rows(w, e))
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
    const size_t columns = s->table->column_count;
    AUTO(rows) struct rows w = {.import = m, .stage = s};
    enum json_token token;

    w.begin = mem_array(columns, sizeof(w.begin[0]));
    w.size = mem_array(columns, sizeof(w.size[0]));
    w.is_set = mem_array(columns, sizeof(w.is_set[0]));
    if (!json_reader_next(&m->reader, &token, e))
        return false;
    if (token == JSON_TOKEN_OBJECT) {
        w.form = TABLE_JSON_TYPED;
        return read_typed(&w, e);
    }
    w.form = TABLE_JSON_PLAIN;
    return token == JSON_TOKEN_ARRAY ? read_rows(&w, e)
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

bool table_stage_read(struct table_import *m, struct err *e)
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
