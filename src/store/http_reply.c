#include "store/http_reply.h"

#include <string.h>

enum { HEADERS_MAX = 64 << 10 };

void http_reply_done(struct http_reply *r)
{
    buf_done(&r->headers);
    buf_done(&r->failure);
}

void http_reply_auto(struct http_reply *r)
{
    http_reply_done(r);
}

const char *http_reply_header(const struct http_reply *r, const char *name)
{
    const size_t size = strlen(name);

    for (size_t at = 0; at < r->headers.size;) {
        const char *line = (const char *)r->headers.data + at;

        if (strncmp(line, name, size) == 0 && line[size] == ':')
            return line + size + 1 + strspn(line + size + 1, " \t");
        at += strlen(line) + 1;
    }
    return NULL;
}

/* "HTTP/1.1 200 OK"; 0 for another line. */
static int status_of(const char *line, size_t size)
{
    const char *blank = memchr(line, ' ', size);
    int status = 0;

    if (size < 5 || memcmp(line, "HTTP/", 5) != 0 || blank == NULL)
        return 0;
    for (const char *c = blank + 1; c < line + size && *c >= '0' && *c <= '9' && status < 1000; c++)
        status = 10 * status + (*c - '0');
    return status;
}

enum http_line http_reply_take(struct http_reply *r, const char *line, size_t size)
{
    const int status = status_of(line, size);

    if (status > 0) {
        r->status = status;
        buf_clear(&r->headers);
        return HTTP_LINE_STATUS;
    }
    while (size > 0 && (line[size - 1] == '\r' || line[size - 1] == '\n'))
        size--;
    if (size == 0)
        return HTTP_LINE_END;
    if (r->headers.size + size >= HEADERS_MAX || memchr(line, '\0', size) != NULL)
        return HTTP_LINE_REFUSED;

    char *kept = (char *)buf_extend(&r->headers, size + 1);

    memcpy(kept, line, size);
    kept[size] = '\0';
    for (char *c = kept; *c != '\0' && *c != ':'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    return HTTP_LINE_HEADER;
}
