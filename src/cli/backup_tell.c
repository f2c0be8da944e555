#include "cli/backup_tell.h"

#include "base/clock.h"
#include "base/text.h"
#include "cli/render.h"

static void tell_counts(struct call *call, const struct backup_result *r)
{
    const struct snapshot_counts *c = &r->counts;
    char added[TEXT_SIZE_MAX];
    char stored[TEXT_SIZE_MAX];
    char total[TEXT_SIZE_MAX];
    char elapsed[ELAPSED_TEXT_MAX];

    size_format(c->bytes_added, added);
    size_format(c->bytes_stored, stored);
    size_format(c->total_bytes, total);
    elapsed_format(c->ended_ns - c->started_ns, elapsed);
    output_note(call->out, "Files:       %llu new, %llu changed, %llu unmodified",
                (unsigned long long)c->files_new, (unsigned long long)c->files_changed,
                (unsigned long long)c->files_unmodified);
    output_note(call->out, "Directories: %llu new, %llu changed, %llu unmodified",
                (unsigned long long)c->dirs_new, (unsigned long long)c->dirs_changed,
                (unsigned long long)c->dirs_unmodified);
    output_note(call->out, "Added:       %s, %s stored", added, stored);
    output_note(call->out, "Processed:   %llu files, %s in %s", (unsigned long long)c->total_files,
                total, elapsed);
    if (r->reused > 0) {
        char id[SHORT_ID_MAX];

        short_id(&r->parent, id);
        output_note(call->out, "Not read:    %llu table%s that did not change since snapshot %s",
                    (unsigned long long)r->reused, plural(r->reused), id);
    }
    if (r->locks.extended > 0)
        output_note(call->out, "Locks:       %llu extended", (unsigned long long)r->locks.extended);
}

json_t *stores_json(const struct stores_result *r)
{
    json_t *list = json_array();

    for (size_t i = 0; i < r->count; i++) {
        const struct store_outcome *o = &r->stores[i];
        json_t *one = json_object();

        json_set_text(one, "name", o->name);
        if (o->has_it)
            json_set_hash(one, "snapshot_id", &o->snapshot);
        json_set_u64(one, "snapshots_copied", o->copied);
        json_set_u64(one, "snapshots_failed", o->failed);
        if (o->has_failed)
            json_set_text(one, "error", o->why.text);
        json_array_append_new(list, one);
    }
    return list;
}

static void tell_json(struct call *call, bool is_dry_run, const struct backup_result *r,
                      const struct stores_result *stores)
{
    const struct snapshot_counts *c = &r->counts;
    json_t *line = json_message("summary");
    json_t *counts = json_counts(c);

    (void)json_object_update(line, counts); /* cannot fail on objects */
    json_decref(counts);
    json_set(line, "dry_run", json_boolean(is_dry_run));
    json_set(line, "total_duration",
             json_real((double)(c->ended_ns - c->started_ns) / (double)NS_PER_S));
    json_set_u64(line, "error_count", r->errors);
    if (r->reused > 0)
        json_set_u64(line, "tables_reused", r->reused);
    if (r->has_parent)
        json_set_hash(line, "parent", &r->parent);
    if (r->is_committed)
        json_set_hash(line, "snapshot_id", &r->snapshot);
    if (r->is_found)
        json_set(line, "found", json_true());
    if (r->locks.is_on) {
        json_set_u64(line, "locks_asked", r->locks.asked);
        json_set_u64(line, "locks_extended", r->locks.extended);
    }
    if (stores != NULL) {
        json_set(line, "degraded", json_boolean(stores->is_degraded));
        json_set(line, "repositories", stores_json(stores));
    }
    output_json(call->out, line);
}

void backup_tell(struct call *call, bool is_dry_run, const struct backup_result *r,
                 const struct stores_result *stores)
{
    char id[SHORT_ID_MAX];

    if (r->errors > 0)
        call->status = EXIT_INCOMPLETE;
    if (call->out->json) {
        tell_json(call, is_dry_run, r, stores);
        return;
    }
    short_id(&r->snapshot, id);
    tell_counts(call, r);
    if (r->is_found)
        output_note(call->out, "Snapshot %s was saved by a former attempt: no second was made.",
                    id);
    else if (r->is_committed)
        output_note(call->out, "Snapshot %s saved.", id);
    else if (is_dry_run)
        output_note(call->out, "Dry run: nothing was stored.");
    else
        output_note(call->out, "Nothing has changed: no snapshot was made.");
    if (r->errors > 0)
        output_note(call->out, "Incomplete: %llu item%s could not be read as it should be.",
                    (unsigned long long)r->errors, plural(r->errors));
    if (stores != NULL && stores->is_degraded)
        output_note(call->out, "Degraded: not every repository of the set is up to date.");
}
