/* Passwords that are tried first.  Private to src/catalog. */
#ifndef CATALOG_COMMON_PASSWORDS_H
#define CATALOG_COMMON_PASSWORDS_H

/* In lower case; NULL stands behind the last. */
extern const char *const common_passwords[];

#endif
