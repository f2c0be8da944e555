/*
 * What the database of School ERP remembers of its backups: a row of "Backup" for each, where the
 * table is that of the application's first version, and a row of audit_logs for each operation.
 * Later versions have another table of that name, which is left alone.  Part of source.h.
 */
#ifndef SOURCE_SCHOOL_LOG_H
#define SOURCE_SCHOOL_LOG_H

#include "source/table_json.h"

struct school_log_entry {
    const char *action;  /* of audit_logs: "CREATE", "UPDATE", "DELETE" */
    const char *id;      /* of the backup: 32 hexadecimal digits */
    const char *file;    /* its name */
    const char *user;    /* who did it; NULL: nobody of the application */
    const char *created; /* CREATE: the time of the backup; DELETE removes the row of "Backup" */
    uint64_t size;       /* of the file */
    const char *changes; /* a JSON object */
};

/* Neither counts when the database has no such table. */
struct school_logged {
    bool has_metadata; /* "Backup" says it */
    bool has_audit;    /* audit_logs does */
    char problem[300]; /* why a table that is there does not; "" for none */
};

/*
 * In the caller's transaction, which a table that refuses its row does not break: that is a
 * problem to tell, not a failure.  Without a user the application's "SYSTEM" stands for one where
 * there has to be one.
 */
MUST_CHECK bool school_log_put(struct postgres_link *l, const struct school_log_entry *entry,
                               struct school_logged *out, struct err *e);

/* In a transaction of its own, which is there only if act (or NULL) returns true. */
typedef bool school_log_act_fn(void *arg, struct err *e);
MUST_CHECK bool school_log_write(const struct table_json_database *where,
                                 const struct school_log_entry *entry, school_log_act_fn *act,
                                 void *arg, struct school_logged *out, struct err *e);

#endif
