#include "server/multipart.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/text.h"

#define CRLF "\r\n"

enum state {
    STATE_FIRST,  /* the first boundary is to come */
    STATE_MARK,   /* what follows a boundary: CRLF, or -- at the end */
    STATE_HEAD,   /* headers of a part */
    STATE_BYTES,  /* of a part */
    STATE_BEHIND, /* the last boundary has come */
};

struct multipart {
    struct multipart_taker to;
    char mark[sizeof(CRLF "--") + MULTIPART_BOUNDARY_MAX]; /* CRLF, two dashes, the boundary */
    size_t mark_size;
    enum state state;
    struct buf held; /* what is not understood yet */
    size_t at;       /* of it, up to where it is */
    size_t count;    /* parts that have begun */
};

void multipart_free(struct multipart *m)
{
    if (m == NULL)
        return;
    buf_done(&m->held);
    mem_free(m);
}

void multipart_auto(struct multipart **m)
{
    multipart_free(*m);
}

static bool refuse(const char *what, struct err *e)
{
    return err_set(e, ERR_USAGE, "the form cannot be read: %s", what);
}

/* Parameters */

static void skip_blanks(const char **s)
{
    *s += strspn(*s, " \t");
}

static size_t word_size(const char *s)
{
    return strspn(s,
                  "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
}

/* The value of a parameter: a word, or text in quotes, in which a backslash stands before a quote
 * or another one (a backslash before anything else is itself, as browsers write it). */
static bool take_value(const char **s, char *out, size_t room)
{
    size_t size = 0;

    if (**s != '"') {
        size = word_size(*s);
        if (size == 0 || size >= room)
            return false;
        memcpy(out, *s, size);
        out[size] = '\0';
        *s += size;
        return true;
    }
    for ((*s)++; **s != '"'; (*s)++) {
        if (**s == '\\' && ((*s)[1] == '"' || (*s)[1] == '\\'))
            (*s)++;
        if (**s == '\0' || size + 1 >= room)
            return false;
        out[size++] = **s;
    }
    out[size] = '\0';
    (*s)++;
    return true;
}

/* One of the parameters that a header may have. */
struct parameter {
    const char *name;
    char *out;
    size_t room;
    bool is_there;
};

/* "; name=value" to the end.  False for one that is there twice or that none of them is. */
static bool take_parameters(const char *s, struct parameter *all, size_t count)
{
    for (skip_blanks(&s); *s != '\0'; skip_blanks(&s)) {
        size_t size;
        size_t i = 0;

        if (*s++ != ';')
            return false;
        skip_blanks(&s);
        size = word_size(s);
        while (i < count && (strlen(all[i].name) != size || strncasecmp(all[i].name, s, size) != 0))
            i++;
        if (i == count || all[i].is_there || s[size] != '=')
            return false;
        s += size + 1;
        if (!take_value(&s, all[i].out, all[i].room))
            return false;
        all[i].is_there = true;
    }
    return true;
}

/* "form-data" and the like in front of parameters: what follows it, or NULL. */
static const char *after_word(const char *s, const char *word)
{
    const size_t size = strlen(word);

    skip_blanks(&s);
    return strncasecmp(s, word, size) == 0 && strchr("; \t", s[size]) != NULL ? s + size : NULL;
}

bool multipart_new(const char *type, const struct multipart_taker *to, struct multipart **out,
                   struct err *e)
{
    char boundary[MULTIPART_BOUNDARY_MAX + 1] = "";
    char charset[MULTIPART_NAME_MAX + 1]; /* some clients say it, and it says nothing */
    struct parameter all[] = {{"boundary", boundary, sizeof(boundary), false},
                              {"charset", charset, sizeof(charset), false}};
    const char *rest = type == NULL ? NULL : after_word(type, "multipart/form-data");
    struct multipart *m;

    if (rest == NULL || !take_parameters(rest, all, 2) || boundary[0] == '\0' ||
        boundary[strcspn(boundary, CRLF)] != '\0')
        return err_set(e, ERR_USAGE,
                       "Content-Type: must be multipart/form-data with a boundary of at most %d "
                       "bytes",
                       MULTIPART_BOUNDARY_MAX);
    m = mem_new(sizeof(*m));
    m->to = *to;
    memcpy(m->mark, CRLF "--", sizeof(CRLF "--") - 1);
    memcpy(m->mark + sizeof(CRLF "--") - 1, boundary, strlen(boundary));
    m->mark_size = sizeof(CRLF "--") - 1 + strlen(boundary);
    *out = m;
    return true;
}

/* Headers of a part */

struct head {
    char name[MULTIPART_NAME_MAX + 1];
    char file[MULTIPART_FILE_MAX + 1];
    bool has_disposition, has_file;
};

static bool take_disposition(const char *value, struct head *h, struct err *e)
{
    struct parameter all[] = {{"name", h->name, sizeof(h->name), false},
                              {"filename", h->file, sizeof(h->file), false}};
    const char *rest = after_word(value, "form-data");

    if (h->has_disposition)
        return refuse("a part has two of Content-Disposition", e);
    if (rest == NULL || !take_parameters(rest, all, 2) || h->name[0] == '\0')
        return refuse(
            "Content-Disposition must be form-data; name=\"...\", and filename=\"...\" of "
            "a file",
            e);
    h->has_disposition = true;
    h->has_file = all[1].is_there;
    return true;
}

static bool take_header(char *line, struct head *h, struct err *e)
{
    char *colon = strchr(line, ':');

    if (colon == NULL || colon == line || word_size(line) != (size_t)(colon - line))
        return refuse("a header of a part is none", e);
    *colon = '\0';
    if (strcasecmp(line, "Content-Disposition") == 0)
        return take_disposition(colon + 1, h, e);
    if (strcasecmp(line, "Content-Transfer-Encoding") == 0 &&
        after_word(colon + 1, "binary") == NULL)
        return refuse("a part has an encoding of its own", e);
    return true;
}

/* Lines that end with CRLF each. */
static bool begin_part(struct multipart *m, struct slice text, struct err *e)
{
    AUTO(mem) char *lines = mem_dup(text.data, text.size);
    struct head h = {0};

    if (memchr(text.data, '\0', text.size) != NULL || !utf8_is_valid(text))
        return refuse("the headers of a part are not UTF-8", e);
    for (char *line = lines, *end; *line != '\0'; line = end + 2) {
        end = strstr(line, CRLF); /* the last one has it, too */
        *end = '\0';
        if (line[strcspn(line, CRLF)] != '\0')
            return refuse("a line of the headers has no end", e);
        if (!take_header(line, &h, e))
            return false;
    }
    if (!h.has_disposition)
        return refuse("a part has no Content-Disposition", e);
    if (m->count == MULTIPART_PARTS_MAX)
        return refuse("it has too many parts", e);
    m->count++;
    return m->to.begin(m->to.arg, h.name, h.has_file ? h.file : NULL, e);
}

/* Steps */

static struct slice rest_of(const struct multipart *m)
{
    return SLICE_OF(m->held.data + m->at, m->held.size - m->at);
}

/* Each takes what it can of what is held; *more says that the next step can go on at once. */

static bool step_first(struct multipart *m, bool *more, struct err *e)
{
    const struct slice rest = rest_of(m);
    const size_t size = m->mark_size - 2; /* nothing stands before it, so that it has no CRLF */
    const size_t seen = rest.size < size ? rest.size : size;

    if (seen > 0 && memcmp(rest.data, m->mark + 2, seen) != 0)
        return refuse("it does not begin with its boundary", e);
    *more = rest.size >= size;
    if (*more) {
        m->at += size;
        m->state = STATE_MARK;
    }
    return true;
}

static bool step_mark(struct multipart *m, bool *more, struct err *e)
{
    const struct slice rest = rest_of(m);

    *more = rest.size >= 2;
    if (!*more)
        return true;
    if (memcmp(rest.data, CRLF, 2) == 0)
        m->state = STATE_HEAD;
    else if (memcmp(rest.data, "--", 2) == 0)
        m->state = STATE_BEHIND;
    else
        return refuse("a boundary is followed by something else", e);
    m->at += 2;
    return true;
}

static bool step_head(struct multipart *m, bool *more, struct err *e)
{
    const struct slice rest = rest_of(m);
    const uint8_t *end = rest.size == 0 ? NULL : memmem(rest.data, rest.size, CRLF CRLF, 4);
    const size_t size = end == NULL ? rest.size : (size_t)(end - rest.data) + 2;

    if (size > MULTIPART_HEAD_MAX)
        return refuse("the headers of a part are too long", e);
    *more = end != NULL;
    if (!*more)
        return true;
    m->at += size + 2;
    m->state = STATE_BYTES;
    return begin_part(m, SLICE_OF(rest.data, size), e);
}

static bool step_bytes(struct multipart *m, bool *more, struct err *e)
{
    const struct slice rest = rest_of(m);
    const uint8_t *end =
        rest.size == 0 ? NULL : memmem(rest.data, rest.size, m->mark, m->mark_size);
    /* The end of what is there may be the beginning of a boundary. */
    const size_t kept = m->mark_size - 1 < rest.size ? m->mark_size - 1 : rest.size;
    const size_t size = end == NULL ? rest.size - kept : (size_t)(end - rest.data);

    *more = end != NULL;
    if (size > 0 && !m->to.bytes(m->to.arg, SLICE_OF(rest.data, size), e))
        return false;
    m->at += size;
    if (!*more)
        return true;
    m->at += m->mark_size;
    m->state = STATE_MARK;
    return m->to.end(m->to.arg, e);
}

static bool step_behind(struct multipart *m, bool *more, struct err *e)
{
    const struct slice rest = rest_of(m);

    *more = false;
    return (rest.size <= 2 && memcmp(CRLF, rest.data, rest.size) == 0) ||
           refuse("something stands behind its end", e);
}

bool multipart_add(struct multipart *m, struct slice bytes, struct err *e)
{
    static bool (*const steps[])(struct multipart * m, bool *more, struct err *e) = {
        [STATE_FIRST] = step_first, [STATE_MARK] = step_mark,     [STATE_HEAD] = step_head,
        [STATE_BYTES] = step_bytes, [STATE_BEHIND] = step_behind,
    };
    bool more = bytes.size > 0;

    buf_append_slice(&m->held, bytes);
    while (more)
        if (!steps[m->state](m, &more, e))
            return false;

    if (m->at > 0) {
        m->held.size -= m->at;
        memmove(m->held.data, m->held.data + m->at, m->held.size);
        m->at = 0;
    }
    return true;
}

bool multipart_finish(struct multipart *m, struct err *e)
{
    return (m->state == STATE_BEHIND && m->held.size != 1) ||
           refuse("it breaks off before its last boundary", e);
}
