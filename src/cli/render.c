#include "cli/render.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

void json_set(json_t *o, const char *key, json_t *value)
{
    const int result = json_object_set_new(o, key, value);

    assert(result == 0); /* a text that is not UTF-8 got in without json_from_text() */
}

void json_set_u64(json_t *o, const char *key, uint64_t n)
{
    json_set(o, key, json_integer((json_int_t)n));
}

void json_set_text(json_t *o, const char *key, const char *text)
{
    json_set(o, key, json_from_text(text));
}

void json_set_time(json_t *o, const char *key, int64_t time_ns)
{
    char text[CLOCK_TEXT_MAX];

    clock_format(time_ns, text);
    json_set(o, key, json_string(text));
}

void json_set_hash(json_t *o, const char *key, const struct hash *id)
{
    char text[2 * HASH_SIZE + 1];

    hex_encode(SLICE_OF(id->bytes, HASH_SIZE), text);
    json_set(o, key, json_string(text));
}

/* Size of the valid character at the front of s, or 0. */
static size_t character_size(struct slice s)
{
    for (size_t n = 1; n <= 4 && n <= s.size; n++)
        if (utf8_is_valid(SLICE_OF(s.data, n)))
            return n;
    return 0;
}

static json_t *json_lossy(struct slice s)
{
    static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */
    AUTO(buf) struct buf text = {0};

    while (s.size > 0) {
        const size_t n = character_size(s);

        if (n == 0)
            buf_append(&text, replacement, sizeof(replacement) - 1);
        else
            buf_append(&text, s.data, n);
        s = SLICE_OF(s.data + (n == 0 ? 1 : n), s.size - (n == 0 ? 1 : n));
    }
    return json_stringn(buf_string(&text), text.size);
}

json_t *json_from_text(const char *text)
{
    const struct slice s = slice_string(text);

    return utf8_is_valid(s) ? json_stringn(text, s.size) : json_lossy(s);
}

json_t *json_message(const char *type)
{
    return json_pack("{s:s}", "message_type", type);
}

void json_set_path(json_t *o, const char *key, struct slice path)
{
    if (utf8_is_valid(path)) {
        /* The root of a snapshot has no name, and no bytes of one. */
        json_set(o, key, json_stringn(path.size == 0 ? "" : (const char *)path.data, path.size));
        return;
    }

    AUTO(buf) struct buf key_b64 = {0};
    AUTO(buf) struct buf exact = {0};

    buf_printf(&key_b64, "%s_b64", key);
    base64_encode(path, &exact);
    json_set(o, key, json_lossy(path));
    json_set(o, buf_string(&key_b64), json_string(buf_string(&exact)));
}

/* The bytes that a path text stands for, appended. */
static struct slice path_bytes(const char *text, struct buf *keep)
{
    return path_unescape(text, keep) ? buf_slice(keep) : slice_string(text);
}

void json_set_path_text(json_t *o, const char *key, const char *path)
{
    AUTO(buf) struct buf raw = {0};

    json_set_path(o, key, path_bytes(path, &raw));
}

void json_set_paths(json_t *o, const char *key, char *const *paths, size_t count)
{
    json_t *lossy = json_array();
    json_t *exact = json_array();
    bool is_lossless = true;

    for (size_t i = 0; i < count; i++) {
        AUTO(buf) struct buf raw = {0};
        AUTO(buf) struct buf b64 = {0};
        const struct slice path = path_bytes(paths[i], &raw);

        is_lossless = is_lossless && utf8_is_valid(path);
        base64_encode(path, &b64);
        json_array_append_new(lossy, json_lossy(path));
        json_array_append_new(exact, json_string(buf_string(&b64)));
    }
    json_set(o, key, lossy);
    if (!is_lossless) {
        AUTO(buf) struct buf key_b64 = {0};

        buf_printf(&key_b64, "%s_b64", key);
        json_set(o, buf_string(&key_b64), json_incref(exact));
    }
    json_decref(exact);
}

json_t *json_text_list(char *const *texts, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_from_text(texts[i]));
    return list;
}

json_t *json_counts(const struct snapshot_counts *c)
{
    json_t *o = json_object();

    json_set_time(o, "backup_start", c->started_ns);
    json_set_time(o, "backup_end", c->ended_ns);
    json_set_u64(o, "files_new", c->files_new);
    json_set_u64(o, "files_changed", c->files_changed);
    json_set_u64(o, "files_unmodified", c->files_unmodified);
    json_set_u64(o, "dirs_new", c->dirs_new);
    json_set_u64(o, "dirs_changed", c->dirs_changed);
    json_set_u64(o, "dirs_unmodified", c->dirs_unmodified);
    json_set_u64(o, "data_blobs", c->data_chunks);
    json_set_u64(o, "tree_blobs", c->tree_chunks);
    json_set_u64(o, "data_added", c->bytes_added);
    json_set_u64(o, "data_added_packed", c->bytes_stored);
    json_set_u64(o, "total_files_processed", c->total_files);
    json_set_u64(o, "total_bytes_processed", c->total_bytes);
    return o;
}

json_t *json_snapshot(const struct snapshot *s)
{
    char brief[SHORT_ID_MAX];
    json_t *o = json_object();

    short_id(&s->id, brief);
    json_set_time(o, "time", s->time_ns);
    if (s->has_parent)
        json_set_hash(o, "parent", &s->parent);
    json_set_hash(o, "tree", &s->tree);
    json_set_paths(o, "paths", s->paths, s->path_count);
    json_set_text(o, "hostname", s->host == NULL ? "" : s->host);
    json_set_text(o, "username", s->user == NULL ? "" : s->user);
    if (s->set != NULL)
        json_set(o, "set", json_from_text(s->set));
    json_set_u64(o, "uid", s->uid);
    json_set_u64(o, "gid", s->gid);
    json_set(o, "tags", json_text_list(s->tags, s->tag_count));
    json_set_text(o, "program_version", s->program == NULL ? "" : s->program);
    if (s->has_original)
        json_set_hash(o, "original", &s->original);
    if (s->job != NULL)
        json_set_text(o, "job", s->job);
    if (s->incomplete_count > 0)
        json_set_u64(o, "incomplete", s->incomplete_count);
    json_set(o, "summary", json_counts(&s->counts));
    json_set_hash(o, "id", &s->id);
    json_set(o, "short_id", json_string(brief));
    return o;
}

json_t *json_entry(const char *path, const struct entry *en)
{
    char mode[MODE_TEXT_MAX];
    json_t *o = json_pack("{s:s, s:s}", "message_type", "node", "struct_type", "node");

    mode_format(en, mode);
    json_set_path(o, "name", en->name);
    json_set(o, "type", json_string(entry_type_name(en)));
    json_set_path(o, "path", slice_string(path));
    json_set_u64(o, "uid", en->uid);
    json_set_u64(o, "gid", en->gid);
    if (en->user.size > 0)
        json_set_path(o, "user", en->user);
    if (en->group.size > 0)
        json_set_path(o, "group", en->group);
    if (en->type == ENTRY_FILE)
        json_set_u64(o, "size", en->size);
    json_set_u64(o, "mode", en->mode);
    json_set(o, "permissions", json_string(mode));
    json_set_time(o, "mtime", en->mtime_ns);
    json_set_time(o, "ctime", en->ctime_ns);
    json_set_u64(o, "inode", en->inode);
    json_set_u64(o, "links", en->links);
    if (en->type == ENTRY_SYMLINK)
        json_set_path(o, "linktarget", en->target);
    return o;
}

void short_id(const struct hash *id, char out[SHORT_ID_MAX])
{
    hex_encode(SLICE_OF(id->bytes, (SHORT_ID_MAX - 1) / 2), out);
}

/* The letter of `ls -l` and restic's word for each type. */
static const struct {
    char letter;
    const char *name;
} types[] = {
    [0] = {'?', "unknown"},
    [ENTRY_FILE] = {'-', "file"},
    [ENTRY_DIRECTORY] = {'d', "dir"},
    [ENTRY_SYMLINK] = {'l', "symlink"},
    [ENTRY_FIFO] = {'p', "fifo"},
    [ENTRY_SOCKET] = {'s', "socket"},
    [ENTRY_CHARACTER_DEVICE] = {'c', "chardev"},
    [ENTRY_BLOCK_DEVICE] = {'b', "dev"},
};

const char *entry_type_name(const struct entry *en)
{
    return types[en->type].name;
}

/* One triple of permissions; special is its set-id or sticky bit, shown as letter. */
static void triple_format(uint32_t bits, bool is_special, char letter, char *out)
{
    const bool can_execute = (bits & 1) != 0;

    out[0] = (bits & 4) != 0 ? 'r' : '-';
    out[1] = (bits & 2) != 0 ? 'w' : '-';
    out[2] = can_execute ? 'x' : '-';
    if (is_special)
        out[2] = can_execute ? letter : (char)(letter & ~0x20);
}

void mode_format(const struct entry *en, char out[MODE_TEXT_MAX])
{
    out[0] = types[en->type].letter;
    triple_format(en->mode >> 6 & 7, (en->mode & 04000) != 0, 's', out + 1);
    triple_format(en->mode >> 3 & 7, (en->mode & 02000) != 0, 's', out + 4);
    triple_format(en->mode & 7, (en->mode & 01000) != 0, 't', out + 7);
    out[10] = '\0';
}

const char *path_for_people(const char *raw, struct buf *keep)
{
    path_escape(slice_string(raw), keep);
    return buf_string(keep);
}
