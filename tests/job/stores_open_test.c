/* Repositories of a set that are opened side by side, some of which answer late or never. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "support/fixture.h"

struct location {
    struct config_repository config;
    char url[128], key[128];
};

static void place_make(struct location *p, const char *directory, const char *name,
                       const struct repo *like, struct repo **out)
{
    uint8_t key[32];
    AUTO(store) struct store *s = NULL;
    const struct unlock with = {UNLOCK_KEY_FILE, SLICE_OF(key, sizeof(key))};

    (void)snprintf(p->url, sizeof(p->url), "%s/%s", directory, name);
    (void)snprintf(p->key, sizeof(p->key), "%s/%s.key", directory, name);
    p->config =
        (struct config_repository){.name = name, .url = p->url, .secret = {.key_file = p->key}};
    CHECK_OK(key_file_make(p->key, key, e));
    CHECK_OK(store_create(p->url, &(struct store_options){0}, &s, e));
    CHECK_OK(repo_create_like(s, like, &with, "", out, e));
}

static bool open_location(void *arg, const struct config_repository *c, struct store **store,
                          struct repo **repo, struct err *e)
{
    uint8_t key[32];
    AUTO(store) struct store *s = NULL;
    const struct unlock with = {UNLOCK_KEY_FILE, SLICE_OF(key, sizeof(key))};

    (void)arg;
    if (!key_file_read(c->secret.key_file, key, e) ||
        !store_open(c->url, &(struct store_options){0}, &s, e) || !repo_open(s, &with, repo, e))
        return err_wrap(e, "repository %s", c->name);
    *store = TAKE(s);
    return true;
}

TEST(stores_whose_secrets_differ_are_refused_and_what_cannot_be_opened_is_said)
{
    AUTO(scratch) struct scratch dir = {0};
    AUTO(repo) struct repo *a = NULL;
    AUTO(repo) struct repo *b = NULL;
    AUTO(repo) struct repo *c = NULL;
    AUTO(set_stores) struct set_stores *good = NULL;
    AUTO(set_stores) struct set_stores *one = NULL;
    AUTO(set_stores) struct set_stores *none = NULL;
    struct location places[3];
    const struct config_repository *list[3];
    struct config_set set = {.name = "shop", .repositories = list};

    scratch_init(&dir);
    place_make(&places[0], dir.path, "a", NULL, &a);
    place_make(&places[1], dir.path, "b", a, &b);
    place_make(&places[2], dir.path, "c", NULL, &c);
    list[0] = &places[0].config;
    list[1] = &places[1].config;
    list[2] = &places[2].config;
    set.repository_count = 2;
    CHECK_OK(set_stores_open(&set, open_location, NULL, &good, e));
    CHECK(good->items[0].repo != NULL && good->items[1].repo != NULL);
    set.repository_count = 3;
    CHECK_ERR(set_stores_open(&set, open_location, NULL, &none, e), ERR_USAGE);
    set.repository_count = 2;
    CHECK(unlink(places[0].key) == 0);
    CHECK_OK(set_stores_open(&set, open_location, NULL, &one, e));
    CHECK(one->items[0].repo == NULL && strstr(one->items[0].why.text, "repository a") != NULL);
    CHECK(unlink(places[1].key) == 0);
    CHECK_ERR(set_stores_open(&set, open_location, NULL, &none, e), ERR_NOT_FOUND);
}
END

enum { PLACES = 3 };

/* A set of one small tree, and three repositories; opening one of them takes until it is let go. */
struct yard {
    struct scratch dir;
    struct location places[PLACES];
    const struct config_repository *list[PLACES];
    struct config_set config;
    const char *path;
    struct files_options files;
    struct set_files tree;
    struct set set;
    struct report report;
    struct backup_result backup;
    struct stores_result result;
    size_t slow; /* which */
    bool is_away;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool may_go; /* under the lock */
};

static void let_go(void *arg, const char *action, const char *path, uint64_t size)
{
    struct yard *y = arg;

    (void)action, (void)path, (void)size;
    pthread_mutex_lock(&y->lock);
    y->may_go = true;
    pthread_cond_signal(&y->changed);
    pthread_mutex_unlock(&y->lock);
}

static bool open_in_yard(void *arg, const struct config_repository *c, struct store **store,
                         struct repo **repo, struct err *e)
{
    struct yard *y = arg;

    if (c != y->list[y->slow])
        return open_location(NULL, c, store, repo, e);
    pthread_mutex_lock(&y->lock);
    while (!y->may_go)
        pthread_cond_wait(&y->changed, &y->lock);
    pthread_mutex_unlock(&y->lock);
    return y->is_away ? err_set(e, ERR_AWAY, "%s does not answer", c->name)
                      : open_location(NULL, c, store, repo, e);
}

/* The repository alien, if there is one, shares nothing with the others. */
static void yard_init(struct yard *y, size_t slow, size_t alien)
{
    static const char *const names[PLACES] = {"main", "remote", "vault"};
    AUTO(repo) struct repo *first = NULL;

    *y = (struct yard){.slow = slow,
                       .lock = PTHREAD_MUTEX_INITIALIZER,
                       .changed = PTHREAD_COND_INITIALIZER,
                       .report = {.arg = y, .item = let_go}};
    scratch_init(&y->dir);
    for (size_t i = 0; i < PLACES; i++) {
        AUTO(repo) struct repo *r = NULL;

        place_make(&y->places[i], y->dir.path, names[i], i == alien ? NULL : first,
                   first == NULL ? &first : &r);
        y->list[i] = &y->places[i].config;
    }
    y->config = (struct config_set){.name = "shop",
                                    .repositories = y->list,
                                    .repository_count = PLACES,
                                    .required_repositories = 1};
    y->path = path_in(y->dir.path, "tree");
    CHECK(mkdir(y->path, 0755) == 0);
    file_put(path_in(y->path, "file"), 1, 3000);
    y->files = (struct files_options){.paths = &y->path, .path_count = 1};
    y->tree = (struct set_files){"files", &y->files};
    y->set = (struct set){.name = "shop", .files = &y->tree, .files_count = 1};
}

static void yard_auto(struct yard *y)
{
    scratch_done(&y->dir);
    stores_result_done(&y->result);
}

static struct copy_options copy_to(void *arg, const char *to)
{
    (void)arg, (void)to;
    return (struct copy_options){0};
}

/* The slow repository is let go when the first file has been read, not before. */
static void back_up(struct yard *y)
{
    AUTO(set_stores) struct set_stores *s = NULL;
    const struct backup_options o = {.set = &y->set, .stream_fd = -1, .host = "h"};
    const struct stores_report report = {.backup = &y->report, .copy = copy_to};

    CHECK_OK(set_stores_open(&y->config, open_in_yard, y, &s, e));
    CHECK(!set_stores_is_settled(s, y->slow) && s->items[y->slow].repo == NULL);
    CHECK_OK(stores_backup(s, &o, &report, &y->backup, &y->result, e));
    CHECK(y->may_go && set_stores_is_settled(s, y->slow));
}

TEST(a_backup_begins_while_a_store_does_not_answer_and_copies_to_it_when_it_does)
{
    for (size_t slow = 0; slow < PLACES; slow += 2) {
        AUTO(yard) struct yard y;

        yard_init(&y, slow, PLACES);
        back_up(&y);
        CHECK(y.result.first == (slow == 0 ? 1 : 0));
        CHECK(y.result.holders == PLACES && !y.result.is_degraded);
    }
}
END

TEST(a_store_that_never_answers_makes_the_run_degraded_and_is_named)
{
    AUTO(yard) struct yard y;

    yard_init(&y, 1, PLACES);
    y.is_away = true;
    back_up(&y);
    CHECK(y.result.holders == PLACES - 1 && y.result.is_degraded);
    for (size_t i = 0; i < PLACES; i++)
        CHECK(y.result.stores[i].has_failed == (i == 1) && y.result.stores[i].has_it == (i != 1));
    CHECK(y.result.stores[1].why.code == ERR_AWAY);
    ck_assert_str_eq(y.result.stores[1].why.text, "remote does not answer");
}
END

TEST(a_store_that_answers_late_and_is_another_repository_gets_nothing)
{
    AUTO(yard) struct yard y;

    yard_init(&y, 2, 2);
    back_up(&y);
    CHECK(y.result.holders == 2 && y.result.is_degraded && y.result.stores[2].has_failed);
    CHECK(strstr(y.result.stores[2].why.text,
                 "repositories main and vault of set shop do not share chunker") != NULL);
}
END

TEST(a_store_that_answers_late_takes_the_backup_when_no_other_does)
{
    AUTO(yard) struct yard y;
    AUTO(set_stores) struct set_stores *s = NULL;
    const struct backup_options o = {.set = &y.set, .stream_fd = -1, .host = "h"};
    const struct stores_report report = {.backup = &y.report, .copy = copy_to};

    yard_init(&y, 1, PLACES);
    CHECK_OK(set_stores_open(&y.config, open_in_yard, &y, &s, e));
    set_store_close(&s->items[0]);
    set_store_close(&s->items[2]);
    let_go(&y, NULL, NULL, 0);
    CHECK_OK(stores_backup(s, &o, &report, &y.backup, &y.result, e));
    CHECK(y.result.first == 1 && y.result.holders == 1);
}
END

TEST(whoever_needs_all_stores_waits_for_them_and_hears_that_they_differ)
{
    AUTO(yard) struct yard y;
    AUTO(set_stores) struct set_stores *s = NULL;

    yard_init(&y, 1, 1);
    CHECK_OK(set_stores_open(&y.config, open_in_yard, &y, &s, e));
    let_go(&y, NULL, NULL, 0);
    CHECK_ERR(set_stores_wait(s, e), ERR_USAGE);
}
END

TESTS("stores open", stores_whose_secrets_differ_are_refused_and_what_cannot_be_opened_is_said,
      a_backup_begins_while_a_store_does_not_answer_and_copies_to_it_when_it_does,
      a_store_that_never_answers_makes_the_run_degraded_and_is_named,
      a_store_that_answers_late_and_is_another_repository_gets_nothing,
      a_store_that_answers_late_takes_the_backup_when_no_other_does,
      whoever_needs_all_stores_waits_for_them_and_hears_that_they_differ)
