/*
 * What people and programs read: tables, times, and the JSON of snapshots and entries.
 */
#ifndef CLI_RENDER_H
#define CLI_RENDER_H

#include "codec/entry.h"
#include "codec/json.h"
#include "repo/repo.h"

/* Set a member whose value is given away.  value is not NULL. */
void json_set(json_t *o, const char *key, json_t *value);
void json_set_u64(json_t *o, const char *key, uint64_t n);
void json_set_text(json_t *o, const char *key, const char *text);
void json_set_time(json_t *o, const char *key, int64_t time_ns);
void json_set_hash(json_t *o, const char *key, const struct hash *id);

/* A string; bytes that are not UTF-8 become U+FFFD. */
json_t *json_from_text(const char *text);

/* {"message_type": type}, to be added to. */
json_t *json_message(const char *type);

/* Bytes of a file name: lossy as key, and exact as key_b64 when they are not UTF-8. */
void json_set_path(json_t *o, const char *key, struct slice path);
/* The same from path text (base/text.h). */
void json_set_path_text(json_t *o, const char *key, const char *path);
/* Path texts as an array, lossy, and where one is not UTF-8 exact as key_b64. */
void json_set_paths(json_t *o, const char *key, char *const *paths, size_t count);
json_t *json_text_list(char *const *texts, size_t count);

/* As in `snapshots --json`. */
json_t *json_snapshot(const struct snapshot *s);
json_t *json_counts(const struct snapshot_counts *c);
/* As in `ls --json`; path begins with '/', raw bytes. */
json_t *json_entry(const char *path, const struct entry *en);

#define SHORT_ID_MAX 9 /* 8 hex digits and a NUL */
void short_id(const struct hash *id, char out[SHORT_ID_MAX]);

/* "file", "dir", "symlink", "fifo", "socket", "chardev", "dev". */
const char *entry_type_name(const struct entry *en);

/* "-rw-r--r--" */
#define MODE_TEXT_MAX 11
void mode_format(const struct entry *en, char out[MODE_TEXT_MAX]);

/* A path for people: path text, appended. */
const char *path_for_people(const char *raw, struct buf *keep);

/* "0:05", "1:02:03". */
#define ELAPSED_TEXT_MAX 24
void elapsed_format(int64_t elapsed_ns, char out[ELAPSED_TEXT_MAX]);

/* Texts joined by ", ", escaped for a terminal, appended. */
void texts_join(char *const *texts, size_t count, struct buf *out);

/*
 * A table: cells of a row are added one by one and belong to the table.  Columns are as wide
 * as their widest cell.  A cell may hold several lines.
 */
struct table {
    size_t columns;
    char **cells;
    size_t count, room;
};
void table_init(struct table *t, size_t columns);
void table_add(struct table *t, const char *text);
void table_print(const struct table *t, struct buf *out);
void table_auto(struct table *t);

#endif
