/*
 * What a backup of a database says of it: manifest.json.  Private to src/source.
 *
 * docs/sources/postgres.md names the members.  Written last; a backup without one is no backup.
 */
#ifndef SOURCE_POSTGRES_MANIFEST_H
#define SOURCE_POSTGRES_MANIFEST_H

#include "base/arena.h"
#include "source/postgres.h"
#include "source/row_sum.h"

/* Of 100,000 tables it has about 30 MB. */
#define POSTGRES_MANIFEST_MAX ((size_t)1 << 30)

struct postgres_table {
    const char *schema, *name;
    const char *kind;              /* "table", "unlogged", "partition", "partitioned", "foreign",
                                    * "materialized_view" */
    const char *extension;         /* that it belongs to: its definition comes with it; or NULL */
    const char *condition;         /* "WHERE ..." of the rows that are stored, or NULL: all */
    const char *file;              /* "data/public.t.copy"; NULL: no rows are stored */
    struct postgres_texts columns; /* stored, in this order */
    uint64_t rows, bytes;
    enum row_hash row_hash; /* what hash is a sum of */
    char hash[ROW_SUM_TEXT];
    const char *state; /* that a later backup compares (postgres_reuse.h), or NULL */
    const char *read;  /* time of the backup that read its rows; NULL: this one did */
};

struct postgres_sequence {
    const char *schema, *name;
    int64_t last_value;
    bool is_called;
};

struct postgres_extension {
    const char *name, *schema, *version;
};

/* All large objects together; their hash is over rows of four bytes of the number, least one
 * first, and the content, by SHA-256. */
struct postgres_blobs {
    uint64_t count, bytes;
    char hash[ROW_SUM_TEXT];
};

/* What may be NULL says so. */
struct postgres_manifest {
    const char *database, *time;
    const char *server_version;
    int64_t server_number; /* 150020 */
    const char *lsn;
    const char *encoding, *collate, *ctype;
    const char *locale_provider, *locale; /* NULL: "libc" */
    bool has_globals;
    struct postgres_texts selection[POSTGRES_CHOICES]; /* as the user gave it */
    struct postgres_table *tables;
    size_t table_count;
    struct postgres_sequence *sequences;
    size_t sequence_count;
    struct postgres_extension *extensions;
    size_t extension_count;
    struct postgres_blobs blobs; /* count 0: there is no file */
    struct postgres_texts notes;
    const char *instance, *horizon; /* that a later backup compares (postgres_reuse.h), or NULL */
    struct arena arena;             /* of a decoded one: holds all of the above */
};

/* Append the JSON, for sums of rows by XXH3.  ERR_FATAL when a text is not UTF-8. */
MUST_CHECK bool postgres_manifest_encode(const struct postgres_manifest *m, struct buf *out,
                                         struct err *e);

/* ERR_CORRUPT unless it is complete and well-formed; release with postgres_manifest_done(). */
MUST_CHECK bool postgres_manifest_decode(struct slice json, struct postgres_manifest *out,
                                         struct err *e);
void postgres_manifest_done(struct postgres_manifest *m);
void postgres_manifest_auto(struct postgres_manifest *m);

/* A table by its schema and name, or NULL. */
const struct postgres_table *postgres_manifest_find(const struct postgres_manifest *m,
                                                    const char *schema, const char *name);

#endif
