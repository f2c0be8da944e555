/*
 * What others write and notices use, by the first byte: u an address, m the address of a recipient,
 * t a text of a mail, s its subject, j a template of JSON, h one of HTML, d a document of the
 * outbox.  Whatever is taken stays within its bounds, and values stay in their place.
 */
#include <assert.h>
#include <jansson.h>
#include <string.h>

#include "base/mem.h"
#include "notify/mail_text.h"
#include "notify/notify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at_address(const char *text)
{
    static const struct outbound_settings none = {0};
    struct outbound_place place;
    struct channel channel;
    struct err e;

    if (channel_parse(text, &channel, &e))
        assert(strstr(text, channel.target) != NULL);
    if (!outbound_place_parse(&none, text, &place, &e)) {
        assert(e.code == ERR_USAGE || e.code == ERR_DENIED);
        return;
    }
    assert(strcmp(place.scheme, "https") == 0 && place.port > 0 && !place.is_listed);
    assert(strspn(place.host, "abcdefghijklmnopqrstuvwxyz0123456789.-:") == strlen(place.host));
    assert((strncmp(place.host, "127.", 4) != 0 ||
            strspn(place.host, "0123456789.") != strlen(place.host)) &&
           strcmp(place.host, "::1") != 0 && strcmp(place.host, "localhost") != 0);
}

/* CR LF and printable ASCII in lines that every server takes. */
static void look_at_mail(struct slice mail, size_t longest)
{
    size_t column = 0;

    for (size_t i = 0; i < mail.size; i++) {
        const uint8_t c = mail.data[i];

        assert((c >= ' ' && c < 0x7F) || c == '\t' || c == '\r' || c == '\n');
        assert((c == '\r') == (i + 1 < mail.size && mail.data[i + 1] == '\n'));
        column = c == '\n' ? 0 : column + 1;
        assert(column <= longest + 1);
    }
}

static void compose(const char *to, const char *subject, const char *text)
{
    const struct mail m = {.id = "a1", .to = to, .subject = subject, .text = text, .html = text};
    AUTO(buf) struct buf out = {0};
    struct err e;

    if (!mail_compose(&m, "backup@example.org", &out, &e)) {
        assert(e.code == ERR_USAGE && out.size == 0);
        return;
    }
    look_at_mail(buf_slice(&out), ADDRESS_MAIL_MAX + 10);

    /* One head, and nothing in it that was not put there. */
    const char *all = buf_string(&out);
    const char *body = strstr(all, "\r\n\r\n");

    assert(body != NULL);
    for (const char *at = all; at < body; at = strstr(at, "\r\n") + 2)
        assert(strchr("DFTSMAC ", *at) != NULL);
}

static void look_at_template(enum template_kind kind, struct slice text)
{
    AUTO(template) struct template *t = NULL;
    AUTO(buf) struct buf plain = {0};
    AUTO(buf) struct buf hostile = {0};
    struct template_values one;
    struct template_values other;
    struct err e;

    if (!template_parse(kind, "t", text, &t, &e)) {
        assert(e.code == ERR_USAGE);
        return;
    }
    for (size_t i = 0; i < BLANK_COUNT; i++) {
        const bool is_number = i == BLANK_SIZE_BYTES || i == BLANK_DURATION_S ||
                               i == BLANK_TIME_S || i == BLANK_COLOR_NUMBER;

        one.text[i] = is_number ? "1" : "x";
        other.text[i] = is_number ? "1" : "\"]},{[<>'\\\x01";
    }
    template_write(t, &one, &plain);
    template_write(t, &other, &hostile);

    /* A value never decides whether the whole is JSON. */
    json_t *first = json_loadb((const char *)plain.data, plain.size, JSON_DECODE_ANY, NULL);
    json_t *second = json_loadb((const char *)hostile.data, hostile.size, JSON_DECODE_ANY, NULL);

    assert(kind == TEMPLATE_HTML || first == NULL || second != NULL);
    json_decref(first);
    json_decref(second);
}

static void look_at_document(struct slice text)
{
    AUTO(message) struct message m = {0};
    AUTO(message) struct message again = {0};
    AUTO(buf) struct buf out = {0};
    struct err e;

    if (!message_decode(text, &m, &e)) {
        assert(e.code == ERR_CORRUPT);
        return;
    }
    message_encode(&m, &out);
    assert(message_decode(buf_slice(&out), &again, &e));
    assert(strcmp(m.id, again.id) == 0 && strcmp(m.target, again.target) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;

    const struct slice rest = {data + 1, size - 1};
    AUTO(mem) char *text = mem_dup(rest.data, rest.size);

    switch (data[0]) {
    case 'u':
        look_at_address(text);
        break;
    case 'm':
        compose(text, "s", "t");
        break;
    case 's':
        compose("a@example.org", text, "t");
        break;
    case 't':
        compose("a@example.org", "s", text);
        break;
    case 'j':
        look_at_template(TEMPLATE_JSON, rest);
        look_at_template(TEMPLATE_SLACK, rest);
        look_at_template(TEMPLATE_DISCORD, rest);
        break;
    case 'h':
        look_at_template(TEMPLATE_HTML, rest);
        break;
    case 'd':
        look_at_document(rest);
        break;
    default:
        break;
    }
    return 0;
}
