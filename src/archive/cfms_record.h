/*
 * Records of CFMS as JSON trees, for archives and for those who get them as parts of one
 * (foreign.h), and which of their contents are where.
 */
#ifndef ARCHIVE_CFMS_RECORD_H
#define ARCHIVE_CFMS_RECORD_H

#include "archive/cfms.h"
#include "codec/json.h"

/* A tree of the record; the caller owns *out.  ERR_USAGE when a text is none. */
MUST_CHECK bool cfms_document_tree(const struct cfms_document *d, json_t **out, struct err *e);
MUST_CHECK bool cfms_folder_tree(const struct cfms_folder *f, json_t **out, struct err *e);
MUST_CHECK bool cfms_file_tree(const struct cfms_file *f, json_t **out, struct err *e);

/* A record of a tree, which it borrows texts from; ERR_CORRUPT when it is none. */
struct cfms_lists {
    struct cfms_rule *rules;
    struct cfms_revision *revisions;
    struct hash sha256;
};
void cfms_lists_auto(struct cfms_lists *l);
MUST_CHECK bool cfms_document_of(const json_t *tree, struct cfms_lists *lists,
                                 struct cfms_document *out, struct err *e);
MUST_CHECK bool cfms_folder_of(const json_t *tree, struct cfms_lists *lists,
                               struct cfms_folder *out, struct err *e);
MUST_CHECK bool cfms_file_of(const json_t *tree, struct cfms_lists *lists, struct cfms_file *out,
                             struct err *e);

/* A tree of JSON text; ERR_CORRUPT, naming what it is, when it is none or a name comes twice. */
MUST_CHECK bool cfms_tree_parse(struct slice text, const char *what, json_t **out, struct err *e);

/* What is known of a file by its id, from its content and from its record. */
struct cfms_known {
    char id[CFMS_ID_MAX];
    bool has_content, is_missing, has_record, has_sha256;
    struct hash content, sha256; /* that it has, and should have */
};

/* By id, in no order; at most CFMS_FILES_MAX. */
struct cfms_table;
struct cfms_table *cfms_table_new(void);
void cfms_table_free(struct cfms_table *t);
void cfms_table_auto(struct cfms_table **t);
/* The file of this id, which is added when it is new; valid until the next is added.  NULL when
 * there are too many. */
struct cfms_known *cfms_table_get(struct cfms_table *t, const char *id);
/* All of them, as they were added. */
const struct cfms_known *cfms_table_all(const struct cfms_table *t, size_t *count);

/* What an archive's MAC is made with. */
struct hmac_stream *cfms_mac_new(const uint8_t key[CFMS_KEY_SIZE]);

#endif
