#include "cli/backup_set.h"

#include <string.h>

#include "base/mem.h"
#include "cli/backup_stores.h"
#include "cli/backup_tell.h"
#include "cli/config_path.h"
#include "cli/configured.h"
#include "cli/drill_tell.h"
#include "cli/progress.h"
#include "cli/session.h"

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

/* The repository of the set that the call is about; NULL: it is about another one. */
static bool find_configured(struct call *call, const struct config_set *set,
                            const struct config_repository **out, struct err *e)
{
    const char *url = NULL;

    if (call->common->repository == NULL && call->common->repository_file == NULL) {
        *out = set->repositories[0];
        return true;
    }
    if (!session_place(call, &url, e))
        return false;
    for (size_t i = 0; i < set->repository_count; i++)
        if (strcmp(set->repositories[i]->url, url) == 0)
            *out = set->repositories[i];
    return true;
}

void set_backup_tell(struct call *call, struct set_backup *b, const struct backup_result *r,
                     const struct stores_result *stores)
{
    if (b->told != NULL)
        *b->told = (struct set_made){*r, stores != NULL && stores->is_degraded};
    if (b->told == NULL || call->out->json)
        backup_tell(call, b->options->is_dry_run, r, stores);
    else if (r->errors > 0)
        call->status = EXIT_INCOMPLETE;
}

/* Into one repository. */
static bool back_up(struct call *call, struct set_backup *b, struct err *e)
{
    struct backup_result result = {0};
    struct progress_view view;

    const struct config_repository *known = NULL;

    if (!find_configured(call, b->set, &known, e) || !set_choose_repository(call, b->set, e) ||
        !progress_init(&view, call->out, PROGRESS_BACKUP, e) ||
        !session_open(call, b->session, e) || !restore_still_begin(b->still, b->config, b->set, e))
        return false;
    if (known != NULL && !b->options->is_dry_run &&
        !spool_introduce(b->set, known, b->session->repo, e))
        return false;

    const struct report report = progress_report(&view);

    if (!backup_run(b->session->repo, b->options, &report, &result, e))
        return err_wrap(e, "backup of set %s", b->set->name);
    progress_end(&view);
    set_backup_tell(call, b, &result, NULL);
    b->made = result.snapshot;
    b->has_made = result.is_committed;
    b->is_required = b->has_made && known != NULL && b->set->required_repositories == 1;
    return true;
}

/* Those of the set behind those that are given; each once. */
static void add_tags(struct call *call, const struct texts *of_set, struct backup_options *o)
{
    const char **tags = arena_take(&call->arena, (o->tag_count + of_set->count) * sizeof(*tags));
    size_t count = 0;

    for (size_t i = 0; i < o->tag_count + of_set->count; i++) {
        const char *tag = i < o->tag_count ? o->tags[i] : of_set->items[i - o->tag_count];
        size_t k = 0;

        while (k < count && strcmp(tags[k], tag) != 0)
            k++;
        if (k == count)
            tags[count++] = tag;
    }
    o->tags = tags;
    o->tag_count = count;
}

/* Bundles that are in the snapshot need to wait no longer.  The backup is good without that: the
 * next one finds them again. */
static void settle(struct call *call, const struct set_backup *b)
{
    uint64_t removed = 0;
    struct err why = {0};

    if (!b->is_required || spool_settle(b->set, b->session->repo, &b->made, &removed, &why))
        return;
    (void)err_wrap(&why, "bundles that are stored still wait");
    output_item_warning(call->out, NULL, why.text);
}

bool backup_set(struct call *call, const char *config, const char *name,
                const struct backup_options *o, struct err *e)
{
    AUTO(config) struct config *c = NULL;
    const struct config_set *set = NULL;

    call->stage = STAGE_SECRET; /* what follows is a matter of configuration */
    return config_path_load(config, name, &c, &set, e) && backup_set_from(call, c, set, o, NULL, e);
}

static bool is_still(void *arg, struct err *e)
{
    return restore_still_check(arg, e);
}

bool backup_set_from(struct call *call, const struct config *c, const struct config_set *config,
                     const struct backup_options *o, struct set_made *out, struct err *e)
{
    AUTO(open_set) struct open_set *set = NULL;
    AUTO(session) struct session s = {0};
    AUTO(mem) char *configuration = NULL;
    AUTO(restore_still) struct restore_still still = {0};
    struct backup_options options = *o;
    struct set_backup b = {.config = c,
                           .set = config,
                           .options = &options,
                           .session = &s,
                           .still = &still,
                           .told = out};

    call->stage = STAGE_SECRET; /* what follows is a matter of configuration */
    if (!open_set_new(b.set, NULL, &set, e))
        return false;
    configuration = config_travel(c, b.set);
    options.configuration = configuration;
    options.set = &set->set;
    if (!options.has_level)
        options.level = b.set->level;
    options.is_whole = is_still;
    options.is_whole_arg = &still;
    add_tags(call, &b.set->tags, &options);
    if (!(set_has_several(call, b.set) ? backup_stores(call, &b, e) : back_up(call, &b, e)))
        return false;
    settle(call, &b);
    if (!b.has_made || b.set->drill == NULL || strcmp(b.set->drill, "after_backup") != 0)
        return true;
    return drill_after(call, &s, b.set, &b.made, e);
}
