#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/probed.h"
#include "cli/progress.h"
#include "cli/render.h"
#include "cli/session.h"

struct key_reencrypt_args {
    struct common common;
    bool is_dry_run;
    uint64_t max_bytes;
};

#define AT(member) offsetof(struct key_reencrypt_args, member)

static const struct option key_reencrypt_options[] = {
    {"dry-run", 'n', OPTION_FLAG, AT(is_dry_run), NULL, "Change nothing, show what is left", NULL,
     NULL},
    {"max-repack-size", 0, OPTION_SIZE, AT(max_bytes), "SIZE",
     "Pack about SIZE again in this run, and the rest in later ones", NULL, NULL},
    {0},
};

static void on_progress(void *arg, const char *step, uint64_t done, uint64_t total)
{
    if (strcmp(step, "reencrypt") == 0)
        progress_bytes(arg, step, done, total);
    else
        progress_step(arg, step, done, total);
}

/* What is left */

static json_t *epoch_json(const struct epoch_sum *s)
{
    json_t *o = json_object();

    json_set_u64(o, "epoch", s->epoch);
    json_set_u64(o, "keys", s->slots);
    json_set_u64(o, "packs", s->packs);
    json_set_u64(o, "pack_bytes", s->pack_bytes);
    json_set_u64(o, "index_objects", s->indexes);
    json_set_u64(o, "index_bytes", s->index_bytes);
    json_set_u64(o, "packs_in_trash", s->trash_packs);
    json_set_u64(o, "bytes_in_trash", s->trash_bytes);
    json_set_u64(o, "snapshots", s->snapshots);
    json_set_u64(o, "records", s->records);
    json_set_u64(o, "record_bytes", s->record_bytes);
    return o;
}

static void tell_json(struct call *call, const struct reencrypt_stats *s,
                      const struct epochs_figures *f)
{
    const struct key_reencrypt_args *args = call->args;
    json_t *line = json_message("summary");
    json_t *epochs = json_array();

    for (uint32_t i = 0; i < f->newest; i++)
        json_array_append_new(epochs, epoch_json(&f->of[i]));
    json_set(line, "dry_run", json_boolean(args->is_dry_run));
    json_set_u64(line, "epoch", f->newest);
    json_set_u64(line, "rounds", s->rounds);
    json_set_u64(line, "packs_reencrypted", s->packs);
    json_set_u64(line, "bytes_reencrypted", s->bytes);
    json_set_u64(line, "packs_discarded", s->packs_discarded);
    json_set_u64(line, "bytes_discarded", s->bytes_discarded);
    json_set_u64(line, "packs_locked", s->packs_locked);
    json_set_u64(line, "snapshots_removed", s->snapshots_removed);
    json_set_u64(line, "keys_removed", s->slots_removed);
    json_set_u64(line, "packs_left", f->packs_left);
    json_set_u64(line, "bytes_left", f->pack_bytes_left);
    json_set_u64(line, "index_objects_left", f->indexes_left);
    json_set_u64(line, "packs_left_in_trash", f->trash_packs_left);
    json_set_u64(line, "bytes_left_in_trash", f->trash_bytes_left);
    json_set_u64(line, "snapshots_left", f->snapshots_left);
    json_set_u64(line, "records_left", f->records_left);
    json_set_u64(line, "unreadable", f->unreadable);
    json_set_u64(line, "keys_past", f->slots_past);
    json_set_u64(line, "keys_unfinished", f->slots_unfinished);
    json_set(line, "epochs", epochs);
    output_json(call->out, line);
}

static void add_number(struct table *t, uint64_t n)
{
    AUTO(buf) struct buf cell = {0};

    buf_printf(&cell, "%llu", (unsigned long long)n);
    table_add(t, buf_string(&cell));
}

static void print_epochs(struct call *call, const struct epochs_figures *f)
{
    static const char *const heads[] = {"Epoch", "Keys",  "Packs",    "Size",
                                        "Index", "Trash", "Snapshots"};
    AUTO(table) struct table t;
    AUTO(buf) struct buf text = {0};

    table_init(&t, sizeof(heads) / sizeof(heads[0]));
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        table_add(&t, heads[i]);
    for (uint32_t i = 0; i < f->newest; i++) {
        const struct epoch_sum *s = &f->of[i];
        char size[TEXT_SIZE_MAX];

        size_format(s->pack_bytes, size);
        add_number(&t, s->epoch);
        add_number(&t, s->slots);
        add_number(&t, s->packs);
        table_add(&t, size);
        add_number(&t, s->indexes);
        add_number(&t, s->trash_packs);
        add_number(&t, s->snapshots);
    }
    table_print(&t, &text);
    output_raw(call->out, buf_slice(&text));
}

/* What an old key still reads. */
static void tell_left(struct call *call, const struct reencrypt_stats *s,
                      const struct epochs_figures *f)
{
    char size[TEXT_SIZE_MAX];

    size_format(f->pack_bytes_left, size);
    if (f->packs_left + f->indexes_left > 0)
        output_note(call->out, "Left:    %llu pack%s, %s, and %llu part%s of the index%s",
                    (unsigned long long)f->packs_left, plural(f->packs_left), size,
                    (unsigned long long)f->indexes_left, plural(f->indexes_left),
                    s->packs_locked > 0 ? "; the store has some of them locked" : "");
    else
        output_note(call->out, "Left:    no pack and no part of the index of a past epoch");
    if (f->trash_packs_left > 0) {
        size_format(f->trash_bytes_left, size);
        output_note(call->out,
                    "Trash:   %llu packs, %s, which old keys read until prune removes them after 7 "
                    "days, or \"holdfast prune --empty-trash\" at once",
                    (unsigned long long)f->trash_packs_left, size);
    }
    if (f->records_left > 0)
        output_note(
            call->out,
            "Records: %llu, of %llu snapshots, keep their epoch until these are forgotten and "
            "pruned: old keys read their hosts, paths, tags, times and settings, but no file",
            (unsigned long long)f->records_left, (unsigned long long)f->snapshots_left);
    if (f->unreadable > 0)
        output_note(call->out,
                    "Damaged: %llu objects, of which no epoch is known; see holdfast check",
                    (unsigned long long)f->unreadable);
}

static void tell(struct call *call, const struct reencrypt_stats *s, const struct epochs_figures *f)
{
    const struct key_reencrypt_args *args = call->args;
    char size[TEXT_SIZE_MAX];

    if (call->out->json) {
        tell_json(call, s, f);
        return;
    }
    if (f->newest == 1) {
        output_note(call->out, "The keys were never rotated: everything is of epoch 1.");
        return;
    }
    print_epochs(call, f);
    size_format(s->bytes, size);
    if (!args->is_dry_run)
        output_note(call->out, "Done:    %llu pack%s, %s, packed again or removed in %llu round%s",
                    (unsigned long long)s->packs, plural(s->packs), size,
                    (unsigned long long)s->rounds, plural(s->rounds));
    if (s->snapshots_removed > 0)
        output_note(call->out, "Removed %llu forgotten snapshots",
                    (unsigned long long)s->snapshots_removed);
    tell_left(call, s, f);
}

static bool run_key_reencrypt(struct call *call, struct err *e)
{
    const struct key_reencrypt_args *args = call->args;
    AUTO(session) struct session s = {0};
    struct progress_view view;
    struct reencrypt_options o = {
        .max_bytes = args->max_bytes, .progress = on_progress, .arg = &view};
    struct reencrypt_stats stats = {0};
    struct epochs_figures figures;
    const char *url = NULL;

    if (!session_open(call, &s, e) || !session_place(call, &url, e))
        return false;
    call->stage = STAGE_WORK;
    o.keeps_locked = s.store->locks.lasts_s > 0;
    if (!args->is_dry_run && !probed_require(call, url, s.store, e))
        return false;
    if (!progress_init(&view, call->out, PROGRESS_BACKUP, e))
        return false;
    if (!args->is_dry_run && !key_reencrypt(s.repo, &o, &stats, e))
        return err_wrap(e, "reencrypt (what was done stays done, and another run goes on)");
    if (!epochs_measure(s.repo, on_progress, &view, &figures, e))
        return err_wrap(e, "measure epochs");
    progress_end(&view);
    tell(call, &stats, &figures);
    mem_free(figures.of);
    return true;
}

const struct command command_key_reencrypt = {
    .name = "key reencrypt",
    .summary = "Pack again what is encrypted with past master keys",
    .details = "Works beside backups, and can be interrupted and repeated at any time.\n"
               "It prunes, too: what was forgotten cannot be brought back afterwards.\n"
               "Sealed records of snapshots keep their epoch; the page says what that means.",
    .examples = "holdfast key reencrypt --dry-run\n"
                "holdfast key reencrypt\n"
                "holdfast key reencrypt --max-repack-size 50G",
    .words = "",
    .options = key_reencrypt_options,
    .args_size = sizeof(struct key_reencrypt_args),
    .run = run_key_reencrypt,
};
