#include "canned_s3.h"

#include <string.h>

#include "base/mem.h"
#include "support/test.h"

const char *with_body(struct buf *out, const char *head, const char *body)
{
    buf_clear(out);
    buf_printf(out, "%sContent-Length: %zu\r\n\r\n%s", head, strlen(body), body);
    return buf_string(out);
}

void pair_auto(struct pair *p)
{
    store_close(p->store);
    canned_auto(&p->server);
    store_secrets_auto(&p->secrets);
}

char *secret(const char *text)
{
    char *copy = mem_secret_new(strlen(text) + 1);

    memcpy(copy, text, strlen(text));
    return copy;
}

void pair_open(struct pair *p, const struct canned_reply *replies, size_t count)
{
    AUTO(buf) struct buf place = {0};

    p->server = canned_new(replies, count);
    p->secrets = (struct store_secrets){true, secret(ID), secret(SECRET), NULL};
    p->options.secrets = &p->secrets;
    if (p->options.s3.timeout_s == 0)
        p->options.s3.timeout_s = 5;
    buf_printf(&place, "http://127.0.0.1:%d/bucket/p", canned_port(p->server));
    CHECK_OK(s3_open(buf_string(&place), &p->options, &p->store, e));
}

bool has_line(const char *request, const char *line)
{
    return strcasestr(request, line) != NULL;
}
