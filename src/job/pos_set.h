/*
 * Backup configurations of the POS service as sets: what such a configuration asks for, in the
 * words of holdfast.yaml, and back.  Part of job.h.
 *
 *     id, name, compression ...   the set is called as its id; the whole text stands in its
 *                                 backup_config, from where it comes back unchanged
 *     type                        database: the database; files: the folders; full, incremental and
 *                                 differential: both.  Each snapshot is full and shares with the
 *                                 others what it has in common, so the last three do the same; the
 *                                 word becomes the tag "type:incremental" of the snapshots
 *     schedule, timezone          schedule, unless it is not enabled
 *     retention                   retention
 *     destinations                one repository each, named by kind and place; those of several
 *                                 configurations at the same place are one
 *     notifications               notify
 *     sources                     sources, where it has them: files and databases below folders
 * that the host allows, and servers that the host has by name
 *
 * compression and encryption say how the original wrote its files; a repository compresses and
 * encrypts always, in its own way.
 */
#ifndef JOB_POS_SET_H
#define JOB_POS_SET_H

#include "codec/pos_config.h"
#include "job/config.h"
#include "job/pos_database.h"

/* What configurations leave to the place where they run. */
struct pos_surroundings {
    const char *dsn;           /* of DATABASE_URL (pos_database); NULL: there is none */
    const char *why_no_dsn;    /* why it cannot be used; NULL: it was not configured */
    const char *password_file; /* where its password was put; NULL: it has none */
    const char *key_file;      /* of the repositories; else repository_password_file */
    const char *repository_password_file;
    /* UPLOAD_DIR, REPORTS_DIR, EXPORTS_DIR as far as they are there: absolute paths.  One that
     * lies in another is backed up with it. */
    const char *const *folders;
    size_t folder_count;
    /* Where local destinations may lie: absolute paths, none: anywhere. */
    const char *const *roots;
    size_t root_count;
    /* What sources of a configuration may name; none: it may not. */
    const char *const *source_roots; /* absolute paths */
    size_t source_root_count;
    const struct config_server *servers;
    size_t server_count;
};

/*
 * The document that config_read() takes (as JSON) with a set and its repositories, added to
 * *document, which may have others, or is NULL and is made.  ERR_USAGE: a set of the same name is
 * there, a destination lies outside the roots, or the surroundings lack what the type needs; the
 * document is unchanged then.
 */
MUST_CHECK bool pos_set_add(const struct pos_config *c, const struct pos_surroundings *s,
                            json_t **document, struct err *e);

/*
 * The configuration that a set was made from, unchanged.  ERR_NOT_FOUND: it was made from none;
 * ERR_USAGE: schedule, retention, type or notices of the set were changed since, so that it would
 * not say what the set does.  The text is borrowed.
 */
MUST_CHECK bool pos_set_export(const struct config_set *set, const char **text, struct err *e);

/* Is a path below a folder, or the folder itself, however many slashes and "." are in them? Neither
 * goes through "..". */
bool pos_set_lies_in(const char *path, const char *folder);

#endif
