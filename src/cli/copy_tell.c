#include "cli/copy_tell.h"

#include "base/text.h"
#include "cli/backup_tell.h"
#include "cli/render.h"

bool copy_view_init(struct copy_view *v, struct call *call, struct err *e)
{
    *v = (struct copy_view){.call = call};
    return progress_init(&v->progress, call->out, PROGRESS_BACKUP, e);
}

static void on_step(void *arg, const char *step, uint64_t done, uint64_t total)
{
    struct copy_view *v = arg;

    progress_step(&v->progress, step, done, total);
}

static void tell_done(struct copy_view *v, const struct snapshot *s, const struct hash *copy)
{
    const char *gap = v->to == NULL ? "" : " to ";
    const char *to = v->to == NULL ? "" : v->to;
    char source[SHORT_ID_MAX];
    char made[SHORT_ID_MAX];

    short_id(&s->id, source);
    short_id(copy, made);
    if (v->is_dry_run)
        output_note(v->call->out, "Snapshot %s would be copied%s%s.", source, gap, to);
    else
        output_note(v->call->out, "Snapshot %s copied%s%s as %s.", source, gap, to, made);
}

static void on_told(void *arg, const struct snapshot *s, enum copy_outcome outcome,
                    const struct hash *copy, const struct err *why)
{
    struct copy_view *v = arg;
    char source[SHORT_ID_MAX];

    if (outcome == COPY_FAILED) {
        short_id(&s->id, source);
        output_item_error(v->call->out, "copy", source, why->text);
        return;
    }
    if (v->call->out->json) {
        json_t *line = json_message("copied");

        json_set_hash(line, "source_snapshot_id", &s->id);
        if (!v->is_dry_run)
            json_set_hash(line, "snapshot_id", copy);
        if (v->to != NULL)
            json_set_text(line, "repository", v->to);
        output_json_now(v->call->out, line);
        return;
    }
    tell_done(v, s, copy);
}

struct copy_options copy_view_options(struct copy_view *v)
{
    return (struct copy_options){
        .is_dry_run = v->is_dry_run, .progress = on_step, .told = on_told, .arg = v};
}

static void tell_json(struct copy_view *v, const struct copy_stats *s)
{
    json_t *line = json_message("summary");

    if (v->to != NULL)
        json_set_text(line, "repository", v->to);
    json_set(line, "dry_run", json_boolean(v->is_dry_run));
    json_set_u64(line, "snapshots_copied", s->snapshots_copied);
    json_set_u64(line, "snapshots_present", s->snapshots_present);
    json_set_u64(line, "snapshots_failed", s->snapshots_failed);
    json_set_u64(line, "chunks", s->chunks);
    json_set_u64(line, "bytes", s->bytes);
    json_set_u64(line, "bytes_read", s->frames_stored);
    json_set_u64(line, "packs", s->packs);
    json_set_u64(line, "bytes_stored", s->bytes_stored);
    output_json(v->call->out, line);
}

void copy_tell(struct copy_view *v, const struct copy_stats *s)
{
    char bytes[TEXT_SIZE_MAX];
    char stored[TEXT_SIZE_MAX];

    progress_end(&v->progress);
    if (s->snapshots_failed > 0)
        v->call->status = EXIT_INCOMPLETE;
    if (v->call->out->json) {
        tell_json(v, s);
        return;
    }
    size_format(s->bytes, bytes);
    size_format(v->is_dry_run ? s->frames_stored : s->bytes_stored, stored);
    output_note(v->call->out, "%llu snapshot%s %s, %llu there already; %s, %s stored",
                (unsigned long long)s->snapshots_copied, plural(s->snapshots_copied),
                v->is_dry_run ? "would be copied" : "copied",
                (unsigned long long)s->snapshots_present, bytes, stored);
    if (s->snapshots_failed > 0)
        output_note(v->call->out, "Incomplete: %llu snapshot%s could not be copied.",
                    (unsigned long long)s->snapshots_failed, plural(s->snapshots_failed));
}

void copy_tell_stores(struct copy_view *v, const struct stores_result *r)
{
    uint64_t copied = 0;

    for (size_t i = 0; i < r->count; i++) {
        copied += r->stores[i].copied;
        if (r->stores[i].failed > 0)
            v->call->status = EXIT_INCOMPLETE;
    }
    if (v->call->out->json) {
        json_t *line = json_message("summary");

        json_set(line, "dry_run", json_boolean(v->is_dry_run));
        json_set(line, "degraded", json_boolean(r->is_degraded));
        json_set_u64(line, "snapshots_copied", copied);
        json_set(line, "repositories", stores_json(r));
        output_json(v->call->out, line);
        return;
    }
    output_note(v->call->out, "%llu snapshot%s %s", (unsigned long long)copied, plural(copied),
                v->is_dry_run ? "would be copied" : "copied");
}
