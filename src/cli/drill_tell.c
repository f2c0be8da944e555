/*
 * Evidence of drills as people read it.
 */
#include "cli/drill_tell.h"

#include "base/text.h"
#include "cli/render.h"

static const char *text_at(const json_t *j, const char *key)
{
    const char *text = json_string_value(json_object_get(j, key));

    return text != NULL ? text : "";
}

static uint64_t number_at(const json_t *j, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(j, key));
}

/* "12 tables, 3400 rows, 5 files, 1.2 MiB" */
static void put_amount(const json_t *m, struct buf *out)
{
    char size[TEXT_SIZE_MAX];

    if (number_at(m, "tables") > 0)
        buf_printf(out, "%llu table%s, %llu row%s, ", (unsigned long long)number_at(m, "tables"),
                   plural(number_at(m, "tables")), (unsigned long long)number_at(m, "rows"),
                   plural(number_at(m, "rows")));
    if (number_at(m, "files") > 0)
        buf_printf(out, "%llu file%s, ", (unsigned long long)number_at(m, "files"),
                   plural(number_at(m, "files")));
    size_format(number_at(m, "bytes"), size);
    buf_printf(out, "%s", size);
}

static void put_place(const json_t *m, struct buf *out)
{
    const char *place = text_at(m, "place");

    buf_printf(out, "%s", *place != '\0' ? place : "all files");
}

static void print_lines(struct output *out, const json_t *evidence)
{
    AUTO(table) struct table t;
    AUTO(buf) struct buf text = {0};
    const json_t *m;
    size_t i;

    table_init(&t, 4);
    json_array_foreach(json_object_get(evidence, "members"), i, m)
    {
        AUTO(buf) struct buf place = {0};
        AUTO(buf) struct buf amount = {0};

        put_place(m, &place);
        put_amount(m, &amount);
        table_add(&t, text_at(m, "verdict"));
        table_add(&t, buf_string(&place));
        table_add(&t, buf_string(&amount));
        table_add(&t, *text_at(m, "why") != '\0' ? text_at(m, "why") : text_at(m, "check"));
    }
    table_print(&t, &text);
    output_raw(out, buf_slice(&text));
}

/* What stands in a cell of a table must not end it. */
static void put_cell(const char *text, struct buf *out)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            buf_put_u8(out, '\\');
        buf_put_u8(out, (uint8_t)(*text == '\n' ? ' ' : *text));
    }
}

static void print_markdown(struct output *out, const json_t *evidence)
{
    AUTO(buf) struct buf text = {0};
    const json_t *m;
    const char *set = text_at(evidence, "set");
    size_t i;

    buf_printf(&text, "# Drill of snapshot %.8s%s%s: %s\n\n", text_at(evidence, "snapshot"),
               *set != '\0' ? " of set " : "", set, text_at(evidence, "verdict"));
    buf_printf(&text, "- Snapshot: `%s`\n- Time: %s, %.1f s\n- Host: %s\n- Program: %s\n\n",
               text_at(evidence, "snapshot"), text_at(evidence, "time"),
               (double)number_at(evidence, "duration_ms") / 1000, text_at(evidence, "host"),
               text_at(evidence, "program"));
    buf_printf(&text, "| what | verdict | how | amount | why |\n|---|---|---|---|---|\n");
    json_array_foreach(json_object_get(evidence, "members"), i, m)
    {
        buf_printf(&text, "| ");
        AUTO(buf) struct buf place = {0};

        put_place(m, &place);
        put_cell(buf_string(&place), &text);
        buf_printf(&text, " | %s | ", text_at(m, "verdict"));
        put_cell(text_at(m, "check"), &text);
        buf_printf(&text, " | ");
        put_amount(m, &text);
        buf_printf(&text, " | ");
        put_cell(text_at(m, "why"), &text);
        buf_printf(&text, " |\n");
    }
    output_raw(out, buf_slice(&text));
}

bool drill_print(struct call *call, struct slice json, bool is_markdown, struct err *e)
{
    AUTO(json) json_t *j = json_loadb((const char *)json.data, json.size, 0, NULL);
    const char *set;

    if (j == NULL)
        return err_set(e, ERR_CORRUPT, "evidence of a drill is no JSON");
    if (call->out->json) {
        json_set_text(j, "message_type", "drill");
        output_json(call->out, TAKE(j));
        return true;
    }
    if (is_markdown) {
        print_markdown(call->out, j);
        return true;
    }
    set = text_at(j, "set");
    print_lines(call->out, j);
    output_line(call->out, "Drill of %.8s%s%s, %.19s: %s", text_at(j, "snapshot"),
                *set != '\0' ? " of set " : "", set, text_at(j, "time"), text_at(j, "verdict"));
    return true;
}

bool drill_tell(struct call *call, struct slice json, bool is_markdown, enum verdict v,
                struct err *e)
{
    if (v == VERDICT_FAILED)
        call->status = EXIT_DRILL_FAILED;
    else if (v == VERDICT_NOT_CHECKED)
        call->status = EXIT_INCOMPLETE;
    return drill_print(call, json, is_markdown, e);
}
