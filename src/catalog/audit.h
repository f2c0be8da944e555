/*
 * The audit log: who did what, in a chain.  Part of catalog.h.
 *
 * Records are only added.  A record is JSON with sorted keys, in it the number, the time and the
 * hash of the record before; its own hash is HMAC-SHA-256 of it with a key from the state folder.
 * So whoever can write to the database but not read that folder can change, remove, insert or move
 * nothing without being found out.  The end is in STATE/audit.head as well, so that records missing
 * there are noticed.
 */
#ifndef CATALOG_AUDIT_H
#define CATALOG_AUDIT_H

#include "catalog/opening.h"

struct catalog_audit_record {
    int64_t seq;         /* from 1, without gaps; 0 when adding */
    int64_t time_ns;     /* 0 when adding: now */
    const char *actor;   /* a user's name, "token:ID", "system", a peer that nobody knows */
    const char *action;  /* "login", "restore", "config.delete" ... */
    const char *object;  /* what it was done to; "" for nothing */
    const char *outcome; /* "done", "refused", "failed" */
    const char *details; /* JSON object; NULL: none */
};

/*
 * Add a record.  Acts that need privileges do it in their own transaction, so that what cannot be
 * recorded does not happen: the failure of this is the failure of the act.  ERR_DENIED when the
 * catalog was opened without its key.
 */
MUST_CHECK bool catalog_audit_append(struct catalog_tx *t, const struct catalog_audit_record *r,
                                     struct err *e);

/* Called after a record was committed, by one thread at a time, with its JSON in one line; it may
 * take its time, but others who add records wait for it. */
typedef void catalog_audit_sink_fn(void *arg, const char *record);
/* fn NULL: none. */
void catalog_audit_set_sink(struct catalog *c, catalog_audit_sink_fn *fn, void *arg);

struct catalog_audit_list {
    struct catalog_audit_record *items;
    size_t count;
};
/* At most limit (1 to 1000) records before a number (0: from the end), newest first; of what is not
 * NULL only those, and from one time before another (0: no limit). */
struct catalog_audit_filter {
    const char *actor, *object, *action, *outcome;
    int64_t from_ns, until_ns;
    int64_t before_seq;
    size_t limit;
};
MUST_CHECK bool catalog_audit_list(struct catalog_tx *t, const struct catalog_audit_filter *f,
                                   struct arena *a, struct catalog_audit_list *out, struct err *e);

/* What verifying found. */
struct catalog_audit_verdict {
    bool is_sound;
    int64_t count;   /* records that were read */
    int64_t bad_seq; /* the first one that does not fit; 0: is_sound */
    char reason[200];
};
/* Read the whole log.  A log that is not sound is a verdict, no failure. */
MUST_CHECK bool catalog_audit_verify(struct catalog *c, struct catalog_audit_verdict *out,
                                     struct err *e);

#endif
