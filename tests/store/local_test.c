/* Objects as files: modes, links, and what else may stand in the directory. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scratch.h"
#include "store/local.h"
#include "support/test.h"

static mode_t mode_of(const char *path)
{
    struct stat st = {0};

    CHECK(lstat(path, &st) == 0);
    return st.st_mode & 07777;
}

TEST(files_and_directories_are_for_their_owner_alone)
{
    AUTO(scratch) char *dir = scratch_new();

    (void)umask(0);

    AUTO(store) struct store *s = scratch_store(dir);

    CHECK_OK(store_put(s, "packs/3f/x", slice_string("1"), PUT_NEW, e));
    CHECK_OK(store_put(s, "keys/y", slice_string("1"), PUT_REPLACE, e));
    CHECK(mode_of(scratch_join(dir, "packs").text) == 0700);
    CHECK(mode_of(scratch_join(dir, "packs/3f").text) == 0700);
    CHECK((mode_of(scratch_join(dir, "packs/3f/x").text) & 0377) == 0200);
    CHECK((mode_of(scratch_join(dir, "keys/y").text) & 0377) == 0200);
}

TEST(opening_tells_missing_from_unusable)
{
    AUTO(scratch) char *dir = scratch_new();
    const struct scratch_path file = scratch_join(dir, "file");
    const struct scratch_path below = scratch_join(dir, "file/x");
    struct store *s = NULL;

    scratch_write(file.text, "");
    CHECK_ERR(local_open(scratch_join(dir, "none").text, &s, e), ERR_NOT_FOUND);
    CHECK_ERR(local_open(file.text, &s, e), ERR_FATAL);
    CHECK_ERR(local_open(below.text, &s, e), ERR_FATAL);
    CHECK_ERR(local_create(file.text, &s, e), ERR_EXISTS);
    CHECK(s == NULL);
}

/* As a user whom the modes of files bind. */
TEST(a_directory_that_may_not_be_read_is_denied)
{
    AUTO(scratch) char *dir = scratch_new();
    AUTO(store) struct store *s = scratch_store(dir);
    struct store *other = NULL;
    AUTO(buf) struct buf got = {0};
    int n = 0;

    CHECK_OK(store_put(s, "packs/3f/x", slice_string("1"), PUT_NEW, e));
    if (geteuid() == 0)
        CHECK(chown(dir, 65534, 65534) == 0 && seteuid(65534) == 0);
    else
        CHECK(chmod(scratch_join(dir, "packs").text, 0) == 0);
    CHECK_ERR(scratch_list(s, "packs/", &n, e), ERR_DENIED);
    CHECK_ERR(scratch_list(s, "", &n, e), ERR_DENIED);
    CHECK_ERR(store_get(s, "packs/3f/x", 0, 1, &got, e), ERR_DENIED);
    CHECK_ERR(store_put(s, "packs/3f/y", slice_string("1"), PUT_NEW, e), ERR_DENIED);
    CHECK_ERR(store_remove(s, "packs/3f/x", e), ERR_DENIED);
    CHECK(chmod(dir, 0) == 0);
    CHECK_ERR(local_open(dir, &other, e), ERR_DENIED);
    CHECK(chmod(dir, 0700) == 0 && (getuid() != 0 || seteuid(0) == 0));
    CHECK(chmod(scratch_join(dir, "packs").text, 0700) == 0);
}

TEST(a_symbolic_link_inside_leads_nowhere)
{
    AUTO(scratch) char *outside = scratch_new();
    AUTO(scratch) char *dir = scratch_new();
    AUTO(store) struct store *s = scratch_store(dir);
    AUTO(buf) struct buf got = {0};
    int n = 0;

    scratch_write(scratch_join(outside, "x").text, "secret");
    CHECK(symlink(outside, scratch_join(dir, "packs").text) == 0);
    CHECK(symlink(scratch_join(outside, "x").text, scratch_join(dir, "config").text) == 0);
    CHECK_ERR(store_get(s, "packs/x", 0, 1, &got, e), ERR_DENIED);
    CHECK_ERR(store_get(s, "config", 0, 1, &got, e), ERR_DENIED);
    CHECK_ERR(store_get_all(s, "config", &got, e), ERR_DENIED);
    CHECK_ERR(store_put(s, "packs/y", slice_string("1"), PUT_NEW, e), ERR_DENIED);
    CHECK_ERR(store_put(s, "config", slice_string("1"), PUT_NEW, e), ERR_EXISTS);
    CHECK_ERR(scratch_list(s, "packs/", &n, e), ERR_DENIED);
    CHECK_ERR(store_remove(s, "packs/x", e), ERR_DENIED);
    CHECK(scratch_count(s) == 0);
    CHECK_OK(store_put(s, "config", slice_string("1"), PUT_REPLACE, e));
    CHECK_OK(store_get_all(s, "config", &got, e));
    CHECK(got.size == 1);
    CHECK(access(scratch_join(outside, "x").text, F_OK) == 0);
    CHECK(access(scratch_join(outside, "y").text, F_OK) < 0);
}

TEST(a_temporary_directory_that_is_a_link_is_not_written_through)
{
    AUTO(scratch) char *outside = scratch_new();
    AUTO(scratch) char *dir = scratch_new();
    AUTO(store) struct store *s = scratch_store(dir);

    CHECK(symlink(outside, scratch_join(dir, "tmp").text) == 0);
    CHECK_ERR(store_put(s, "config", slice_string("1"), PUT_REPLACE, e), ERR_DENIED);
}

TEST(the_root_may_be_a_symbolic_link)
{
    AUTO(scratch) char *dir = scratch_new();
    const struct scratch_path real = scratch_join(dir, "real");
    const struct scratch_path link = scratch_join(dir, "link");

    CHECK(mkdir(real.text, 0700) == 0 && symlink(real.text, link.text) == 0);

    AUTO(store) struct store *s = scratch_store(link.text);

    CHECK_OK(store_put(s, "config", slice_string("1"), PUT_NEW, e));
    CHECK(access(scratch_join(dir, "real/config").text, R_OK) == 0);
}

TEST(what_is_no_file_or_no_key_is_not_an_object)
{
    AUTO(scratch) char *dir = scratch_new();
    AUTO(store) struct store *s = scratch_store(dir);
    AUTO(buf) struct buf got = {0};

    CHECK_OK(store_put(s, "packs/3f/x", slice_string("1"), PUT_NEW, e));
    CHECK(mkfifo(scratch_join(dir, "fifo").text, 0600) == 0);
    CHECK(mkdir(scratch_join(dir, "lost+found").text, 0) == 0);
    CHECK(mkdir(scratch_join(dir, ".snapshot").text, 0700) == 0);
    CHECK(mkdir(scratch_join(dir, "tmp").text, 0700) == 0 || errno == EEXIST);
    scratch_write(scratch_join(dir, ".snapshot/old").text, "");
    scratch_write(scratch_join(dir, "README.TXT").text, "");
    scratch_write(scratch_join(dir, "tmp/0123").text, "");
    CHECK(scratch_count(s) == 1);
    CHECK(!scratch_has(s, "fifo"));
    CHECK(!scratch_has(s, "packs/3f"));
    CHECK_ERR(store_get(s, "fifo", 0, 1, &got, e), ERR_FATAL);
    CHECK_ERR(store_get_all(s, "fifo", &got, e), ERR_NOT_FOUND);
    CHECK_ERR(store_get_all(s, "packs/3f", &got, e), ERR_NOT_FOUND);
}

TEST(a_file_longer_than_any_object_is_damage)
{
    AUTO(scratch) char *dir = scratch_new();
    AUTO(store) struct store *s = scratch_store(dir);
    AUTO(buf) struct buf got = {0};

    scratch_write(scratch_join(dir, "x").text, "");
    CHECK(truncate(scratch_join(dir, "x").text, (off_t)STORE_OBJECT_MAX + 1) == 0);
    CHECK_ERR(store_get_all(s, "x", &got, e), ERR_CORRUPT);
    CHECK(got.size == 0 && got.room < STORE_OBJECT_MAX);
}
END

TEST(a_file_where_a_directory_should_be_is_named)
{
    AUTO(scratch) char *dir = scratch_new();
    AUTO(store) struct store *s = scratch_store(dir);
    struct err why = {0};
    int n = 0;

    scratch_write(scratch_join(dir, "packs").text, "");
    CHECK(!store_put(s, "packs/3f/x", slice_string("1"), PUT_NEW, &why));
    CHECK(why.code == ERR_FATAL);
    CHECK(strstr(why.text, "put packs/3f/x") != NULL && strstr(why.text, "directory") != NULL);
    CHECK_OK(scratch_list(s, "packs/", &n, e));
    CHECK(n == 0);
}

/* Told of one object: remove all others, with their directories. */
struct sweep {
    struct store *s;
    const char *dir;
    int seen;
};

static bool sweep_others(void *arg, const struct object_info *info, struct err *e)
{
    struct sweep *w = arg;
    char key[20];

    w->seen++;
    for (int i = 0; i < 9; i++) {
        (void)snprintf(key, sizeof(key), "packs/%d/%d", i / 3, i);
        if (strcmp(key, info->key) != 0 && !store_remove(w->s, key, e))
            return false;
        (void)snprintf(key, sizeof(key), "packs/%d", i / 3);
        (void)rmdir(scratch_join(w->dir, key).text); /* the one listed is not empty */
    }
    return true;
}

TEST(a_listing_survives_files_and_directories_that_vanish)
{
    AUTO(scratch) char *dir = scratch_new();
    AUTO(store) struct store *s = scratch_store(dir);
    struct sweep w = {.s = s, .dir = dir};
    char key[20];

    for (int i = 0; i < 9; i++) {
        (void)snprintf(key, sizeof(key), "packs/%d/%d", i / 3, i);
        CHECK_OK(store_put(s, key, slice_string("1"), PUT_NEW, e));
    }
    CHECK_OK(store_list(s, "packs/", sweep_others, &w, e));
    CHECK(w.seen == 1);
    CHECK(scratch_count(s) == 1);
}

TESTS("store local", files_and_directories_are_for_their_owner_alone,
      opening_tells_missing_from_unusable, a_directory_that_may_not_be_read_is_denied,
      a_symbolic_link_inside_leads_nowhere,
      a_temporary_directory_that_is_a_link_is_not_written_through, the_root_may_be_a_symbolic_link,
      what_is_no_file_or_no_key_is_not_an_object, a_file_longer_than_any_object_is_damage,
      a_file_where_a_directory_should_be_is_named,
      a_listing_survives_files_and_directories_that_vanish)
