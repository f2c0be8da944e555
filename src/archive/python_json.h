/*
 * JSON trees as Python's json.dumps(value, indent=2, ensure_ascii=False) writes them: two blanks
 * for each level, "[]" and "{}" in one piece, characters beyond ASCII as they are, a float in the
 * fewest digits that lead back to it.  bundle_json.h writes documents that are longer than memory.
 */
#ifndef ARCHIVE_PYTHON_JSON_H
#define ARCHIVE_PYTHON_JSON_H

#include "codec/json.h"

/* Append a value that stands within depth groups. */
void python_json_append(const json_t *j, size_t depth, struct buf *out);

/* Append a float as repr() has it. */
void python_json_real(double value, struct buf *out);

#endif
