#include "job/restore_source.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "codec/hash.h"
#include "job/feed.h"
#include "job/restore_app.h"

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

/* Those of one restore */

void restore_sources_auto(struct restore_sources *p)
{
    for (size_t i = 0; i < p->count; i++)
        mem_free(p->items[i].place);
    mem_free(p->items);
    *p = (struct restore_sources){0};
}

struct restore_source *restore_sources_add(struct restore_sources *p, const struct config_source *s)
{
    p->items = mem_resize(p->items, p->count + 1, sizeof(*p->items));
    p->items[p->count] = (struct restore_source){
        .ops = restore_source_ops_of(s->kind), .source = s, .place = restore_source_place(s)};
    return &p->items[p->count++];
}

void restore_sources_drop_last(struct restore_sources *p)
{
    mem_free(p->items[--p->count].place);
}

static const struct config_source *find_config(const struct config_set *set, const char *place)
{
    for (size_t i = 0; i < set->source_count; i++) {
        AUTO(mem) char *own = restore_source_place(&set->sources[i]);

        if (strcmp(own, place) == 0)
            return &set->sources[i];
    }
    return NULL;
}

bool restore_sources_read(const struct restore_journal *j, const struct config_set *set,
                          struct restore_sources *out, struct err *e)
{
    AUTO(restore_sources) struct restore_sources sources = {0};
    json_t *notes = restore_journal_sources(j);

    for (size_t i = 0; i < json_array_size(notes); i++) {
        json_t *note = json_array_get(notes, i);
        const char *place = json_string_value(json_object_get(note, "place"));
        const struct config_source *source = place == NULL ? NULL : find_config(set, place);
        struct restore_source *p;

        if (source == NULL)
            return err_set(e, ERR_NOT_FOUND,
                           "restore %s is of %s, which set %s does not have any more", j->record.id,
                           place == NULL ? "nothing" : place, set->name);
        p = restore_sources_add(&sources, source);
        p->id = j->record.id;
        p->note = note;
    }
    *out = sources;
    sources = (struct restore_sources){0};
    return true;
}

bool restore_sources_check_back(struct restore_sources *p, struct err *e)
{
    for (size_t i = 0; i < p->count; i++)
        if (!p->items[i].ops->check_back(&p->items[i], e))
            return err_wrap(e, "%s", p->items[i].place);
    return true;
}

bool restore_sources_check_idle(struct restore_sources *p, struct err *e)
{
    for (size_t i = 0; i < p->count; i++) {
        struct restore_source *one = &p->items[i];

        if (one->ops->check_idle != NULL && !one->ops->check_idle(one, e))
            return err_wrap(e, "%s", one->place);
    }
    return true;
}

/* A step of a source: its failure counts if it is the first. */
static void note_step(const struct restore_source *p, bool is_done, struct err *why,
                      struct err *first)
{
    if (is_done)
        return;
    (void)err_wrap(why, "%s", p->place);
    if (first->code == ERR_NONE)
        *first = *why;
}

static void put_back(struct restore_sources *p, bool is_command, struct err *first)
{
    for (size_t i = p->count; i-- > 0;) {
        struct restore_source *one = &p->items[i];
        struct err why = {0};

        if ((one->source->kind == SOURCE_COMMAND) == is_command)
            note_step(one, one->ops->back(one, &why), &why, first);
    }
}

bool restore_sources_back(struct restore_sources *p, const struct restore_set_options *o,
                          bool is_stopped, struct err *late, struct err *e)
{
    struct err first = {0}, stop = {0}, start = {0};

    if (!is_stopped)
        (void)!restore_app_stop(o, true, &stop);
    put_back(p, false, &first);

    const bool stays_stopped = first.code != ERR_NONE && restore_app_is_switched(o->set);

    if (first.code == ERR_NONE)
        (void)!restore_app_start(o, true, &start);
    put_back(p, true, &first);
    *late = start.code != ERR_NONE ? start : stop;
    if (first.code == ERR_NONE)
        return true;
    return err_set(e, first.code, "%.120s%s%.250s%s", stop.text, stop.code == ERR_NONE ? "" : "; ",
                   first.text, stays_stopped ? "; start was not run" : "");
}

bool restore_sources_discard(struct restore_sources *p, struct err *e)
{
    struct err first = {0};

    for (size_t i = p->count; i-- > 0;) {
        struct restore_source *one = &p->items[i];
        struct err why = {0};

        note_step(one, one->ops->discard(one, &why), &why, &first);
    }
    if (first.code == ERR_NONE)
        return true;
    *e = first;
    return false;
}
