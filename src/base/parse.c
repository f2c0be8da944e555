/*
 * The parsers of text.h for numbers that people write.
 */
#include <string.h>

#include "base/text.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Take the decimal digits at *text, at least one; false on none or above 64 bits. */
static bool digits_take(const char **text, uint64_t *out)
{
    const char *at = *text;
    uint64_t v = 0;

    for (; is_digit(*at); at++)
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(*at - '0'), &v))
            return false;
    if (at == *text)
        return false;
    *text = at;
    *out = v;
    return true;
}

bool parse_u64(const char *text, uint64_t *out, struct err *e)
{
    const char *at = text;
    uint64_t v = 0;

    if (!digits_take(&at, &v) || *at != '\0')
        return err_set(e, ERR_USAGE, "\"%s\" is not a whole number from 0 to %llu", text,
                       (unsigned long long)UINT64_MAX);
    *out = v;
    return true;
}

/* Take the digits behind a decimal point, at most six, as millionths. */
static bool millionths_take(const char **text, uint64_t *out)
{
    uint64_t v = 0;
    unsigned unit = 1000000;
    const char *at = *text;

    for (; is_digit(*at) && unit > 1; at++) {
        unit /= 10;
        v += (uint64_t)(*at - '0') * unit;
    }
    if (at == *text || is_digit(*at))
        return false;
    *text = at;
    *out = v;
    return true;
}

/* Read a whole unit such as "", "B", "K", "kb" or "MiB" as a power of two. */
static bool size_unit(const char *text, unsigned *shift)
{
    static const char letters[] = "KMGT";
    const char upper = (char)(*text & ~0x20);
    const char *letter = upper == '\0' ? NULL : strchr(letters, upper);

    *shift = 0;
    if (letter != NULL) {
        *shift = 10 * (unsigned)(letter - letters + 1);
        text++;
    }
    if (letter != NULL && (text[0] == 'i' || text[0] == 'I')) {
        text++;
        if (*text == '\0')
            return false;
    }
    if (*text == 'B' || *text == 'b')
        text++;
    return *text == '\0';
}

bool parse_size(const char *text, uint64_t *out, struct err *e)
{
    const char *at = text;
    uint64_t whole = 0;
    uint64_t millionths = 0;
    unsigned shift = 0;
    bool is_fine = digits_take(&at, &whole);

    const bool has_point = is_fine && *at == '.';

    if (has_point) {
        at++;
        is_fine = millionths_take(&at, &millionths);
    }
    is_fine = is_fine && size_unit(at, &shift) && !(has_point && shift == 0);
    if (!is_fine)
        return err_set(e, ERR_USAGE, "\"%s\" is not a size such as 512, 64K, 1.5G or 2T", text);

    /* Below 2^20 * 2^40, so the product fits. */
    const uint64_t part = (millionths << shift) / 1000000;

    if (__builtin_mul_overflow(whole, UINT64_C(1) << shift, &whole) ||
        __builtin_add_overflow(whole, part, &whole))
        return err_set(e, ERR_USAGE, "\"%s\" is more than 64 bits can count", text);
    *out = whole;
    return true;
}

bool parse_duration(const char *text, struct duration *out, struct err *e)
{
    static const char units[] = "ymdh";
    uint32_t values[4] = {0};
    const char *at = text;
    size_t next = 0; /* units before this one have had their turn */

    do {
        uint64_t v = 0;
        const char *unit = NULL;

        if (digits_take(&at, &v) && *at != '\0')
            unit = strchr(units + next, *at);
        if (unit == NULL || v > UINT32_MAX)
            return err_set(e, ERR_USAGE, "\"%s\" is not a duration such as 30d or 2y5m7d3h", text);
        values[unit - units] = (uint32_t)v;
        next = (size_t)(unit - units) + 1;
        at++;
    } while (*at != '\0');

    *out = (struct duration){values[0], values[1], values[2], values[3]};
    return true;
}

bool parse_timeout(const char *text, int64_t *out_ms, struct err *e)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    const uint64_t most_ms = UINT64_C(100) * 24 * 3600000;
    const char *at = text;
    uint64_t v = 0;
    uint64_t ms = 0;

    if (digits_take(&at, &v))
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
            if (strcmp(at, units[i].name) == 0 && v < most_ms / units[i].ms)
                ms = v * units[i].ms;
    if (ms == 0)
        return err_set(e, ERR_USAGE, "\"%s\" is not a time such as 500ms, 60s, 5m or 2h", text);
    *out_ms = (int64_t)ms;
    return true;
}

bool parse_decimal(const char *text, double *out, struct err *e)
{
    const char *at = text;
    double value = 0;
    double unit = 1;
    bool is_behind_point = false;
    size_t digits = 0;

    for (; (*at >= '0' && *at <= '9') || (*at == '.' && !is_behind_point); at++) {
        if (*at == '.') {
            is_behind_point = true;
            continue;
        }
        digits++;
        value = 10 * value + (*at - '0');
        unit = is_behind_point ? 10 * unit : unit;
    }
    if (*at != '\0' || digits == 0 || digits > 15) /* more digits than a double holds */
        return err_set(e, ERR_USAGE, "\"%.60s\" is not a number such as 5 or 2.5", text);
    *out = value / unit;
    return true;
}
