/*
 * Object storage: named, immutable runs of bytes.
 *
 * The repository keeps everything it knows in objects, and this is all it asks of
 * the place that holds them.  A driver (local, s3, sftp, memory) implements struct store_ops; a
 * wrapper (retry, throttle, cache, fault) implements the same struct around another store.
 * Callers use the store_*() functions and never the table.
 *
 * Promises every store makes, and which tests/store/conformance.c checks:
 *  - An object is seen whole or not at all, also after a crash or a lost connection.
 *  - Once put() has returned true the object survives power loss, and get() and
 *    list() from any client see it.
 *  - Any operation may be called from several threads at once.
 *  - A failed operation may be repeated.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "store/http.h" /* for those who speak to other services, too */

/* Longest object, in bytes.  Objects therefore fit in memory and no call streams. */
#define STORE_OBJECT_MAX ((size_t)64 << 20)

/* Longest life of an address that store_sign() makes, in seconds: seven days, as S3 has it. */
#define STORE_SIGN_MAX 604800

/* As a size: up to the object's end. */
#define STORE_WHOLE SIZE_MAX

/*
 * Locks that the storage itself keeps: until one ends nobody can remove the bytes of its object,
 * whatever keys he has.  Both 0: objects are stored without.
 */
struct lock_rule {
    int64_t
        promise_s;   /* for so long at least is locked what a snapshot needs, from its commit on */
    int64_t lasts_s; /* a lock when it is made; longer, so that few have to be extended */
    bool is_strict;  /* as in struct object_lock */
};

struct store {
    const struct store_ops *ops;
    struct lock_rule locks; /* of objects whose keys object_key_is_lasting() */
    int parallel;           /* calls at once that make work faster; the driver's word, 0 means 1 */
    bool has_cache;         /* store_cache_new() is part of it */
    bool needs_probe;       /* what it promises depends on a server that others made */
    bool can_move;          /* move() works; otherwise the storage has no such step */
    bool can_sign;          /* sign() works */
    uint64_t file_max;      /* longest file that put_file() takes, in bytes; 0: it takes none */

    /* Which of the promises above the storage cannot keep, as a sentence without a full stop;
     * NULL: it keeps them all. */
    const char *caveat;
};

/* What list() and stat() tell about an object. */
struct object_info {
    const char *key; /* "packs/3f/3f9a..."; borrowed, valid during the call only */
    uint64_t size;   /* bytes */
    int64_t mtime;   /* seconds since 1970 by the storage's own clock */
};

/* Called once per object; returning false ends the listing with *e as its error. */
typedef bool object_fn(void *arg, const struct object_info *info, struct err *e);

/* The lock of an object. */
struct object_lock {
    int64_t until_s; /* by the storage's clock, seconds since 1970; 0: there is none */
    bool is_strict;  /* nobody can take it off, not even whoever owns the storage */
};

enum put_mode {
    PUT_NEW,     /* ERR_EXISTS if the key is taken, decided atomically */
    PUT_REPLACE, /* last writer wins */
};

/*
 * What a driver supplies.  All members are set but for those that may be NULL.  Keys are relative,
 * '/'-separated, and made of [a-z0-9._/-] only; no component is empty or begins with a dot, and the
 * first is not "tmp", which drivers keep for themselves.  Codes not named below mean what err.h
 * says.
 */
struct store_ops {
    const char *scheme; /* "local", as in the local:PATH that selects it */

    /*
     * Append bytes [offset, offset + size) of an object to *out.  ERR_NOT_FOUND if
     * there is no such object, ERR_CORRUPT if it is shorter than the range or, with
     * STORE_WHOLE, longer than any object may be.
     */
    bool (*get)(struct store *s, const char *key, uint64_t offset, size_t size, struct buf *out,
                struct err *e);

    /* Store an object durably.  data is borrowed for the length of the call. */
    bool (*put)(struct store *s, const char *key, struct slice data, enum put_mode mode,
                struct err *e);

    /* Describe one object; info->key points at the key passed in. */
    bool (*stat)(struct store *s, const char *key, struct object_info *info, struct err *e);

    /* Call fn for every object whose key starts with prefix, in no special order. */
    bool (*list)(struct store *s, const char *prefix, object_fn *fn, void *arg, struct err *e);

    /* Remove an object durably.  An object that is already gone counts as removed. */
    bool (*remove)(struct store *s, const char *key, struct err *e);

    /* Remove many, in as few requests as the store can; NULL: one by one.  After a failure some
     * are gone and some are not. */
    bool (*remove_all)(struct store *s, const char *const *keys, size_t count, struct err *e);

    /*
     * Move an object durably to another key, in one step and with its mtime; what is there is
     * replaced.  ERR_NOT_FOUND if there is no such object.  NULL unless can_move.
     */
    bool (*move)(struct store *s, const char *from, const char *to, struct err *e);

    /* Tell the lock of an object.  NULL where there are none. */
    bool (*lock_get)(struct store *s, const char *key, struct object_lock *out, struct err *e);

    /*
     * Let an object be locked from now for locks.lasts_s, and tell the lock that it has then.  was
     * is what it had; a lock is never made weaker.  NULL where there are none.
     */
    bool (*lock_extend)(struct store *s, const char *key, const struct object_lock *was,
                        struct object_lock *out, struct err *e);

    /* Whether the storage keeps what is removed as an older version, so that removing frees no
     * space.  NULL: it does not. */
    bool (*keeps_versions)(struct store *s, bool *out, struct err *e);

    /* Append the address by which whoever has it may read an object for so many seconds, at most
     * STORE_SIGN_MAX, without keys.  Whether it is there is not looked at.  NULL unless can_sign.
     */
    bool (*sign)(struct store *s, const char *key, unsigned seconds, struct buf *out,
                 struct err *e);

    /*
     * Store a file that may be longer than any object, from its beginning and size bytes of it.
     * Nothing of it is seen before all is there; what has the key is replaced.  What a crash leaves
     * behind takes space that no listing shows, until a later call for a key that is like this one
     * but for its hexadecimal digits finds it a week old.  NULL unless there is a file_max.
     */
    bool (*put_file)(struct store *s, const char *key, int fd, uint64_t size, struct err *e);

    /* Let go of connections and memory, s included.  Cannot fail: nothing is buffered. */
    void (*close)(struct store *s);

    /* Forget what is kept of an object near by: its bytes turned out not to be right.  Optional:
     * nothing is kept. */
    void (*distrust)(struct store *s, const char *key);
};

/* Whether snapshots need objects of this key for as long as they are there themselves: packs, the
 * index, snapshots, commits, key slots, the config.  These are never changed under their key. */
bool object_key_is_lasting(const char *key);

/*
 * What a store does: find out with an object of its own below "probe/", which is gone afterwards
 * unless nothing may be removed.
 * About ten calls.  Fails when a call does, whatever has been found by then.
 */
struct store_abilities {
    bool is_read_at_once;    /* what was put, replaced or removed */
    bool is_listed_at_once;  /* what was put or removed */
    bool refuses_taken_keys; /* PUT_NEW */
};
MUST_CHECK bool store_probe(struct store *s, struct store_abilities *out, struct err *e);

/* Keys that were taken out of the environment, in secret memory: by the first store that asks for
 * them, for all that one run opens.  {0} holds none; AUTO(store_secrets). */
struct store_secrets {
    bool is_taken;
    char *access_key_id, *secret_access_key, *session_token; /* NULL: not set */
};
void store_secrets_auto(struct store_secrets *s);

enum s3_style {
    S3_STYLE_AUTO, /* the bucket stands in the host's name at Amazon, in the path elsewhere */
    S3_STYLE_PATH,
    S3_STYLE_HOST,
};

enum s3_object_lock {
    S3_OBJECT_LOCK_OFF,
    S3_OBJECT_LOCK_GOVERNANCE, /* whoever has a special right can remove what is locked */
    S3_OBJECT_LOCK_COMPLIANCE, /* nobody can */
};

struct s3_options {
    const char *region;              /* NULL: see docs/stores.md */
    const char *profile;             /* of the files of Amazon's tools */
    const char *credentials_file;    /* instead of ~/.aws/credentials */
    const char *credentials_command; /* prints keys as JSON */
    int credentials_timeout_s;       /* that the command may take; 0: the driver's choice */
    const char *ca_file, *proxy;
    int style;       /* enum s3_style */
    int connections; /* at once; 0: the driver's choice */
    int patience_s;  /* for failures that pass; 0: the driver's choice */
    int timeout_s;   /* of a transfer that stands still; 0: the driver's choice */
    bool no_conditional_put, insecure_no_verify_tls;
    int object_lock;      /* enum s3_object_lock */
    int object_lock_days; /* that are promised; above 0 with a lock and 0 without */
};

struct sftp_options {
    const char *command; /* the whole command that leads to an SFTP server; NULL: ssh */
    const char *args;    /* further arguments for ssh */
    int connections;     /* at most; 0: the driver's choice */
    int timeout_s;       /* of a server that says nothing; 0: the driver's choice */
};

/* How to reach a store.  {0} is the default of everything.  Strings are borrowed and outlive the
 * store. */
struct store_options {
    struct s3_options s3;
    struct sftp_options sftp;
    struct store_secrets *secrets;         /* NULL: variables with keys are not looked at */
    uint64_t upload_limit, download_limit; /* bytes a second; 0: none */
};

/* Set one of them by its name, "s3.region=eu-central-1".  ERR_USAGE when there is none of that
 * name or when it takes no such value. */
MUST_CHECK bool store_option_set(struct store_options *o, const char *setting, struct err *e);

/* The n-th name with what its value is called and a line of help, or false behind the last. */
struct store_option_text {
    const char *name, *value, *help;
};
bool store_option_text(size_t n, struct store_option_text *out);

/*
 * Open the store named by a URL: a path or "local:PATH", with retries around it.  It must
 * exist (ERR_NOT_FOUND otherwise; ERR_USAGE for an unknown scheme, ERR_DENIED for a
 * directory that may not be read, ERR_FATAL for a file in its place).  The caller owns
 * *out and passes it to store_close().
 */
MUST_CHECK bool store_open(const char *url, const struct store_options *o, struct store **out,
                           struct err *e);

/*
 * Take out of the environment what store_open() would take for this place.  For those who open
 * several stores at once: the environment must not change while other threads read it.
 */
void store_secrets_take(const char *url, const struct store_options *o);

/*
 * Make the place that a URL names, with its parent directories, and open it.  ERR_EXISTS
 * when it is there and not empty; a local folder may hold what the making of a repository left
 * there that was killed: keys/ and tmp/ with nothing in them but files named by 32 digits.
 */
MUST_CHECK bool store_create(const char *url, const struct store_options *o, struct store **out,
                             struct err *e);

/* Accepts NULL. */
void store_close(struct store *s);
void store_auto(struct store **s);

/*
 * Objects in memory, for tests and dry runs.  It outlives store_close() while references
 * remain: store_memory_share() yields another handle on the same objects.
 */
struct store *store_memory_new(void);
struct store *store_memory_share(struct store *s);

/*
 * Wrapper that repeats what failed with ERR_TRANSIENT, at most attempts times in all, with
 * waits that double from 100 ms and full jitter; what still fails then is ERR_AWAY.  Owns next.  A
 * put() whose earlier attempt may have been applied and that now meets ERR_EXISTS compares the
 * bytes: equal is success.
 */
struct store *store_retry_new(struct store *next, int attempts);

/* The same, and it goes on until time_ns have passed since the call first failed. */
struct store *store_retry_patiently(struct store *next, int attempts, int64_t time_ns);

/* Wrapper that keeps transfers of all threads together below so many bytes a second; 0 is no
 * limit.  Owns next. */
struct store *store_throttle_new(struct store *next, uint64_t upload, uint64_t download);

/*
 * Wrapper that keeps copies of what is read again and again in another store near by: the config,
 * key slots, index objects, snapshots, commits, and packs of trees from the first time they are
 * read or written whole.  These are never changed under their key; whoever lists them learns what
 * is gone, and then the copies go, too.  So a get() may find an object that somebody has removed
 * since it was listed.  What goes wrong near by is no error: the copy is not used. Owns both
 * stores.
 */
struct store *store_cache_new(struct store *next, struct store *near);

/*
 * Wrapper that fails on purpose, for tests.  Does not own next.  Calls count from 0.
 */
enum fault_mode {
    FAULT_ONCE,      /* call at fails, later ones work */
    FAULT_FROM,      /* call at and all later ones fail */
    FAULT_LOST_REPLY /* call at is carried out, but its answer is an error (put, remove, move) */
};
struct fault_plan {
    int at;
    enum fault_mode mode;
    enum err_code code; /* of the failure, ERR_FATAL or ERR_TRANSIENT */
    bool writes_only;   /* count and fail put(), remove() and move() only */
};
struct store *store_fault_new(struct store *next, struct fault_plan plan);

/* Calls seen so far (those the plan counts). */
int store_fault_calls(struct store *s);

/* The beginning of a wrapper of another store. */
static inline struct store store_around(const struct store_ops *ops, const struct store *next)
{
    return (struct store){.ops = ops,
                          .locks = ops->lock_extend == NULL ? (struct lock_rule){0} : next->locks,
                          .parallel = next->parallel,
                          .has_cache = next->has_cache,
                          .needs_probe = next->needs_probe,
                          .can_move = next->can_move && ops->move != NULL,
                          .can_sign = next->can_sign && ops->sign != NULL,
                          .file_max = ops->put_file == NULL ? 0 : next->file_max,
                          .caveat = next->caveat};
}

/* At least 1. */
static inline int store_parallel(const struct store *s)
{
    return s->parallel < 1 ? 1 : s->parallel;
}

MUST_CHECK static inline bool store_put(struct store *s, const char *key, struct slice data,
                                        enum put_mode mode, struct err *e)
{
    return s->ops->put(s, key, data, mode, e);
}

MUST_CHECK static inline bool store_get(struct store *s, const char *key, uint64_t offset,
                                        size_t size, struct buf *out, struct err *e)
{
    return s->ops->get(s, key, offset, size, out, e);
}

MUST_CHECK static inline bool store_stat(struct store *s, const char *key, struct object_info *info,
                                         struct err *e)
{
    return s->ops->stat(s, key, info, e);
}

MUST_CHECK static inline bool store_list(struct store *s, const char *prefix, object_fn *fn,
                                         void *arg, struct err *e)
{
    return s->ops->list(s, prefix, fn, arg, e);
}

MUST_CHECK static inline bool store_remove(struct store *s, const char *key, struct err *e)
{
    return s->ops->remove(s, key, e);
}

MUST_CHECK static inline bool store_remove_all(struct store *s, const char *const *keys,
                                               size_t count, struct err *e)
{
    if (s->ops->remove_all != NULL)
        return s->ops->remove_all(s, keys, count, e);
    for (size_t i = 0; i < count; i++)
        if (!store_remove(s, keys[i], e))
            return false;
    return true;
}

/* Only for a store that can_move. */
MUST_CHECK static inline bool store_move(struct store *s, const char *from, const char *to,
                                         struct err *e)
{
    return s->ops->move(s, from, to, e);
}

MUST_CHECK static inline bool store_lock_get(struct store *s, const char *key,
                                             struct object_lock *out, struct err *e)
{
    if (s->ops->lock_get != NULL)
        return s->ops->lock_get(s, key, out, e);
    *out = (struct object_lock){0};
    return true;
}

/* Only for a store with a rule for locks. */
MUST_CHECK static inline bool store_lock_extend(struct store *s, const char *key,
                                                const struct object_lock *was,
                                                struct object_lock *out, struct err *e)
{
    return s->ops->lock_extend(s, key, was, out, e);
}

MUST_CHECK static inline bool store_keeps_versions(struct store *s, bool *out, struct err *e)
{
    if (s->ops->keeps_versions != NULL)
        return s->ops->keeps_versions(s, out, e);
    *out = false;
    return true;
}

/* Only for a store that can_sign. */
MUST_CHECK static inline bool store_sign(struct store *s, const char *key, unsigned seconds,
                                         struct buf *out, struct err *e)
{
    return s->ops->sign(s, key, seconds, out, e);
}

/* Only up to the store's file_max. */
MUST_CHECK static inline bool store_put_file(struct store *s, const char *key, int fd,
                                             uint64_t size, struct err *e)
{
    return s->ops->put_file(s, key, fd, size, e);
}

static inline void store_distrust(struct store *s, const char *key)
{
    if (s->ops->distrust != NULL)
        s->ops->distrust(s, key);
}

/* Append a whole object to *out. */
MUST_CHECK static inline bool store_get_all(struct store *s, const char *key, struct buf *out,
                                            struct err *e)
{
    return store_get(s, key, 0, STORE_WHOLE, out, e);
}

#endif
