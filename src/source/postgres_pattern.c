#include <string.h>

#include "source/postgres_selection.h"

#define REGEX_SPECIAL "|*+?()[]{}.^\\"

/* One character of a pattern; '$' is never special because names may hold it. */
static void put(struct buf *out, const char *at, bool is_quoted)
{
    const char c = *at;
    const bool is_special = strchr(REGEX_SPECIAL, c) != NULL;

    if (c == '$')
        buf_append(out, "\\$", 2);
    else if (!is_quoted && c == '*')
        buf_append(out, ".*", 2);
    else if (!is_quoted && c == '?')
        buf_append(out, ".", 1);
    else if ((is_quoted && is_special) || (c == '[' && at[1] == ']')) /* as in type names */
        buf_printf(out, "\\%c", c);
    else if (!is_quoted && c >= 'A' && c <= 'Z')
        buf_printf(out, "%c", c + ('a' - 'A'));
    else
        buf_append(out, at, 1);
}

static bool pattern_read(const char *pattern, struct buf parts[2], size_t *dots, struct err *e)
{
    bool is_quoted = false;

    for (const char *c = pattern; *c != '\0'; c++) {
        if (*c == '"' && is_quoted && c[1] == '"')
            buf_append(&parts[*dots], c++, 1);
        else if (*c == '"')
            is_quoted = !is_quoted;
        else if (*c == '.' && !is_quoted && ++*dots > 1)
            return err_set(e, ERR_USAGE, "pattern \"%.100s\" has too many dots", pattern);
        else if (*c != '.' || is_quoted)
            put(&parts[*dots], c, is_quoted);
    }
    if (is_quoted)
        return err_set(e, ERR_USAGE, "pattern \"%.100s\" has a quote without an end", pattern);
    return true;
}

static void anchor(const struct buf *part, struct buf *out)
{
    buf_printf(out, "^(");
    buf_append_slice(out, buf_slice(part));
    buf_printf(out, ")$");
}

static void parts_auto(struct buf (*parts)[2])
{
    buf_done(&(*parts)[0]);
    buf_done(&(*parts)[1]);
}

bool postgres_pattern_parse(const char *pattern, bool is_schema, struct buf *schema,
                            struct buf *name, struct err *e)
{
    AUTO(parts) struct buf parts[2] = {0};
    size_t dots = 0;

    if (!pattern_read(pattern, parts, &dots, e))
        return false;
    if (is_schema && dots > 0)
        return err_set(e, ERR_USAGE, "pattern \"%.100s\" of schemas has a dot", pattern);
    if (parts[dots].size == 0 || parts[0].size == 0)
        return err_set(e, ERR_USAGE, "pattern \"%.100s\" names nothing", pattern);
    if (dots > 0)
        anchor(&parts[0], schema);
    anchor(&parts[dots], name);
    return true;
}
