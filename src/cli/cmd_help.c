#include <string.h>

#include "cli/call.h"
#include "cli/commands.h"
#include "cli/help.h"

struct help_args {
    struct common common;
    bool man;
};

static const struct option help_options[] = {
    {"man", 0, OPTION_FLAG, offsetof(struct help_args, man), NULL,
     "Print a manual page, for man(1)", NULL, NULL},
    {0},
};

/* All commands of a family, one after the other. */
static bool format_family(const char *first, bool is_man, struct buf *out)
{
    const size_t size = strlen(first);

    for (size_t i = 0; commands[i] != NULL; i++) {
        if (strncmp(commands[i]->name, first, size) != 0 || commands[i]->name[size] != ' ')
            continue;
        if (is_man)
            man_command_format(commands[i], out);
        else
            help_command_format(commands[i], out);
        buf_append(out, "\n", 1);
    }
    return true;
}

static bool format_words(const struct strings *words, bool is_man, struct buf *out, struct err *e)
{
    AUTO(buf) struct buf name = {0};

    if (words->count == 1 && command_is_family(words->items[0]))
        return format_family(words->items[0], is_man, out);
    for (size_t i = 0; i < words->count; i++)
        buf_printf(&name, "%s%s", i == 0 ? "" : " ", words->items[i]);

    const struct command *c = command_by_name(buf_string(&name));

    if (c == NULL)
        return err_set(e, ERR_USAGE, "there is no command %.60s", buf_string(&name));
    if (is_man)
        man_command_format(c, out);
    else
        help_command_format(c, out);
    return true;
}

static bool run_help(struct call *call, struct err *e)
{
    const struct help_args *args = call->args;
    AUTO(buf) struct buf text = {0};

    if (call->common->words.count > 0) {
        if (!format_words(&call->common->words, args->man, &text, e))
            return false;
    } else if (args->man) {
        man_overview_format(&text);
    } else {
        help_overview_format(&text);
    }
    output_raw(call->out, buf_slice(&text));
    return true;
}

const struct command command_help = {
    .name = "help",
    .summary = "Show what commands there are and how they are used",
    .examples = "holdfast help\n"
                "holdfast help backup\n"
                "holdfast help --man key list | man -l -",
    .words = "[COMMAND]",
    .words_max = 2,
    .options = help_options,
    .args_size = sizeof(struct help_args),
    .run = run_help,
};
