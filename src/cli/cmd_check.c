#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/heal_tell.h"
#include "cli/progress.h"
#include "cli/render.h"
#include "cli/session.h"

struct check_args {
    struct common common;
    bool read_data, repair;
    char *subset;
};

static const struct option check_options[] = {
    {"read-data", 0, OPTION_FLAG, offsetof(struct check_args, read_data), NULL,
     "Read all data too and compare it with its checksums", NULL, "data"},
    {"read-data-subset", 0, OPTION_TEXT, offsetof(struct check_args, subset), "n/t|x%|SIZE",
     "Read part n of t, x percent of the packs, or about SIZE, chosen at random", NULL, "data"},
    {"repair", 0, OPTION_FLAG, offsetof(struct check_args, repair), NULL,
     "Put back what parity can, and check again", NULL, NULL},
    {0},
};

/* Each round of a repair may uncover damage that the one before could not come to. */
#define REPAIR_ROUNDS 3

/* Owned keys. */
struct key_set {
    struct strings keys;
};

static bool key_set_has(const struct key_set *s, const char *key)
{
    for (size_t i = 0; i < s->keys.count; i++)
        if (strcmp(s->keys.items[i], key) == 0)
            return true;
    return false;
}

static void key_set_clear(struct key_set *s)
{
    for (size_t i = 0; i < s->keys.count; i++)
        mem_free(s->keys.items[i]);
    strings_done(&s->keys);
    *s = (struct key_set){0};
}

struct check_view {
    struct progress_view progress;
    json_t *broken_packs;
    struct key_set told;    /* damaged ones, shown already */
    struct key_set failed;  /* did not heal, and shown as such */
    struct key_set damaged; /* found by this round of a repair */
    bool will_repair;       /* a later round tells what damage reaches */
    bool reads_all;
    int64_t began_ns;
    uint64_t healed;
};

static void view_auto(struct check_view *v)
{
    key_set_clear(&v->told);
    key_set_clear(&v->failed);
    key_set_clear(&v->damaged);
}

static const char *fault_word(enum check_fault_kind kind)
{
    switch (kind) {
    case CHECK_DAMAGED:
        return "damaged";
    case CHECK_LITTER:
        return "litter";
    case CHECK_AFFECTED:
        return "affected";
    }
    return "unknown";
}

static void note_pack(struct check_view *v, const struct check_fault *f)
{
    const char *id = strrchr(f->object, '/');

    if (f->kind == CHECK_DAMAGED && strncmp(f->object, "packs/", 6) == 0 && id != NULL)
        json_array_append_new(v->broken_packs, json_from_text(id + 1));
}

static void show_fault(struct output *out, const struct check_fault *f)
{
    if (out->json) {
        json_t *line = json_message("error");

        json_set_text(line, "kind", fault_word(f->kind));
        json_set_text(line, "message", f->sentence);
        json_set_text(line, "object", f->object);
        if (f->path != NULL)
            json_set_path_text(line, "item", f->path);
        output_json_err(out, line);
        return;
    }
    if (f->kind == CHECK_DAMAGED)
        output_item_error(out, "check", NULL, f->sentence);
    else if (f->kind == CHECK_AFFECTED)
        output_line(out, "affected: snapshot %.8s: %s", f->object, f->path == NULL ? "" : f->path);
    else if (out->verbose)
        output_line(out, "litter: %s", f->sentence);
}

static void on_fault(void *arg, const struct check_fault *f)
{
    struct check_view *v = arg;

    if (v->will_repair && f->kind != CHECK_DAMAGED)
        return;
    if (v->will_repair)
        strings_add(&v->damaged.keys, mem_string(f->object));
    else
        note_pack(v, f);
    if (f->kind == CHECK_DAMAGED) {
        if (key_set_has(&v->told, f->object))
            return;
        strings_add(&v->told.keys, mem_string(f->object));
    }
    show_fault(v->progress.out, f);
}

static void on_progress(void *arg, const char *step, uint64_t done, uint64_t total)
{
    struct check_view *v = arg;

    progress_step(&v->progress, step, done, total);
}

static void tell(struct call *call, const struct repo *r, const struct check_view *v,
                 const struct check_stats *s)
{
    char read[TEXT_SIZE_MAX];

    if (call->out->json) {
        json_t *line = json_message("summary");
        char id[REPO_ID_TEXT];

        repo_id_text(r, id);
        json_set_text(line, "repository", id);
        json_set_time(line, "began", v->began_ns);
        json_set(line, "read_all", json_boolean(v->reads_all));
        json_set_u64(line, "num_errors", s->damaged_objects);
        json_set(line, "broken_packs", json_incref(v->broken_packs));
        json_set(line, "suggest_repair_index", json_boolean(s->suggest_repair_index));
        json_set(line, "suggest_prune", json_boolean(s->suggest_prune));
        json_set_u64(line, "affected_files", s->affected_files);
        json_set_u64(line, "litter", s->litter);
        json_set_u64(line, "unprotected", s->unprotected);
        json_set_u64(line, "healed", v->healed);
        json_set_u64(line, "snapshots", s->snapshots);
        json_set_u64(line, "trees", s->trees);
        json_set_u64(line, "chunks", s->chunks);
        json_set_u64(line, "packs", s->packs);
        json_set_u64(line, "packs_read", s->packs_read);
        json_set_u64(line, "bytes_read", s->bytes_read);
        output_json(call->out, line);
        return;
    }
    size_format(s->bytes_read, read);
    output_note(call->out,
                "Checked %llu snapshots, %llu trees, %llu chunks, %llu packs; read %llu "
                "packs, %s",
                (unsigned long long)s->snapshots, (unsigned long long)s->trees,
                (unsigned long long)s->chunks, (unsigned long long)s->packs,
                (unsigned long long)s->packs_read, read);
    if (s->litter > 0)
        output_note(call->out,
                    "Left over from interrupted runs, harmless: %llu object%s; \"holdfast "
                    "prune\" removes what is old enough",
                    (unsigned long long)s->litter, plural(s->litter));
    if (s->unprotected > 0)
        output_note(call->out, "Without parity: %llu object%s; \"holdfast parity enable\" makes it",
                    (unsigned long long)s->unprotected, plural(s->unprotected));
    if (s->damaged_objects == 0)
        output_note(call->out, v->healed > 0 ? "All damage was healed." : "No damage found.");
}

static void on_healed(void *arg, const struct healing *h)
{
    struct check_view *v = arg;

    if (h->from == HEAL_NOT) {
        if (key_set_has(&v->failed, h->object))
            return;
        strings_add(&v->failed.keys, mem_string(h->object));
    }
    heal_tell(v->progress.out, h);
}

/* Parity for what has none although it is switched on. */
static bool protect(struct repo *r, struct err *e)
{
    const struct parity_work work = {0};
    struct parity_figures figures;

    return parity_measure(r, &figures, e) && parity_enable(r, &figures.rule, &work, &figures, e);
}

/* Check and put back what can be put back, until nothing more comes of it. */
static bool check_and_repair(struct repo *r, const struct check_options *o, struct check_view *v,
                             struct check_stats *out, struct err *e)
{
    struct heal_stats healed = {.healed = 1};

    for (int round = 0; round < REPAIR_ROUNDS && healed.healed > 0; round++) {
        key_set_clear(&v->damaged);
        v->will_repair = true;
        if (!check_run(r, o, out, e))
            return false;
        v->will_repair = false;
        progress_end(&v->progress);
        if (v->damaged.keys.count == 0)
            break;
        if (!heal_objects(r, strings_items(&v->damaged.keys), v->damaged.keys.count, on_healed, v,
                          &healed, e))
            return false;
        v->healed += healed.healed;
    }
    if (out->unprotected > 0 && !protect(r, e))
        return false;
    return (v->damaged.keys.count == 0 && out->unprotected == 0) || check_run(r, o, out, e);
}

static bool run_check(struct call *call, struct err *e)
{
    const struct check_args *args = call->args;
    AUTO(session) struct session s = {0};
    AUTO(json) json_t *broken = json_array();
    AUTO(view) struct check_view view = {.broken_packs = broken};
    struct check_options o = {
        .read_data = args->read_data, .fault = on_fault, .progress = on_progress, .arg = &view};
    struct check_stats stats = {0};

    if (args->subset != NULL && !check_subset_parse(args->subset, &o, e))
        return err_wrap(e, "--read-data-subset");
    if (!progress_init(&view.progress, call->out, PROGRESS_BACKUP, e) || !session_open(call, &s, e))
        return false;
    view.reads_all = args->read_data;
    view.began_ns = clock_now_ns();
    if (args->repair ? !check_and_repair(s.repo, &o, &view, &stats, e)
                     : !check_run(s.repo, &o, &stats, e))
        return false;
    progress_end(&view.progress);
    tell(call, s.repo, &view, &stats);
    if (stats.damaged_objects == 0)
        return true;
    return err_set(e, ERR_CORRUPT, "check: %llu damaged object%s, %llu affected file%s%s%s",
                   (unsigned long long)stats.damaged_objects, plural(stats.damaged_objects),
                   (unsigned long long)stats.affected_files, plural(stats.affected_files),
                   stats.suggest_repair_index ? "; \"holdfast repair index\" may help" : "",
                   args->repair
                       ? "; \"holdfast repair packs --from-repo\" takes packs from another "
                         "repository"
                       : "; \"holdfast check --repair\" puts back what it can");
}

const struct command command_check = {
    .name = "check",
    .summary = "Look for damage in the repository",
    .details = "Without --read-data everything but the content of files is read.  Exit status 13: "
               "damage\nwas found.",
    .examples = "holdfast check\n"
                "holdfast check --read-data\n"
                "holdfast check --read-data-subset 1/7\n"
                "holdfast check --read-data --repair",
    .words = "",
    .wants_store_itself = true,
    .options = check_options,
    .args_size = sizeof(struct check_args),
    .run = run_check,
};
