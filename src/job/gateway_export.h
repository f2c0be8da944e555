/*
 * A zip file as WireGuard Gateway takes it (archive/wireguard_zip.h), out of a snapshot of the set
 * that a gateway is: docs/applications/wireguard-gateway.md.  Part of job.h.
 *
 *     sqlite/app.db, configs.db, wireguard.db     those that are there, at least one
 *     configs/.../configs/...                     that folder, with what is in it
 *     command/iptables                            as iptables_rules.txt, unless it is empty
 */
#ifndef JOB_GATEWAY_EXPORT_H
#define JOB_GATEWAY_EXPORT_H

#include "repo/repo.h"

#define GATEWAY_FILE_MAX 37 /* with NUL, as WIREGUARD_FILE_MAX */

struct gateway_export {
    char name[GATEWAY_FILE_MAX]; /* of the file, by the snapshot's time */
    uint64_t bytes;
    struct hash sum;
    size_t databases, configs, rules; /* how many files; configs counts NAME.conf only */
};

/*
 * Make it in memory, in the empty *file.  ERR_USAGE when the snapshot is none of a gateway, or the
 * application would not take the file: too much, a link or an odd name among the configurations.
 */
MUST_CHECK bool gateway_export_make(struct repo *r, const struct snapshot *s, struct buf *file,
                                    struct gateway_export *out, struct err *e);

/* Write what was made into a folder that is there, whole and durable, mode 0600, or not at all.
 * ERR_EXISTS when the folder has a file of its name. */
MUST_CHECK bool gateway_export_publish(const struct gateway_export *x, const char *folder,
                                       struct slice file, struct err *e);

#endif
