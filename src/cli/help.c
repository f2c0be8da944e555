#include "cli/help.h"

#include <string.h>

#include "cli/commands.h"
#include "store/store.h"

enum { OPTION_COLUMN = 36 };

/* "  -n, --dry-run" or "      --exclude PATTERN"; the width. */
static size_t format_left(const struct option *o, struct buf *out)
{
    const size_t start = out->size;

    if (o->letter != 0)
        buf_printf(out, "  -%c, --%s", o->letter, o->name);
    else
        buf_printf(out, "      --%s", o->name);
    if (option_has_value(o))
        buf_printf(out, option_takes_next(o) ? " %s" : "[=%s]", o->value);
    return out->size - start;
}

/* Go on in the column of what is said about options, in the next line if need be. */
static void format_gap(size_t width, struct buf *out)
{
    if (width + 2 > OPTION_COLUMN)
        buf_printf(out, "\n%*s", OPTION_COLUMN, "");
    else
        buf_printf(out, "%*s", (int)(OPTION_COLUMN - width), "");
}

static void format_option(const struct option *o, struct buf *out)
{
    format_gap(format_left(o, out), out);
    buf_printf(out, "%s", o->help);
    if (o->variable != NULL)
        buf_printf(out, " [%s]", o->variable);
    buf_append(out, "\n", 1);
}

/* command: whose help it is, or NULL. */
static void format_table(const char *title, const struct option *table,
                         const struct command *command, struct buf *out)
{
    if (table == NULL || table->name == NULL)
        return;
    buf_printf(out, "\n%s:\n", title);
    for (const struct option *o = table; o->name != NULL; o++)
        if (!option_is_hidden(command, o))
            format_option(o, out);
}

/* NAME=VALUE of stores, which src/store knows. */
static void format_store_options(struct buf *out)
{
    struct store_option_text o;

    buf_printf(out, "\nOptions of stores, -o NAME=VALUE:\n");
    for (size_t n = 0; store_option_text(n, &o); n++) {
        const size_t start = out->size;

        buf_printf(out, "  %s=%s", o.name, o.value);
        format_gap(out->size - start, out);
        buf_printf(out, "%s\n", o.help);
    }
}

void help_overview_format(struct buf *out)
{
    buf_printf(out, "Usage: holdfast COMMAND [OPTION]... [ARGUMENT]...\n"
                    "\nBack up files and bring them back.\n\nCommands:\n");
    for (size_t i = 0; commands[i] != NULL; i++)
        buf_printf(out, "  %-14s %s\n", commands[i]->name, commands[i]->summary);
    format_table("Options of every command", common_options, NULL, out);
    format_store_options(out);
    buf_printf(out, "\nExit status:\n"
                    "  0 done, 1 failed, 2 usage or configuration, 3 incomplete: some source could "
                    "not be read,\n"
                    "  10 no repository, 11 conflict, 12 wrong password or key file, 13 damage "
                    "found, 14 drill failed, 130 interrupted\n"
                    "\n\"holdfast help COMMAND\" tells more about a command.\n");
}

void help_command_format(const struct command *c, struct buf *out)
{
    buf_printf(out, "Usage: holdfast %s [OPTION]...%s%s\n\n%s.\n", c->name,
               *c->words == '\0' ? "" : " ", c->words, c->summary);
    if (c->details != NULL)
        buf_printf(out, "%s\n", c->details);
    buf_printf(out, "\nExamples:\n");
    for (const char *line = c->examples; *line != '\0';) {
        const size_t size = strcspn(line, "\n");

        buf_printf(out, "  %.*s\n", (int)size, line);
        line += size + (line[size] == '\n');
    }
    format_table("Options", c->options, NULL, out);
    format_table("Options of every command", common_options, c, out);
}

void help_command(struct output *out, const struct command *c)
{
    AUTO(buf) struct buf text = {0};

    help_command_format(c, &text);
    output_raw(out, buf_slice(&text));
}
