#include "job/pos_sources.h"

#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "job/config_fields.h"

/* Places */

typedef bool place_fn(const void *arg, const char *path, const char *where, struct err *e);

/* Call fn for each place of a configuration; where is the path to it in the document. */
static bool each_place(const struct pos_config *c, place_fn *fn, const void *arg, struct err *e)
{
    for (size_t i = 0; i < c->source_count; i++) {
        const struct pos_source *one = &c->sources[i];
        AUTO(buf) struct buf where = {0};

        buf_printf(&where, "sources[%zu].config.path", i);
        if (one->path != NULL && !fn(arg, one->path, buf_string(&where), e))
            return false;
        for (size_t k = 0; k < one->path_count; k++) {
            AUTO(buf) struct buf item = {0};

            buf_printf(&item, "%ss[%zu]", buf_string(&where), k);
            if (!fn(arg, one->paths[k], buf_string(&item), e))
                return false;
        }
    }
    return true;
}

static bool lies_in_root(const void *arg, const char *path, const char *where, struct err *e)
{
    const struct pos_surroundings *s = arg;

    for (size_t i = 0; i < s->source_root_count; i++)
        if (pos_set_lies_in(path, s->source_roots[i]))
            return true;
    return s->source_root_count == 0
               ? err_set(e, ERR_USAGE,
                         "%s: no folder is allowed for sources (serve: compat: pos: source_roots)",
                         where)
               : err_set(e, ERR_USAGE, "%s: lies outside the folders that are allowed for sources",
                         where);
}

static bool is_apart(const char *path, const char *own)
{
    return own == NULL || own[0] != '/' ||
           (!pos_set_lies_in(path, own) && !pos_set_lies_in(own, path));
}

static bool is_secret_apart(const char *path, const struct config_secret *s)
{
    return is_apart(path, s->password_file) && is_apart(path, s->key_file) &&
           is_apart(path, s->passfile);
}

/* From all that would let somebody reach further than the sources. */
static bool is_apart_from_own(const char *path, const struct config *c)
{
    const struct config_pos *pos = &c->serve.pos;
    const char *const own[] = {c->path, c->state, pos->key_file, pos->password_file,
                               pos->database_url_file};

    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (!is_apart(path, own[i]))
            return false;
    for (size_t i = 0; i < pos->roots.count; i++)
        if (!is_apart(path, pos->roots.items[i]))
            return false;
    for (size_t i = 0; i < pos->server_count; i++)
        if (!is_secret_apart(path, &pos->servers[i].secret))
            return false;
    for (size_t i = 0; i < c->repository_count; i++)
        if (!is_secret_apart(path, &c->repositories[i].secret) ||
            !is_apart(path, c->repositories[i].url))
            return false;
    return true;
}

static bool leads_into_root(const void *arg, const char *path, const char *where, struct err *e)
{
    const struct config *c = arg;
    const struct texts *roots = &c->serve.pos.source_roots;
    AUTO(mem) char *real = file_resolve(path);
    bool is_inside = false;

    for (size_t i = 0; i < roots->count && !is_inside; i++) {
        AUTO(mem) char *root = file_resolve(roots->items[i]);

        is_inside = pos_set_lies_in(real, root);
    }
    if (!is_inside && roots->count > 0)
        return err_set(e, ERR_USAGE,
                       "%s: a symbolic link leads out of the folders that are allowed for sources",
                       where);
    if (!is_apart_from_own(path, c) || !is_apart_from_own(real, c))
        return err_set(e, ERR_USAGE,
                       "%s: the service's own files or the repositories lie there or above it",
                       where);
    return true;
}

bool pos_sources_check(const struct pos_config *c, const struct config *config, struct err *e)
{
    return each_place(c, leads_into_root, config, e);
}

/* Servers */

static const struct config_server *find_server(const struct pos_surroundings *s, const char *name)
{
    for (size_t i = 0; i < s->server_count; i++)
        if (strcmp(s->servers[i].name, name) == 0)
            return &s->servers[i];
    return NULL;
}

static bool check_server(const struct pos_source *one, size_t i, const struct pos_surroundings *s,
                         struct err *e)
{
    const struct config_server *server = find_server(s, one->server);

    if (server == NULL)
        return err_set(
            e, ERR_USAGE,
            "sources[%zu].config.server: this host knows no server \"%s\" (serve: compat: "
            "pos: servers)",
            i, one->server);
    if (server->database == NULL && one->database == NULL)
        return err_set(e, ERR_USAGE, "sources[%zu].config.database: is required", i);
    if (server->database != NULL && one->database != NULL &&
        strcmp(server->database, one->database) != 0)
        return err_set(
            e, ERR_USAGE,
            "sources[%zu].config.database: the server %s is allowed with another one only", i,
            one->server);
    return true;
}

bool pos_sources_find(const struct pos_config *c, const struct pos_surroundings *s, struct err *e)
{
    for (size_t i = 0; i < c->source_count; i++)
        if (c->sources[i].kind == POS_POSTGRES && !check_server(&c->sources[i], i, s, e))
            return false;
    return each_place(c, lies_in_root, s, e);
}

/* In the words of holdfast.yaml */

static json_t *texts_of(const char *const *list, size_t count)
{
    json_t *out = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(out, json_string(list[i]));
    return out;
}

static void show_server(const struct pos_source *one, const struct config_server *server,
                        json_t *out)
{
    const struct config_secret *secret = &server->secret;
    AUTO(buf) struct buf dsn = {0};

    buf_printf(&dsn, "%s", server->dsn);
    if (server->database == NULL)
        pos_database_add(&dsn, "dbname", one->database);
    config_show(out, "dsn", json_string(buf_string(&dsn)));
    if (secret->password_file != NULL)
        config_show(out, "password_file", json_string(secret->password_file));
    if (secret->password_command.count > 0)
        config_show(out, "password_command", texts_show(&secret->password_command));
    if (secret->passfile != NULL)
        config_show(out, "passfile", json_string(secret->passfile));
}

static json_t *show_source(const struct pos_source *one, const struct pos_surroundings *s)
{
    static const char *const words[] = {"postgres", "sqlite", "files"};
    json_t *inner = json_object();
    json_t *out = json_object();

    if (one->name != NULL)
        config_show(inner, "name", json_string(one->name));
    if (one->kind == POS_POSTGRES)
        show_server(one, find_server(s, one->server), inner);
    if (one->kind == POS_SQLITE)
        config_show(inner, "path", json_string(one->path));
    if (one->kind == POS_TREES)
        config_show(inner, "paths", texts_of(one->paths, one->path_count));
    if (one->exclude_count > 0)
        config_show(inner, "exclude", texts_of(one->exclude, one->exclude_count));
    config_show(out, words[one->kind], inner);
    return out;
}

json_t *pos_sources_show(const struct pos_config *c, const struct pos_surroundings *s)
{
    json_t *list = json_array();

    for (size_t i = 0; i < c->source_count; i++)
        json_array_append_new(list, show_source(&c->sources[i], s));
    return list;
}

json_t *pos_sources_places(const struct config *config)
{
    const struct config_pos *pos = &config->serve.pos;
    json_t *servers = json_array();

    for (size_t i = 0; i < pos->server_count; i++)
        json_array_append_new(servers, json_pack("{s:s, s:s?}", "name", pos->servers[i].name,
                                                 "database", pos->servers[i].database));
    return json_pack("{s:o, s:o}", "servers", servers, "folders", texts_show(&pos->source_roots));
}
