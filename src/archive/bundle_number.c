/*
 * Numbers as Python writes them: repr() of a float is the shortest decimal that reads back as the
 * same double, and of several such the nearest.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "archive/bundle_json.h"
#include "base/mem.h"
#include "base/text.h"

enum {
    DIGITS_MAX = 17, /* always enough for a double */
    POINT_MIN = -4,  /* exponents from here to POINT_MAX are written without "e" */
    POINT_MAX = 15,
};

/* A number 0.d1d2d3... times a power of ten. */
struct decimal {
    char digits[DIGITS_MAX + 1];
    int exponent; /* of the first digit: 1 is 0 */
};

/* The nearest decimal of so many digits; v is positive and finite. */
static void decimal_of(double v, int digits, struct decimal *out)
{
    char text[DIGITS_MAX + 16];
    size_t n = 0;
    const char *e;

    (void)snprintf(text, sizeof(text), "%.*e", digits - 1,
                   v); /* "d.ddde-308" and shorter ones fit */
    e = strchr(text, 'e');
    for (const char *c = text; c < e; c++)
        if (*c != '.' && n < DIGITS_MAX)
            out->digits[n++] = *c;
    out->digits[n] = '\0';
    out->exponent = 0;
    for (const char *c = e + 2; *c != '\0'; c++)
        out->exponent = out->exponent * 10 + (*c - '0');
    if (e[1] == '-')
        out->exponent = -out->exponent;
}

static double decimal_value(const struct decimal *d)
{
    char text[DIGITS_MAX + 16];

    (void)snprintf(text, sizeof(text), "%c.%se%d", d->digits[0], d->digits + 1, d->exponent);
    return parse_double(text);
}

/* One more in the last digit. */
static void decimal_step(struct decimal *d)
{
    size_t i = strlen(d->digits);

    while (i > 0 && d->digits[i - 1] == '9')
        d->digits[--i] = '0';
    if (i > 0) {
        d->digits[i - 1]++;
        return;
    }
    d->digits[0] = '1'; /* the zeros behind it are there */
    d->exponent++;
}

/* Below a power of two doubles stand half as far apart as above it, so the nearest decimal may lead
 * to the double below, and the next one up back to this one. */
static void shortest(double v, struct decimal *out)
{
    for (int digits = 1; digits <= DIGITS_MAX; digits++) {
        decimal_of(v, digits, out);
        if (decimal_value(out) == v)
            return;
        decimal_step(out);
        if (decimal_value(out) == v)
            return;
    }
}

static void put_double(double v, struct buf *out)
{
    struct decimal d = {.digits = "0"};
    size_t n;

    if (signbit(v))
        buf_printf(out, "-");
    v = fabs(v);
    if (v != 0)
        shortest(v, &d);
    n = strlen(d.digits);
    while (n > 1 && d.digits[n - 1] == '0')
        d.digits[--n] = '\0';
    if (d.exponent < POINT_MIN || d.exponent > POINT_MAX)
        buf_printf(out, "%c%s%se%c%02d", d.digits[0], n > 1 ? "." : "", d.digits + 1,
                   d.exponent < 0 ? '-' : '+', d.exponent < 0 ? -d.exponent : d.exponent);
    else if (d.exponent < 0)
        buf_printf(out, "0.%.*s%s", -d.exponent - 1, "000", d.digits);
    else if ((size_t)d.exponent + 1 >= n)
        buf_printf(out, "%s%.*s.0", d.digits, d.exponent + 1 - (int)n, "000000000000000");
    else
        buf_printf(out, "%.*s.%s", d.exponent + 1, d.digits, d.digits + d.exponent + 1);
}

void bundle_number(struct slice text, struct buf *out)
{
    AUTO(mem) char *number = mem_dup(text.data, text.size);
    double v;

    if (strpbrk(number, ".eE") == NULL || strchr(number, 'N') != NULL) {
        const bool is_zero = strcmp(number, "-0") == 0;

        buf_append_slice(out, is_zero ? slice_string("0") : text);
        return;
    }
    v = parse_double(number);
    if (isinf(v))
        buf_printf(out, "%sInfinity", v < 0 ? "-" : "");
    else
        put_double(v, out);
}
