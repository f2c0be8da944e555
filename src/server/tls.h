/*
 * The certificate of a listener: PEM files, read again on demand without losing connections.  One
 * that signs itself is made where there is none.
 */
#ifndef SERVER_TLS_H
#define SERVER_TLS_H

#include <stddef.h>

#include "base/err.h"

struct tls;

#define TLS_FINGERPRINT_MAX 96 /* "AB:CD:...", 32 bytes, and a NUL */

/* Read certificate chain and key.  ERR_USAGE when they are none or do not belong together. */
MUST_CHECK bool tls_open(const char *certificate, const char *key, struct tls **out, struct err *e);
void tls_close(struct tls *t); /* accepts NULL */
void tls_auto(struct tls **t);

/* Read the files again; on failure the certificate stays what it was.  Handshakes from here on use
 * it. */
MUST_CHECK bool tls_reload(struct tls *t, struct err *e);

/* SHA-256 of the certificate (its first, in DER), as browsers show it. */
void tls_fingerprint(struct tls *t, char out[TLS_FINGERPRINT_MAX]);

/*
 * Make FOLDER/tls.pem and FOLDER/tls.key for names (DNS names and addresses), unless both are
 * there: ECDSA P-256, signed by itself, valid for 825 days, the longest that browsers accept.  The
 * key is published first, so that a crash between the two leaves a key that is replaced.
 */
MUST_CHECK bool tls_make(const char *folder, const char *const *names, size_t count, struct err *e);

#endif
