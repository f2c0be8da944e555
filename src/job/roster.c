/*
 * The files in STATE/configs are called ID@VERSION.json, "ID" being at most 100 of [A-Za-z0-9._-],
 * and try@JOB.json.
 */
#include "job/roster.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "job/pos_place.h"

#define SUFFIX ".json"

/* What a host cannot do now it may be able to do later, when a disk is mounted. */
#define RETRY_NS (60 * NS_PER_S)

struct roster_view {
    int users; /* guarded by the roster's lock */
    pthread_mutex_t *lock;
    struct catalog_config_stamp stamp;
    struct roster_set *sets;
    size_t count;
    struct config **made; /* of configurations of the API */
    size_t made_count;
    int64_t made_ns; /* by the monotonic clock */
    struct arena arena;
};

struct roster {
    struct catalog *catalog;
    const struct config *config;
    pthread_mutex_t lock;
    struct roster_view *newest; /* guarded by lock */
};

static void view_free(struct roster_view *v)
{
    for (size_t i = 0; i < v->made_count; i++)
        config_free(v->made[i]);
    mem_free(v->made);
    mem_free(v->sets);
    arena_done(&v->arena);
    mem_free(v);
}

void roster_view_drop(struct roster_view *v)
{
    bool is_last;

    if (v == NULL)
        return;
    pthread_mutex_lock(v->lock);
    is_last = --v->users == 0;
    pthread_mutex_unlock(v->lock);
    if (is_last)
        view_free(v);
}

void roster_view_auto(struct roster_view **v)
{
    roster_view_drop(*v);
}

struct roster_view *roster_take(struct roster *r)
{
    struct roster_view *v;

    pthread_mutex_lock(&r->lock);
    v = r->newest;
    v->users++;
    pthread_mutex_unlock(&r->lock);
    return v;
}

size_t roster_count(const struct roster_view *v)
{
    return v->count;
}

const struct roster_set *roster_at(const struct roster_view *v, size_t i)
{
    return &v->sets[i];
}

const struct roster_set *roster_find(const struct roster_view *v, const char *name)
{
    for (size_t i = 0; i < v->count; i++)
        if (strcmp(v->sets[i].name, name) == 0)
            return &v->sets[i];
    return NULL;
}

/* Making a view */

static const char *variant_of(enum pos_type type)
{
    return type == POS_DATABASE ? "database" : type == POS_FILES ? "files" : "full";
}

/* What the configuration becomes here. */
static bool make_set(const struct pos_place *place, const struct catalog_config *c,
                     struct config **out, const char **variant, struct err *e)
{
    AUTO(pos_config) struct pos_config *p = NULL;
    AUTO(buf) struct buf text = {0};

    if (!pos_config_parse(slice_string(c->document), POS_SAVE, &p, e))
        return false;
    *variant = variant_of(p->type);
    return pos_place_document(place, p, &text, e) && config_read(c->id, buf_slice(&text), out, e);
}

static void add_config(const struct pos_place *place, const struct catalog_config *c,
                       struct roster_view *v)
{
    struct roster_set *s = &v->sets[v->count++];
    struct config *made = NULL;

    *s = (struct roster_set){.name = arena_string(&v->arena, slice_string(c->id)),
                             .version = c->version};
    if (!make_set(place, c, &made, &s->variant, &s->why))
        return;
    v->made[v->made_count++] = made;
    s->config = made;
    s->set = &made->sets[0];
}

static void add_file_sets(const struct config *c, struct roster_view *v)
{
    for (size_t i = 0; i < c->set_count; i++)
        v->sets[v->count++] =
            (struct roster_set){.set = &c->sets[i], .config = c, .name = c->sets[i].name};
}

static bool read_catalog(const struct roster *r, struct arena *a,
                         struct catalog_config_stamp *stamp, struct catalog_config_list *list,
                         struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;

    return catalog_begin_read(r->catalog, &t, e) && catalog_config_stamp(t, stamp, e) &&
           (!r->config->serve.has_pos || catalog_config_list(t, a, list, e));
}

static bool view_new(const struct roster *r, struct roster_view **out, struct err *e)
{
    AUTO(arena) struct arena a = {0};
    AUTO(pos_place) struct pos_place *place = NULL;
    struct catalog_config_list list = {0};
    struct catalog_config_stamp stamp;
    struct roster_view *v;

    if (!read_catalog(r, &a, &stamp, &list, e) ||
        (r->config->serve.has_pos && !pos_place_open(r->config, &place, e)))
        return false;
    v = mem_new(sizeof(*v));
    v->users = 1;
    v->lock = (pthread_mutex_t *)(uintptr_t)&r->lock;
    v->stamp = stamp;
    v->made_ns = clock_monotonic_ns();
    v->sets = mem_array(r->config->set_count + list.count, sizeof(*v->sets));
    v->made = mem_array(list.count, sizeof(struct config *));
    add_file_sets(r->config, v);
    for (size_t i = 0; i < list.count; i++)
        if (roster_find(v, list.items[i].id) == NULL) /* holdfast.yaml comes first */
            add_config(place, &list.items[i], v);
    *out = v;
    return true;
}

bool roster_open(struct catalog *catalog, const struct config *config, struct roster **out,
                 struct err *e)
{
    AUTO(roster) struct roster *r = mem_new(sizeof(*r));

    r->catalog = catalog;
    r->config = config;
    pthread_mutex_init(&r->lock, NULL);
    if (!view_new(r, &r->newest, e))
        return false;
    *out = TAKE(r);
    return true;
}

void roster_close(struct roster *r)
{
    if (r == NULL)
        return;
    roster_view_drop(r->newest);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

void roster_auto(struct roster **r)
{
    roster_close(*r);
}

static bool read_stamp(const struct roster *r, struct catalog_config_stamp *out, struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;

    return catalog_begin_read(r->catalog, &t, e) && catalog_config_stamp(t, out, e);
}

/* Nothing was changed, and another look at the place would find nothing else. */
static bool is_fresh(const struct roster *r, const struct roster_view *v,
                     const struct catalog_config_stamp *stamp)
{
    const bool has_failed = v->made_count + r->config->set_count < v->count;

    return stamp->versions == v->stamp.versions && stamp->deleted == v->stamp.deleted &&
           (!has_failed || clock_monotonic_ns() - v->made_ns < RETRY_NS);
}

bool roster_look(struct roster *r, bool *has_changed, struct err *e)
{
    AUTO(roster_view) struct roster_view *present = roster_take(r);
    struct catalog_config_stamp stamp;
    struct roster_view *v = NULL;
    struct roster_view *former;

    *has_changed = false;
    if (!read_stamp(r, &stamp, e))
        return false;
    if (is_fresh(r, present, &stamp))
        return true;
    if (!view_new(r, &v, e))
        return false;
    pthread_mutex_lock(&r->lock);
    former = r->newest;
    r->newest = v;
    pthread_mutex_unlock(&r->lock);
    roster_view_drop(former);
    *has_changed = true;
    return true;
}

/* Files */

static bool open_folder(const struct roster *r, char **path, int *fd, struct err *e)
{
    AUTO(buf) struct buf text = {0};

    buf_printf(&text, "%s/" POS_PLACE_FOLDER, r->config->state);
    if (!dir_make_all(buf_string(&text), 0700, e) || !dir_open(buf_string(&text), fd, e))
        return false;
    *path = mem_string(buf_string(&text));
    return true;
}

/* With what the place has now: passwords change. */
static bool write_document(const struct roster *r, const struct roster_set *s, int folder,
                           const char *name, struct err *e)
{
    AUTO(pos_place) struct pos_place *place = NULL;
    AUTO(pos_config) struct pos_config *c = NULL;
    AUTO(buf) struct buf text = {0};
    bool is_suspect = false;

    return pos_place_open(r->config, &place, e) &&
           pos_config_parse(slice_string(s->set->backup_config), POS_SAVE, &c, e) &&
           pos_place_document(place, c, &text, e) && pos_place_publish(place, folder, e) &&
           file_publish_replace(folder, name, ".new", buf_slice(&text), &is_suspect, e);
}

bool roster_publish(struct roster *r, const struct roster_set *s, char **out, struct err *e)
{
    AUTO(mem) char *folder = NULL;
    AUTO(buf) struct buf name = {0};
    AUTO(buf) struct buf path = {0};
    AUTO(fd) int fd = -1;

    if (s->version == 0) {
        *out = mem_string(r->config->path);
        return true;
    }
    if (s->set == NULL) {
        *e = s->why;
        return err_wrap(e, "backup configuration %s", s->name);
    }
    buf_printf(&name, "%s@%" PRId64 SUFFIX, s->name, s->version);
    if (!open_folder(r, &folder, &fd, e) || !write_document(r, s, fd, buf_string(&name), e))
        return err_wrap(e, "backup configuration %s", s->name);
    buf_printf(&path, "%s/%s", folder, buf_string(&name));
    *out = mem_string(buf_string(&path));
    return true;
}

bool roster_publish_trial(struct roster *r, const char *document, const char *job,
                          struct config **made, char **out, struct err *e)
{
    AUTO(pos_place) struct pos_place *place = NULL;
    AUTO(pos_config) struct pos_config *c = NULL;
    AUTO(config) struct config *read = NULL;
    AUTO(mem) char *folder = NULL;
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf path = {0};
    AUTO(buf) struct buf name = {0};
    AUTO(fd) int fd = -1;
    bool is_suspect = false;

    buf_printf(&name, "try@%s" SUFFIX, job);
    if (!pos_config_parse(slice_string(document), POS_SAVE, &c, e) ||
        !pos_place_open(r->config, &place, e) || !pos_place_document(place, c, &text, e) ||
        !config_read(c->id, buf_slice(&text), &read, e) || !open_folder(r, &folder, &fd, e) ||
        !pos_place_publish(place, fd, e) ||
        !file_publish_replace(fd, buf_string(&name), ".new", buf_slice(&text), &is_suspect, e))
        return false;
    buf_printf(&path, "%s/%s", folder, buf_string(&name));
    *out = mem_string(buf_string(&path));
    *made = TAKE(read);
    return true;
}

/* Is it the file of a configuration as it is now? */
static bool is_present(const struct roster_view *v, const char *name)
{
    for (size_t i = 0; i < v->count; i++) {
        AUTO(buf) struct buf wanted = {0};

        buf_printf(&wanted, "%s@%" PRId64 SUFFIX, v->sets[i].name, v->sets[i].version);
        if (v->sets[i].version > 0 && strcmp(buf_string(&wanted), name) == 0)
            return true;
    }
    return false;
}

static bool is_document(const char *name)
{
    const size_t size = strlen(name);

    return name[0] != '.' && strchr(name, '@') != NULL && size > strlen(SUFFIX) &&
           strcmp(name + size - strlen(SUFFIX), SUFFIX) == 0;
}

bool roster_sweep(struct roster *r, roster_keep_fn *keep, void *arg, struct err *e)
{
    AUTO(roster_view) struct roster_view *v = roster_take(r);
    AUTO(mem) char *folder = NULL;
    AUTO(fd) int fd = -1;
    bool ok = true;

    if (!r->config->serve.has_pos)
        return true;
    if (!open_folder(r, &folder, &fd, e))
        return false;

    const int listed = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    DIR *d = listed < 0 ? NULL : fdopendir(listed);

    if (d == NULL)
        return err_sys(e, "list %s", folder);
    for (const struct dirent *en; ok && (en = readdir(d)) != NULL;) {
        AUTO(buf) struct buf path = {0};

        buf_printf(&path, "%s/%s", folder, en->d_name);
        if (is_document(en->d_name) && !is_present(v, en->d_name) && !keep(arg, buf_string(&path)))
            ok = file_remove(fd, en->d_name, e);
    }
    (void)closedir(d); /* only read */
    return ok;
}
