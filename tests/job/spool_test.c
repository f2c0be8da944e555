#define TEST_SECONDS 120
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "job/spooling.h"
#include "support/shim.h"

/* 2024-01-01 12:00:00 UTC, and half a second. */
#define NOON_NS (INT64_C(1704110400) * NS_PER_S + NS_PER_S / 2)

struct scene {
    struct world world;
    struct spool *spool;
    char folder[100];
};

static void scene_auto(struct scene *s)
{
    spool_close(s->spool);
    world_auto(&s->world);
}

static void scene_init_with(struct scene *s, struct spool_options o)
{
    *s = (struct scene){0};
    world_init(&s->world);
    (void)snprintf(s->folder, sizeof(s->folder), "%s/spool/shop", s->world.dir.path);
    o.folder = s->folder;
    spool_let_in(s->folder, s->world.repo);
    CHECK_OK(spool_open(&o, &s->spool, e));
}

static void scene_init(struct scene *s)
{
    scene_init_with(s, spool_options_of(NULL));
}

static void put(struct scene *s, const char *text, struct spool_receipt *out)
{
    CHECK_OK(put_text(s->spool, text, out, e));
    ck_assert_int_eq(out->answer, BUNDLE_SAVED);
}

/* It is refused with this answer, and nothing of it is there. */
static void check_refused(struct scene *s, struct slice bytes, enum bundle_answer wanted)
{
    AUTO(spool_list) struct spool_list before = {0};
    AUTO(spool_list) struct spool_list after = {0};
    struct spool_receipt r;
    struct err why = {0};

    CHECK_OK(spool_list_read(s->folder, &before, e));
    CHECK(!spool_put(s->spool, bytes, &nobody, &r, &why));
    ck_assert_msg(r.answer == wanted, "answer %d, not %d: %s", r.answer, wanted, why.text);
    CHECK_OK(spool_list_read(s->folder, &after, e));
    ck_assert_uint_eq(before.count, after.count);
}

static bool read_back(struct scene *s, const char *name, struct bundle_note *note, struct buf *out,
                      struct err *e)
{
    return spool_read(s->folder, name, s->world.repo, note, out, e);
}

static size_t waiting(const struct scene *s)
{
    AUTO(spool_list) struct spool_list l = {0};

    CHECK_OK(spool_list_read(s->folder, &l, e));
    return l.count;
}

TEST(what_was_put_comes_back_with_what_was_noted_of_it)
{
    AUTO(scene) struct scene s;
    AUTO(buf) struct buf bytes = {0};
    const struct spool_sender from = {"127.0.0.1:4711", "hf_web", 1000};
    struct spool_receipt r;
    struct bundle_note n;

    scene_init(&s);
    CHECK_OK(spool_put(s.spool, slice_string(bundle_text(1)), &from, &r, e));
    CHECK_OK(read_back(&s, r.note.name, &n, &bytes, e));
    ck_assert_str_eq(buf_string(&bytes), bundle_text(1));
    ck_assert_str_eq(n.name, r.note.name);
    ck_assert_str_eq(n.peer, "127.0.0.1:4711");
    ck_assert_str_eq(n.token, "hf_web");
    ck_assert_int_eq(n.uid, 1000);
    ck_assert_int_eq(n.received_ns, r.note.received_ns);
    ck_assert_str_eq(n.facts.timestamp, "2026-11-20T20:50:02.080Z");
    ck_assert_uint_eq(n.facts.sessions, 1);
    ck_assert_uint_eq(n.size, bytes.size);
    CHECK(r.note.facts.indented_size > n.size);
}
END

TEST(nothing_of_a_bundle_is_readable_in_the_spool)
{
    AUTO(scene) struct scene s;
    AUTO(buf) struct buf sealed = {0};
    AUTO(buf) struct buf file = {0};
    struct spool_receipt r;
    struct stat st;

    scene_init(&s);
    put(&s, bundle_text(123), &r);
    buf_printf(&file, "%s.sealed", r.note.name);
    file_take(path_in(s.folder, buf_string(&file)), &sealed);
    CHECK(memmem(sealed.data, sealed.size, "session_123", 11) == NULL);
    CHECK(memmem(sealed.data, sealed.size, "alice", 5) == NULL);
    CHECK(stat(path_in(s.folder, buf_string(&file)), &st) == 0 && (st.st_mode & 07777) == 0600);
    CHECK(stat(s.folder, &st) == 0 && (st.st_mode & 07777) == 0700);
}
END

TEST(another_repository_cannot_open_a_bundle)
{
    AUTO(scene) struct scene s;
    AUTO(store) struct store *elsewhere = store_memory_new();
    AUTO(repo) struct repo *other = fixture_repo(elsewhere);
    AUTO(buf) struct buf bytes = {0};
    struct spool_receipt r;
    struct bundle_note n;

    scene_init(&s);
    put(&s, bundle_text(1), &r);
    CHECK_ERR(spool_read(s.folder, r.note.name, other, &n, &bytes, e), ERR_NOT_FOUND);
}
END

TEST(damage_of_a_waiting_bundle_is_found)
{
    AUTO(scene) struct scene s;
    AUTO(buf) struct buf sealed = {0};
    AUTO(buf) struct buf bytes = {0};
    AUTO(buf) struct buf file = {0};
    struct spool_receipt r;
    struct bundle_note n;

    scene_init(&s);
    put(&s, bundle_text(1), &r);
    buf_printf(&file, "%s.sealed", r.note.name);
    file_take(path_in(s.folder, buf_string(&file)), &sealed);
    sealed.data[sealed.size / 2] ^= 1;
    sealed.data[sealed.size - 1] = 'x';
    file_put_text(path_in(s.folder, buf_string(&file)), "");
    CHECK_ERR(read_back(&s, r.note.name, &n, &bytes, e), ERR_CORRUPT);
}
END

TEST(names_are_seconds_and_collisions_take_the_next_free_one)
{
    AUTO(scene) struct scene s;
    struct spool_options o = spool_options_of(NULL);
    struct spool_receipt r;

    o.names = SPOOL_EXACT;
    clock_set_for_tests(NOON_NS);
    scene_init_with(&s, o);
    for (int i = 0; i <= SPOOL_DRIFT_S; i++) {
        char wanted[BUNDLE_NAME_MAX];

        clock_set_for_tests(NOON_NS);
        (void)snprintf(wanted, sizeof(wanted), "backup_20240101_12000%d.json", i);
        put(&s, bundle_text(i), &r);
        ck_assert_str_eq(r.note.name, wanted);
    }
    clock_set_for_tests(NOON_NS);
    check_refused(&s, slice_string(bundle_text(9)), BUNDLE_TOO_FAST);
    clock_set_for_tests(NOON_NS + NS_PER_S);
    put(&s, bundle_text(10), &r);
    ck_assert_str_eq(r.note.name, "backup_20240101_120006.json");
    ck_assert_str_eq(r.stamp, "20240101_120006");
}
END

TEST(a_name_is_not_given_again_when_its_bundle_has_left_the_spool)
{
    AUTO(scene) struct scene s;
    struct spool_receipt r, again;
    const char *name = r.note.name;

    clock_set_for_tests(NOON_NS);
    scene_init(&s);
    put(&s, bundle_text(1), &r);
    CHECK_OK(spool_remove(s.folder, &name, 1, e));
    clock_set_for_tests(NOON_NS);
    put(&s, bundle_text(2), &again);
    ck_assert_str_eq(r.note.name, "backup_20240101_120000.json");
    ck_assert_str_eq(again.note.name, "backup_20240101_120000_0002.json");
}
END

TEST(a_clock_that_is_set_back_stops_nobody)
{
    AUTO(scene) struct scene s;
    struct spool_options o = spool_options_of(NULL);
    struct spool_receipt r;

    o.names = SPOOL_EXACT;
    clock_set_for_tests(NOON_NS + 3600 * NS_PER_S);
    scene_init_with(&s, o);
    put(&s, bundle_text(1), &r);
    clock_set_for_tests(NOON_NS);
    put(&s, bundle_text(2), &r);
    ck_assert_str_eq(r.note.name, "backup_20240101_120000.json");
    clock_set_for_tests(NOON_NS + 3600 * NS_PER_S);
    put(&s, bundle_text(3), &r);
    ck_assert_str_eq(r.note.name, "backup_20240101_130001.json");
}
END

TEST(names_may_be_local_time)
{
    AUTO(scene) struct scene s;
    struct spool_options o = spool_options_of(NULL);
    struct spool_receipt r;

    o.is_local_time = true;
    setenv("TZ", "XYZ-5:30", 1);
    tzset();
    clock_set_for_tests(NOON_NS);
    scene_init_with(&s, o);
    put(&s, bundle_text(1), &r);
    ck_assert_str_eq(r.note.name, "backup_20240101_173000.json");
}
END

TEST(what_is_no_bundle_is_refused_with_its_own_answer)
{
    AUTO(scene) struct scene s;
    AUTO(buf) struct buf large = {0};

    scene_init(&s);
    memset(buf_extend(&large, BUNDLE_SIZE_MAX + 1), ' ', BUNDLE_SIZE_MAX + 1);
    check_refused(&s, slice_string(""), BUNDLE_FAILED);
    check_refused(&s, slice_string("{\"a\":}"), BUNDLE_FAILED);
    check_refused(&s, slice_string("\xff"), BUNDLE_FAILED);
    check_refused(&s, buf_slice(&large), BUNDLE_TOO_LARGE);
}
END

TEST(any_json_is_taken_unless_the_form_is_required)
{
    AUTO(scene) struct scene s;
    AUTO(scene) struct scene strict;
    struct spool_options o = spool_options_of(NULL);
    struct spool_receipt r;

    scene_init(&s);
    put(&s, "[1, NaN]", &r);
    ck_assert_int_eq(r.note.facts.kind, BUNDLE_OTHER);
    o.needs_form = true;
    scene_init_with(&strict, o);
    check_refused(&strict, slice_string("[1, NaN]"), BUNDLE_BAD_FORM);
    put(&strict, bundle_text(1), &r);
}
END

TEST(without_recipients_nothing_is_taken)
{
    AUTO(scene) struct scene s;

    scene_init(&s);
    file_put_text(path_in(s.folder, "recipients"), "");
    check_refused(&s, slice_string(bundle_text(1)), BUNDLE_BUSY);
    file_put_text(path_in(s.folder, "recipients"), "main 00 11\n");
    check_refused(&s, slice_string(bundle_text(1)), BUNDLE_FAILED);
}
END

TEST(a_full_spool_refuses_until_bundles_have_left)
{
    AUTO(scene) struct scene s;
    struct spool_options o = spool_options_of(NULL);
    struct spool_receipt r;
    const char *name = r.note.name;
    struct err why = {0};

    o.count_max = 2;
    scene_init_with(&s, o);
    put(&s, bundle_text(1), &r);
    put(&s, bundle_text(2), &r);
    check_refused(&s, slice_string(bundle_text(3)), BUNDLE_FULL);
    CHECK_OK(spool_remove(s.folder, &name, 1, e));
    while (!put_text(s.spool, bundle_text(3), &r, &why)) /* it looks again after a while */
        ck_assert_int_eq(r.answer, BUNDLE_FULL);
    ck_assert_uint_eq(waiting(&s), 2);
}
END

TEST(bytes_are_limited_too)
{
    AUTO(scene) struct scene s;
    struct spool_options o = spool_options_of(NULL);
    struct spool_receipt r;

    o.bytes_max = 1200; /* one with its envelope and note */
    scene_init_with(&s, o);
    put(&s, bundle_text(1), &r);
    check_refused(&s, slice_string(bundle_text(2)), BUNDLE_FULL);
}
END

TEST(one_process_at_a_time_takes_bundles)
{
    AUTO(scene) struct scene s;
    AUTO(spool) struct spool *other = NULL;
    struct spool_options o;

    scene_init(&s);
    o = spool_options_of(s.folder);
    CHECK_ERR(spool_open(&o, &other, e), ERR_TRANSIENT);
}
END

TEST(a_folder_that_others_can_enter_is_refused)
{
    AUTO(scratch) struct scratch dir;
    AUTO(spool) struct spool *s = NULL;
    struct spool_options o;

    scratch_init(&dir);
    CHECK(mkdir(path_in(dir.path, "open"), 0700) == 0);
    CHECK(chmod(path_in(dir.path, "open"), 0750) == 0);
    o = spool_options_of(path_in(dir.path, "open"));
    CHECK_ERR(spool_open(&o, &s, e), ERR_USAGE);
}
END

TEST(exports_are_in_the_form_of_the_published_server)
{
    AUTO(scene) struct scene s;
    AUTO(scratch) struct scratch dir;
    AUTO(buf) struct buf text = {0};
    struct spool_options o = spool_options_of(NULL);
    struct spool_receipt r;
    struct stat st;

    scratch_init(&dir);
    o.export_to = path_in(dir.path, "backups");
    clock_set_for_tests(NOON_NS);
    CHECK(mkdir(o.export_to, 0700) == 0);
    file_put_text(path_in(o.export_to, "backup_20240101_120000.json"), "an old one");
    scene_init_with(&s, o);
    put(&s, "{\"a\":[1,{}]}", &r);
    ck_assert_str_eq(r.note.name, "backup_20240101_120000_0002.json");
    file_take(path_in(o.export_to, r.note.name), &text);
    ck_assert_str_eq(buf_string(&text), "{\n  \"a\": [\n    1,\n    {}\n  ]\n}");
    ck_assert_uint_eq(r.note.facts.indented_size, text.size);
    CHECK(stat(path_in(o.export_to, r.note.name), &st) == 0 && (st.st_mode & 07777) == 0600);
}
END

enum { THREADS = 32, EACH = 20 };

struct worker {
    pthread_t thread;
    struct spool *spool;
    int number;
    struct spool_receipt receipts[EACH];
};

static void *push_all(void *arg)
{
    struct worker *w = arg;
    struct err e;

    for (int i = 0; i < EACH; i++) {
        char text[40];

        (void)snprintf(text, sizeof(text), "[%d]", w->number * EACH + i);
        if (!put_text(w->spool, text, &w->receipts[i], &e))
            w->receipts[i].note.name[0] = '\0';
    }
    return NULL;
}

TEST(many_threads_put_side_by_side_and_each_bundle_is_there_once)
{
    AUTO(scene) struct scene s;
    AUTO(mem) struct worker *workers = mem_array(THREADS, sizeof(*workers));

    scene_init(&s);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.spool = s.spool, .number = i};
        thread_start(&workers[i].thread, push_all, &workers[i], "push");
    }
    for (int i = 0; i < THREADS; i++)
        thread_join(workers[i].thread);
    ck_assert_uint_eq(waiting(&s), THREADS * EACH);
    for (int i = 0; i < THREADS * EACH; i++) {
        AUTO(buf) struct buf bytes = {0};
        struct bundle_note n;
        char text[40];

        (void)snprintf(text, sizeof(text), "[%d]", i);
        CHECK_OK(read_back(&s, workers[i / EACH].receipts[i % EACH].note.name, &n, &bytes, e));
        ck_assert_str_eq(buf_string(&bytes), text);
    }
}
END

/* What a process that may die has been told of success. */
struct told {
    int count;
    struct spool_receipt receipts[8];
};

static void put_some(const char *folder, struct told *told)
{
    const struct spool_options o = spool_options_of(folder);
    AUTO(spool) struct spool *s = NULL;
    struct err e;

    if (!spool_open(&o, &s, &e))
        return;
    for (int i = 0; i < 3; i++)
        if (put_text(s, bundle_text(i), &told->receipts[told->count], &e))
            told->count++;
}

/* Run it in a process of its own with this plan; what it was told. */
static int put_in_child(const char *folder, const char *variable, int n, const char *error,
                        struct told *told)
{
    const pid_t child = fork();
    char number[20];
    int status = 0;

    if (child == 0) {
        (void)snprintf(number, sizeof(number), "%d", n);
        setenv(variable, number, 1);
        setenv("SHIM_ERRNO", error, 1);
        shim_arm();
        put_some(folder, told);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    return status;
}

/* What was told is there, its bytes are equal, and nothing that is there is broken. */
static void check_told(struct scene *s, const struct told *told)
{
    AUTO(spool_list) struct spool_list l = {0};

    CHECK_OK(spool_list_read(s->folder, &l, e));
    CHECK(l.count >= (size_t)told->count && l.count <= 3);
    for (int i = 0; i < told->count; i++) {
        size_t found = 0;

        for (size_t n = 0; n < l.count; n++)
            found += strcmp(l.items[n].name, told->receipts[i].note.name) == 0 ? 1 : 0;
        ck_assert_uint_eq(found, 1);
    }
    for (size_t n = 0; n < l.count; n++) {
        AUTO(buf) struct buf bytes = {0};
        struct bundle_note note;

        CHECK_OK(read_back(s, l.items[n].name, &note, &bytes, e));
        for (int i = 0; i < told->count; i++)
            if (strcmp(told->receipts[i].note.name, note.name) == 0)
                CHECK(hash_is_equal(&told->receipts[i].note.sha256, &note.sha256));
    }
}

static struct told *told_new(void)
{
    struct told *t =
        mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    CHECK(t != MAP_FAILED);
    return t;
}

/* A folder that a process that died has left is opened and emptied. */
static void start_over(struct scene *s, struct told *told)
{
    AUTO(spool_list) struct spool_list l = {0};
    AUTO(spool) struct spool *again = NULL;
    const struct spool_options o = spool_options_of(s->folder);

    CHECK_OK(spool_open(&o, &again, e));
    CHECK_OK(spool_list_read(s->folder, &l, e));
    for (size_t i = 0; i < l.count; i++) {
        const char *name = l.items[i].name;

        CHECK_OK(spool_remove(s->folder, &name, 1, e));
    }
    ck_assert_uint_eq(directory_count(s->folder), 1); /* the recipients */
    *told = (struct told){0};
}

TEST(whenever_the_process_is_killed_what_was_told_is_there)
{
    AUTO(scene) struct scene s;
    struct told *told = told_new();
    int kills = 0;

    scene_init(&s);
    spool_close(TAKE(s.spool));
    for (int n = 1;; n++) {
        const int status = put_in_child(s.folder, "SHIM_KILL", n, "5", told);

        check_told(&s, told);
        if (!WIFSIGNALED(status)) {
            ck_assert_int_eq(told->count, 3);
            break;
        }
        kills++;
        start_over(&s, told);
    }
    CHECK(kills >= 12); /* each bundle: write, fsync, link, fsync */
}
END

/* The n-th call fails with this error, for every n. */
static void fail_each(const char *error)
{
    AUTO(scene) struct scene s;
    struct told *told = told_new();
    int lost = 0;

    scene_init(&s);
    spool_close(TAKE(s.spool));
    for (int n = 1;; n++) {
        CHECK(put_in_child(s.folder, "SHIM_AT", n, error, told) == 0);
        check_told(&s, told);
        if (told->count == 3)
            break;
        lost++;
        start_over(&s, told);
    }
    CHECK(lost >= 12);
}

TEST(whichever_call_fails_what_was_told_is_there)
{
    fail_each("5");
    fail_each("28");
}
END

/* Put one while the n-th call of a kind fails. */
static enum bundle_answer answer_when(struct scene *s, const char *kind, int error)
{
    struct spool_receipt r;
    struct err e;
    char number[20];

    (void)snprintf(number, sizeof(number), "%d", error);
    setenv("SHIM_CALL", kind, 1);
    setenv("SHIM_AT", "1", 1);
    setenv("SHIM_ERRNO", number, 1);
    shim_arm();
    const bool ok = put_text(s->spool, bundle_text(1), &r, &e);

    unsetenv("SHIM_AT");
    shim_arm();
    CHECK(!ok);
    return r.answer;
}

TEST(a_full_disk_is_told_and_the_next_bundle_is_taken)
{
    AUTO(scene) struct scene s;
    struct spool_receipt r;

    scene_init(&s);
    ck_assert_int_eq(answer_when(&s, "write", ENOSPC), BUNDLE_FULL);
    ck_assert_int_eq(answer_when(&s, "link", ENOSPC), BUNDLE_FULL);
    ck_assert_int_eq(answer_when(&s, "write", EIO), BUNDLE_FAILED);
    ck_assert_uint_eq(waiting(&s), 0);
    put(&s, bundle_text(2), &r);
}
END

TEST(after_a_failed_fsync_nothing_is_taken_until_the_spool_is_opened_again)
{
    AUTO(scene) struct scene s;
    struct spool_options o;
    struct spool_receipt r;

    scene_init(&s);
    ck_assert_int_eq(answer_when(&s, "fsync", EIO), BUNDLE_FAILED);
    check_refused(&s, slice_string(bundle_text(2)), BUNDLE_FAILED);
    o = spool_options_of(s.folder);
    spool_close(TAKE(s.spool));
    CHECK_OK(spool_open(&o, &s.spool, e));
    put(&s, bundle_text(3), &r);
}
END

TESTS("spool", what_was_put_comes_back_with_what_was_noted_of_it,
      nothing_of_a_bundle_is_readable_in_the_spool, another_repository_cannot_open_a_bundle,
      damage_of_a_waiting_bundle_is_found, names_are_seconds_and_collisions_take_the_next_free_one,
      a_name_is_not_given_again_when_its_bundle_has_left_the_spool,
      a_clock_that_is_set_back_stops_nobody, names_may_be_local_time,
      what_is_no_bundle_is_refused_with_its_own_answer,
      any_json_is_taken_unless_the_form_is_required, without_recipients_nothing_is_taken,
      a_full_spool_refuses_until_bundles_have_left, bytes_are_limited_too,
      one_process_at_a_time_takes_bundles, a_folder_that_others_can_enter_is_refused,
      exports_are_in_the_form_of_the_published_server,
      many_threads_put_side_by_side_and_each_bundle_is_there_once,
      whenever_the_process_is_killed_what_was_told_is_there,
      whichever_call_fails_what_was_told_is_there, a_full_disk_is_told_and_the_next_bundle_is_taken,
      after_a_failed_fsync_nothing_is_taken_until_the_spool_is_opened_again)
