#include "source/recorder.h"
#include "support/test.h"

#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "source/made.h"

/* A member that sends a text, or fails where it is told to. */
struct text_member {
    struct member base; /* first */
    const char *text;
    bool is_missing, is_broken;
};

static bool text_prepare(struct member *m, struct err *e)
{
    return !((struct text_member *)m)->is_missing ||
           err_set(e, ERR_NOT_FOUND, "there is no such text");
}

static void text_announce(struct member *m, struct listing *l)
{
    made_announce(l, m->name, ENTRY_FILE, m->now_ns);
}

static bool text_send(struct member *m, struct sink *k, struct sink_dir *dir,
                      const struct listing *l, struct err *failure, struct err *e)
{
    const struct text_member *t = (struct text_member *)m;
    AUTO(buf) struct buf path = {0};
    struct lane *n = NULL;
    bool ok;

    if (!k->ops->lane_open(k, &n, e))
        return false;
    if (t->is_broken) {
        (void)err_set(failure, ERR_TRANSIENT, "the text ended early");
        buf_printf(&path, "/%s/%s", m->ops->kind, m->name);
        ok = k->ops->skip(n, dir, made_slot(l, m->name), buf_string(&path), failure, e);
    } else {
        ok = made_send(k, n, dir, l, m->name, slice_string(t->text), e);
    }
    k->ops->lane_close(n);
    return ok;
}

static void text_free(struct member *m)
{
    (void)m;
}

static const struct member_ops note_ops = {"note", text_prepare, text_announce, text_send,
                                           text_free};
static const struct member_ops letter_ops = {"letter", text_prepare, text_announce, text_send,
                                             text_free};

/* A set of a file tree, two notes and a letter. */
struct world {
    struct scratch scratch;
    const char *paths[1];
    struct files_options options;
    struct set_files files;
    struct text_member texts[3];
    struct member *members[3];
    struct set set;
};

static void world_init(struct world *w)
{
    static char names[3][8] = {"second", "first", "only"};

    memset(w, 0, sizeof(*w));
    scratch_init(&w->scratch);
    put_file(w->scratch.fd, "a", "in a file", 9);
    w->paths[0] = w->scratch.path;
    w->options = (struct files_options){.paths = w->paths, .path_count = 1, .threads = 2};
    w->files = (struct set_files){"files", &w->options};
    for (size_t i = 0; i < 3; i++) {
        w->texts[i] = (struct text_member){
            .base = {.ops = i < 2 ? &note_ops : &letter_ops, .name = names[i]}, .text = names[i]};
        w->members[i] = &w->texts[i].base;
    }
    w->set = (struct set){.name = "shop",
                          .files = &w->files,
                          .files_count = 1,
                          .members = w->members,
                          .member_count = 3,
                          .time_ns = 1234567890,
                          .threads = 2};
}

static void world_auto(struct world *w)
{
    scratch_auto(&w->scratch);
}

static void check_content(const struct recorder *r, const char *path, const char *text)
{
    const struct record *c = recorder_find(r, path);

    ck_assert_msg(c != NULL, "%s is missing", path);
    ck_assert_uint_eq(c->content.size, strlen(text));
    CHECK(memcmp(c->content.data, text, strlen(text)) == 0);
}

TEST(all_sources_of_a_set_stand_in_one_tree)
{
    AUTO(world) struct world w;
    AUTO(recorder) struct recorder r;
    AUTO(buf) struct buf file = {0};

    world_init(&w);
    recorder_init(&r);
    CHECK_OK(set_backup(&w.set, &r.sink, e));
    CHECK(recorder_is_complete(&r));
    buf_printf(&file, "/files%s/a", w.scratch.path);
    check_content(&r, buf_string(&file), "in a file");
    check_content(&r, "/note/first", "first");
    check_content(&r, "/note/second", "second");
    check_content(&r, "/letter/only", "only");
    ck_assert_int_eq(recorder_find(&r, "/letter/only")->en.mode, 0600);
    ck_assert_int_eq(recorder_find(&r, "/letter/only")->en.mtime_ns, 1234567890);
    ck_assert_uint_eq(r.remark_count, 0);
    /* Members first: set.c says why. */
    CHECK(recorder_find(&r, "/note/first") < recorder_find(&r, buf_string(&file)));
}
END

TEST(a_source_that_is_not_there_ends_the_backup_before_anything_is_sent)
{
    AUTO(world) struct world w;
    AUTO(recorder) struct recorder r;
    struct err e = {0};

    world_init(&w);
    recorder_init(&r);
    w.texts[2].is_missing = true;
    CHECK(!set_backup(&w.set, &r.sink, &e));
    ck_assert_str_eq(e.text, "letter/only: there is no such text");
    ck_assert_uint_eq(r.record_count, 0);
    CHECK(recorder_is_complete(&r));
}
END

TEST(a_source_that_fails_on_its_way_ends_the_backup)
{
    AUTO(world) struct world w;
    AUTO(recorder) struct recorder r;
    struct err e = {0};

    world_init(&w);
    recorder_init(&r);
    w.texts[0].is_broken = true;
    CHECK(!set_backup(&w.set, &r.sink, &e));
    ck_assert_str_eq(e.text, "note/second: the text ended early");
    ck_assert_uint_eq(r.open_lanes, 0);
}
END

TEST(a_set_that_may_be_incomplete_names_what_is_missing_and_keeps_the_rest)
{
    AUTO(world) struct world w;
    AUTO(recorder) struct recorder r;

    world_init(&w);
    recorder_init(&r);
    w.set.may_be_incomplete = true;
    w.texts[0].is_broken = w.texts[2].is_missing = true;
    w.paths[0] = "/there/is/no/such/path";
    CHECK_OK(set_backup(&w.set, &r.sink, e));
    CHECK(recorder_is_complete(&r));
    check_content(&r, "/note/first", "first");
    CHECK(recorder_find(&r, "/letter") == NULL && recorder_find(&r, "/files") == NULL);
    ck_assert_uint_eq(r.remark_count, 3);
    CHECK(recorder_remark(&r, "/letter/only") != NULL);
    CHECK(recorder_remark(&r, "/files") != NULL);
    ck_assert_str_eq(recorder_remark(&r, "/note/second")->text, "the text ended early");
}
END

TEST(a_set_of_which_nothing_is_there_fails_also_when_it_may_be_incomplete)
{
    AUTO(world) struct world w;
    AUTO(recorder) struct recorder r;
    struct err e = {0};

    world_init(&w);
    recorder_init(&r);
    w.set.may_be_incomplete = true;
    w.set.files_count = 0;
    for (size_t i = 0; i < 3; i++)
        w.texts[i].is_missing = true;
    CHECK(!set_backup(&w.set, &r.sink, &e));
    ck_assert_str_eq(e.text, "no source of set shop is there: there is no such text");
}
END

TEST(two_sources_cannot_have_the_same_place)
{
    AUTO(world) struct world w;
    struct set_files twice[2];

    world_init(&w);
    w.texts[0].base.name = w.texts[1].base.name;
    CHECK_ERR(set_check(&w.set, e), ERR_USAGE);
    w.set.member_count = 1;
    CHECK_OK(set_check(&w.set, e));
    w.files.name = "note";
    CHECK_ERR(set_check(&w.set, e), ERR_USAGE);
    w.files.name = "sqlite";
    CHECK_ERR(set_check(&w.set, e), ERR_USAGE);
    w.files.name = "import";
    CHECK_ERR(set_check(&w.set, e), ERR_USAGE);
    twice[0] = twice[1] = (struct set_files){"files", &w.options};
    w.set.files = twice;
    w.set.files_count = 2;
    CHECK_ERR(set_check(&w.set, e), ERR_USAGE);
    w.set.files_count = w.set.member_count = 0;
    CHECK_ERR(set_check(&w.set, e), ERR_USAGE);
}
END

TEST(names_of_members_are_names_of_files_that_leave_room_for_manifests)
{
    char longest[MEMBER_NAME_MAX + 2];

    memset(longest, 'x', sizeof(longest));
    longest[MEMBER_NAME_MAX + 1] = '\0';
    CHECK_ERR(member_check_name(longest, e), ERR_USAGE);
    longest[MEMBER_NAME_MAX] = '\0';
    CHECK_OK(member_check_name(longest, e));
    for (size_t i = 0; i < 5; i++)
        CHECK_ERR(member_check_name(
                      (const char *const[]){"", ".", "..", "a/b", "app.db.manifest.json"}[i], e),
                  ERR_USAGE);
    CHECK_OK(member_check_name("$(rm -rf)\n\"'", e));
}
END

TEST(every_failure_of_the_sink_comes_back_and_no_lane_stays_open)
{
    for (size_t n = 1; n < 200; n++) {
        AUTO(world) struct world w;
        AUTO(recorder) struct recorder r;
        struct err e = {0};

        world_init(&w);
        recorder_init(&r);
        r.fail_at = n;
        w.set.may_be_incomplete = true;
        w.texts[0].is_broken = w.texts[2].is_missing = true;
        if (set_backup(&w.set, &r.sink, &e)) {
            ck_assert_uint_gt(n, 10);
            return;
        }
        ck_assert_uint_eq(r.open_lanes, 0);
    }
    ck_abort_msg("it never succeeds");
}
END

TESTS("set", all_sources_of_a_set_stand_in_one_tree,
      a_source_that_is_not_there_ends_the_backup_before_anything_is_sent,
      a_source_that_fails_on_its_way_ends_the_backup,
      a_set_that_may_be_incomplete_names_what_is_missing_and_keeps_the_rest,
      a_set_of_which_nothing_is_there_fails_also_when_it_may_be_incomplete,
      two_sources_cannot_have_the_same_place,
      names_of_members_are_names_of_files_that_leave_room_for_manifests,
      every_failure_of_the_sink_comes_back_and_no_lane_stays_open)
