/*
 * Manual pages from the table of commands.
 */
#include <ctype.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/help.h"

/* Append text so that troff takes none of it for a request or an escape. */
static void format_text(const char *text, struct buf *out)
{
    for (const char *c = text; *c != '\0'; c++) {
        const bool is_line_start = c == text || c[-1] == '\n';

        if (is_line_start && (*c == '.' || *c == '\''))
            buf_append(out, "\\&", 2);
        if (*c == '\\')
            buf_append(out, "\\e", 2);
        else if (*c == '-')
            buf_append(out, "\\-", 2);
        else
            buf_append(out, c, 1);
    }
}

static void format_option(const struct option *o, struct buf *out)
{
    buf_printf(out, ".TP\n");
    if (o->letter != 0)
        buf_printf(out, "\\fB\\-%c\\fR, ", o->letter);
    buf_printf(out, "\\fB\\-\\-");
    format_text(o->name, out);
    buf_printf(out, "\\fR");
    if (option_has_value(o)) {
        buf_printf(out, option_takes_next(o) ? " \\fI" : "[=\\fI");
        format_text(o->value, out);
        buf_printf(out, option_takes_next(o) ? "\\fR" : "\\fR]");
    }
    buf_append(out, "\n", 1);
    format_text(o->help, out);
    buf_append(out, ".\n", 2);
    if (o->variable != NULL)
        buf_printf(out, "Variable: \\fB%s\\fR.\n", o->variable);
}

/* command: whose page it is, or NULL. */
static void format_table(const char *title, const struct option *table,
                         const struct command *command, struct buf *out)
{
    if (table == NULL || table->name == NULL)
        return;
    buf_printf(out, ".SH %s\n", title);
    for (const struct option *o = table; o->name != NULL; o++)
        if (!option_is_hidden(command, o))
            format_option(o, out);
}

static void format_title(const char *name, struct buf *out)
{
    buf_printf(out, ".TH HOLDFAST");
    if (*name != '\0')
        buf_append(out, "-", 1);
    for (const char *c = name; *c != '\0'; c++) {
        const char upper = *c == ' ' ? '-' : (char)toupper((unsigned char)*c);

        buf_append(out, &upper, 1);
    }
    buf_printf(out, " 1 \"\" \"holdfast %s\"\n", HOLDFAST_VERSION);
}

/* "key list" as "key\-list", as manual pages are called. */
static void format_name(const char *name, struct buf *out)
{
    for (const char *c = name; *c != '\0'; c++)
        if (*c == ' ')
            buf_append(out, "\\-", 2);
        else
            buf_append(out, c, 1);
}

static void format_statuses(struct buf *out)
{
    static const struct {
        int status;
        const char *meaning;
    } rows[] = {
        {0, "Done."},
        {1, "Failed."},
        {2, "The command line, a variable or a file they name makes no sense."},
        {3, "The backup was made, but something could not be read."},
        {10, "There is no repository."},
        {11, "Another run is in the way; the same command may work later."},
        {12, "The password or key file is wrong."},
        {13, "The repository is damaged."},
        {14, "A drill failed: something in the backup does not restore."},
        {130, "Interrupted by a signal."},
    };

    buf_printf(out, ".SH EXIT STATUS\n");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        buf_printf(out, ".TP\n\\fB%d\\fR\n%s\n", rows[i].status, rows[i].meaning);
}

void man_overview_format(struct buf *out)
{
    format_title("", out);
    buf_printf(out, ".SH NAME\nholdfast \\- back up files and bring them back\n"
                    ".SH SYNOPSIS\n\\fBholdfast\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR]... "
                    "[\\fIARGUMENT\\fR]...\n.SH COMMANDS\n");
    for (size_t i = 0; commands[i] != NULL; i++) {
        buf_printf(out, ".TP\n\\fB%s\\fR\n", commands[i]->name);
        format_text(commands[i]->summary, out);
        buf_append(out, ".\n", 2);
    }
    format_table("OPTIONS", common_options, NULL, out);
    buf_printf(out, ".SH ENVIRONMENT\n"
                    ".TP\n\\fBHOLDFAST_PASSWORD\\fR\n"
                    "The password.  It is removed from the environment at once, but whoever can "
                    "read the environment of the process that started holdfast sees it; a file "
                    "is better.\n"
                    ".TP\n\\fBHOLDFAST_FROM_PASSWORD\\fR\n"
                    "The same of the other repository of copy and init.\n"
                    ".TP\n\\fBHOLDFAST_PROGRESS_FPS\\fR\n"
                    "Updates of the progress a second, at most 10.\n"
                    ".TP\n\\fBNO_COLOR\\fR\nNo colours.\n");
    format_statuses(out);
}

void man_command_format(const struct command *c, struct buf *out)
{
    format_title(c->name, out);
    buf_printf(out, ".SH NAME\nholdfast\\-");
    format_name(c->name, out);
    buf_printf(out, " \\- ");
    format_text(c->summary, out);
    buf_printf(out, "\n.SH SYNOPSIS\n\\fBholdfast %s\\fR [\\fIOPTION\\fR]... ", c->name);
    format_text(c->words, out);
    buf_append(out, "\n", 1);
    if (c->details != NULL) {
        buf_printf(out, ".SH DESCRIPTION\n");
        format_text(c->details, out);
        buf_append(out, "\n", 1);
    }
    buf_printf(out, ".SH EXAMPLES\n.nf\n");
    format_text(c->examples, out);
    buf_printf(out, "\n.fi\n");
    format_table("OPTIONS", c->options, NULL, out);
    format_table("OPTIONS OF EVERY COMMAND", common_options, c, out);
    buf_printf(out, ".SH SEE ALSO\n.BR holdfast (1)\n");
}
