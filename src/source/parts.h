/*
 * A member of a set that is one file with the parts that were found in it, such as an archive of
 * another program.  Part of source.h.
 *
 *     import/NAME                  the file as it is
 *     import/NAME.parts/...        its parts
 *     import/NAME.manifest.json    what is known of it
 */
#ifndef SOURCE_PARTS_H
#define SOURCE_PARTS_H

#include "source/member.h"

#define PARTS_KIND      "import"
#define PARTS_FOLDER    ".parts"
#define PARTS_NAME_MAX  ((size_t)180)    /* of a member of this kind */
#define PARTS_PATH_MAX  ((size_t)1024)   /* bytes of the path of a part */
#define PARTS_DEPTH_MAX 16               /* folders that a part stands in */
#define PARTS_COUNT_MAX ((size_t)250000) /* parts; about 500 bytes of memory for each */

/*
 * ERR_CORRUPT unless all paths can stand beside each other as files in one folder: relative, UTF-8
 * without control characters, without empty parts, "." and "..", within the bounds above, none
 * twice, and none a folder of another.
 */
MUST_CHECK bool parts_check(const char *const *paths, size_t count, struct err *e);

/* Where the bytes go: begin, add, end, for each part and the file once, one at a time. */
struct parts_way;
/* n: which path; PARTS_WHOLE: the file itself. */
#define PARTS_WHOLE ((size_t)-1)
MUST_CHECK bool parts_way_begin(struct parts_way *w, size_t n, struct err *e);
MUST_CHECK bool parts_way_add(struct parts_way *w, struct slice bytes, struct err *e);
MUST_CHECK bool parts_way_end(struct parts_way *w, struct err *e);

/*
 * Called for each attempt at the backup: hand over the file and every part.  Failures of these
 * calls are handed on.  False ends the backup, and nothing is committed.
 */
typedef bool parts_feed_fn(void *arg, struct parts_way *to, struct err *e);

struct parts_options {
    const char *name;         /* at most PARTS_NAME_MAX bytes */
    const char *const *paths; /* that pass parts_check() */
    size_t count;
    struct slice manifest; /* JSON */
    parts_feed_fn *feed;
    void *arg;
};
/* Borrows all but the name.  ERR_USAGE for a name that cannot be one. */
MUST_CHECK bool parts_member_new(const struct parts_options *o, struct member **out, struct err *e);

#endif
