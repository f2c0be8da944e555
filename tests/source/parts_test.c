#include "source/recorder.h"
#include "support/test.h"

#include <string.h>

static const char *const paths[] = {"z", "configs/b.conf", "app.db", "configs/a/deep", "configs.d"};
#define PATHS (sizeof(paths) / sizeof(paths[0]))

/* Hands over each part with its own path as its bytes, the last one first. */
static bool feed(void *arg, struct parts_way *to, struct err *e)
{
    const bool *fails = arg;

    for (size_t n = PATHS; n-- > 0;)
        if (!parts_way_begin(to, n, e) || !parts_way_add(to, slice_string(paths[n]), e) ||
            !parts_way_end(to, e))
            return false;
    if (*fails)
        return err_set(e, ERR_TRANSIENT, "it is another one now");
    return parts_way_begin(to, PARTS_WHOLE, e) && parts_way_add(to, slice_string("all"), e) &&
           parts_way_end(to, e);
}

static bool back_up(struct recorder *r, bool fails, struct err *e)
{
    const struct parts_options o = {.name = "x.zip",
                                    .paths = paths,
                                    .count = PATHS,
                                    .manifest = slice_string("{}"),
                                    .feed = feed,
                                    .arg = &fails};
    AUTO(member) struct member *m = NULL;

    if (!parts_member_new(&o, &m, e))
        return false;

    const struct set set = {.name = "app", .members = &m, .member_count = 1, .time_ns = 5000};

    return set_backup(&set, &r->sink, e);
}

static void check_content(const struct recorder *r, const char *path, const char *wanted)
{
    const struct record *c = recorder_find(r, path);

    ck_assert_msg(c != NULL && c->is_sent, "%s is not there", path);
    CHECK(slice_is_equal(buf_slice(&c->content), slice_string(wanted)));
}

TEST(the_file_its_parts_and_its_manifest_are_sent)
{
    AUTO(recorder) struct recorder r;

    recorder_init(&r);
    CHECK_OK(back_up(&r, false, e));
    CHECK(recorder_is_complete(&r));
    check_content(&r, "/import/x.zip", "all");
    check_content(&r, "/import/x.zip.manifest.json", "{}");
    check_content(&r, "/import/x.zip.parts/app.db", "app.db");
    check_content(&r, "/import/x.zip.parts/configs.d", "configs.d");
    check_content(&r, "/import/x.zip.parts/configs/b.conf", "configs/b.conf");
    check_content(&r, "/import/x.zip.parts/configs/a/deep", "configs/a/deep");
    check_content(&r, "/import/x.zip.parts/z", "z");
}
END

TEST(a_feed_that_fails_ends_the_backup)
{
    AUTO(recorder) struct recorder r;

    recorder_init(&r);
    CHECK_ERR(back_up(&r, true, e), ERR_TRANSIENT);
    CHECK(recorder_find(&r, "/import/x.zip.manifest.json") == NULL ||
          !recorder_find(&r, "/import/x.zip.manifest.json")->is_sent);
}
END

TEST(whichever_call_of_the_sink_fails_its_error_comes_back)
{
    for (size_t n = 1;; n++) {
        AUTO(recorder) struct recorder r;
        struct err e = {0};

        recorder_init(&r);
        r.fail_at = n;
        if (back_up(&r, false, &e)) {
            CHECK(n > 20);
            return;
        }
        CHECK(e.code != ERR_NONE);
        ck_assert_uint_eq(r.open_lanes, 0);
    }
}
END

TEST(paths_that_could_lead_elsewhere_or_collide_are_refused)
{
    static const char *const wrong[][2] = {
        {"", "a"},      {"/a", "b"},      {"a/", "b"},
        {"a//b", "c"},  {"../a", "b"},    {"a/..", "b"},
        {"./a", "b"},   {"a/./b", "c"},   {"a\nb", "c"},
        {"a\x7f", "b"}, {"a\xff", "b"},   {"same", "same"},
        {"a", "a/b"},   {"a/b/c", "a/b"}, {"1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18", "b"},
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        CHECK_ERR(parts_check(wrong[i], 2, e), ERR_CORRUPT);
    CHECK_OK(parts_check(paths, PATHS, e));
    CHECK_OK(parts_check(NULL, 0, e));
}
END

TEST(bounds_of_paths_hold)
{
    char name[400];
    const char *const one[] = {name};

    memset(name, 'x', sizeof(name));
    name[ENTRY_NAME_MAX] = '\0';
    CHECK_OK(parts_check(one, 1, e));
    name[ENTRY_NAME_MAX] = 'x';
    name[ENTRY_NAME_MAX + 1] = '\0';
    CHECK_ERR(parts_check(one, 1, e), ERR_CORRUPT);
}
END

TEST(names_of_members_are_those_of_files)
{
    static const char *const wrong[] = {"", ".", "..", "a/b", "x.manifest.json"};
    struct parts_options o = {.manifest = slice_string("{}"), .feed = feed};
    struct member *m = NULL;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        o.name = wrong[i];
        CHECK_ERR(parts_member_new(&o, &m, e), ERR_USAGE);
    }
}
END

TESTS("parts", the_file_its_parts_and_its_manifest_are_sent, a_feed_that_fails_ends_the_backup,
      whichever_call_of_the_sink_fails_its_error_comes_back,
      paths_that_could_lead_elsewhere_or_collide_are_refused, bounds_of_paths_hold,
      names_of_members_are_those_of_files)
