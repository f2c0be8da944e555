/*
 * Contents of an archive on their way to the folder content/restore/files of CFMS, where its own
 * import puts them.  Part of source.h.
 */
#ifndef SOURCE_CFMS_CONTENTS_H
#define SOURCE_CFMS_CONTENTS_H

#include "base/buf.h"

#define CFMS_CONTENTS_PATH "./content/restore/files/" /* as the application's records say it */

/* Makes nothing yet. */
struct cfms_contents;
MUST_CHECK bool cfms_contents_open(const char *content_dir, struct cfms_contents **out,
                                   struct err *e);
/* Removes what was put there unless it is kept.  Accepts NULL. */
void cfms_contents_close(struct cfms_contents *c);
void cfms_contents_auto(struct cfms_contents **c);

/* The folder of contents; -1: there is none. */
int cfms_contents_fd(const struct cfms_contents *c);

/* Make the folder; it and its files belong to the owner of the content folder. */
MUST_CHECK bool cfms_contents_prepare(struct cfms_contents *c, struct err *e);

/*
 * One content.  It has its name when it is whole and on the disk.  A file that is there already,
 * from an import that was killed, counts when it is the same; otherwise ERR_EXISTS.
 */
MUST_CHECK bool cfms_contents_begin(struct cfms_contents *c, const char *id, struct err *e);
MUST_CHECK bool cfms_contents_add(struct cfms_contents *c, struct slice bytes, struct err *e);
MUST_CHECK bool cfms_contents_end(struct cfms_contents *c, struct err *e);

/* All names are on the disk. */
MUST_CHECK bool cfms_contents_sync(struct cfms_contents *c, struct err *e);
void cfms_contents_keep(struct cfms_contents *c);

#endif
