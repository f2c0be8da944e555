/* Configurations of the API as sets of a host: what is there, what jobs get of it, and when. */
#include "job/roster.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "catalog_world.h"
#include "codec/json.h"
#include "job/pos_first.h"
#include "job/pos_place.h"
#include "job/timetable.h"

#define MONDAY INT64_C(1767571200) /* 2026-01-05 00:00 UTC */
#define HOUR   INT64_C(3600)

/* A world with folders in the place of its state, with the section of the API. */
static void place_init(struct world *w)
{
    AUTO(buf) struct buf text = {0};
    const char *dir;

    world_init(w, "");
    config_free(w->config);
    dir = w->folder.path;
    buf_printf(
        &text,
        "state: %s\n"
        "repositories:\n  main: {url: /srv/main, key_file: /etc/main.key}\n"
        "sets:\n  shop: {repositories: [main], sources: [{files: {paths: [/srv/shop]}}]}\n"
        "serve: {compat: {pos: {key_file: /etc/pos.key, upload_dir: %s, roots: [%s/disk]}}}\n",
        dir, dir, dir);
    CHECK_OK(config_read("test", buf_slice(&text), &w->config, e));
    buf_clear(&text);
    buf_printf(&text, "%s/disk", dir);
    CHECK(mkdir(buf_string(&text), 0700) == 0);
    setenv("TZ", "UTC", 1);
}

static void save(const struct world *w, const char *id, const char *type, const char *schedule)
{
    AUTO(buf) struct buf text = {0};
    struct catalog_tx *t = NULL;
    int64_t version = 0;

    buf_printf(&text,
               "{\"id\":\"%s\",\"name\":\"n\",\"type\":\"%s\",\"schedule\":\"%s\",\"enabled\":true,"
               "\"retention\":{\"daily\":7,\"weekly\":4,\"monthly\":6},\"destinations\":[{\"type\":"
               "\"local\",\"config\":{\"path\":\"%s/disk/%s\"}}]}",
               id, type, schedule, w->folder.path, id);
    CHECK_OK(catalog_begin(w->catalog, &t, e));
    CHECK_OK(catalog_config_put(
        t,
        &(struct catalog_config){
            .id = id, .name = "n", .document = buf_string(&text), .is_enabled = true},
        CATALOG_VERSION_ANY, "test", &version, e));
    CHECK_OK(catalog_commit(&t, e));
}

static void drop(const struct world *w, const char *id)
{
    struct catalog_tx *t = NULL;

    CHECK_OK(catalog_begin(w->catalog, &t, e));
    CHECK_OK(catalog_config_delete(t, id, CATALOG_VERSION_ANY, e));
    CHECK_OK(catalog_commit(&t, e));
}

static struct roster *roster_of(const struct world *w)
{
    struct roster *r = NULL;

    CHECK_OK(roster_open(w->catalog, w->config, &r, e));
    return r;
}

static bool look(struct roster *r)
{
    bool has_changed = false;

    CHECK_OK(roster_look(r, &has_changed, e));
    return has_changed;
}

TEST(what_is_saved_changed_and_deleted_is_seen_at_the_next_look)
{
    AUTO(world) struct world w;

    place_init(&w);

    AUTO(roster) struct roster *r = roster_of(&w);
    AUTO(roster_view) struct roster_view *before = roster_take(r);

    CHECK(!look(r));
    save(&w, "files", "files", "0 2 * * *");
    CHECK(look(r) && !look(r));

    AUTO(roster_view) struct roster_view *first = roster_take(r);
    const struct roster_set *s = roster_find(first, "files");

    CHECK(s != NULL && s->set != NULL && s->version == 1);
    ck_assert_str_eq(s->variant, "files");
    ck_assert_str_eq(s->set->schedule.cron, "0 2 * * *");
    CHECK(roster_find(first, "shop")->version == 0);

    save(&w, "files", "files", "0 3 * * *");
    CHECK(look(r));
    drop(&w, "files");
    CHECK(look(r));
    save(&w, "files", "files", "0 4 * * *");
    CHECK(look(r));

    AUTO(roster_view) struct roster_view *last = roster_take(r);

    ck_assert_str_eq(roster_find(last, "files")->set->schedule.cron, "0 4 * * *");
    /* Who has a view keeps it. */
    ck_assert_str_eq(s->set->schedule.cron, "0 2 * * *");
    CHECK(roster_find(before, "files") == NULL && roster_count(before) == 1);
}
END

TEST(what_cannot_become_a_set_here_says_why_and_does_not_run)
{
    AUTO(world) struct world w;
    char *path = NULL;

    place_init(&w);
    save(&w, "base", "database", "0 2 * * *");

    AUTO(roster) struct roster *r = roster_of(&w);
    AUTO(roster_view) struct roster_view *v = roster_take(r);
    const struct roster_set *s = roster_find(v, "base");
    struct err why = {0};

    CHECK(s != NULL && s->set == NULL);
    CHECK(!roster_publish(r, s, &path, &why) && why.code == ERR_USAGE);
    CHECK(strstr(why.text, "DATABASE_URL") != NULL);
}
END

/* Write it where the configuration says that it is. */
static void put_database_url(struct world *w, const char *text)
{
    static char path[PATH_MAX]; /* the configuration keeps it */
    AUTO(fd) int fd = -1;

    CHECK(snprintf(path, sizeof(path), "%s/database.url", w->folder.path) < PATH_MAX);
    w->config->serve.pos.database_url_file = path;
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

TEST(a_database_url_that_cannot_be_used_refuses_the_sets_that_need_it_and_no_other)
{
    static const char *const bad[] = {"", "mysql://x", "postgresql://u:hush%word@h/d"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        AUTO(world) struct world w;
        AUTO(mem) char *files_path = NULL;
        char *none = NULL;
        struct err why = {0};

        place_init(&w);
        put_database_url(&w, bad[i]);
        save(&w, "base", "database", "0 2 * * *");
        save(&w, "files", "files", "0 2 * * *");

        AUTO(roster) struct roster *r = roster_of(&w);
        AUTO(roster_view) struct roster_view *v = roster_take(r);
        const struct roster_set *base = roster_find(v, "base");
        const struct roster_set *files = roster_find(v, "files");

        CHECK(files->set != NULL && base->set == NULL);
        CHECK_OK(roster_publish(r, files, &files_path, e));
        CHECK(!roster_publish(r, base, &none, &why) && why.code == ERR_USAGE);
        ck_assert_msg(strstr(why.text, "database_url_file") != NULL, "%s", why.text);
        CHECK(strstr(why.text, "hush") == NULL); /* no part of it is shown */
        put_database_url(&w, "postgresql://u:pass%40word@h/d");

        AUTO(roster) struct roster *again = roster_of(&w);
        AUTO(roster_view) struct roster_view *mended = roster_take(again);

        CHECK(roster_find(mended, "base")->set != NULL);
    }
}
END

TEST(a_name_of_the_file_is_not_taken_by_the_catalog)
{
    AUTO(world) struct world w;

    place_init(&w);
    save(&w, "shop", "files", "0 2 * * *");

    AUTO(roster) struct roster *r = roster_of(&w);
    AUTO(roster_view) struct roster_view *v = roster_take(r);

    CHECK(roster_count(v) == 1 && roster_find(v, "shop")->version == 0);
}
END

static bool keep_none(void *arg, const char *path)
{
    (void)arg;
    (void)path;
    return false;
}

static bool keep_all(void *arg, const char *path)
{
    size_t *asked = arg;

    CHECK(access(path, F_OK) == 0);
    ++*asked;
    return true;
}

TEST(a_job_gets_a_file_that_it_alone_reads_and_that_goes_when_nobody_needs_it)
{
    AUTO(world) struct world w;

    place_init(&w);
    save(&w, "files", "files", "0 2 * * *");

    AUTO(roster) struct roster *r = roster_of(&w);
    AUTO(roster_view) struct roster_view *v = roster_take(r);
    AUTO(mem) char *path = NULL;
    AUTO(config) struct config *c = NULL;
    const struct config_set *set = NULL;
    struct stat st;
    size_t asked = 0;

    CHECK_OK(roster_publish(r, roster_find(v, "files"), &path, e));
    CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600);
    CHECK_OK(config_load(path, &c, e));
    CHECK_OK(config_find_set(c, "files", &set, e));
    ck_assert_str_eq(c->state, w.folder.path);
    CHECK_OK(roster_sweep(r, keep_none, NULL, e));
    CHECK(access(path, F_OK) == 0);
    save(&w, "files", "files", "0 3 * * *");
    CHECK(look(r));
    CHECK_OK(roster_sweep(r, keep_all, &asked, e));
    CHECK(asked == 1 && access(path, F_OK) == 0);
    CHECK_OK(roster_sweep(r, keep_none, NULL, e));
    CHECK(access(path, F_OK) != 0);
}
END

static size_t queued(const struct world *w, struct arena *a, struct catalog_job_list *out)
{
    AUTO(catalog_tx) struct catalog_tx *t = world_read(w);

    *out = (struct catalog_job_list){0};
    CHECK_OK(catalog_job_list(t, a, out, e));
    return out->count;
}

static void look_at(const struct world *w, struct roster *r, int64_t now_s)
{
    const struct timetable_options o = {w->catalog, w->config, w->templates, "here", r};
    AUTO(timetable) struct timetable *t = NULL;
    int64_t wake_s = 0;

    CHECK_OK(timetable_open(&o, &t, e));
    CHECK_OK(timetable_look(t, now_s, &wake_s, e));
}

TEST(a_saved_schedule_runs_and_one_that_was_changed_makes_up_for_nothing)
{
    AUTO(world) struct world w;

    place_init(&w);
    save(&w, "files", "files", "0 2 * * *");

    AUTO(arena) struct arena a = {0};
    AUTO(roster) struct roster *r = roster_of(&w);
    struct catalog_job_list jobs;

    look_at(&w, r, MONDAY);
    look_at(&w, r, MONDAY + 2 * HOUR);
    ck_assert_uint_eq(queued(&w, &a, &jobs), 1);
    ck_assert_str_eq(jobs.items[0].set, "files");
    ck_assert_str_eq(jobs.items[0].config, "files");
    save(&w, "files", "files", "0 5 * * *"); /* that was before noon */
    CHECK(look(r));
    look_at(&w, r, MONDAY + 12 * HOUR);
    look_at(&w, r, MONDAY + 26 * HOUR); /* the former time */
    ck_assert_uint_eq(queued(&w, &a, &jobs), 1);
    look_at(&w, r, MONDAY + 29 * HOUR);
    ck_assert_uint_eq(queued(&w, &a, &jobs), 2);
}
END

TEST(a_timetable_that_is_behind_queues_nothing_of_what_was_deleted_or_changed)
{
    AUTO(world) struct world w;

    place_init(&w);
    save(&w, "files", "files", "0 2 * * *");
    save(&w, "other", "files", "0 2 * * *");

    AUTO(arena) struct arena a = {0};
    AUTO(roster) struct roster *r = roster_of(&w);
    const struct timetable_options o = {w.catalog, w.config, w.templates, "here", r};
    AUTO(timetable) struct timetable *t = NULL;
    struct catalog_job_list jobs;
    struct catalog_schedule known;
    int64_t wake_s = 0;

    CHECK_OK(timetable_open(&o, &t, e));
    CHECK_OK(timetable_look(t, MONDAY, &wake_s, e));
    drop(&w, "files");
    save(&w, "other", "files", "0 9 * * *");
    CHECK_OK(timetable_look(t, MONDAY + 2 * HOUR, &wake_s, e));
    ck_assert_uint_eq(queued(&w, &a, &jobs), 0);

    AUTO(catalog_tx) struct catalog_tx *tx = world_read(&w);

    CHECK_OK(catalog_schedule_get(tx, "files", &a, &known, e));
    CHECK(known.next_ns == 0 && known.details == NULL);
}
END

TEST(a_repository_is_made_the_first_time_and_never_where_one_was)
{
    AUTO(world) struct world w;

    place_init(&w);
    save(&w, "files", "files", "0 2 * * *");

    AUTO(roster) struct roster *r = roster_of(&w);
    AUTO(roster_view) struct roster_view *v = roster_take(r);
    const struct roster_set *s = roster_find(v, "files");
    AUTO(json) json_t *first = json_object();
    AUTO(json) json_t *then = json_object();
    AUTO(json) json_t *gone = json_object();
    AUTO(buf) struct buf config = {0};
    struct catalog_tx *t = NULL;
    int fd;

    CHECK_OK(pos_first_allow(w.catalog, w.config, "here", s, first, e));
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(first, "create"), 0)),
                     s->set->repositories[0]->name);
    buf_printf(&config, "%s/config", s->set->repositories[0]->url);
    fd = open(buf_string(&config), O_CREAT | O_WRONLY, 0600);
    CHECK(fd >= 0 && close(fd) == 0);
    CHECK_OK(catalog_begin(w.catalog, &t, e));
    CHECK_OK(pos_first_note(t, "here", s, false, e));
    CHECK_OK(catalog_commit(&t, e));
    CHECK_OK(pos_first_allow(w.catalog, w.config, "here", s, then, e));
    CHECK(json_object_get(then, "create") == NULL);
    CHECK(unlink(buf_string(&config)) == 0);
    CHECK_ERR(pos_first_allow(w.catalog, w.config, "here", s, gone, e), ERR_USAGE);
    /* Folders of another host are others. */
    CHECK_OK(pos_first_allow(w.catalog, w.config, "there", s, gone, e));
}
END

static void write_table(const char *path, const char *mount)
{
    FILE *f = fopen(path, "w");

    CHECK(f != NULL);
    CHECK(fprintf(f, "# a comment\nproc /proc proc defaults 0 0\n/dev/x %s ext4 noauto 0 2\n",
                  mount) > 0);
    CHECK(fclose(f) == 0);
}

TEST(nothing_is_made_outside_of_the_roots_or_where_a_mount_is_missing)
{
    AUTO(world) struct world w;

    place_init(&w);

    AUTO(pos_place) struct pos_place *p = NULL;
    AUTO(buf) struct buf path = {0};
    AUTO(buf) struct buf odd = {0};
    AUTO(buf) struct buf table = {0};
    AUTO(buf) struct buf mount = {0};

    CHECK_OK(pos_place_open(w.config, &p, e));
    buf_printf(&mount, "%s/disk", w.folder.path);
    buf_printf(&path, "%s/disk/a", w.folder.path);
    buf_printf(&table, "%s/fstab", w.folder.path);
    buf_printf(&odd, "%s//disk/./a", w.folder.path);

    const char *const paths[] = {buf_string(&path), buf_string(&odd)};

    for (size_t i = 0; i < 2; i++) {
        (void)unlink(buf_string(&table));
        CHECK_OK(pos_place_may_make(p, paths[i], buf_string(&table), e)); /* there is none */
        write_table(buf_string(&table), "/elsewhere");
        CHECK_OK(pos_place_may_make(p, paths[i], buf_string(&table), e));
        write_table(buf_string(&table), buf_string(&mount));
        CHECK_ERR(pos_place_may_make(p, paths[i], buf_string(&table), e), ERR_USAGE);
    }
    CHECK_ERR(pos_place_may_make(p, "/srv/a", "/nowhere", e), ERR_USAGE);
    CHECK(rmdir(buf_string(&mount)) == 0);
    CHECK_ERR(pos_place_may_make(p, buf_string(&path), "/nowhere", e), ERR_USAGE);
}
END

TEST(a_host_without_the_section_has_no_configurations)
{
    AUTO(world) struct world w;

    world_init(&w, "");
    save(&w, "files", "files", "0 2 * * *");

    AUTO(roster) struct roster *r = roster_of(&w);
    AUTO(roster_view) struct roster_view *v = roster_take(r);
    struct pos_place *p = NULL;

    CHECK(roster_find(v, "files") == NULL);
    CHECK_ERR(pos_place_open(w.config, &p, e), ERR_USAGE);
}
END

TESTS("roster", what_is_saved_changed_and_deleted_is_seen_at_the_next_look,
      what_cannot_become_a_set_here_says_why_and_does_not_run,
      a_database_url_that_cannot_be_used_refuses_the_sets_that_need_it_and_no_other,
      a_name_of_the_file_is_not_taken_by_the_catalog,
      a_job_gets_a_file_that_it_alone_reads_and_that_goes_when_nobody_needs_it,
      a_saved_schedule_runs_and_one_that_was_changed_makes_up_for_nothing,
      a_timetable_that_is_behind_queues_nothing_of_what_was_deleted_or_changed,
      a_repository_is_made_the_first_time_and_never_where_one_was,
      nothing_is_made_outside_of_the_roots_or_where_a_mount_is_missing,
      a_host_without_the_section_has_no_configurations)
