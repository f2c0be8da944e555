/* The application on every way back: which of its programs are run, and what the journal says
 * after. */
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "job/config_world.h"
#include "job/restore_app.h"
#include "job/restore_source.h"
#include "support/test.h"

enum way { UNDO, DISCARD, NEXT_RESTORE };

/* A set whose programs write their names into the file "log"; bad: the one that fails then. */
struct app {
    struct scratch dir;
    struct config *config;
    const struct config_set *set;
};

static void app_init(struct app *a, const char *bad)
{
    AUTO(buf) struct buf text = {0};

    *a = (struct app){0};
    scratch_init(&a->dir);
    buf_printf(&text, SET "    restore:\n");
    for (int i = 0; i < 2; i++) {
        const char *word = i == 0 ? "stop" : "start";

        buf_printf(&text, "      %s: [[sh, -c, 'echo %s >>%s/log'], [\"%s\"]]\n", word, word,
                   a->dir.path, strcmp(word, bad) == 0 ? "false" : "true");
    }
    a->config = load(buf_string(&text));
    a->config->state = a->dir.path;
    a->set = &a->config->sets[0];
}

static void app_auto(struct app *a)
{
    config_free(a->config);
    scratch_done(&a->dir);
}

static void put_journal(const struct app *a, enum restore_phase phase, bool is_stopped)
{
    AUTO(restore_journal) struct restore_journal j = RESTORE_JOURNAL_NONE;
    const struct hash snapshot = {{1}};
    int folder = -1;

    CHECK_OK(restore_folder_lock(a->dir.path, &folder, e));
    restore_journal_new(&j, folder, "shop", &snapshot);
    restore_journal_set_stopped(&j, is_stopped);
    CHECK_OK(restore_journal_enter(&j, phase, e));
}

static bool go(const struct app *a, enum way way, struct err *e)
{
    const struct restore_undo_options o = {.config = a->config, .discard = way == DISCARD};
    AUTO(fd) int folder = -1;
    char id[RESTORE_ID_MAX];
    enum restore_phase phase;

    if (way != NEXT_RESTORE)
        return restore_undo(&o, id, &phase, e);
    return restore_folder_lock(a->dir.path, &folder, e) && restore_settle(&o, folder, a->set, e);
}

/* "stop start " since the last look. */
static void check_log(const struct app *a, const char *wanted)
{
    const char *log = path_in(a->dir.path, "log");
    AUTO(buf) struct buf got = {0};

    if (access(log, F_OK) == 0) {
        file_take(log, &got);
        CHECK(unlink(log) == 0);
    }
    for (size_t i = 0; i < got.size; i++)
        if (got.data[i] == '\n')
            got.data[i] = ' ';
    ck_assert_str_eq(buf_string(&got), wanted);
}

struct found {
    enum restore_phase phase;
    bool is_stopped;
    char why[500];
};

static bool find(void *arg, const struct restore_record *r, struct err *e)
{
    struct found *f = arg;

    (void)e;
    f->phase = r->phase;
    f->is_stopped = r->is_stopped;
    (void)snprintf(f->why, sizeof(f->why), "%s", r->why == NULL ? "" : r->why);
    return true;
}

static void check_phase(const struct app *a, enum restore_phase phase, const char *why)
{
    struct found f = {0};

    CHECK_OK(restore_record_each(a->dir.path, find, &f, e));
    ck_assert_str_eq(restore_phase_text(f.phase), restore_phase_text(phase));
    CHECK(!f.is_stopped);
    ck_assert_msg(strstr(f.why, why) != NULL, "\"%s\" instead of \"%s\"", f.why, why);
}

static const struct {
    enum restore_phase phase;
    bool is_stopped;
    enum way way;
    const char *log;
    enum restore_phase after;
} rows[] = {
    {RESTORE_STAGING, false, UNDO, "", RESTORE_FAILED},
    {RESTORE_STAGING, true, UNDO, "stop start ", RESTORE_FAILED},
    {RESTORE_STAGING, true, NEXT_RESTORE, "stop start ", RESTORE_FAILED},
    {RESTORE_SWAPPING, true, UNDO, "stop start ", RESTORE_FAILED},
    {RESTORE_SWAPPING, false, NEXT_RESTORE, "stop start ", RESTORE_FAILED},
    {RESTORE_UNDOING, true, UNDO, "stop start ", RESTORE_UNDONE},
    {RESTORE_UNDOING, true, NEXT_RESTORE, "stop start ", RESTORE_UNDONE},
    {RESTORE_DONE, false, UNDO, "stop start ", RESTORE_UNDONE},
    {RESTORE_DONE, true, UNDO, "stop start ", RESTORE_UNDONE},
    {RESTORE_DONE, false, NEXT_RESTORE, "", RESTORE_DONE},
    {RESTORE_DONE, true, NEXT_RESTORE, "start ", RESTORE_DONE},
    {RESTORE_DONE, false, DISCARD, "", RESTORE_DISCARDED},
    {RESTORE_DONE, true, DISCARD, "start ", RESTORE_DISCARDED},
    {RESTORE_UNDONE, false, DISCARD, "", RESTORE_DISCARDED},
    {RESTORE_DISCARDING, false, NEXT_RESTORE, "", RESTORE_DISCARDED},
};

TEST(whoever_finds_a_journal_stops_and_starts_what_its_process_may_have_left_stopped)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(app) struct app a;

        app_init(&a, "");
        put_journal(&a, rows[i].phase, rows[i].is_stopped);
        CHECK_OK(go(&a, rows[i].way, e));
        check_log(&a, rows[i].log);
        check_phase(&a, rows[i].after, "");
        CHECK_OK(go(&a, NEXT_RESTORE, e));
        check_log(&a, "");
    }
}
END

TEST(a_start_that_fails_on_the_way_back_is_told_once_and_in_the_way_of_no_further_restore)
{
    static const enum restore_phase phases[] = {RESTORE_STAGING, RESTORE_SWAPPING, RESTORE_UNDOING,
                                                RESTORE_DONE};

    for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
        AUTO(app) struct app a;
        struct err failure = {0};

        app_init(&a, "start");
        put_journal(&a, phases[i], true);
        CHECK(!go(&a, NEXT_RESTORE, &failure));
        ck_assert_int_eq(failure.code, ERR_FATAL);
        ck_assert_msg(strstr(failure.text, "in place, but start 2 of 2: ") != NULL, "%s",
                      failure.text);
        check_log(&a, phases[i] == RESTORE_DONE ? "start " : "stop start ");
        check_phase(&a,
                    phases[i] == RESTORE_UNDOING ? RESTORE_UNDONE
                    : phases[i] == RESTORE_DONE  ? RESTORE_DONE
                                                 : RESTORE_FAILED,
                    "start 2 of 2: ");
        CHECK_OK(go(&a, NEXT_RESTORE, e));
        check_log(&a, "");
    }
}
END

TEST(an_undo_whose_stop_fails_changes_nothing_and_starts_the_application_again)
{
    AUTO(app) struct app a;
    struct err failure = {0};

    app_init(&a, "stop");
    put_journal(&a, RESTORE_DONE, false);
    CHECK(!go(&a, UNDO, &failure));
    ck_assert_msg(strstr(failure.text, "stop 2 of 2: ") != NULL &&
                      strstr(failure.text, "nothing was changed, and start has run") != NULL,
                  "%s", failure.text);
    check_log(&a, "stop start ");
    check_phase(&a, RESTORE_DONE, "");
}
END

TEST(a_way_back_whose_stop_fails_goes_all_the_way_and_says_so)
{
    AUTO(app) struct app a;
    struct err failure = {0};

    app_init(&a, "stop");
    put_journal(&a, RESTORE_SWAPPING, true);
    CHECK(!go(&a, UNDO, &failure));
    ck_assert_msg(strstr(failure.text, "the state before is in place, but stop 2 of 2: ") != NULL,
                  "%s", failure.text);
    check_log(&a, "stop start ");
    check_phase(&a, RESTORE_FAILED, "stop 2 of 2: ");
}
END

TEST(a_journal_of_before_says_nothing_of_an_application_and_nothing_is_run)
{
    AUTO(app) struct app a;
    AUTO(buf) struct buf path = {0};

    app_init(&a, "");
    buf_printf(&path, "%s/restores", a.dir.path);
    CHECK_OK(dir_make_all(buf_string(&path), 0700, e));
    buf_printf(&path, "/0123456789abcdef.json");
    file_put_text(buf_string(&path),
                  "{\"format\": 1, \"id\": \"0123456789abcdef\", \"set\": \"shop\", \"phase\": "
                  "\"done\", \"snapshot\": \"01\", \"safety\": null, \"started\": "
                  "\"2026-11-21T02:00:00Z\", \"changed\": \"2026-11-21T02:00:00Z\", \"why\": null, "
                  "\"sources\": []}");
    CHECK(chmod(buf_string(&path), 0600) == 0);
    CHECK_OK(go(&a, NEXT_RESTORE, e));
    check_log(&a, "");
}
END

TEST(the_first_program_that_fails_ends_a_stop_but_not_that_of_a_way_back)
{
    AUTO(app) struct app a;
    AUTO(config) struct config *slow = NULL;
    struct restore_set_options o = {0};
    struct err failure = {0};

    app_init(&a, "");
    slow = load(SET "    restore: {stop: [[sleep, 60], [\"false\"]], timeout: 200ms}\n");
    o.set = &slow->sets[0];
    CHECK(restore_app_is_switched(o.set));
    for (int is_way_back = 0; is_way_back <= 1; is_way_back++) {
        CHECK(!restore_app_stop(&o, is_way_back == 1, &failure));
        ck_assert_int_eq(failure.code, ERR_FATAL);
        ck_assert_msg(strstr(failure.text, "stop 1 of 2: ") != NULL &&
                          strstr(failure.text, "did not end within 0.2 s") != NULL,
                      "%s", failure.text);
    }
    CHECK_OK(restore_app_start(&o, false, e));
    o.set = a.set;
    CHECK_OK(restore_app_stop(&o, false, e));
    check_log(&a, "stop ");
}
END

TESTS("restore app",
      whoever_finds_a_journal_stops_and_starts_what_its_process_may_have_left_stopped,
      a_start_that_fails_on_the_way_back_is_told_once_and_in_the_way_of_no_further_restore,
      an_undo_whose_stop_fails_changes_nothing_and_starts_the_application_again,
      a_way_back_whose_stop_fails_goes_all_the_way_and_says_so,
      a_journal_of_before_says_nothing_of_an_application_and_nothing_is_run,
      the_first_program_that_fails_ends_a_stop_but_not_that_of_a_way_back)
