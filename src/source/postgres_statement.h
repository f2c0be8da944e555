/*
 * Where a statement of SQL ends, as psql sees it.  Private to src/source.
 */
#ifndef SOURCE_POSTGRES_STATEMENT_H
#define SOURCE_POSTGRES_STATEMENT_H

#include "base/buf.h"

enum postgres_statement {
    POSTGRES_STATEMENT_WHOLE,
    POSTGRES_STATEMENT_CUT,     /* text ends within it */
    POSTGRES_STATEMENT_COMMAND, /* a command of psql stands in it */
};

/* Look at the statement at the front of text, which begins with neither blanks nor comments. *size:
 * with its semicolon, if it is whole. */
enum postgres_statement postgres_statement_measure(struct slice text, size_t *size);

/* Whether a statement is COPY, and whether it is one that takes rows which stand behind it. */
bool postgres_statement_is_copy(struct slice statement);
bool postgres_statement_is_copy_in(struct slice statement);

#endif
