/*
 * The head of a reply, line by line.  Private to http.c, which has the rest.
 */
#ifndef STORE_HTTP_REPLY_H
#define STORE_HTTP_REPLY_H

#include "store/http.h"

enum http_line {
    HTTP_LINE_STATUS, /* what came before belonged to "100 Continue" */
    HTTP_LINE_HEADER,
    HTTP_LINE_END,
    HTTP_LINE_REFUSED, /* too long, or with a NUL */
};
enum http_line http_reply_take(struct http_reply *r, const char *line, size_t size);

#endif
