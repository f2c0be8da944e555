#include "notify/outbound.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "notify/outbound_call.h"

struct outcome_text {
    const char *name, *sentence;
};

static const struct outcome_text outcomes[] = {
    [OUTBOUND_DONE] = {"done", "it was delivered"},
    [OUTBOUND_REFUSED] = {"refused", "the address is not one that messages may go to"},
    [OUTBOUND_NO_NAME] = {"no_name", "the host's name is not known"},
    [OUTBOUND_NO_ANSWER] = {"no_answer", "the host does not answer"},
    [OUTBOUND_BAD_CERTIFICATE] = {"bad_certificate", "the host's certificate does not hold"},
    [OUTBOUND_NO_TLS] = {"no_tls", "the host offers no TLS"},
    [OUTBOUND_NO_LOGIN] = {"no_login", "the host does not accept user and password"},
    [OUTBOUND_BUSY] = {"busy", "the host asks to try again later"},
    [OUTBOUND_REJECTED] = {"rejected", "the host does not take the message"},
    [OUTBOUND_REDIRECTED] = {"redirected", "the host points to another address"},
    [OUTBOUND_TOO_LONG] = {"too_long", "the host's reply is too long"},
    [OUTBOUND_CANCELLED] = {"cancelled", "it was interrupted"},
};

const char *outbound_outcome_name(enum outbound_outcome outcome)
{
    return outcomes[outcome].name;
}

const char *outbound_outcome_sentence(enum outbound_outcome outcome)
{
    return outcomes[outcome].sentence;
}

/* A reply over HTTP. */
struct answer {
    struct outbound_call call;
    bool has_head; /* all of it, of the last reply; those with 1xx come before */
    int64_t retry_after_s;
};

static void answer_auto(struct answer *a)
{
    outbound_call_auto(&a->call);
}

/* "Retry-After: 120"; the form with a date is left alone, since few use it. */
static void take_retry_after(struct answer *a, const char *line, size_t size)
{
    static const char name[] = "retry-after:";
    const size_t start = sizeof(name) - 1;
    char text[16];
    uint64_t seconds = 0;
    struct err ignored;

    if (size <= start || strncasecmp(line, name, start) != 0)
        return;
    text_flatten(SLICE_OF(line + start, size - start), text, sizeof(text));
    if (parse_u64(text, &seconds, &ignored))
        a->retry_after_s =
            seconds < (uint64_t)OUTBOUND_RETRY_S ? (int64_t)seconds : OUTBOUND_RETRY_S;
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
    struct answer *a = arg;
    const size_t all = size * count;

    if (!outbound_call_count(&a->call, all))
        return 0;
    a->has_head = all == 2 && memcmp(line, "\r\n", 2) == 0;
    take_retry_after(a, line, all);
    return all;
}

static enum outbound_outcome outcome_of(const struct answer *a, CURLcode code, long status)
{
    if (code == CURLE_ABORTED_BY_CALLBACK || !a->has_head || status < 200)
        return outbound_call_outcome(&a->call, code);
    if (status < 300)
        return OUTBOUND_DONE;
    if (status < 400)
        return OUTBOUND_REDIRECTED;
    /* Too early and too often are no fault of the message; 408 and 5xx are the host's. */
    if (status == 408 || status == 425 || status == 429 || status >= 500)
        return OUTBOUND_BUSY;
    return OUTBOUND_REJECTED;
}

static void set_request(struct answer *a, const struct outbound_request *r)
{
    struct outbound_call *c = &a->call;
    const bool is_post = strcmp(r->method, "POST") == 0;

    assert(is_post || (strcmp(r->method, "GET") == 0 && r->body.size == 0));
    for (size_t i = 0; i < r->header_count; i++)
        outbound_call_add_line(c, r->headers[i]);
    outbound_call_add_line(c, "Expect:");
    CALL_SET(c, CURLOPT_HTTPHEADER, c->lines);
    CALL_SET(c, CURLOPT_URL, r->url);
    CALL_SET(c, CURLOPT_PATH_AS_IS, 1L);
    CALL_SET(c, CURLOPT_USERAGENT, "holdfast/" HOLDFAST_VERSION);
    CALL_SET(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    if (is_post) {
        CALL_SET(c, CURLOPT_POST, 1L);
        CALL_SET(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.size);
        CALL_SET(c, CURLOPT_POSTFIELDS, r->body.size == 0 ? "" : (const char *)r->body.data);
    }
    CALL_SET(c, CURLOPT_HEADERFUNCTION, on_header);
    CALL_SET(c, CURLOPT_HEADERDATA, a);
}

void outbound_send(const struct outbound_settings *s, const struct outbound_request *r,
                   struct outbound_reply *out)
{
    struct outbound_place place;
    struct err ignored;

    *out = (struct outbound_reply){.outcome = OUTBOUND_REFUSED};
    if (!outbound_place_parse(s, r->url, &place, &ignored))
        return;

    AUTO(answer) struct answer a = {0};
    long status = 0;

    outbound_call_init(&a.call, s, &place);
    set_request(&a, r);

    const CURLcode code = outbound_call_run(&a.call, &status);

    out->outcome = outcome_of(&a, code, status);
    if (out->outcome == OUTBOUND_BUSY)
        out->retry_after_s = a.retry_after_s;
}
