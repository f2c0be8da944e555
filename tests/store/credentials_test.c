/*
 * Where keys come from, in which order, and what is refused.
 */
#include "store/credentials.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "scratch.h"
#include "support/test.h"

/* A home folder without anything, and no variable set. */
struct home {
    char *dir; /* as scratch_new() */
    struct store_secrets secrets;
    struct s3_options options;
};

static void home_auto(struct home *h)
{
    store_secrets_auto(&h->secrets);
    scratch_auto(&h->dir);
}

static void home_init(struct home *h)
{
    static const char *const variables[] = {"AWS_ACCESS_KEY_ID",
                                            "AWS_ACCESS_KEY_ID_FILE",
                                            "AWS_SECRET_ACCESS_KEY",
                                            "AWS_SECRET_ACCESS_KEY_FILE",
                                            "AWS_SESSION_TOKEN",
                                            "AWS_PROFILE",
                                            "AWS_REGION",
                                            "AWS_DEFAULT_REGION",
                                            "AWS_CONFIG_FILE",
                                            "AWS_SHARED_CREDENTIALS_FILE"};

    *h = (struct home){.dir = scratch_new()};
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        CHECK(unsetenv(variables[i]) == 0);
    CHECK(setenv("HOME", h->dir, 1) == 0);
    CHECK(mkdir(scratch_join(h->dir, ".aws").text, 0700) == 0);
}

static void put(const struct home *h, const char *name, const char *text)
{
    scratch_write(scratch_join(h->dir, name).text, text);
}

/* "id/secret/token" of what is found. */
static void check_keys(struct home *h, const char *wanted)
{
    AUTO(credentials) struct credentials *c = NULL;
    AUTO(buf) struct buf got = {0};
    struct credentials_keys keys;

    CHECK_OK(credentials_open(&h->options, &h->secrets, &c, e));
    CHECK_OK(credentials_lock(c, &keys, e));
    buf_printf(&got, "%s/%s/%s", keys.id, keys.secret, keys.token == NULL ? "" : keys.token);
    credentials_unlock(c);
    ck_assert_str_eq(buf_string(&got), wanted);
}

static void check_refused(struct home *h, const char *wanted)
{
    AUTO(credentials) struct credentials *c = NULL;
    struct err why = {0};

    CHECK(!credentials_open(&h->options, &h->secrets, &c, &why));
    ck_assert_msg(why.code == ERR_USAGE || why.code == ERR_FATAL, "%s", why.text);
    ck_assert_msg(strstr(why.text, wanted) != NULL, "%s", why.text);
    ck_assert_msg(strstr(why.text, "hush") == NULL, "a secret is told: %s", why.text);
}

#define PROFILES                                                                            \
    "# keys\n[default]\naws_access_key_id = D1\naws_secret_access_key=D2\n\n"               \
    "[other]\n aws_ignored = x\naws_access_key_id=O1\r\naws_secret_access_key =  O2=/+  \n" \
    "aws_session_token = O3\n"

TEST(variables_are_taken_and_leave_the_environment)
{
    AUTO(home) struct home h;

    home_init(&h);
    put(&h, ".aws/credentials", PROFILES);
    CHECK(setenv("AWS_ACCESS_KEY_ID", "V1", 1) == 0);
    CHECK(setenv("AWS_SECRET_ACCESS_KEY", "V2", 1) == 0);
    CHECK(setenv("AWS_SESSION_TOKEN", "V3", 1) == 0);

    const char *old = getenv("AWS_SECRET_ACCESS_KEY");

    check_keys(&h, "V1/V2/V3");
    CHECK(getenv("AWS_ACCESS_KEY_ID") == NULL && getenv("AWS_SESSION_TOKEN") == NULL);
    CHECK(getenv("AWS_SECRET_ACCESS_KEY") == NULL && old[0] == '\0');
    check_keys(&h, "V1/V2/V3"); /* of a second store of the same run */
}

TEST(variables_may_name_files)
{
    AUTO(home) struct home h;

    home_init(&h);
    put(&h, "id", "F1\n");
    put(&h, "secret", "F2\r\n");
    CHECK(setenv("AWS_ACCESS_KEY_ID_FILE", scratch_join(h.dir, "id").text, 1) == 0);
    check_refused(&h, "AWS_SECRET_ACCESS_KEY is not");
    CHECK(setenv("AWS_SECRET_ACCESS_KEY_FILE", scratch_join(h.dir, "secret").text, 1) == 0);
    check_keys(&h, "F1/F2/");
    put(&h, "secret", "hush hush\n");
    check_refused(&h, "blank");
    put(&h, "secret", "\n");
    check_refused(&h, "empty");
}

TEST(profiles_are_found_by_option_variable_and_default)
{
    AUTO(home) struct home h;

    home_init(&h);
    check_refused(&h, "no keys for S3");
    put(&h, ".aws/credentials", PROFILES);
    check_keys(&h, "D1/D2/");
    CHECK(setenv("AWS_PROFILE", "other", 1) == 0);
    check_keys(&h, "O1/O2=/+/O3");
    h.options.profile = "default";
    check_keys(&h, "D1/D2/");
    h.options.profile = "nobody";
    check_refused(&h, "no keys for S3");
    put(&h, "elsewhere", PROFILES);
    h.options.credentials_file = scratch_join(h.dir, "elsewhere").text;
    check_refused(&h, "nobody");
}

TEST(a_profile_that_is_asked_for_counts_more_than_variables)
{
    AUTO(home) struct home h;

    home_init(&h);
    put(&h, ".aws/credentials", PROFILES);
    CHECK(setenv("AWS_ACCESS_KEY_ID", "V1", 1) == 0);
    CHECK(setenv("AWS_SECRET_ACCESS_KEY", "V2", 1) == 0);
    h.options.profile = "other";
    check_keys(&h, "O1/O2=/+/O3");
    CHECK(getenv("AWS_SECRET_ACCESS_KEY") != NULL);
}

TEST(half_a_profile_is_refused)
{
    AUTO(home) struct home h;

    home_init(&h);
    put(&h, ".aws/credentials", "[default]\naws_secret_access_key = hush\n");
    check_refused(&h, "only one of");
    put(&h, ".aws/credentials", "[default]\naws_access_key_id = a\naws_secret_access_key =\n");
    check_refused(&h, "empty");
}

/* A program that prints this, and how often it has run. */
static struct scratch_path script(const struct home *h, const char *json)
{
    const struct scratch_path path = scratch_join(h->dir, "keys.sh");
    AUTO(buf) struct buf text = {0};

    buf_printf(&text, "#!/bin/sh\nprintf x >>'%s/runs'\ncat <<'END'\n%s\nEND\n", h->dir, json);
    scratch_write(path.text, buf_string(&text));
    CHECK(chmod(path.text, 0700) == 0);
    return path;
}

static off_t runs(const struct home *h)
{
    struct stat st = {0};

    return stat(scratch_join(h->dir, "runs").text, &st) < 0 ? 0 : st.st_size;
}

TEST(a_command_prints_keys)
{
    AUTO(home) struct home h;

    home_init(&h);

    const struct scratch_path path = script(
        &h, "{\"Version\": 1, \"AccessKeyId\": \"C1\", \"SecretAccessKey\": \"C2\", "
            "\"SessionToken\": \"C3\", \"Expiration\": \"2199-01-01T00:00:00Z\", \"More\": 1}");

    CHECK(setenv("AWS_ACCESS_KEY_ID", "V1", 1) == 0);
    h.options.credentials_command = path.text;
    check_keys(&h, "C1/C2/C3");
    CHECK(runs(&h) == 1);
}

TEST(a_command_that_is_in_the_profile_is_run)
{
    AUTO(home) struct home h;
    AUTO(buf) struct buf config = {0};

    home_init(&h);

    const struct scratch_path path =
        script(&h, "{\"Version\": 1, \"AccessKeyId\": \"C1\", \"SecretAccessKey\": \"C2\"}");

    buf_printf(&config, "[default]\nregion = x\n[profile p]\ncredential_process = \"%s\" 'a b'\n",
               path.text);
    put(&h, ".aws/config", buf_string(&config));
    CHECK(setenv("AWS_PROFILE", "p", 1) == 0);
    check_keys(&h, "C1/C2/");
}

TEST(keys_are_got_anew_before_they_expire)
{
    AUTO(home) struct home h;
    AUTO(credentials) struct credentials *c = NULL;
    struct credentials_keys keys;
    int64_t end_ns = 0;

    home_init(&h);

    const struct scratch_path path =
        script(&h, "{\"Version\": 1, \"AccessKeyId\": \"C1\", \"SecretAccessKey\": \"C2\", "
                   "\"Expiration\": \"2199-01-01T00:00:00Z\"}");

    h.options.credentials_command = path.text;
    CHECK_OK(credentials_open(&h.options, &h.secrets, &c, e));
    CHECK_OK(credentials_lock(c, &keys, e));
    credentials_unlock(c);
    CHECK(runs(&h) == 1);
    CHECK_OK(clock_parse("2199-01-01T00:00:00Z", &end_ns, e));
    clock_set_for_tests(end_ns - 60 * NS_PER_S);
    CHECK_OK(credentials_lock(c, &keys, e));
    credentials_unlock(c);
    CHECK(runs(&h) == 2);
    scratch_write(path.text, "#!/bin/sh\nexit 1\n");
    CHECK_OK(credentials_lock(c, &keys, e)); /* they are good for a minute yet */
    credentials_unlock(c);
    clock_set_for_tests(end_ns + NS_PER_S);
    CHECK_ERR(credentials_lock(c, &keys, e), ERR_FATAL);
    clock_set_for_tests(0);
}

TEST(what_is_no_answer_of_a_command_is_refused_without_repeating_it)
{
    static const char *const answers[] = {
        "",
        "hush",
        "[\"hush\"]",
        "{\"Version\": 2, \"AccessKeyId\": \"a\", \"SecretAccessKey\": \"hush\"}",
        "{\"AccessKeyId\": \"a\", \"SecretAccessKey\": \"hush\"}",
        "{\"Version\": 1, \"SecretAccessKey\": \"hush\"}",
        "{\"Version\": 1, \"AccessKeyId\": 5, \"SecretAccessKey\": \"hush\"}",
        "{\"Version\": 1, \"AccessKeyId\": \"a\", \"SecretAccessKey\": \"hush\\r\\nx: y\"}",
        ("{\"Version\": 1, \"AccessKeyId\": \"a\", \"SecretAccessKey\": \"hush\", "
         "\"Expiration\": \"soon\"}"),
    };
    AUTO(home) struct home h;

    home_init(&h);
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        const struct scratch_path path = script(&h, answers[i]);

        h.options.credentials_command = path.text;
        check_refused(&h, "command for credentials");
    }
    h.options.credentials_command = "/nonexistent/keys";
    {
        AUTO(credentials) struct credentials *c = NULL;

        CHECK_ERR(credentials_open(&h.options, &h.secrets, &c, e), ERR_NOT_FOUND);
    }
}

/* A program that hangs with one that it has started, whose number it leaves in a file. */
static struct scratch_path hanging_script(const struct home *h)
{
    const struct scratch_path path = scratch_join(h->dir, "hang.sh");
    AUTO(buf) struct buf text = {0};

    buf_printf(&text,
               "#!/bin/sh\nprintf x >>'%s/runs'\nsleep 1000 &\necho $! >'%s/pid'\n"
               "echo '{\"AccessKeyId\": \"hush\"'\nwait\n",
               h->dir, h->dir);
    scratch_write(path.text, buf_string(&text));
    CHECK(chmod(path.text, 0700) == 0);
    return path;
}

/* The program that it has started. */
static bool has_ended(const struct home *h)
{
    AUTO(buf) struct buf text = {0};
    uint64_t pid = 0;

    CHECK_OK(file_read(scratch_join(h->dir, "pid").text, 100, &text, e));
    text.size = strcspn(buf_string(&text), "\n");
    CHECK_OK(parse_u64(buf_string(&text), &pid, e));

    AUTO(fd) int fd = pidfd_open((pid_t)pid, 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return fd < 0 || poll(&p, 1, 10000) == 1;
}

TEST(a_command_that_hangs_is_ended_with_what_it_started)
{
    AUTO(home) struct home h;

    home_init(&h);

    const struct scratch_path path = hanging_script(&h);

    h.options.credentials_command = path.text;
    h.options.credentials_timeout_s = 1;
    check_refused(&h, "has not ended within 1 s");
    CHECK(runs(&h) == 1 && has_ended(&h));
}

TEST(a_command_that_hangs_is_asked_once_a_minute_while_its_keys_are_good)
{
    AUTO(home) struct home h;
    AUTO(credentials) struct credentials *c = NULL;
    struct credentials_keys keys;
    int64_t end_ns = 0;

    home_init(&h);

    const struct scratch_path path =
        script(&h, "{\"Version\": 1, \"AccessKeyId\": \"C1\", \"SecretAccessKey\": \"C2\", "
                   "\"Expiration\": \"2199-01-01T00:00:00Z\"}");

    h.options.credentials_command = path.text;
    h.options.credentials_timeout_s = 1;
    CHECK_OK(credentials_open(&h.options, &h.secrets, &c, e));
    CHECK_OK(clock_parse("2199-01-01T00:00:00Z", &end_ns, e));
    CHECK(rename(hanging_script(&h).text, path.text) == 0);
    clock_set_for_tests(end_ns - 200 * NS_PER_S);
    for (int i = 0; i < 10; i++) {
        CHECK_OK(credentials_lock(c, &keys, e));
        credentials_unlock(c);
    }
    CHECK(runs(&h) == 2);
    clock_set_for_tests(end_ns - 100 * NS_PER_S);
    CHECK_OK(credentials_lock(c, &keys, e));
    credentials_unlock(c);
    CHECK(runs(&h) == 3);
    CHECK(credentials_expire(c));
    CHECK_ERR(credentials_lock(c, &keys, e), ERR_FATAL);
    clock_set_for_tests(0);
}

TEST(the_region_comes_from_variables_and_profile)
{
    AUTO(home) struct home h;
    AUTO(mem) char *none = NULL;
    AUTO(mem) char *profile = NULL;
    AUTO(mem) char *variable = NULL;
    AUTO(mem) char *first = NULL;

    home_init(&h);
    CHECK_OK(credentials_region(&h.options, &none, e));
    CHECK(none == NULL);
    put(&h, ".aws/config", "[profile a]\nregion = eu-west-3\n[default]\nregion=us-west-2 \n");
    CHECK_OK(credentials_region(&h.options, &profile, e));
    ck_assert_str_eq(profile, "us-west-2");
    CHECK(setenv("AWS_DEFAULT_REGION", "eu-north-1", 1) == 0);
    CHECK_OK(credentials_region(&h.options, &variable, e));
    ck_assert_str_eq(variable, "eu-north-1");
    CHECK(setenv("AWS_REGION", "eu-north-2", 1) == 0);
    CHECK_OK(credentials_region(&h.options, &first, e));
    ck_assert_str_eq(first, "eu-north-2");
}

TESTS("store credentials", variables_are_taken_and_leave_the_environment, variables_may_name_files,
      profiles_are_found_by_option_variable_and_default,
      a_profile_that_is_asked_for_counts_more_than_variables, half_a_profile_is_refused,
      a_command_prints_keys, a_command_that_is_in_the_profile_is_run,
      keys_are_got_anew_before_they_expire, a_command_that_hangs_is_ended_with_what_it_started,
      a_command_that_hangs_is_asked_once_a_minute_while_its_keys_are_good,
      what_is_no_answer_of_a_command_is_refused_without_repeating_it,
      the_region_comes_from_variables_and_profile)
