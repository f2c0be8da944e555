/*
 * What libpq says, as errors: for the two folders that talk to PostgreSQL.
 */
#ifndef BASE_PQ_H
#define BASE_PQ_H

#include <libpq-fe.h>

#include "base/err.h"

/* Bytes of a sentence, with its NUL. */
#define PQ_SENTENCE_MAX 400

/* One line of what a server or libpq said in several, without "ERROR:" in front. */
void pq_sentence(const char *message, char out[PQ_SENTENCE_MAX]);

/* Record why a connection does not stand (NULL: there was no memory for one).  There is no code
 * yet, only text: ERR_DENIED, ERR_NOT_FOUND (the database or role), or ERR_TRANSIENT.  Returns
 * false. */
bool pq_connect_err(const PGconn *conn, struct err *e);

#endif
