/*
 * The tables of CFMS that archives are about.  Private to src/source.
 */
#ifndef SOURCE_CFMS_SCHEMA_H
#define SOURCE_CFMS_SCHEMA_H

#include "source/app_db.h"

/* ERR_USAGE, saying what was found, unless the database has these tables with these columns and no
 * others: a later server's have more, and what those mean no archive says. */
MUST_CHECK bool cfms_schema_check(struct app_db *d, struct err *e);

#endif
