#include "source/postgres_statement.h"

#include <string.h>
#include <strings.h>

#define WORDS_KEPT 4

/* What is known of a statement up to some place. */
struct lexer {
    struct slice s;
    size_t at;
    int parens, begins; /* open ones; BEGIN ATOMIC of functions */
    size_t words;
    char first[WORDS_KEPT]; /* letters of the first words, where these matter */
};

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static bool is_in_word(uint8_t c)
{
    return is_letter(c) || (c >= '0' && c <= '9') || c == '$';
}

static uint8_t byte_at(const struct lexer *l, size_t offset)
{
    return l->at + offset < l->s.size ? l->s.data[l->at + offset] : 0;
}

/* Go behind a quoted text; false: it does not end. */
static bool skip_quoted(struct lexer *l, bool has_escapes)
{
    const uint8_t quote = l->s.data[l->at++];

    while (l->at < l->s.size) {
        const uint8_t c = l->s.data[l->at];
        const bool is_pair = c == quote ? byte_at(l, 1) == quote : has_escapes && c == '\\';

        l->at += is_pair ? 2 : 1;
        if (c == quote && !is_pair)
            return true;
    }
    return false;
}

/* $$...$$, $tag$...$tag$; a '$' alone is passed over. */
static bool skip_dollars(struct lexer *l)
{
    size_t size = 1;

    while (is_in_word(byte_at(l, size)) && byte_at(l, size) != '$')
        size++;
    if (l->at + size >= l->s.size)
        return false;
    if (byte_at(l, size) != '$' || (byte_at(l, 1) >= '0' && byte_at(l, 1) <= '9')) {
        l->at += size;
        return true;
    }
    size++;

    const uint8_t *tag = l->s.data + l->at;
    const uint8_t *end = memmem(tag + size, l->s.size - l->at - size, tag, size);

    l->at = end == NULL ? l->s.size : (size_t)(end - l->s.data) + size;
    return end != NULL;
}

static bool skip_line(struct lexer *l)
{
    const uint8_t *end = memchr(l->s.data + l->at, '\n', l->s.size - l->at);

    l->at = end == NULL ? l->s.size : (size_t)(end - l->s.data) + 1;
    return end != NULL;
}

static bool skip_comment(struct lexer *l)
{
    size_t depth = 0;

    while (l->at + 1 < l->s.size) {
        if (byte_at(l, 0) == '/' && byte_at(l, 1) == '*')
            depth++, l->at += 2;
        else if (byte_at(l, 0) == '*' && byte_at(l, 1) == '/')
            depth--, l->at += 2;
        else
            l->at++;
        if (depth == 0)
            return true;
    }
    return false;
}

static bool word_is(struct slice word, const char *text)
{
    return word.size == strlen(text) && strncasecmp((const char *)word.data, text, word.size) == 0;
}

/* Whether it makes a function, whose body may have statements between BEGIN and END. */
static bool makes_function(const struct lexer *l)
{
    const char *f = l->first;

    return f[0] == 'c' && (f[1] == 'f' || f[1] == 'p' ||
                           (f[1] == 'o' && f[2] == 'r' && (f[3] == 'f' || f[3] == 'p')));
}

static void take_word(struct lexer *l)
{
    static const char *const kept[] = {"create", "or", "replace", "function", "procedure"};
    struct slice word = {l->s.data + l->at, 0};

    while (is_in_word(byte_at(l, word.size)))
        word.size++;
    l->at += word.size;
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]) && l->words < WORDS_KEPT; i++)
        if (word_is(word, kept[i]))
            l->first[l->words] = kept[i][0];
    l->words++;
    if (!makes_function(l) || l->parens != 0)
        return;
    if (word_is(word, "begin") || (l->begins > 0 && word_is(word, "case")))
        l->begins++;
    else if (l->begins > 0 && word_is(word, "end"))
        l->begins--;
}

/* Go on by one thing; false: it does not end here. */
static bool step(struct lexer *l)
{
    const uint8_t c = byte_at(l, 0);

    if (c == '\'' || c == '"')
        return skip_quoted(l, false);
    if ((c | 0x20) == 'e' && byte_at(l, 1) == '\'') {
        l->at++;
        return skip_quoted(l, true);
    }
    if (c == '$')
        return skip_dollars(l);
    if (c == '-' && byte_at(l, 1) == '-')
        return skip_line(l);
    if (c == '/' && byte_at(l, 1) == '*')
        return skip_comment(l);
    if (is_letter(c)) {
        take_word(l);
        return true;
    }
    l->parens += c == '(' ? 1 : 0;
    l->parens -= c == ')' && l->parens > 0 ? 1 : 0;
    l->at++;
    return true;
}

enum postgres_statement postgres_statement_measure(struct slice text, size_t *size)
{
    struct lexer l = {.s = text};

    while (l.at < text.size) {
        if (text.data[l.at] == '\\')
            return POSTGRES_STATEMENT_COMMAND;
        if (text.data[l.at] == ';' && l.parens == 0 && l.begins == 0) {
            *size = l.at + 1;
            return POSTGRES_STATEMENT_WHOLE;
        }
        if (!step(&l))
            return POSTGRES_STATEMENT_CUT;
    }
    return POSTGRES_STATEMENT_CUT;
}

bool postgres_statement_is_copy(struct slice statement)
{
    return statement.size > 4 && strncasecmp((const char *)statement.data, "copy", 4) == 0 &&
           !is_in_word(statement.data[4]);
}

/*
 * COPY NAME [(COLUMNS)] FROM STDIN [...].  What the server and we could read differently is not
 * one: texts with a backslash.
 */
bool postgres_statement_is_copy_in(struct slice statement)
{
    struct lexer l = {.s = statement};
    bool is_from = false;

    if (!postgres_statement_is_copy(statement))
        return false;
    while (l.at < statement.size) {
        const size_t before = l.at;
        const uint8_t c = statement.data[before];
        struct slice thing;

        if (!step(&l))
            return false;
        thing = SLICE_OF(statement.data + before, l.at - before);
        if (c != '"' && memchr(thing.data, '\\', thing.size) != NULL)
            return false;
        if (l.parens > 0 || !is_letter(c))
            continue;
        if (is_from)
            return word_is(thing, "stdin") &&
                   memchr(statement.data + l.at, '\\', statement.size - l.at) == NULL;
        is_from = word_is(thing, "from");
    }
    return false;
}
