#include <string.h>
#include <sys/stat.h>

#include "job/spooling.h"

/* A set of pushed bundles, its spool, and a repository that they go to. */
struct scene {
    struct world world;
    struct config_source source;
    struct config_repository repository;
    const struct config_repository *repositories[1];
    struct config_set set;
    struct open_set *open;
    struct spool *spool;
    char folder[100], name[8];
    struct spool_receipt last;
};

static void scene_auto(struct scene *s)
{
    open_set_free(s->open);
    spool_close(s->spool);
    world_auto(&s->world);
}

static void scene_init(struct scene *s, int keep)
{
    *s = (struct scene){.repository = {.name = "main"}, .name = BUNDLE_MEMBER};
    world_init(&s->world);
    (void)snprintf(s->folder, sizeof(s->folder), "%s/spool/app", s->world.dir.path);
    s->source = (struct config_source){.kind = SOURCE_BUNDLE, .name = s->name};
    s->source.bundle = (struct config_bundle){.keep = keep,
                                              .names = SPOOL_COUNTED,
                                              .max_size = 1 << 30,
                                              .max_count = 1000,
                                              .spool = s->folder};
    s->repositories[0] = &s->repository;
    s->set = (struct config_set){.name = "app",
                                 .sources = &s->source,
                                 .source_count = 1,
                                 .repositories = s->repositories,
                                 .repository_count = 1,
                                 .required_repositories = 1};
    CHECK_OK(spool_introduce(&s->set, &s->repository, s->world.repo, e));
    const struct spool_options o = spool_options_from(&s->source.bundle);

    CHECK_OK(spool_open(&o, &s->spool, e));
    CHECK_OK(open_set_new(&s->set, NULL, &s->open, e));
}

static void push(struct scene *s, const char *text)
{
    CHECK_OK(put_text(s->spool, text, &s->last, e));
}

static bool try_backup(struct scene *s, struct err *e)
{
    struct backup_options o = options_of(&s->world);

    o.set = &s->open->set;
    return run(&s->world, &o, e);
}

/* Back up; what is stored leaves the spool. */
static void back_up_set(struct scene *s)
{
    uint64_t removed = 0;

    CHECK_OK(try_backup(s, e));
    CHECK(s->world.result.is_committed);
    CHECK_OK(spool_settle(&s->set, s->world.repo, &s->world.result.snapshot, &removed, e));
}

static size_t waiting(const struct scene *s)
{
    AUTO(spool_list) struct spool_list l = {0};

    CHECK_OK(spool_list_read(s->folder, &l, e));
    return l.count;
}

static struct snapshot *newest(struct scene *s)
{
    struct snapshot *found = NULL;

    CHECK_OK(snapshot_load(s->world.repo, &s->world.result.snapshot, &found, e));
    return found;
}

/* Names of entries below /bundle of the newest snapshot, the manifest apart. */
struct look {
    size_t count;
    struct buf names;
};

static void look_auto(struct look *l)
{
    buf_done(&l->names);
}

static bool see(void *arg, const char *path, const struct entry *en, bool *descend, struct err *e)
{
    struct look *l = arg;
    const char *name = strrchr(path, '/') + 1;

    (void)descend, (void)e;
    if (en->type != ENTRY_FILE || member_is_manifest(slice_string(name)))
        return true;
    l->count++;
    buf_printf(&l->names, "%s\n", name);
    return true;
}

static void look_at(struct scene *s, struct look *l)
{
    AUTO(snapshot) struct snapshot *snap = newest(s);

    CHECK_OK(repo_load_index(s->world.repo, e));
    CHECK_OK(browse_walk(s->world.repo, &snap->tree, "/bundle", see, l, e));
}

static bool holds(struct scene *s, const char *name)
{
    AUTO(look) struct look l = {0};

    look_at(s, &l);
    return strstr(buf_string(&l.names), name) != NULL;
}

static size_t count_of(struct scene *s)
{
    AUTO(look) struct look l = {0};

    look_at(s, &l);
    return l.count;
}

/* What "restore --into" writes of all bundles. */
static bool restore_all(struct scene *s, const char *to, bool with_sessions,
                        struct restore_into_result *r, struct err *e)
{
    AUTO(snapshot) struct snapshot *snap = newest(s);

    return restore_into_run(
        s->world.repo,
        &(struct restore_into_options){
            .snapshot = snap, .place = "bundle", .into = to, .with_sessions = with_sessions},
        r, e);
}

static enum verdict verdict_of(struct scene *s, char *why, size_t room)
{
    AUTO(drill_result) struct drill_result d = {0};

    CHECK_OK(drill(&s->world, NULL, &d, e));
    ck_assert_uint_eq(d.count, 1);
    ck_assert_str_eq(d.members[0].place, "bundle");
    (void)snprintf(why, room, "%s", d.members[0].why == NULL ? "" : d.members[0].why);
    return d.verdict;
}

TEST(bundles_that_wait_come_into_the_snapshot_and_leave_the_spool)
{
    AUTO(scene) struct scene s;
    char why[500];

    scene_init(&s, 10);
    push(&s, bundle_text(1));
    push(&s, "[1]");
    back_up_set(&s);
    ck_assert_uint_eq(waiting(&s), 0);
    ck_assert_uint_eq(count_of(&s), 2);
    CHECK(holds(&s, s.last.note.name));
    ck_assert_int_eq(verdict_of(&s, why, sizeof(why)), VERDICT_PROVEN);
}
END

TEST(nothing_leaves_the_spool_before_a_snapshot_is_committed)
{
    AUTO(scene) struct scene s;

    scene_init(&s, 10);
    push(&s, bundle_text(1));
    CHECK_OK(try_backup(&s, e));
    ck_assert_uint_eq(waiting(&s), 1);
}
END

TEST(a_bundle_that_arrived_after_the_snapshot_stays_in_the_spool)
{
    AUTO(scene) struct scene s;
    uint64_t removed = 0;

    scene_init(&s, 10);
    push(&s, bundle_text(1));
    CHECK_OK(try_backup(&s, e));
    push(&s, bundle_text(2));
    CHECK_OK(spool_settle(&s.set, s.world.repo, &s.world.result.snapshot, &removed, e));
    ck_assert_uint_eq(removed, 1);
    ck_assert_uint_eq(waiting(&s), 1);
    back_up_set(&s);
    CHECK(holds(&s, s.last.note.name));
}
END

TEST(a_backup_that_was_not_settled_stores_its_bundles_once)
{
    AUTO(scene) struct scene s;

    scene_init(&s, 10);
    push(&s, bundle_text(1));
    CHECK_OK(try_backup(&s, e));
    back_up_set(&s);
    ck_assert_uint_eq(waiting(&s), 0);
    ck_assert_uint_eq(count_of(&s), 1);
    ck_assert_uint_eq(s.world.result.counts.files_unmodified, 1);
}
END

TEST(the_newest_bundles_are_carried_on_without_being_stored_again)
{
    AUTO(scene) struct scene s;
    char first[BUNDLE_NAME_MAX], second[BUNDLE_NAME_MAX];
    char why[500];

    scene_init(&s, 2);
    push(&s, bundle_text(1));
    memcpy(first, s.last.note.name, sizeof(first));
    push(&s, bundle_text(2));
    memcpy(second, s.last.note.name, sizeof(second));
    back_up_set(&s);
    push(&s, bundle_text(3));
    back_up_set(&s);
    ck_assert_uint_eq(count_of(&s), 2);
    CHECK(!holds(&s, first) && holds(&s, second) && holds(&s, s.last.note.name));
    ck_assert_uint_eq(s.world.result.counts.files_unmodified, 1);
    back_up_set(&s);
    ck_assert_uint_eq(count_of(&s), 2);
    ck_assert_uint_eq(s.world.result.counts.files_unmodified, 2);
    ck_assert_int_eq(verdict_of(&s, why, sizeof(why)), VERDICT_PROVEN);
}
END

TEST(all_that_wait_are_stored_however_few_are_kept)
{
    AUTO(scene) struct scene s;

    scene_init(&s, 1);
    for (int i = 0; i < 5; i++)
        push(&s, bundle_text(i));
    back_up_set(&s);
    ck_assert_uint_eq(count_of(&s), 5);
    back_up_set(&s);
    ck_assert_uint_eq(count_of(&s), 1);
    CHECK(holds(&s, s.last.note.name));
}
END

TEST(bundles_are_carried_on_also_when_everything_is_read_again)
{
    AUTO(scene) struct scene s;
    struct backup_options o;
    char why[500];

    scene_init(&s, 5);
    push(&s, bundle_text(1));
    back_up_set(&s);
    o = options_of(&s.world);
    o.set = &s.open->set;
    o.force = true;
    CHECK_OK(run(&s.world, &o, e));
    CHECK(!s.world.result.has_parent);
    CHECK(holds(&s, s.last.note.name));
    ck_assert_int_eq(verdict_of(&s, why, sizeof(why)), VERDICT_PROVEN);
}
END

TEST(a_damaged_bundle_in_the_spool_is_named_and_stays_there)
{
    AUTO(scene) struct scene s;
    AUTO(buf) struct buf file = {0};

    scene_init(&s, 5);
    push(&s, bundle_text(1));
    buf_printf(&file, "%s/%s.sealed", s.folder, s.last.note.name);
    file_put_text(buf_string(&file), "HFENVLP1");
    push(&s, bundle_text(2));
    back_up_set(&s);
    ck_assert_uint_eq(s.world.seen.errors, 1);
    CHECK(strstr(s.world.seen.why, "bundle backup_") != NULL);
    ck_assert_uint_eq(waiting(&s), 1);
    ck_assert_uint_eq(count_of(&s), 1);
}
END

TEST(a_bundle_for_other_repositories_is_named_and_stays)
{
    AUTO(scene) struct scene s;
    AUTO(store) struct store *elsewhere = store_memory_new();
    AUTO(repo) struct repo *other = fixture_repo(elsewhere);

    scene_init(&s, 5);
    spool_let_in(s.folder, other);
    push(&s, bundle_text(1));
    back_up_set(&s);
    CHECK(strstr(s.world.seen.why, "sealed to other repositories") != NULL);
    ck_assert_uint_eq(waiting(&s), 1);
}
END

TEST(before_the_first_bundle_there_is_nothing_to_prove)
{
    AUTO(scene) struct scene s;
    char why[500];

    scene_init(&s, 5);
    back_up_set(&s);
    ck_assert_int_eq(verdict_of(&s, why, sizeof(why)), VERDICT_NOT_CHECKED);
}
END

/* A member that sends what it likes under the names of a set's bundles. */
struct liar {
    struct bundle_feed feed;
    struct bundle_item item;
    const char *bytes;
};

static bool liar_list(struct bundle_feed *f, const struct bundle_item **items, size_t *count,
                      struct err *e)
{
    (void)e;
    *items = &((struct liar *)f)->item;
    *count = 1;
    return true;
}

static bool liar_read(struct bundle_feed *f, size_t n, struct buf *out, struct err *e)
{
    (void)n, (void)e;
    buf_append_slice(out, slice_string(((struct liar *)f)->bytes));
    return true;
}

static void liar_free(struct bundle_feed *f)
{
    (void)f;
}

static const struct bundle_feed_ops liar_ops = {liar_list, liar_read, liar_free};

/* Store a bundle beside what is noted of another; the drill's verdict and sentence. */
static enum verdict verdict_of_lie(const char *noted, const char *stored,
                                   void (*change)(void *note), char *why, size_t room)
{
    AUTO(scene) struct scene s;
    AUTO(bundle) struct bundle b = {0};
    AUTO(buf) struct buf text = {0};
    struct bundle_note note = {.name = "backup_20240101_120000.json", .received_ns = 1, .uid = -1};
    struct liar liar = {.feed = {&liar_ops}, .bytes = stored};
    struct member *m = bundle_member_new(&liar.feed, 1);
    struct backup_options o;

    scene_init(&s, 1);
    CHECK_OK(bundle_read(slice_string(noted), &b, e));
    bundle_note_measure(&note, slice_string(noted), &b.facts);
    if (change != NULL)
        change(&note);
    AUTO(json) json_t *j = bundle_note_json(&note);

    json_append(j, &text);
    liar.item = (struct bundle_item){
        .name = note.name, .size = note.size, .mtime_ns = 1, .note = buf_string(&text)};
    const struct set set = {.name = "app", .members = &m, .member_count = 1};

    o = options_of(&s.world);
    o.set = &set;
    CHECK_OK(run(&s.world, &o, e));
    member_free(m);
    return verdict_of(&s, why, room);
}

static void more_sessions(void *note)
{
    ((struct bundle_note *)note)->facts.sessions++;
}

TEST(a_drill_fails_when_a_bundle_is_not_what_was_noted)
{
    char why[500];

    ck_assert_int_eq(verdict_of_lie(bundle_text(1), bundle_text(1), NULL, why, sizeof(why)),
                     VERDICT_PROVEN);
    ck_assert_int_eq(verdict_of_lie(bundle_text(1), bundle_text(2), NULL, why, sizeof(why)),
                     VERDICT_FAILED);
    CHECK(strstr(why, "does not have the bytes") != NULL);
    ck_assert_int_eq(verdict_of_lie("[1]", "[1", NULL, why, sizeof(why)), VERDICT_FAILED);
    CHECK(strstr(why, "is not the JSON") != NULL);
    ck_assert_int_eq(
        verdict_of_lie(bundle_text(1), bundle_text(1), more_sessions, why, sizeof(why)),
        VERDICT_FAILED);
    CHECK(strstr(why, "does not say of itself") != NULL);
}
END

TEST(restored_bundles_have_the_published_form_and_no_sessions_unless_asked)
{
    AUTO(scene) struct scene s;
    AUTO(buf) struct buf without = {0};
    AUTO(buf) struct buf with = {0};
    struct restore_into_result r = {0};
    const char *to;

    scene_init(&s, 5);
    push(&s, bundle_text(1));
    back_up_set(&s);
    to = path_in(s.world.dir.path, "out");
    CHECK_OK(restore_all(&s, to, false, &r, e));
    ck_assert_uint_eq(r.files, 1);
    ck_assert_uint_eq(r.dropped, 1);
    file_take(path_in(to, s.last.note.name), &without);
    CHECK(strstr(buf_string(&without), "\"sessions\": [],") != NULL);
    CHECK(strstr(buf_string(&without), "session_1") == NULL);
    CHECK(strstr(buf_string(&without), "      \"alice\",\n      \"bob\"\n") != NULL);
    CHECK_ERR(restore_all(&s, to, true, &r, e), ERR_EXISTS);
    to = path_in(s.world.dir.path, "all");
    r = (struct restore_into_result){0};
    CHECK_OK(restore_all(&s, to, true, &r, e));
    file_take(path_in(to, s.last.note.name), &with);
    CHECK(strstr(buf_string(&with), "\"session_1\"") != NULL);
    ck_assert_uint_eq(with.size, s.last.note.facts.indented_size);
    ck_assert_uint_eq(r.dropped, 0);
}
END

TEST(one_bundle_goes_to_one_file)
{
    AUTO(scene) struct scene s;
    AUTO(snapshot) struct snapshot *snap = NULL;
    AUTO(buf) struct buf place = {0};
    AUTO(buf) struct buf text = {0};
    struct restore_into_result r = {0};
    struct restore_into_options o;
    struct stat st;

    scene_init(&s, 5);
    push(&s, "{\"a\":1}");
    back_up_set(&s);
    snap = newest(&s);
    buf_printf(&place, "bundle/%s", s.last.note.name);
    o = (struct restore_into_options){.snapshot = snap,
                                      .place = buf_string(&place),
                                      .into = path_in(s.world.dir.path, "one.json")};
    CHECK_OK(restore_into_run(s.world.repo, &o, &r, e));
    file_take(o.into, &text);
    ck_assert_str_eq(buf_string(&text), "{\n  \"a\": 1\n}");
    CHECK(stat(o.into, &st) == 0 && (st.st_mode & 07777) == 0600);
    CHECK_ERR(restore_into_run(s.world.repo, &o, &r, e), ERR_EXISTS);
    o.force = true;
    CHECK_OK(restore_into_run(s.world.repo, &o, &r, e));
    o.place = "bundle/backup.manifest.json";
    CHECK_ERR(restore_into_run(s.world.repo, &o, &r, e), ERR_USAGE);
}
END

TEST(repositories_that_left_the_set_get_no_bundles_any_more)
{
    AUTO(scene) struct scene s;
    AUTO(spool_recipients) struct spool_recipients known = {0};
    struct spool_recipient gone = {.name = "gone"};

    scene_init(&s, 5);
    repo_recipient(s.world.repo, &gone.to);
    CHECK_OK(spool_recipients_write(s.folder, &gone, 1, e));
    CHECK_OK(spool_introduce(&s.set, &s.repository, s.world.repo, e));
    CHECK_OK(spool_recipients_read(s.folder, &known, e));
    ck_assert_uint_eq(known.count, 1);
    ck_assert_str_eq(known.items[0].name, "main");
}
END

TESTS("bundle", bundles_that_wait_come_into_the_snapshot_and_leave_the_spool,
      nothing_leaves_the_spool_before_a_snapshot_is_committed,
      a_bundle_that_arrived_after_the_snapshot_stays_in_the_spool,
      a_backup_that_was_not_settled_stores_its_bundles_once,
      the_newest_bundles_are_carried_on_without_being_stored_again,
      all_that_wait_are_stored_however_few_are_kept,
      bundles_are_carried_on_also_when_everything_is_read_again,
      a_damaged_bundle_in_the_spool_is_named_and_stays_there,
      a_bundle_for_other_repositories_is_named_and_stays,
      before_the_first_bundle_there_is_nothing_to_prove,
      a_drill_fails_when_a_bundle_is_not_what_was_noted,
      restored_bundles_have_the_published_form_and_no_sessions_unless_asked,
      one_bundle_goes_to_one_file, repositories_that_left_the_set_get_no_bundles_any_more)
