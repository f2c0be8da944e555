#include "cli/backup_set.h"

#include <string.h>

#include "base/mem.h"
#include "cli/backup_stores.h"
#include "cli/backup_tell.h"
#include "cli/config_path.h"
#include "cli/drill_tell.h"
#include "cli/progress.h"
#include "cli/session.h"

/* Into the arena: a store borrows them, and the configuration may be gone before it. */
static const char *const *options_copy(struct call *call, const struct texts *t)
{
    const char **out = arena_take(&call->arena, (t->count + 1) * sizeof(*out));

    for (size_t i = 0; i < t->count; i++)
        out[i] = arena_string(&call->arena, slice_string(t->items[i]));
    out[t->count] = NULL;
    return out;
}

void set_common(struct call *call, const struct config_repository *r, struct common *out)
{
    *out = *call->common;
    out->repository = arena_string(&call->arena, slice_string(r->url));
    out->repository_file = NULL;
    out->key_file = r->secret.key_file;
    out->password_file = r->secret.password_file;
    out->password_command = NULL;
    out->password_argv = r->secret.password_command.items;
    out->configured_options = options_copy(call, &r->options);
}

bool set_choose_repository(struct call *call, const struct config_set *set, struct err *e)
{
    struct common *c;

    if (call->common->repository != NULL || call->common->repository_file != NULL)
        return true;
    if (set->repository_count > 1)
        return err_set(e, ERR_USAGE,
                       "set %s has %zu repositories, and this is about one: name it with -r",
                       set->name, set->repository_count);
    c = arena_take(&call->arena, sizeof(*c));
    set_common(call, set->repositories[0], c);
    call->common = c;
    return true;
}

static bool drill_after(struct call *call, struct session *s, const struct config_set *set,
                        const struct hash *id, struct err *e)
{
    AUTO(snapshot) struct snapshot *snapshot = NULL;
    AUTO(drill_result) struct drill_result d = {0};

    if (!snapshot_load(s->repo, id, &snapshot, e) ||
        !drill_run(s->repo, &(struct drill_options){.snapshot = snapshot, .set = set}, &d, e))
        return err_wrap(e, "drill after the backup, which is stored");
    return drill_tell(call, buf_slice(&d.evidence), false, d.verdict, e);
}

/* Into one repository. */
static bool back_up(struct call *call, struct set_backup *b, struct err *e)
{
    struct backup_result result = {0};
    struct progress_view view;

    if (!set_choose_repository(call, b->set, e) ||
        !progress_init(&view, call->out, PROGRESS_BACKUP, e) ||
        !session_open_indexed(call, b->session, e) || !restore_check_settled(b->config, b->set, e))
        return false;

    const struct report report = progress_report(&view);

    if (!backup_run(b->session->repo, b->options, &report, &result, e))
        return err_wrap(e, "backup of set %s", b->set->name);
    progress_end(&view);
    backup_tell(call, b->options->is_dry_run, &result, NULL);
    b->made = result.snapshot;
    b->has_made = result.is_committed;
    return true;
}

bool backup_set(struct call *call, const char *config, const char *name,
                const struct backup_options *o, struct err *e)
{
    AUTO(config) struct config *c = NULL;
    AUTO(open_set) struct open_set *set = NULL;
    AUTO(session) struct session s = {0};
    struct backup_options options = *o;
    struct set_backup b = {.options = &options, .session = &s};
    const char *path = NULL;

    call->stage = STAGE_SECRET; /* what follows is a matter of configuration */
    if (!config_path(config, &path, e) || !config_load(path, &c, e) ||
        !config_find_set(c, name, &b.set, e) || !open_set_new(b.set, NULL, &set, e))
        return false;
    b.config = c;
    options.set = &set->set;
    if (!(set_has_several(call, b.set) ? backup_stores(call, &b, e) : back_up(call, &b, e)))
        return false;
    if (!b.has_made || b.set->drill == NULL || strcmp(b.set->drill, "after_backup") != 0)
        return true;
    return drill_after(call, &s, b.set, &b.made, e);
}
