#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/probed.h"
#include "cli/progress.h"
#include "cli/prune.h"
#include "cli/render.h"
#include "cli/session.h"

enum { MAX_UNUSED_DEFAULT = 50 };

/* Beyond it a tenth less for many times the time (docs/decisions/0075). */
enum { RECOMPRESS_DEFAULT = 9 };

struct prune_args {
    struct common common;
    struct prune_choice choice;
};

#define AT(member) offsetof(struct prune_args, member)

static const struct option prune_options[] = {
    {"dry-run", 'n', OPTION_FLAG, AT(choice.is_dry_run), NULL,
     "Remove nothing, tell what would be removed", NULL, NULL},
    {"max-unused", 0, OPTION_TEXT, AT(choice.max_unused), "PERCENT",
     "Pack again what is unused by more than PERCENT; 50 by default", NULL, NULL},
    {"max-repack-size", 0, OPTION_SIZE, AT(choice.max_repack_bytes), "SIZE",
     "Pack at most SIZE again", NULL, NULL},
    {"compression", 0, OPTION_TEXT, AT(choice.compression), "auto|off|max|LEVEL",
     "Compress more or less what is packed again", "HOLDFAST_COMPRESSION", NULL},
    {"recompress", 0, OPTION_MAY_TEXT, AT(choice.recompress), "LEVEL",
     "Pack again what LEVEL of zstd, 9 by default, makes shorter", NULL, NULL},
    {"empty-trash", 0, OPTION_FLAG, AT(choice.empties_trash), NULL,
     "Remove what earlier prunes took away, however young, and nothing else", NULL, NULL},
    {"keep-locked", 0, OPTION_FLAG, AT(choice.keeps_locked), NULL,
     "Leave alone what the store has locked; without this option with s3.object-lock", NULL, NULL},
    {"hide-locked", 0, OPTION_FLAG, AT(choice.hides_locked), NULL,
     "Take away what is locked, too: its bytes stay as older versions", NULL, NULL},
    {"extend-locks", 0, OPTION_FLAG, AT(choice.extends_locks), NULL,
     "Lock for longer what snapshots need, and nothing else", NULL, NULL},
    {0},
};

static void tell_json(struct call *call, const struct prune_choice *c, const struct prune_stats *s)
{
    json_t *line = json_message("summary");
    char end[CLOCK_TEXT_MAX];

    json_set(line, "dry_run", json_boolean(c->is_dry_run));
    json_set_u64(line, "packs_before", s->packs_before);
    json_set_u64(line, "packs_kept", s->packs_kept);
    json_set_u64(line, "packs_repacked", s->packs_repacked);
    json_set_u64(line, "packs_removed", s->packs_removed);
    json_set_u64(line, "packs_rescued", s->packs_rescued);
    json_set_u64(line, "packs_discarded", s->packs_discarded);
    json_set_u64(line, "packs_freed", s->packs_freed);
    json_set_u64(line, "packs_in_trash", s->packs_in_trash);
    json_set_u64(line, "bytes_before", s->bytes_before);
    json_set_u64(line, "bytes_removed", s->bytes_removed);
    json_set_u64(line, "bytes_discarded", s->bytes_discarded);
    json_set_u64(line, "bytes_freed", s->bytes_freed);
    json_set_u64(line, "bytes_in_trash", s->bytes_in_trash);
    json_set_u64(line, "bytes_repacked", s->bytes_repacked);
    json_set_u64(line, "bytes_used", s->bytes_used);
    json_set_u64(line, "packs_recompressed", s->packs_recompressed);
    json_set_u64(line, "bytes_gained", s->bytes_gained);
    json_set(line, "has_untried", json_boolean(s->has_untried));
    json_set_u64(line, "chunks_used", s->chunks_used);
    json_set_u64(line, "chunks_unused", s->chunks_unused);
    json_set_u64(line, "snapshots_removed", s->snapshots_removed);
    json_set_u64(line, "packs_hidden", s->packs_hidden);
    json_set_u64(line, "bytes_hidden", s->bytes_hidden);
    json_set_u64(line, "packs_locked", s->packs_locked);
    json_set_u64(line, "bytes_locked", s->bytes_locked);
    json_set_u64(line, "snapshots_locked", s->snapshots_locked);
    if (s->first_lock_ends_s > 0) {
        clock_format(s->first_lock_ends_s * NS_PER_S, end);
        json_set_text(line, "first_lock_ends", end);
    }
    json_set_u64(line, "locks_asked", s->locks_asked);
    json_set_u64(line, "locks_extended", s->locks_extended);
    output_json(call->out, line);
}

/* What could not go, and what cannot go for longer. */
static void tell_locks(struct call *call, const struct prune_stats *s)
{
    char bytes[TEXT_SIZE_MAX];
    char end[CLOCK_TEXT_MAX];

    if (s->packs_locked > 0 || s->snapshots_locked > 0) {
        size_format(s->bytes_locked, bytes);
        clock_format_local(s->first_lock_ends_s * NS_PER_S, end);
        output_note(
            call->out,
            "Locked:  %llu packs, %s, and %llu forgotten snapshot%s stay; the first lock ends "
            "%s",
            (unsigned long long)s->packs_locked, bytes, (unsigned long long)s->snapshots_locked,
            plural(s->snapshots_locked), end);
    }
    if (s->locks_extended > 0)
        output_note(call->out, "Locks:   %llu extended", (unsigned long long)s->locks_extended);
}

/* What the run means for the space that the repository takes. */
static void tell_space(struct call *call, const struct prune_choice *c, const struct prune_stats *s)
{
    char bytes[TEXT_SIZE_MAX];

    if (s->packs_discarded > 0) {
        size_format(s->bytes_discarded, bytes);
        output_note(call->out, "%s %llu packs, %s, to the trash for 7 days",
                    c->is_dry_run ? "Would move" : "Moved", (unsigned long long)s->packs_discarded,
                    bytes);
    }
    if (s->packs_hidden > 0) {
        size_format(s->bytes_hidden, bytes);
        output_note(
            call->out,
            "%s %llu packs: %s stay in the bucket as older versions until a rule of its own "
            "removes them",
            c->is_dry_run ? "Would hide" : "Hid", (unsigned long long)s->packs_hidden, bytes);
    }
    size_format(s->bytes_freed, bytes);
    output_note(call->out, "%s %llu packs for good: %s %s",
                c->is_dry_run ? "Would remove" : "Removed", (unsigned long long)s->packs_freed,
                bytes, c->is_dry_run ? "would be free" : "are free");
    if (s->packs_in_trash > 0) {
        size_format(s->bytes_in_trash, bytes);
        output_note(call->out,
                    "Trash:   %llu packs, %s; \"holdfast prune --empty-trash\" frees them at once",
                    (unsigned long long)s->packs_in_trash, bytes);
    }
}

static void tell_recompressed(struct call *call, const struct prune_choice *c,
                              const struct prune_stats *s)
{
    char bytes[TEXT_SIZE_MAX];

    size_format(s->bytes_gained, bytes);
    output_note(call->out, "%s %llu packs more: about %s less%s",
                c->is_dry_run ? "Would compress" : "Compressed",
                (unsigned long long)s->packs_recompressed, bytes,
                s->has_untried ? "; run it again for what was not looked at yet" : "");
}

static void tell(struct call *call, const struct prune_choice *c, const struct prune_stats *s)
{
    char before[TEXT_SIZE_MAX];
    char repacked[TEXT_SIZE_MAX];

    if (call->out->json) {
        tell_json(call, c, s);
        return;
    }
    if (c->empties_trash) {
        tell_space(call, c, s);
        return;
    }
    if (c->extends_locks) {
        output_note(call->out, "Locks:   %llu extended", (unsigned long long)s->locks_extended);
        return;
    }
    size_format(s->bytes_before, before);
    size_format(s->bytes_repacked, repacked);
    output_note(call->out, "Chunks:  %llu used, %llu unused", (unsigned long long)s->chunks_used,
                (unsigned long long)s->chunks_unused);
    output_note(call->out, "Packs:   %llu, %s; %llu kept, %llu packed again (%s)",
                (unsigned long long)s->packs_before, before, (unsigned long long)s->packs_kept,
                (unsigned long long)s->packs_repacked, repacked);
    if (c->recompress != NULL)
        tell_recompressed(call, c, s);
    tell_space(call, c, s);
    output_note(call->out, "%s %llu forgotten snapshots",
                c->is_dry_run ? "Would remove" : "Removed",
                (unsigned long long)s->snapshots_removed);
    tell_locks(call, s);
    if (s->packs_rescued > 0)
        output_note(call->out, "%llu pack%s stay: a backup made meanwhile uses them",
                    (unsigned long long)s->packs_rescued, plural(s->packs_rescued));
}

/* "50" or "50%". */
static bool parse_percent(struct call *call, const char *text, uint64_t *out, struct err *e)
{
    size_t size = strlen(text);
    uint64_t n = 0;

    if (text[size - 1] == '%')
        size--;
    if (!parse_u64(arena_string(&call->arena, SLICE_OF(text, size)), &n, e))
        return err_wrap(e, "--max-unused");
    if (n > 100)
        return err_set(e, ERR_USAGE, "--max-unused: %s is more than 100 percent", text);
    *out = n;
    return true;
}

/* Whether the options make sense together. */
static bool check_choice(const struct prune_choice *c, struct err *e)
{
    const char *packs = c->max_unused != NULL   ? "--max-unused"
                        : c->recompress != NULL ? "--recompress"
                                                : "--max-repack-size";
    const bool packs_again =
        c->max_unused != NULL || c->max_repack_bytes > 0 || c->recompress != NULL;

    if (c->empties_trash && packs_again)
        return err_set(e, ERR_USAGE, "--empty-trash packs nothing again: leave out %s", packs);
    if (c->keeps_locked && c->hides_locked)
        return err_set(e, ERR_USAGE, "--keep-locked and --hide-locked contradict each other");
    if (c->extends_locks &&
        (packs_again || c->empties_trash || c->keeps_locked || c->hides_locked || c->is_dry_run))
        return err_set(e, ERR_USAGE, "--extend-locks does nothing else: give it alone");
    return true;
}

/* The level of --recompress counts for all that is packed again. */
static bool choose_level(const struct prune_choice *c, struct prune_options *o, struct err *e)
{
    if (c->compression != NULL && !level_parse(c->compression, &o->level, e))
        return err_wrap(e, "--compression");
    if (c->recompress == NULL)
        return true;
    o->recompresses = true;
    o->level = LEVEL_AUTO;
    if (c->recompress[0] != '\0' && !level_parse(c->recompress, &o->level, e))
        return err_wrap(e, "--recompress");
    if (o->level == LEVEL_AUTO)
        o->level = RECOMPRESS_DEFAULT;
    return o->level != LEVEL_RAW || err_set(e, ERR_USAGE, "--recompress: off compresses nothing");
}

bool prune_and_tell(struct call *call, struct repo *r, const struct prune_choice *c, struct err *e)
{
    struct progress_view view;
    struct prune_options o = {
        .is_dry_run = c->is_dry_run,
        .only_empties_trash = c->empties_trash,
        .only_extends_locks = c->extends_locks,
        .keeps_locked = c->keeps_locked || (repo_store(r)->locks.lasts_s > 0 && !c->hides_locked),
        .max_unused_percent = MAX_UNUSED_DEFAULT,
        .max_repack_bytes = c->max_repack_bytes,
        .progress = progress_step,
        .arg = &view};
    struct prune_stats stats = {0};
    const char *url = NULL;

    if (!check_choice(c, e) || !choose_level(c, &o, e))
        return false;
    if (c->max_unused != NULL && !parse_percent(call, c->max_unused, &o.max_unused_percent, e))
        return false;
    if (!session_place(call, &url, e))
        return false;
    call->stage = STAGE_WORK;
    if (!c->is_dry_run && !c->extends_locks && !probed_require(call, url, repo_store(r), e))
        return false;
    if (!progress_init(&view, call->out, PROGRESS_BACKUP, e))
        return false;
    if (!prune_run(r, &o, &stats, e))
        return err_wrap(e, "prune");
    progress_end(&view);
    tell(call, c, &stats);
    return true;
}

static bool run_prune(struct call *call, struct err *e)
{
    const struct prune_args *args = call->args;
    AUTO(session) struct session s = {0};

    return session_open(call, &s, e) && prune_and_tell(call, s.repo, &args->choice, e);
}

const struct command command_prune = {
    .name = "prune",
    .summary = "Remove data that no snapshot needs",
    .details = "Backups may run at the same time.  What was forgotten cannot be brought back "
               "afterwards.",
    .examples = "holdfast prune --dry-run\n"
                "holdfast prune\n"
                "holdfast prune --max-unused 10%\n"
                "holdfast prune --recompress --dry-run\n"
                "holdfast prune --recompress=max --max-repack-size 1G\n"
                "holdfast prune --empty-trash\n"
                "holdfast prune --extend-locks",
    .words = "",
    .options = prune_options,
    .args_size = sizeof(struct prune_args),
    .run = run_prune,
};
