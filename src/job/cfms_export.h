/*
 * An archive of what CFMS keeps (archive/cfms.h), as its own "generate_backup" writes it, and its
 * key file with a MAC.  Part of job.h.
 */
#ifndef JOB_CFMS_EXPORT_H
#define JOB_CFMS_EXPORT_H

#include "codec/cfms_task.h"
#include "source/source.h"

struct cfms_export_options {
    struct cfms_place place;
    const char *output_dir; /* of the archive; it is there */
    const char *key_dir;    /* of the key; it is there */
    const char *name; /* NULL: "backup_" and the first second since 1970 from now on that is free */
    cfms_missing_fn *missing;
    void *arg;
};

struct cfms_export_result {
    char name[CFMS_NAME_MAX + 1];
    double created_at;
    struct cfms_counts counts;
    uint64_t missing;   /* contents that are not in it */
    bool is_key_beside; /* both folders are the same */
};

/*
 * Write NAME.key and NAME.cfms.enc, with mode 0600.  Each is whole and durable before it has its
 * name, the key first; neither replaces anything (ERR_EXISTS), and after a failure neither is
 * there.  ERR_USAGE for a name that is not made of CFMS_NAME_CHARS.
 */
MUST_CHECK bool cfms_export(const struct cfms_export_options *o, struct cfms_export_result *out,
                            struct err *e);

#endif
