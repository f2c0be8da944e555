/*
 * What tests of tables as JSON share: databases of one server, documents in memory, and the
 * comparison of tables by the text of every value.
 */
#ifndef SOURCE_TABLES_H
#define SOURCE_TABLES_H

#include "source/source.h"
#include "support/postgres_server.h"
#include "support/test.h"

extern struct postgres_server *tables_server;
void tables_begin(void);
void tables_end(void);

/* Make a database, empty but for what sql makes. */
void tables_make(const char *database, const char *sql);
void tables_sql(const char *database, const char *sql);
/* The value of a query is this text. */
void tables_check(const char *database, const char *sql, const char *wanted);
/* All rows of a query as one text. */
char *tables_text(const char *database, const char *query);
/* They are the same in both databases. */
void tables_same(const char *database, const char *other, const char *query);

/* The whole of a database as a document. */
void tables_export(const char *database, enum table_json_form form, struct buf *out);
bool tables_import(const char *database, enum table_json_mode mode, struct slice document,
                   struct table_json_counts *out, struct err *e);
/* The same with options; database, read and arg are set here. */
bool tables_import_with(const char *database, struct table_json_import_options o,
                        struct slice document, struct table_json_counts *out, struct err *e);
/* A document of the plain form with these tables. */
bool tables_import_plain(const char *database, enum table_json_mode mode, const char *tables,
                         struct table_json_counts *out, struct err *e);
/* It fails with this code and exactly this sentence behind "import tables: ". */
void tables_refused(const char *database, enum table_json_mode mode, const char *tables,
                    enum err_code code, const char *sentence);

/* "dbname=... " for a database of the server; valid until the next call. */
const char *tables_dsn(const char *database);
bool tables_write(void *arg, struct slice bytes, struct err *e); /* arg: struct buf */

#endif
