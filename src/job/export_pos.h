/*
 * Snapshots as files such as the backup service of Vevurn POS leaves (archive/pos_artefact.h), for
 * who wants to go back to it or to hand one on.  Part of job.h.
 */
#ifndef JOB_EXPORT_POS_H
#define JOB_EXPORT_POS_H

#include "archive/pos_artefact_name.h"
#include "repo/repo.h"

struct export_pos_options {
    const struct snapshot *snapshot;
    enum pos_kind kind;
    const char *place; /* POS_KIND_DATABASE: "postgres/shop"; NULL: the only one of the snapshot */
    const char *const *folders; /* POS_KIND_FILES: in the snapshot, absolute; see below */
    size_t folder_count;
    const char *folder;               /* that gets the file; it is there */
    const char *name;                 /* of the configuration; in the name of the file */
    enum pos_compression compression; /* of a database */
    const struct pos_key *key;        /* NULL: not encrypted */
};

struct export_pos_result {
    char name[POS_FILE_NAME_MAX]; /* of the file, in the folder */
    struct pos_written written;
    uint64_t tables, rows, tables_without_rows; /* POS_KIND_DATABASE */
    uint64_t files, left_out;                   /* POS_KIND_FILES; links and special files */
};

/*
 * Write one file; the index is loaded here.  It has its name only when it is whole and on the disk:
 * until then it is "holdfast-export-..." beside it, which a failure removes and a kill leaves.
 * ERR_EXISTS: there is one of that name.  ERR_NOT_FOUND: the snapshot has nothing of the kind,
 * ERR_USAGE: several databases, or what a zip file of the service cannot hold.
 *
 * POS_KIND_FILES: each of the folders under the last part of its path, and single files called
 * .env.example, package.json and schema.prisma in config/; without any, the topmost folders called
 * uploads, reports and exports.  Links and special files in them are left out, and counted.
 */
MUST_CHECK bool export_pos_run(struct repo *r, const struct export_pos_options *o,
                               struct export_pos_result *out, struct err *e);

#endif
