/*
 * Archives of CFMS, "NAME.cfms.enc" with "NAME.key" (docs/formats/cfms.md): documents, folders,
 * access rules and the content of files, for the application's own import and from its own export.
 *
 *     archive  16 bytes IV | AES-256-CBC, PKCS#7 padding: a tar archive
 *              ./documents.json ./files/ID... ./files.json ./folders.json ./metadata.json
 *     key      JSON: key, algorithm, created_at, backup_name
 *
 * The application protects nothing against change: whoever can write to an archive can change what
 * it says without knowing the key.  Ours bring a MAC in the key file, which the application passes
 * over: hmac_sha256 over the whole archive, under HKDF-SHA-256(key, no salt, "cfms-mac").
 *
 * Ids are names of records and never paths: 1 to 64 of [0-9A-Za-z_-].  Texts are UTF-8 without NUL.
 * What the records refer to (folder_id, parent_id, file_id) is not followed here: a database that
 * they are put into does.
 */
#ifndef ARCHIVE_CFMS_H
#define ARCHIVE_CFMS_H

#include <jansson.h>

#include "base/buf.h"
#include "codec/hash.h"

#define CFMS_KEY_SIZE     32
#define CFMS_ID_MAX       65                /* with NUL */
#define CFMS_TEXT_MAX     256               /* of a name that is noted, with NUL */
#define CFMS_KEY_TEXT_MAX ((size_t)4 << 10) /* of a key file */
#define CFMS_RECORD_MAX   ((size_t)4 << 20) /* of one record's JSON */
#define CFMS_FILES_MAX    1000000           /* of an archive; about 150 bytes of memory for each */
#define CFMS_BYTES_MAX    ((uint64_t)1 << 40) /* of all members */

bool cfms_id_is(const char *id);

/* Key files */

struct cfms_key {
    uint8_t key[CFMS_KEY_SIZE];
    double created_at;        /* seconds since 1970; 0: not said */
    char name[CFMS_TEXT_MAX]; /* of the backup; as much of it as fits in one line */
    bool has_mac;             /* and so what follows */
    uint64_t size;            /* of the archive */
    struct hash sha256, mac;  /* of it */
};
/* Wipes it. */
void cfms_key_auto(struct cfms_key *k);

/*
 * The text of a key file, at most CFMS_KEY_TEXT_MAX bytes.  ERR_CORRUPT unless it has a key of this
 * algorithm, and all members of a MAC or none.  "Unsupported encryption algorithm: X" is the
 * application's own sentence.
 */
MUST_CHECK bool cfms_key_parse(struct slice text, struct cfms_key *out, struct err *e);
/* Append it.  The caller wipes *out. */
void cfms_key_format(const struct cfms_key *k, struct buf *out);

/* Records; NULL is null */

struct cfms_rule {
    int64_t id;
    const char *access_type; /* read, write, move, manage */
    const json_t *rule_data; /* an object */
};

struct cfms_revision {
    int64_t id;
    const char *document_id, *file_id;
    double created_time; /* seconds since 1970, as all times here */
};

struct cfms_document {
    const char *id, *title, *folder_id;
    double created_time;
    const struct cfms_rule *rules;
    size_t rule_count;
    const struct cfms_revision *revisions; /* by time */
    size_t revision_count;
};

struct cfms_folder {
    const char *id, *name, *parent_id;
    double created_time;
    const struct cfms_rule *rules;
    size_t rule_count;
};

struct cfms_file {
    const char *id;
    const char *path; /* where the server had it; says nothing about where it goes */
    double created_time;
    const struct hash *sha256;
    bool is_active;
};

/* Writing (cfms_write.c) */

typedef bool cfms_write_fn(void *arg, struct slice bytes, struct err *e);

/*
 * Writes one archive to write() as it goes, with a key and an IV drawn for it.  In this order:
 * documents once; each content, by ascending id, or that it is missing; files; folders; finish.
 * An error ends the archive; what was written is then nothing.
 */
struct cfms_writer;
struct cfms_writer_options {
    const char *name;  /* for the key file; below CFMS_TEXT_MAX bytes */
    double created_at; /* noted in both files and as the time of every member */
    cfms_write_fn *write;
    void *arg; /* borrowed */
};
MUST_CHECK bool cfms_writer_open(const struct cfms_writer_options *o, struct cfms_writer **out,
                                 struct err *e);
void cfms_writer_close(struct cfms_writer *w); /* wipes the key; accepts NULL */
void cfms_writer_auto(struct cfms_writer **w);

/*
 * Hands over all records of a kind.  It is called twice, because their length stands in front of
 * them, and hands over the same both times: ERR_FATAL otherwise.  Names one kind only.  ERR_USAGE
 * for ids and texts that are none, and a record above CFMS_RECORD_MAX.
 */
struct cfms_rows;
typedef bool cfms_rows_fn(void *arg, struct cfms_rows *to, struct err *e);
MUST_CHECK bool cfms_rows_document(struct cfms_rows *to, const struct cfms_document *d,
                                   struct err *e);
MUST_CHECK bool cfms_rows_folder(struct cfms_rows *to, const struct cfms_folder *f, struct err *e);
MUST_CHECK bool cfms_rows_file(struct cfms_rows *to, const struct cfms_file *f, struct err *e);

MUST_CHECK bool cfms_writer_documents(struct cfms_writer *w, cfms_rows_fn *rows, void *arg,
                                      struct err *e);

/* The content of a file, whose size bytes follow through cfms_writer_bytes(). */
MUST_CHECK bool cfms_writer_content(struct cfms_writer *w, const char *id, uint64_t size,
                                    struct err *e);
MUST_CHECK bool cfms_writer_bytes(struct cfms_writer *w, struct slice bytes, struct err *e);

/* A file's content could not be had: metadata.json gets a member "missing" that says so, where the
 * application would leave it out without a word. */
MUST_CHECK bool cfms_writer_missing(struct cfms_writer *w, const char *id, struct err *e);

/* ERR_CORRUPT when the content that was written is not what a record's sha256 says, ERR_USAGE when
 * a record's content was neither written nor called missing, or the other way round. */
MUST_CHECK bool cfms_writer_files(struct cfms_writer *w, cfms_rows_fn *rows, void *arg,
                                  struct err *e);
MUST_CHECK bool cfms_writer_folders(struct cfms_writer *w, cfms_rows_fn *rows, void *arg,
                                    struct err *e);

/* The rest of the archive, and what its key file says. */
MUST_CHECK bool cfms_writer_finish(struct cfms_writer *w, struct cfms_key *out, struct err *e);

/* The records that were written so far. */
struct cfms_counts {
    uint64_t documents, folders, files;
};
struct cfms_counts cfms_writer_counts(const struct cfms_writer *w);

/* Reading (cfms_read.c) */

/* An archive that can be read twice: size bytes, of which read() gives up to room from offset on,
 * and none only at the end. */
typedef bool cfms_read_fn(void *arg, uint64_t offset, uint8_t *to, size_t room, size_t *got,
                          struct err *e);
struct cfms_source {
    cfms_read_fn *read;
    void *arg;
    uint64_t size;
};

/*
 * What is in an archive, in its order: records may come before or after the contents.  Everything
 * is borrowed for the length of the call; a member that returns false ends the reading with its
 * error.  Nothing of it counts before cfms_read() has returned true: counts and sums are compared
 * at the end.
 */
struct cfms_visitor {
    void *arg;
    bool (*document)(void *arg, const struct cfms_document *d, struct err *e);
    bool (*folder)(void *arg, const struct cfms_folder *f, struct err *e);
    bool (*file)(void *arg, const struct cfms_file *f, struct err *e);
    bool (*content)(void *arg, const char *id, uint64_t size, struct err *e);
    bool (*bytes)(void *arg, struct slice bytes, struct err *e);
    bool (*content_end)(void *arg, const char *id, const struct hash *sha256, struct err *e);
    bool (*missing)(void *arg, const char *id, struct err *e); /* a record without content */
};

struct cfms_permission {
    bool takes_unauthenticated; /* an archive without a MAC: nobody can say who wrote it */
    uint64_t bytes_max;         /* of all members; at most CFMS_BYTES_MAX */
};

struct cfms_result {
    bool is_authenticated; /* it is what was written with this key, byte for byte */
    double created_at;
    uint64_t documents, folders, files; /* records */
    uint64_t contents, missing;         /* of files, with and without content */
    uint64_t unchecked;                 /* contents whose record has no sha256 */
    uint64_t strays;                    /* contents without a record */
    uint64_t others;                    /* members that the format does not have; passed over */
};

/*
 * Read all of an archive, twice when it has a MAC: nothing is decrypted before that was checked,
 * and it is checked again on the bytes that are.  In memory for one record, 64 KiB of content and
 * the ids of the files.
 *
 * ERR_DENIED when there is no MAC and permission does not take that; ERR_CORRUPT when the key does
 * not fit, or anything is not as docs/formats/cfms.md says.  Who answers strangers about archives
 * without a MAC tells them neither text nor time of ERR_CORRUPT apart: they could find out plain
 * text by asking (a padding oracle).
 */
MUST_CHECK bool cfms_read(const struct cfms_source *source, const struct cfms_key *key,
                          const struct cfms_permission *permission,
                          const struct cfms_visitor *visitor, struct cfms_result *out,
                          struct err *e);

#endif
