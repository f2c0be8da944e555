/*
 * The parser, by way of real commands, and the rules that all tables keep.
 */
#include "support/test.h"

#include <string.h>

#include "base/command_split.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/paths.h"
#include "cli/secret.h"

enum { ARGUMENTS_MAX = 20 };

/* Arguments as main() gets them, from a line with blanks between. */
struct line {
    char *argv[ARGUMENTS_MAX + 1];
    int argc;
    char *text;
};

static struct line line_of(const char *text)
{
    struct line l = {.text = mem_string(text)};
    char *rest = l.text;
    char *one = NULL;

    while (l.argc < ARGUMENTS_MAX && (one = strsep(&rest, " ")) != NULL)
        l.argv[l.argc++] = one;
    return l;
}

static bool parse(const char *text, struct parsed *p, struct err *e)
{
    static struct line kept; /* parsed values borrow from it until the next call */

    mem_free(kept.text);
    kept = line_of(text);
    return options_parse(kept.argc, kept.argv, p, e);
}

static void parsed_auto(struct parsed *p)
{
    parsed_done(p);
}

/* The value of an option as the command would find it. */
static void *value_of(const struct parsed *p, const char *name)
{
    const struct option *o = option_by_name(p->command, name, strlen(name));

    ck_assert_msg(o != NULL, "%s has no --%s", p->command->name, name);
    return (char *)p->args + o->offset;
}

static bool flag_of(const struct parsed *p, const char *name)
{
    return *(bool *)value_of(p, name);
}

static const char *text_of(const struct parsed *p, const char *name)
{
    return *(char **)value_of(p, name);
}

static const struct strings *list_of(const struct parsed *p, const char *name)
{
    return value_of(p, name);
}

static const struct strings *words_of(const struct parsed *p)
{
    return &((const struct common *)p->args)->words;
}

static void check_refused(const char *text, const char *sentence, const char *hint)
{
    AUTO(parsed) struct parsed p = {0};
    struct err e = {0};

    CHECK(!parse(text, &p, &e));
    ck_assert_int_eq(e.code, ERR_USAGE);
    ck_assert_msg(strstr(e.text, sentence) != NULL, "%s", e.text);
    ck_assert_str_eq(buf_string(&p.hint), hint);
}

TEST(every_option_says_what_it_does_and_what_its_value_is_called)
{
    for (size_t i = 0; commands[i] != NULL; i++) {
        const struct option *o = NULL;

        for (size_t n = 0; (o = option_at(commands[i], n)) != NULL; n++) {
            ck_assert_msg(o->help != NULL && strlen(o->help) > 5, "--%s", o->name);
            ck_assert_msg(o->help[strlen(o->help) - 1] != '.', "--%s ends with a stop", o->name);
            ck_assert_msg((o->value != NULL) == option_has_value(o), "--%s", o->name);
            ck_assert_msg((o->choices != NULL) == (o->kind == OPTION_CHOICE), "--%s", o->name);
            ck_assert_msg(o->offset < commands[i]->args_size, "--%s", o->name);
        }
    }
}

TEST(no_command_has_two_options_of_one_name_or_letter)
{
    for (size_t i = 0; commands[i] != NULL; i++)
        for (size_t a = 0; a < option_count(commands[i]); a++)
            for (size_t b = 0; b < a; b++) {
                const struct option *x = option_at(commands[i], a);
                const struct option *y = option_at(commands[i], b);

                ck_assert_msg(strcmp(x->name, y->name) != 0, "%s --%s", commands[i]->name, x->name);
                ck_assert_msg(x->letter == 0 || x->letter != y->letter, "%s -%c", commands[i]->name,
                              x->letter);
            }
}

/* The command is searched for before its options are known: see options.c. */
static void check_alike(const struct option *x, const struct option *y)
{
    const bool is_same_name = strcmp(x->name, y->name) == 0;

    if (is_same_name)
        ck_assert_msg(option_has_value(x) == option_has_value(y), "--%s, --%s", x->name, y->name);
    if (is_same_name && x->letter != 0 && y->letter != 0)
        ck_assert_msg(x->letter == y->letter, "--%s has two letters", x->name);
}

TEST(options_of_one_name_agree_in_all_commands_whether_they_take_a_value)
{
    for (size_t i = 0; commands[i] != NULL; i++) {
        const struct option *x = NULL;

        for (size_t a = 0; (x = option_at(commands[i], a)) != NULL; a++)
            for (size_t j = 0; j < i; j++)
                for (size_t b = option_count(commands[j]); b > 0; b--)
                    check_alike(x, option_at(commands[j], b - 1));
    }
}

TEST(every_command_is_found_by_its_name_and_has_what_help_shows)
{
    for (size_t i = 0; commands[i] != NULL; i++) {
        CHECK(command_by_name(commands[i]->name) == commands[i]);
        CHECK(commands[i]->run != NULL && commands[i]->args_size >= sizeof(struct common));
        CHECK(commands[i]->words_min <= commands[i]->words_max);
        CHECK((commands[i]->words_max > 0) == (*commands[i]->words != '\0'));
        ck_assert_msg(strncmp(commands[i]->examples, "holdfast ", 9) == 0, "%s", commands[i]->name);
    }
}

TEST(options_may_stand_before_behind_and_between)
{
    AUTO(parsed) struct parsed p = {0};

    CHECK_OK(parse("holdfast -r /x --label a key -v add --json", &p, e));
    ck_assert_str_eq(p.command->name, "key add");
    ck_assert_str_eq(text_of(&p, "label"), "a");
    ck_assert_str_eq(text_of(&p, "repo"), "/x");
    CHECK(flag_of(&p, "json") && flag_of(&p, "verbose") && !flag_of(&p, "quiet"));
}

TEST(a_command_may_stand_beside_those_of_its_family)
{
    AUTO(parsed) struct parsed alone = {0};
    AUTO(parsed) struct parsed two = {0};

    CHECK_OK(parse("holdfast import --set shop archive.zip", &alone, e));
    ck_assert_str_eq(alone.command->name, "import");
    CHECK_OK(parse("holdfast import tables shop.json", &two, e));
    ck_assert_str_eq(two.command->name, "import tables");
}
END

TEST(a_letter_may_take_a_value_in_one_command_and_none_in_another)
{
    AUTO(parsed) struct parsed p = {0};
    AUTO(parsed) struct parsed q = {0};

    CHECK_OK(parse("holdfast create -n forget", &p, e));
    ck_assert_str_eq(p.command->name, "create");
    ck_assert_str_eq(text_of(&p, "name"), "forget");
    CHECK_OK(parse("holdfast forget -n create", &q, e));
    ck_assert_str_eq(q.command->name, "forget");
    CHECK(flag_of(&q, "dry-run"));
    check_refused("holdfast -n create --config shop", "write the options of create behind it", "");
}

TEST(an_option_of_another_command_is_refused_once_the_command_is_known)
{
    check_refused("holdfast --exclude x snapshots", "snapshots has no option --exclude", "");
}

TEST(values_stand_behind_an_equals_sign_a_blank_or_a_letter)
{
    AUTO(parsed) struct parsed p = {0};

    CHECK_OK(parse("holdfast backup /a --host=h=1 --parent p -r/repo -xn", &p, e));
    ck_assert_str_eq(text_of(&p, "host"), "h=1");
    ck_assert_str_eq(text_of(&p, "parent"), "p");
    ck_assert_str_eq(text_of(&p, "repo"), "/repo");
    CHECK(flag_of(&p, "one-file-system") && flag_of(&p, "dry-run"));
    ck_assert_uint_eq(words_of(&p)->count, 1);
}

TEST(an_option_that_is_repeated_collects_its_values_in_order)
{
    AUTO(parsed) struct parsed p = {0};

    CHECK_OK(parse("holdfast backup -e 1 --exclude 2 / --exclude=3", &p, e));
    ck_assert_uint_eq(list_of(&p, "exclude")->count, 3);
    ck_assert_str_eq(list_of(&p, "exclude")->items[0], "1");
    ck_assert_str_eq(list_of(&p, "exclude")->items[2], "3");
}

TEST(what_stands_behind_two_dashes_is_no_option)
{
    AUTO(parsed) struct parsed p = {0};

    CHECK_OK(parse("holdfast backup --stdin-from-command -- pg_dump --json -x", &p, e));
    ck_assert_uint_eq(words_of(&p)->count, 3);
    ck_assert_str_eq(words_of(&p)->items[1], "--json");
    CHECK(!flag_of(&p, "json") && !flag_of(&p, "one-file-system"));
}

TEST(a_single_dash_is_a_word)
{
    AUTO(parsed) struct parsed p = {0};

    CHECK_OK(parse("holdfast backup --files-from - -", &p, e));
    ck_assert_str_eq(list_of(&p, "files-from")->items[0], "-");
    ck_assert_str_eq(words_of(&p)->items[0], "-");
}

TEST(the_beginning_of_an_option_is_not_the_option)
{
    check_refused("holdfast backup /a --exclud x", "backup has no option --exclud",
                  "did you mean --exclude?");
    check_refused("holdfast backup /a --skip", "backup has no option --skip", "");
    check_refused("holdfast backup /a -Z", "backup has no option -Z", "");
}

TEST(a_mistyped_command_is_answered_with_the_nearest)
{
    check_refused("holdfast bakcup /a", "there is no command bakcup", "did you mean backup?");
    check_refused("holdfast key lst", "there is no command key lst", "did you mean key list?");
    check_refused("holdfast xyzzy", "there is no command xyzzy", "");
    check_refused("holdfast key", "key needs a second word", "");
    check_refused("holdfast import", "import needs PATH", "");
    check_refused("holdfast", "no command given", "");
}

TEST(missing_and_superfluous_values_are_refused)
{
    check_refused("holdfast backup /a --exclude", "--exclude needs a value: PATTERN", "");
    check_refused("holdfast backup /a -r", "--repo needs a value: REPOSITORY", "");
    check_refused("holdfast backup /a --dry-run=yes", "--dry-run takes no value", "");
    check_refused("holdfast backup /a --host=", "--host: the value is empty", "");
}

TEST(the_number_of_words_is_checked)
{
    check_refused("holdfast diff a", "diff needs SNAPSHOT", "");
    check_refused("holdfast diff a b c", "c is too much", "");
    check_refused("holdfast prune x", "prune takes no arguments, but got x", "");
}

TEST(values_of_the_wrong_kind_are_refused_with_the_name_of_the_option)
{
    check_refused("holdfast forget --keep-last=-1", "--keep-last: \"-1\"", "");
    check_refused("holdfast forget --keep-last 4294967296", "--keep-last: 4294967296 is more", "");
    check_refused("holdfast forget --keep-within 5w", "--keep-within: \"5w\"", "");
    check_refused("holdfast restore x --overwrite maybe", "--overwrite: \"maybe\" is none of", "");
    check_refused("holdfast backup / --pack-size 1X", "--pack-size: \"1X\"", "");
    check_refused("holdfast backup / --time noon", "--time:", "");
}

TEST(counts_sizes_and_choices_arrive_as_values)
{
    AUTO(parsed) struct parsed p = {0};
    AUTO(parsed) struct parsed q = {0};

    CHECK_OK(
        parse("holdfast forget --keep-last 3 --keep-daily unlimited --keep-within 2y3h", &p, e));
    ck_assert_int_eq(*(int *)value_of(&p, "keep-last"), 3);
    ck_assert_int_eq(*(int *)value_of(&p, "keep-daily"), -1);
    ck_assert_int_eq(*(int *)value_of(&p, "keep-weekly"), 0);
    ck_assert_uint_eq(((struct duration *)value_of(&p, "keep-within"))->hours, 3);
    CHECK_OK(parse("holdfast restore x --overwrite if-newer", &q, e));
    ck_assert_int_eq(*(int *)value_of(&q, "overwrite"), 2);
}

TEST(options_of_one_group_exclude_each_other)
{
    check_refused("holdfast snapshots --key-file a --password-file b",
                  "--key-file and --password-file exclude each other", "");
    check_refused("holdfast snapshots -q -v", "--quiet and --verbose exclude each other", "");
}

TEST(variables_stand_in_for_options_that_are_not_given)
{
    AUTO(parsed) struct parsed p = {0};

    setenv("HOLDFAST_REPOSITORY", "/from/variable", 1);
    setenv("HOLDFAST_KEY_FILE", "/key", 1);
    CHECK_OK(parse("holdfast snapshots", &p, e));
    ck_assert_str_eq(text_of(&p, "repo"), "/from/variable");
    ck_assert_str_eq(text_of(&p, "key-file"), "/key");
}

TEST(an_option_beats_the_variables_of_its_whole_group)
{
    AUTO(parsed) struct parsed p = {0};

    setenv("HOLDFAST_REPOSITORY", "/from/variable", 1);
    setenv("HOLDFAST_KEY_FILE", "/key", 1);
    setenv("HOLDFAST_PASSWORD_COMMAND", "pass", 1);
    CHECK_OK(parse("holdfast snapshots -r /option --password-file /p", &p, e));
    ck_assert_str_eq(text_of(&p, "repo"), "/option");
    ck_assert_str_eq(text_of(&p, "password-file"), "/p");
    CHECK(text_of(&p, "key-file") == NULL && text_of(&p, "password-command") == NULL);
}

TEST(a_wrong_variable_is_named)
{
    setenv("HOLDFAST_PACK_SIZE", "huge", 1);
    check_refused("holdfast backup /", "HOLDFAST_PACK_SIZE: --pack-size: \"huge\"", "");
}

TEST(help_and_version_need_no_further_arguments)
{
    AUTO(parsed) struct parsed p = {0};
    AUTO(parsed) struct parsed q = {0};
    AUTO(parsed) struct parsed r = {0};

    CHECK_OK(parse("holdfast diff --help", &p, e));
    ck_assert_str_eq(p.command->name, "diff");
    CHECK_OK(parse("holdfast -h", &q, e));
    CHECK(q.command == &command_help);
    CHECK_OK(parse("holdfast --version", &r, e));
    CHECK(r.command == &command_version);
}

TEST(a_password_command_is_split_at_blanks_outside_quotes)
{
    struct arena a = {0};
    char **argv = NULL;

    CHECK_OK(command_split("  pass 'a b'\"c d\" \\'e\\  '' ", &a, &argv, e));
    ck_assert_str_eq(argv[0], "pass");
    ck_assert_str_eq(argv[1], "a bc d");
    ck_assert_str_eq(argv[2], "'e ");
    ck_assert_str_eq(argv[3], "");
    CHECK(argv[4] == NULL);
    CHECK_ERR(command_split("pass 'a", &a, &argv, e), ERR_USAGE);
    CHECK_ERR(command_split("  ", &a, &argv, e), ERR_USAGE);
    arena_done(&a);
}

static void check_joined(const char *path, const char *wanted)
{
    AUTO(buf) struct buf out = {0};

    path_join("/base", path, &out);
    ck_assert_str_eq(buf_string(&out), wanted);
}

TEST(paths_lose_dots_and_doubled_slashes)
{
    check_joined("a/./b//c/", "/base/a/b/c");
    check_joined("../x", "/x");
    check_joined("../../..", "/");
    check_joined("/a/../b/..c/...", "/b/..c/...");
    check_joined("", "/base");
}

TEST(paths_inside_other_paths_are_dropped)
{
    char texts[][8] = {"/a/b", "/a-b", "/a", "/a", "/ab", "/a/b/c", "/b"};
    AUTO(strings) struct strings s = {0};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        strings_add(&s, texts[i]);
    paths_prune(&s);
    ck_assert_uint_eq(s.count, 4);
    ck_assert_str_eq(s.items[0], "/a");
    ck_assert_str_eq(s.items[1], "/a-b");
    ck_assert_str_eq(s.items[2], "/ab");
    ck_assert_str_eq(s.items[3], "/b");
}

TEST(the_password_leaves_the_environment_and_its_bytes_are_overwritten)
{
    static char entry[] = "HOLDFAST_PASSWORD=secret";

    putenv(entry);

    char *taken = secret_take_variable(SECRET_VARIABLE);

    ck_assert_str_eq(taken, "secret");
    CHECK(getenv("HOLDFAST_PASSWORD") == NULL);
    CHECK(memmem(entry, sizeof(entry), "secret", 6) == NULL);
    mem_secret_free(taken);
    CHECK(secret_take_variable(SECRET_VARIABLE) == NULL);
}

TEST(a_value_that_may_be_left_out_stands_behind_an_equals_sign_only)
{
    AUTO(parsed) struct parsed alone = {0};
    AUTO(parsed) struct parsed given = {0};
    AUTO(parsed) struct parsed absent = {0};

    CHECK_OK(parse("holdfast prune --recompress -n", &alone, e));
    ck_assert_str_eq(text_of(&alone, "recompress"), "");
    CHECK_OK(parse("holdfast prune --recompress=max", &given, e));
    ck_assert_str_eq(text_of(&given, "recompress"), "max");
    CHECK_OK(parse("holdfast prune -n", &absent, e));
    CHECK(text_of(&absent, "recompress") == NULL);
    check_refused("holdfast prune --recompress 9", "9", "");
}
END

TESTS("options", a_value_that_may_be_left_out_stands_behind_an_equals_sign_only,
      every_option_says_what_it_does_and_what_its_value_is_called,
      no_command_has_two_options_of_one_name_or_letter,
      options_of_one_name_agree_in_all_commands_whether_they_take_a_value,
      a_command_may_stand_beside_those_of_its_family,
      a_letter_may_take_a_value_in_one_command_and_none_in_another,
      every_command_is_found_by_its_name_and_has_what_help_shows,
      options_may_stand_before_behind_and_between,
      an_option_of_another_command_is_refused_once_the_command_is_known,
      values_stand_behind_an_equals_sign_a_blank_or_a_letter,
      an_option_that_is_repeated_collects_its_values_in_order,
      what_stands_behind_two_dashes_is_no_option, a_single_dash_is_a_word,
      the_beginning_of_an_option_is_not_the_option, a_mistyped_command_is_answered_with_the_nearest,
      missing_and_superfluous_values_are_refused, the_number_of_words_is_checked,
      values_of_the_wrong_kind_are_refused_with_the_name_of_the_option,
      counts_sizes_and_choices_arrive_as_values, options_of_one_group_exclude_each_other,
      variables_stand_in_for_options_that_are_not_given,
      an_option_beats_the_variables_of_its_whole_group, a_wrong_variable_is_named,
      help_and_version_need_no_further_arguments,
      a_password_command_is_split_at_blanks_outside_quotes, paths_lose_dots_and_doubled_slashes,
      paths_inside_other_paths_are_dropped,
      the_password_leaves_the_environment_and_its_bytes_are_overwritten)
