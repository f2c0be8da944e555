/*
 * Only the last "*" seen is ever given more characters: an earlier one could not help, since
 * what stands between the two has matched as far to the left as possible.  That keeps the
 * cost at the product of the lengths for any pattern.
 */
#include "source/glob.h"

#include <string.h>

/* Bytes that are not UTF-8 get numbers of their own, above all characters. */
#define GLOB_RAW_BYTE 0x110000U

/* Take one character off the front of a slice that is not empty. */
static uint32_t take_character(struct slice *s)
{
    const uint8_t first = s->data[0];
    const size_t size = first < 0x80   ? 1
                        : first < 0xC0 ? 0
                        : first < 0xE0 ? 2
                        : first < 0xF0 ? 3
                                       : 4;
    uint32_t value = size < 2 ? first : first & (0x7FU >> size);
    size_t i = 1;

    while (i < size && i < s->size && (s->data[i] & 0xC0U) == 0x80)
        value = value << 6 | (s->data[i++] & 0x3FU);
    if (size == 0 || i < size || first > 0xF4) {
        i = 1;
        value = GLOB_RAW_BYTE + first;
    }
    s->data += i;
    s->size -= i;
    return value;
}

/* A character of a pattern, where a backslash takes the next one literally. */
static uint32_t take_literal(struct slice *pattern)
{
    const uint32_t c = take_character(pattern);

    return c == '\\' && pattern->size > 0 ? take_character(pattern) : c;
}

static bool begins_with(struct slice s, char c)
{
    return s.size > 0 && s.data[0] == (uint8_t)c;
}

/*
 * Take a set, whose "[" is taken already, and say in *is_in whether c is in it.  False when
 * it is not closed or holds what nobody means.
 */
static bool take_set(struct slice *pattern, uint32_t c, bool *is_in)
{
    const bool is_negated = begins_with(*pattern, '!') || begins_with(*pattern, '^');
    bool found = false;

    if (is_negated)
        (void)take_character(pattern);
    for (bool is_first = true; pattern->size > 0; is_first = false) {
        if (begins_with(*pattern, ']') && !is_first) {
            (void)take_character(pattern);
            *is_in = found != is_negated;
            return true;
        }

        const bool is_open = begins_with(*pattern, '[');
        const uint32_t low = take_literal(pattern);
        uint32_t high = low;

        if (is_open && begins_with(*pattern, ':'))
            return false;
        if (pattern->size >= 2 && pattern->data[0] == '-' && pattern->data[1] != ']') {
            (void)take_character(pattern);
            high = take_literal(pattern);
        }
        if (high < low)
            return false;
        found = found || (low <= c && c <= high);
    }
    return false;
}

bool glob_is_needed(struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (strchr("*?[\\", text.data[i]) != NULL && text.data[i] != '\0')
            return true;
    return false;
}

bool glob_is_valid(struct slice pattern, const char **why)
{
    bool is_in = false;

    while (pattern.size > 0) {
        const uint32_t c = take_character(&pattern);

        if (c == '\\' && pattern.size == 0) {
            *why = "a backslash at the end of a name stands for nothing";
            return false;
        }
        if (c == '\\')
            (void)take_character(&pattern);
        if (c == '[' && !take_set(&pattern, 0, &is_in)) {
            *why = "a \"[\" without its \"]\", a backward range or a \"[:class:]\"";
            return false;
        }
    }
    return true;
}

/* Match one character of the text against the front of the pattern, which is no "*". */
static bool take_match(struct slice *pattern, struct slice *text)
{
    if (begins_with(*pattern, '?')) {
        (void)take_character(pattern);
        (void)take_character(text);
        return true;
    }

    const uint32_t c = take_character(text);
    bool is_in = false;

    if (begins_with(*pattern, '[')) {
        (void)take_character(pattern);
        return take_set(pattern, c, &is_in) && is_in;
    }
    return take_literal(pattern) == c;
}

bool glob_matches(struct slice pattern, struct slice text)
{
    struct slice after_star = {0}; /* the pattern behind the last "*" */
    struct slice retry = {0};      /* the text that it was tried on */
    bool has_star = false;

    while (text.size > 0 || begins_with(pattern, '*')) {
        if (begins_with(pattern, '*')) {
            (void)take_character(&pattern);
            after_star = pattern;
            retry = text;
            has_star = true;
            continue;
        }
        if (pattern.size > 0 && take_match(&pattern, &text))
            continue;
        if (!has_star || retry.size == 0)
            return false;
        (void)take_character(&retry);
        pattern = after_star;
        text = retry;
    }
    return pattern.size == 0;
}
