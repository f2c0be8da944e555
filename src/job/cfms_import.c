#include "job/cfms_import.h"

#include <string.h>

#include "archive/cfms_record.h"
#include "base/mem.h"
#include "codec/json.h"
#include "job/import_private.h"

#define LINE_MAX ((size_t)4 * CFMS_RECORD_MAX) /* of a record as a part of the archive has it */

static const char contents_folder[] = "files/";

enum part_kind {
    PART_DOCUMENTS,
    PART_FOLDERS,
    PART_FILES,
    PART_CONTENT,
};

struct work {
    const struct cfms_import_options *o;
    struct import *archive;
    struct cfms_stage *stage;
    struct cfms_contents *contents;
    uint64_t strays;
    /* The part that is being handed over */
    enum part_kind kind;
    struct buf line; /* what there is of a record */
    bool is_wanted;  /* of a content: it is written */
};

static void work_auto(struct work *w)
{
    cfms_contents_close(w->contents);
    cfms_stage_close(w->stage);
    import_free(w->archive);
    buf_done(&w->line);
}

static bool part_kind(const char *path, enum part_kind *out, struct err *e)
{
    static const char *const lists[] = {"documents.jsonl", "folders.jsonl", "files.jsonl"};

    for (int k = 0; k < PART_CONTENT; k++)
        if (strcmp(path, lists[k]) == 0) {
            *out = (enum part_kind)k;
            return true;
        }
    *out = PART_CONTENT;
    return (strncmp(path, contents_folder, strlen(contents_folder)) == 0 &&
            cfms_id_is(path + strlen(contents_folder))) ||
           err_set(e, ERR_CORRUPT, "the archive has a part that no archive of CFMS has");
}

/* Records */

static bool take_record(struct work *w, struct slice line, struct err *e)
{
    AUTO(json) json_t *tree = NULL;
    AUTO(cfms_lists) struct cfms_lists lists = {0};
    struct cfms_document d;
    struct cfms_folder folder;
    struct cfms_file file;

    if (!cfms_tree_parse(line, "a record", &tree, e))
        return false;
    switch (w->kind) {
    case PART_DOCUMENTS:
        return cfms_document_of(tree, &lists, &d, e) && cfms_stage_document(w->stage, &d, e);
    case PART_FOLDERS:
        return cfms_folder_of(tree, &lists, &folder, e) && cfms_stage_folder(w->stage, &folder, e);
    case PART_FILES:
        return cfms_file_of(tree, &lists, &file, e) && cfms_stage_file(w->stage, &file, e);
    case PART_CONTENT:
        break;
    }
    return true;
}

static bool records_begin(void *arg, size_t part, struct err *e)
{
    struct work *w = arg;

    buf_clear(&w->line);
    return part_kind(w->archive->paths[part], &w->kind, e);
}

static bool records_bytes(void *arg, struct slice bytes, struct err *e)
{
    struct work *w = arg;

    while (w->kind != PART_CONTENT && bytes.size > 0) {
        const uint8_t *end = memchr(bytes.data, '\n', bytes.size);
        const size_t size = end == NULL ? bytes.size : (size_t)(end - bytes.data);

        if (size > LINE_MAX - w->line.size)
            return err_set(e, ERR_CORRUPT, "a record is longer than an archive holds");
        buf_append(&w->line, bytes.data, size);
        if (end == NULL)
            return true;
        if (!take_record(w, buf_slice(&w->line), e))
            return false;
        buf_clear(&w->line);
        bytes = SLICE_OF(bytes.data + size + 1, bytes.size - size - 1);
    }
    return true;
}

static bool records_end(void *arg, struct err *e)
{
    const struct work *w = arg;

    return w->line.size == 0 || err_set(e, ERR_CORRUPT, "a list of records is cut off");
}

/* Which files have a content. */
static bool note_contents(struct work *w, struct err *e)
{
    enum part_kind kind;

    for (size_t n = 0; n < w->archive->found.count; n++) {
        const char *path = w->archive->paths[n];
        bool is_known = true;

        if (!part_kind(path, &kind, e))
            return false;
        if (kind == PART_CONTENT &&
            !cfms_stage_content(w->stage, path + strlen(contents_folder), &is_known, e))
            return false;
        w->strays += !is_known;
    }
    return true;
}

static bool take_records(struct work *w, struct err *e)
{
    const struct import_taker taker = {w, records_begin, records_bytes, records_end};

    return import_hand_over(w->archive, &taker, e) && note_contents(w, e);
}

/* Contents */

static bool content_begin(void *arg, size_t part, struct err *e)
{
    struct work *w = arg;
    const char *id = w->archive->paths[part] + strlen(contents_folder);
    struct cfms_wanted wanted = {.has_sha256 = false};

    w->is_wanted = false;
    if (!part_kind(w->archive->paths[part], &w->kind, e))
        return false;
    if (w->kind != PART_CONTENT)
        return true;
    if (!cfms_stage_wanted(w->stage, id, &wanted, &w->is_wanted, e))
        return false;
    if (!w->is_wanted)
        return true;
    /* Its bytes are those of this sum, or the part does not end. */
    if (wanted.has_sha256 && !hash_is_equal(&wanted.sha256, &w->archive->parts[part].sum))
        return err_set(e, ERR_CORRUPT, "file %s: its content is not what its SHA-256 says", id);
    return cfms_contents_begin(w->contents, wanted.new_id, e);
}

static bool content_bytes(void *arg, struct slice bytes, struct err *e)
{
    const struct work *w = arg;

    return !w->is_wanted || cfms_contents_add(w->contents, bytes, e);
}

static bool content_end(void *arg, struct err *e)
{
    const struct work *w = arg;

    return !w->is_wanted || cfms_contents_end(w->contents, e);
}

static bool take_contents(struct work *w, struct err *e)
{
    const struct import_taker taker = {w, content_begin, content_bytes, content_end};

    return cfms_contents_prepare(w->contents, e) && import_hand_over(w->archive, &taker, e) &&
           cfms_contents_sync(w->contents, e);
}

/* All of it */

static bool look(struct work *w, struct err *e)
{
    const struct cfms_import_options *o = w->o;
    const struct import_options options = {
        .path = o->path, .name = "archive", .as = "cfms", .keys = &o->key, .key_count = 1};

    o->step(o->arg, "decrypting", "Decrypting archive", 10);
    if (!import_look(&options, &w->archive, e))
        return false;
    return import_found(w->archive)->facts.is_authenticated || o->takes_unauthenticated ||
           err_set(e, ERR_USAGE, "%s is not authenticated: nothing says who made it", o->path);
}

static bool settle(struct work *w, struct cfms_import_result *r, struct err *e)
{
    const struct cfms_import_options *o = w->o;

    o->step(o->arg, "importing", "Loading metadata", 40);
    if (!cfms_contents_open(o->place.content_dir, &w->contents, e) ||
        !cfms_stage_settle(w->stage, o->remaps, o->finding, o->arg, &r->records, e) ||
        !cfms_stage_look_left(w->stage, w->contents, o->finding, o->arg, e))
        return false;
    r->strays = w->strays;
    return r->records.in_the_way == 0 ||
           err_set(e, ERR_USAGE, "%llu thing%s in the way",
                   (unsigned long long)r->records.in_the_way,
                   r->records.in_the_way == 1 ? " stands" : "s stand");
}

static bool bring(struct work *w, struct err *e)
{
    const struct cfms_import_options *o = w->o;

    o->step(o->arg, "importing", "Importing files", 50);
    if (!take_contents(w, e))
        return false;
    if (!cfms_stage_apply(w->stage, o->step, o->arg, e)) {
        if (e->code == ERR_AWAY)
            cfms_contents_keep(w->contents);
        return false;
    }
    cfms_contents_keep(w->contents);
    o->step(o->arg, "completed", "Restore completed", 100);
    return true;
}

bool cfms_import(const struct cfms_import_options *o, struct cfms_import_result *out, struct err *e)
{
    struct cfms_import_result r = {.is_authenticated = false};
    AUTO(work) struct work w = {.o = o};

    if (!look(&w, e))
        return false;
    r.is_authenticated = import_found(w.archive)->facts.is_authenticated;
    o->step(o->arg, "extracting", "Extracting archive", 30);
    if (!cfms_stage_open(&o->place, &w.stage, e) || !take_records(&w, e) || !settle(&w, &r, e) ||
        (!o->is_dry_run && !bring(&w, e)))
        return false;
    *out = r;
    return true;
}
