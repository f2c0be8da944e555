/*
 * What backup configurations of the API find on this host: the surroundings of pos_set.h, from
 * `serve: compat: pos` of holdfast.yaml.  Part of job.h.
 *
 *     serve:
 *       compat:
 *         pos:
 *           database_url_file: /etc/vevurn/database.url    DATABASE_URL, a line of text
 *           upload_dir: /srv/vevurn/uploads                UPLOAD_DIR, REPORTS_DIR, EXPORTS_DIR
 *           key_file: /etc/holdfast/pos.key                or password_file: of all repositories
 *           roots: [/backup]                               where local destinations may lie
 *           source_roots: [/srv]                           where sources may lie
 *           servers:                                       which servers sources may name
 *             main: {dsn: "host=db user=holdfast", password_file: /etc/holdfast/main.password}
 *
 * Nothing is taken from the environment, and nothing has a default.  The password of DATABASE_URL
 * is put into a file of the state folder, where jobs find it.
 */
#ifndef JOB_POS_PLACE_H
#define JOB_POS_PLACE_H

#include "job/pos_set.h"

/* STATE/configs: what jobs read of configurations of the API, mode 0700. */
#define POS_PLACE_FOLDER   "configs"
#define POS_PLACE_PASSWORD "database.password"

struct pos_place;

/* Look.  ERR_USAGE: the host has no such section.  Folders that are not there count as none; a
 * DATABASE_URL that cannot be used is told to who needs it.  The configuration must live as long.
 */
MUST_CHECK bool pos_place_open(const struct config *c, struct pos_place **out, struct err *e);
void pos_place_close(struct pos_place *p); /* accepts NULL */
void pos_place_auto(struct pos_place **p);

/*
 * The document of a configuration that stands alone: its set, its repositories, the state folder.
 * ERR_USAGE with the path of what is wrong in the configuration, when something is; the same name
 * as a set of holdfast.yaml is.
 */
MUST_CHECK bool pos_place_document(const struct pos_place *p, const struct pos_config *c,
                                   struct buf *out, struct err *e);

/* Write what jobs need besides documents: the password.  folder: of STATE/configs. */
MUST_CHECK bool pos_place_publish(const struct pos_place *p, int folder, struct err *e);

/*
 * May the repository of a local destination be made at this path?  ERR_USAGE: it lies in none of
 * the roots, its root is not there, or the table of file systems (POS_PLACE_MOUNTS) has a mount
 * point on the way to it where nothing is mounted.
 */
#define POS_PLACE_MOUNTS "/etc/fstab"
MUST_CHECK bool pos_place_may_make(const struct pos_place *p, const char *path, const char *table,
                                   struct err *e);

#endif
