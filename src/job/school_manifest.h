/*
 * What is signed about a backup of School ERP, in a file beside it (FILE.manifest): that it is this
 * file, of this name, and when and of what it was made.  The application does not look at it.
 *
 *     {"format":"holdfast school-erp manifest 1","filename":"backup-....enc","size":1234,
 *      "sha256":"...","checksum":"...","created":"2025-11-21T10:03:35.495Z",
 *      "tables":{"users":40},"copies":["s3:https://..."],"key_id":"...","signer":"...",
 *      "signature":"..."}
 *
 * One line.  sha256 is the file's, checksum that of the JSON in it, key_id names the key that opens
 * it, signer the key that signed.  The signature is HMAC-SHA-256 of all that stands in front of
 * ,"signature", byte for byte.
 *
 * Private to school*.c.
 */
#ifndef JOB_SCHOOL_MANIFEST_H
#define JOB_SCHOOL_MANIFEST_H

#include "codec/json.h"
#include "job/school_private.h"

#define SCHOOL_MANIFEST_MAX  ((size_t)64 << 10)
#define SCHOOL_MANIFEST_ROOM (SCHOOL_FILE_MAX + 9)
/* "backup-....enc.manifest" */
void school_manifest_name(const char *file, char out[SCHOOL_MANIFEST_ROOM]);

/* Sign what was made, in the folder; the name must be free. */
MUST_CHECK bool school_manifest_put(int dirfd, const struct school_place *p,
                                    const struct school_made *made, const struct hash *sha256,
                                    struct err *e);

/*
 * Look what the manifest says of an open file, reads the file where that is needed, and fill in
 * proof, doubt and copies of *b.  False only when something cannot be read; a file that is not the
 * one that was signed has SCHOOL_REFUTED.  document (or NULL) gets the manifest when it is
 * SCHOOL_PROVEN; the caller owns it.
 */
MUST_CHECK bool school_manifest_check(int dirfd, const struct school_place *p, int fd,
                                      struct school_backup *b, json_t **document, struct err *e);

/* Note that there is a copy at a URL, which counts as well when it is noted already.  The document
 * is one that was proven. */
MUST_CHECK bool school_manifest_add_copy(int dirfd, const struct school_place *p, json_t *document,
                                         const char *url, struct err *e);

/* SHA-256 of a file from its first byte to its last. */
MUST_CHECK bool school_file_sum(int fd, struct hash *out, uint64_t *size, struct err *e);

#endif
