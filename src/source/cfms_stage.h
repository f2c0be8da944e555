/*
 * Records of an archive on their way into the database of CFMS.  Part of source.h.
 *
 * They wait in temporary tables beside those of the application, where they are compared with it,
 * until one transaction brings all of them in.
 */
#ifndef SOURCE_CFMS_STAGE_H
#define SOURCE_CFMS_STAGE_H

#include "source/cfms_app.h"
#include "source/cfms_contents.h"

/* Connects; nothing of the application is locked or changed.  ERR_USAGE as cfms_app_open(). */
struct cfms_stage;
MUST_CHECK bool cfms_stage_open(const struct cfms_place *p, struct cfms_stage **out, struct err *e);
void cfms_stage_close(struct cfms_stage *s); /* accepts NULL; undoes what was not brought in */
void cfms_stage_auto(struct cfms_stage **s);

/* One record more; ERR_USAGE when its id comes twice, or a revision is another document's. */
MUST_CHECK bool cfms_stage_document(struct cfms_stage *s, const struct cfms_document *d,
                                    struct err *e);
MUST_CHECK bool cfms_stage_folder(struct cfms_stage *s, const struct cfms_folder *f, struct err *e);
MUST_CHECK bool cfms_stage_file(struct cfms_stage *s, const struct cfms_file *f, struct err *e);
/* Behind all files: the archive has the content of this one; *is_known: and its record. */
MUST_CHECK bool cfms_stage_content(struct cfms_stage *s, const char *id, bool *is_known,
                                   struct err *e);

enum cfms_finding {
    /* These stand in the way: */
    CFMS_TAKEN,     /* the database has a record of this id; about: which kind */
    CFMS_NO_FOLDER, /* it stands in a folder (about) that neither archive nor database has */
    CFMS_CYCLE,     /* the folder stands, by way of others, in itself; about: its parent */
    /* These do not: */
    CFMS_NO_FILE,    /* the document has a revision of a file (about) that the archive lacks: it
                        stays out, for a file of that id would be somebody else's */
    CFMS_NO_CONTENT, /* of a file; the archive lacks it */
    CFMS_NO_GROUP,   /* access rules name a group that the database lacks */
    CFMS_LEFT,       /* a content that an import left, which no record has */
};
typedef void cfms_finding_fn(void *arg, enum cfms_finding kind, const char *id, const char *about);

struct cfms_settled {
    uint64_t documents, folders, files, revisions, rules; /* that will come in */
    uint64_t remapped;                                    /* of them get new ids */
    uint64_t in_the_way, no_content, no_file;
};

/*
 * All records are there: what each is called from now on, and what was found.  With remaps a record
 * whose id is taken gets a new one, at random, wherever it is referred to.
 */
MUST_CHECK bool cfms_stage_settle(struct cfms_stage *s, bool remaps, cfms_finding_fn *tell,
                                  void *arg, struct cfms_settled *out, struct err *e);

/* What the content of a settled file has to be; sha256 is valid only with has_sha256. */
struct cfms_wanted {
    char new_id[CFMS_ID_MAX];
    bool has_sha256;
    struct hash sha256;
};
MUST_CHECK bool cfms_stage_wanted(struct cfms_stage *s, const char *id, struct cfms_wanted *out,
                                  bool *is_known, struct err *e);

/* Tell which contents of former imports no record has. */
MUST_CHECK bool cfms_stage_look_left(struct cfms_stage *s, const struct cfms_contents *c,
                                     cfms_finding_fn *tell, void *arg, struct err *e);

/* status "importing", its step in the application's words, percent */
typedef void cfms_step_fn(void *arg, const char *status, const char *text, int percent);

/*
 * Bring everything in, in one transaction.  Nothing is changed when it fails, but for ERR_AWAY: the
 * connection broke, and nobody knows.
 */
MUST_CHECK bool cfms_stage_apply(struct cfms_stage *s, cfms_step_fn *step, void *arg,
                                 struct err *e);

#endif
