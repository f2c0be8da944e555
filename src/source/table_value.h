/*
 * One value between PostgreSQL's text form and JSON.  Private to table_json*.c.
 */
#ifndef SOURCE_TABLE_VALUE_H
#define SOURCE_TABLE_VALUE_H

#include "codec/json_reader.h"
#include "codec/json_writer.h"
#include "source/table_db.h"

/* Write the text of a value that is not NULL.  ERR_CORRUPT when it is not UTF-8 or JSON too deep
 * to be read again. */
MUST_CHECK bool table_value_write(struct json_writer *w, enum table_kind kind,
                                  enum table_json_form form, struct slice text, struct err *e);

/*
 * Read one value and append it to *out as a field of COPY's text format.  ERR_CORRUPT when a
 * column of this kind cannot hold it.
 */
MUST_CHECK bool table_value_read(struct json_reader *r, enum table_kind kind,
                                 enum table_json_form form, struct buf *out, struct err *e);

/* "\N", COPY's NULL. */
void table_value_null(struct buf *out);

#endif
