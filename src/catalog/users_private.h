/* A user as a row of the table, "u" in the statement.  Private to src/catalog. */
#ifndef CATALOG_USERS_PRIVATE_H
#define CATALOG_USERS_PRIVATE_H

#include "catalog/db.h"
#include "catalog/users.h"

#define USER_COLUMNS                                                                     \
    "u.id, u.name, u.role, u.must_change, u.is_disabled, u.totp IS NOT NULL, u.version," \
    " u.created_ns, u.updated_ns, u.login_ns"
enum { USER_COLUMN_COUNT = 10 };

/* Of the columns from the given one on; texts stand in the arena. */
void catalog_user_take(const struct db_result *r, size_t row, size_t column, struct arena *a,
                       struct catalog_user *out);

#endif
