/*
 * The catalog: what is configured, what ran, what waits, who may do what.  The one header of this
 * folder that others include.
 *
 * It lives in an SQLite file or in a PostgreSQL database; nothing above it can tell which.  Any
 * number of processes may have it open, on several hosts with PostgreSQL.  It holds no key of a
 * repository and nothing that a backup needs in order to be restored.
 *
 * Times are nanoseconds since 1970, UTC; 0 is unknown or never.  Strings in structures that come
 * out stand in the arena given; a string that is not known is NULL.  Lists come newest first
 * unless said otherwise.
 *
 * Codes that every call may end with, besides those it names: ERR_TRANSIENT (the database is busy
 * or away: the same transaction may succeed later), ERR_AWAY (the connection broke while
 * committing: it may have happened or not), ERR_CORRUPT (the database is damaged).
 */
#ifndef CATALOG_CATALOG_H
#define CATALOG_CATALOG_H

#include "catalog/audit.h"
#include "catalog/cleaning.h"
#include "catalog/configs.h"
#include "catalog/idempotency.h"
#include "catalog/jobs.h"
#include "catalog/lockout.h"
#include "catalog/opening.h"
#include "catalog/outbox.h"
#include "catalog/runs.h"
#include "catalog/sessions.h"
#include "catalog/settings.h"
#include "catalog/tokens.h"
#include "catalog/users.h"

#endif
