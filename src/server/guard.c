#include "server/guard.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

/* RFC 9110 5.6.2 */
static bool is_token_byte(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(struct slice s)
{
    for (size_t i = 0; i < s.size; i++)
        if (!is_token_byte(s.data[i]))
            return false;
    return s.size > 0;
}

static bool is_word(struct slice s, const char *word)
{
    return s.size == strlen(word) && strncasecmp((const char *)s.data, word, s.size) == 0;
}

static bool is_exactly(struct slice s, const char *word)
{
    return slice_is_equal(s, slice_string(word));
}

struct slice guard_field(const struct guard_head *h, const char *name)
{
    for (size_t i = 0; i < h->count; i++)
        if (is_word(h->fields[i].name, name))
            return h->fields[i].value;
    return (struct slice){0};
}

/* Fields that mean something to us and of which two could be read as either. */
static const char *const single[] = {
    "Host",
    "Content-Length",
    "Transfer-Encoding",
    "Content-Type",
    "Authorization",
    "Origin",
    "Cookie",
    "Expect",
    "Upgrade",
    "If-Match",
    "Range",
    "Last-Event-ID",
    "Idempotency-Key",
    "Content-Digest",
    "Sec-WebSocket-Key",
    "Sec-Fetch-Site",
    "If-None-Match",
    "X-HF-CSRF",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-For",
    "Sec-WebSocket-Version",
};

static bool has_two(const struct guard_head *h)
{
    for (size_t s = 0; s < sizeof(single) / sizeof(single[0]); s++) {
        int seen = 0;

        for (size_t i = 0; i < h->count; i++)
            seen += is_word(h->fields[i].name, single[s]);
        if (seen > 1)
            return true;
    }
    return false;
}

static bool is_value(struct slice s)
{
    for (size_t i = 0; i < s.size; i++)
        if ((s.data[i] < ' ' && s.data[i] != '\t') || s.data[i] == 0x7f)
            return false;
    return true;
}

/* A name or an address, and a port of digits. */
static bool is_host(struct slice s)
{
    size_t i = 0;

    if (s.size > 0 && s.data[0] == '[') {
        while (++i < s.size && s.data[i] != ']')
            if (s.data[i] >= 0x7f || strchr("0123456789abcdefABCDEF:.", s.data[i]) == NULL)
                return false;
        if (i < 3 || i++ >= s.size)
            return false;
    } else {
        while (i < s.size && s.data[i] < 0x7f && s.data[i] != ':' && is_token_byte(s.data[i]) &&
               strchr("!#$%&'*+^`|~", s.data[i]) == NULL)
            i++;
        if (i == 0)
            return false;
    }
    if (i == s.size)
        return true;
    if (s.data[i] != ':' || s.size - i > 6)
        return false;
    while (++i < s.size)
        if (s.data[i] < '0' || s.data[i] > '9')
            return false;
    return true;
}

static bool take_length(struct slice s, uint64_t *out)
{
    uint64_t n = 0;

    for (size_t i = 0; i < s.size; i++) {
        if (s.data[i] < '0' || s.data[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(s.data[i] - '0');
    }
    /* 18 digits do not overflow. */
    if (s.size == 0 || s.size > 18)
        return false;
    *out = n;
    return true;
}

static int refuse(int status, const char **why, const char *sentence)
{
    *why = sentence;
    return status;
}

static int check_line(const struct guard_head *h, const char **why)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
    bool is_known = false;

    if (!is_token(h->method))
        return refuse(400, why, "the method is no token");
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        is_known = is_known || is_exactly(h->method, methods[i]);
    if (!is_known)
        return refuse(501, why, "the method is not known here");
    if (!is_exactly(h->version, "HTTP/1.1") && !is_exactly(h->version, "HTTP/1.0"))
        return refuse(505, why, "the version is not HTTP/1.1");
    if (h->target.size > GUARD_TARGET_MAX)
        return refuse(414, why, "the target is too long");
    if (h->target.size == 0 || h->target.data[0] != '/')
        return refuse(400, why, "the target is no path");
    for (size_t i = 0; i < h->target.size; i++)
        if (h->target.data[i] <= ' ' || h->target.data[i] >= 0x7f || h->target.data[i] == '#')
            return refuse(400, why, "the target has bytes that stand in no target");
    return 0;
}

static int check_body(const struct guard_head *h, struct guard_facts *out, const char **why)
{
    const struct slice coding = guard_field(h, "Transfer-Encoding");
    const struct slice length = guard_field(h, "Content-Length");
    const struct slice expect = guard_field(h, "Expect");

    if (coding.data != NULL && length.data != NULL)
        return refuse(400, why, "Content-Length and Transfer-Encoding are both there");
    if (coding.data != NULL && (!is_word(coding, "chunked") || is_exactly(h->version, "HTTP/1.0")))
        return refuse(400, why, "the Transfer-Encoding is not chunked");
    if (length.data != NULL && !take_length(length, &out->length))
        return refuse(400, why, "the Content-Length is no number");
    out->is_chunked = coding.data != NULL;
    out->has_length = length.data != NULL;
    if (expect.data != NULL && !is_word(expect, "100-continue"))
        return refuse(417, why, "the Expect is not 100-continue");
    out->expects_continue = expect.data != NULL;
    return 0;
}

int guard_check(const struct guard_head *h, struct guard_facts *out, const char **why)
{
    struct guard_facts facts = {0};
    int status;

    if (h->size > GUARD_HEAD_MAX || h->count > GUARD_HEADERS_MAX)
        return refuse(431, why, "the head is too large");
    status = check_line(h, why);
    if (status != 0)
        return status;
    for (size_t i = 0; i < h->count; i++)
        if (!is_token(h->fields[i].name) || !is_value(h->fields[i].value))
            return refuse(400, why, "a header is malformed");
    if (has_two(h))
        return refuse(400, why, "a header is there twice");
    facts.host = guard_field(h, "Host");
    if (facts.host.data == NULL || !is_host(facts.host))
        return refuse(400, why, "there is no Host");
    status = check_body(h, &facts, why);
    if (status == 0)
        *out = facts;
    return status;
}

/* The bytes in front of the next CRLF; false when there is none or CR or LF stand alone. */
static bool take_line(struct slice *s, struct slice *line)
{
    for (size_t i = 0; i + 1 < s->size; i++) {
        if (s->data[i] == '\r' && s->data[i + 1] == '\n') {
            *line = SLICE_OF(s->data, i);
            *s = SLICE_OF(s->data + i + 2, s->size - i - 2);
            return true;
        }
        if (s->data[i] == '\r' || s->data[i] == '\n' || s->data[i] == '\0')
            return false;
    }
    return false;
}

static bool take_until(struct slice *s, char end, struct slice *out)
{
    const uint8_t *found = s->size == 0 ? NULL : memchr(s->data, end, s->size);

    if (found == NULL)
        return false;
    *out = SLICE_OF(s->data, (size_t)(found - s->data));
    *s = SLICE_OF(found + 1, s->size - out->size - 1);
    return true;
}

static struct slice without_blanks(struct slice s)
{
    while (s.size > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
        s = SLICE_OF(s.data + 1, s.size - 1);
    while (s.size > 0 && (s.data[s.size - 1] == ' ' || s.data[s.size - 1] == '\t'))
        s.size--;
    return s;
}

bool guard_split(struct slice bytes, struct guard_field *fields, struct guard_head *out)
{
    struct guard_head h = {.fields = fields, .size = bytes.size};
    struct slice line;

    if (!take_line(&bytes, &line) || !take_until(&line, ' ', &h.method) ||
        !take_until(&line, ' ', &h.target))
        return false;
    h.version = line;
    while (take_line(&bytes, &line) && line.size > 0) {
        struct guard_field f;

        if (h.count > GUARD_HEADERS_MAX || !take_until(&line, ':', &f.name))
            return false;
        f.value = without_blanks(line);
        fields[h.count++] = f;
        line.size = 1; /* a line was there */
    }
    if (line.size != 0 || bytes.size != 0)
        return false;
    *out = h;
    return true;
}

static int digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes escapes once; refused are control characters and all bytes in forbidden. */
static bool decode(struct slice in, const char *forbidden, bool is_query, char *out)
{
    size_t n = 0;

    if (in.size > GUARD_TARGET_MAX)
        return false;
    for (size_t i = 0; i < in.size; i++) {
        uint8_t c = in.data[i];

        if (c == '%') {
            const int high = i + 2 < in.size ? digit(in.data[i + 1]) : -1;
            const int low = high >= 0 ? digit(in.data[i + 2]) : -1;

            if (low < 0)
                return false;
            c = (uint8_t)(high * 16 + low);
            i += 2;
            if (c != '\0' && strchr(forbidden, c) != NULL)
                return false;
        } else if (c == '+' && is_query) {
            c = ' ';
        }
        if (c < ' ' || c == 0x7f || (c == '\\' && !is_query))
            return false;
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return utf8_is_valid(SLICE_OF(out, n));
}

bool guard_path(struct slice path, char *out)
{
    if (path.size == 0 || path.data[0] != '/' || !decode(path, "/\\", false, out))
        return false;
    for (const char *s = out; s != NULL; s = strchr(s + 1, '/')) {
        const size_t size = strcspn(s + 1, "/");

        if (size == 0 && s[1] == '/')
            return false;
        if ((size == 1 && s[1] == '.') || (size == 2 && s[1] == '.' && s[2] == '.'))
            return false;
    }
    return true;
}

bool guard_query_part(struct slice part, char *out)
{
    return decode(part, "", true, out);
}

bool guard_host_is_allowed(struct slice host, const char *const *names, size_t count)
{
    size_t size = 0;

    if (host.size > 0 && host.data[0] == '[') {
        while (size < host.size && host.data[size++] != ']')
            ;
    } else {
        while (size < host.size && host.data[size] != ':')
            size++;
    }
    for (size_t i = 0; i < count; i++)
        if (is_word(SLICE_OF(host.data, size), names[i]))
            return true;
    return false;
}
