/*
 * The plain bytes of an archive of CFMS, one after the other.  Private to src/archive.
 */
#ifndef ARCHIVE_CFMS_PLAIN_H
#define ARCHIVE_CFMS_PLAIN_H

#include "archive/cfms.h"
#include "codec/cipher.h"

#define CFMS_PIECE ((size_t)64 << 10) /* read at once */

/* All of size bytes from offset on; ERR_CORRUPT when the archive is shorter than it was. */
MUST_CHECK bool cfms_source_read(const struct cfms_source *s, uint64_t offset, uint8_t *to,
                                 size_t size, struct err *e);

/* What stands between two offsets of an archive, decrypted. */
struct cfms_plain {
    const struct cfms_source *source;
    uint64_t offset, end; /* of what was not read yet */
    struct cipher *cipher;
    struct hmac_stream *mac; /* takes in what is read, or NULL */
    bool has_padding;        /* CBC: the end is checked with the last byte */
    bool is_finished;
    uint8_t *in, *out; /* CFMS_PIECE, and room for one block more */
    size_t at, size;   /* what of out was not handed over yet */
};
void cfms_plain_init(struct cfms_plain *p, const struct cfms_source *s, uint64_t offset,
                     uint64_t end);
void cfms_plain_auto(struct cfms_plain *p); /* wipes plain text and key */

/* A json_read_fn; arg is a struct cfms_plain. */
MUST_CHECK bool cfms_plain_read(void *arg, uint8_t *to, size_t room, size_t *got, struct err *e);

#endif
