#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/from.h"
#include "cli/heal_tell.h"
#include "cli/progress.h"
#include "cli/render.h"
#include "cli/session.h"

struct repair_args {
    struct common common;
};

static void on_damaged(void *arg, const char *key, const struct err *why)
{
    output_item_error(arg, "repair", key, why->text);
}

static bool run_repair_index(struct call *call, struct err *e)
{
    AUTO(session) struct session s = {0};
    struct repair_stats stats = {0};

    if (!session_open(call, &s, e) || !repair_index(s.repo, on_damaged, call->out, &stats, e))
        return false;
    if (call->out->json) {
        json_t *line = json_message("summary");

        json_set_u64(line, "packs", stats.packs);
        json_set_u64(line, "packs_damaged", stats.packs_damaged);
        json_set_u64(line, "indexes_before", stats.indexes_before);
        json_set_u64(line, "indexes_after", stats.indexes_after);
        output_json(call->out, line);
    }
    output_note(call->out,
                "The index was made again from %llu packs: %llu objects before, %llu now",
                (unsigned long long)stats.packs, (unsigned long long)stats.indexes_before,
                (unsigned long long)stats.indexes_after);
    if (stats.packs_damaged > 0)
        return err_set(e, ERR_CORRUPT, "repair index: left out %llu damaged pack%s",
                       (unsigned long long)stats.packs_damaged, plural(stats.packs_damaged));
    return true;
}

const struct command command_repair_index = {
    .name = "repair index",
    .summary = "Make the index again from the packs",
    .examples = "holdfast repair index",
    .words = "",
    .wants_store_itself = true,
    .args_size = sizeof(struct repair_args),
    .run = run_repair_index,
};

/* Packs */

struct packs_args {
    struct common common;
    struct from_args from;
};

static const struct option packs_options[] = {FROM_OPTIONS(packs_args, from), {0}};

struct packs_view {
    struct progress_view progress;
    struct hash *left; /* packs that did not come back */
    size_t left_count;
};

static void packs_view_auto(struct packs_view *v)
{
    mem_free(v->left);
}

static void on_packs_progress(void *arg, const char *step, uint64_t done, uint64_t total)
{
    struct packs_view *v = arg;

    progress_step(&v->progress, step, done, total);
}

static void on_pack(void *arg, const struct healing *h)
{
    struct packs_view *v = arg;
    const char *id = strrchr(h->object, '/');

    heal_tell(v->progress.out, h);
    if (h->from != HEAL_NOT || id == NULL)
        return;
    v->left = mem_resize(v->left, v->left_count + 1, sizeof(*v->left));
    v->left_count += hex_decode(id + 1, v->left[v->left_count].bytes, HASH_SIZE);
}

/* What is lost, file by file. */
static void on_affected(void *arg, const struct check_fault *f)
{
    struct packs_view *v = arg;
    struct output *out = v->progress.out;

    if (f->kind != CHECK_AFFECTED)
        return;
    if (!out->json) {
        output_line(out, "affected: snapshot %.8s: %s", f->object, f->path);
        return;
    }

    json_t *line = json_message("error");

    json_set_text(line, "kind", "affected");
    json_set_text(line, "message", f->sentence);
    json_set_text(line, "object", f->object);
    json_set_path_text(line, "item", f->path);
    output_json_err(out, line);
}

static bool find_affected(struct session *s, struct packs_view *v, struct check_stats *out,
                          struct err *e)
{
    const struct check_options o = {.suspects = v->left,
                                    .suspect_count = v->left_count,
                                    .fault = on_affected,
                                    .progress = on_packs_progress,
                                    .arg = v};

    return v->left_count == 0 || check_run(s->repo, &o, out, e);
}

static bool parse_packs(struct call *call, struct repair_packs_options *o, struct err *e)
{
    const struct strings *words = &call->common->words;
    struct hash *ids = arena_take(&call->arena, words->count * sizeof(*ids));

    for (size_t i = 0; i < words->count; i++)
        if (!hex_decode(words->items[i], ids[i].bytes, HASH_SIZE))
            return err_set(e, ERR_USAGE, "%s is not the id of a pack, 64 hexadecimal digits",
                           words->items[i]);
    o->only = ids;
    o->only_count = words->count;
    return true;
}

static void tell_packs(struct call *call, const struct repair_packs_stats *s, uint64_t affected)
{
    if (call->out->json) {
        json_t *line = json_message("summary");

        json_set_u64(line, "packs", s->packs);
        json_set_u64(line, "damaged", s->damaged);
        json_set_u64(line, "healed", s->healed);
        json_set_u64(line, "left", s->left);
        json_set_u64(line, "chunks_copied", s->chunks_copied);
        json_set_u64(line, "chunks_lost", s->chunks_lost);
        json_set_u64(line, "affected_files", affected);
        output_json(call->out, line);
        return;
    }
    output_note(call->out, "Looked at %llu packs: %llu damaged or missing, %llu of them healed",
                (unsigned long long)s->packs, (unsigned long long)s->damaged,
                (unsigned long long)s->healed);
    if (s->chunks_copied > 0)
        output_note(call->out, "Stored %llu chunk%s anew", (unsigned long long)s->chunks_copied,
                    plural(s->chunks_copied));
}

static bool run_repair_packs(struct call *call, struct err *e)
{
    const struct packs_args *args = call->args;
    AUTO(session) struct session from = {0};
    AUTO(session) struct session s = {0};
    AUTO(packs_view) struct packs_view view = {0};
    struct repair_packs_options o = {.told = on_pack, .progress = on_packs_progress, .arg = &view};
    struct repair_packs_stats stats = {0};
    struct check_stats found = {0};

    if (!parse_packs(call, &o, e) ||
        !progress_init(&view.progress, call->out, PROGRESS_BACKUP, e) ||
        !session_open(call, &s, e) ||
        (from_is_given(&args->from) && !from_open(call, &args->from, &from, e)))
        return false;
    o.from = from.repo;
    call->stage = STAGE_WORK;
    if (!repair_packs(s.repo, &o, &stats, e))
        return err_wrap(e, "repair packs");
    progress_end(&view.progress);
    if (!find_affected(&s, &view, &found, e))
        return err_wrap(e, "find what is affected");
    progress_end(&view.progress);
    tell_packs(call, &stats, found.affected_files);
    return stats.left == 0 ||
           err_set(e, ERR_CORRUPT,
                   "repair packs: %llu pack%s could not be healed, %llu affected file%s",
                   (unsigned long long)stats.left, plural(stats.left),
                   (unsigned long long)found.affected_files, plural(found.affected_files));
}

const struct command command_repair_packs = {
    .name = "repair packs",
    .summary = "Put back damaged and missing packs",
    .details = "From parity first, then from another repository: the same pack where that is a "
               "copy of\nall files, else the chunks where both name them alike.",
    .examples =
        "holdfast repair packs\n"
        "holdfast repair packs --from-repo /mnt/other/backup --from-key-file /etc/other.key",
    .words = "[PACK...]",
    .words_max = WORDS_ANY,
    .wants_store_itself = true,
    .options = packs_options,
    .args_size = sizeof(struct packs_args),
    .run = run_repair_packs,
};
