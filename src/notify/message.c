#include "notify/message.h"

#include <assert.h>
#include <jansson.h>
#include <string.h>

#include "base/mem.h"
#include "codec/json.h"
#include "notify/webhook.h"

enum { DOCUMENT_VERSION = 1 };

void message_auto(struct message *m)
{
    mem_free(m->id);
    mem_free(m->target);
    mem_free(m->subject);
    mem_free(m->text);
    mem_free(m->html);
    mem_free(m->body);
}

static void put_text(json_t *j, const char *name, const char *text)
{
    if (text != NULL)
        (void)json_object_set_new(j, name, json_string(text)); /* UTF-8, as the header says */
}

void message_encode(const struct message *m, struct buf *out)
{
    AUTO(json) json_t *j = json_object();

    (void)json_object_set_new(j, "version", json_integer(DOCUMENT_VERSION));
    put_text(j, "id", m->id);
    put_text(j, "channel", channel_kind_name(m->kind));
    put_text(j, "target", m->target);
    (void)json_object_set_new(j, "time_ns", json_integer(m->time_ns));
    put_text(j, "subject", m->subject);
    put_text(j, "text", m->text);
    put_text(j, "html", m->html);
    put_text(j, "body", m->body);
    json_append(j, out);
}

/* What a kind has, and has not. */
static bool is_whole(const struct message *m)
{
    const bool is_mail = m->kind == CHANNEL_MAIL;

    if (m->id == NULL || m->target == NULL || m->time_ns < 0)
        return false;
    if (is_mail != (m->subject != NULL) || is_mail != (m->text != NULL) ||
        (m->html != NULL && !is_mail))
        return false;
    return m->kind == CHANNEL_HEARTBEAT || is_mail == (m->body == NULL);
}

static bool read_document(json_t *j, struct message *out)
{
    const char *channel = NULL;
    const char *id = NULL;
    const char *target = NULL;
    const char *subject = NULL;
    const char *text = NULL;
    const char *html = NULL;
    const char *body = NULL;
    int version = 0;
    json_int_t time_ns = -1;
    enum channel_kind kind = CHANNEL_MAIL;

    if (json_unpack(j, "{s:i,s:s,s:s,s:s,s:I,s?s,s?s,s?s,s?s!}", "version", &version, "id", &id,
                    "channel", &channel, "target", &target, "time_ns", &time_ns, "subject",
                    &subject, "text", &text, "html", &html, "body", &body) != 0 ||
        version != DOCUMENT_VERSION || !channel_kind_parse(channel, &kind))
        return false;
    *out = (struct message){.kind = kind,
                            .id = mem_string(id),
                            .target = mem_string(target),
                            .subject = mem_string(subject),
                            .text = mem_string(text),
                            .html = mem_string(html),
                            .body = mem_string(body),
                            .time_ns = time_ns};
    return is_whole(out);
}

bool message_decode(struct slice text, struct message *out, struct err *e)
{
    AUTO(json) json_t *j = NULL;
    AUTO(message) struct message m = {0};

    if (text.size <= MESSAGE_SIZE_MAX)
        j = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
    if (j == NULL || !read_document(j, &m))
        return err_set(e, ERR_CORRUPT, "it is no message of this program");
    *out = m;
    m = (struct message){0};
    return true;
}

static enum message_fate fate_of(enum channel_kind kind, enum outbound_outcome outcome)
{
    switch (outcome) {
    case OUTBOUND_DONE:
        return MESSAGE_SENT;
    case OUTBOUND_REFUSED:
        /* A mail server that is not listed is a mistake in settings, not in the message. */
        return kind == CHANNEL_MAIL ? MESSAGE_LATER : MESSAGE_NEVER;
    case OUTBOUND_REJECTED:
    case OUTBOUND_REDIRECTED:
        return MESSAGE_NEVER;
    case OUTBOUND_NO_NAME:
    case OUTBOUND_NO_ANSWER:
    case OUTBOUND_BAD_CERTIFICATE:
    case OUTBOUND_NO_TLS:
    case OUTBOUND_NO_LOGIN:
    case OUTBOUND_BUSY:
    case OUTBOUND_TOO_LONG:
    case OUTBOUND_CANCELLED:
        break;
    }
    return MESSAGE_LATER;
}

static bool send_mail(const struct message *m, const struct message_settings *s,
                      struct outbound_reply *out, struct err *e)
{
    const struct mail mail = {.id = m->id,
                              .to = m->target,
                              .subject = m->subject,
                              .text = m->text,
                              .html = m->html,
                              .time_ns = m->time_ns};

    if (s->mail == NULL)
        return err_set(e, ERR_NOT_FOUND, "no mail server is named (serve: mail)");
    return mail_send(s->mail, &s->outbound, &mail, out, e);
}

bool message_send(const struct message *m, const struct message_settings *s,
                  struct message_result *out, struct err *e)
{
    struct outbound_reply reply = {.outcome = OUTBOUND_NO_ANSWER};

    if (!is_whole(m) || strspn(m->id, "0123456789abcdef") != strlen(m->id))
        return err_set(e, ERR_USAGE, "the message is not whole");
    if (m->kind == CHANNEL_MAIL) {
        if (!send_mail(m, s, &reply, e))
            return false;
    } else if (m->kind == CHANNEL_HEARTBEAT) {
        webhook_send_heartbeat(&s->outbound, m->target, m->body, &reply);
    } else {
        const struct webhook w = {.url = m->target,
                                  .id = m->id,
                                  .body = slice_string(m->body),
                                  .secret = s->webhook_secret};

        webhook_send(&s->outbound, &w, &reply);
    }
    if (reply.outcome == OUTBOUND_CANCELLED)
        return err_set(e, ERR_CANCELLED, "interrupted");
    *out = (struct message_result){fate_of(m->kind, reply.outcome), reply.outcome,
                                   reply.retry_after_s};
    return true;
}

bool message_next_try(int tries, int64_t retry_after_s, uint32_t random, int64_t *wait_ms)
{
    const int64_t longest_ms = INT64_C(12) * 3600 * 1000;
    int64_t bound_ms = INT64_C(60) * 1000;

    assert(tries >= 1);
    if (tries >= MESSAGE_TRIES)
        return false;
    for (int i = 0; i < tries; i++)
        bound_ms *= 2;
    if (bound_ms > longest_ms)
        bound_ms = longest_ms;

    int64_t wait = (int64_t)(((uint64_t)bound_ms * random) >> 32);

    if (wait < 1000)
        wait = 1000;
    if (wait < retry_after_s * 1000)
        wait = retry_after_s * 1000;
    *wait_ms = wait;
    return true;
}
