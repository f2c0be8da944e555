#include "job/restore_source.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "codec/hash.h"
#include "job/feed.h"

const struct restore_source_ops *restore_source_ops_of(enum config_source_kind kind)
{
    static const struct restore_source_ops *const ops[] = {
        [SOURCE_FILES] = &restore_files_ops,   [SOURCE_POSTGRES] = &restore_postgres_ops,
        [SOURCE_SQLITE] = &restore_sqlite_ops, [SOURCE_COMMAND] = &restore_command_ops,
        [SOURCE_BUNDLE] = &restore_bundle_ops,
    };

    return ops[kind];
}

char *restore_source_place(const struct config_source *s)
{
    AUTO(buf) struct buf place = {0};

    if (s->kind != SOURCE_FILES)
        buf_printf(&place, "%s", config_kind_name(s->kind));
    if (s->kind != SOURCE_FILES && s->kind != SOURCE_BUNDLE)
        buf_put_u8(&place, '/');
    if (s->kind != SOURCE_BUNDLE)
        buf_printf(&place, "%s", s->name);
    return mem_string(buf_string(&place));
}

bool restore_source_note_text(const struct restore_source *p, const char *name, const char **out,
                              struct err *e)
{
    *out = json_string_value(json_object_get(p->note, name));
    return *out != NULL ||
           err_set(e, ERR_CORRUPT, "the journal of restore %s lacks %s", p->id, name);
}

void restore_source_note_set(struct restore_source *p, const char *name, const char *text)
{
    (void)json_object_set_new(p->note, name, json_string(text)); /* what is in it was checked */
}

void restore_place_id(const struct restore_source *p, const char *place, char out[RESTORE_PLACE_ID])
{
    AUTO(buf) struct buf text = {0};
    struct hash sum;

    /* The names of sources and the id have no NUL bytes, so no two lists of the three are alike. */
    buf_append(&text, p->id, strlen(p->id) + 1);
    buf_append(&text, p->source->name, strlen(p->source->name) + 1);
    buf_append(&text, place, strlen(place));
    sha256(buf_slice(&text), &sum);
    hex_encode(SLICE_OF(sum.bytes, (RESTORE_PLACE_ID - 1) / 2), out);
}

void restore_put_rows(struct buf *out, uint64_t tables, uint64_t rows)
{
    buf_printf(out, "%llu table%s, %llu row%s", (unsigned long long)tables, tables == 1 ? "" : "s",
               (unsigned long long)rows, rows == 1 ? "" : "s");
}

bool restore_source_manifest(struct restore_source *p, struct reader *rd, struct buf *out,
                             struct err *e)
{
    AUTO(buf) struct buf name = {0};

    buf_printf(&name, "/%s" MEMBER_MANIFEST, p->place);
    return feed_get(rd, &p->snapshot->tree, buf_string(&name), out, e);
}
