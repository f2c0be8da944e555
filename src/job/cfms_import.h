/*
 * An archive of CFMS back into what its server keeps.  Part of job.h.
 *
 * A process in a sandbox reads it, as import.h says; all of it is right before anything is touched.
 * Contents come first, under names that no record has yet; then one transaction of the database.
 * Whatever ends the process in between leaves the database as it was, and perhaps contents that the
 * next import names and takes over.
 */
#ifndef JOB_CFMS_IMPORT_H
#define JOB_CFMS_IMPORT_H

#include "source/source.h"

struct cfms_import_options {
    const char *path; /* of the archive */
    struct slice key; /* what its key file holds, at most CFMS_KEY_TEXT_MAX bytes */
    struct cfms_place place;
    bool remaps; /* records whose ids are taken get new ones; otherwise nothing comes in */
    bool takes_unauthenticated;
    bool is_dry_run; /* everything but contents and the transaction */
    cfms_finding_fn *finding;
    cfms_step_fn *step; /* the application's own words for what is being done */
    void *arg;
};

struct cfms_import_result {
    bool is_authenticated;
    struct cfms_settled records;
    uint64_t strays; /* contents of the archive without a record, which stay out */
};

/*
 * ERR_USAGE when nothing says who made the archive and that is not taken, and when findings stand
 * in the way; ERR_CORRUPT when it is none or damaged.  After a failure neither database nor content
 * folder has anything of it, but for ERR_AWAY: nobody knows whether it is in the database, and the
 * contents stay.
 */
MUST_CHECK bool cfms_import(const struct cfms_import_options *o, struct cfms_import_result *out,
                            struct err *e);

#endif
