#include "base/text.h"
#include "cli/commands.h"
#include "cli/config_path.h"
#include "cli/desk_tell.h"
#include "cli/render.h"
#include "cli/session.h"
#include "codec/json.h"
#include "job/job.h"

enum stats_mode {
    MODE_DEFAULT,
    MODE_RESTORE_SIZE,
    MODE_RAW_DATA,
};

struct stats_args {
    struct common common;
    struct filter_args filter;
    struct desk_args desk;
    int mode; /* enum stats_mode */
};

/* In the order of enum stats_mode. */
static const char *const mode_words[] = {"both", "restore-size", "raw-data", NULL};

static const struct option stats_options[] = {
    {"mode", 0, OPTION_CHOICE, offsetof(struct stats_args, mode), "MODE",
     "Measure both (default), restore-size or raw-data", NULL, NULL, mode_words},
    FILTER_OPTIONS_AND_SET(stats_args, filter),
    UPLOADS_OPTION(stats_args, filter),
    DESK_OPTIONS(stats_args, desk),
    {0},
};

struct restore_size {
    uint64_t snapshots, files, entries, bytes;
};

static bool add_entry(void *arg, const char *path, const struct entry *en, bool *descend,
                      struct err *e)
{
    struct restore_size *size = arg;

    (void)path;    /* only sums are of interest */
    (void)descend; /* all the way down */
    (void)e;       /* nothing can fail */
    size->entries++;
    if (en->type == ENTRY_FILE) {
        size->files++;
        size->bytes += en->size;
    }
    return true;
}

static bool measure_restore(struct call *call, struct session *s, struct restore_size *out,
                            struct err *e)
{
    const struct stats_args *args = call->args;
    AUTO(snapshot_list) struct snapshot_list list = {0};

    if (!repo_load_index(s->repo, e) ||
        !session_select(call, s, &args->common.words, &args->filter, &list, e))
        return false;
    out->snapshots = list.count;
    for (size_t i = 0; i < list.count; i++)
        if (!browse_walk(s->repo, &list.items[i]->tree, "/", add_entry, out, e))
            return false;
    return true;
}

static void set_restore(json_t *o, const struct restore_size *r)
{
    json_set_u64(o, "total_size", r->bytes);
    json_set_u64(o, "total_file_count", r->files);
    json_set_u64(o, "total_entry_count", r->entries);
    json_set_u64(o, "snapshots_count", r->snapshots);
}

static void set_raw(json_t *o, const struct repo_sizes *r)
{
    json_set_u64(o, "total_size", r->pack_bytes);
    json_set_u64(o, "total_uncompressed_size", r->chunk_bytes);
    json_set(o, "compression_ratio",
             json_real(r->pack_bytes == 0 ? 1 : (double)r->chunk_bytes / (double)r->pack_bytes));
    json_set_u64(o, "total_blob_count", r->chunks);
    json_set_u64(o, "data_blob_count", r->data_chunks);
    json_set_u64(o, "tree_blob_count", r->tree_chunks);
    json_set_u64(o, "pack_count", r->packs);
    json_set_u64(o, "delta_count", r->delta_chunks);
    json_set_u64(o, "delta_plain_size", r->delta_bytes);
    json_set_u64(o, "delta_size", r->delta_stored);
    json_set_u64(o, "trash_pack_count", r->trash_packs);
    json_set_u64(o, "trash_size", r->trash_bytes);
    json_set_u64(o, "index_size", r->index_bytes);
    json_set_u64(o, "snapshots_count", r->snapshots);
}

/* One mode alone is told as restic does; both stand in objects of their own. */
static void tell_json(struct call *call, const struct restore_size *restore,
                      const struct repo_sizes *raw)
{
    json_t *o = json_message("stats");

    if (restore != NULL && raw != NULL) {
        json_t *part = json_object();

        set_restore(part, restore);
        json_set(o, "restore_size", part);
        part = json_object();
        set_raw(part, raw);
        json_set(o, "raw_data", part);
    } else if (restore != NULL) {
        set_restore(o, restore);
    } else {
        set_raw(o, raw);
    }
    output_json(call->out, o);
}

static void tell(struct call *call, const struct restore_size *restore,
                 const struct repo_sizes *raw)
{
    char text[TEXT_SIZE_MAX];
    char plain[TEXT_SIZE_MAX];

    if (call->out->json) {
        tell_json(call, restore, raw);
        return;
    }
    if (restore != NULL) {
        size_format(restore->bytes, text);
        output_line(call->out, "To restore: %llu snapshots, %llu files, %s",
                    (unsigned long long)restore->snapshots, (unsigned long long)restore->files,
                    text);
    }
    if (raw != NULL) {
        size_format(raw->pack_bytes, text);
        size_format(raw->chunk_bytes, plain);
        output_line(call->out, "Stored:     %llu snapshots, %llu packs, %s; %llu chunks, %s plain",
                    (unsigned long long)raw->snapshots, (unsigned long long)raw->packs, text,
                    (unsigned long long)raw->chunks, plain);
        size_format(raw->delta_bytes, plain);
        size_format(raw->delta_stored, text);
        if (raw->delta_chunks > 0)
            output_line(call->out, "Deltas:     %llu chunks of these, %s plain, stored as %s",
                        (unsigned long long)raw->delta_chunks, plain, text);
        size_format(raw->trash_bytes, text);
        if (raw->trash_packs > 0)
            output_line(call->out, "Trash:      %llu packs, %s; prune took them away",
                        (unsigned long long)raw->trash_packs, text);
        size_format(raw->index_bytes, text);
        output_line(call->out, "Index:      %llu objects, %s",
                    (unsigned long long)raw->index_objects, text);
    }
}

/* It is about backups and not about a repository: a service is named, or no repository is and there
 * is a configuration. */
static bool is_of_backups(const struct stats_args *args, bool is_choice)
{
    const char *path = NULL;
    struct err none;

    if (is_choice || args->mode != MODE_DEFAULT)
        return false;
    return args->desk.remote.server != NULL ||
           (args->common.repository == NULL && args->common.repository_file == NULL &&
            config_path(args->desk.config_file, &path, &none));
}

static bool stats_of_backups(struct call *call, struct err *e)
{
    const struct stats_args *args = call->args;
    AUTO(desk) struct desk *d = NULL;
    AUTO(json) json_t *stats = NULL;

    if (!desk_open(call, &args->desk, false, &d, e) || !desk_stats(d, &stats, e))
        return false;
    if (call->out->json)
        output_json(call->out, json_pack("{s:O}", "stats", stats));
    else
        desk_tell_stats(call->out, stats);
    return true;
}

static bool run_stats(struct call *call, struct err *e)
{
    const struct stats_args *args = call->args;
    const struct filter_args *f = &args->filter;
    const bool is_choice = args->common.words.count > 0 || f->host != NULL || f->set != NULL ||
                           f->tags.count > 0 || f->paths.count > 0;
    const bool wants_raw =
        args->mode == MODE_RAW_DATA || (args->mode == MODE_DEFAULT && !is_choice);
    const bool wants_restore = args->mode != MODE_RAW_DATA;
    AUTO(session) struct session s = {0};
    struct restore_size restore = {0};
    struct repo_sizes raw = {0};

    if (is_of_backups(args, is_choice))
        return stats_of_backups(call, e);
    if (args->mode == MODE_RAW_DATA && is_choice)
        return err_set(e, ERR_USAGE,
                       "--mode raw-data measures the whole repository, not single "
                       "snapshots");
    if (!session_open(call, &s, e) || (wants_raw && !repo_measure(s.repo, &raw, e)) ||
        (wants_restore && !measure_restore(call, &s, &restore, e)))
        return false;
    tell(call, wants_restore ? &restore : NULL, wants_raw ? &raw : NULL);
    return true;
}

const struct command command_stats = {
    .name = "stats",
    .summary = "Show how large snapshots and the repository are, or how backups fare",
    .details = "Where no repository is named: the success and size of backups, of this machine's "
               "catalog or\nwith --server of a service.",
    .examples = "holdfast stats\n"
                "holdfast stats latest\n"
                "holdfast stats --mode raw-data --json\n"
                "holdfast stats --server https://backup.example.org --token-file "
                "/etc/holdfast/token",
    .words = "[SNAPSHOT]...",
    .words_max = WORDS_ANY,
    .options = stats_options,
    .args_size = sizeof(struct stats_args),
    .run = run_stats,
};
