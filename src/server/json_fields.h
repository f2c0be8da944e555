/*
 * JSON that comes from outside: read strictly, and checked against a table of fields before anybody
 * looks at it.  Sentences name the place of the fault, as in "sources[2].path: must be a text".
 */
#ifndef SERVER_JSON_FIELDS_H
#define SERVER_JSON_FIELDS_H

#include "codec/json.h"

#define JSON_BODY_DEPTH_MAX 64 /* collections inside each other */

/* Values and names together: each takes about 100 bytes in memory where it took two in the body. */
#define JSON_BODY_VALUES_MAX 20000

/*
 * Read a document: one value of any kind, UTF-8, no name twice in an object, not deeper than
 * JSON_BODY_DEPTH_MAX.  Size is the caller's to bound.  Depth is looked at before anything is
 * built.  ERR_CORRUPT saying at which line and column.
 */
MUST_CHECK bool json_fields_read(struct slice text, json_t **out, struct err *e);

enum field_kind {
    FIELD_TEXT,    /* low..high: bytes */
    FIELD_INTEGER, /* low..high: value */
    FIELD_NUMBER,  /* any number */
    FIELD_BOOL,
    FIELD_OBJECT, /* members: its table; NULL: any object */
    FIELD_LIST,   /* low..high: items; members[0]: what each is; NULL: anything */
    FIELD_CHOICE, /* one of words */
    FIELD_ANY,
};

enum { FIELD_REQUIRED = 1, FIELD_NULLABLE = 2 };

/* A table ends with a row without name (but the item of a list has none either: a table of one). */
struct field {
    const char *name;
    enum field_kind kind;
    unsigned flags;
    int64_t low, high; /* both 0: a text of at most 4096 bytes, any integer, at most 1000 items */
    const struct field *members;
    const char *const *words; /* ends with NULL */
};

/* Whether an object has the fields of a table and no others.  ERR_USAGE "PATH: sentence". */
MUST_CHECK bool json_fields_check(const json_t *object, const struct field *table, struct err *e);

#endif
