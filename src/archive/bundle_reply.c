#include "archive/bundle.h"

/* Bodies of 404 and 500 are the published server's; the others are of the same shape. */
static const struct {
    int status;
    const char *reason, *body;
} answers[] = {
    [BUNDLE_SAVED] = {200, "OK", NULL},
    [BUNDLE_NOT_FOUND] = {404, "Not Found", "{\"error\": \"Not found\"}"},
    [BUNDLE_FAILED] = {500, "Internal Server Error",
                       "{\"error\": \"Internal server error\", \"status\": \"failed\"}"},
    [BUNDLE_BAD_REQUEST] = {400, "Bad Request",
                            "{\"error\": \"Bad request\", \"status\": \"failed\"}"},
    [BUNDLE_NO_TOKEN] = {401, "Unauthorized",
                         "{\"error\": \"Unauthorized\", \"status\": \"failed\"}"},
    [BUNDLE_FORBIDDEN] = {403, "Forbidden", "{\"error\": \"Forbidden\", \"status\": \"failed\"}"},
    [BUNDLE_BAD_FORM] = {422, "Unprocessable Content",
                         "{\"error\": \"Not a backup bundle\", \"status\": \"failed\"}"},
    [BUNDLE_TOO_LARGE] = {413, "Content Too Large",
                          "{\"error\": \"Bundle too large\", \"status\": \"failed\"}"},
    [BUNDLE_BAD_TYPE] = {415, "Unsupported Media Type",
                         "{\"error\": \"Unsupported media type\", \"status\": \"failed\"}"},
    [BUNDLE_TOO_FAST] = {429, "Too Many Requests",
                         "{\"error\": \"Too many backups\", \"status\": \"failed\"}"},
    [BUNDLE_BUSY] = {503, "Service Unavailable",
                     "{\"error\": \"Service unavailable\", \"status\": \"failed\"}"},
    [BUNDLE_FULL] = {507, "Insufficient Storage",
                     "{\"error\": \"Insufficient storage\", \"status\": \"failed\"}"},
};

int bundle_status(enum bundle_answer a)
{
    return answers[a].status;
}

const char *bundle_reason(enum bundle_answer a)
{
    return answers[a].reason;
}

void bundle_refusal(enum bundle_answer a, struct buf *out)
{
    buf_append_slice(out, slice_string(answers[a].body));
}

void bundle_saved(const char *name, const char *stamp, uint64_t size, struct buf *out)
{
    buf_printf(out,
               "{\"status\": \"success\", \"message\": \"Backup saved successfully\", "
               "\"filename\": \"%s\", \"timestamp\": \"%s\", \"size\": %llu}",
               name, stamp, (unsigned long long)size);
}
