#include "notify/mail.h"

#include <stdio.h>
#include <string.h>

#include "notify/mail_text.h"
#include "notify/outbound_call.h"

/* A conversation with a mail server. */
struct delivery {
    struct outbound_call call;
    struct slice message; /* what is left to send */
    bool is_begun;        /* the server took the recipient and asked for the message */
};

static void delivery_auto(struct delivery *d)
{
    outbound_call_auto(&d->call);
}

static size_t on_send(char *to, size_t size, size_t count, void *arg)
{
    struct delivery *d = arg;
    const size_t room = size * count;
    const size_t n = d->message.size < room ? d->message.size : room;

    d->is_begun = true;
    memcpy(to, d->message.data, n);
    d->message = SLICE_OF(d->message.data + n, d->message.size - n);
    return n;
}

static size_t on_line(char *line, size_t size, size_t count, void *arg)
{
    struct delivery *d = arg;

    (void)line;
    return outbound_call_count(&d->call, size * count) ? size * count : 0;
}

/*
 * Whether the server said no to this message for good.  5yz is that in answer to the recipient or
 * the message, but not to the greeting, which is about this host, nor when it asks for a login or
 * TLS, which the owner of the settings will mend.
 */
static bool is_rejected(const struct delivery *d, CURLcode code, long status)
{
    if (status < 500 || status > 599 || status == 530 || status == 535 || status == 538)
        return false;
    return d->is_begun || code == CURLE_SEND_ERROR;
}

static enum outbound_outcome outcome_of(const struct delivery *d, CURLcode code, long status)
{
    if (code == CURLE_OK)
        return OUTBOUND_DONE;
    if (code == CURLE_ABORTED_BY_CALLBACK || d->call.is_too_long || d->call.is_refused)
        return outbound_call_outcome(&d->call, code);
    if (is_rejected(d, code, status))
        return OUTBOUND_REJECTED;
    if (status == 530 || status == 535)
        return OUTBOUND_NO_LOGIN;
    if (status >= 400 && status <= 499)
        return OUTBOUND_BUSY;
    return outbound_call_outcome(&d->call, code);
}

static void set_server(struct delivery *d, const struct mail_settings *s)
{
    struct outbound_call *c = &d->call;
    const bool is_v6 = strchr(c->place.host, ':') != NULL;
    char url[OUTBOUND_HOST_MAX + 32];

    (void)snprintf(url, sizeof(url), "%s://%s%s%s:%u", c->place.scheme, is_v6 ? "[" : "",
                   c->place.host, is_v6 ? "]" : "", (unsigned)c->place.port);
    CALL_SET(c, CURLOPT_URL, url);
    CALL_SET(c, CURLOPT_USE_SSL,
             (long)(s->security == MAIL_PLAIN ? CURLUSESSL_NONE : CURLUSESSL_ALL));
    if (s->password != NULL) {
        CALL_SET(c, CURLOPT_USERNAME, s->user);
        CALL_SET(c, CURLOPT_PASSWORD, s->password);
    }
}

static void set_message(struct delivery *d, const char *from, const char *to)
{
    struct outbound_call *c = &d->call;
    char path[ADDRESS_MAIL_MAX + 3];

    (void)snprintf(path, sizeof(path), "<%.*s>", ADDRESS_MAIL_MAX, from);
    CALL_SET(c, CURLOPT_MAIL_FROM, path);
    (void)snprintf(path, sizeof(path), "<%.*s>", ADDRESS_MAIL_MAX, to);
    outbound_call_add_line(c, path);
    CALL_SET(c, CURLOPT_MAIL_RCPT, c->lines);
    CALL_SET(c, CURLOPT_UPLOAD, 1L);
    CALL_SET(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)d->message.size);
    CALL_SET(c, CURLOPT_READFUNCTION, on_send);
    CALL_SET(c, CURLOPT_READDATA, d);
    CALL_SET(c, CURLOPT_HEADERFUNCTION, on_line);
    CALL_SET(c, CURLOPT_HEADERDATA, d);
}

bool mail_send(const struct mail_settings *s, const struct outbound_settings *o,
               const struct mail *m, struct outbound_reply *out, struct err *e)
{
    AUTO(buf) struct buf message = {0};
    AUTO(delivery) struct delivery d = {0};
    struct mail_from from;
    struct outbound_place place;
    struct err refusal;
    long status = 0;

    if (!mail_from_parse(s->from, &from, e) || !mail_compose(m, s->from, &message, e))
        return false;
    *out = (struct outbound_reply){.outcome = OUTBOUND_REFUSED};
    if (!outbound_place_make(o, s->security == MAIL_TLS ? "smtps" : "smtp", s->host, s->port,
                             &place, &refusal))
        return true;
    outbound_call_init(&d.call, o, &place);
    d.message = buf_slice(&message);
    set_server(&d, s);
    set_message(&d, from.address, m->to);

    const CURLcode code = outbound_call_run(&d.call, &status);

    out->outcome = outcome_of(&d, code, status);
    return true;
}
