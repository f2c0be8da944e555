/* What adding to the audit log and verifying it share.  Private to src/catalog. */
#ifndef CATALOG_AUDIT_PRIVATE_H
#define CATALOG_AUDIT_PRIVATE_H

#include "catalog/tx.h"

#define AUDIT_HASH (2 * HASH_SIZE + 1)

/* What is hashed. */
#define AUDIT_RECORD 1
#define AUDIT_HEAD   2

#define AUDIT_LIST(condition)                                                                 \
    "SELECT seq, time_ns, actor, action, object, outcome, record FROM audit WHERE " condition \
    " AND seq < $3 AND ($5 = '' OR action = $5) AND ($6 = '' OR outcome = $6)"                \
    " AND time_ns >= $7 AND time_ns < $8 ORDER BY seq DESC LIMIT $4"

void audit_hash(struct catalog *c, uint8_t type, struct slice text, char out[AUDIT_HASH]);

/* The end of the log as it stands aside. */
struct audit_head {
    int64_t seq;
    char hash[AUDIT_HASH];
};
/* ERR_NOT_FOUND; ERR_CORRUPT when it is not what this catalog wrote. */
MUST_CHECK bool audit_head_read(struct catalog *c, struct audit_head *out, struct err *e);

#endif
