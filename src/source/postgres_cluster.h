/*
 * A PostgreSQL server for a while, made for proving backups.  Part of source.h.
 *
 * It has a cluster of its own in a folder, is reached by nobody but this user through a socket
 * there, and writes nothing durably.  It ends with the thread that started it, however that ends.
 */
#ifndef SOURCE_POSTGRES_CLUSTER_H
#define SOURCE_POSTGRES_CLUSTER_H

#include "base/process.h"

#define POSTGRES_CLUSTER_FOLDER "cluster"

struct postgres_cluster {
    struct child server;
    char *dsn; /* of a superuser */
};
#define POSTGRES_CLUSTER_NONE ((struct postgres_cluster){.server = CHILD_NONE})

/*
 * Make and start one of at least this major version, with the newest programs installed.  folder is
 * absolute; what is made in it is POSTGRES_CLUSTER_FOLDER, and stays.  For root it belongs to and
 * runs as the user postgres, or nobody where there is none, who must be able to pass through
 * folder. ERR_NOT_FOUND when no server is installed that is new enough.
 */
MUST_CHECK bool postgres_cluster_start(struct postgres_cluster *c, const char *folder, int major,
                                       struct err *e);
/* After a failure: whether the server goes on, which takes a second.  ERR_FATAL with its last words
 * when it has ended.  POSTGRES_CLUSTER_NONE is well. */
MUST_CHECK bool postgres_cluster_check(struct postgres_cluster *c, struct err *e);
/* Also of POSTGRES_CLUSTER_NONE. */
void postgres_cluster_stop(struct postgres_cluster *c);
void postgres_cluster_auto(struct postgres_cluster *c);

#endif
