/*
 * The way back of a restore of a set: after a failure, after a crash, on demand.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "job/restore_app.h"
#include "job/restore_source.h"

/* A restore that was read from its journal. */
struct past {
    struct restore_journal *journal;
    struct restore_sources sources;
    struct snapshot *safety;
    struct restore_set_options options; /* for the sources */
};

static void past_auto(struct past *p)
{
    restore_sources_auto(&p->sources);
    snapshot_free(p->safety);
}

/* Outputs of commands go back to what the safety snapshot holds of them. */
static bool needs_repo(const struct past *p)
{
    for (size_t i = 0; i < p->sources.count; i++)
        if (p->sources.items[i].source->kind == SOURCE_COMMAND &&
            json_is_true(json_object_get(p->sources.items[i].note, "applied")))
            return true;
    return false;
}

static bool open_safety(struct past *p, const struct restore_undo_options *o, struct repo **repo,
                        struct err *e)
{
    struct hash id;

    if (p->journal->record.safety == NULL ||
        !hex_decode(p->journal->record.safety, id.bytes, HASH_SIZE))
        return err_set(e, ERR_CORRUPT, "the journal of restore %s names no safety snapshot",
                       p->journal->record.id);
    return o->open_repo(o->arg, p->journal->record.set, p->journal->record.safety, repo, e) &&
           repo_load_index(*repo, e) && snapshot_load(*repo, &id, &p->safety, e);
}

static bool past_open(struct past *p, const struct restore_undo_options *o,
                      const struct config_set *set, bool is_back, struct err *e)
{
    struct repo *repo = NULL;

    if (!restore_sources_read(p->journal, set, &p->sources, e) ||
        (is_back && needs_repo(p) && !open_safety(p, o, &repo, e)))
        return false;
    p->options = (struct restore_set_options){.config = o->config, .set = set};
    for (size_t i = 0; i < p->sources.count; i++) {
        struct restore_source *one = &p->sources.items[i];

        one->repo = repo;
        one->safety = p->safety;
        one->options = &p->options;
    }
    return true;
}

/* The application runs again, or *late says what failed. */
static void note_start(struct restore_journal *j, const struct err *late)
{
    restore_journal_set_stopped(j, false);
    if (late->code != ERR_NONE)
        restore_journal_set_why(j, late->text);
}

/* All is in its place; whether the application is well too. */
static bool is_well(const char *state, const struct err *late, struct err *e)
{
    return late->code == ERR_NONE || err_set(e, late->code, "%s, but %.400s", state, late->text);
}

/*
 * Take back what did not come to its end.  Once all is back that is written down before anything is
 * removed: what was removed cannot be told from what somebody else took away.
 */
static bool finish_back(struct restore_journal *j, const struct restore_undo_options *o,
                        const struct config_set *set, struct err *e)
{
    const bool is_staging = j->record.phase == RESTORE_STAGING;
    AUTO(past) struct past p = {.journal = j};
    struct err late = {0}, ignored = {0};

    if (j->record.why == NULL)
        restore_journal_set_why(j, "interrupted");
    if (!past_open(&p, o, set, !is_staging, e))
        return false;
    if (is_staging && j->record.is_stopped) {
        /* What the other process has begun to stop may still be on its way down. */
        (void)!restore_app_stop(&p.options, true, &ignored);
        (void)!restore_app_start(&p.options, true, &late);
    }
    if (!is_staging && !restore_sources_back(&p.sources, &p.options, false, &late, e))
        return false;
    note_start(j, &late);
    return (is_staging || restore_journal_enter(j, RESTORE_STAGING, e)) &&
           restore_sources_discard(&p.sources, e) && restore_journal_enter(j, RESTORE_FAILED, e) &&
           is_well("the state before is in place", &late, e);
}

/* Stop the application and look whether all can go back; if not, all is as it was. */
static bool begin_undo(struct past *p, struct err *e)
{
    struct restore_journal *j = p->journal;
    struct err late = {0}, ignored = {0};

    if (!restore_app_is_switched(p->options.set))
        return restore_sources_check_back(&p->sources, e) &&
               restore_journal_enter(j, RESTORE_UNDOING, e);
    restore_journal_set_stopped(j, true);
    if (!restore_journal_enter(j, RESTORE_DONE, e))
        return false;
    if (restore_app_stop(&p->options, true, e) && restore_sources_check_back(&p->sources, e) &&
        restore_journal_enter(j, RESTORE_UNDOING, e))
        return true;
    (void)!restore_app_start(&p->options, true, &late);
    restore_journal_set_stopped(j, false);
    (void)!restore_journal_enter(j, RESTORE_DONE, &ignored); /* else start is run once more */
    return err_set(e, e->code, "%.230s; nothing was changed%s%.200s", e->text,
                   late.code == ERR_NONE ? ", and start has run" : ", but ", late.text);
}

/* Take back what is in place, or is on its way back: all of it or, when that can be seen before,
 * nothing. */
static bool finish_undo(struct restore_journal *j, const struct restore_undo_options *o,
                        const struct config_set *set, struct err *e)
{
    const bool is_begun = j->record.phase == RESTORE_UNDOING;
    AUTO(past) struct past p = {.journal = j};
    struct err late = {0};

    if (!past_open(&p, o, set, true, e) || (!is_begun && !begin_undo(&p, e)) ||
        !restore_sources_back(&p.sources, &p.options, !is_begun, &late, e))
        return false;
    note_start(j, &late);
    return restore_journal_enter(j, RESTORE_UNDONE, e) &&
           is_well("the state before is in place", &late, e);
}

static bool finish_discard(struct restore_journal *j, const struct restore_undo_options *o,
                           const struct config_set *set, struct err *e)
{
    AUTO(past) struct past p = {.journal = j};

    return past_open(&p, o, set, false, e) && restore_sources_discard(&p.sources, e) &&
           restore_journal_enter(j, RESTORE_DISCARDED, e);
}

/* An undo was interrupted before anything went back. */
static bool finish_start(struct restore_journal *j, const struct restore_undo_options *o,
                         const struct config_set *set, struct err *e)
{
    AUTO(past) struct past p = {.journal = j};
    struct err late = {0};

    if (!past_open(&p, o, set, false, e))
        return false;
    (void)!restore_app_start(&p.options, true, &late);
    note_start(j, &late);
    return restore_journal_enter(j, j->record.phase, e) &&
           is_well("what it restored is in place", &late, e);
}

static bool is_settled(enum restore_phase p)
{
    return p == RESTORE_DONE || p == RESTORE_FAILED || p == RESTORE_UNDONE ||
           p == RESTORE_DISCARDED;
}

static bool settle(struct restore_journal *j, const struct restore_undo_options *o,
                   const struct config_set *set, struct err *e)
{
    const enum restore_phase phase = j->record.phase;

    if (is_settled(phase) && !j->record.is_stopped)
        return true;
    return (is_settled(phase)             ? finish_start(j, o, set, e)
            : phase == RESTORE_DISCARDING ? finish_discard(j, o, set, e)
            : phase == RESTORE_UNDOING    ? finish_undo(j, o, set, e)
                                          : finish_back(j, o, set, e)) ||
           err_wrap(e, "restore %s, which was interrupted", j->record.id);
}

/* All journals */

struct journal_names {
    char **items;
    size_t count;
};

static void journal_names_auto(struct journal_names *n)
{
    for (size_t i = 0; i < n->count; i++)
        mem_free(n->items[i]);
    mem_free(n->items);
}

/* Borrows the descriptor. */
static bool journal_open(int folder_fd, const char *name, struct restore_journal *j, struct err *e)
{
    if (!restore_journal_read(folder_fd, name, j, e))
        return false;
    j->folder_fd = fcntl(folder_fd, F_DUPFD_CLOEXEC, 0);
    return j->folder_fd >= 0 || err_sys(e, "journals of restores");
}

bool restore_settle(const struct restore_undo_options *o, int folder_fd,
                    const struct config_set *set, struct err *e)
{
    AUTO(journal_names) struct journal_names names = {0};

    if (!restore_journal_list(folder_fd, &names.items, &names.count, e))
        return false;
    for (size_t i = 0; i < names.count; i++) {
        AUTO(restore_journal) struct restore_journal j = RESTORE_JOURNAL_NONE;

        if (!journal_open(folder_fd, names.items[i], &j, e))
            return false;
        if (strcmp(j.record.set, set->name) == 0 && !settle(&j, o, set, e))
            return false;
    }
    return true;
}

/* The folder for reading; *fd stays negative when there was never a restore. */
static bool folder_look(const char *state, int *fd, struct err *e)
{
    AUTO(buf) struct buf path = {0};

    buf_printf(&path, "%s/restores", state);
    *fd = open(buf_string(&path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *fd >= 0 || errno == ENOENT || err_sys(e, "open %s", buf_string(&path));
}

bool restore_record_each(const char *state, restore_record_fn *fn, void *arg, struct err *e)
{
    AUTO(journal_names) struct journal_names names = {0};
    AUTO(fd) int folder = -1;

    if (!folder_look(state, &folder, e))
        return false;
    if (folder >= 0 && !restore_journal_list(folder, &names.items, &names.count, e))
        return false;
    for (size_t i = 0; i < names.count; i++) {
        AUTO(restore_journal) struct restore_journal j = RESTORE_JOURNAL_NONE;

        if (!journal_open(folder, names.items[i], &j, e) || !fn(arg, &j.record, e))
            return false;
    }
    return true;
}

/* Undo */

static bool is_meant(const struct restore_undo_options *o, const struct restore_record *r)
{
    if (o->set != NULL && strcmp(r->set, o->set) != 0)
        return false;
    if (o->id != NULL)
        return strncmp(r->id, o->id, strlen(o->id)) == 0;
    return r->phase != RESTORE_FAILED && r->phase != RESTORE_DISCARDED &&
           (o->discard || r->phase != RESTORE_UNDONE);
}

static bool find(const struct restore_undo_options *o, int folder_fd, struct restore_journal *out,
                 struct err *e)
{
    AUTO(journal_names) struct journal_names names = {0};

    if (o->id != NULL && o->id[0] == '\0')
        return err_set(e, ERR_USAGE, "an empty text is the id of no restore");
    if (!restore_journal_list(folder_fd, &names.items, &names.count, e))
        return false;
    for (size_t i = 0; i < names.count; i++) {
        AUTO(restore_journal) struct restore_journal j = RESTORE_JOURNAL_NONE;

        if (!journal_open(folder_fd, names.items[i], &j, e))
            return false;
        if (!is_meant(o, &j.record))
            continue;
        if (out->document != NULL)
            return err_set(e, ERR_USAGE, "%s is the beginning of several restores", o->id);
        *out = j;
        j = RESTORE_JOURNAL_NONE;
        if (o->id == NULL)
            return true;
    }
    if (out->document != NULL)
        return true;
    return err_set(e, ERR_NOT_FOUND, "there is no restore %s%s%s",
                   o->id == NULL ? "to undo" : o->id, o->set == NULL ? "" : " of set ",
                   o->set == NULL ? "" : o->set);
}

static bool undo(struct restore_journal *j, const struct restore_undo_options *o,
                 const struct config_set *set, struct err *e)
{
    const enum restore_phase phase = j->record.phase;

    if (!is_settled(phase))
        return settle(j, o, set, e);
    if (phase != RESTORE_DONE)
        return err_set(e, ERR_USAGE, "restore %s is not in place: it is %s%s%s", j->record.id,
                       restore_phase_text(phase), phase == RESTORE_DISCARDED ? "; restore " : "",
                       phase == RESTORE_DISCARDED && j->record.safety != NULL
                           ? "its safety snapshot instead"
                           : "");
    return finish_undo(j, o, set, e);
}

static bool discard(struct restore_journal *j, const struct restore_undo_options *o,
                    const struct config_set *set, struct err *e)
{
    const enum restore_phase phase = j->record.phase;

    if (phase != RESTORE_DONE && phase != RESTORE_UNDONE && phase != RESTORE_DISCARDING)
        return err_set(e, ERR_USAGE, "restore %s is %s: nothing is kept of it", j->record.id,
                       restore_phase_text(phase));
    return (phase == RESTORE_DISCARDING || settle(j, o, set, e)) &&
           restore_journal_enter(j, RESTORE_DISCARDING, e) && finish_discard(j, o, set, e);
}

bool restore_undo_find(const struct restore_undo_options *o, const char *state, char *id,
                       char **set, struct err *e)
{
    AUTO(restore_journal) struct restore_journal j = RESTORE_JOURNAL_NONE;
    AUTO(fd) int folder = -1;

    if (!folder_look(state, &folder, e))
        return false;
    if (folder < 0)
        return err_set(e, ERR_NOT_FOUND, "there is no restore %s",
                       o->id == NULL ? "to undo" : o->id);
    if (!find(o, folder, &j, e))
        return false;
    memcpy(id, j.record.id, RESTORE_ID_MAX);
    *set = mem_string(j.record.set);
    return true;
}

bool restore_undo(const struct restore_undo_options *o, char *id, enum restore_phase *phase,
                  struct err *e)
{
    AUTO(restore_journal) struct restore_journal j = RESTORE_JOURNAL_NONE;
    AUTO(fd) int folder = -1;
    const struct config_set *set = NULL;

    if (!restore_folder_lock(o->config->state, &folder, e) || !find(o, folder, &j, e) ||
        !config_find_set(o->config, j.record.set, &set, e))
        return false;
    if (!(o->discard ? discard(&j, o, set, e) : undo(&j, o, set, e)))
        return err_wrap(e, "restore %s", j.record.id);
    memcpy(id, j.record.id, RESTORE_ID_MAX);
    *phase = j.record.phase;
    return true;
}

/* Confirmation */

static void confirmed_format(const char *id, struct buf *out)
{
    buf_printf(out, "%s.confirmed", id);
}

bool restore_confirm(const char *state, const char *id, struct err *e)
{
    const struct restore_undo_options which = {.id = id};
    AUTO(restore_journal) struct restore_journal j = RESTORE_JOURNAL_NONE;
    AUTO(buf) struct buf name = {0};
    AUTO(buf) struct buf temporary = {0};
    AUTO(fd) int folder = -1;
    bool is_suspect = false;

    if (!folder_look(state, &folder, e))
        return false;
    if (folder < 0)
        return err_set(e, ERR_NOT_FOUND, "there is no restore %s", id);
    if (!find(&which, folder, &j, e))
        return false;
    if (j.record.phase != RESTORE_SWAPPING)
        return err_set(e, ERR_USAGE, "restore %s does not wait to be confirmed: it is %s",
                       j.record.id, restore_phase_text(j.record.phase));
    confirmed_format(j.record.id, &name);
    buf_printf(&temporary, "%s.tmp", buf_string(&name));
    return file_publish_replace(folder, buf_string(&name), buf_string(&temporary),
                                (struct slice){0}, &is_suspect, e);
}

bool restore_is_confirmed(const char *state, const char *id)
{
    AUTO(buf) struct buf path = {0};

    buf_printf(&path, "%s/restores/%s.confirmed", state, id);
    return access(buf_string(&path), F_OK) == 0;
}
