/*
 * The parser.  A command line is read twice: first to find the command, which may stand
 * behind any option, then with the options of that command.  The first reading has to know
 * which options take a value without knowing the command; an option of one name is therefore
 * the same in every command that has it, which tests/cli/options_test.c checks.  Letters are not
 * (-n NAME of create): one that stands before the command is read as most commands have it, and
 * when the command's own reading differs the line is refused.
 */
#include "cli/options.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "cli/commands.h"

const struct option common_options[] = {
    {"repo", 'r', OPTION_TEXT, offsetof(struct common, repository), "REPOSITORY",
     "Use this repository: a path, s3:URL or sftp:USER@HOST:PATH", "HOLDFAST_REPOSITORY",
     "repository"},
    {"repository-file", 0, OPTION_TEXT, offsetof(struct common, repository_file), "FILE",
     "Read the repository's place from FILE", "HOLDFAST_REPOSITORY_FILE", "repository"},
    {"config", 'c', OPTION_TEXT, offsetof(struct common, config), "FILE",
     "Read the configuration from FILE; its repository is used when none is named",
     "HOLDFAST_CONFIG", NULL},
    {"key-file", 0, OPTION_TEXT, offsetof(struct common, key_file), "FILE",
     "Unlock with the key file FILE", "HOLDFAST_KEY_FILE", "secret"},
    {"password-file", 0, OPTION_TEXT, offsetof(struct common, password_file), "FILE",
     "Unlock with the password in FILE", "HOLDFAST_PASSWORD_FILE", "secret"},
    {"password-command", 0, OPTION_TEXT, offsetof(struct common, password_command), "COMMAND",
     "Unlock with the password that COMMAND prints", "HOLDFAST_PASSWORD_COMMAND", "secret"},
    {"cache-dir", 0, OPTION_TEXT, offsetof(struct common, cache_dir), "DIR",
     "Keep copies of a remote repository's metadata in DIR", "HOLDFAST_CACHE_DIR", "cache"},
    {"no-cache", 0, OPTION_FLAG, offsetof(struct common, no_cache), NULL,
     "Keep and use no copies of a remote repository's metadata", NULL, "cache"},
    {"agent", 0, OPTION_TEXT, offsetof(struct common, agent), "SOCKET",
     "Let the key agent at SOCKET keep what is derived from a password", "HOLDFAST_AGENT", "agent"},
    {"no-agent", 0, OPTION_FLAG, offsetof(struct common, no_agent), NULL, "Ask no key agent", NULL,
     "agent"},
    {"option", 'o', OPTION_LIST, offsetof(struct common, store_options), "NAME=VALUE",
     "Set an option of the store, such as s3.region; may be repeated", NULL, NULL},
    {"limit-upload", 0, OPTION_COUNT, offsetof(struct common, limit_upload), "KIB",
     "Send at most KIB KiB a second to the store", NULL, NULL},
    {"limit-download", 0, OPTION_COUNT, offsetof(struct common, limit_download), "KIB",
     "Get at most KIB KiB a second from the store", NULL, NULL},
    {"json", 0, OPTION_FLAG, offsetof(struct common, json), NULL, "Print JSON, one object a line",
     NULL, NULL},
    {"quiet", 'q', OPTION_FLAG, offsetof(struct common, quiet), NULL,
     "Print no progress, and no summary for people", NULL, "verbosity"},
    {"verbose", 'v', OPTION_FLAG, offsetof(struct common, verbose), NULL, "Print each item", NULL,
     "verbosity"},
    {"help", 'h', OPTION_FLAG, offsetof(struct common, help), NULL, "Show help and end", NULL,
     NULL},
    {"version", 0, OPTION_FLAG, offsetof(struct common, version), NULL, "Show the version and end",
     NULL, NULL},
    {0},
};

void strings_add(struct strings *s, char *item)
{
    if (s->count == s->room) {
        s->room = s->room == 0 ? 8 : 2 * s->room;
        s->items = mem_resize(s->items, s->room, sizeof(*s->items));
    }
    s->items[s->count++] = item;
}

void strings_done(struct strings *s)
{
    mem_free(s->items);
    *s = (struct strings){0};
}

void strings_auto(struct strings *s)
{
    strings_done(s);
}

static size_t table_count(const struct option *table)
{
    size_t n = 0;

    while (table != NULL && table[n].name != NULL)
        n++;
    return n;
}

bool option_is_hidden(const struct command *command, const struct option *common)
{
    const struct option *own = command == NULL ? NULL : command->options;

    while (own != NULL && own->name != NULL && strcmp(own->name, common->name) != 0)
        own++;
    return own != NULL && own->name != NULL;
}

const struct option *option_at(const struct command *command, size_t n)
{
    const struct option *own = command == NULL ? NULL : command->options;
    const size_t own_count = table_count(own);

    if (n < own_count)
        return &own[n];
    n -= own_count;
    for (const struct option *o = common_options; o->name != NULL; o++)
        if (!option_is_hidden(command, o) && n-- == 0)
            return o;
    return NULL;
}

size_t option_count(const struct command *command)
{
    size_t n = 0;

    while (option_at(command, n) != NULL)
        n++;
    return n;
}

const struct option *option_by_name(const struct command *command, const char *name, size_t size)
{
    const struct option *o = NULL;

    for (size_t n = 0; (o = option_at(command, n)) != NULL; n++)
        if (strncmp(o->name, name, size) == 0 && o->name[size] == '\0')
            return o;
    return NULL;
}

const char *option_text(const struct command *command, const void *args, const char *name)
{
    for (const struct option *o = command->options; o != NULL && o->name != NULL; o++)
        if (o->kind == OPTION_TEXT && strcmp(o->name, name) == 0)
            return *(char *const *)((const char *)args + o->offset);
    return NULL;
}

const struct option *option_by_letter(const struct command *command, char letter)
{
    const struct option *o = NULL;

    for (size_t n = 0; (o = option_at(command, n)) != NULL; n++)
        if (o->letter == letter)
            return o;
    return NULL;
}

/* In whichever command has it. */
static const struct option *any_option(const char *name, size_t size, char letter)
{
    const struct option *o = NULL;

    for (size_t i = 0; commands[i] != NULL && o == NULL; i++)
        o = name != NULL ? option_by_name(commands[i], name, size)
                         : option_by_letter(commands[i], letter);
    return o;
}

/* Where a reading of the arguments stands. */
struct scanner {
    int argc;
    char **argv;
    int at;
    char *cluster;                 /* letters of "-abc" that are left, or NULL */
    bool is_words_only;            /* after "--" */
    const struct command *command; /* NULL: options of all commands, and no complaints */
    struct buf *hint;
};

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,
    TOKEN_OPTION,
    TOKEN_UNKNOWN, /* an option of no command; only while the command is not known */
};

struct token {
    enum token_kind kind;
    char *text; /* the word, or the option's value (NULL: none) */
    const struct option *option;
};

static void hint_option(const struct command *command, const char *name, struct buf *hint)
{
    const size_t count = option_count(command);
    AUTO(mem) const char **names = mem_array(count, sizeof(*names));

    for (size_t n = 0; n < count; n++)
        names[n] = option_at(command, n)->name;

    const char *near = nearest_name(name, names, count);

    if (near != NULL)
        buf_printf(hint, "did you mean --%s?", near);
}

static bool unknown_option(struct scanner *s, const char *name, bool is_long, struct token *out,
                           struct err *e)
{
    if (s->command == NULL) {
        *out = (struct token){.kind = TOKEN_UNKNOWN};
        return true;
    }
    if (is_long)
        hint_option(s->command, name, s->hint);
    return err_set(e, ERR_USAGE, "%s has no option %s%.*s", s->command->name, is_long ? "--" : "-",
                   is_long ? 60 : 1, name);
}

/* The value of an option that does not bring it along: the next argument. */
static bool next_value(struct scanner *s, struct token *t, struct err *e)
{
    if (s->at < s->argc) {
        t->text = s->argv[s->at++];
        return true;
    }
    return s->command == NULL ||
           err_set(e, ERR_USAGE, "--%s needs a value: %s", t->option->name, t->option->value);
}

static bool scan_long(struct scanner *s, char *text, struct token *out, struct err *e)
{
    char *equals = strchr(text, '=');
    const size_t size = equals == NULL ? strlen(text) : (size_t)(equals - text);
    const struct option *o =
        s->command == NULL ? any_option(text, size, 0) : option_by_name(s->command, text, size);

    if (o == NULL) {
        AUTO(mem) char *name = mem_dup(text, size);

        return unknown_option(s, name, true, out, e);
    }
    if (equals != NULL && !option_has_value(o))
        return err_set(e, ERR_USAGE, "--%s takes no value", o->name);
    *out = (struct token){.kind = TOKEN_OPTION, .option = o};
    if (equals != NULL)
        out->text = equals + 1;
    else if (option_takes_next(o))
        return next_value(s, out, e);
    return true;
}

static bool scan_letter(struct scanner *s, struct token *out, struct err *e)
{
    char *letter = s->cluster;
    const struct option *o =
        s->command == NULL ? any_option(NULL, 0, *letter) : option_by_letter(s->command, *letter);

    s->cluster = letter[1] == '\0' ? NULL : letter + 1;
    if (o == NULL)
        return unknown_option(s, letter, false, out, e);
    *out = (struct token){.kind = TOKEN_OPTION, .option = o};
    if (!option_takes_next(o))
        return true;
    if (s->cluster == NULL)
        return next_value(s, out, e);
    out->text = s->cluster;
    s->cluster = NULL;
    return true;
}

static bool scanner_next(struct scanner *s, struct token *out, struct err *e)
{
    if (s->cluster != NULL)
        return scan_letter(s, out, e);
    if (s->at < s->argc && !s->is_words_only && strcmp(s->argv[s->at], "--") == 0) {
        s->is_words_only = true;
        s->at++;
    }
    if (s->at >= s->argc) {
        *out = (struct token){.kind = TOKEN_END};
        return true;
    }

    char *text = s->argv[s->at++];

    if (s->is_words_only || text[0] != '-' || text[1] == '\0') {
        *out = (struct token){.kind = TOKEN_WORD, .text = text};
        return true;
    }
    if (text[1] == '-')
        return scan_long(s, text + 2, out, e);
    s->cluster = text + 1;
    return scan_letter(s, out, e);
}

static bool unknown_command(const char *word, struct buf *hint, struct err *e)
{
    const char *names[64];
    size_t count = 0;

    while (count < sizeof(names) / sizeof(names[0]) && commands[count] != NULL) {
        names[count] = commands[count]->name;
        count++;
    }

    const char *near = nearest_name(word, names, count);

    if (near != NULL)
        buf_printf(hint, "did you mean %s?", near);
    return err_set(e, ERR_USAGE, "there is no command %.60s", word);
}

/* The first word, or the first two, as the name of a command.  The first alone may be one beside
 * those with two ("import"): then a second word that makes no command is its argument. */
static bool command_of_words(const char *first, const char *second, struct parsed *p, struct err *e)
{
    const struct command *alone = command_by_name(first);
    AUTO(buf) struct buf name = {0};

    if (!command_is_family(first) || (second == NULL && alone != NULL)) {
        p->command = alone;
        return alone != NULL || unknown_command(first, &p->hint, e);
    }
    if (second == NULL)
        return err_set(e, ERR_USAGE, "%s needs a second word", first);
    buf_printf(&name, "%s %s", first, second);
    p->command = command_by_name(buf_string(&name));
    if (p->command == NULL)
        p->command = alone;
    return p->command != NULL || unknown_command(buf_string(&name), &p->hint, e);
}

/* Find the command.  *is_named = false: an option stands for it. */
static bool find_command(int argc, char **argv, struct parsed *p, bool *is_named, struct err *e)
{
    struct scanner s = {.argc = argc, .argv = argv, .at = 1, .hint = &p->hint};
    const char *words[2] = {NULL, NULL};
    size_t count = 0;
    bool wants_help = false;
    bool wants_version = false;
    struct token t = {0};

    do {
        if (!scanner_next(&s, &t, e))
            return false;
        if (t.kind == TOKEN_WORD && count < 2)
            words[count++] = t.text;
        if (t.kind == TOKEN_OPTION) {
            wants_help = wants_help || strcmp(t.option->name, "help") == 0;
            wants_version = wants_version || strcmp(t.option->name, "version") == 0;
        }
    } while (t.kind != TOKEN_END && count < (count == 0 || command_is_family(words[0]) ? 2 : 1));

    *is_named = false;
    if (count == 0) {
        p->command = wants_help ? &command_help : wants_version ? &command_version : NULL;
        return p->command != NULL || err_set(e, ERR_USAGE, "no command given");
    }
    if (wants_help && command_is_family(words[0]) && words[1] == NULL &&
        command_by_name(words[0]) == NULL) {
        p->command = &command_help;
        return true;
    }
    *is_named = true;
    return command_of_words(words[0], words[1], p, e);
}

/* A second option of a group: complain when both stand on the command line. */
static bool check_groups(const struct command *command, const bool *is_given, struct err *e)
{
    const size_t count = option_count(command);

    for (size_t i = 0; i < count; i++) {
        const struct option *a = option_at(command, i);

        for (size_t j = i + 1; j < count && is_given[i] && a->group != NULL; j++) {
            const struct option *b = option_at(command, j);

            if (is_given[j] && b->group != NULL && strcmp(a->group, b->group) == 0)
                return err_set(e, ERR_USAGE, "--%s and --%s exclude each other", a->name, b->name);
        }
    }
    return true;
}

static bool is_group_given(const struct command *command, const bool *is_given, const char *group)
{
    const struct option *o = NULL;

    for (size_t n = 0; (o = option_at(command, n)) != NULL; n++)
        if (is_given[n] && o->group != NULL && strcmp(o->group, group) == 0)
            return true;
    return false;
}

/* Options that were not given, nor any of their group, take the value of their variable. */
static bool read_environment(const struct command *command, bool *is_given, void *args,
                             struct err *e)
{
    const struct option *o = NULL;

    for (size_t n = 0; (o = option_at(command, n)) != NULL; n++) {
        char *value = o->variable == NULL || is_given[n] ? NULL : getenv(o->variable);

        if (value == NULL || *value == '\0' ||
            (o->group != NULL && is_group_given(command, is_given, o->group)))
            continue;
        is_given[n] = true;
        if (!option_set(o, args, value, e))
            return err_wrap(e, "%s", o->variable);
    }
    return true;
}

static size_t option_number(const struct command *command, const struct option *o)
{
    size_t n = 0;

    while (option_at(command, n) != o)
        n++;
    return n;
}

/* The next word of the command's name, which the first reading found. */
static bool pass_name(const char **name, const char *word, struct err *e)
{
    const size_t size = strcspn(*name, " ");

    if (strlen(word) != size || strncmp(*name, word, size) != 0)
        return err_set(e, ERR_USAGE, "write the options of %s behind it", *name);
    *name += size + ((*name)[size] == ' ');
    return true;
}

/* wants_name: the command was named, and not meant by an option. */
static bool read_arguments(struct scanner *s, bool wants_name, void *args, bool *is_given,
                           struct err *e)
{
    struct common *common = args;
    const char *name = wants_name ? s->command->name : "";
    struct token t = {0};

    for (;;) {
        if (!scanner_next(s, &t, e))
            return false;
        if (t.kind == TOKEN_END)
            return *name == '\0' || pass_name(&name, "", e);
        if (t.kind == TOKEN_OPTION) {
            is_given[option_number(s->command, t.option)] = true;
            if (!option_set(t.option, args, t.text, e))
                return false;
        } else if (*name != '\0') {
            if (!pass_name(&name, t.text, e))
                return false;
        } else {
            strings_add(&common->words, t.text);
        }
    }
}

static bool check_words(const struct command *c, const struct strings *words, struct err *e)
{
    if (words->count < c->words_min)
        return err_set(e, ERR_USAGE, "%s needs %s", c->name, c->words);
    if (words->count > c->words_max && c->words_max == 0)
        return err_set(e, ERR_USAGE, "%s takes no arguments, but got %.60s", c->name,
                       words->items[0]);
    if (words->count > c->words_max)
        return err_set(e, ERR_USAGE, "%s takes %s; %.60s is too much", c->name, c->words,
                       words->items[c->words_max]);
    return true;
}

bool options_parse(int argc, char **argv, struct parsed *p, struct err *e)
{
    bool is_named = false;

    *p = (struct parsed){0};
    if (!find_command(argc, argv, p, &is_named, e))
        return false;
    assert(p->command != NULL);
    p->args = mem_new(p->command->args_size);

    const struct common *common = p->args;
    AUTO(mem) bool *is_given = mem_array(option_count(p->command), sizeof(*is_given));
    struct scanner s = {
        .argc = argc, .argv = argv, .at = 1, .command = p->command, .hint = &p->hint};

    if (!read_arguments(&s, is_named, p->args, is_given, e))
        return false;
    if (common->help || common->version)
        return true;
    return check_groups(p->command, is_given, e) &&
           read_environment(p->command, is_given, p->args, e) &&
           check_words(p->command, &common->words, e);
}

void parsed_done(struct parsed *p)
{
    const struct option *o = NULL;

    buf_done(&p->hint);
    p->hint = (struct buf){0};
    if (p->args == NULL)
        return;
    for (size_t n = 0; (o = option_at(p->command, n)) != NULL; n++)
        if (o->kind == OPTION_LIST)
            strings_done((struct strings *)((char *)p->args + o->offset));
    strings_done(&((struct common *)p->args)->words);
    mem_free(p->args);
    p->args = NULL;
}
