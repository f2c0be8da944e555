/*
 * A service that is asked over HTTP: where it is, the token shown to it, its answers as JSON.
 *
 * Certificates are checked, nothing is followed, answers are bounded, and what the service says in
 * a refusal becomes one line of our sentence.  The token is read from a file: it stands in no
 * argument, variable or message.
 */
#ifndef CLI_REMOTE_H
#define CLI_REMOTE_H

#include <jansson.h>

#include "cli/call.h"

struct remote_args {
    char *server, *token_file, *ca_file;
};
/* clang-format off */
#define REMOTE_OPTIONS(type, member)                                                               \
    {"server", 0, OPTION_TEXT, offsetof(struct type, member.server), "URL",                        \
     "Ask the service at URL instead of this machine", "HOLDFAST_SERVER", NULL, NULL},             \
    {"token-file", 0, OPTION_TEXT, offsetof(struct type, member.token_file), "FILE",               \
     "Show the API token in FILE to the service", "HOLDFAST_TOKEN_FILE", NULL, NULL},              \
    {"ca-file", 0, OPTION_TEXT, offsetof(struct type, member.ca_file), "FILE",                     \
     "Trust the certificates in FILE instead of the system's", "HOLDFAST_CA_FILE", NULL, NULL}
/* clang-format on */

/* Secrets are no part of a URL and go over no line that others can listen to.  ERR_USAGE naming the
 * option. */
MUST_CHECK bool remote_check_url(const char *option, const char *url, bool has_token,
                                 struct err *e);

/* "Authorization: Bearer TOKEN" in secret memory (mem_secret_free()), from --token-file; NULL when
 * that is NULL. */
MUST_CHECK bool remote_token_header(const char *token_file, char **out, struct err *e);

struct remote;

/* Connects to nothing yet. */
MUST_CHECK bool remote_open(struct call *call, const struct remote_args *args, struct remote **out,
                            struct err *e);
void remote_close(struct remote *r); /* accepts NULL */
void remote_auto(struct remote **r);

/*
 * Ask.  path begins with '/'; body is JSON, or empty: none is sent.  *out is what a success (2xx)
 * says, an object, and *status its number.  Else the error is what the service said: ERR_DENIED 401
 * (the call's stage is STAGE_UNLOCK then) and 403, ERR_NOT_FOUND 404, ERR_EXISTS 409 and 412,
 * ERR_USAGE other 4xx, ERR_TRANSIENT what may pass, else ERR_FATAL.
 */
MUST_CHECK bool remote_ask(struct remote *r, const char *method, const char *path,
                           struct slice body, int *status, json_t **out, struct err *e);

/* The same with POST, and when the answer is 202 wait for its job as long as that takes, and say
 * how it goes. *job is the job's record then, and NULL else. */
MUST_CHECK bool remote_order(struct remote *r, const char *path, struct slice body, json_t **out,
                             json_t **job, struct err *e);

/* Append a name as one piece of a path.  ERR_USAGE for "", "." and "..", which no piece can be. */
MUST_CHECK bool remote_path_add(struct buf *path, const char *name, struct err *e);

#endif
