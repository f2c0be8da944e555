#include "support/fixture.h"
TEST(a_backup_comes_back_bit_for_bit)
{
    AUTO(scratch) struct scratch from = {0}, to = {0};
    AUTO(store) struct store *s = store_memory_new();
    struct backup_result result;

    scratch_init(&from);
    scratch_init(&to);
    tree_make(from.path);
    {
        AUTO(repo) struct repo *r = fixture_repo(s);
        CHECK_OK(fixture_backup(r, from.path, &result, e));
    }
    ck_assert_uint_eq(result.errors, 0);
    AUTO(repo) struct repo *again = fixture_open(s);
    fixture_restore(again, &result.snapshot, from.path, to.path);
    ck_assert_uint_eq(fixture_check_sound(s, from.path), 1);
}
END
TESTS("smoke", a_backup_comes_back_bit_for_bit)
