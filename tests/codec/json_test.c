/* Documents as text. */
#include "codec/json.h"

#include <stdio.h>
#include <string.h>

#include "support/test.h"

static void check_text(double value, const char *wanted)
{
    AUTO(json) json_t *j = json_pack("[f]", value);
    AUTO(buf) struct buf text = {0};

    json_append(j, &text);
    ck_assert_str_eq(buf_string(&text), wanted);
}

TEST(seconds_with_milliseconds_are_written_with_three_digits_behind_the_point)
{
    for (int ms = 1; ms < 100000; ms += 7) {
        char wanted[32];
        int size = snprintf(wanted, sizeof(wanted), "[%d.%03d", ms / 1000, ms % 1000);

        while (wanted[size - 1] == '0' && wanted[size - 2] != '.')
            size--;
        (void)snprintf(wanted + size, sizeof(wanted) - (size_t)size, "]");
        check_text((double)ms / 1000, wanted);
    }
}
END

TEST(numbers_of_other_sizes_are_short_too)
{
    check_text(0, "[0.0]");
    check_text(-1.1, "[-1.1]");
    check_text(1795000000.1235, "[1795000000.1235]");
    check_text(1e300, "[1e300]");
}
END

TESTS("json", seconds_with_milliseconds_are_written_with_three_digits_behind_the_point,
      numbers_of_other_sizes_are_short_too)
