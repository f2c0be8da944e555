/*
 * What a backup configuration says of its own sources.  It names places and never programs, files
 * with secrets or addresses: those stand in holdfast.yaml, where servers have names.
 */
#include <string.h>

#include "base/mem.h"
#include "codec/pos_fields.h"

#define NAME_BYTES "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

enum {
    PATHS_MAX = 100,
    NAME_MAX_SIZE = 100,
    DATABASE_MAX = 63, /* what PostgreSQL keeps of a name */
};

/* A name that nobody takes for an option, a connection string or a place. */
static bool take_name(const struct pos_at *at, const char *key, size_t max, const char **out,
                      struct err *e)
{
    if (!pos_fields_text(at, key, max, out, e))
        return false;
    if (strspn(*out, NAME_BYTES "$") != strlen(*out) || strchr(".-", **out) != NULL)
        return POS_FAIL(at, key, e,
                        "must be letters, digits, \".\", \"_\", \"-\" and \"$\", and begin with "
                        "none of \".\" and \"-\"");
    return true;
}

static bool read_postgres(const struct pos_at *at, struct pos_source *out, struct err *e)
{
    static const char *const names[] = {"server", "database", NULL};

    return pos_fields_check(at, names, e) &&
           take_name(at, "server", NAME_MAX_SIZE, &out->server, e) &&
           (json_object_get(at->object, "database") == NULL ||
            take_name(at, "database", DATABASE_MAX, &out->database, e));
}

static bool read_sqlite(const struct pos_at *at, struct pos_source *out, struct err *e)
{
    static const char *const names[] = {"path", NULL};

    return pos_fields_check(at, names, e) &&
           pos_fields_text(at, "path", POS_TEXT_MAX, &out->path, e) &&
           pos_fields_path(at, "path", out->path, e);
}

static bool read_texts(const struct pos_at *at, const char *key, const char ***out, size_t *count,
                       struct err *e)
{
    const json_t *list = json_object_get(at->object, key);

    if (!json_is_array(list) || json_array_size(list) > PATHS_MAX)
        return POS_FAIL(at, key, e, "must be a list of at most %d texts", PATHS_MAX);
    *out = mem_array(json_array_size(list), sizeof(**out));
    for (size_t i = 0; i < json_array_size(list); i++) {
        AUTO(buf) struct buf name = {0};

        buf_printf(&name, "%s[%zu]", key, i);
        if (!pos_fields_is_text(at, buf_string(&name), json_array_get(list, i), POS_TEXT_MAX,
                                &(*out)[i], e))
            return false;
        (*count)++;
    }
    return true;
}

static bool read_files(const struct pos_at *at, struct pos_source *out, struct err *e)
{
    static const char *const names[] = {"paths", "exclude", NULL};

    if (!pos_fields_check(at, names, e) ||
        !read_texts(at, "paths", &out->paths, &out->path_count, e))
        return false;
    if (out->path_count == 0)
        return POS_FAIL(at, "paths", e, "is empty");
    for (size_t i = 0; i < out->path_count; i++) {
        AUTO(buf) struct buf name = {0};

        buf_printf(&name, "paths[%zu]", i);
        if (!pos_fields_path(at, buf_string(&name), out->paths[i], e))
            return false;
    }
    return json_object_get(at->object, "exclude") == NULL ||
           read_texts(at, "exclude", &out->exclude, &out->exclude_count, e);
}

static bool check_kind(const struct pos_at *at, enum pos_type type, enum pos_source_kind kind,
                       struct err *e)
{
    if (type == POS_DATABASE && kind == POS_TREES)
        return POS_FAIL(at, "type", e, "files do not fit the type database of the whole");
    if (type == POS_FILES && kind != POS_TREES)
        return POS_FAIL(at, "type", e, "a database does not fit the type files of the whole");
    return true;
}

static bool read_source(const struct pos_at *at, enum pos_type type, struct pos_source *out,
                        struct err *e)
{
    static const char *const names[] = {"type", "name", "config", NULL};
    static const char *const kinds[] = {"postgres", "sqlite", "files", NULL};
    const char *word = json_string_value(json_object_get(at->object, "type"));
    AUTO(buf) struct buf inner = {0};
    struct pos_at config = {0};
    int kind = 0;

    if (word != NULL && strcmp(word, "command") == 0)
        return POS_FAIL(at, "type", e,
                        "a command would run with the rights of the service: sources of this kind "
                        "stand in holdfast.yaml, which only its owner changes");
    if (!pos_fields_check(at, names, e) || !pos_fields_choice(at, "type", kinds, &kind, e) ||
        !check_kind(at, type, (enum pos_source_kind)kind, e) ||
        (json_object_get(at->object, "name") != NULL &&
         !take_name(at, "name", NAME_MAX_SIZE, &out->name, e)) ||
        !pos_fields_object(at, "config", &config.object, e))
        return false;
    buf_printf(&inner, "%sconfig.", at->path);
    config.path = buf_string(&inner);
    out->kind = (enum pos_source_kind)kind;
    return kind == POS_POSTGRES ? read_postgres(&config, out, e)
           : kind == POS_SQLITE ? read_sqlite(&config, out, e)
                                : read_files(&config, out, e);
}

bool pos_sources_read(struct pos_config *c, struct err *e)
{
    const struct pos_at top = {c->document, ""};
    const json_t *list = json_object_get(c->document, "sources");
    const size_t count = json_array_size(list);

    if (list == NULL)
        return true;
    if (!json_is_array(list))
        return POS_FAIL(&top, "sources", e, "must be a list, not %s", pos_fields_kind(list));
    if (count == 0 || count > POS_SOURCES_MAX)
        return POS_FAIL(&top, "sources", e, "must have 1 to %d items, not %zu", POS_SOURCES_MAX,
                        count);
    c->sources = mem_array(count, sizeof(*c->sources));
    for (size_t i = 0; i < count; i++) {
        AUTO(buf) struct buf path = {0};
        const json_t *one = json_array_get(list, i);

        buf_printf(&path, "sources[%zu]", i);
        if (!json_is_object(one))
            return POS_FAIL(&top, buf_string(&path), e, "must be an object, not %s",
                            pos_fields_kind(one));
        buf_append(&path, ".", 1);
        c->source_count++; /* what it has is freed with the rest */
        if (!read_source(&(struct pos_at){one, buf_string(&path)}, c->type, &c->sources[i], e))
            return false;
    }
    return true;
}
