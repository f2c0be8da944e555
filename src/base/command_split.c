#include "base/command_split.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

/* Take one argument, quotes removed, off the front of *text. */
static bool take_argument(const char **text, struct buf *out, struct err *e)
{
    char quote = 0;
    const char *at = *text;

    for (; *at != '\0' && (quote != 0 || !is_blank(*at)); at++) {
        if (*at == quote)
            quote = 0;
        else if (quote == 0 && (*at == '\'' || *at == '"'))
            quote = *at;
        else if (*at == '\\' && quote != '\'' && at[1] != '\0')
            buf_append(out, ++at, 1);
        else
            buf_append(out, at, 1);
    }
    if (quote != 0)
        return err_set(e, ERR_USAGE, "a quote is not closed: %c", quote);
    *text = at;
    return true;
}

bool command_split(const char *text, struct arena *a, char ***argv, struct err *e)
{
    AUTO(buf) struct buf arguments = {0}; /* pointers to the strings */
    char *end = NULL;

    for (;;) {
        AUTO(buf) struct buf one = {0};

        while (is_blank(*text))
            text++;
        if (*text == '\0')
            break;
        if (!take_argument(&text, &one, e))
            return false;

        char *argument = arena_string(a, buf_slice(&one));

        buf_append(&arguments, &argument, sizeof(argument));
    }
    if (arguments.size == 0)
        return err_set(e, ERR_USAGE, "the command is empty");
    buf_append(&arguments, &end, sizeof(end));
    *argv = arena_take(a, arguments.size);
    memcpy(*argv, arguments.data, arguments.size);
    return true;
}
