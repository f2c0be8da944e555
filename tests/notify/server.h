/* The servers of this folder, for the time of a test program. */
#ifndef NOTIFY_SERVER_H
#define NOTIFY_SERVER_H

#include <jansson.h>

#include "base/process.h"
#include "support/fixture.h"

enum { SERVER_PORTS_MAX = 6 };

/* Ports of https_server.py and smtp_server.py, in their order. */
enum { HTTPS_GOOD, HTTPS_OTHER_NAME, HTTP_PLAIN, HTTPS_PORTS };
enum { SMTP_STARTTLS, SMTP_TLS, SMTP_PLAIN, SMTP_LOGIN_ONLY, SMTP_AWAY, SMTP_ENDLESS, SMTP_PORTS };

struct server {
    struct child child;
    uint16_t ports[SERVER_PORTS_MAX];
};

/* Start a program of this folder in a directory and wait until it listens. */
void server_start(struct server *s, const char *script, const char *directory, size_t ports);
void server_stop(struct server *s);

/* "host:port", valid for the next 255 calls. */
const char *server_place(const char *host, uint16_t port);
/* "scheme://host:port/path", the same. */
const char *server_url(const char *scheme, const char *host, uint16_t port, const char *path);

/* The lines of a file of JSON as an array; the file is emptied.  No file: an empty array. */
json_t *server_notes(const char *directory, const char *name);

#endif
