#include "base/clock.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Added to the real time; other than 0 in tests only.  Atomic because any thread may ask. */
static _Atomic int64_t test_offset_ns;

static int64_t read_clock_ns(clockid_t id)
{
    struct timespec t = {0};
    const int result = clock_gettime(id, &t);

    assert(result == 0);
    return clock_from_timespec(t);
}

int64_t clock_now_ns(void)
{
    return read_clock_ns(CLOCK_REALTIME) + atomic_load(&test_offset_ns);
}

int64_t clock_monotonic_ns(void)
{
    return read_clock_ns(CLOCK_MONOTONIC);
}

int64_t clock_boot_ns(void)
{
    return read_clock_ns(CLOCK_BOOTTIME);
}

void clock_set_for_tests(int64_t now_ns)
{
    atomic_store(&test_offset_ns, now_ns == 0 ? 0 : now_ns - read_clock_ns(CLOCK_REALTIME));
}

struct timespec clock_to_timespec(int64_t time_ns)
{
    struct timespec t = {.tv_sec = time_ns / NS_PER_S, .tv_nsec = time_ns % NS_PER_S};

    /* Before 1970 the seconds are rounded down, for the nanoseconds count upwards. */
    if (t.tv_nsec < 0) {
        t.tv_nsec += NS_PER_S;
        t.tv_sec--;
    }
    return t;
}

int64_t clock_from_timespec(struct timespec t)
{
    int64_t ns = 0;

    if (__builtin_mul_overflow((int64_t)t.tv_sec, NS_PER_S, &ns) ||
        __builtin_add_overflow(ns, (int64_t)t.tv_nsec, &ns))
        return t.tv_sec < 0 ? INT64_MIN : INT64_MAX;
    return ns;
}

static struct tm local_fields(int64_t time_ns)
{
    const struct timespec time = clock_to_timespec(time_ns);
    struct tm t = {0};

    /* Asks for a changed TZ; localtime_r() need not. */
    tzset();
    localtime_r(&time.tv_sec, &t);
    return t;
}

void clock_format(int64_t time_ns, char *out)
{
    const struct timespec time = clock_to_timespec(time_ns);
    struct tm t = {0};

    gmtime_r(&time.tv_sec, &t);

    const size_t length = strftime(out, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &t);

    (void)snprintf(out + length, CLOCK_TEXT_MAX - length, ".%09uZ", (unsigned)time.tv_nsec);
}

void clock_format_local(int64_t time_ns, char *out)
{
    const struct tm t = local_fields(time_ns);

    (void)strftime(out, CLOCK_TEXT_MAX, "%Y-%m-%d %H:%M:%S", &t);
}

/* Take exactly width digits as a number from low to high. */
static bool number_take(const char **text, int width, int low, int high, int *out)
{
    int v = 0;

    for (int i = 0; i < width; i++) {
        if ((*text)[i] < '0' || (*text)[i] > '9')
            return false;
        v = v * 10 + ((*text)[i] - '0');
    }
    if (v < low || v > high)
        return false;
    *text += width;
    *out = v;
    return true;
}

/* Take one character that is a member of set. */
static bool char_take(const char **text, const char *set)
{
    if (**text == '\0' || strchr(set, **text) == NULL)
        return false;
    (*text)++;
    return true;
}

static bool is_leap_year(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static bool date_take(const char **text, struct tm *t)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = 0;
    int month = 0;

    /* The years that 64 bits of nanoseconds reach whole. */
    if (!number_take(text, 4, 1678, 2261, &year) || !char_take(text, "-") ||
        !number_take(text, 2, 1, 12, &month) || !char_take(text, "-"))
        return false;

    t->tm_year = year - 1900;
    t->tm_mon = month - 1;
    return number_take(text, 2, 1, days[month - 1] + (month == 2 && is_leap_year(year)),
                       &t->tm_mday);
}

/* Take "." and one to nine digits when they are there. */
static bool fraction_take(const char **text, int *rest_ns)
{
    int unit = (int)NS_PER_S;
    int digit = 0;

    *rest_ns = 0;
    if (!char_take(text, "."))
        return true;
    while (unit > 1 && number_take(text, 1, 0, 9, &digit)) {
        unit /= 10;
        *rest_ns += digit * unit;
    }
    return unit < NS_PER_S;
}

/* Take "Z" or an offset such as "+01:00", in seconds east of Greenwich. */
static bool offset_take(const char **text, int *offset_s)
{
    const bool is_west = **text == '-';
    int hours = 0;
    int minutes = 0;

    *offset_s = 0;
    if (char_take(text, "Zz"))
        return true;
    if (!char_take(text, "+-") || !number_take(text, 2, 0, 23, &hours) || !char_take(text, ":") ||
        !number_take(text, 2, 0, 59, &minutes))
        return false;
    *offset_s = (hours * 60 + minutes) * 60 * (is_west ? -1 : 1);
    return true;
}

/* "01:30", or "01:30:00" and more with what RFC 3339 allows behind it. */
static bool time_of_day_take(const char **text, struct tm *t, bool *is_full)
{
    if (!number_take(text, 2, 0, 23, &t->tm_hour) || !char_take(text, ":") ||
        !number_take(text, 2, 0, 59, &t->tm_min))
        return false;
    *is_full = char_take(text, ":");
    return !*is_full || number_take(text, 2, 0, 59, &t->tm_sec);
}

static int64_t local_ns(struct tm t)
{
    t.tm_isdst = -1;
    return (int64_t)mktime(&t) * NS_PER_S;
}

static bool parse_fields(const char *at, int64_t *time_ns)
{
    struct tm t = {0};
    int rest_ns = 0;
    int offset_s = 0;
    bool is_full = false;

    if (!date_take(&at, &t))
        return false;
    if (*at != '\0' && (!char_take(&at, "Tt ") || !time_of_day_take(&at, &t, &is_full)))
        return false;
    if (*at == '\0') {
        *time_ns = local_ns(t);
        return true;
    }
    if (!is_full || !fraction_take(&at, &rest_ns) || !offset_take(&at, &offset_s) || *at != '\0')
        return false;
    *time_ns = ((int64_t)timegm(&t) - offset_s) * NS_PER_S + rest_ns;
    return true;
}

bool clock_parse(const char *text, int64_t *time_ns, struct err *e)
{
    if (parse_fields(text, time_ns))
        return true;
    return err_set(e, ERR_USAGE,
                   "\"%s\" is not a time such as 2026-11-21, \"2026-11-21 01:30:00\" or "
                   "2026-11-21T01:30:00Z",
                   text);
}

static int days_in_year(int year)
{
    return is_leap_year(year) ? 366 : 365;
}

/* A week belongs to the year of its Thursday and counts from that year's first Thursday. */
static void iso_week_of(const struct tm *t, struct calendar *out)
{
    const int days_since_monday = (t->tm_wday + 6) % 7;
    int thursday = t->tm_yday - days_since_monday + 3;

    out->iso_year = t->tm_year + 1900;
    if (thursday < 0) {
        out->iso_year--;
        thursday += days_in_year(out->iso_year);
    } else if (thursday >= days_in_year(out->iso_year)) {
        thursday -= days_in_year(out->iso_year);
        out->iso_year++;
    }
    out->iso_week = thursday / 7 + 1;
}

void clock_calendar(int64_t time_ns, struct calendar *out)
{
    const struct tm t = local_fields(time_ns);

    *out = (struct calendar){.year = t.tm_year + 1900,
                             .month = t.tm_mon + 1,
                             .day = t.tm_mday,
                             .hour = t.tm_hour,
                             .minute = t.tm_min,
                             .second = t.tm_sec};
    iso_week_of(&t, out);
}

int64_t clock_from_calendar(const struct calendar *c)
{
    struct tm t = {.tm_year = c->year - 1900,
                   .tm_mon = c->month - 1,
                   .tm_mday = c->day,
                   .tm_hour = c->hour,
                   .tm_min = c->minute,
                   .tm_sec = c->second,
                   .tm_isdst = -1};

    return clock_from_timespec((struct timespec){.tv_sec = mktime(&t)});
}
