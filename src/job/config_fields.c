#include "job/config_fields.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

bool config_place(const struct config_reader *r, size_t line, const char *what, struct err *e)
{
    if (what != NULL)
        (void)err_wrap(e, "%s", what); /* returns false always */
    return err_wrap(e, "%s:%zu", r->path, line);
}

bool config_expect(const struct config_reader *r, const struct node *n, enum node_kind kind,
                   struct err *e)
{
    const char *what = n->key == NULL ? "this" : n->key;

    if (n->kind == NODE_NULL && n->key != NULL)
        return CONFIG_FAIL(r, n->line, e, "%.60s has no value", what);
    if (n->kind != kind)
        return CONFIG_FAIL(r, n->line, e, "%.60s must be %s, not %s", what, node_kind_name(kind),
                           node_kind_name(n->kind));
    if (n->count > CONFIG_LIST_MAX)
        return CONFIG_FAIL(r, n->line, e, "%.60s has more than %d items", what, CONFIG_LIST_MAX);
    return true;
}

bool config_unknown(const struct config_reader *r, const struct node *n, const char *const *names,
                    size_t count, struct err *e)
{
    AUTO(buf) struct buf known = {0};
    const char *near = nearest_name(n->key, names, count);

    if (near != NULL)
        return CONFIG_FAIL(r, n->key_line, e, "unknown key \"%.60s\", did you mean \"%s\"?", n->key,
                           near);
    for (size_t i = 0; i < count; i++)
        buf_printf(&known, "%s%s", i == 0 ? "" : ", ", names[i]);
    return CONFIG_FAIL(r, n->key_line, e, "unknown key \"%.60s\"; there are %s", n->key,
                       buf_string(&known));
}

/* The text of a scalar of any kind: a word like true is a text where one is wanted. */
static bool read_text(const struct config_reader *r, const struct node *n, const char *what,
                      char **out, struct err *e)
{
    if (n->kind == NODE_NULL)
        return CONFIG_FAIL(r, n->line, e, "%s has no value", what);
    if (!node_is_scalar(n))
        return CONFIG_FAIL(r, n->line, e, "%s must be a text, not %s", what,
                           node_kind_name(n->kind));
    *out = arena_string(r->arena, slice_string(n->text));
    return true;
}

static bool read_filled(const struct config_reader *r, const struct node *n, const char *what,
                        char **out, struct err *e)
{
    char *text = NULL;

    if (!read_text(r, n, what, &text, e))
        return false;
    if (text[0] == '\0')
        return CONFIG_FAIL(r, n->line, e, "%s is empty", what);
    *out = text;
    return true;
}

static bool read_path(const struct config_reader *r, const struct node *n, const char *what,
                      char **out, struct err *e)
{
    AUTO(buf) struct buf path = {0};
    char *text = NULL;

    if (!read_filled(r, n, what, &text, e))
        return false;
    /* Without the text: somebody may have put the password where its file belongs. */
    /* Without the text: it may be a password where the name of its file belongs. */
    if (text[0] != '/')
        return CONFIG_FAIL(r, n->line, e, "%s must be an absolute path", what);
    for (const char *at = text; *at != '\0';) {
        const size_t size = strcspn(at, "/");

        if (size == 2 && memcmp(at, "..", 2) == 0)
            return CONFIG_FAIL(r, n->line, e, "%s goes through \"..\"", what);
        if (size > 0 && !(size == 1 && *at == '.'))
            buf_printf(&path, "/%.*s", (int)size, at);
        at += size + (at[size] == '/');
    }
    if (path.size == 0)
        buf_append(&path, "/", 1);
    *out = arena_string(r->arena, buf_slice(&path));
    return true;
}

typedef bool text_fn(const struct config_reader *r, const struct node *n, const char *what,
                     char **out, struct err *e);

static bool read_texts(const struct config_reader *r, const struct node *n, text_fn *read,
                       struct texts *out, struct err *e)
{
    AUTO(buf) struct buf what = {0};
    size_t count = 0;

    if (!config_expect(r, n, NODE_SEQUENCE, e))
        return false;

    char **items = arena_take(r->arena, (n->count + 1) * sizeof(*items));

    buf_printf(&what, "an item of %s", n->key == NULL ? "this list" : n->key);
    for (const struct node *item = n->first; item != NULL; item = item->next)
        if (!read(r, item, buf_string(&what), &items[count++], e))
            return false;
    items[count] = NULL;
    *out = (struct texts){count == 0 ? NULL : items, count};
    return true;
}

/* An argument vector; what names it in sentences. */
static bool read_argv(const struct config_reader *r, const struct node *n, const char *what,
                      struct texts *out, struct err *e)
{
    struct texts t = {0};

    if (n->kind != NODE_SEQUENCE)
        return CONFIG_FAIL(r, n->line, e, "%s must be a list such as [program, argument], not %s",
                           what, node_kind_name(n->kind));
    if (!read_texts(r, n, read_text, &t, e))
        return false;
    if (t.count == 0 || t.items[0][0] == '\0')
        return CONFIG_FAIL(r, n->line, e, "%s names no program", what);
    *out = t;
    return true;
}

static bool read_programs(const struct config_reader *r, const struct node *list,
                          struct programs *out, struct err *e)
{
    struct programs p = {0};
    AUTO(buf) struct buf what = {0};

    if (!config_expect(r, list, NODE_SEQUENCE, e))
        return false;
    buf_printf(&what, "an item of %s", list->key);
    p.items = arena_take(r->arena, list->count * sizeof(*p.items));
    for (const struct node *n = list->first; n != NULL; n = n->next)
        if (!read_argv(r, n, buf_string(&what), &p.items[p.count++], e))
            return false;
    *out = p;
    return true;
}

static bool read_flag(const struct config_reader *r, const struct node *n, bool *out, struct err *e)
{
    if (n->kind != NODE_BOOL)
        return CONFIG_FAIL(r, n->line, e, "%s must be true or false, not %s", n->key,
                           node_is_scalar(n) && n->kind != NODE_NULL ? n->text
                                                                     : node_kind_name(n->kind));
    *out = n->is_true;
    return true;
}

static bool read_number(const struct config_reader *r, const struct node *n, bool may_be_unlimited,
                        int *out, struct err *e)
{
    if (may_be_unlimited && n->kind == NODE_TEXT && strcmp(n->text, "unlimited") == 0) {
        *out = -1;
        return true;
    }
    if (n->kind != NODE_INTEGER || n->integer < 0 || n->integer > FIELD_NUMBER_MAX)
        return CONFIG_FAIL(r, n->line, e, "%s must be a whole number from 0 to %d%s, not %.60s",
                           n->key, FIELD_NUMBER_MAX, may_be_unlimited ? " or unlimited" : "",
                           node_is_scalar(n) && n->kind != NODE_NULL ? n->text
                                                                     : node_kind_name(n->kind));
    *out = (int)n->integer;
    return true;
}

static bool read_choice(const struct config_reader *r, const struct node *n,
                        const char *const *choices, int *out, struct err *e)
{
    AUTO(buf) struct buf all = {0};
    char *text = NULL;

    if (!read_filled(r, n, n->key, &text, e))
        return false;
    for (int i = 0; choices[i] != NULL; i++) {
        if (strcmp(choices[i], text) == 0) {
            *out = i;
            return true;
        }
        buf_printf(&all, "%s%s", i == 0 ? "" : " or ", choices[i]);
    }
    return CONFIG_FAIL(r, n->line, e, "%s must be %s, not \"%.60s\"", n->key, buf_string(&all),
                       text);
}

/* What base/text.h parses. */
static bool read_measure(const struct config_reader *r, const struct node *n, enum field_kind kind,
                         void *out, struct err *e)
{
    char *text = NULL;
    bool is_read = false;

    if (!read_filled(r, n, n->key, &text, e))
        return false;
    if (kind == FIELD_SIZE)
        is_read = parse_size(text, out, e) &&
                  (*(uint64_t *)out > 0 || err_set(e, ERR_USAGE, "it must be above 0"));
    else if (kind == FIELD_TIMEOUT)
        is_read = parse_timeout(text, out, e);
    else
        is_read = parse_duration(text, out, e);
    return is_read || config_place(r, n->line, n->key, e);
}

static bool read_field(const struct config_reader *r, const struct node *n, const struct field *f,
                       void *at, struct err *e)
{
    switch (f->kind) {
    case FIELD_TEXT:
        return read_filled(r, n, n->key, at, e);
    case FIELD_PATH:
        return read_path(r, n, n->key, at, e);
    case FIELD_TEXTS:
    case FIELD_NOTICES:
        return read_texts(r, n, read_filled, at, e);
    case FIELD_PATHS:
        return read_texts(r, n, read_path, at, e);
    case FIELD_ARGV:
        return read_argv(r, n, n->key, at, e);
    case FIELD_PROGRAMS:
        return read_programs(r, n, at, e);
    case FIELD_FLAG:
        return read_flag(r, n, at, e);
    case FIELD_NUMBER:
    case FIELD_KEEP:
        return read_number(r, n, f->kind == FIELD_KEEP, at, e);
    case FIELD_CHOICE:
        return read_choice(r, n, f->choices, at, e);
    case FIELD_SIZE:
    case FIELD_TIMEOUT:
    case FIELD_DURATION:
        return read_measure(r, n, f->kind, at, e);
    case FIELD_NODE:
        *(const struct node **)at = n;
        return true;
    }
    return true;
}

/* The rows' keys, for sentences about another. */
static bool unknown_field(const struct config_reader *r, const struct node *n,
                          const struct field *table, struct err *e)
{
    const char *names[32];
    size_t count = 0;

    for (; table[count].key != NULL; count++) {
        assert(count < sizeof(names) / sizeof(names[0]));
        names[count] = table[count].key;
    }
    return config_unknown(r, n, names, count, e);
}

bool fields_read(const struct config_reader *r, const struct node *n, const char *what,
                 const struct field *table, void *out, struct err *e)
{
    if (!config_expect(r, n, NODE_MAPPING, e))
        return false;
    for (const struct node *member = n->first; member != NULL; member = member->next) {
        const struct field *f = table;

        while (f->key != NULL && strcmp(f->key, member->key) != 0)
            f++;
        if (f->key == NULL)
            return unknown_field(r, member, table, e);
        if (!read_field(r, member, f, (char *)out + f->offset, e))
            return false;
    }
    for (const struct field *f = table; f->key != NULL; f++)
        if (f->is_required && node_find(n, f->key) == NULL)
            return CONFIG_FAIL(r, n->key == NULL ? n->line : n->key_line, e,
                               "%s needs the key \"%s\"", what, f->key);
    return true;
}

void config_show(json_t *o, const char *key, json_t *value)
{
    const int result = json_object_set_new(o, key, value);

    assert(result == 0); /* all texts are UTF-8: the document was */
}

json_t *texts_show(const struct texts *t)
{
    json_t *list = json_array();

    for (size_t i = 0; i < t->count; i++)
        json_array_append_new(list, json_string(t->items[i]));
    return list;
}

/* NULL: there are none. */
static json_t *show_notices(const struct texts *t)
{
    json_t *list = t->count == 0 ? NULL : json_array();

    for (size_t i = 0; i < t->count; i++) {
        AUTO(buf) struct buf shown = {0};

        notice_show(t->items[i], &shown);
        json_array_append_new(list, json_string(buf_string(&shown)));
    }
    return list;
}

/* NULL: there are none. */
static json_t *show_programs(const struct programs *p)
{
    json_t *list = p->count == 0 ? NULL : json_array();

    for (size_t i = 0; i < p->count; i++)
        json_array_append_new(list, texts_show(&p->items[i]));
    return list;
}

static json_t *show_timeout(int64_t ms)
{
    if (ms % 3600000 == 0)
        return json_sprintf("%lldh", (long long)(ms / 3600000));
    if (ms % 60000 == 0 && ms > 60000)
        return json_sprintf("%lldm", (long long)(ms / 60000));
    if (ms % 1000 == 0)
        return json_sprintf("%llds", (long long)(ms / 1000));
    return json_sprintf("%lldms", (long long)ms);
}

static json_t *show_duration(const struct duration *d)
{
    const uint32_t values[] = {d->years, d->months, d->days, d->hours};
    AUTO(buf) struct buf text = {0};

    for (size_t i = 0; i < 4; i++)
        if (values[i] > 0)
            buf_printf(&text, "%u%c", values[i], "ymdh"[i]);
    return text.size == 0 ? NULL : json_string(buf_string(&text));
}

/* NULL: nothing to show. */
static json_t *show_field(const struct field *f, const void *at)
{
    const int number = f->kind == FIELD_NUMBER || f->kind == FIELD_KEEP || f->kind == FIELD_CHOICE
                           ? *(const int *)at
                           : 0;

    switch (f->kind) {
    case FIELD_TEXT:
    case FIELD_PATH:
        return *(char *const *)at == NULL ? NULL : json_string(*(char *const *)at);
    case FIELD_NOTICES:
        return show_notices(at);
    case FIELD_TEXTS:
    case FIELD_PATHS:
    case FIELD_ARGV:
        return ((const struct texts *)at)->count == 0 ? NULL : texts_show(at);
    case FIELD_PROGRAMS:
        return show_programs(at);
    case FIELD_FLAG:
        return json_boolean(*(const bool *)at);
    case FIELD_KEEP:
        return number == 0 ? NULL : number < 0 ? json_string("unlimited") : json_integer(number);
    case FIELD_NUMBER:
        return json_integer(number);
    case FIELD_CHOICE:
        return json_string(f->choices[number]);
    case FIELD_SIZE:
        return json_integer((json_int_t) * (const uint64_t *)at);
    case FIELD_TIMEOUT:
        return show_timeout(*(const int64_t *)at);
    case FIELD_DURATION:
        return show_duration(at);
    case FIELD_NODE:
        break;
    }
    return NULL;
}

json_t *fields_show(const struct field *table, const void *from)
{
    json_t *o = json_object();

    for (const struct field *f = table; f->key != NULL; f++) {
        json_t *value = show_field(f, (const char *)from + f->offset);

        if (value != NULL)
            config_show(o, f->key, value);
    }
    return o;
}
