#include "support/test.h"

#include <string.h>

#include "base/text.h"

TEST(hex_reads_back_and_is_lower_case)
{
    uint8_t bytes[256];
    uint8_t again[256] = {0};
    char text[2 * sizeof(bytes) + 1];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    hex_encode(SLICE_OF(bytes, sizeof(bytes)), text);
    CHECK(strncmp(text, "000102", 6) == 0 && strcmp(text + 508, "feff") == 0);
    CHECK(hex_decode(text, again, sizeof(again)));
    CHECK(memcmp(bytes, again, sizeof(bytes)) == 0);
    CHECK(hex_decode("aBCd", again, 2) && again[0] == 0xAB && again[1] == 0xCD);
}

TEST(hex_of_another_length_or_with_other_characters_is_refused)
{
    static const char *const bad[] = {"", "a", "abc", "abcde", "abcg", "ab d", "0x12", "ab-1"};
    uint8_t out[2] = {7, 7};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(!hex_decode(bad[i], out, sizeof(out)));
    CHECK(out[0] == 7 && out[1] == 7);
}

TEST(base64_matches_the_examples_of_rfc_4648)
{
    static const char *const rows[][2] = {{"", ""},
                                          {"f", "Zg=="},
                                          {"fo", "Zm8="},
                                          {"foo", "Zm9v"},
                                          {"foob", "Zm9vYg=="},
                                          {"fooba", "Zm9vYmE="},
                                          {"foobar", "Zm9vYmFy"},
                                          {"\xFB\xFF", "+/8="}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(buf) struct buf b = {0};

        base64_encode(slice_string(rows[i][0]), &b);
        ck_assert_str_eq(buf_string(&b), rows[i][1]);
        buf_clear(&b);
        CHECK(base64_decode(slice_string(rows[i][1]), &b));
        ck_assert_str_eq(buf_string(&b), rows[i][0]);
    }
}

TEST(base64_refuses_what_is_not_whole)
{
    static const char *const bad[] = {"Z",    "Zg",    "Zg=",  "Zg===", "====",     "Z===",
                                      "Zg=A", "Zm9v=", "Zm 9", "Zm9-",  "Zg==Zg==", "=Zm9"};
    AUTO(buf) struct buf b = {0};

    buf_put_u8(&b, 'x');
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(!base64_decode(slice_string(bad[i]), &b), "%s", bad[i]);
        ck_assert_str_eq(buf_string(&b), "x");
    }
}

TEST(utf8_is_valid_only_in_its_shortest_form_and_range)
{
    static const char *const good[] = {"",
                                       "a",
                                       "\xC2\x80",
                                       "\xE0\xA0\x80",
                                       "\xED\x9F\xBF",
                                       "\xF0\x90\x80\x80",
                                       "\xF4\x8F\xBF\xBF"};
    static const char *const bad[] = {"\x80",
                                      "\xC1\xBF",
                                      "\xC3",
                                      "\xE0\x9F\xBF",
                                      "\xED\xA0\x80",
                                      "\xF0\x8F\xBF\xBF",
                                      "\xF4\x90\x80\x80",
                                      "\xF5\x80\x80\x80",
                                      "\xE2\x82",
                                      "\xE2\x82g",
                                      "\xFF"};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        CHECK(utf8_is_valid(slice_string(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(!utf8_is_valid(slice_string(bad[i])));
}

TEST(path_escape_leaves_readable_names_and_hides_the_rest)
{
    AUTO(buf) struct buf b = {0};

    path_escape(slice_string("gr\xC3\xBC\xC3\x9F"
                             "e\\a\n\x1b[\x7f\xFFz\xC2\x9B"),
                &b);
    ck_assert_str_eq(buf_string(&b), "gr\xC3\xBC\xC3\x9F"
                                     "e\\\\a\\x0a\\x1b[\\x7f\\xffz\\xc2\\x9b");
}

TEST(every_pair_of_bytes_escapes_to_valid_text_and_back)
{
    for (unsigned pair = 0; pair < 65536; pair++) {
        const uint8_t bytes[] = {(uint8_t)(pair >> 8), (uint8_t)pair, 'x'};
        AUTO(buf) struct buf text = {0};
        AUTO(buf) struct buf again = {0};

        path_escape(SLICE_OF(bytes, sizeof(bytes)), &text);
        if (!utf8_is_valid(buf_slice(&text)) || !path_unescape(buf_string(&text), &again) ||
            !slice_is_equal(buf_slice(&again), SLICE_OF(bytes, sizeof(bytes))))
            ck_abort_msg("pair %04x does not read back", pair);
    }
}

TEST(path_unescape_refuses_what_path_escape_never_writes)
{
    static const char *const bad[] = {"\\",    "a\\", "\\x",  "\\x1",  "\\xg0",      "\\n", "\\x41",
                                      "\\xFF", "\n",  "\xFF", "\\x5c", "\\xc3\\xbc", "\x7f"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        AUTO(buf) struct buf b = {0};

        buf_append(&b, "kept", 4);
        ck_assert_msg(!path_unescape(bad[i], &b), "row %zu", i);
        ck_assert_str_eq(buf_string(&b), "kept");
    }
}

TEST(parse_u64_takes_the_whole_string_or_fails)
{
    static const char *const bad[] = {"",
                                      " 1",
                                      "1 ",
                                      "-1",
                                      "+1",
                                      "0x1",
                                      "1.0",
                                      "18446744073709551616",
                                      "99999999999999999999999"};
    uint64_t v = 7;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(parse_u64(bad[i], &v, e), ERR_USAGE);
    CHECK(v == 7);
    CHECK_OK(parse_u64("18446744073709551615", &v, e));
    CHECK(v == UINT64_MAX);
    CHECK_OK(parse_u64("0", &v, e));
    CHECK(v == 0);
}

TEST(decimals_have_digits_and_at_most_one_point)
{
    double d = 0;

    CHECK_OK(parse_decimal("2.5", &d, e));
    ck_assert_double_eq_tol(d, 2.5, 1e-12);
    CHECK_OK(parse_decimal(".5", &d, e));
    ck_assert_double_eq_tol(d, 0.5, 1e-12);
    CHECK_ERR(parse_decimal("1.2.3", &d, e), ERR_USAGE);
    CHECK_ERR(parse_decimal("", &d, e), ERR_USAGE);
    CHECK_ERR(parse_decimal("-1", &d, e), ERR_USAGE);
    CHECK_ERR(parse_decimal("1e3", &d, e), ERR_USAGE);
}

TEST(parse_size_counts_in_powers_of_1024)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } rows[] = {
        {"512", 512},
        {"512B", 512},
        {"64K", 65536},
        {"64k", 65536},
        {"32MiB", 33554432},
        {"32mb", 33554432},
        {"1.5G", 1610612736},
        {"0.5k", 512},
        {"2T", 2199023255552},
        {"1.000001T", 1099512727287},
        {"0", 0},
        {"16777215T", UINT64_C(16777215) << 40},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t v = 0;

        CHECK_OK(parse_size(rows[i].text, &v, e));
        ck_assert_uint_eq(v, rows[i].bytes);
    }
}

TEST(parse_size_refuses_other_text_and_too_large_numbers)
{
    static const char *const bad[] = {"",           "K",    "1.5",       "1.5B", "1.",   "1.K",
                                      "1.1234567K", "1 K",  "1KK",       "1Ki",  "1iB",  "-1K",
                                      "1P",         "1KBx", "16777216T", "1@",   "1\x8b"};
    uint64_t v = 7;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(parse_size(bad[i], &v, e), ERR_USAGE);
    CHECK(v == 7);
}

TEST(parse_duration_takes_each_unit_once_and_in_order)
{
    static const char *const bad[] = {"",      "5",  "d",   "5d3y",        "5d5d", "5w",
                                      "1y 2d", "5D", "-1d", "4294967296d", "1d2"};
    struct duration d = {9, 9, 9, 9};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(parse_duration(bad[i], &d, e), ERR_USAGE);
    CHECK(d.years == 9 && d.hours == 9);
    CHECK_OK(parse_duration("2y5m7d3h", &d, e));
    CHECK(d.years == 2 && d.months == 5 && d.days == 7 && d.hours == 3);
    CHECK_OK(parse_duration("4294967295d", &d, e));
    CHECK(d.years == 0 && d.months == 0 && d.days == UINT32_MAX && d.hours == 0);
}

TEST(parse_timeout_takes_one_number_and_one_unit_above_zero)
{
    static const char *const bad[] = {"",     "5",     "s",  "0s",
                                      "1.5s", "1m30s", "5S", "-1s",
                                      "5 s",  "2400h", "1d", "18446744073709551615h",
                                      "5sec", "ms"};
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"1ms", 1}, {"60s", 60000}, {"5m", 300000}, {"2h", 7200000}, {"2399h", 8636400000}};
    int64_t ms = 7;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(parse_timeout(bad[i], &ms, e), ERR_USAGE);
    CHECK(ms == 7);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CHECK_OK(parse_timeout(good[i].text, &ms, e));
        ck_assert_int_eq(ms, good[i].ms);
    }
}

TEST(size_format_shows_three_decimals_rounded_down)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } rows[] = {
        {0, "0 B"},
        {1023, "1023 B"},
        {1024, "1.000 KiB"},
        {1048575, "1023.999 KiB"},
        {1325395968, "1.234 GiB"},
        {UINT64_C(1) << 40, "1.000 TiB"},
        {UINT64_MAX, "15.999 EiB"},
    };
    char text[TEXT_SIZE_MAX];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_format(rows[i].bytes, text);
        ck_assert_str_eq(text, rows[i].text);
    }
}

TEST(text_flatten_makes_one_line_of_valid_text_that_fits)
{
    static const struct {
        const char *in, *text;
    } rows[] = {
        {"", ""},
        {" \n\t", ""},
        {"\none  two\r\n\tthree\x7f \n", "one two three"},
        {"\xc3\xa4\xff\xc3 \x01x", "\xc3\xa4?? x"},
        {"0123456789012345678901234", "0123456789012345678"},
        {"012345678901234567\xc3\xa4x", "012345678901234567"},
        {"012345678901234567 x", "012345678901234567"},
    };
    char text[20];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        text_flatten(slice_string(rows[i].in), text, sizeof(text));
        ck_assert_str_eq(text, rows[i].text);
    }
}

TEST(a_part_of_an_address_has_only_what_stands_for_itself)
{
    AUTO(buf) struct buf all = {0};
    AUTO(buf) struct buf path = {0};

    percent_encode(SLICE_OF("aZ09-._~ /:%+\0\xc3\xa4", 16), "", &all);
    ck_assert_str_eq(buf_string(&all), "aZ09-._~%20%2F%3A%25%2B%00%C3%A4");
    percent_encode(SLICE_OF("/a b\0/", 6), "/", &path);
    ck_assert_str_eq(buf_string(&path), "/a%20b%00/");
}

TESTS("text", hex_reads_back_and_is_lower_case,
      hex_of_another_length_or_with_other_characters_is_refused,
      base64_matches_the_examples_of_rfc_4648, base64_refuses_what_is_not_whole,
      utf8_is_valid_only_in_its_shortest_form_and_range,
      path_escape_leaves_readable_names_and_hides_the_rest,
      every_pair_of_bytes_escapes_to_valid_text_and_back,
      path_unescape_refuses_what_path_escape_never_writes,
      parse_u64_takes_the_whole_string_or_fails, decimals_have_digits_and_at_most_one_point,
      parse_size_counts_in_powers_of_1024, parse_size_refuses_other_text_and_too_large_numbers,
      parse_duration_takes_each_unit_once_and_in_order,
      parse_timeout_takes_one_number_and_one_unit_above_zero,
      size_format_shows_three_decimals_rounded_down,
      text_flatten_makes_one_line_of_valid_text_that_fits,
      a_part_of_an_address_has_only_what_stands_for_itself)
