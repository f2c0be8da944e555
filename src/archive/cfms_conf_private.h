/* What the files that read backups of later CFMS servers share.  Private to src/archive. */
#ifndef ARCHIVE_CFMS_CONF_PRIVATE_H
#define ARCHIVE_CFMS_CONF_PRIVATE_H

#include "archive/cfms_conf.h"
#include "base/arena.h"
#include "codec/json_reader.h"

/* The manifest with all that it holds. */
struct conf_manifest {
    struct cfms_conf_manifest m;
    struct cfms_conf_table tables[CFMS_CONF_TABLES_MAX];
    struct cfms_conf_file *files;
    size_t file_room;
    struct arena texts;
    size_t text_size;
    json_t *list, *components, *configuration, *version; /* list: of tables */
    struct buf text;                                     /* of one value, wiped */
};
void conf_manifest_auto(struct conf_manifest *c);

/* Read the member up to its end.  ERR_CORRUPT when it is none. */
MUST_CHECK bool conf_manifest_read(json_read_fn *read, void *arg, struct conf_manifest *c,
                                   struct err *e);

/* xz, decompressed.  A json_read_fn; arg is a struct conf_xz. */
struct conf_xz;
struct conf_xz *conf_xz_new(json_read_fn *read, void *arg);
void conf_xz_free(struct conf_xz *x); /* wipes what it read */
void conf_xz_auto(struct conf_xz **x);
MUST_CHECK bool conf_xz_read(void *arg, uint8_t *to, size_t room, size_t *got, struct err *e);

#endif
