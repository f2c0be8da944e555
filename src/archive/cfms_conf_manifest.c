#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/cfms_conf_private.h"
#include "archive/cfms_record.h"
#include "base/mem.h"
#include "base/text.h"

void conf_manifest_auto(struct conf_manifest *c)
{
    json_decref(c->list);
    json_decref(c->components);
    json_decref(c->configuration);
    json_decref(c->version);
    mem_free(c->files);
    arena_done(&c->texts);
    if (c->text.room > 0)
        mem_wipe(c->text.data, c->text.room);
    buf_done(&c->text);
}

static bool wrong(const char *what, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "it has no valid %s", what);
}

/* One value.  The sentence never shows what stands where the parser stopped: it may be a secret. */
static bool read_value(struct conf_manifest *c, struct json_reader *r, json_t **out, struct err *e)
{
    buf_clear(&c->text);
    json_reader_limit(r, CFMS_RECORD_MAX);
    if (!json_reader_raw(r, &c->text, e))
        return false;
    *out = json_loadb((const char *)c->text.data, c->text.size,
                      JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    return *out != NULL || wrong("value: one is no JSON that is taken", e);
}

/* Files */

static bool part_is_safe(const char *part, size_t size)
{
    if (size == 0 || part[size - 1] == '.' || part[size - 1] == ' ')
        return false; /* "." and ".." too */
    for (size_t i = 0; i < size; i++)
        if (part[i] == '\\' || part[i] == ':' || (uint8_t)part[i] < 0x20 || part[i] == 0x7f)
            return false;
    return true;
}

static bool path_is_safe(const char *path)
{
    for (const char *part = path;; part++) {
        const size_t size = strcspn(part, "/");

        if (!part_is_safe(part, size))
            return false;
        part += size;
        if (*part == '\0')
            return true;
    }
}

static bool take_text(struct conf_manifest *c, const json_t *j, const char *name, const char **out)
{
    const json_t *value = json_object_get(j, name);
    const size_t size = json_string_length(value);

    if (!json_is_string(value) || size == 0 || size >= CFMS_CONF_PATH_MAX ||
        c->text_size + size >= CFMS_CONF_ARENA_MAX)
        return false;
    c->text_size += size + 1;
    *out = arena_string(&c->texts, SLICE_OF(json_string_value(value), size));
    return true;
}

static bool take_file(struct conf_manifest *c, const json_t *j, struct err *e)
{
    struct cfms_conf_file f = {0};
    const char *where = json_string_value(json_object_get(j, "archive_path"));
    const char *sum = json_string_value(json_object_get(j, "sha256"));
    const json_t *size = json_object_get(j, "size");
    char expected[32];

    if (c->m.file_count == CFMS_FILES_MAX)
        return err_set(e, ERR_CORRUPT, "there are more than %d files", CFMS_FILES_MAX);
    (void)snprintf(expected, sizeof(expected), "files/%08zu.bin", c->m.file_count);
    f.size = (uint64_t)json_integer_value(size);
    if (where == NULL || strcmp(where, expected) != 0 || !json_is_integer(size) ||
        json_integer_value(size) < 0 || sum == NULL ||
        !hex_decode(sum, f.sha256.bytes, HASH_SIZE) || !take_text(c, j, "file_id", &f.id) ||
        !take_text(c, j, "storage_path", &f.storage_path) || !path_is_safe(f.storage_path))
        return err_set(e, ERR_CORRUPT, "what it says of file %zu is not valid", c->m.file_count);
    if (c->m.file_count == c->file_room) {
        c->file_room = c->file_room * 2 + 64;
        c->files = mem_resize(c->files, c->file_room, sizeof(*c->files));
    }
    c->files[c->m.file_count++] = f;
    return true;
}

static bool read_files(struct conf_manifest *c, struct json_reader *r, struct err *e)
{
    enum json_token token;
    bool more;

    if (!json_reader_next(r, &token, e))
        return false;
    if (token != JSON_TOKEN_ARRAY)
        return wrong("list \"files\"", e);
    for (;;) {
        AUTO(json) json_t *j = NULL;

        if (!json_reader_more(r, &more, e))
            return false;
        if (!more)
            return true;
        if (!read_value(c, r, &j, e) || !take_file(c, j, e))
            return false;
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool check_unique(const struct conf_manifest *c, struct err *e)
{
    const size_t count = c->m.file_count;
    AUTO(mem) const char **ids = mem_array(count, sizeof(*ids));
    AUTO(mem) const char **paths = mem_array(count, sizeof(*paths));

    for (size_t i = 0; i < count; i++) {
        ids[i] = c->files[i].id;
        paths[i] = c->files[i].storage_path;
    }
    qsort(ids, count, sizeof(*ids), by_text);
    qsort(paths, count, sizeof(*paths), by_text);
    for (size_t i = 1; i < count; i++)
        if (strcmp(ids[i - 1], ids[i]) == 0 || strcmp(paths[i - 1], paths[i]) == 0)
            return err_set(e, ERR_CORRUPT, "two files have the same id or path");
    return true;
}

/* Tables */

static bool all_texts(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!json_is_string(json_array_get(list, i)))
            return false;
    return json_is_array(list);
}

static bool take_table(struct conf_manifest *c, const char *name, const json_t *j, struct err *e)
{
    struct cfms_conf_table *t = &c->tables[c->m.table_count];
    const json_t *rows = json_object_get(j, "rows");

    if (c->m.table_count == CFMS_CONF_TABLES_MAX)
        return err_set(e, ERR_CORRUPT, "there are more than %d tables", CFMS_CONF_TABLES_MAX);
    if (name[0] == '\0' || strlen(name) >= sizeof(t->name) ||
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(name))
        return wrong("name for one of its tables", e);
    memcpy(t->name, name, strlen(name) + 1);
    t->rows = (uint64_t)json_integer_value(rows);
    t->columns = json_object_get(j, "columns");
    if (!json_is_integer(rows) || json_integer_value(rows) < 0 || !all_texts(t->columns))
        return err_set(e, ERR_CORRUPT, "what it says of table %s is not valid", name);
    c->m.table_count++;
    return true;
}

static bool take_tables(struct conf_manifest *c, struct err *e)
{
    if (!json_is_object(c->list))
        return wrong("object \"tables\"", e);
    for (void *i = json_object_iter(c->list); i != NULL; i = json_object_iter_next(c->list, i))
        if (!take_table(c, json_object_iter_key(i), json_object_iter_value(i), e))
            return false;
    return true;
}

/* All of it */

static bool read_member(struct conf_manifest *c, struct json_reader *r, bool *has_files,
                        struct err *e)
{
    AUTO(buf) struct buf name = {0};
    json_t *other = NULL, **to = &other;

    buf_append_slice(&name, buf_slice(&r->text));
    if (strcmp(buf_string(&name), "files") == 0) {
        if (*has_files)
            return wrong("list \"files\": it has two", e);
        *has_files = true;
        return read_files(c, r, e);
    }
    if (strcmp(buf_string(&name), "tables") == 0)
        to = &c->list;
    else if (strcmp(buf_string(&name), "components") == 0)
        to = &c->components;
    else if (strcmp(buf_string(&name), "configuration") == 0)
        to = &c->configuration;
    else if (strcmp(buf_string(&name), "format_version") == 0)
        to = &c->version;
    if (*to != NULL)
        return wrong("form: a name comes twice", e);
    if (!read_value(c, r, to, e))
        return false;
    json_decref(other);
    return true;
}

static bool check_manifest(struct conf_manifest *c, struct err *e)
{
    if (!json_is_integer(c->version) || json_integer_value(c->version) != 1)
        return err_set(e, ERR_CORRUPT, "Unsupported payload format version: %lld",
                       (long long)json_integer_value(c->version));
    if (c->components != NULL && !all_texts(c->components))
        return wrong("list \"components\"", e);
    if (!json_is_object(c->configuration))
        return wrong("object \"configuration\"", e);
    if (!take_tables(c, e) || !check_unique(c, e))
        return false;
    c->m.components = c->components;
    c->m.configuration = c->configuration;
    c->m.tables = c->tables;
    c->m.files = c->files;
    return true;
}

static bool read_manifest(struct conf_manifest *c, struct json_reader *r, struct err *e)
{
    enum json_token token;
    bool has_files = false;
    bool more;

    if (!json_reader_next(r, &token, e))
        return false;
    if (token != JSON_TOKEN_OBJECT)
        return wrong("form: it is no object", e);
    for (;;) {
        json_reader_limit(r, CFMS_RECORD_MAX);
        if (!json_reader_more(r, &more, e))
            return false;
        if (!more)
            break;
        if (!json_reader_next(r, &token, e) || !read_member(c, r, &has_files, e))
            return false;
    }
    if (!json_reader_next(r, &token, e))
        return false;
    return has_files ? check_manifest(c, e) : wrong("list \"files\"", e);
}

bool conf_manifest_read(json_read_fn *read, void *arg, struct conf_manifest *c, struct err *e)
{
    AUTO(json_reader) struct json_reader r;
    bool ok;

    json_reader_init(&r, read, arg, CFMS_RECORD_MAX);
    buf_reserve(&c->text, (size_t)64 << 10);
    ok = read_manifest(c, &r, e);
    mem_wipe(r.window.data, r.window.room);
    return ok || err_wrap(e, "manifest.json");
}
