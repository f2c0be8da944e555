/*
 * holdfast.yaml as a whole: repositories, sets, and what refers to what.
 */
#include "job/config.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "job/config_fields.h"

enum { NAME_MAX_SIZE = 100 };

/* The keys of the whole file. */
struct top {
    char *state, *catalog;
    const struct node *repositories, *sets, *serve;
};

static const struct field top_fields[] = {
    {"state", FIELD_PATH, offsetof(struct top, state)},
    {"catalog", FIELD_TEXT, offsetof(struct top, catalog)},
    {"repositories", FIELD_NODE, offsetof(struct top, repositories), true},
    {"sets", FIELD_NODE, offsetof(struct top, sets)},
    {"serve", FIELD_NODE, offsetof(struct top, serve)},
    {0},
};

/* A repository and what needs more than a row. */
struct repository_reading {
    struct config_repository repository;
    const struct node *options, *retention;
};

#define AT(member) offsetof(struct repository_reading, member)

static const struct field repository_fields[] = {
    {"url", FIELD_TEXT, AT(repository.url), true},
    {"password_file", FIELD_PATH, AT(repository.secret.password_file)},
    {"password_command", FIELD_ARGV, AT(repository.secret.password_command)},
    {"key_file", FIELD_PATH, AT(repository.secret.key_file)},
    {"agent", FIELD_PATH, AT(repository.agent)},
    {"options", FIELD_NODE, AT(options)},
    {"retention", FIELD_NODE, AT(retention)},
    {0},
};

#undef AT
#define AT(member) offsetof(struct config_notify, member)

static const struct field notify_fields[] = {
    {"on_success", FIELD_NOTICES, AT(on_success)},
    {"on_failure", FIELD_NOTICES, AT(on_failure)},
    {0},
};

#undef AT
#define AT(member) offsetof(struct config_restore, member)

static const struct field restore_fields[] = {
    {"stop", FIELD_PROGRAMS, AT(stop)},
    {"start", FIELD_PROGRAMS, AT(start)},
    {"timeout", FIELD_TIMEOUT, AT(timeout_ms)},
    {0},
};

/* A set and those of its keys that need more than a row. */
struct set_reading {
    struct config_set set;
    const struct node *sources, *retention, *schedule, *check, *notify, *restore;
    struct texts repositories;
};

#undef AT
#define AT(member) offsetof(struct set_reading, member)

/* In the order of enum config_on_error. */
static const char *const on_error_words[] = {"fail", "incomplete", NULL};

static const struct field set_fields[] = {
    {"sources", FIELD_NODE, AT(sources), true},
    {"repositories", FIELD_TEXTS, AT(repositories), true},
    {"required_repositories", FIELD_NUMBER, AT(set.required_repositories)},
    {"retention", FIELD_NODE, AT(retention)},
    {"on_error", FIELD_CHOICE, AT(set.on_error), false, on_error_words},
    {"compression", FIELD_TEXT, AT(set.compression)},
    {"schedule", FIELD_NODE, AT(schedule)},
    {"drill", FIELD_TEXT, AT(set.drill)},
    {"check", FIELD_NODE, AT(check)},
    {"notify", FIELD_NODE, AT(notify)},
    {"tags", FIELD_TEXTS, AT(set.tags)},
    {"hosts", FIELD_TEXTS, AT(set.hosts)},
    {"backup_config", FIELD_TEXT, AT(set.backup_config)},
    {"health_checks", FIELD_PROGRAMS, AT(set.health_checks)},
    {"restore", FIELD_NODE, AT(restore)},
    {0},
};

void config_free(struct config *c)
{
    struct arena arena;

    if (c == NULL)
        return;
    arena = c->arena;
    document_free(c->document);
    mem_free(c);
    arena_done(&arena);
}

void config_auto(struct config **c)
{
    config_free(*c);
}

bool secret_check(const struct config_reader *r, const struct node *n,
                  const struct config_secret *s, bool is_required, struct err *e)
{
    const int ways = (s->password_file != NULL) + (s->password_command.count > 0) +
                     (s->key_file != NULL) + (s->passfile != NULL);

    if (ways > 1)
        return CONFIG_FAIL(r, n->key_line, e,
                           "%s names more than one file or command for its "
                           "secret",
                           n->key);
    if (ways == 0 && is_required)
        return CONFIG_FAIL(r, n->key_line, e,
                           "repository %s needs password_file, password_command or key_file",
                           n->key);
    return true;
}

/* Names of repositories and sets stand in command lines, tags and paths. */
bool config_name_check(const struct config_reader *r, const struct node *n, struct err *e)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    const size_t size = strlen(n->key);

    if (size == 0 || size > NAME_MAX_SIZE || strspn(n->key, letters) != size || n->key[0] == '-' ||
        n->key[0] == '.')
        return CONFIG_FAIL(r, n->key_line, e,
                           "\"%.100s\" cannot be a name: it takes letters, digits, \".\", \"_\" "
                           "and \"-\", at most %d",
                           n->key, NAME_MAX_SIZE);
    return true;
}

static bool read_repository(const struct config_reader *r, const struct node *n,
                            struct config_repository *out, struct err *e)
{
    struct repository_reading g = {0};
    struct config_repository *one = &g.repository;

    if (!config_name_check(r, n, e) ||
        !fields_read(r, n, "a repository", repository_fields, &g, e) ||
        !config_store_read(r, g.options, &one->options, e))
        return false;
    if (!repository_check(one->url, e))
        return config_place(r, node_find(n, "url")->line, "url", e);
    if (!secret_check(r, n, &one->secret, true, e) ||
        !retention_read(r, g.retention, &one->retention, &one->limits, e))
        return false;
    one->name = arena_string(r->arena, slice_string(n->key));
    *out = *one;
    return true;
}

static bool read_repositories(const struct config_reader *r, const struct node *n, struct err *e)
{
    struct config *c = r->config;

    if (!config_expect(r, n, NODE_MAPPING, e))
        return false;
    if (n->count == 0)
        return CONFIG_FAIL(r, n->line, e, "repositories is empty");
    c->repositories = arena_take(r->arena, n->count * sizeof(*c->repositories));
    for (const struct node *m = n->first; m != NULL; m = m->next)
        if (!read_repository(r, m, &c->repositories[c->repository_count++], e))
            return false;
    return true;
}

/* Append a guess at what was meant. */
static void suggest(const char *word, const char *const *names, size_t count, struct buf *out)
{
    const char *near = nearest_name(word, names, count);

    if (near != NULL)
        buf_printf(out, ", did you mean \"%s\"?", near);
}

static bool find_repository(const struct config_reader *r, const struct node *n,
                            const struct config_repository **out, struct err *e)
{
    const struct config *c = r->config;
    AUTO(mem) const char **names = mem_array(c->repository_count, sizeof(*names));
    AUTO(buf) struct buf guess = {0};

    for (size_t i = 0; i < c->repository_count; i++) {
        names[i] = c->repositories[i].name;
        if (strcmp(names[i], n->text) == 0) {
            *out = &c->repositories[i];
            return true;
        }
    }
    suggest(n->text, names, c->repository_count, &guess);
    return CONFIG_FAIL(r, n->line, e, "there is no repository \"%.100s\"%s", n->text,
                       buf_string(&guess));
}

/* list: the texts that fields_read() has accepted. */
static bool resolve_repositories(const struct config_reader *r, const struct node *list,
                                 struct config_set *out, struct err *e)
{
    if (list->count == 0)
        return CONFIG_FAIL(r, list->line, e, "repositories is empty");
    out->repositories = arena_take(r->arena, list->count * sizeof(*out->repositories));
    for (const struct node *n = list->first; n != NULL; n = n->next) {
        const struct config_repository *one = NULL;

        if (!find_repository(r, n, &one, e))
            return false;
        for (size_t i = 0; i < out->repository_count; i++)
            if (out->repositories[i] == one)
                return CONFIG_FAIL(r, n->line, e, "repository %s is there twice", one->name);
        out->repositories[out->repository_count++] = one;
    }
    return true;
}

/* All of them unless the set says so. */
static bool read_required(const struct config_reader *r, const struct node *set,
                          struct config_set *out, struct err *e)
{
    const struct node *n = node_find(set, "required_repositories");

    if (n == NULL)
        out->required_repositories = (int)out->repository_count;
    else if (out->required_repositories < 1 ||
             (size_t)out->required_repositories > out->repository_count)
        return CONFIG_FAIL(
            r, n->line, e,
            "required_repositories must be from 1 to %zu, the number of repositories "
            "of the set",
            out->repository_count);
    return true;
}

static bool check_notices(const struct config_reader *r, const struct node *list, struct err *e)
{
    for (const struct node *n = list == NULL ? NULL : list->first; n != NULL; n = n->next)
        if (!notice_check(n->text, e))
            return config_place(r, n->line, list->key, e);
    return true;
}

static bool read_notify(const struct config_reader *r, const struct node *n,
                        struct config_notify *out, struct err *e)
{
    return n == NULL || (fields_read(r, n, "notify", notify_fields, out, e) &&
                         check_notices(r, node_find(n, "on_success"), e) &&
                         check_notices(r, node_find(n, "on_failure"), e));
}

static bool read_restore(const struct config_reader *r, const struct node *n,
                         struct config_restore *out, struct err *e)
{
    struct config_restore one = {.timeout_ms = COMMAND_TIMEOUT_MS};

    if (n == NULL)
        return true;
    if (!fields_read(r, n, "restore", restore_fields, &one, e))
        return false;
    if (one.stop.count + one.start.count == 0)
        return CONFIG_FAIL(r, n->key_line, e, "restore names no program to stop or start");
    *out = one;
    return true;
}

static bool read_compression(const struct config_reader *r, const struct node *set,
                             struct config_set *out, struct err *e)
{
    return out->compression == NULL || level_parse(out->compression, &out->level, e) ||
           config_place(r, node_find(set, "compression")->line, "compression", e);
}

static bool read_set(const struct config_reader *r, const struct node *n, struct config_set *out,
                     struct err *e)
{
    struct set_reading g = {0};

    if (!config_name_check(r, n, e) || !fields_read(r, n, "a set", set_fields, &g, e) ||
        !sources_read(r, g.sources, &g.set, e) ||
        !resolve_repositories(r, node_find(n, "repositories"), &g.set, e) ||
        !read_required(r, n, &g.set, e) || !read_compression(r, n, &g.set, e) ||
        !retention_read(r, g.retention, &g.set.retention, &g.set.limits, e) ||
        !schedule_read(r, g.schedule, &g.set.schedule, e) ||
        !check_read(r, g.check, &g.set.check, e) || !read_notify(r, g.notify, &g.set.notify, e) ||
        !read_restore(r, g.restore, &g.set.restore, e) ||
        !drill_time_check(r, node_find(n, "drill"), e) || !tags_check(r, node_find(n, "tags"), e) ||
        !backup_config_check(r, n, e))
        return false;
    *out = g.set;
    out->name = arena_string(r->arena, slice_string(n->key));
    return true;
}

static bool read_sets(const struct config_reader *r, const struct node *n, struct err *e)
{
    struct config *c = r->config;

    if (n == NULL)
        return true;
    if (!config_expect(r, n, NODE_MAPPING, e))
        return false;
    c->sets = arena_take(r->arena, n->count * sizeof(*c->sets));
    for (const struct node *m = n->first; m != NULL; m = m->next)
        if (!read_set(r, m, &c->sets[c->set_count++], e))
            return false;
    return true;
}

static bool check_catalog(const struct config_reader *r, const struct node *root,
                          const char *catalog, struct err *e)
{
    const struct node *n = node_find(root, "catalog");
    AUTO(mem) char *database = NULL;

    if (catalog == NULL || strcmp(catalog, "sqlite") == 0)
        return true;
    if (strncmp(catalog, "postgresql://", 13) != 0 && strncmp(catalog, "postgres://", 11) != 0)
        return CONFIG_FAIL(r, n->line, e, "catalog must be sqlite or postgresql://...");
    return dsn_check(catalog, &database, e) || config_place(r, n->line, "catalog", e);
}

static bool read_top(const struct config_reader *r, const struct node *root, struct err *e)
{
    struct top top = {0};
    struct config *c = r->config;

    if (root->kind != NODE_MAPPING)
        return CONFIG_FAIL(r, root->line, e, "a configuration is a mapping, not %s",
                           node_kind_name(root->kind));
    if (!fields_read(r, root, "a configuration", top_fields, &top, e) ||
        !check_catalog(r, root, top.catalog, e) || !read_repositories(r, top.repositories, e) ||
        !read_sets(r, top.sets, e) || !config_serve_read(r, top.serve, &c->serve, e))
        return false;
    c->state = top.state;
    c->catalog = top.catalog;
    if (c->state == NULL)
        c->state = arena_string(r->arena, slice_string(CONFIG_STATE));
    if (c->catalog == NULL)
        c->catalog = arena_string(r->arena, slice_string("sqlite"));
    sources_settle(r);
    return true;
}

/* The file names programs that run with the caller's rights. */
static bool check_owner(int fd, struct err *e)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return err_sys(e, "look at it");
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_USAGE, "it is no regular file");
    if (st.st_uid != 0 && st.st_uid != geteuid())
        return err_set(e, ERR_USAGE, "it belongs to user %u, but has to belong to you or root",
                       (unsigned)st.st_uid);
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return err_set(e, ERR_USAGE, "it can be changed by others than its owner (mode %04o)",
                       (unsigned)st.st_mode & 07777);
    return true;
}

static bool read_file(const char *path, struct buf *out, struct err *e)
{
    /* Without blocking: a FIFO in its place is refused, not waited for. */
    AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t got = 0;

    if (fd < 0)
        return err_sys(e, "open");
    if (!check_owner(fd, e))
        return false;
    buf_extend(out, DOCUMENT_SIZE_MAX + 1);
    if (!fd_read(fd, out->data, out->size, &got, e))
        return false;
    out->size = got;
    return got <= DOCUMENT_SIZE_MAX ||
           err_set(e, ERR_USAGE, "it is longer than %zu bytes", DOCUMENT_SIZE_MAX);
}

bool config_read(const char *name, struct slice text, struct config **out, struct err *e)
{
    AUTO(config) struct config *c = mem_new(sizeof(*c));
    AUTO(document) struct document *d = NULL;
    const struct config_reader r = {name, &c->arena, c};
    struct err why = {0};

    if (!document_read(text, &d, &why))
        return err_set(e, ERR_USAGE, "%s:%s", name, why.text);
    if (!read_top(&r, document_root(d), e))
        return false;
    c->document = TAKE(d);
    c->path = arena_string(&c->arena, slice_string(name));
    *out = TAKE(c);
    return true;
}

bool config_load(const char *path, struct config **out, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    struct err why = {0};

    if (!read_file(path, &text, &why))
        return err_set(e, ERR_USAGE, "configuration %s: %s", path, why.text);
    return config_read(path, buf_slice(&text), out, e);
}

bool config_find_set(const struct config *c, const char *name, const struct config_set **out,
                     struct err *e)
{
    AUTO(mem) const char **names = mem_array(c->set_count, sizeof(*names));
    AUTO(buf) struct buf guess = {0};

    for (size_t i = 0; i < c->set_count; i++) {
        names[i] = c->sets[i].name;
        if (strcmp(names[i], name) == 0) {
            *out = &c->sets[i];
            return true;
        }
    }
    suggest(name, names, c->set_count, &guess);
    return err_set(e, ERR_USAGE, "%s has no set \"%.100s\"%s", c->path, name, buf_string(&guess));
}

bool config_set_is_here(const struct config_set *set, const char *host)
{
    for (size_t i = 0; i < set->hosts.count; i++)
        if (strcmp(set->hosts.items[i], host) == 0)
            return true;
    return set->hosts.count == 0;
}

static json_t *set_show(const struct config_set *s)
{
    const struct set_reading g = {.set = *s};
    json_t *o = json_object();
    json_t *list = json_array();
    json_t *notify = fields_show(notify_fields, &s->notify);

    for (size_t i = 0; i < s->source_count; i++)
        json_array_append_new(list, source_show(&s->sources[i]));
    config_show(o, "sources", list);
    list = json_array();
    for (size_t i = 0; i < s->repository_count; i++)
        json_array_append_new(list, json_string(s->repositories[i]->name));
    config_show(o, "repositories", list);
    if (!retention_is_empty(&s->retention))
        config_show(o, "retention", retention_show(&s->retention, &s->limits));
    if (s->schedule.cron != NULL)
        config_show(o, "schedule", schedule_show(&s->schedule));
    if (s->check.cron != NULL)
        config_show(o, "check", check_show(&s->check));

    json_t *rest = fields_show(set_fields, &g);

    (void)json_object_update(o, rest); /* cannot fail */
    json_decref(rest);
    if (json_object_size(notify) > 0)
        config_show(o, "notify", json_incref(notify));
    json_decref(notify);
    if (s->restore.timeout_ms != 0)
        config_show(o, "restore", fields_show(restore_fields, &s->restore));
    return o;
}

static bool is_used(const struct config_set *only, const struct config_repository *one)
{
    for (size_t i = 0; only != NULL && i < only->repository_count; i++)
        if (only->repositories[i] == one)
            return true;
    return only == NULL;
}

static json_t *repository_show(const struct config_repository *one)
{
    const struct repository_reading g = {.repository = *one};
    json_t *o = fields_show(repository_fields, &g);

    if (one->options.count > 0)
        config_show(o, "options", config_store_show(&one->options));
    if (!retention_is_empty(&one->retention))
        config_show(o, "retention", retention_show(&one->retention, &one->limits));
    return o;
}

json_t *config_json(const struct config *c, const struct config_set *only)
{
    json_t *o = json_object();
    json_t *repositories = json_object();
    json_t *sets = json_object();

    config_show(o, "state", json_string(c->state));
    config_show(o, "catalog", json_string(c->catalog));
    for (size_t i = 0; i < c->repository_count; i++)
        if (is_used(only, &c->repositories[i]))
            config_show(repositories, c->repositories[i].name,
                        repository_show(&c->repositories[i]));
    config_show(o, "repositories", repositories);
    for (size_t i = 0; i < c->set_count; i++)
        if (only == NULL || only == &c->sets[i])
            config_show(sets, c->sets[i].name, set_show(&c->sets[i]));
    config_show(o, "sets", sets);
    if (only == NULL)
        config_show(o, "serve", config_serve_show(&c->serve));
    return o;
}
