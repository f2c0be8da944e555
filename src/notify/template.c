#include "notify/template.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "codec/json_writer.h"

static const char *const field_names[] = {
    [BLANK_ID] = "id",
    [BLANK_EVENT] = "event",
    [BLANK_OUTCOME] = "outcome",
    [BLANK_SUCCESS] = "success",
    [BLANK_INCOMPLETE] = "incomplete",
    [BLANK_FAILURE] = "failure",
    [BLANK_SUBJECT] = "subject",
    [BLANK_TITLE] = "title",
    [BLANK_LABEL] = "label",
    [BLANK_SET] = "set",
    [BLANK_TYPE] = "type",
    [BLANK_SIZE] = "size",
    [BLANK_SIZE_BYTES] = "size_bytes",
    [BLANK_DURATION] = "duration",
    [BLANK_DURATION_S] = "duration_s",
    [BLANK_ERROR] = "error",
    [BLANK_SNAPSHOT] = "snapshot",
    [BLANK_TIME] = "time",
    [BLANK_TIME_S] = "time_s",
    [BLANK_HOST] = "host",
    [BLANK_COLOR] = "color",
    [BLANK_COLOR_NUMBER] = "color_number",
};
static_assert(sizeof(field_names) / sizeof(field_names[0]) == BLANK_COUNT, "each has a name");

enum piece_kind {
    PIECE_TEXT,
    PIECE_VALUE,
    PIECE_IF,     /* goes on at end unless the field has a value */
    PIECE_UNLESS, /* the other way round */
    PIECE_END,
};

struct piece {
    enum piece_kind kind;
    struct slice text; /* of PIECE_TEXT; points into the template */
    enum template_field field;
    bool is_in_quotes; /* of JSON */
    size_t end;        /* of PIECE_IF and PIECE_UNLESS: where their PIECE_END is */
};

struct template
{
    enum template_kind kind;
    char *text;
    struct piece *pieces;
    size_t count;
};

void template_free(struct template *t)
{
    if (t == NULL)
        return;
    mem_free(t->text);
    mem_free(t->pieces);
    mem_free(t);
}

void template_auto(struct template **t)
{
    template_free(*t);
}

/* Reading */

struct parser {
    struct template *t;
    const char *name;
    struct slice rest;
    size_t line;
    bool is_in_quotes, is_escaped;    /* of JSON: what the next character is */
    size_t open[TEMPLATE_PIECES_MAX]; /* sections, the innermost last */
    size_t depth;
};

static bool is_json(enum template_kind kind)
{
    return kind == TEMPLATE_JSON || kind == TEMPLATE_SLACK || kind == TEMPLATE_DISCORD;
}

static struct piece *piece_add(struct parser *p, enum piece_kind kind)
{
    struct template *t = p->t;

    t->pieces = mem_resize(t->pieces, t->count + 1, sizeof(*t->pieces));
    t->pieces[t->count] = (struct piece){.kind = kind, .is_in_quotes = p->is_in_quotes};
    return &t->pieces[t->count++];
}

/* Take text up to braces. */
static void text_take(struct parser *p)
{
    const uint8_t *braces = memmem(p->rest.data, p->rest.size, "{{", 2);
    const size_t size = braces == NULL ? p->rest.size : (size_t)(braces - p->rest.data);

    if (size > 0)
        piece_add(p, PIECE_TEXT)->text = SLICE_OF(p->rest.data, size);
    for (size_t i = 0; i < size; i++) {
        const uint8_t c = p->rest.data[i];

        p->line += c == '\n';
        if (!is_json(p->t->kind))
            continue;
        if (p->is_in_quotes && !p->is_escaped && c == '\\') {
            p->is_escaped = true;
            continue;
        }
        if (c == '"' && !p->is_escaped)
            p->is_in_quotes = !p->is_in_quotes;
        p->is_escaped = false;
    }
    p->rest = SLICE_OF(p->rest.data + size, p->rest.size - size);
}

static bool field_find(const struct parser *p, const char *name, enum template_field *out,
                       struct err *e)
{
    for (size_t i = 0; i < BLANK_COUNT; i++)
        if (strcmp(field_names[i], name) == 0) {
            *out = (enum template_field)i;
            return true;
        }

    const char *near = nearest_name(name, field_names, BLANK_COUNT);

    return err_set(e, ERR_USAGE, "%s:%zu: there is no field %s%s%s%s", p->name, p->line, name,
                   near == NULL ? "" : "; did you mean ", near == NULL ? "" : near,
                   near == NULL ? "" : "?");
}

static bool section_end(struct parser *p, enum template_field field, struct err *e)
{
    struct piece *begin = p->depth == 0 ? NULL : &p->t->pieces[p->open[p->depth - 1]];

    if (begin == NULL || begin->field != field)
        return err_set(e, ERR_USAGE, "%s:%zu: no section %s is open here", p->name, p->line,
                       field_names[field]);
    if (begin->is_in_quotes != p->is_in_quotes)
        return err_set(e, ERR_USAGE, "%s:%zu: section %s ends in the middle of a text", p->name,
                       p->line, field_names[field]);
    begin->end = p->t->count;
    p->depth--;
    piece_add(p, PIECE_END)->field = field;
    return true;
}

/* Take "{{...}}". */
static bool braces_take(struct parser *p, struct err *e)
{
    const uint8_t *end = memmem(p->rest.data, p->rest.size, "}}", 2);
    char name[32];
    enum template_field field = BLANK_ID;

    if (end == NULL || (size_t)(end - p->rest.data) - 2 >= sizeof(name))
        return err_set(e, ERR_USAGE, "%s:%zu: {{ is not followed by a field and }}", p->name,
                       p->line);

    const size_t size = (size_t)(end - p->rest.data) - 2;
    const char mark = size == 0 ? '\0' : (char)p->rest.data[2];
    const bool has_mark = mark == '#' || mark == '^' || mark == '/';

    text_flatten(SLICE_OF(p->rest.data + 2 + has_mark, size - has_mark), name, sizeof(name));
    p->rest = SLICE_OF(end + 2, p->rest.size - size - 4);
    if (!field_find(p, name, &field, e))
        return false;
    if (mark == '/')
        return section_end(p, field, e);
    if (has_mark)
        p->open[p->depth++] = p->t->count;
    piece_add(p, mark == '#' ? PIECE_IF : mark == '^' ? PIECE_UNLESS : PIECE_VALUE)->field = field;
    return true;
}

bool template_parse(enum template_kind kind, const char *name, struct slice text,
                    struct template **out, struct err *e)
{
    AUTO(template) struct template *t = mem_new(sizeof(*t));
    AUTO(mem) struct parser *p = mem_new(sizeof(*p));

    if (text.size > TEMPLATE_SIZE_MAX)
        return err_set(e, ERR_USAGE, "%s is longer than %zu bytes", name, TEMPLATE_SIZE_MAX);
    if (!utf8_is_valid(text) || memchr(text.data, '\0', text.size) != NULL)
        return err_set(e, ERR_USAGE, "%s is not UTF-8, or has a NUL", name);
    t->kind = kind;
    t->text = mem_dup(text.data, text.size);
    *p = (struct parser){.t = t, .name = name, .rest = SLICE_OF(t->text, text.size), .line = 1};
    for (text_take(p); p->rest.size > 0; text_take(p)) {
        if (t->count + 2 >= TEMPLATE_PIECES_MAX)
            return err_set(e, ERR_USAGE, "%s:%zu: there are too many fields", name, p->line);
        if (!braces_take(p, e))
            return false;
    }
    if (p->depth > 0)
        return err_set(e, ERR_USAGE, "%s: section %s is not closed", name,
                       field_names[t->pieces[p->open[p->depth - 1]].field]);
    *out = TAKE(t);
    return true;
}

/* Filling in */

static void put_html(struct slice value, struct buf *out)
{
    for (size_t i = 0; i < value.size; i++) {
        const char c = (char)value.data[i];

        switch (c) {
        case '&':
            buf_printf(out, "&amp;");
            break;
        case '<':
            buf_printf(out, "&lt;");
            break;
        case '>':
            buf_printf(out, "&gt;");
            break;
        case '"':
            buf_printf(out, "&quot;");
            break;
        case '\'':
            buf_printf(out, "&#39;");
            break;
        default:
            buf_put_u8(out, (uint8_t)c);
        }
    }
}

/* What Slack asks for: these three begin links, mentions and entities.  Our texts are not marked
 * as its markup, so that stars and underscores stay what they are. */
static void put_slack(struct slice value, struct buf *out)
{
    for (size_t i = 0; i < value.size; i++) {
        const char c = (char)value.data[i];

        buf_printf(out, "%s", c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : "");
        if (strchr("&<>", c) == NULL)
            buf_put_u8(out, (uint8_t)c);
    }
}

/* A backslash takes the meaning of Discord's markup away, also of links, mentions and emoji. */
static void put_discord(struct slice value, struct buf *out)
{
    for (size_t i = 0; i < value.size; i++) {
        if (strchr("\\*_~`|>#-+[]()<:@", (char)value.data[i]) != NULL)
            buf_put_u8(out, '\\');
        buf_put_u8(out, value.data[i]);
    }
}

static bool is_number(enum template_field field)
{
    return field == BLANK_SIZE_BYTES || field == BLANK_DURATION_S || field == BLANK_TIME_S ||
           field == BLANK_COLOR_NUMBER;
}

static void put_json(const struct template *t, const struct piece *p, struct slice value,
                     struct buf *out)
{
    AUTO(buf) struct buf escaped = {0};
    AUTO(json_writer) struct json_writer w = {0};

    if (!p->is_in_quotes && (value.size == 0 || is_number(p->field))) {
        buf_append_slice(out, value.size == 0 ? slice_string("null") : value);
        return;
    }
    if (t->kind == TEMPLATE_SLACK)
        put_slack(value, &escaped);
    /* Readers of a time or a color know no backslashes, and there is nothing from outside in them.
     */
    else if (t->kind == TEMPLATE_DISCORD && p->field != BLANK_TIME && p->field != BLANK_COLOR)
        put_discord(value, &escaped);
    else
        buf_append_slice(&escaped, value);
    json_writer_text(&w, buf_slice(&escaped));
    if (p->is_in_quotes)
        buf_append(out, w.out.data + 1, w.out.size - 2);
    else
        buf_append_slice(out, buf_slice(&w.out));
}

static void put_value(const struct template *t, const struct piece *p, struct slice value,
                      struct buf *out)
{
    if (is_json(t->kind))
        put_json(t, p, value, out);
    else if (t->kind == TEMPLATE_HTML)
        put_html(value, out);
    else
        buf_append_slice(out, value);
}

void template_write(const struct template *t, const struct template_values *v, struct buf *out)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct piece *p = &t->pieces[i];
        const char *value = v->text[p->field];
        const bool has_value = value != NULL && value[0] != '\0';

        if (p->kind == PIECE_TEXT)
            buf_append_slice(out, p->text);
        else if (p->kind == PIECE_VALUE)
            put_value(t, p, slice_string(has_value ? value : ""), out);
        else if ((p->kind == PIECE_IF && !has_value) || (p->kind == PIECE_UNLESS && has_value))
            i = p->end;
    }
}
