/*
 * The console: the page at "/" and the files that it loads, which the build puts into the
 * program (console/embed.py).  It is a client of /api/v1 like any other and holds nothing secret,
 * so anybody may have it.
 */
#ifndef SERVER_CONSOLE_H
#define SERVER_CONSOLE_H

#include "base/buf.h"
#include "server/route.h"

/* A file of the console, as it is and compressed; the tags tell the two apart for caches. */
struct console_file {
    const char *name; /* "console-0123456789ab.js": its content has no other name; "" is the page */
    const char *type;
    const char *tag, *gzip_tag; /* ETag */
    struct slice plain, gzip;
};

extern const struct console_file console_files[];
extern const size_t console_file_count;

extern const struct route console_routes[];
extern const size_t console_route_count;

#endif
