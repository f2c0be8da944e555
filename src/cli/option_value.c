/*
 * From the text of an option to its value.
 */
#include <limits.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/options.h"

static bool count_parse(const char *text, int *out, struct err *e)
{
    uint64_t n = 0;

    if (strcmp(text, "unlimited") == 0) {
        *out = -1;
        return true;
    }
    if (!parse_u64(text, &n, e))
        return false;
    if (n > INT_MAX)
        return err_set(e, ERR_USAGE, "%s is more than %d", text, INT_MAX);
    *out = (int)n;
    return true;
}

static bool choice_parse(const struct option *o, const char *text, int *out, struct err *e)
{
    AUTO(buf) struct buf all = {0};

    for (int i = 0; o->choices[i] != NULL; i++) {
        if (strcmp(o->choices[i], text) == 0) {
            *out = i;
            return true;
        }
        buf_printf(&all, "%s%s", i == 0 ? "" : ", ", o->choices[i]);
    }
    return err_set(e, ERR_USAGE, "\"%.60s\" is none of: %s", text, buf_string(&all));
}

/* The value of an option that stands alone. */
static char alone[] = "";

static bool value_set(const struct option *o, void *at, char *text, struct err *e)
{
    switch (o->kind) {
    case OPTION_FLAG:
        *(bool *)at = true;
        return true;
    case OPTION_TEXT:
        if (*text == '\0')
            return err_set(e, ERR_USAGE, "the value is empty");
        *(char **)at = text;
        return true;
    case OPTION_ANY_TEXT:
        *(char **)at = text;
        return true;
    case OPTION_MAY_TEXT:
        *(char **)at = text == NULL ? alone : text;
        return true;
    case OPTION_LIST:
        strings_add(at, text);
        return true;
    case OPTION_CHOICE:
        return choice_parse(o, text, at, e);
    case OPTION_COUNT:
        return count_parse(text, at, e);
    case OPTION_SIZE:
        return parse_size(text, at, e);
    case OPTION_DURATION:
        return parse_duration(text, at, e);
    case OPTION_TIME:
        return clock_parse(text, at, e);
    }
    return true;
}

bool option_set(const struct option *o, void *args, char *text, struct err *e)
{
    return value_set(o, (char *)args + o->offset, text, e) || err_wrap(e, "--%s", o->name);
}
