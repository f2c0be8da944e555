/*
 * Backups of WireGuard Gateway, as its published code writes and checks them;
 * docs/formats/wireguard-gateway.md.
 *
 *     wireguard_backup_YYYYMMDD_HHMMSS.zip (UTC) of
 *         app.db, configs.db, wireguard.db       SQLite, at least one of them
 *         iptables_rules.txt, iptables_nat_rules.txt, iptables_forward_rules.txt    may be absent
 *         backup_metadata.json                   what is in it
 *         configs/...                            NAME.conf, and what else was in that folder
 *
 * It holds private keys and password hashes in clear.
 */
#ifndef ARCHIVE_WIREGUARD_ZIP_H
#define ARCHIVE_WIREGUARD_ZIP_H

#include "archive/zip.h"

/* Names of files: ERR_USAGE "Invalid backup filename" for what is no such name. */
#define WIREGUARD_FILE_MAX 37 /* with NUL */
/* The time's year has four digits. */
void wireguard_name_format(int64_t time_ns, char out[WIREGUARD_FILE_MAX]);
MUST_CHECK bool wireguard_name_parse(const char *text, int64_t *time_ns, struct err *e);
/* ERR_USAGE "File must have .zip extension", for a file that somebody gives. */
MUST_CHECK bool wireguard_upload_check(const char *name, struct err *e);

/* What a member is, by its name. */
enum wireguard_part {
    WIREGUARD_DATABASE,
    WIREGUARD_RULES,
    WIREGUARD_METADATA,
    WIREGUARD_CONF,  /* configs/NAME.conf */
    WIREGUARD_OTHER, /* configs/ and anything else below it */
};
/* False: no such file belongs into a backup. */
bool wireguard_part_of(const char *name, enum wireguard_part *out);

/* Writing (wireguard_zip_writer.c) */

struct wireguard_making {
    const struct zip_member *members; /* all but the metadata, which is made here */
    size_t count;
    int64_t created_ns;
    const char *instance_path; /* the application's folder */
    bool with_sums;            /* "sha256" in the metadata: {NAME: digits} of all other members */
};

/*
 * Members stand in the order given, those below configs/ behind the others; the application has the
 * databases as app.db, configs.db, wireguard.db.  ERR_USAGE: a name that does not belong there, no
 * database, more than zip.h allows.  What members hold is not looked at: open what was written.
 * What was written before a failure is no zip file.  A database is given as a consistent copy, not
 * as the file that is being written to.  Published code passes over the sums.
 */
MUST_CHECK bool wireguard_zip_write(const struct wireguard_making *m, const struct output *to,
                                    struct err *e);

/* Reading (wireguard_zip_reader.c) */

#define WIREGUARD_METADATA_MAX ((size_t)4 << 20)
#define WIREGUARD_STAMP_MAX    64

struct wireguard_zip {
    struct zip zip;
    char created_at[WIREGUARD_STAMP_MAX]; /* as it stands there */
    size_t databases, configs, rules;     /* how many files */
};
void wireguard_zip_auto(struct wireguard_zip *w);

/*
 * Check everything that can be checked without a database: all of zip.h, every member's sum, that
 * only members that belong there are there, that the metadata lists them all (which the application
 * does for databases, .conf files and two of three files of rules) and nothing else, that databases
 * begin as SQLite's do and .conf files are UTF-8 with "[Interface]" and "[Peer]", and, when there
 * are sums, that there is one of every member and that it is right.  ERR_CORRUPT, in
 * the application's words where it has some.  The caller runs an integrity check over the databases
 * in a sandbox.  from stays until w is done with.
 *
 * Members are read again by zip_read() from w->zip, which checks their sums again.
 */
MUST_CHECK bool wireguard_zip_open(const struct input *from, struct wireguard_zip *out,
                                   struct err *e);

#endif
