/*
 * Addresses of PostgreSQL databases: libpq's keywords with their values.  Private to src/source.
 */
#ifndef SOURCE_POSTGRES_ADDRESS_H
#define SOURCE_POSTGRES_ADDRESS_H

#include "base/arena.h"

struct postgres_link;

struct postgres_address {
    struct arena arena;
    const char **keywords, **values; /* no password but for postgres_address_init_secret() */
    size_t count;
    char *password; /* secret memory or NULL */
};
MUST_CHECK bool postgres_address_init(struct postgres_address *a, const char *dsn,
                                      const char *password, struct err *e);
/* For a dsn that is a secret itself, so that passwords may stand in it.  Such an address is for
 * connections only. */
MUST_CHECK bool postgres_address_init_secret(struct postgres_address *a, const char *dsn,
                                             const char *password, struct err *e);
void postgres_address_done(struct postgres_address *a);
static inline void postgres_address_auto(struct postgres_address *a)
{
    postgres_address_done(a);
}
/* Look for the password in this file. */
void postgres_address_set_passfile(struct postgres_address *a, const char *path);

/* Another database of the same server. */
void postgres_address_set_database(struct postgres_address *a, const char *name);

/* Append the address as a connection string for a program; passfile may be NULL. */
void postgres_address_format(const struct postgres_address *a, const char *passfile,
                             struct buf *out);

/* Let the address name the very server that the link is connected to. */
void postgres_address_pin(struct postgres_address *a, const struct postgres_link *l);

#endif
