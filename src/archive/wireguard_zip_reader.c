#include <string.h>

#include "archive/wireguard_conf.h"
#include "archive/wireguard_zip.h"
#include "base/text.h"
#include "codec/hash.h"
#include "codec/json.h"

#define METADATA  "backup_metadata.json"
#define DEPTH_MAX 16 /* Jansson's own limit is 2048 */

static const char sqlite_head[16] = "SQLite format 3";

void wireguard_zip_auto(struct wireguard_zip *w)
{
    zip_auto(&w->zip);
}

/* A member in memory, or its beginning when that is all that is wanted. */
struct wanted {
    struct buf bytes;
    size_t limit;
};

static bool keep(void *arg, struct slice piece, struct err *e)
{
    struct wanted *w = arg;
    const size_t room = w->limit - w->bytes.size;

    (void)e; /* memory does not fail */
    buf_append(&w->bytes, piece.data, piece.size < room ? piece.size : room);
    return true;
}

static void wanted_auto(struct wanted *w)
{
    buf_done(&w->bytes);
}

static bool contains(const struct buf *b, const char *text)
{
    return b->size > 0 && memmem(b->data, b->size, text, strlen(text)) != NULL;
}

static bool check_conf(const struct zip_entry *entry, const struct buf *bytes, struct err *e)
{
    if (entry->size > WIREGUARD_CONF_MAX)
        return err_set(e, ERR_CORRUPT, "%s is longer than 1 MiB", entry->name);
    if (!utf8_is_valid(buf_slice(bytes)))
        return err_set(e, ERR_CORRUPT, "%s is not UTF-8", entry->name);
    return (contains(bytes, "[Interface]") && contains(bytes, "[Peer]")) ||
           err_set(e, ERR_CORRUPT, "%s lacks [Interface] or [Peer]", entry->name);
}

/* Read a member to its end, which checks its sum, and look at what it holds. */
static bool check_member(struct wireguard_zip *w, const struct zip_entry *entry, struct err *e)
{
    AUTO(wanted) struct wanted head = {.limit = WIREGUARD_CONF_MAX};
    enum wireguard_part part;

    if (!wireguard_part_of(entry->name, &part))
        return err_set(e, ERR_CORRUPT, "%s does not belong into a backup", entry->name);
    if (part != WIREGUARD_CONF)
        head.limit = sizeof(sqlite_head);
    if (entry->is_folder)
        return true;
    if (!zip_read(&w->zip, entry, keep, &head, e))
        return false;
    w->databases += part == WIREGUARD_DATABASE;
    w->configs += part == WIREGUARD_CONF;
    w->rules += part == WIREGUARD_RULES;
    if (part == WIREGUARD_DATABASE &&
        !slice_is_equal(buf_slice(&head.bytes), SLICE_OF(sqlite_head, sizeof(sqlite_head))))
        return err_set(e, ERR_CORRUPT, "%s is no SQLite database", entry->name);
    return part != WIREGUARD_CONF || check_conf(entry, &head.bytes, e);
}

/* The members that no list has named yet. */
static json_t *names_of(const struct zip *z)
{
    json_t *names = json_object();

    for (size_t i = 0; i < z->count; i++)
        (void)json_object_set_new(names, z->entries[i].name, json_true()); /* they are ASCII */
    return names;
}

/* Each name of a list is that of a member of this kind, once. */
static bool check_list(const json_t *contents, const char *list, enum wireguard_part wanted,
                       json_t *names, struct err *e)
{
    const json_t *listed = json_object_get(contents, list);
    const char *folder = wanted == WIREGUARD_CONF ? "configs/" : "";
    size_t i;
    const json_t *item;
    enum wireguard_part part;

    if (listed != NULL && !json_is_array(listed))
        return err_set(e, ERR_CORRUPT, "contents.%s is no list", list);
    json_array_foreach(listed, i, item)
    {
        const char *name = json_string_value(item);
        AUTO(buf) struct buf path = {0};
        char shown[100];

        if (name == NULL)
            return err_set(e, ERR_CORRUPT, "contents.%s holds what is no name", list);
        buf_printf(&path, "%s%s", folder, name);
        text_flatten(slice_string(name), shown, sizeof(shown));
        if (!wireguard_part_of(buf_string(&path), &part) || part != wanted)
            return err_set(e, ERR_CORRUPT, "contents.%s names %s, which it cannot hold", list,
                           shown);
        if (json_object_del(names, buf_string(&path)) != 0)
            return err_set(e, ERR_CORRUPT, "contents.%s names %s, which is not there or was named",
                           list, shown);
    }
    return true;
}

static size_t list_size(const json_t *contents, const char *list)
{
    return json_array_size(json_object_get(contents, list));
}

/* What is there is listed: names of a list are distinct and there, so their number says it. */
static bool check_contents(const struct wireguard_zip *w, const json_t *contents, struct err *e)
{
    const size_t unlisted = zip_find(&w->zip, "iptables_forward_rules.txt") != NULL;
    AUTO(json) json_t *names = names_of(&w->zip);

    if (!check_list(contents, "databases", WIREGUARD_DATABASE, names, e) ||
        !check_list(contents, "configs", WIREGUARD_CONF, names, e) ||
        !check_list(contents, "iptables_rules", WIREGUARD_RULES, names, e))
        return false;
    if (w->databases == 0)
        return err_set(e, ERR_CORRUPT, "No database files found in backup to restore");
    if (list_size(contents, "databases") != w->databases ||
        list_size(contents, "configs") != w->configs ||
        list_size(contents, "iptables_rules") + unlisted != w->rules)
        return err_set(e, ERR_CORRUPT, "it holds files that " METADATA " does not list");
    return true;
}

static bool add_to_sum(void *arg, struct slice piece, struct err *e)
{
    (void)e; /* memory does not fail */
    sha256_stream_add(arg, piece);
    return true;
}

static bool check_sum(const struct zip *z, const struct zip_entry *entry, const char *digits,
                      struct err *e)
{
    AUTO(sha256_stream) struct sha256_stream *s = sha256_stream_new();
    struct hash wanted, sum;

    if (digits == NULL || strlen(digits) != 2 * (size_t)HASH_SIZE ||
        !hex_decode(digits, wanted.bytes, HASH_SIZE))
        return err_set(e, ERR_CORRUPT, METADATA " has no SHA-256 of %s", entry->name);
    if (!zip_read(z, entry, add_to_sum, s, e))
        return false;
    sha256_stream_finish(s, &sum);
    return hash_is_equal(&sum, &wanted) ||
           err_set(e, ERR_CORRUPT, "%s: its SHA-256 is another than " METADATA " says",
                   entry->name);
}

/* Our own files have sums, published ones have none: then there is nothing to compare. */
static bool check_sums(const struct zip *z, const json_t *sums, struct err *e)
{
    size_t count = 0;

    if (sums == NULL)
        return true;
    if (!json_is_object(sums))
        return err_set(e, ERR_CORRUPT, "sha256 is no object");
    for (size_t i = 0; i < z->count; i++) {
        const struct zip_entry *entry = &z->entries[i];

        if (entry->is_folder || strcmp(entry->name, METADATA) == 0)
            continue;
        if (!check_sum(z, entry, json_string_value(json_object_get(sums, entry->name)), e))
            return false;
        count++;
    }
    return count == json_object_size(sums) ||
           err_set(e, ERR_CORRUPT, "sha256 names files that are not there");
}

static bool check_fields(struct wireguard_zip *w, const json_t *m, struct err *e)
{
    static const char *const fields[] = {"backup_version", "created_at", "contents"};
    const char *version = json_string_value(json_object_get(m, "backup_version"));
    const char *created = json_string_value(json_object_get(m, "created_at"));
    char shown[40] = "";

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (json_object_get(m, fields[i]) == NULL)
            return err_set(e, ERR_CORRUPT, "Missing required metadata field: %s", fields[i]);
    if (version != NULL)
        text_flatten(slice_string(version), shown, sizeof(shown));
    if (version == NULL || strcmp(version, "1.0") != 0)
        return err_set(e, ERR_CORRUPT, "Unsupported backup version: %s", shown);
    if (created == NULL || strlen(created) >= sizeof(w->created_at))
        return err_set(e, ERR_CORRUPT, "created_at is no time");
    text_flatten(slice_string(created), w->created_at, sizeof(w->created_at));
    return json_is_object(json_object_get(m, "contents")) ||
           err_set(e, ERR_CORRUPT, "contents is no object");
}

/* Jansson calls itself for each level, so these are counted first. */
static bool check_depth(struct slice text, struct err *e)
{
    size_t depth = 0;

    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '[' || text.data[i] == '{')
            depth++; /* in texts too: no honest one has so many */
        if (text.data[i] == ']' || text.data[i] == '}')
            depth -= depth > 0;
        if (depth > DEPTH_MAX)
            return err_set(e, ERR_CORRUPT, METADATA " is too deep");
    }
    return true;
}

static bool check_metadata(struct wireguard_zip *w, const struct zip_entry *entry, struct err *e)
{
    AUTO(wanted) struct wanted text = {.limit = WIREGUARD_METADATA_MAX};
    json_error_t why;

    if (entry->size > WIREGUARD_METADATA_MAX)
        return err_set(e, ERR_CORRUPT, METADATA " is longer than 4 MiB");
    if (!zip_read(&w->zip, entry, keep, &text, e) || !check_depth(buf_slice(&text.bytes), e))
        return false;

    AUTO(json)
    json_t *m =
        json_loadb((const char *)text.bytes.data, text.bytes.size, JSON_REJECT_DUPLICATES, &why);

    if (!json_is_object(m))
        return err_set(e, ERR_CORRUPT, METADATA " is no JSON object");
    return check_fields(w, m, e) && check_contents(w, json_object_get(m, "contents"), e) &&
           check_sums(&w->zip, json_object_get(m, "sha256"), e);
}

bool wireguard_zip_open(const struct input *from, struct wireguard_zip *out, struct err *e)
{
    AUTO(wireguard_zip) struct wireguard_zip w = {0};
    const struct zip_entry *metadata;

    if (!zip_open(from, &zip_rules_python, &w.zip, e))
        return false;
    metadata = zip_find(&w.zip, METADATA);
    if (metadata == NULL)
        return err_set(e, ERR_CORRUPT, "Missing required files: " METADATA);
    for (size_t i = 0; i < w.zip.count; i++)
        if (!check_member(&w, &w.zip.entries[i], e))
            return false;
    if (!check_metadata(&w, metadata, e))
        return false;
    *out = w;
    w = (struct wireguard_zip){0};
    return true;
}
