#include "store/object_key.h"

#include "support/test.h"

TEST(keys_of_the_repository_are_valid)
{
    CHECK(object_key_is_valid("config"));
    CHECK(object_key_is_valid("packs/3f/3f9a0b"));
    CHECK(object_key_is_valid("a-b_c.d/0"));
    CHECK(object_key_is_valid("tmpx/1"));
    CHECK(object_key_is_valid("packs/tmp"));
}

TEST(what_could_leave_the_root_or_hide_is_no_key)
{
    static const char *const bad[] = {"",     "/",    "/a",    "a/",      "a//b",   ".",     "..",
                                      "../a", "a/..", "a/./b", ".hidden", "a/.b",   "a b",   "A",
                                      "a\n",  "a\\b", "é",     "tmp",     "tmp/ab", "a/\x7f"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!object_key_is_valid(bad[i]), "\"%s\" is taken", bad[i]);
}

TESTS("store object key", keys_of_the_repository_are_valid,
      what_could_leave_the_root_or_hide_is_no_key)
