/*
 * What the backup service of Vevurn POS leaves as files; docs/formats/vevurn-pos.md.
 *
 *     database.sql[.gz|.bz2][.enc]     what pg_dump writes as text
 *     files_backup_UUID.zip[.enc]      the application's folders
 *
 * ".enc" is AES-256-CBC without a MAC (cbc.h): nothing about any of these is authenticated, and
 * whoever could write to one can have made it.  Names say nothing here; what a file is stands in
 * its first bytes, once it is opened.  Nothing holds more than pieces of a file in memory, and of a
 * zip file its directory.
 */
#ifndef ARCHIVE_POS_ARTEFACT_H
#define ARCHIVE_POS_ARTEFACT_H

#include "archive/pos_artefact_name.h"
#include "archive/zip.h"

#define POS_SQL_MAX   ((uint64_t)1 << 40) /* bytes of plain SQL */
#define POS_RATIO_MAX 500                 /* of plain bytes to the file, beyond the first MiB */

/* Less than 4 GiB, 65,534 files and 64 GiB of them; sizes behind the files, names in UTF-8. */
extern const struct zip_rules pos_zip_rules;

/* Writing (pos_artefact_writer.c) */

struct pos_writing {
    output_fn *write; /* gets the file, in order */
    void *arg;
    enum pos_compression compression; /* POS_NONE for a zip file */
    const struct pos_key *key;        /* NULL: not encrypted; borrowed by pos_writer_open() */
    int64_t time_ns;                  /* in the head of gzip, beside "database.sql" */
};
struct pos_writer;
MUST_CHECK bool pos_writer_open(const struct pos_writing *how, struct pos_writer **out,
                                struct err *e);
/* Fail as write does only; nothing can be added after a failure.  The type is an output_fn. */
MUST_CHECK bool pos_writer_add(void *writer, struct slice bytes, struct err *e);
MUST_CHECK bool pos_writer_finish(struct pos_writer *w, struct pos_written *out, struct err *e);
void pos_writer_close(struct pos_writer *w);
void pos_writer_auto(struct pos_writer **w);

/* Reading (pos_artefact_reader.c) */

struct pos_found {
    enum pos_kind kind;
    enum pos_compression compression;
    bool is_sealed;
};
struct pos_reader;
/*
 * Find out what it is and read its head; key may be NULL, and counts for nothing when the file is
 * not encrypted.  from stays until the reader is closed.  ERR_CORRUPT: it is none of these, or the
 * key does not fit, as far as these can be told apart.
 */
MUST_CHECK bool pos_reader_open(const struct input *from, const struct pos_key *key,
                                struct pos_reader **out, struct err *e);
void pos_reader_close(struct pos_reader *r);
void pos_reader_auto(struct pos_reader **r);
const struct pos_found *pos_reader_found(const struct pos_reader *r);

/*
 * The SQL of a database, as pg_dump wrote it, to put(arg, ...); once.  ERR_CORRUPT unless it begins
 * as pg_dump's text does, and ends so: one that was cut off has no end.  What was handed out counts
 * only when this has succeeded.  version gets what pg_dump said of itself, or is empty.
 */
#define POS_VERSION_MAX 64
MUST_CHECK bool pos_reader_sql(struct pos_reader *r, output_fn *put, void *arg,
                               char version[POS_VERSION_MAX], struct err *e);
/* The zip file of files; its members are read by zip_read(). */
const struct zip *pos_reader_zip(const struct pos_reader *r);

/* Whether it is what the service's own zip files hold: files below uploads/, reports/ and exports/
 * and three known ones in config/, at least one of them. */
bool pos_zip_is_known(const struct zip *z);

#endif
