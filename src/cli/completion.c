/*
 * Completion scripts from the table of commands.
 */
#include <string.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "cli/help.h"

/* What may stand behind an option. */
enum value_kind {
    VALUE_NONE,
    VALUE_FILE,
    VALUE_CHOICE,
    VALUE_OTHER,
};

static enum value_kind value_kind(const struct option *o)
{
    static const char *const file_values[] = {"FILE", "DIR", "REPOSITORY", "PATH"};

    if (!option_takes_next(o))
        return VALUE_NONE;
    if (o->kind == OPTION_CHOICE)
        return VALUE_CHOICE;
    for (size_t i = 0; i < sizeof(file_values) / sizeof(file_values[0]); i++)
        if (strcmp(o->value, file_values[i]) == 0)
            return VALUE_FILE;
    return VALUE_OTHER;
}

static size_t first_word_size(const char *name)
{
    return strcspn(name, " ");
}

/* Whether a command is the first in the table with this first word. */
static bool is_first_of_family(size_t n)
{
    const size_t size = first_word_size(commands[n]->name);

    for (size_t i = 0; i < n; i++)
        if (first_word_size(commands[i]->name) == size &&
            strncmp(commands[i]->name, commands[n]->name, size) == 0)
            return false;
    return true;
}

static void format_first_words(struct buf *out)
{
    for (size_t i = 0; commands[i] != NULL; i++)
        if (is_first_of_family(i))
            buf_printf(out, "%s%.*s", i == 0 ? "" : " ", (int)first_word_size(commands[i]->name),
                       commands[i]->name);
}

/* The second words that may follow the first one of a command. */
static void format_second_words(const char *name, struct buf *out)
{
    const size_t size = first_word_size(name) + 1;
    const char *gap = "";

    for (size_t i = 0; commands[i] != NULL; i++)
        if (strncmp(commands[i]->name, name, size) == 0) {
            buf_printf(out, "%s%s", gap, commands[i]->name + size);
            gap = " ";
        }
}

static void format_choices(const struct option *o, struct buf *out)
{
    for (size_t i = 0; o->choices[i] != NULL; i++)
        buf_printf(out, "%s%s", i == 0 ? "" : " ", o->choices[i]);
}

/* The names of all options with this kind of value, as a pattern of case. */
static void bash_pattern(enum value_kind kind, struct buf *out)
{
    AUTO(buf) struct buf seen = {0};

    buf_append(&seen, "|", 1);
    for (size_t i = 0; commands[i] != NULL; i++) {
        const struct option *o = NULL;

        for (size_t n = 0; (o = option_at(commands[i], n)) != NULL; n++) {
            AUTO(buf) struct buf name = {0};

            buf_printf(&name, "|--%s|", o->name);
            if (value_kind(o) != kind || strstr(buf_string(&seen), buf_string(&name)) != NULL)
                continue;
            buf_append(&seen, name.data + 1, name.size - 1);
            if (o->letter != 0)
                buf_printf(&seen, "-%c|", o->letter);
        }
    }
    buf_append(out, seen.data + 1, seen.size - 2);
}

/* Whether the first word of a family is a command too, whose arguments may be second words. */
static bool is_command_alone(const char *name)
{
    AUTO(mem) char *first = mem_dup(name, first_word_size(name));

    return command_by_name(first) != NULL;
}

/* The words before the cursor: which command they name. */
static void bash_find_command(struct buf *out)
{
    buf_printf(out, "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                    "        case \"${COMP_WORDS[i]}\" in\n        ");
    bash_pattern(VALUE_FILE, out);
    buf_printf(out, ") i=$((i + 1)) ;;\n        ");
    bash_pattern(VALUE_CHOICE, out);
    buf_printf(out, ") i=$((i + 1)) ;;\n        ");
    bash_pattern(VALUE_OTHER, out);
    buf_printf(out, ") i=$((i + 1)) ;;\n"
                    "        -*) ;;\n"
                    "        *)\n"
                    "            case \"$command\" in\n"
                    "            \"\") command=\"${COMP_WORDS[i]}\" ;;\n");
    for (size_t i = 0; commands[i] != NULL; i++) {
        const size_t size = first_word_size(commands[i]->name);

        if (commands[i]->name[size] != ' ')
            continue;
        if (is_command_alone(commands[i]->name))
            buf_printf(out,
                       "            %.*s) [ \"${COMP_WORDS[i]}\" != %s ] || "
                       "command=\"%s\" ;;\n",
                       (int)size, commands[i]->name, commands[i]->name + size + 1,
                       commands[i]->name);
        else if (is_first_of_family(i))
            buf_printf(out, "            %.*s) command=\"$command ${COMP_WORDS[i]}\" ;;\n",
                       (int)size, commands[i]->name);
    }
    buf_printf(out, "            esac ;;\n        esac\n    done\n");
}

/* What may stand behind the option before the cursor. */
static void bash_complete_value(struct buf *out)
{
    buf_printf(out, "    case \"$prev\" in\n    ");
    bash_pattern(VALUE_FILE, out);
    buf_printf(out, ") COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n");
    for (size_t i = 0; commands[i] != NULL; i++)
        for (const struct option *o = commands[i]->options; o != NULL && o->name != NULL; o++)
            if (value_kind(o) == VALUE_CHOICE) {
                buf_printf(out, "    --%s) COMPREPLY=($(compgen -W \"", o->name);
                format_choices(o, out);
                buf_printf(out, "\" -- \"$cur\")); return ;;\n");
            }
    buf_printf(out, "    ");
    bash_pattern(VALUE_OTHER, out);
    buf_printf(out, ") return ;;\n    esac\n");
}

static void bash_command_words(struct buf *out)
{
    buf_printf(out, "    case \"$command\" in\n    \"\") words=\"");
    format_first_words(out);
    buf_printf(out, "\" ;;\n");
    for (size_t i = 0; commands[i] != NULL; i++) {
        const char *name = commands[i]->name;
        const struct option *o = NULL;

        if (name[first_word_size(name)] == ' ' && is_first_of_family(i) &&
            !is_command_alone(name)) {
            buf_printf(out, "    ");
            buf_append(out, name, first_word_size(name));
            buf_printf(out, ") words=\"");
            format_second_words(name, out);
            buf_printf(out, "\" ;;\n");
        }
        buf_printf(out, "    \"%s\") words=\"", name);
        for (size_t n = 0; (o = option_at(commands[i], n)) != NULL; n++)
            buf_printf(out, "%s--%s", n == 0 ? "" : " ", o->name);
        buf_printf(out, "\"%s ;;\n", commands[i]->has_files ? " files=1" : "");
    }
    buf_printf(out, "    esac\n");
}

static void bash_function(struct buf *out)
{
    buf_printf(out, "_holdfast() {\n"
                    "    local cur prev command=\"\" words=\"\" files=\"\" i\n"
                    "    cur=\"${COMP_WORDS[COMP_CWORD]}\"\n"
                    "    prev=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
                    "    COMPREPLY=()\n");
    bash_find_command(out);
    bash_complete_value(out);
    bash_command_words(out);
    buf_printf(out, "    case \"$cur$files\" in\n"
                    "    -*) ;;\n"
                    "    *1) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
                    "    esac\n"
                    "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
                    "}\n"
                    "complete -o filenames -F _holdfast holdfast\n");
}

void completion_bash_format(struct buf *out)
{
    buf_printf(out, "# Completion of holdfast for bash; \"holdfast completion bash\" prints it.\n");
    bash_function(out);
}

void completion_zsh_format(struct buf *out)
{
    buf_printf(out, "#compdef holdfast\n"
                    "# Completion of holdfast for zsh; \"holdfast completion zsh\" prints it.\n"
                    "autoload -U +X bashcompinit && bashcompinit\n");
    bash_function(out);
}

/* In single quotes as fish reads them. */
static void fish_quote(const char *text, struct buf *out)
{
    buf_append(out, "'", 1);
    for (const char *c = text; *c != '\0'; c++)
        buf_printf(out, *c == '\'' || *c == '\\' ? "\\%c" : "%c", *c);
    buf_append(out, "'", 1);
}

/* The condition that a command's words have been typed. */
static void fish_condition(const char *name, struct buf *out)
{
    const size_t size = first_word_size(name);

    buf_printf(out, " -n '__fish_seen_subcommand_from %.*s", (int)size, name);
    if (name[size] == ' ')
        buf_printf(out, "; and __fish_seen_subcommand_from %s", name + size + 1);
    buf_printf(out, "'");
}

static void fish_option(const char *command, const struct option *o, struct buf *out)
{
    buf_printf(out, "complete -c holdfast");
    if (command != NULL)
        fish_condition(command, out);
    if (o->letter != 0)
        buf_printf(out, " -s %c", o->letter);
    buf_printf(out, " -l %s", o->name);
    if (value_kind(o) == VALUE_FILE)
        buf_printf(out, " -r -F");
    if (value_kind(o) == VALUE_OTHER)
        buf_printf(out, " -x");
    if (value_kind(o) == VALUE_CHOICE) {
        buf_printf(out, " -x -a '");
        format_choices(o, out);
        buf_printf(out, "'");
    }
    buf_printf(out, " -d ");
    fish_quote(o->help, out);
    buf_append(out, "\n", 1);
}

/* The words that name a command. */
static void fish_command(size_t n, struct buf *out)
{
    const char *name = commands[n]->name;
    const size_t size = first_word_size(name);

    if (is_first_of_family(n)) {
        buf_printf(out, "complete -c holdfast -n __fish_use_subcommand -a %.*s", (int)size, name);
        if (name[size] == '\0') {
            buf_printf(out, " -d ");
            fish_quote(commands[n]->summary, out);
        }
        buf_append(out, "\n", 1);
    }
    if (name[size] == ' ') {
        buf_printf(out, "complete -c holdfast -n '__fish_seen_subcommand_from %.*s' -a %s -d ",
                   (int)size, name, name + size + 1);
        fish_quote(commands[n]->summary, out);
        buf_append(out, "\n", 1);
    }
    if (commands[n]->has_files) {
        buf_printf(out, "complete -c holdfast");
        fish_condition(name, out);
        buf_printf(out, " -F\n");
    }
}

void completion_fish_format(struct buf *out)
{
    buf_printf(out, "# Completion of holdfast for fish; \"holdfast completion fish\" prints it.\n"
                    "complete -c holdfast -f\n");
    for (size_t i = 0; commands[i] != NULL; i++) {
        fish_command(i, out);
        for (const struct option *o = commands[i]->options; o != NULL && o->name != NULL; o++)
            fish_option(commands[i]->name, o, out);
    }
    for (const struct option *o = common_options; o->name != NULL; o++)
        fish_option(NULL, o, out);
}
