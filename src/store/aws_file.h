/*
 * The files of Amazon's tools: "[profile]" and below it "name = value".
 */
#ifndef STORE_AWS_FILE_H
#define STORE_AWS_FILE_H

#include "base/buf.h"

/*
 * The value of a name in a section, in text; blanks around it are not part of it.  Of several the
 * last one.  False when there is none.
 */
bool aws_file_find(struct slice text, const char *section, const char *name, struct slice *out);

/* Whether there is such a section. */
bool aws_file_has(struct slice text, const char *section);

#endif
