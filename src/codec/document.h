/*
 * Documents that people write: YAML, and JSON with it, as a tree of nodes that know their
 * lines.  For configuration, not for data: a document is small and is read strictly.
 *
 * Typed are only the plain words true, false and null, an empty plain value (null), and plain
 * whole numbers as JSON writes them; all else is text, also yes, on, 0x10 and 1.5.  There are no
 * tags and no merge keys.  Where YAML and JSON differ YAML counts: "\ud83d\ude00" is refused.
 */
#ifndef CODEC_DOCUMENT_H
#define CODEC_DOCUMENT_H

#include "base/buf.h"

#define DOCUMENT_SIZE_MAX    ((size_t)1 << 20) /* bytes of text */
#define DOCUMENT_DEPTH_MAX   32                /* collections inside each other */
#define DOCUMENT_NODES_MAX   100000            /* with each use of an alias counted in full */
#define DOCUMENT_ANCHORS_MAX 16

enum node_kind {
    NODE_NULL,
    NODE_BOOL,
    NODE_INTEGER,
    NODE_TEXT,
    NODE_SEQUENCE,
    NODE_MAPPING,
};

struct node {
    enum node_kind kind;
    bool is_quoted;  /* or a block of text: not plain */
    size_t line;     /* from 1; of an alias, where it is used */
    const char *key; /* of a member of a mapping, or NULL */
    size_t key_line;
    const char *text;         /* of a scalar of any kind as it is written, without quotes */
    bool is_true;             /* NODE_BOOL */
    int64_t integer;          /* NODE_INTEGER */
    const struct node *first; /* of a collection: its items in the order of the text */
    const struct node *next;  /* in the same collection */
    size_t count;             /* items */
    size_t weight;            /* nodes in it, itself counted */
    size_t height;            /* collections inside each other; 0 for a scalar */
};

struct document;

/*
 * Read a text.  ERR_CORRUPT with "LINE: sentence" when it is no such document, too large or too
 * deep, not UTF-8, has a key twice, a key that is no scalar, a tag, a second document, or more
 * anchors than allowed.
 */
MUST_CHECK bool document_read(struct slice text, struct document **out, struct err *e);
void document_free(struct document *d); /* accepts NULL */
void document_auto(struct document **d);

/* Never NULL; valid as long as the document. */
const struct node *document_root(const struct document *d);

/* The member of a mapping that has this key, or NULL. */
const struct node *node_find(const struct node *mapping, const char *key);

static inline bool node_is_scalar(const struct node *n)
{
    return n->kind != NODE_SEQUENCE && n->kind != NODE_MAPPING;
}

/* "a mapping", "a list", "a text", for sentences. */
const char *node_kind_name(enum node_kind kind);

#endif
