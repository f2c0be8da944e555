/*
 * What is noted of a bundle beside its bytes: in the spool, and in the manifest of a snapshot.
 *
 *     {"name": text, "received": time, "peer": text or null, "uid": n or null, "token": text or
 * null, "size": n, "sha256": hex 64, "indented_size": n, "kind": "bundle" | "chalk" | "other",
 *      "why": text or null, "timestamp": text or null, "version": text or null,
 *      "users": n or null, "sessions": n or null}
 *
 * received is the server's clock; timestamp and version are the client's words.  why says what a
 * bundle lacks of the published form.
 */
#ifndef ARCHIVE_BUNDLE_NOTE_H
#define ARCHIVE_BUNDLE_NOTE_H

#include "archive/bundle.h"
#include "codec/hash.h"
#include "codec/json.h"

#define BUNDLE_SENDER_MAX 100 /* of an address or the id of a token, with NUL */

struct bundle_note {
    char name[BUNDLE_NAME_MAX]; /* empty while it has none */
    int64_t received_ns;
    char peer[BUNDLE_SENDER_MAX];  /* empty: not known */
    char token[BUNDLE_SENDER_MAX]; /* its id; empty: none was needed */
    int64_t uid;                   /* of the process that sent it; -1: not known */
    uint64_t size;
    struct hash sha256; /* of the bytes as they came */
    struct bundle_facts facts;
};

/* The size, the sum and the facts; the rest is left alone. */
void bundle_note_measure(struct bundle_note *n, struct slice bytes,
                         const struct bundle_facts *facts);

json_t *bundle_note_json(const struct bundle_note *n);

/* ERR_CORRUPT naming the member that is missing or wrong.  The name may be empty, else it is one of
 * a bundle. */
MUST_CHECK bool bundle_note_parse(const json_t *j, struct bundle_note *out, struct err *e);

/* The manifest of a snapshot's bundles, {"format": 1, "keep": n, "bundles": [note, ...]} with
 * distinct names in ascending order: its members, borrowed from the document.  ERR_CORRUPT. */
struct bundle_manifest {
    json_t *document;
    struct bundle_note *notes;
    size_t count;
};
#define BUNDLE_MANIFEST_FORMAT 1
void bundle_manifest_auto(struct bundle_manifest *m);
MUST_CHECK bool bundle_manifest_parse(struct slice text, struct bundle_manifest *out,
                                      struct err *e);
/* NULL when there is none of this name. */
const struct bundle_note *bundle_manifest_find(const struct bundle_manifest *m, const char *name);

#endif
