/*
 * Pushed bundles as a member of a set.  Part of source.h.
 *
 * In a snapshot stand "bundle/<name>" for each bundle, its bytes as they came, and
 * "bundle/backup.manifest.json", {"format": 1, "keep": n, "bundles": [note, ...]}.  Where bundles
 * wait, and which of earlier ones a snapshot still holds, is up to a feed of src/job.
 */
#ifndef SOURCE_BUNDLE_H
#define SOURCE_BUNDLE_H

#include "base/buf.h"
#include "source/member.h"

/* The name of the member: names of bundles begin with it, and there is one member of the kind. */
#define BUNDLE_MEMBER   "backup"
#define BUNDLE_MANIFEST BUNDLE_MEMBER MEMBER_MANIFEST

/* A bundle that the snapshot is to hold, or one that it cannot (why). */
struct bundle_item {
    const char *name;
    uint64_t size;
    int64_t mtime_ns; /* the same in each snapshot that holds it */
    const char *note; /* JSON: its member of the manifest */
    const char *why;  /* NULL; else it is left out and named with this sentence */
};

struct bundle_feed;
struct bundle_feed_ops {
    /* What there is, ascending by name; borrowed until the next call. */
    MUST_CHECK bool (*list)(struct bundle_feed *f, const struct bundle_item **items, size_t *count,
                            struct err *e);
    /* Append the bytes of the n-th item. */
    MUST_CHECK bool (*read)(struct bundle_feed *f, size_t n, struct buf *out, struct err *e);
    void (*free)(struct bundle_feed *f);
};
struct bundle_feed {
    const struct bundle_feed_ops *ops;
};

/* Takes the feed.  keep goes into the manifest. */
struct member *bundle_member_new(struct bundle_feed *feed, int keep);

/* The feed of such a member, borrowed; NULL for other kinds. */
struct bundle_feed *bundle_member_feed(const struct member *m);

#endif
