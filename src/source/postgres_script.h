/*
 * Statements of the scripts that pg_dumpall and pg_restore write.  Private to src/source.
 *
 * These hold nothing but comments, commands of psql on lines of their own, and statements whose
 * texts are in quotes: nothing in dollars.
 */
#ifndef SOURCE_POSTGRES_SCRIPT_H
#define SOURCE_POSTGRES_SCRIPT_H

#include "base/buf.h"

/* Take the next statement off the front, its semicolon included; no bytes at the end.  ERR_CORRUPT
 * when the script ends within one. */
MUST_CHECK bool postgres_script_next(struct slice *script, struct slice *statement, struct err *e);

bool postgres_script_begins(struct slice s, const char *text);

/* The name at the front, with its quotes if it has them. */
struct slice postgres_script_name(struct slice s);

/* What comes behind the first size bytes. */
struct slice postgres_script_after(struct slice s, size_t size);

#endif
