/*
 * The signer against what AWS has published: its test suite for version 4 (those cases whose path
 * is taken as it is, which S3 does) and the examples of the S3 documentation.
 */
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "codec/hash.h"
#include "store/sigv4.h"
#include "support/test.h"

#define UNRESERVED   "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct suite_case {
    const char *name, *method, *path;
    struct sigv4_pair query[3];
    struct sigv4_pair headers[5];
    const char *body, *signature;
};

static const struct suite_case suite[] = {
    {"get-vanilla",
     "GET",
     "/",
     {{0}},
     {{0}},
     "",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"post-vanilla",
     "POST",
     "/",
     {{0}},
     {{0}},
     "",
     "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
    {"get-unreserved",
     "GET",
     "/" UNRESERVED,
     {{0}},
     {{0}},
     "",
     "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
    {"get-utf8",
     "GET",
     "/\u1234",
     {{0}},
     {{0}},
     "",
     "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
    {"get-space-unnormalized",
     "GET",
     "/example space/",
     {{0}},
     {{0}},
     "",
     "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
    {"get-slashes-unnormalized",
     "GET",
     "//example//",
     {{0}},
     {{0}},
     "",
     "87cca117541a147f6df867677d98a7d80dff226d2bfca9e4ffa899665623c7e5"},
    {"get-relative-unnormalized",
     "GET",
     "/example/..",
     {{0}},
     {{0}},
     "",
     "eca7ead57bb5aa5c8e28007acd4ff04e1ff9a0ff3b237ec1554a184887ff9282"},
    {"get-vanilla-empty-query-key",
     "GET",
     "/",
     {{"Param1", "value1"}},
     {{0}},
     "",
     "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
    {"get-vanilla-query-order-key-case",
     "GET",
     "/",
     {{"Param2", "value2"}, {"Param1", "value1"}},
     {{0}},
     "",
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
    {"get-vanilla-query-order-encoded",
     "GET",
     "/",
     {{"Param-3", "Value3"}, {"Param", "Value2"}, {"\u1234", "Value1"}},
     {{0}},
     "",
     "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"},
    {"get-vanilla-query-unreserved",
     "GET",
     "/",
     {{UNRESERVED, UNRESERVED}},
     {{0}},
     "",
     "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
    {"get-vanilla-utf8-query",
     "GET",
     "/",
     {{"\u1234", "bar"}},
     {{0}},
     "",
     "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
    {"get-vanilla-with-session-token",
     "GET",
     "/",
     {{0}},
     {{"x-amz-security-token", "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"}},
     "",
     "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"},
    {"get-header-key-duplicate",
     "GET",
     "/",
     {{0}},
     {{"my-header1", "value2"}, {"my-header1", "value2"}, {"my-header1", "value1"}},
     "",
     "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
    {"get-header-value-order",
     "GET",
     "/",
     {{0}},
     {{"my-header1", "value4"},
      {"my-header1", "value1"},
      {"my-header1", "value3"},
      {"my-header1", "value2"}},
     "",
     "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
    {"get-header-value-trim",
     "GET",
     "/",
     {{0}},
     {{"my-header1", " value1"}, {"my-header2", " \"a   b   c\" "}},
     "",
     "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
    {"post-vanilla-query",
     "POST",
     "/",
     {{"Param1", "value1"}},
     {{0}},
     "",
     "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
    {"post-header-value-case",
     "POST",
     "/",
     {{0}},
     {{"my-header1", "VALUE1"}},
     "",
     "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
    {"post-x-www-form-urlencoded",
     "POST",
     "/",
     {{0}},
     {{"content-type", "application/x-www-form-urlencoded"}},
     "Param1=value1",
     "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
    {"post-x-www-form-urlencoded, its body's hash signed",
     "POST",
     "/",
     {{0}},
     {{"content-type", "application/x-www-form-urlencoded"},
      {"content-length", "13"},
      {"x-amz-content-sha256", "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"}},
     "Param1=value1",
     "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"},
};

/* How many pairs of an array are set. */
static size_t count_pairs(const struct sigv4_pair *pairs, size_t room)
{
    size_t n = 0;

    while (n < room && pairs[n].name != NULL)
        n++;
    return n;
}

static void hash_text(const char *body, char out[2 * HASH_SIZE + 1])
{
    struct hash sum;

    sha256(slice_string(body), &sum);
    hex_encode(SLICE_OF(sum.bytes, HASH_SIZE), out);
}

/* What all requests of a publication share. */
struct published {
    const char *key_id, *secret, *host;
    const char *time, *date; /* the same moment, as we read it and as the header says it */
    const char *service;
    const char *credential; /* as it stands in what is signed with */
};

static void check_published(const struct published *p, const struct suite_case *cases, size_t count)
{
    const struct sigv4_keys keys = {p->key_id, p->secret};
    struct sigv4_scope scope = {.region = "us-east-1", .service = p->service};

    CHECK_OK(clock_parse(p->time, &scope.time_ns, e));
    for (size_t i = 0; i < count; i++) {
        const struct suite_case *c = &cases[i];
        struct sigv4_pair headers[7] = {{"host", p->host}, {"x-amz-date", p->date}};
        const size_t own = count_pairs(c->headers, 5);
        char payload[2 * HASH_SIZE + 1];
        AUTO(buf) struct buf got = {0};

        memcpy(headers + 2, c->headers, own * sizeof(headers[0]));
        hash_text(c->body, payload);

        const struct sigv4_request r = {c->method, c->path, c->query, count_pairs(c->query, 3),
                                        headers,   2 + own, payload};

        sigv4_authorization(&r, &scope, &keys, &got);
        ck_assert_msg(strcmp(strstr(buf_string(&got), "Signature=") + 10, c->signature) == 0,
                      "%s: %s", c->name, buf_string(&got));
        ck_assert_ptr_nonnull(strstr(buf_string(&got), p->credential));
    }
}

TEST(the_published_test_suite_is_signed_as_published)
{
    static const struct published p = {
        .key_id = "AKIDEXAMPLE",
        .secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        .host = "example.amazonaws.com",
        .time = "2015-08-30T12:36:00Z",
        .date = "20150830T123600Z",
        .service = "service",
        .credential = "Credential=AKIDEXAMPLE/20150830/us-east-1/service/",
    };

    check_published(&p, suite, sizeof(suite) / sizeof(suite[0]));
}
END

/* The four examples of "Authenticating requests: using the Authorization header". */
static const struct suite_case s3_examples[] = {
    {"get object",
     "GET",
     "/test.txt",
     {{0}},
     {{"range", "bytes=0-9"}, {"x-amz-content-sha256", EMPTY_SHA256}},
     "",
     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
    {"put object",
     "PUT",
     "/test$file.text",
     {{0}},
     {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
      {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
      {"x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"}},
     "Welcome to Amazon S3.",
     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
    {"get bucket lifecycle",
     "GET",
     "/",
     {{"lifecycle", ""}},
     {{"x-amz-content-sha256", EMPTY_SHA256}},
     "",
     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
    {"list objects",
     "GET",
     "/",
     {{"prefix", "J"}, {"max-keys", "2"}},
     {{"x-amz-content-sha256", EMPTY_SHA256}},
     "",
     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
};

TEST(the_examples_of_the_s3_documentation_are_signed_as_published)
{
    static const struct published p = {
        .key_id = "AKIAIOSFODNN7EXAMPLE",
        .secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        .host = "examplebucket.s3.amazonaws.com",
        .time = "2013-05-24T00:00:00Z",
        .date = "20130524T000000Z",
        .service = "s3",
        .credential = "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/",
    };

    check_published(&p, s3_examples, sizeof(s3_examples) / sizeof(s3_examples[0]));
}
END

/* The example of "Authenticating requests: using query parameters". */
TEST(an_address_is_signed_as_published)
{
    static const struct sigv4_keys keys = {"AKIAIOSFODNN7EXAMPLE",
                                           "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"};
    struct sigv4_scope scope = {.region = "us-east-1", .service = "s3"};
    struct sigv4_object o = {
        .host = "examplebucket.s3.amazonaws.com", .path = "/test.txt", .seconds = 86400};
    AUTO(buf) struct buf got = {0};
    AUTO(buf) struct buf other = {0};

    CHECK_OK(clock_parse("2013-05-24T00:00:00Z", &scope.time_ns, e));
    sigv4_presign(&o, &scope, &keys, &got);
    ck_assert_str_eq(buf_string(&got),
                     "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="
                     "AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date="
                     "20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-"
                     "Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
    /* A token is signed with the rest, in its place among the names. */
    o.token = "a/b+c=";
    sigv4_presign(&o, &scope, &keys, &other);
    ck_assert_ptr_nonnull(
        strstr(buf_string(&other), "&X-Amz-Security-Token=a%2Fb%2Bc%3D&X-Amz-SignedHeaders=host&"));
    ck_assert_str_ne(strstr(buf_string(&other), "Signature="),
                     strstr(buf_string(&got), "Signature="));
}
END

/* What curl 7.88 signs wrongly. */
TEST(what_is_sent_is_what_is_signed)
{
    static const struct sigv4_pair query[] = {
        {"prefix", "a/b+c=d e~f\u00e9"}, {"uploads", ""}, {"list-type", "2"}, {"a", ""}};
    static const struct sigv4_pair headers[] = {{"host", "h"}};
    const struct sigv4_request r = {"GET", "/b/x y+z=~\u00e9", query, 4, headers, 1, EMPTY_SHA256};
    AUTO(buf) struct buf target = {0};
    AUTO(buf) struct buf canonical = {0};

    sigv4_target(&r, &target);
    ck_assert_str_eq(buf_string(&target),
                     "/b/x%20y%2Bz%3D~%C3%A9?a=&list-type=2&prefix=a%2Fb%2Bc%3Dd%20e~f%C3%A9&"
                     "uploads=");
    sigv4_canonical(&r, &canonical);
    ck_assert_str_eq(buf_string(&canonical),
                     "GET\n/b/x%20y%2Bz%3D~%C3%A9\n"
                     "a=&list-type=2&prefix=a%2Fb%2Bc%3Dd%20e~f%C3%A9&uploads=\n"
                     "host:h\n\nhost\n" EMPTY_SHA256);
}

TEST(a_time_is_written_without_separators_and_fractions)
{
    char text[SIGV4_TIME_MAX];
    int64_t time_ns = 0;

    CHECK_OK(clock_parse("2026-11-21T01:30:59.987654321Z", &time_ns, e));
    sigv4_time(time_ns, text);
    ck_assert_str_eq(text, "20261121T013059Z");
}

TESTS("store sigv4", the_published_test_suite_is_signed_as_published,
      the_examples_of_the_s3_documentation_are_signed_as_published,
      an_address_is_signed_as_published, what_is_sent_is_what_is_signed,
      a_time_is_written_without_separators_and_fractions)
