/*
 * Sources of sets: one table of keys for each kind, and what the keys of a source must be together.
 */
#include <string.h>

#include "base/mem.h"
#include "job/config_fields.h"

enum {
    JOBS_MAX = 64, /* connections; more would be an attack on the server */
    TIMEOUT_MS = 60000,
    BUNDLES_KEPT = 30,
    BUNDLES_WAITING = 10000,
};
#define BUNDLES_SIZE ((uint64_t)1 << 30)
#define OUTPUT_MAX   ((uint64_t)64 << 20)

#define AT(member)   offsetof(struct config_source, member)

static const struct field files_fields[] = {
    {"name", FIELD_TEXT, AT(name)},
    {"paths", FIELD_PATHS, AT(files.paths), true},
    {"exclude", FIELD_TEXTS, AT(files.exclude)},
    {"exclude_file", FIELD_PATHS, AT(files.exclude_files)},
    {"exclude_if_present", FIELD_TEXTS, AT(files.exclude_if_present)},
    {"exclude_caches", FIELD_FLAG, AT(files.exclude_caches)},
    {"one_file_system", FIELD_FLAG, AT(files.one_file_system)},
    {0},
};

static const struct field postgres_fields[] = {
    {"name", FIELD_TEXT, AT(name)},
    {"dsn", FIELD_TEXT, AT(postgres.dsn), true},
    {"password_file", FIELD_PATH, AT(postgres.secret.password_file)},
    {"password_command", FIELD_ARGV, AT(postgres.secret.password_command)},
    {"passfile", FIELD_PATH, AT(postgres.secret.passfile)},
    {"schemas", FIELD_TEXTS, AT(postgres.schemas)},
    {"exclude_schemas", FIELD_TEXTS, AT(postgres.exclude_schemas)},
    {"tables", FIELD_TEXTS, AT(postgres.tables)},
    {"exclude_tables", FIELD_TEXTS, AT(postgres.exclude_tables)},
    {"exclude_table_data", FIELD_TEXTS, AT(postgres.exclude_table_data)},
    {"globals", FIELD_FLAG, AT(postgres.globals)},
    {"role_passwords", FIELD_FLAG, AT(postgres.role_passwords)},
    {"jobs", FIELD_NUMBER, AT(postgres.jobs)},
    {"reuse_unchanged_tables", FIELD_DURATION, AT(postgres.reuse_unchanged_tables)},
    {0},
};

static const struct field sqlite_fields[] = {
    {"name", FIELD_TEXT, AT(name)},
    {"path", FIELD_PATH, AT(sqlite.path), true},
    {0},
};

static const struct field command_fields[] = {
    {"name", FIELD_TEXT, AT(name), true},
    {"argv", FIELD_ARGV, AT(command.argv), true},
    {"environment", FIELD_TEXTS, AT(command.environment)},
    {"timeout", FIELD_TIMEOUT, AT(command.timeout_ms)},
    {"max_output", FIELD_SIZE, AT(command.max_output)},
    {"check", FIELD_ARGV, AT(command.check)},
    {"apply", FIELD_ARGV, AT(command.apply)},
    {0},
};

/* In the order of enum spool_names, and of the meanings of struct config_bundle. */
static const char *const name_words[] = {"exact", "counted", NULL};
static const char *const time_words[] = {"utc", "local", NULL};
static const char *const form_words[] = {"any", "required", NULL};

static const struct field bundle_fields[] = {
    {"keep", FIELD_NUMBER, AT(bundle.keep)},
    {"names", FIELD_CHOICE, AT(bundle.names), false, name_words},
    {"time", FIELD_CHOICE, AT(bundle.time), false, time_words},
    {"form", FIELD_CHOICE, AT(bundle.form), false, form_words},
    {"export", FIELD_PATH, AT(bundle.export_to)},
    {"max_size", FIELD_SIZE, AT(bundle.max_size)},
    {"max_count", FIELD_NUMBER, AT(bundle.max_count)},
    {0},
};

/* A source being read. */
struct reading {
    const struct config_reader *r;
    const struct node *n; /* its mapping */
    struct config_source *source;
};

typedef bool check_fn(const struct reading *g, struct err *e);

static bool is_inside(const char *path, const char *directory)
{
    const size_t size = strcmp(directory, "/") == 0 ? 0 : strlen(directory);

    return strncmp(path, directory, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

static bool check_paths(const struct reading *g, const struct texts *paths, struct err *e)
{
    const struct node *n = node_find(g->n, "paths")->first;

    for (size_t i = 0; i < paths->count; i++, n = n->next)
        for (size_t j = 0; j < paths->count; j++)
            if (i != j && is_inside(paths->items[i], paths->items[j]))
                return CONFIG_FAIL(g->r, n->line, e,
                                   "path %.200s lies in %.200s, which is there "
                                   "too",
                                   paths->items[i], paths->items[j]);
    return true;
}

static bool check_files(const struct reading *g, struct err *e)
{
    struct config_files *f = &g->source->files;
    const struct node *patterns = node_find(g->n, "exclude");
    AUTO(exclude) struct exclude *x = exclude_new();

    if (f->paths.count == 0)
        return CONFIG_FAIL(g->r, g->n->line, e, "paths is empty");
    if (!check_paths(g, &f->paths, e))
        return false;
    for (const struct node *n = patterns == NULL ? NULL : patterns->first; n != NULL; n = n->next)
        if (!exclude_add(x, n->text, e))
            return config_place(g->r, n->line, "exclude", e);
    if (g->source->name == NULL)
        g->source->name = arena_string(g->r->arena, slice_string("files"));
    f->options = (struct files_options){
        .paths = (const char *const *)f->paths.items,
        .path_count = f->paths.count,
        .exclude_if_present = (const char *const *)f->exclude_if_present.items,
        .exclude_if_present_count = f->exclude_if_present.count,
        .exclude_caches = f->exclude_caches,
        .one_file_system = f->one_file_system,
    };
    return true;
}

static bool check_postgres(const struct reading *g, struct err *e)
{
    struct config_postgres *p = &g->source->postgres;
    const struct node *dsn = node_find(g->n, "dsn");
    AUTO(mem) char *database = NULL;

    if (!dsn_check(p->dsn, &database, e))
        return config_place(g->r, dsn->line, "dsn", e);
    if (g->source->name == NULL && database == NULL)
        return CONFIG_FAIL(g->r, dsn->line, e,
                           "the source needs a name, because its dsn has no dbname");
    if (database != NULL)
        p->database = arena_string(g->r->arena, slice_string(database));
    if (g->source->name == NULL)
        g->source->name = p->database;
    if (p->jobs > JOBS_MAX)
        return CONFIG_FAIL(g->r, node_find(g->n, "jobs")->line, e, "jobs is above %d", JOBS_MAX);
    if (p->role_passwords && !p->globals)
        return CONFIG_FAIL(g->r, node_find(g->n, "role_passwords")->line, e,
                           "role_passwords needs globals, which holds the roles");
    return secret_check(g->r, g->n, &p->secret, false, e);
}

static bool check_sqlite(const struct reading *g, struct err *e)
{
    const char *path = g->source->sqlite.path;

    (void)e; /* the name is checked for all kinds alike */
    if (g->source->name == NULL)
        g->source->name = arena_string(g->r->arena, slice_string(strrchr(path, '/') + 1));
    return true;
}

static bool is_variable(const char *name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

    return (name[0] < '0' || name[0] > '9') && name[strspn(name, letters)] == '\0';
}

static bool check_command(const struct reading *g, struct err *e)
{
    const struct node *names = node_find(g->n, "environment");

    for (const struct node *n = names == NULL ? NULL : names->first; n != NULL; n = n->next)
        if (!is_variable(n->text))
            return CONFIG_FAIL(g->r, n->line, e,
                               "environment takes names of variables, and this is none");
    return true;
}

static bool check_bundle(const struct reading *g, struct err *e)
{
    const struct config_bundle *b = &g->source->bundle;

    if (b->keep < 1)
        return CONFIG_FAIL(g->r, node_find(g->n, "keep")->line, e, "keep must be at least 1");
    if (b->max_count < 1)
        return CONFIG_FAIL(g->r, node_find(g->n, "max_count")->line, e,
                           "max_count must be at least 1");
    g->source->name = arena_string(g->r->arena, slice_string(BUNDLE_MEMBER));
    return true;
}

/* In the order of enum config_source_kind. */
static const struct {
    const char *name;
    const char *what;
    const struct field *fields;
    check_fn *check;
} kinds[] = {
    {"files", "a source of kind files", files_fields, check_files},
    {"postgres", "a source of kind postgres", postgres_fields, check_postgres},
    {"sqlite", "a source of kind sqlite", sqlite_fields, check_sqlite},
    {"command", "a source of kind command", command_fields, check_command},
    {"bundle", "a source of kind bundle", bundle_fields, check_bundle},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

const char *config_kind_name(enum config_source_kind kind)
{
    return kinds[kind].name;
}

static bool find_kind(const struct config_reader *r, const struct node *n,
                      enum config_source_kind *out, struct err *e)
{
    const char *names[KINDS];

    for (size_t i = 0; i < KINDS; i++) {
        names[i] = kinds[i].name;
        if (strcmp(names[i], n->key) == 0) {
            *out = (enum config_source_kind)i;
            return true;
        }
    }
    return config_unknown(r, n, names, KINDS, e);
}

static struct config_source source_defaults(enum config_source_kind kind)
{
    struct config_source s = {.kind = kind};

    if (kind == SOURCE_POSTGRES)
        s.postgres.globals = true;
    if (kind == SOURCE_COMMAND)
        s.command = (struct config_command){.timeout_ms = TIMEOUT_MS, .max_output = OUTPUT_MAX};
    if (kind == SOURCE_BUNDLE)
        s.bundle = (struct config_bundle){
            .keep = BUNDLES_KEPT, .max_size = BUNDLES_SIZE, .max_count = BUNDLES_WAITING};
    return s;
}

/* The name has to be one in a snapshot, and the only one there. */
static bool check_name(const struct reading *g, const struct config_set *set, struct err *e)
{
    const struct config_source *s = g->source;
    const struct node *name = node_find(g->n, "name");
    const size_t line = name == NULL ? g->n->key_line : name->line;

    if (!member_check_name(s->name, e))
        return config_place(g->r, line, "name", e);
    for (size_t i = 0; i < KINDS && s->kind == SOURCE_FILES; i++)
        if (i != SOURCE_FILES &&
            (strcmp(kinds[i].name, s->name) == 0 || strcmp(PARTS_KIND, s->name) == 0))
            return CONFIG_FAIL(
                g->r, line, e,
                "a file tree cannot be called \"%s\", which is where those sources go", s->name);
    for (size_t i = 0; i < set->source_count && s->kind == SOURCE_BUNDLE; i++)
        if (set->sources[i].kind == SOURCE_BUNDLE)
            return CONFIG_FAIL(g->r, line, e, "a set has one source of kind bundle");
    for (size_t i = 0; i < set->source_count; i++)
        if (set->sources[i].kind == s->kind && strcmp(set->sources[i].name, s->name) == 0)
            return CONFIG_FAIL(g->r, line, e,
                               "a source of kind %s is called \"%s\" already; give one of them "
                               "another name",
                               kinds[s->kind].name, s->name);
    return true;
}

static bool read_source(const struct config_reader *r, const struct node *n, struct config_set *set,
                        struct err *e)
{
    enum config_source_kind kind = SOURCE_FILES;

    if (n->kind != NODE_MAPPING || n->count == 0)
        return CONFIG_FAIL(r, n->line, e,
                           "a source is a mapping with its kind as key, as in sqlite: {path: "
                           "/srv/app.db}, not %s",
                           n->count == 0 ? "an empty one" : node_kind_name(n->kind));
    if (!find_kind(r, n->first, &kind, e))
        return false;
    if (n->count > 1)
        return CONFIG_FAIL(r, n->first->next->key_line, e,
                           "\"%.60s\" stands beside %s; what belongs to the source is indented "
                           "further, and each source begins with a dash",
                           n->first->next->key, kinds[kind].name);

    struct config_source s = source_defaults(kind);
    const struct reading g = {r, n->first, &s};

    if (!fields_read(r, g.n, kinds[kind].what, kinds[kind].fields, &s, e) ||
        !kinds[kind].check(&g, e) || !check_name(&g, set, e))
        return false;
    set->sources[set->source_count++] = s;
    return true;
}

bool sources_read(const struct config_reader *r, const struct node *list, struct config_set *out,
                  struct err *e)
{
    if (!config_expect(r, list, NODE_SEQUENCE, e))
        return false;
    if (list->count == 0)
        return CONFIG_FAIL(r, list->line, e, "sources is empty");
    out->sources = arena_take(r->arena, list->count * sizeof(*out->sources));
    for (const struct node *n = list->first; n != NULL; n = n->next)
        if (!read_source(r, n, out, e))
            return false;
    return true;
}

const struct config_bundle *config_set_bundle(const struct config_set *set)
{
    for (size_t i = 0; i < set->source_count; i++)
        if (set->sources[i].kind == SOURCE_BUNDLE)
            return &set->sources[i].bundle;
    return NULL;
}

void sources_settle(const struct config_reader *r)
{
    const struct config *c = r->config;

    for (size_t i = 0; i < c->set_count; i++)
        for (size_t n = 0; n < c->sets[i].source_count; n++) {
            struct config_source *s = &c->sets[i].sources[n];
            AUTO(buf) struct buf path = {0};

            if (s->kind != SOURCE_BUNDLE)
                continue;
            buf_printf(&path, "%s/spool/%s", c->state, c->sets[i].name);
            s->bundle.spool = arena_string(r->arena, slice_string(buf_string(&path)));
        }
}

json_t *source_show(const struct config_source *s)
{
    json_t *o = json_object();

    config_show(o, kinds[s->kind].name, fields_show(kinds[s->kind].fields, s));
    return o;
}

bool config_excludes(const struct config_files *f, struct exclude *out, struct err *e)
{
    for (size_t i = 0; i < f->exclude.count; i++)
        if (!exclude_add(out, f->exclude.items[i], e))
            return err_wrap(e, "exclude");
    for (size_t i = 0; i < f->exclude_files.count; i++)
        if (!exclude_add_file(out, f->exclude_files.items[i], e))
            return err_wrap(e, "exclude_file");
    return true;
}
