/* The store behind SFTP: against OpenSSH's server, one that dies, and one that lies. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "conformance.h"
#include "scratch.h"
#include "store/sftp.h"
#include "support/test.h"

#define SERVER "/usr/lib/openssh/sftp-server"

static const struct sftp_options by_pipe = {.command = SERVER};

/* What stands behind "sftp:" for a directory. */
struct place {
    char text[300];
};

static struct place place_of(const char *dir)
{
    struct place p;

    CHECK(snprintf(p.text, sizeof(p.text), "nobody@nowhere:%s", dir) < (int)sizeof(p.text));
    return p;
}

static struct store *create(const char *dir, const struct sftp_options *o)
{
    struct store *s = NULL;

    CHECK_OK(sftp_create(place_of(dir).text, o, &s, e));
    return s;
}

TEST(a_directory_behind_sftp_is_a_store)
{
    for (size_t i = 0; i < conformance_promise_count; i++) {
        AUTO(scratch) char *dir = scratch_new();
        AUTO(store) struct store *s = create(dir, &by_pipe);

        conformance_promises[i](s);
    }
}

TEST(a_directory_behind_one_connection_is_a_store)
{
    const struct sftp_options one = {.command = SERVER, .connections = 1};

    for (size_t i = 0; i < conformance_promise_count; i++) {
        AUTO(scratch) char *dir = scratch_new();
        AUTO(store) struct store *s = create(dir, &one);

        conformance_promises[i](s);
    }
}

TEST(a_store_with_retries_over_failing_sftp_is_a_store)
{
    for (size_t i = 0; i < conformance_promise_count; i++) {
        const struct fault_plan plan = {
            .at = (int)i % 4, .mode = FAULT_LOST_REPLY, .code = ERR_TRANSIENT};
        AUTO(scratch) char *dir = scratch_new();
        AUTO(store) struct store *sftp = create(dir, &by_pipe);
        AUTO(store) struct store *s = store_retry_new(store_fault_new(sftp, plan), 2);

        conformance_promises[i](s);
    }
}

/* A server that dies */

/* A server whose process id is in a file. */
struct mortal {
    struct scratch_path pid_file;
    struct sftp_options options;
    char command[1000];
};

static void mortal_init(struct mortal *m, const char *dir)
{
    m->pid_file = scratch_join(dir, "pid");
    CHECK(snprintf(m->command, sizeof(m->command),
                   "/bin/sh -c 'echo $$ >%s.new; mv %s.new %s; exec " SERVER "'", m->pid_file.text,
                   m->pid_file.text, m->pid_file.text) < (int)sizeof(m->command));
    m->options = (struct sftp_options){.command = m->command, .connections = 1};
}

static pid_t mortal_pid(const struct mortal *m)
{
    AUTO(buf) struct buf text = {0};
    uint64_t pid = 0;

    CHECK_OK(file_read(m->pid_file.text, 100, &text, e));
    text.size--; /* the newline */
    CHECK_OK(parse_u64(buf_string(&text), &pid, e));
    return (pid_t)pid;
}

static void mortal_kill(const struct mortal *m)
{
    (void)kill(mortal_pid(m), SIGKILL); /* it may be gone, and its heir not there yet */
}

/* Descriptors that a process has open. */
static int descriptors_of(pid_t pid)
{
    char path[40];
    int count = 0;

    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);

    DIR *d = opendir(path);

    CHECK(d != NULL);
    while (readdir(d) != NULL)
        count++;
    (void)closedir(d);
    return count;
}

/* Every operation once, those that fail too. */
static void use_all(struct store *s)
{
    static const char *const gone[] = {"keys/1", "packs/00/none"};
    AUTO(buf) struct buf got = {0};
    struct object_info info = {0};
    int count = 0;

    CHECK_OK(store_put(s, "keys/1", slice_string("0123"), PUT_NEW, e));
    CHECK_ERR(store_put(s, "keys/1", slice_string("0123"), PUT_NEW, e), ERR_EXISTS);
    CHECK_OK(store_put(s, "keys/1", slice_string("012345"), PUT_REPLACE, e));
    CHECK_OK(store_get(s, "keys/1", 1, 2, &got, e));
    CHECK_ERR(store_get(s, "keys/1", 5, 2, &got, e), ERR_CORRUPT);
    CHECK_ERR(store_get_all(s, "keys", &got, e), ERR_NOT_FOUND);
    CHECK_OK(store_stat(s, "keys/1", &info, e));
    CHECK_OK(scratch_list(s, "", &count, e));
    CHECK_ERR(store_put(s, "keys/1/x", slice_string(""), PUT_NEW, e), ERR_FATAL);
    CHECK_OK(store_remove_all(s, gone, 2, e));
}

TEST(nothing_stays_open_here_or_at_the_server_after_a_thousand_operations)
{
    AUTO(scratch) char *dir = scratch_new();
    AUTO(scratch) char *side = scratch_new();
    struct mortal m;

    mortal_init(&m, side);

    AUTO(store) struct store *s = create(dir, &m.options);

    use_all(s);

    const int here = descriptors_of(getpid());

    for (int i = 0; i < 100; i++)
        use_all(s);
    CHECK(descriptors_of(getpid()) == here);
    /* What was asked before is done when this is answered. */
    CHECK_OK(store_remove(s, "keys/1", e));
    CHECK_OK(store_remove(s, "keys/1", e));
    CHECK(descriptors_of(mortal_pid(&m)) <= 10);
}

TEST(a_call_on_a_dead_connection_may_succeed_later_and_the_next_one_connects_again)
{
    AUTO(scratch) char *dir = scratch_new();
    AUTO(scratch) char *side = scratch_new();
    struct mortal m;
    struct object_info info = {0};
    struct err why = {0};

    mortal_init(&m, side);

    AUTO(store) struct store *s = create(dir, &m.options);

    CHECK_OK(store_put(s, "config", slice_string("1"), PUT_NEW, e));
    mortal_kill(&m);
    CHECK(store_stat(s, "config", &info, &why) || why.code == ERR_TRANSIENT);
    CHECK_OK(store_stat(s, "config", &info, e));
    CHECK_OK(store_put(s, "keys/1", slice_string("2"), PUT_NEW, e));
}

/* Less and less often, so that a slow machine comes to an end too. */
static void *kill_again_and_again(void *arg)
{
    for (useconds_t i = 1; i <= 20; i++) {
        (void)usleep(i * 10000);
        mortal_kill(arg);
    }
    return NULL;
}

TEST(what_was_put_while_servers_died_is_whole)
{
    AUTO(scratch) char *dir = scratch_new();
    AUTO(scratch) char *side = scratch_new();
    AUTO(buf) struct buf big = {0};
    struct mortal m;
    pthread_t thread;
    int done = 0;

    mortal_init(&m, side);
    memset(buf_extend(&big, (size_t)3 << 20), 'x', (size_t)3 << 20);

    AUTO(store) struct store *s = store_retry_new(create(dir, &m.options), 100);

    CHECK(pthread_create(&thread, NULL, kill_again_and_again, &m) == 0);
    for (int i = 0; i < 12; i++) {
        AUTO(buf) struct buf got = {0};
        char key[32];

        (void)snprintf(key, sizeof(key), "packs/%02x/%d", i % 3, i);
        CHECK_OK(store_put(s, key, buf_slice(&big), PUT_NEW, e));
        CHECK_OK(store_get_all(s, key, &got, e));
        CHECK(slice_is_equal(buf_slice(&big), buf_slice(&got)));
        CHECK(scratch_list(s, "packs/", &done, &(struct err){0}) && done == i + 1);
    }
    CHECK(pthread_join(thread, NULL) == 0);
}

/* A server that lies */

struct liar {
    char command[600];
    struct sftp_options options;
};

static void liar_init(struct liar *l, const char *lie)
{
    CHECK(snprintf(l->command, sizeof(l->command), "/usr/bin/python3 -S -E " SFTP_LIAR " %s", lie) <
          (int)sizeof(l->command));
    l->options = (struct sftp_options){.command = l->command, .timeout_s = 2};
}

/* What an operation on a store of a liar comes to. */
typedef bool attempt_fn(struct store *s, struct err *e);

static enum err_code lied(const char *lie, attempt_fn *fn, struct err *e)
{
    AUTO(store) struct store *s = NULL;
    struct liar l;

    *e = (struct err){0};
    liar_init(&l, lie);
    return sftp_open("x:/r", &l.options, &s, e) && fn(s, e) ? ERR_NONE : e->code;
}

struct lie {
    const char *name;
    enum err_code code;
    const char *words; /* in the sentence */
};

static void check_lies(const struct lie *lies, size_t count, attempt_fn *fn)
{
    for (size_t i = 0; i < count; i++) {
        const int64_t before = clock_monotonic_ns();
        struct err e;
        const enum err_code code = lied(lies[i].name, fn, &e);

        ck_assert_msg(code == lies[i].code, "%s: code %d: %s", lies[i].name, (int)code, e.text);
        ck_assert_msg(code == ERR_NONE || strstr(e.text, lies[i].words) != NULL, "%s: %s",
                      lies[i].name, e.text);
        CHECK(clock_monotonic_ns() - before < 20 * NS_PER_S);
    }
}

#define CHECK_LIES(lies, fn) check_lies((lies), sizeof(lies) / sizeof((lies)[0]), (fn))

static bool do_stat(struct store *s, struct err *e)
{
    struct object_info info = {0};

    return store_stat(s, "config", &info, e);
}

static bool do_list(struct store *s, struct err *e)
{
    int count = 0;

    return scratch_list(s, "", &count, e);
}

static bool do_get(struct store *s, struct err *e)
{
    AUTO(buf) struct buf got = {0};
    const bool ok = store_get_all(s, "config", &got, e);

    CHECK(ok ? strcmp(buf_string(&got), "0123456789") == 0 : got.size == 0);
    return ok;
}

static bool do_put(struct store *s, struct err *e)
{
    return store_put(s, "keys/1", slice_string("abc"), PUT_NEW, e);
}

TEST(an_honest_server_of_the_same_program_is_believed)
{
    static const struct lie none[] = {{"none", ERR_NONE, ""}};

    CHECK_LIES(none, do_stat);
    CHECK_LIES(none, do_list);
    CHECK_LIES(none, do_get);
    CHECK_LIES(none, do_put);
}

TEST(a_server_that_does_not_begin_as_sftp_does_is_refused)
{
    static const struct lie lies[] = {{"banner", ERR_FATAL, "start-up file"},
                                      {"version-2", ERR_FATAL, "version 2"},
                                      {"no-packet", ERR_FATAL, "0 bytes"},
                                      {"long-packet", ERR_FATAL, "1048576 bytes"},
                                      {"half-a-version", ERR_TRANSIENT, "ended"},
                                      {"no-version", ERR_FATAL, "begin"},
                                      {"odd-extensions", ERR_FATAL, "extensions"},
                                      {"silent", ERR_TRANSIENT, "said nothing for 2 seconds"},
                                      {"refused", ERR_DENIED, "Permission denied (publickey)."}};

    CHECK_LIES(lies, do_stat);
}

TEST(an_answer_that_cannot_be_one_is_refused)
{
    static const struct lie lies[] = {{"other-id", ERR_FATAL, "not asked"},
                                      {"other-kind", ERR_FATAL, "of kind 102 instead of 105"},
                                      {"unknown-kind", ERR_FATAL, "kind 77"},
                                      {"half-an-answer", ERR_TRANSIENT, "the line is cut"},
                                      {"cut-attributes", ERR_FATAL, "malformed"},
                                      {"only-a-kind", ERR_FATAL, "no reply"},
                                      {"no-attributes", ERR_FATAL, "directory"},
                                      {"odd-attributes", ERR_FATAL, "malformed"},
                                      {"long-text", ERR_FATAL, "malformed"},
                                      {"mute", ERR_TRANSIENT, "said nothing for 2 seconds"}};

    CHECK_LIES(lies, do_stat);
}

TEST(a_listing_that_cannot_be_one_is_refused)
{
    static const struct lie lies[] = {{"slash-name", ERR_FATAL, "a name that no file can have"},
                                      {"empty-name", ERR_FATAL, "a name that no file can have"},
                                      {"nul-name", ERR_FATAL, "a name that no file can have"},
                                      {"long-name", ERR_FATAL, "a name that no file can have"},
                                      {"count-too-high", ERR_FATAL, "cut off"},
                                      {"no-names", ERR_FATAL, "malformed"},
                                      {"deep", ERR_FATAL, "longer than that of any object"},
                                      {"long-handle", ERR_FATAL, "malformed"}};

    CHECK_LIES(lies, do_list);
}

TEST(bytes_that_cannot_be_an_objects_are_refused)
{
    static const struct lie lies[] = {{"too-much", ERR_FATAL, "asked for"},
                                      {"no-bytes", ERR_FATAL, "0 bytes"},
                                      {"short-file", ERR_CORRUPT, "shorter"},
                                      {"huge-file", ERR_CORRUPT, "longer than any object"}};

    CHECK_LIES(lies, do_get);
}

TEST(a_put_that_the_server_could_not_finish_fails)
{
    static const struct lie lies[] = {{"write-fails", ERR_FATAL, "so it is"},
                                      {"fsync-fails", ERR_FATAL, "fsync"}};

    CHECK_LIES(lies, do_put);
}

TEST(nothing_more_is_written_after_a_failed_fsync)
{
    AUTO(store) struct store *s = NULL;
    struct liar l;

    liar_init(&l, "fsync-fails");
    CHECK_OK(sftp_open("x:/r", &l.options, &s, e));
    CHECK_ERR(do_put(s, e), ERR_FATAL);
    CHECK_ERR(store_put(s, "keys/2", slice_string(""), PUT_NEW, e), ERR_FATAL);
    CHECK_ERR(store_remove(s, "config", e), ERR_FATAL);
    CHECK_OK(do_get(s, e));
}

TEST(a_server_that_cannot_fsync_is_used_and_told_of)
{
    AUTO(scratch) char *dir = scratch_new();
    AUTO(store) struct store *honest = create(dir, &by_pipe);
    AUTO(store) struct store *s = NULL;
    struct liar l;

    liar_init(&l, "no-extensions");
    CHECK_OK(sftp_open("x:/r", &l.options, &s, e));
    CHECK(s->caveat != NULL && honest->caveat == NULL);
    CHECK_OK(do_put(s, e));
    CHECK_OK(store_put(s, "keys/1", slice_string(""), PUT_REPLACE, e));
}

/* Somebody wants to stop */

static void *ask_to_stop(void *arg)
{
    (void)arg;
    (void)usleep(100000);
    cancel_request();
    return NULL;
}

TEST(a_call_to_a_silent_server_ends_soon_after_somebody_asks_to_stop)
{
    AUTO(store) struct store *s = NULL;
    struct liar l;
    pthread_t thread;

    liar_init(&l, "mute");
    l.options.timeout_s = 600;
    CHECK_OK(sftp_open("x:/r", &l.options, &s, e));
    CHECK(pthread_create(&thread, NULL, ask_to_stop, NULL) == 0);
    CHECK_ERR(do_stat(s, e), ERR_CANCELLED);
    CHECK(pthread_join(thread, NULL) == 0);
}

/* Opening and making */

TEST(a_place_that_is_not_there_is_not_found)
{
    AUTO(scratch) char *dir = scratch_new();
    struct store *s = NULL;

    scratch_write(scratch_join(dir, "file").text, "");
    CHECK_ERR(sftp_open(place_of(scratch_join(dir, "x").text).text, &by_pipe, &s, e),
              ERR_NOT_FOUND);
    CHECK_ERR(sftp_open(place_of(scratch_join(dir, "file").text).text, &by_pipe, &s, e), ERR_FATAL);
    CHECK_ERR(sftp_create(place_of(scratch_join(dir, "file").text).text, &by_pipe, &s, e),
              ERR_FATAL);
}

TEST(a_program_that_is_not_there_is_no_missing_repository)
{
    static const struct sftp_options o = {.command = "/nowhere/ssh"};
    struct store *s = NULL;

    CHECK_ERR(sftp_open("host:/srv", &o, &s, e), ERR_FATAL);
}

TEST(a_store_is_made_with_its_parents_and_only_in_an_empty_directory)
{
    AUTO(scratch) char *dir = scratch_new();
    const struct scratch_path path = scratch_join(dir, "a/b/c");
    AUTO(store) struct store *s = create(path.text, &by_pipe);
    struct store *second = NULL;
    struct stat st = {0};

    CHECK(stat(path.text, &st) == 0 && (st.st_mode & 07777) == 0700);
    CHECK_OK(store_put(s, "keys/1", slice_string("1"), PUT_NEW, e));
    CHECK(stat(scratch_join(path.text, "keys/1").text, &st) == 0 && (st.st_mode & 07777) == 0600);
    CHECK_ERR(sftp_create(place_of(path.text).text, &by_pipe, &second, e), ERR_EXISTS);
}

TEST(old_litter_goes_when_the_store_is_opened_and_young_stays)
{
    AUTO(scratch) char *dir = scratch_new();
    AUTO(store) struct store *s = NULL;
    const struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};

    CHECK(mkdir(scratch_join(dir, "tmp").text, 0700) == 0);
    scratch_write(scratch_join(dir, "tmp/old").text, "");
    scratch_write(scratch_join(dir, "tmp/young").text, "");
    CHECK(utimensat(AT_FDCWD, scratch_join(dir, "tmp/old").text, old, 0) == 0);
    CHECK_OK(sftp_open(place_of(dir).text, &by_pipe, &s, e));
    store_close(s); /* which waits for what was asked */
    s = NULL;
    CHECK(access(scratch_join(dir, "tmp/old").text, F_OK) < 0);
    CHECK(access(scratch_join(dir, "tmp/young").text, F_OK) == 0);
}

TEST(a_put_leaves_nothing_in_tmp)
{
    AUTO(scratch) char *dir = scratch_new();
    struct store *s = create(dir, &by_pipe);

    CHECK_OK(store_put(s, "keys/1", slice_string("1"), PUT_NEW, e));
    CHECK_ERR(store_put(s, "keys/1", slice_string("2"), PUT_NEW, e), ERR_EXISTS);
    CHECK_OK(store_put(s, "keys/1", slice_string("3"), PUT_REPLACE, e));
    store_close(s);
    CHECK(rmdir(scratch_join(dir, "tmp").text) == 0);
}

TEST(links_and_foreign_names_are_no_objects)
{
    AUTO(scratch) char *dir = scratch_new();
    AUTO(store) struct store *s = create(dir, &by_pipe);
    struct object_info info = {0};

    scratch_write(scratch_join(dir, "Readme").text, "");
    scratch_write(scratch_join(dir, ".hidden").text, "");
    scratch_write(scratch_join(dir, "config").text, "");
    CHECK(symlink("config", scratch_join(dir, "link").text) == 0);
    CHECK(scratch_count(s) == 1);
    CHECK_ERR(store_stat(s, "link", &info, e), ERR_NOT_FOUND);
}

TESTS("store sftp", a_directory_behind_sftp_is_a_store,
      a_directory_behind_one_connection_is_a_store,
      a_store_with_retries_over_failing_sftp_is_a_store,
      a_call_on_a_dead_connection_may_succeed_later_and_the_next_one_connects_again,
      what_was_put_while_servers_died_is_whole, an_honest_server_of_the_same_program_is_believed,
      a_server_that_does_not_begin_as_sftp_does_is_refused, an_answer_that_cannot_be_one_is_refused,
      a_listing_that_cannot_be_one_is_refused, bytes_that_cannot_be_an_objects_are_refused,
      a_put_that_the_server_could_not_finish_fails, nothing_more_is_written_after_a_failed_fsync,
      a_server_that_cannot_fsync_is_used_and_told_of,
      nothing_stays_open_here_or_at_the_server_after_a_thousand_operations,
      a_call_to_a_silent_server_ends_soon_after_somebody_asks_to_stop,
      a_place_that_is_not_there_is_not_found, a_program_that_is_not_there_is_no_missing_repository,
      a_store_is_made_with_its_parents_and_only_in_an_empty_directory,
      old_litter_goes_when_the_store_is_opened_and_young_stays, a_put_leaves_nothing_in_tmp,
      links_and_foreign_names_are_no_objects)
