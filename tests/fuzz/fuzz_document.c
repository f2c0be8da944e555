/*
 * Text from anywhere is refused with the line, or is a tree within the limits: walked, it has as
 * many nodes as it says, keys are there exactly in mappings and once, and lines are lines of the
 * text.
 */
#include <assert.h>
#include <string.h>

#include "codec/document.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct walk {
    size_t nodes, lines;
};

static void check_scalar(const struct node *n)
{
    assert(n->text != NULL && n->count == 0 && n->height == 0 && n->weight == 1);
    assert(n->kind == NODE_TEXT || !n->is_quoted);
    assert(n->kind != NODE_INTEGER || n->text[0] == '-' || n->integer >= 0);
}

static void walk(struct walk *w, const struct node *n, size_t depth)
{
    size_t count = 0;
    size_t weight = 1;

    assert(++w->nodes <= DOCUMENT_NODES_MAX && depth <= DOCUMENT_DEPTH_MAX);
    assert(n->line >= 1 && n->line <= w->lines);
    if (node_is_scalar(n)) {
        check_scalar(n);
        return;
    }
    for (const struct node *m = n->first; m != NULL; m = m->next) {
        assert((m->key != NULL) == (n->kind == NODE_MAPPING));
        assert(m->height < n->height);
        assert(n->count > 100 || m->key == NULL || node_find(n, m->key) == m);
        walk(w, m, depth + 1);
        weight += m->weight;
        count++;
    }
    assert(count == n->count && weight == n->weight);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(document) struct document *d = NULL;
    /* Every byte may end a line for YAML, which knows more ends than one; the end is one too. */
    struct walk w = {.lines = size + 1};
    struct err e = {0};

    if (!document_read(SLICE_OF(data, size), &d, &e)) {
        assert(e.code == ERR_CORRUPT && e.text[0] >= '1' && e.text[0] <= '9');
        assert(strstr(e.text, ": ") != NULL);
        return 0;
    }
    walk(&w, document_root(d), 0);
    return 0;
}
