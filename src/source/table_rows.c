/*
 * Rows of the document into a temporary table, with COPY.
 */
#include <string.h>

#include "base/mem.h"
#include "source/table_stage.h"
#include "source/table_value.h"

#define GATHER ((size_t)64 << 10)

void table_rows_init(struct table_rows *w, struct table_import *m, struct table_stage *s)
{
    const size_t most = s->table->column_count;

    *w = (struct table_rows){.import = m, .stage = s};
    w->begin = mem_array(most, sizeof(w->begin[0]));
    w->size = mem_array(most, sizeof(w->size[0]));
    w->is_set = mem_array(most, sizeof(w->is_set[0]));
}

void table_rows_auto(struct table_rows *w)
{
    buf_done(&w->fields);
    buf_done(&w->lines);
    mem_free(w->begin);
    mem_free(w->size);
    mem_free(w->is_set);
}

static const struct table_column *column_of(const struct table *t, struct slice name)
{
    for (size_t i = 0; i < t->column_count; i++)
        if (slice_is_equal(slice_string(t->columns[i].name), name))
            return &t->columns[i];
    return NULL;
}

bool table_rows_add_column(struct table_rows *w, struct slice name, struct err *e)
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

/* The temporary table; two rows with one key would both claim to be the row's content. */
static bool make_stage(struct table_rows *w, struct err *e)
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
    return postgres_link_run(&w->import->db.link, buf_string(&sql), e);
}

/* The name was read: where its value goes; *at is column_count for nowhere. */
static bool find_column(struct table_rows *w, struct slice name, size_t *at, struct err *e)
{
    const struct table_stage *s = w->stage;
    const size_t before = s->column_count;

    if (w->next < before && slice_is_equal(slice_string(s->columns[w->next]->name), name)) {
        *at = w->next;
        return true;
    }
    *at = table_stage_column(s, name);
    if (*at < before)
        return true;
    if (!table_rows_add_column(w, name, e))
        return false;
    *at = before; /* which is nowhere unless one was added */
    return s->column_count == before || !w->is_settled ||
           err_set(e, ERR_CORRUPT, "it has a column %s, others have not", s->columns[*at]->name);
}

static bool read_member(struct table_rows *w, struct err *e)
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

static bool put_line(struct table_rows *w, struct err *e)
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

/* Behind the '{' of a row. */
static bool read_row(struct table_rows *w, struct err *e)
{
    const size_t most = w->stage->table->column_count;
    enum json_token token;

    buf_clear(&w->fields);
    memset(w->is_set, 0, most * sizeof(w->is_set[0]));
    w->next = 0;
    for (;;) {
        if (!json_reader_next(&w->import->reader, &token, e))
            return false;
        if (token == JSON_TOKEN_OBJECT_END)
            break;
        if (!read_member(w, e))
            return false;
    }
    w->is_settled = true;
    return put_line(w, e);
}

/*
 * COPY says where it stopped in a sentence of the server's language, which names the line and
 * the column: "COPY holdfast_stage_3, line 17, column c2: ...".
 */
static bool copy_failed(struct table_rows *w, struct err *e)
{
    const struct table_stage *s = w->stage;
    const struct postgres_link *l = &w->import->db.link;
    const char *at = strstr(postgres_result_field(l->failure, PG_DIAG_CONTEXT), "holdfast_stage_");
    const char *comma = at != NULL ? strchr(at, ',') : NULL;
    const char *colon = at != NULL ? strchr(at, ':') : NULL;
    unsigned long long row = 0;
    size_t column = 0;
    bool has_column = false;

    if (strcmp(l->sqlstate, "23505") == 0)
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

/* Read the next row, unless they are at their end. */
static bool next_row(struct table_rows *w, struct err *e)
{
    struct json_reader *r = &w->import->reader;
    enum json_token token;

    json_reader_limit(r, TABLE_JSON_ROW_MAX);
    if (!json_reader_next(r, &token, e))
        return false;
    if (token == JSON_TOKEN_ARRAY_END) {
        w->is_at_end = true;
        return true;
    }
    w->stage->rows++;
    if (token != JSON_TOKEN_OBJECT)
        return err_set(e, ERR_CORRUPT, "row %llu is no object", (unsigned long long)w->stage->rows);
    return read_row(w, e) || err_wrap(e, "row %llu", (unsigned long long)w->stage->rows);
}

static bool next_lines(void *arg, struct buf *out, struct err *e)
{
    struct table_rows *w = arg;

    while (!w->is_at_end && w->lines.size < GATHER)
        if (!next_row(w, e))
            return false;
    buf_append_slice(out, buf_slice(&w->lines));
    buf_clear(&w->lines);
    return true;
}

bool table_rows_read(struct table_rows *w, struct err *e)
{
    struct postgres_link *l = &w->import->db.link;
    AUTO(buf) struct buf copy = {0};
    AUTO(buf) struct buf analyze = {0};
    uint64_t loaded = 0;

    if (!next_row(w, e))
        return false;
    if (w->is_at_end)
        return true;
    /* The first row may say what columns there are. */
    if (!make_stage(w, e))
        return err_wrap(e, "row 1");
    buf_printf(&copy, "COPY " TABLE_STAGE_NAME " FROM STDIN", w->stage->number);
    if (w->import->options->skips_failures) /* which are looked for by the numbers of rows */
        buf_printf(&analyze, "CREATE INDEX ON " TABLE_STAGE_NAME " (n);", w->stage->number);
    buf_printf(&analyze, "ANALYZE " TABLE_STAGE_NAME, w->stage->number);
    if (!postgres_link_load(l, buf_string(&copy), next_lines, w, &loaded, e))
        return copy_failed(w, e);
    return postgres_link_run(l, buf_string(&analyze), e);
}
