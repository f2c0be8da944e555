/* Backups beside restores: what has changed places while they read. */
#include "job/restore_journal.h"

#include "job/config.h"
#include "support/fixture.h"
#include "support/test.h"

#define MOST 6

/* Phases that a restore has been through before a backup, and those while it reads. */
struct course {
    enum restore_phase before[MOST], meanwhile[MOST];
    int before_count, count;
    bool is_mixture;
};

static void follow(struct restore_journal *j, const enum restore_phase *phases, int count)
{
    for (int i = 0; i < count; i++)
        CHECK_OK(restore_journal_enter(j, phases[i], e));
}

static void check_course(const struct course *c, const char *set)
{
    AUTO(scratch) struct scratch s = {0};
    AUTO(restore_still) struct restore_still still = {0};
    AUTO(restore_journal) struct restore_journal j = RESTORE_JOURNAL_NONE;
    const struct hash snapshot = {{1}};
    struct config config = {0};
    struct config_set shop = {0};
    int folder = -1;

    scratch_init(&s);
    config.state = s.path;
    shop.name = (char *)(uintptr_t) "shop";
    CHECK_OK(restore_folder_lock(s.path, &folder, e));
    restore_journal_new(&j, folder, set, &snapshot);
    follow(&j, c->before, c->before_count);
    CHECK_OK(restore_still_begin(&still, &config, &shop, e));
    follow(&j, c->meanwhile, c->count);
    if (c->is_mixture)
        CHECK_ERR(restore_still_check(&still, e), ERR_TRANSIENT);
    else
        CHECK_OK(restore_still_check(&still, e));
}

static const struct course courses[] = {
    {{RESTORE_STAGING}, {RESTORE_SWAPPING, RESTORE_DONE}, 1, 2, true},
    {{RESTORE_STAGING}, {RESTORE_SWAPPING}, 1, 1, true},
    /* It failed, and what was prepared is being removed, or is. */
    {{RESTORE_STAGING}, {RESTORE_SWAPPING, RESTORE_STAGING}, 1, 2, true},
    {{RESTORE_STAGING}, {RESTORE_SWAPPING, RESTORE_STAGING, RESTORE_FAILED}, 1, 3, true},
    {{RESTORE_STAGING}, {RESTORE_SWAPPING, RESTORE_DONE, RESTORE_DISCARDING}, 1, 3, true},
    {{RESTORE_STAGING}, {RESTORE_SWAPPING, RESTORE_DONE, RESTORE_DISCARDED}, 1, 3, true},
    {{RESTORE_STAGING, RESTORE_SWAPPING, RESTORE_DONE},
     {RESTORE_UNDOING, RESTORE_UNDONE, RESTORE_DISCARDED},
     3,
     3,
     true},
    {{RESTORE_STAGING, RESTORE_SWAPPING, RESTORE_DONE}, {RESTORE_DISCARDED}, 3, 1, false},
    {{RESTORE_STAGING, RESTORE_SWAPPING, RESTORE_DONE}, {0}, 3, 0, false},
    {{RESTORE_STAGING}, {RESTORE_FAILED}, 1, 1, false},
};

TEST(what_changed_places_while_a_backup_read_fails_it_whatever_became_of_the_restore)
{
    for (size_t i = 0; i < sizeof(courses) / sizeof(courses[0]); i++)
        check_course(&courses[i], "shop");
}
END

TEST(restores_of_other_sets_are_none_of_its_business)
{
    const struct course c = {{RESTORE_STAGING}, {RESTORE_SWAPPING, RESTORE_DONE}, 1, 2, false};

    check_course(&c, "another");
}
END

TESTS("restore still",
      what_changed_places_while_a_backup_read_fails_it_whatever_became_of_the_restore,
      restores_of_other_sets_are_none_of_its_business)
