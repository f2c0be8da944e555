/* What "sftp:" may be followed by, and the command that comes of it. */
#include <string.h>

#include "store/sftp_place.h"
#include "support/test.h"

struct row {
    const char *text, *user, *host, *port, *path;
};

static bool is_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

TEST(a_place_is_read_as_restic_reads_it)
{
    static const struct row rows[] = {
        {"me@host:/srv/x", "me", "host", NULL, "/srv/x"},
        {"me@host:x/y", "me", "host", NULL, "x/y"},
        {"host:/srv/a@b:c", NULL, "host", NULL, "/srv/a@b:c"},
        {"me@corp@host:x", "me@corp", "host", NULL, "x"},
        {"me@[::1]:/x", "me", "::1", NULL, "/x"},
        {"//me@host:2222/x", "me", "host", "2222", "x"},
        {"//me@host:2222//x", "me", "host", "2222", "/x"},
        {"//host/x", NULL, "host", NULL, "x"},
        {"//[fe80::1]:22//x", NULL, "fe80::1", "22", "/x"},
        {"//[fe80::1]//x", NULL, "fe80::1", NULL, "/x"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(arena) struct arena a = {0};
        struct sftp_place p = {0};

        CHECK_OK(sftp_place_parse(rows[i].text, &a, &p, e));
        ck_assert_msg(is_same(p.user, rows[i].user) && is_same(p.host, rows[i].host) &&
                          is_same(p.port, rows[i].port) && is_same(p.path, rows[i].path),
                      "%s", rows[i].text);
    }
}

TEST(a_place_that_ssh_could_take_for_an_option_or_that_is_none_is_refused)
{
    static const char *const texts[] = {"-oProxyCommand=x:/srv",
                                        "me@-x:/srv",
                                        "-me@host:/srv",
                                        "//-x/srv",
                                        "//-me@host/srv",
                                        "host",
                                        "/srv/x",
                                        "host/x:y",
                                        ":/srv",
                                        "me@:/srv",
                                        "@host:/srv",
                                        "host:",
                                        "//host",
                                        "//host/",
                                        "//host:x/srv",
                                        "//host:0/srv",
                                        "//host:/srv",
                                        "//host:70000/",
                                        "//[::1/srv",
                                        "//[::1]x/srv",
                                        "host;reboot:/srv",
                                        "a b:/srv",
                                        "$(x):/srv",
                                        "host:~/x",
                                        "ho\nst:/srv",
                                        "me`x`@host:/srv",
                                        "//h:1:2/srv/",
                                        "",
                                        "//",
                                        "//:1/x"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        AUTO(arena) struct arena a = {0};
        struct sftp_place p = {0};
        struct err e = {0};

        ck_assert_msg(!sftp_place_parse(texts[i], &a, &p, &e), "%s", texts[i]);
        CHECK(e.code == ERR_USAGE && p.host == NULL);
    }
}

/* The command as one text. */
static void check_command(const char *place, const char *args, bool may_ask, const char *wanted)
{
    AUTO(arena) struct arena a = {0};
    AUTO(buf) struct buf text = {0};
    struct sftp_place p = {0};
    char **argv = NULL;

    CHECK_OK(sftp_place_parse(place, &a, &p, e));
    CHECK_OK(sftp_place_argv(&p, args, may_ask, &a, &argv, e));
    for (char **at = argv; *at != NULL; at++)
        buf_printf(&text, "%s|", *at);
    ck_assert_str_eq(buf_string(&text), wanted);
}

#define FIXED                                                    \
    "-oForwardX11=no|-oForwardAgent=no|-oPermitLocalCommand=no|" \
    "-oClearAllForwardings=yes|-oServerAliveInterval=30|"

TEST(the_command_names_subsystem_and_host_and_puts_the_users_arguments_first)
{
    check_command("host:/x", NULL, true, "ssh|" FIXED "-s|--|host|sftp|");
    check_command("//me@host:2222/x", "-i '/my key'", false,
                  "ssh|-i|/my key|" FIXED "-oBatchMode=yes|-p|2222|-l|me|-s|--|host|sftp|");
}

TESTS("store sftp place", a_place_is_read_as_restic_reads_it,
      a_place_that_ssh_could_take_for_an_option_or_that_is_none_is_refused,
      the_command_names_subsystem_and_host_and_puts_the_users_arguments_first)
