/*
 * Members of a set: a database, a file of a database, the output of a command.  Part of
 * source.h.
 *
 * In a snapshot of a set each kind of member has a directory of its kind's name, and each
 * member one or more entries in it ("postgres/shop/", "sqlite/app.db"), that exist nowhere
 * else: they are made for the backup.
 */
#ifndef SOURCE_MEMBER_H
#define SOURCE_MEMBER_H

#include "base/buf.h"

struct listing;
struct member;
struct sink;
struct sink_dir;

struct member_ops {
    const char *kind; /* names the directory */

    /*
     * Look at what is to be backed up.  Fails for everything that can be known before anything is
     * stored: no such server, file or program, wrong password, no rights.  Blocks.  What it opens
     * stays open until free().
     */
    MUST_CHECK bool (*prepare)(struct member *m, struct err *e);

    /* Append the entries that it will send, the same each time.  Their names begin with the
     * member's. */
    void (*announce)(struct member *m, struct listing *l);

    /*
     * Send them, with lanes of its own; dir is the kind's directory and l its listing as it was
     * announced, sorted, with the entries of other members too, and with what the sink wants of
     * them.  False: the sink failed and *e is
     * its error, or ERR_CANCELLED.  What goes wrong with the member is told with skip() for every
     * entry that is left out, or with note() when it is there but not as it should be, and *failure
     * (clear before) then says in one sentence that the member cannot be brought back whole from
     * this backup.  Called once.  Blocks.
     */
    MUST_CHECK bool (*send)(struct member *m, struct sink *k, struct sink_dir *dir,
                            const struct listing *l, struct err *failure, struct err *e);

    void (*free)(struct member *m);
};

/* The first part of every member. */
struct member {
    const struct member_ops *ops;
    char *name;     /* unique in its kind; passes member_check_name() */
    int64_t now_ns; /* the time that made entries get; set before announce() */
};

void member_free(struct member *m); /* accepts NULL */
void member_auto(struct member **m);

/* ERR_USAGE unless text can be the name of a file that a manifest stands beside. */
#define MEMBER_MANIFEST ".manifest.json"
#define MEMBER_NAME_MAX 200
/* What is damaged in a source is not the repository, which further up ERR_CORRUPT stands for: it
 * becomes ERR_FATAL.  Returns false. */
bool member_err(struct err *e);
/* Whether this is the name of a manifest that stands beside a member's entry. */
bool member_is_manifest(struct slice name);
MUST_CHECK bool member_check_name(const char *text, struct err *e);

#endif
