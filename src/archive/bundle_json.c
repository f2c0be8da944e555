#include "archive/bundle_json.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "codec/random.h"

#define PIECE     ((size_t)512) /* read at once: values that take another's place begin anew */
#define FLUSH     ((size_t)64 << 10)
#define DEPTH_ALL (BUNDLE_DEPTH_MAX + 1)

static const char too_deep[] = "it is deeper than %d levels";

void bundle_json_done(struct bundle_json *j)
{
    mem_free(j->patches);
    *j = (struct bundle_json){0};
}

void bundle_json_auto(struct bundle_json *j)
{
    bundle_json_done(j);
}

static bool read_piece(void *arg, uint8_t *to, size_t room, size_t *got, struct err *e)
{
    return json_read_slice(arg, to, room < PIECE ? room : PIECE, got, e);
}

static bool is_open(enum json_token token)
{
    return token == JSON_TOKEN_OBJECT || token == JSON_TOKEN_ARRAY;
}

static bool is_close(enum json_token token)
{
    return token == JSON_TOKEN_OBJECT_END || token == JSON_TOKEN_ARRAY_END;
}

/* Reading */

/* A name of an object that is not closed yet. */
struct name {
    uint64_t hash;
    uint32_t name;  /* which of the document */
    uint32_t value; /* where its value begins */
};

struct reading {
    struct json_reader reader;
    struct slice bytes, rest;
    uint8_t
        key[crypto_shorthash_KEYBYTES]; /* drawn for each document: nobody makes names collide */
    struct name *names;                 /* of all open objects, one behind the other */
    size_t count, room;
    size_t begins[DEPTH_ALL]; /* of each open object, in names */
    uint32_t name_count;      /* so far in the document */
    struct bundle_json made;
    size_t patch_room;
};

static void reading_auto(struct reading *g)
{
    json_reader_auto(&g->reader);
    mem_free(g->names);
    bundle_json_done(&g->made);
}

static bool add_name(struct reading *g, struct err *e)
{
    const struct json_reader *r = &g->reader;
    struct name *n;

    if (g->name_count == BUNDLE_NAMES_MAX)
        return err_set(e, ERR_CORRUPT, "it has more than %d names", BUNDLE_NAMES_MAX);
    if (g->count == g->room) {
        g->room = g->room * 2 + 64;
        g->names = mem_resize(g->names, g->room, sizeof(*g->names));
    }
    n = &g->names[g->count++];
    *n = (struct name){.name = g->name_count++, .value = (uint32_t)(r->offset + r->at)};
    (void)crypto_shorthash((uint8_t *)&n->hash, r->text.data, r->text.size, g->key);
    return true;
}

static int by_hash(const void *a, const void *b)
{
    const struct name *left = a;
    const struct name *right = b;

    if (left->hash != right->hash)
        return left->hash < right->hash ? -1 : 1;
    return left->name < right->name ? -1 : 1;
}

static int by_name(const void *a, const void *b)
{
    const struct bundle_json_patch *left = a;
    const struct bundle_json_patch *right = b;

    return left->name < right->name ? -1 : 1;
}

static void add_patch(struct reading *g, struct bundle_json_patch p)
{
    struct bundle_json *j = &g->made;

    if (j->count == g->patch_room) {
        g->patch_room = g->patch_room * 2 + 16;
        j->patches = mem_resize(j->patches, g->patch_room, sizeof(*j->patches));
    }
    j->patches[j->count++] = p;
}

/* Behind the blanks and the colon that follow a name; the document is known to be well formed. */
static uint32_t value_behind(struct slice bytes, uint32_t at)
{
    while (bytes.data[at] != ':')
        at++;
    return at + 1;
}

/* An object ends: the first of equal names gets the value of the last, the others go. */
static void close_object(struct reading *g, size_t begin)
{
    const size_t count = g->count - begin;
    struct name *names;
    size_t to;

    g->count = begin;
    if (count < 2)
        return; /* there may be no names at all */
    names = g->names + begin;
    qsort(names, count, sizeof(*names), by_hash);
    for (size_t from = 0; from < count; from = to) {
        for (to = from + 1; to < count && names[to].hash == names[from].hash; to++)
            add_patch(g, (struct bundle_json_patch){.name = names[to].name});
        if (to - from > 1)
            add_patch(
                g, (struct bundle_json_patch){.name = names[from].name,
                                              .value = value_behind(g->bytes, names[to - 1].value),
                                              .first = names[to - 1].name + 1});
    }
}

static bool take_token(struct reading *g, enum json_token token, struct err *e)
{
    const size_t depth = g->reader.depth;

    if (depth > BUNDLE_DEPTH_MAX)
        return err_set(e, ERR_CORRUPT, too_deep, BUNDLE_DEPTH_MAX);
    if (token == JSON_TOKEN_OBJECT)
        g->begins[depth] = g->count;
    if (token == JSON_TOKEN_OBJECT_END)
        close_object(g, g->begins[depth + 1]);
    return token != JSON_TOKEN_NAME || add_name(g, e);
}

bool bundle_json_read(struct slice bytes, bundle_json_fn *fn, void *arg, struct bundle_json *out,
                      struct err *e)
{
    AUTO(reading) struct reading g = {.bytes = bytes, .rest = bytes};
    enum json_token token;

    assert(bytes.size <= UINT32_MAX);
    json_reader_init(&g.reader, json_read_slice, &g.rest, SIZE_MAX);
    json_reader_like_python(&g.reader);
    random_bytes(g.key, sizeof(g.key));
    if (!utf8_is_valid(bytes))
        return err_set(e, ERR_CORRUPT, "it is not UTF-8");
    do {
        if (!json_reader_next(&g.reader, &token, e) || !take_token(&g, token, e))
            return false;
        if (fn != NULL)
            fn(arg, token, g.reader.depth - (is_open(token) ? 1 : 0), buf_slice(&g.reader.text));
    } while (token != JSON_TOKEN_END);
    if (g.made.count > 1)
        qsort(g.made.patches, g.made.count, sizeof(*g.made.patches), by_name);
    *out = g.made;
    g.made = (struct bundle_json){0};
    return true;
}

/* Writing */

struct writing {
    const struct bundle_json *j;
    const struct bundle_json_writing *how;
    struct slice bytes;
    uint32_t name; /* the next of the document */
    size_t depth;
    bool is_first;   /* nothing is in the group yet */
    bool is_member;  /* a name was written, its value is next */
    bool is_in_data; /* of the document's member of that name */
    struct buf out;
};

static void writing_auto(struct writing *w)
{
    buf_done(&w->out);
}

static bool flush(struct writing *w, size_t above, struct err *e)
{
    const bool ok = w->out.size <= above || w->how->write(w->how->arg, buf_slice(&w->out), e);

    if (w->out.size > above)
        buf_clear(&w->out);
    return ok;
}

static void new_line(struct writing *w)
{
    uint8_t *to = buf_extend(&w->out, 1 + 2 * w->depth);

    to[0] = '\n';
    memset(to + 1, ' ', 2 * w->depth);
}

/* What stands between the value before and this one. */
static void put_between(struct writing *w)
{
    if (w->depth > 0 && !w->is_member) {
        if (!w->is_first)
            buf_put_u8(&w->out, ',');
        new_line(w);
    }
    w->is_first = false;
    w->is_member = false;
}

static void put_unit(struct buf *out, uint32_t unit)
{
    static const char digits[] = "0123456789abcdef";
    const char text[] = {'\\',
                         'u',
                         digits[unit >> 12 & 15],
                         digits[unit >> 8 & 15],
                         digits[unit >> 4 & 15],
                         digits[unit & 15]};

    buf_append(out, text, sizeof(text));
}

/* A character of several bytes, or half of one; returns how many bytes. */
static size_t put_character(struct buf *out, const uint8_t *from)
{
    const size_t size = from[0] < 0xe0 ? 2 : from[0] < 0xf0 ? 3 : 4;
    uint32_t c = from[0] & (0xffU >> (size + 1));

    for (size_t i = 1; i < size; i++)
        c = c << 6 | (from[i] & 0x3fU);
    if (c >= 0x10000) {
        put_unit(out, 0xd800 + ((c - 0x10000) >> 10));
        c = 0xdc00 + ((c - 0x10000) & 0x3ff);
    }
    put_unit(out, c);
    return size;
}

static void put_text(struct buf *out, struct slice text)
{
    static const char plain[] = "\"\\\b\f\n\r\t";
    static const char escaped[] = "\"\\bfnrt";

    buf_put_u8(out, '"');
    for (size_t i = 0; i < text.size;) {
        const uint8_t c = text.data[i];
        const char *found = c == 0 ? NULL : strchr(plain, c);

        if (c >= 0x80) {
            i += put_character(out, text.data + i);
            continue;
        }
        if (found != NULL) {
            buf_put_u8(out, '\\');
            buf_put_u8(out, (uint8_t)escaped[found - plain]);
        } else if (c < 0x20 || c == 0x7f) {
            put_unit(out, c);
        } else {
            buf_put_u8(out, c);
        }
        i++;
    }
    buf_put_u8(out, '"');
}

static void put_scalar(struct writing *w, enum json_token token, struct slice text)
{
    static const char *const words[] = {
        [JSON_TOKEN_TRUE] = "true", [JSON_TOKEN_FALSE] = "false", [JSON_TOKEN_NULL] = "null"};

    put_between(w);
    if (token == JSON_TOKEN_TEXT)
        put_text(&w->out, text);
    else if (token == JSON_TOKEN_NUMBER)
        bundle_number(text, &w->out);
    else
        buf_append_slice(&w->out, slice_string(words[token]));
}

static void put_open(struct writing *w, enum json_token token)
{
    put_between(w);
    buf_put_u8(&w->out, token == JSON_TOKEN_OBJECT ? '{' : '[');
    w->depth++;
    w->is_first = true;
}

static void put_close(struct writing *w, enum json_token token)
{
    w->depth--;
    if (!w->is_first)
        new_line(w);
    w->is_first = false;
    buf_put_u8(&w->out, token == JSON_TOKEN_OBJECT_END ? '}' : ']');
}

/* Pass the value behind a name, counting the names in it. */
static bool pass_value(struct writing *w, struct json_reader *r, struct err *e)
{
    const size_t depth = r->depth;
    enum json_token token;

    do {
        if (!json_reader_next(r, &token, e))
            return false;
        w->name += token == JSON_TOKEN_NAME ? 1 : 0;
    } while (r->depth > depth);
    return true;
}

static const struct bundle_json_patch *find_patch(const struct bundle_json *j, uint32_t name)
{
    const struct bundle_json_patch key = {.name = name};
    size_t from = 0, to = j->count;

    while (from < to) {
        const size_t middle = from + (to - from) / 2;

        if (j->patches[middle].name < key.name)
            from = middle + 1;
        else
            to = middle;
    }
    return from < j->count && j->patches[from].name == name ? &j->patches[from] : NULL;
}

static bool write_value(struct writing *w, uint32_t at, struct err *e);

static bool is_text(struct slice a, const char *b)
{
    return slice_is_equal(a, slice_string(b));
}

/* Write a name; the value is left to come unless it is dealt with here. */
static bool write_name(struct writing *w, struct json_reader *r, struct err *e)
{
    const struct bundle_json_patch *p = find_patch(w->j, w->name++);
    const struct slice name = buf_slice(&r->text);
    const bool drops =
        w->how->without_sessions && w->depth == 2 && w->is_in_data && is_text(name, "sessions");

    if (p != NULL && p->value == 0)
        return pass_value(w, r, e);
    if (w->depth == 1)
        w->is_in_data = is_text(name, "data");
    put_between(w);
    put_text(&w->out, name);
    buf_append(&w->out, ": ", 2);
    w->is_member = true;
    if (drops) {
        buf_append(&w->out, "[]", 2);
        w->is_member = false;
        return pass_value(w, r, e);
    }
    if (p == NULL)
        return true;

    const uint32_t here = w->name;

    w->name = p->first;
    if (!write_value(w, p->value, e))
        return false;
    w->name = here;
    return pass_value(w, r, e);
}

static bool write_token(struct writing *w, struct json_reader *r, enum json_token token,
                        struct err *e)
{
    if (token == JSON_TOKEN_NAME)
        return write_name(w, r, e);
    if (is_open(token))
        put_open(w, token);
    else if (is_close(token))
        put_close(w, token);
    else
        put_scalar(w, token, buf_slice(&r->text));
    return true;
}

/* The one value that begins there. */
static bool write_value(struct writing *w, uint32_t at, struct err *e)
{
    AUTO(json_reader) struct json_reader r;
    struct slice rest = SLICE_OF(w->bytes.data + at, w->bytes.size - at);
    enum json_token token;

    json_reader_init(&r, at == 0 ? json_read_slice : read_piece, &rest, SIZE_MAX);
    json_reader_like_python(&r);
    do {
        if (!json_reader_next(&r, &token, e) || !write_token(w, &r, token, e) ||
            !flush(w, FLUSH, e))
            return false;
    } while (r.depth > 0);
    return true;
}

bool bundle_json_write(const struct bundle_json *j, struct slice bytes,
                       const struct bundle_json_writing *how, struct err *e)
{
    AUTO(writing) struct writing w = {.j = j, .how = how, .bytes = bytes};

    return write_value(&w, 0, e) && flush(&w, 0, e);
}
