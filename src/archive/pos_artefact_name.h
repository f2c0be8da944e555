/*
 * Keys, kinds and names of the files that pos_artefact.h reads and writes.
 */
#ifndef ARCHIVE_POS_ARTEFACT_NAME_H
#define ARCHIVE_POS_ARTEFACT_NAME_H

#include "codec/cipher.h"
#include "codec/hash.h"

struct pos_key {
    uint8_t bytes[CIPHER_KEY_SIZE];
};
void pos_key_auto(struct pos_key *k); /* wipes it */
/* What a key file holds: 64 hexadecimal digits, and white space behind them.  ERR_USAGE, which says
 * of 32 digits that these are half a key. */
MUST_CHECK bool pos_key_parse(struct slice text, struct pos_key *out, struct err *e);

enum pos_kind {
    POS_KIND_DATABASE,
    POS_KIND_FILES,
};
enum pos_compression { /* of the database; files are in a zip file whatever it is */
                       POS_GZIP,
                       POS_BZIP2,
                       POS_NONE,
};
/* "gzip", "bzip2", "none", as configurations have them. */
const char *pos_compression_name(enum pos_compression c);

#define POS_CONFIG_NAME_MAX 120 /* bytes */
#define POS_UUID_TEXT       37  /* with NUL */
#define POS_FILE_NAME_MAX   256 /* with NUL */

/* NAME_2025-08-10T02-00-00-123Z_database.sql.gz.enc */
struct pos_name {
    char config[POS_CONFIG_NAME_MAX + 1]; /* the name of the configuration */
    int64_t time_ns;
    enum pos_kind kind;
    enum pos_compression compression; /* POS_NONE for files */
    bool is_sealed;
    char uuid[POS_UUID_TEXT]; /* of files */
};
/* ERR_USAGE for a configuration's name that cannot stand in one: empty, too long, not UTF-8, with
 * control characters or '/', or beginning with a point. */
MUST_CHECK bool pos_name_format(const struct pos_name *n, char out[POS_FILE_NAME_MAX],
                                struct err *e);
/* ERR_USAGE for what pos_name_format() does not make. */
MUST_CHECK bool pos_name_parse(const char *text, struct pos_name *out, struct err *e);

struct pos_written {
    uint64_t size;      /* of the file */
    struct hash sha256; /* of the file: the service's "checksum" */
};

#endif
