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
#include "archive/school_document.h"
#include "codec/cipher.h"

#define SCHOOL_IV_SIZE  16
#define SCHOOL_TAG_SIZE 16
#define SCHOOL_HEAD     (SCHOOL_IV_SIZE + SCHOOL_TAG_SIZE)
/* What one key and IV may encrypt (NIST SP 800-38D). */
#define SCHOOL_SEALED_MAX CIPHER_GCM_MAX

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

#endif
