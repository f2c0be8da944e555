/*
 * libyaml's events into a tree.  The way down to the node being read is a small stack, so that
 * nothing recurses.  The use of an alias is a copy of its node that shares what is below; what
 * it would take written out counts against the limits, so that a small text stays a small tree
 * for everybody who walks it.
 */
#include "codec/document.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/text.h"

struct document {
    struct arena arena;
    struct node *root;
};

/* A collection that is not complete. */
struct frame {
    struct node *node;
    const struct node **tail; /* where the next item goes */
    const char *key;          /* of the next member, or NULL */
    size_t key_line;
    const char *anchor; /* or NULL */
};

struct anchor {
    const char *name;
    const struct node *node;
};

struct builder {
    struct document *document;
    struct frame frames[DOCUMENT_DEPTH_MAX];
    size_t depth;
    struct anchor anchors[DOCUMENT_ANCHORS_MAX];
    size_t anchor_count;
    size_t nodes; /* <= DOCUMENT_NODES_MAX */
};

void document_free(struct document *d)
{
    if (d == NULL)
        return;
    arena_done(&d->arena);
    mem_free(d);
}

void document_auto(struct document **d)
{
    document_free(*d);
}

const struct node *document_root(const struct document *d)
{
    return d->root;
}

const struct node *node_find(const struct node *mapping, const char *key)
{
    for (const struct node *n = mapping->first; n != NULL; n = n->next)
        if (strcmp(n->key, key) == 0)
            return n;
    return NULL;
}

const char *node_kind_name(enum node_kind kind)
{
    switch (kind) {
    case NODE_NULL:
        return "nothing";
    case NODE_BOOL:
        return "a truth value";
    case NODE_INTEGER:
        return "a whole number";
    case NODE_TEXT:
        return "a text";
    case NODE_SEQUENCE:
        return "a list";
    case NODE_MAPPING:
        return "a mapping";
    }
    return "";
}

static size_t line_of(const yaml_event_t *ev)
{
    return ev->start_mark.line + 1;
}

static const char *copy_name(struct builder *b, const yaml_char_t *name)
{
    return name == NULL ? NULL
                        : arena_string(&b->document->arena, slice_string((const char *)name));
}

/* A plain scalar that is a whole number as JSON writes it. */
static bool integer_parse(const char *text, int64_t *out)
{
    const bool is_negative = text[0] == '-';
    const char *digits = text + is_negative;
    uint64_t size = 0;
    struct err ignored; /* what is no number is a text */

    if (digits[0] < '0' || digits[0] > '9' || (digits[0] == '0' && digits[1] != '\0') ||
        !parse_u64(digits, &size, &ignored) || size > INT64_MAX)
        return false;
    *out = is_negative ? -(int64_t)size : (int64_t)size;
    return true;
}

static void set_kind(struct node *n)
{
    n->kind = NODE_TEXT;
    if (n->is_quoted)
        return;
    if (n->text[0] == '\0' || strcmp(n->text, "null") == 0)
        n->kind = NODE_NULL;
    else if (strcmp(n->text, "true") == 0 || strcmp(n->text, "false") == 0)
        n->kind = NODE_BOOL;
    else if (integer_parse(n->text, &n->integer))
        n->kind = NODE_INTEGER;
    n->is_true = n->kind == NODE_BOOL && n->text[0] == 't';
}

static bool anchor_add(struct builder *b, const char *name, const struct node *n, struct err *e)
{
    if (name == NULL)
        return true;
    for (size_t i = 0; i < b->anchor_count; i++)
        if (strcmp(b->anchors[i].name, name) == 0)
            return err_set(e, ERR_CORRUPT, "%zu: there is an anchor &%.60s already", n->line, name);
    if (b->anchor_count == DOCUMENT_ANCHORS_MAX)
        return err_set(e, ERR_CORRUPT, "%zu: there are more than %d anchors", n->line,
                       DOCUMENT_ANCHORS_MAX);
    b->anchors[b->anchor_count++] = (struct anchor){name, n};
    return true;
}

static void grow(struct node *above, size_t weight, size_t height)
{
    above->weight += weight;
    if (above->height <= height)
        above->height = height + 1;
}

/* Put a node where it belongs: into the collection being read, or at the root. */
static bool node_place(struct builder *b, struct node *n, struct err *e)
{
    if (n->weight > DOCUMENT_NODES_MAX - b->nodes)
        return err_set(e, ERR_CORRUPT, "%zu: there are more than %d values", n->line,
                       DOCUMENT_NODES_MAX);
    b->nodes += n->weight;
    if (b->depth + n->height > DOCUMENT_DEPTH_MAX)
        return err_set(e, ERR_CORRUPT, "%zu: more than %d lists and mappings inside each other",
                       n->line, DOCUMENT_DEPTH_MAX);
    if (b->depth == 0) {
        b->document->root = n;
        return true;
    }

    struct frame *f = &b->frames[b->depth - 1];

    n->key = f->key;
    n->key_line = f->key_line;
    f->key = NULL;
    *f->tail = n;
    f->tail = &n->next;
    f->node->count++;
    grow(f->node, n->weight, n->height);
    return true;
}

static struct node *node_new(struct builder *b, const yaml_event_t *ev)
{
    struct node *n = arena_take(&b->document->arena, sizeof(*n));

    *n = (struct node){.line = line_of(ev), .weight = 1};
    return n;
}

static bool is_key_wanted(const struct builder *b)
{
    return b->depth > 0 && b->frames[b->depth - 1].node->kind == NODE_MAPPING &&
           b->frames[b->depth - 1].key == NULL;
}

static bool take_scalar(struct builder *b, const yaml_event_t *ev, struct err *e)
{
    const struct slice value = SLICE_OF(ev->data.scalar.value, ev->data.scalar.length);
    const char *text = arena_string(&b->document->arena, value);

    if (ev->data.scalar.tag != NULL)
        return err_set(e, ERR_CORRUPT, "%zu: there are no tags such as %.60s", line_of(ev),
                       (const char *)ev->data.scalar.tag);
    if (strlen(text) != value.size)
        return err_set(e, ERR_CORRUPT, "%zu: a text holds a NUL", line_of(ev));
    if (is_key_wanted(b)) {
        if (ev->data.scalar.anchor != NULL)
            return err_set(e, ERR_CORRUPT, "%zu: a key has an anchor", line_of(ev));
        b->frames[b->depth - 1].key = text;
        b->frames[b->depth - 1].key_line = line_of(ev);
        return true;
    }

    struct node *n = node_new(b, ev);

    n->text = text;
    n->is_quoted = ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    set_kind(n);
    return node_place(b, n, e) && anchor_add(b, copy_name(b, ev->data.scalar.anchor), n, e);
}

static bool take_alias(struct builder *b, const yaml_event_t *ev, struct err *e)
{
    const char *name = (const char *)ev->data.alias.anchor;

    if (is_key_wanted(b))
        return err_set(e, ERR_CORRUPT, "%zu: a key is an alias", line_of(ev));
    for (size_t i = 0; i < b->anchor_count; i++) {
        if (strcmp(b->anchors[i].name, name) != 0)
            continue;

        struct node *n = node_new(b, ev);
        const size_t line = n->line;

        *n = *b->anchors[i].node;
        n->line = line;
        n->next = NULL;
        return node_place(b, n, e);
    }
    return err_set(e, ERR_CORRUPT, "%zu: no complete value before it has the anchor &%.60s",
                   line_of(ev), name);
}

static bool open_collection(struct builder *b, const yaml_event_t *ev, struct err *e)
{
    const bool is_mapping = ev->type == YAML_MAPPING_START_EVENT;
    const yaml_char_t *tag = is_mapping ? ev->data.mapping_start.tag : ev->data.sequence_start.tag;
    const yaml_char_t *anchor =
        is_mapping ? ev->data.mapping_start.anchor : ev->data.sequence_start.anchor;

    if (tag != NULL)
        return err_set(e, ERR_CORRUPT, "%zu: there are no tags such as %.60s", line_of(ev),
                       (const char *)tag);
    if (is_key_wanted(b))
        return err_set(e, ERR_CORRUPT, "%zu: a key is %s", line_of(ev),
                       node_kind_name(is_mapping ? NODE_MAPPING : NODE_SEQUENCE));

    struct node *n = node_new(b, ev);

    n->kind = is_mapping ? NODE_MAPPING : NODE_SEQUENCE;
    n->height = 1;
    if (!node_place(b, n, e))
        return false;
    b->frames[b->depth++] =
        (struct frame){.node = n, .tail = &n->first, .anchor = copy_name(b, anchor)};
    return true;
}

static int compare_keys(const void *a, const void *b)
{
    const struct node *x = *(const struct node *const *)a;
    const struct node *y = *(const struct node *const *)b;
    const int order = strcmp(x->key, y->key);

    return order != 0 ? order : (x->key_line > y->key_line) - (x->key_line < y->key_line);
}

/* Sorted, because a mapping may have as many members as the text has room for. */
static bool check_keys(const struct node *mapping, struct err *e)
{
    AUTO(mem) const struct node **members = mem_array(mapping->count, sizeof(*members));
    const struct node *twice = NULL;
    size_t count = 0;

    for (const struct node *n = mapping->first; n != NULL; n = n->next)
        members[count++] = n;
    qsort(members, count, sizeof(*members), compare_keys);
    for (size_t i = 1; i < count; i++)
        if (strcmp(members[i - 1]->key, members[i]->key) == 0 &&
            (twice == NULL || members[i]->key_line < twice->key_line))
            twice = members[i];
    return twice == NULL || err_set(e, ERR_CORRUPT, "%zu: the key \"%.60s\" is there twice",
                                    twice->key_line, twice->key);
}

static bool close_collection(struct builder *b, struct err *e)
{
    const struct frame f = b->frames[--b->depth];

    if (f.node->kind == NODE_MAPPING && !check_keys(f.node, e))
        return false;
    if (b->depth > 0) /* which counted it as 1 when it began */
        grow(b->frames[b->depth - 1].node, f.node->weight - 1, f.node->height);
    return anchor_add(b, f.anchor, f.node, e);
}

static bool take_event(struct builder *b, const yaml_event_t *ev, struct err *e)
{
    switch (ev->type) {
    case YAML_SCALAR_EVENT:
        return take_scalar(b, ev, e);
    case YAML_ALIAS_EVENT:
        return take_alias(b, ev, e);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return open_collection(b, ev, e);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_collection(b, e);
    case YAML_DOCUMENT_START_EVENT:
        return b->document->root == NULL ||
               err_set(e, ERR_CORRUPT, "%zu: a second document begins", line_of(ev));
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
    return true;
}

static size_t line_at(struct slice text, size_t offset)
{
    size_t line = 1;

    for (size_t i = 0; i < offset && i < text.size; i++)
        line += text.data[i] == '\n';
    return line;
}

static bool parser_failed(const yaml_parser_t *p, struct slice text, struct err *e)
{
    if (p->error == YAML_MEMORY_ERROR)
        mem_exit("out of memory while reading YAML");
    if (p->error == YAML_READER_ERROR)
        return err_set(e, ERR_CORRUPT, "%zu: it is not YAML: %s", line_at(text, p->problem_offset),
                       p->problem);
    return err_set(e, ERR_CORRUPT, "%zu: it is not YAML: %s%s%s", p->problem_mark.line + 1,
                   p->context == NULL ? "" : p->context, p->context == NULL ? "" : ", ",
                   p->problem);
}

static bool check_bytes(struct slice text, struct err *e)
{
    size_t line = 1;

    if (text.size > DOCUMENT_SIZE_MAX)
        return err_set(e, ERR_CORRUPT, "1: it is longer than %zu bytes", DOCUMENT_SIZE_MAX);
    for (size_t at = 0; at < text.size; line++) {
        const uint8_t *end = memchr(text.data + at, '\n', text.size - at);
        const size_t next = end == NULL ? text.size : (size_t)(end - text.data) + 1;

        if (memchr(text.data + at, '\0', next - at) != NULL)
            return err_set(e, ERR_CORRUPT, "%zu: it holds a NUL", line);
        if (!utf8_is_valid(SLICE_OF(text.data + at, next - at)))
            return err_set(e, ERR_CORRUPT, "%zu: it is not UTF-8", line);
        at = next;
    }
    return true;
}

static void parser_auto(yaml_parser_t *p)
{
    yaml_parser_delete(p);
}

static void event_auto(yaml_event_t *ev)
{
    yaml_event_delete(ev);
}

static bool read_events(struct builder *b, struct slice text, struct err *e)
{
    AUTO(parser) yaml_parser_t parser = {0};
    bool is_end = false;

    if (yaml_parser_initialize(&parser) == 0)
        mem_exit("out of memory while reading YAML");
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, text.data, text.size);
    while (!is_end) {
        AUTO(event) yaml_event_t ev = {0};

        if (yaml_parser_parse(&parser, &ev) == 0)
            return parser_failed(&parser, text, e);
        if (!take_event(b, &ev, e))
            return false;
        is_end = ev.type == YAML_STREAM_END_EVENT;
    }
    return true;
}

bool document_read(struct slice text, struct document **out, struct err *e)
{
    AUTO(document) struct document *d = mem_new(sizeof(*d));
    AUTO(mem) struct builder *b = mem_new(sizeof(*b));

    b->document = d;
    if (!check_bytes(text, e) || !read_events(b, text, e))
        return false;
    if (d->root == NULL)
        return err_set(e, ERR_CORRUPT, "1: it is empty");
    *out = TAKE(d);
    return true;
}
