#include <string.h>

#include "base/text.h"
#include "codec/hash.h"
#include "source/postgres_run.h"

#define NAME_MAX_BYTES 200 /* of a file; longer ones are cut */
#define NAME_KEPT      140 /* bytes of a cut one, before the hash */

#define ROWS_STEP      1000 /* told at a time */

bool postgres_sender_add(struct postgres_sender *s, struct slice bytes, struct err *e)
{
    if (s == NULL || made_file_add(&s->file, bytes, e))
        return true;
    s->has_sink_failed = true;
    return false;
}

/* Rows on their way. */
struct rows {
    struct postgres_sender *to;
    struct row_sum sum;
    uint64_t count, bytes;
};

static void rows_tell(const struct rows *r, uint64_t more)
{
    const struct sink *k = r->to == NULL ? NULL : r->to->file.sink;

    if (k != NULL && k->ops->rows != NULL)
        k->ops->rows(r->to->file.sink, more);
}

static bool rows_add(void *arg, struct slice line, struct err *e)
{
    struct rows *r = arg;

    if (line.size == 0 || line.data[line.size - 1] != '\n')
        return err_set(e, ERR_FATAL, "the server sent a row without an end");
    r->count++;
    r->bytes += line.size;
    row_sum_add(&r->sum, SLICE_OF(line.data, line.size - 1));
    if (r->count % ROWS_STEP == 0)
        rows_tell(r, ROWS_STEP);
    return postgres_sender_add(r->to, line, e);
}

/* A table that is generated altogether has no list of columns: COPY then takes none. */
static void copy_format(const struct postgres_item *item, const char *encoding, struct buf *out)
{
    if (item->table.condition != NULL)
        buf_printf(out, "COPY (SELECT %s FROM ONLY %s %s)", item->sql_columns, item->sql_name,
                   item->table.condition);
    else if (item->sql_columns[0] != '\0')
        buf_printf(out, "COPY %s (%s)", item->sql_name, item->sql_columns);
    else
        buf_printf(out, "COPY %s", item->sql_name);
    buf_printf(out, " TO STDOUT (ENCODING '%s')", encoding);
}

bool postgres_rows_send(struct postgres_link *l, struct postgres_item *item, const char *encoding,
                        struct postgres_sender *to, struct err *e)
{
    AUTO(buf) struct buf sql = {0};
    struct rows rows = {.to = to, .sum.how = item->table.row_hash};

    copy_format(item, encoding, &sql);
    if (!postgres_link_copy(l, buf_string(&sql), rows_add, &rows, e))
        return false;
    rows_tell(&rows, rows.count % ROWS_STEP);
    item->table.rows = rows.count;
    item->table.bytes = rows.bytes;
    row_sum_format(&rows.sum, item->table.hash);
    return true;
}

/* '.' divides schema and table, '~' announces a hash, '%' itself begins what is encoded. */
static void name_encode(const char *name, struct buf *out)
{
    for (; *name != '\0'; name++) {
        const unsigned char c = (unsigned char)*name;

        if (c < ' ' || c == 0x7f || strchr("/.%~", c) != NULL)
            buf_printf(out, "%%%02X", c);
        else
            buf_append(out, name, 1);
    }
}

void postgres_file_name(const struct postgres_table *t, struct buf *out)
{
    AUTO(buf) struct buf name = {0};

    name_encode(t->schema, &name);
    buf_append(&name, ".", 1);
    name_encode(t->name, &name);
    if (name.size > NAME_MAX_BYTES) {
        struct hash h;
        char digits[2 * HASH_SIZE + 1];

        sha256(buf_slice(&name), &h);
        hex_encode(SLICE_OF(h.bytes, HASH_SIZE), digits);
        name.size = NAME_KEPT;
        while (!utf8_is_valid(buf_slice(&name)))
            name.size--;
        buf_printf(&name, "~%.32s", digits);
    }
    buf_append_slice(out, buf_slice(&name));
    buf_printf(out, ".copy");
}
