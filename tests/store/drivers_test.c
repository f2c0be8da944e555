/* What a URL selects, and what store_open() and store_create() answer. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "scratch.h"
#include "store/store.h"
#include "support/test.h"

static const struct store_options plain_options;

TEST(a_path_and_a_local_url_name_the_same_store)
{
    AUTO(scratch) char *dir = scratch_new();
    AUTO(buf) struct buf url = {0};
    AUTO(store) struct store *plain = NULL;
    AUTO(store) struct store *named = NULL;
    struct object_info info = {0};

    buf_printf(&url, "local:%s", dir);
    CHECK_OK(store_create(dir, &plain_options, &plain, e));
    CHECK_OK(store_put(plain, "config", slice_string("1"), PUT_NEW, e));
    CHECK_OK(store_open(buf_string(&url), &plain_options, &named, e));
    CHECK_OK(store_stat(named, "config", &info, e));
}

TEST(an_unknown_scheme_is_refused_with_the_names_of_the_known_ones)
{
    struct store *s = NULL;
    struct err why = {0};

    CHECK_ERR(store_open("ftp:bucket", &plain_options, &s, e), ERR_USAGE);
    CHECK_ERR(store_create("ftp://bucket/path", &plain_options, &s, e), ERR_USAGE);
    CHECK_ERR(store_open("locals:x", &plain_options, &s, e), ERR_USAGE);
    CHECK_ERR(store_open(":x", &plain_options, &s, e), ERR_USAGE);
    CHECK_ERR(store_open("", &plain_options, &s, e), ERR_USAGE);
    CHECK_ERR(store_open("local:", &plain_options, &s, e), ERR_USAGE);
    CHECK(!store_open("ftp:bucket", &plain_options, &s, &why));
    CHECK(strstr(why.text, "local:") != NULL && strstr(why.text, "\"ftp\"") != NULL);
    CHECK(strstr(why.text, "./ftp:bucket") != NULL);
    CHECK(s == NULL);
}

TEST(a_path_with_a_colon_behind_a_slash_is_a_path)
{
    AUTO(scratch) char *dir = scratch_new();
    AUTO(store) struct store *s = NULL;

    CHECK(chdir(dir) == 0);
    CHECK_OK(store_create("./a:b", &plain_options, &s, e));
    CHECK(access(scratch_join(dir, "a:b").text, R_OK) == 0);
}

TEST(a_store_is_made_with_its_parents_and_for_its_owner_alone)
{
    AUTO(scratch) char *dir = scratch_new();
    const struct scratch_path path = scratch_join(dir, "a/b/c");
    AUTO(store) struct store *s = NULL;
    struct stat st = {0};

    CHECK_OK(store_create(path.text, &plain_options, &s, e));
    CHECK(stat(path.text, &st) == 0 && (st.st_mode & 07777) == 0700);
}

TEST(an_empty_directory_may_become_a_store_and_another_may_not)
{
    AUTO(scratch) char *dir = scratch_new();
    AUTO(store) struct store *s = NULL;
    struct store *second = NULL;

    CHECK(mkdir(scratch_join(dir, "lost+found").text, 0700) == 0);
    CHECK_OK(store_create(dir, &plain_options, &s, e));
    CHECK(mkdir(scratch_join(dir, ".hidden").text, 0700) == 0);
    CHECK_ERR(store_create(dir, &plain_options, &second, e), ERR_EXISTS);
    CHECK(second == NULL);
}

TEST(an_object_longer_than_any_may_be_is_corrupt)
{
    AUTO(scratch) char *dir = scratch_new();
    AUTO(store) struct store *s = NULL;
    AUTO(buf) struct buf got = {0};
    const struct scratch_path path = scratch_join(dir, "config");

    CHECK_OK(store_create(dir, &plain_options, &s, e));
    CHECK_OK(store_put(s, "config", slice_string("1"), PUT_NEW, e));
    CHECK(truncate(path.text, (off_t)STORE_OBJECT_MAX + 1) == 0);
    CHECK_ERR(store_get_all(s, "config", &got, e), ERR_CORRUPT);
    CHECK(got.size == 0);
    CHECK(truncate(path.text, (off_t)STORE_OBJECT_MAX) == 0);
    CHECK_OK(store_get_all(s, "config", &got, e));
    CHECK(got.size == STORE_OBJECT_MAX);
}

TESTS("store drivers", a_path_and_a_local_url_name_the_same_store,
      an_unknown_scheme_is_refused_with_the_names_of_the_known_ones,
      a_path_with_a_colon_behind_a_slash_is_a_path,
      a_store_is_made_with_its_parents_and_for_its_owner_alone,
      an_empty_directory_may_become_a_store_and_another_may_not,
      an_object_longer_than_any_may_be_is_corrupt)
