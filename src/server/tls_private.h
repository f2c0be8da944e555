/* What the listeners need of tls.c, for GnuTLS. */
#ifndef SERVER_TLS_PRIVATE_H
#define SERVER_TLS_PRIVATE_H

#include <gnutls/abstract.h>

#include "server/tls.h"

/* TLS 1.2 and 1.3 (security rules, 6.2). */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE"

/* The chain and key for a handshake from now on; they live as long as t. */
void tls_current(struct tls *t, gnutls_pcert_st **chain, unsigned *count, gnutls_privkey_t *key);

/* What MHD_OPTION_HTTPS_CERT_CALLBACK takes: the certificate of the listener of a session. */
gnutls_certificate_retrieve_function2 tls_choose;

#endif
