/*
 * Backups of School ERP, as its published code writes and reads them; docs/formats/school-erp.md.
 *
 *     [16 bytes IV][16 bytes tag][AES-256-GCM of gzip of JSON]
 *     {"version":"1.0","timestamp":"2025-11-21T10:28:30.846Z","tables":{"users":[{...},...],...}}
 *
 * The IV has 16 bytes, there is no associated data, the tag stands in front of what it is the tag
 * of.  Nothing here holds more than a piece of a file in memory, besides 32 bytes for each MiB of
 * it while it is read.
 */
#ifndef ARCHIVE_SCHOOL_H
#define ARCHIVE_SCHOOL_H

#include "archive/deflate.h"
#include "codec/cipher.h"
#include "codec/hash.h"

#define SCHOOL_IV_SIZE  16
#define SCHOOL_TAG_SIZE 16
#define SCHOOL_HEAD     (SCHOOL_IV_SIZE + SCHOOL_TAG_SIZE)
/* What one key and IV may encrypt (NIST SP 800-38D). */
#define SCHOOL_SEALED_MAX CIPHER_GCM_MAX

#define SCHOOL_KEY_SIZE   32
struct school_key {
    uint8_t bytes[SCHOOL_KEY_SIZE];
};
void school_key_auto(struct school_key *k); /* wipes it */

/* ERR_USAGE with the application's sentence: "Encryption key must be 64 hex characters" for another
 * length, "Invalid key length" for other characters. */
MUST_CHECK bool school_key_parse(const char *text, struct school_key *out, struct err *e);

/* Whether it is the key that the application takes when nobody gave it one: it stands in the
 * published source, and whoever has a file can read it. */
bool school_key_is_public(const struct school_key *k);

/* Writing (school_writer.c) */

struct school_writing {
    struct output to;             /* gets the file, with zeros for the tag, and then the tag */
    const struct school_key *key; /* borrowed by school_writer_open() only */
    bool allows_public_key;
    const uint8_t *iv; /* NULL: random, as it must be for all but tests */
};

/* What was written. */
struct school_written {
    uint64_t size;       /* of the file */
    uint64_t plain_size; /* of the JSON */
    struct hash sha256;  /* of the JSON: the application's "checksum" */
};

/*
 * The bytes of the document go in through school_writer_add(), which is a table_json_write_fn; that
 * they are such a document is the caller's care.  Until school_writer_finish() has returned true
 * the tag is all zero and nobody can read the file: write to one that has no name yet, sync it,
 * then give it its name.  ERR_DENIED for the public key unless it is allowed; ERR_USAGE when there
 * is more than SCHOOL_SEALED_MAX takes.
 */
struct school_writer;
MUST_CHECK bool school_writer_open(const struct school_writing *how, struct school_writer **out,
                                   struct err *e);
MUST_CHECK bool school_writer_add(void *writer, struct slice json, struct err *e);
MUST_CHECK bool school_writer_finish(struct school_writer *w, struct school_written *out,
                                     struct err *e);
void school_writer_free(struct school_writer *w);
void school_writer_auto(struct school_writer **w);

/* Reading (school_reader.c) */

#define SCHOOL_PLAIN_MAX ((uint64_t)1 << 40)
#define SCHOOL_RATIO_MAX 100

struct school_reading {
    struct input from;            /* what it is over stays until the reader is freed */
    const struct school_key *key; /* borrowed by school_reader_open() only */
    struct inflate_limits limits; /* a member that is 0: as above */
};

/*
 * Opening reads the whole file once and checks its tag; only then is there a reader, and nothing
 * that was decrypted on the way is handed out.  Reading goes over the file again: each piece must
 * have the sum that it had when the tag was right, so a file that is changed meanwhile yields
 * ERR_CORRUPT and no byte that was not authentic.  What a reader gives out is the JSON text;
 * school_reader_read() is a json_read_fn as inflater_read() is, with its errors.
 *
 * ERR_CORRUPT: too short, too long; "Unsupported state or unable to authenticate data" as the
 * application says, because of another key or a changed file; a tag that is all zero, which the
 * application leaves when a backup fails halfway.
 */
struct school_reader;
MUST_CHECK bool school_reader_open(const struct school_reading *how, struct school_reader **out,
                                   struct err *e);
MUST_CHECK bool school_reader_read(void *reader, uint8_t *to, size_t room, size_t *got,
                                   struct err *e);
void school_reader_free(struct school_reader *r);
void school_reader_auto(struct school_reader **r);

/* The document (school_document.c) */

/* The tables of a backup, in the order of the document. */
struct school_table {
    const char *name;  /* in the document: "sections" */
    const char *table; /* in the database, schema public: "ClassSection" */
};
#define SCHOOL_TABLES 22
extern const struct school_table school_tables[SCHOOL_TABLES];
/* Indexes into school_tables, in the order in which the application brings them back. */
extern const uint8_t school_restore_order[SCHOOL_TABLES];

#define SCHOOL_ROW_MAX    ((size_t)16 << 20) /* bytes of a row's JSON */
#define SCHOOL_NAME_MAX   100                /* bytes of a table's name */
#define SCHOOL_OTHERS_MAX 1000               /* tables that are not in school_tables */
#define SCHOOL_STAMP_MAX  25                 /* "2025-11-21T10:28:30.846Z" and NUL */

struct school_facts {
    char timestamp[SCHOOL_STAMP_MAX];
    bool has[SCHOOL_TABLES]; /* a table may be absent, which is not the same as empty */
    uint64_t rows[SCHOOL_TABLES];
    uint64_t others, other_rows; /* tables that the application does not know, and their rows */
    uint64_t size;               /* of the JSON */
    struct hash sha256;          /* of the JSON */
};

/* Gets each row, one JSON object as it stands in the document; table is its index or -1. */
typedef bool school_row_fn(void *arg, int table, const char *name, struct slice row, struct err *e);
struct school_rows {
    school_row_fn *fn; /* or NULL */
    void *arg;
};

/*
 * Read the document to its end.  ERR_CORRUPT: it is not JSON, is deeper than JSON_DEPTH_MAX, has a
 * longer row, a member or a table twice, a table that is no list of objects, another version than
 * "1.0"; "Invalid backup format" as the application says where version, timestamp or tables are
 * missing or of another type.  Rows were handed out before the end is known to be right.  Members
 * that a row has twice are for who reads the rows.
 */
MUST_CHECK bool school_document_read(json_read_fn *read, void *arg, const struct school_rows *rows,
                                     struct school_facts *out, struct err *e);

/* Names of files (school_name.c): backup-2025-11-21T10-03-35-495Z-<32 hex>.enc */

#define SCHOOL_ID_SIZE  16
#define SCHOOL_FILE_MAX 69 /* with NUL */
struct school_name {
    int64_t time_ns; /* of whole milliseconds */
    uint8_t id[SCHOOL_ID_SIZE];
};
/* The time's year has four digits. */
void school_name_format(const struct school_name *n, char out[SCHOOL_FILE_MAX]);
/* ERR_USAGE, "Invalid backup ID" as the application says, for what is no such name: paths too. */
MUST_CHECK bool school_name_parse(const char *text, struct school_name *out, struct err *e);

/* "2025-11-21T10:28:30.846Z"; ERR_CORRUPT when it is another form or no moment. */
void school_stamp_format(int64_t time_ns, char out[SCHOOL_STAMP_MAX]);
MUST_CHECK bool school_stamp_parse(struct slice text, int64_t *time_ns, struct err *e);
/* "2025-11-21T10-28-30-846Z", as it stands in names of files; any text of that form leads back. */
#define SCHOOL_STAMP_SIZE (SCHOOL_STAMP_MAX - 1)
void school_stamp_dashed_format(int64_t time_ns, char out[SCHOOL_STAMP_MAX]);
MUST_CHECK bool school_stamp_dashed_parse(const char text[SCHOOL_STAMP_SIZE], int64_t *time_ns,
                                          struct err *e);

#endif
