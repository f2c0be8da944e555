/* URLs of S3 stores, and options of stores by name. */
#include "store/s3_place.h"

#include <string.h>

#include "support/test.h"

/* "http[s] host bucket prefix style region" of a place. */
static void check_place(const char *text, enum s3_style style, const char *wanted)
{
    AUTO(s3_place) struct s3_place p = {0};
    AUTO(buf) struct buf got = {0};

    CHECK_OK(s3_place_parse(text, style, &p, e));
    buf_printf(&got, "%s %s %s [%s] %s %s", p.is_tls ? "https" : "http", p.host, p.bucket, p.prefix,
               p.is_bucket_in_host ? "host" : "path", p.region == NULL ? "-" : p.region);
    ck_assert_str_eq(buf_string(&got), wanted);
}

TEST(places_are_written_as_for_restic)
{
    check_place("https://h/b", S3_STYLE_AUTO, "https h b [] path -");
    check_place("h/b", S3_STYLE_AUTO, "https h b [] path -");
    check_place("//h/b/", S3_STYLE_AUTO, "https h b [] path -");
    check_place("http://127.0.0.1:9000/b/p", S3_STYLE_AUTO, "http 127.0.0.1:9000 b [p/] path -");
    check_place("http://[::1]:9000/b/p/q//", S3_STYLE_AUTO, "http [::1]:9000 b [p/q/] path -");
    check_place("https://h:443/b", S3_STYLE_AUTO, "https h b [] path -");
    check_place("https://h:80/b", S3_STYLE_AUTO, "https h:80 b [] path -");
    check_place("http://h:80/b/a b", S3_STYLE_AUTO, "http h b [a b/] path -");
    check_place("https://h/b", S3_STYLE_HOST, "https h b [] host -");
}

TEST(hosts_of_amazon_have_the_bucket_in_their_name_and_a_region)
{
    check_place("s3.amazonaws.com/b", S3_STYLE_AUTO, "https s3.amazonaws.com b [] host -");
    check_place("s3.eu-west-1.amazonaws.com/b/p", S3_STYLE_AUTO,
                "https s3.eu-west-1.amazonaws.com b [p/] host eu-west-1");
    check_place("s3.eu-west-1.amazonaws.com/b.c", S3_STYLE_AUTO,
                "https s3.eu-west-1.amazonaws.com b.c [] path eu-west-1");
    check_place("s3.eu-west-1.amazonaws.com/b", S3_STYLE_PATH,
                "https s3.eu-west-1.amazonaws.com b [] path eu-west-1");
    check_place("s3.x.amazonaws.com.example.org/b", S3_STYLE_AUTO,
                "https s3.x.amazonaws.com.example.org b [] path -");
    check_place("s3.a.b.amazonaws.com/b", S3_STYLE_AUTO, "https s3.a.b.amazonaws.com b [] host -");
}

TEST(what_is_no_place_is_refused)
{
    static const char *const texts[] = {
        "",          "h",          "https://",  "https:///b",
        "https://h", "https://h/", "ftp://h/b", "https://h//b",
        "h/b/../c",  "h/b/./c",    "h/b//c",    "h/.b",
        "h/b c",     "h\n/b",      "h/b/c\nd",  "https://https://h/b",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct s3_place p;

        CHECK_ERR(s3_place_parse(texts[i], S3_STYLE_AUTO, &p, e), ERR_USAGE);
    }
}

TEST(keys_in_a_url_are_refused_and_not_repeated)
{
    struct s3_place p;
    struct err why = {0};

    CHECK(!s3_place_parse("https://id:hush@h/b", S3_STYLE_AUTO, &p, &why));
    CHECK(why.code == ERR_USAGE && strstr(why.text, "hush") == NULL);
}

TEST(options_are_set_by_name)
{
    struct store_options o = {0};

    CHECK_OK(store_option_set(&o, "s3.region=eu-west-1", e));
    CHECK_OK(store_option_set(&o, "s3.style=host", e));
    CHECK_OK(store_option_set(&o, "s3.connections=3", e));
    CHECK_OK(store_option_set(&o, "s3.insecure-no-verify-tls=true", e));
    CHECK_OK(store_option_set(&o, "s3.conditional-put=false", e));
    CHECK_OK(store_option_set(&o, "s3.credentials-command=a=b c", e));
    CHECK_OK(store_option_set(&o, "limit-upload=2", e));
    CHECK_OK(store_option_set(&o, "s3.object-lock=compliance", e));
    CHECK_OK(store_option_set(&o, "s3.object-lock-days=30", e));
    CHECK(o.s3.object_lock == S3_OBJECT_LOCK_COMPLIANCE && o.s3.object_lock_days == 30);
    CHECK_OK(store_option_set(&o, "s3.object-lock=governance", e));
    CHECK(o.s3.object_lock == S3_OBJECT_LOCK_GOVERNANCE);
    ck_assert_str_eq(o.s3.region, "eu-west-1");
    ck_assert_str_eq(o.s3.credentials_command, "a=b c");
    CHECK(o.s3.style == S3_STYLE_HOST && o.s3.connections == 3);
    CHECK(o.s3.insecure_no_verify_tls && o.s3.no_conditional_put && o.upload_limit == 2048);
}

TEST(options_that_are_none_are_refused_with_the_nearest_name)
{
    static const char *const settings[] = {"",
                                           "s3.region",
                                           "s3.region=",
                                           "=x",
                                           "s3.style=both",
                                           "s3.connections=0",
                                           "s3.connections=65",
                                           "s3.connections=x",
                                           "s3.object-lock=yes",
                                           "s3.object-lock-days=0",
                                           "s3.object-lock-days=36501",
                                           "s3.insecure-no-verify-tls=yes"};
    struct store_options o = {0};
    struct err why = {0};

    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        CHECK_ERR(store_option_set(&o, settings[i], e), ERR_USAGE);
    CHECK(!store_option_set(&o, "s3.regiom=x", &why));
    CHECK(strstr(why.text, "s3.region?") != NULL);
}

TEST(every_option_has_a_line_of_help)
{
    struct store_option_text text;
    size_t n = 0;

    for (; store_option_text(n, &text); n++)
        CHECK(text.name[0] != '\0' && text.value[0] != '\0' && text.help[0] != '\0');
    CHECK(n > 10);
}

TESTS("store s3 place", places_are_written_as_for_restic,
      hosts_of_amazon_have_the_bucket_in_their_name_and_a_region, what_is_no_place_is_refused,
      keys_in_a_url_are_refused_and_not_repeated, options_are_set_by_name,
      options_that_are_none_are_refused_with_the_nearest_name, every_option_has_a_line_of_help)
