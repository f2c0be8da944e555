/*
 * Backups of later CFMS servers, "NAME.confbak" (docs/formats/cfms.md), read only:
 *
 *     "CONF" | header length, 4 bytes, big-endian | header, JSON | AES-256-GCM | tag, 16 bytes
 *
 * Everything before the ciphertext is authenticated with it.  The plain text is xz of a tar
 * archive:
 *
 *     manifest.json  tables/NAME.jsonl ...  files/00000000.bin ...
 *
 * The manifest says which tables with how many rows, and which files with what size and SHA-256,
 * follow; it also holds the server's live secrets.
 */
#ifndef ARCHIVE_CFMS_CONF_H
#define ARCHIVE_CFMS_CONF_H

#include "archive/cfms.h"

#define CFMS_CONF_TABLES_MAX 64
#define CFMS_CONF_TEXT_MAX   64   /* of versions, times and names of tables, with NUL */
#define CFMS_CONF_PATH_MAX   1024 /* of an id or a path, with NUL */
#define CFMS_CONF_ARENA_MAX  ((size_t)256 << 20)  /* ids and paths of all files */
#define CFMS_CONF_XZ_MEMORY  ((uint64_t)80 << 20) /* xz -9 needs 65 MiB, servers use -6: 9 MiB */

/*
 * The key in either of its texts, blanks around it passed over: 43 letters of base64url, or 52 of
 * "23456789ABCDEFGHJKMNPQRSTUVWXYZ", with dashes and blanks anywhere.  ERR_USAGE otherwise; the
 * sentence never shows it.
 */
MUST_CHECK bool cfms_conf_key_parse(const char *text, uint8_t key[CFMS_KEY_SIZE], struct err *e);

/* What stands in clear in front; believed only by who has the key. */
struct cfms_conf_header {
    char created_at[CFMS_CONF_TEXT_MAX]; /* ISO 8601 */
    char core_version[CFMS_CONF_TEXT_MAX];
};
MUST_CHECK bool cfms_conf_header_read(const struct cfms_source *source,
                                      struct cfms_conf_header *out, struct err *e);

struct cfms_conf_table {
    char name[CFMS_CONF_TEXT_MAX]; /* [a-z0-9_] */
    uint64_t rows;
    const json_t *columns; /* list of texts */
};

struct cfms_conf_file {
    const char *id;
    const char *storage_path; /* relative, without "..", backslashes, colons, odd ends of parts */
    uint64_t size;
    struct hash sha256;
};

struct cfms_conf_manifest {
    const json_t *components;    /* list of texts, or NULL: the first version, which has all */
    const json_t *configuration; /* object; {}: none.  security.pepper and server.secret_key */
    const struct cfms_conf_table *tables;
    size_t table_count;
    const struct cfms_conf_file *files; /* each id and each path once */
    size_t file_count;
};

/*
 * What is in a backup.  Everything is borrowed for the length of the call, but the manifest's
 * tables and files, which stay until the reading ends.  A member that returns false ends the
 * reading with its error.  Nothing counts before cfms_conf_read() has returned true.
 */
struct cfms_conf_visitor {
    void *arg;
    bool (*manifest)(void *arg, const struct cfms_conf_manifest *m, struct err *e); /* first */
    /* The members of row are columns of the table, though perhaps not all of them. */
    bool (*row)(void *arg, const struct cfms_conf_table *t, const json_t *row, struct err *e);
    bool (*content)(void *arg, const struct cfms_conf_file *f, struct err *e);
    bool (*bytes)(void *arg, struct slice bytes, struct err *e);
    bool (*content_end)(void *arg, const struct cfms_conf_file *f, struct err *e); /* it is whole */
};

/*
 * Read all of a backup, twice: its tag is checked before anything is decompressed, and again on
 * the bytes that are.  bytes_max, at most CFMS_BYTES_MAX, bounds what it may decompress to.
 * ERR_CORRUPT when the key does not fit, or anything is not as docs/formats/cfms.md says.
 */
MUST_CHECK bool cfms_conf_read(const struct cfms_source *source, const uint8_t key[CFMS_KEY_SIZE],
                               uint64_t bytes_max, const struct cfms_conf_visitor *visitor,
                               struct err *e);

#endif
