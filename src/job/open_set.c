#include "job/open_set.h"

#include "base/mem.h"
#include "base/password.h"
#include "job/spool.h"

void open_set_free(struct open_set *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->set.files_count; i++)
        exclude_free(s->excludes[i]);
    for (size_t i = 0; i < s->set.member_count; i++)
        member_free(s->members[i]);
    mem_free(s->files);
    mem_free(s->options);
    mem_free(s->excludes);
    mem_free(s->members);
    mem_free(s);
}

void open_set_auto(struct open_set **s)
{
    open_set_free(*s);
}

static bool add_files(struct open_set *s, const struct config_source *c, struct err *e)
{
    const size_t n = s->set.files_count;
    AUTO(exclude) struct exclude *x = exclude_new();

    if (!config_excludes(&c->files, x, e))
        return false;
    s->options[n] = c->files.options;
    s->options[n].exclude = x;
    s->files[n] = (struct set_files){c->name, &s->options[n]};
    s->excludes[n] = TAKE(x);
    s->set.files_count++;
    return true;
}

static struct postgres_texts texts_of(const struct texts *t)
{
    return (struct postgres_texts){(const char *const *)t->items, t->count};
}

bool config_secret_read(const struct config_secret *c, char **out, struct err *e)
{
    if (c->password_file != NULL)
        return password_from_file(c->password_file, out, e);
    return c->password_command.count == 0 ||
           password_from_command(c->password_command.items, out, e);
}

static bool new_postgres(const struct config_source *c, struct member **out, struct err *e)
{
    const struct config_postgres *p = &c->postgres;
    AUTO(mem_secret) char *password = NULL;

    if (!config_secret_read(&p->secret, &password, e))
        return false;

    const struct postgres_options o = {
        .name = c->name,
        .dsn = p->dsn,
        .password = password,
        .passfile = p->secret.passfile,
        .selection = {[POSTGRES_SCHEMAS] = texts_of(&p->schemas),
                      [POSTGRES_EXCLUDE_SCHEMAS] = texts_of(&p->exclude_schemas),
                      [POSTGRES_TABLES] = texts_of(&p->tables),
                      [POSTGRES_EXCLUDE_TABLES] = texts_of(&p->exclude_tables),
                      [POSTGRES_EXCLUDE_TABLE_DATA] = texts_of(&p->exclude_table_data)},
        .with_globals = p->globals,
        .with_role_passwords = p->role_passwords,
        .jobs = p->jobs,
        .reuse = p->reuse_unchanged_tables};

    return postgres_member_new(&o, out, e);
}

struct command_options command_options_of(const struct config_source *c)
{
    const struct config_command *p = &c->command;

    return (struct command_options){.name = c->name,
                                    .argv = (const char *const *)p->argv.items,
                                    .check = (const char *const *)p->check.items,
                                    .apply = (const char *const *)p->apply.items,
                                    .environment = (const char *const *)p->environment.items,
                                    .timeout_ms = (uint64_t)p->timeout_ms,
                                    .output_max = p->max_output};
}

static bool add_source(struct open_set *s, const struct config_set *set,
                       const struct config_source *c, const char *scratch, struct err *e)
{
    struct member **next = &s->members[s->set.member_count];
    const struct sqlite_options sqlite = {
        .name = c->name, .path = c->sqlite.path, .scratch = scratch};
    struct command_options command;
    bool ok = false;

    switch (c->kind) {
    case SOURCE_FILES:
        return add_files(s, c, e);
    case SOURCE_POSTGRES:
        ok = new_postgres(c, next, e);
        break;
    case SOURCE_SQLITE:
        ok = sqlite_member_new(&sqlite, next, e);
        break;
    case SOURCE_COMMAND:
        command = command_options_of(c);
        ok = command_member_new(&command, next, e);
        break;
    case SOURCE_BUNDLE:
        *next = bundle_member_new(spool_feed_new(set, &c->bundle), c->bundle.keep);
        ok = true;
        break;
    }
    s->set.member_count += ok ? 1 : 0;
    return ok;
}

bool open_set_new(const struct config_set *c, const char *scratch, struct open_set **out,
                  struct err *e)
{
    AUTO(open_set) struct open_set *s = mem_new(sizeof(*s));

    s->files = mem_array(c->source_count, sizeof(*s->files));
    s->options = mem_array(c->source_count, sizeof(*s->options));
    s->excludes = mem_array(c->source_count, sizeof(*s->excludes));
    s->members = mem_array(c->source_count, sizeof(struct member *));
    s->set = (struct set){.name = c->name,
                          .files = s->files,
                          .members = s->members,
                          .may_be_incomplete = c->on_error == ON_ERROR_INCOMPLETE};
    for (size_t i = 0; i < c->source_count; i++)
        if (!add_source(s, c, &c->sources[i], scratch, e))
            return err_wrap(e, "set %s: %s %s", c->name, config_kind_name(c->sources[i].kind),
                            c->sources[i].name);
    if (!set_check(&s->set, e))
        return false;
    *out = TAKE(s);
    return true;
}
