#include "cli/backup_stores.h"

#include "base/mem.h"
#include "cli/configured.h"
#include "cli/copy_tell.h"

bool set_has_several(const struct call *call, const struct config_set *set)
{
    return set->repository_count > 1 && call->common->repository == NULL &&
           call->common->repository_file == NULL;
}

/*
 * What opens the repositories of a set, each with a call of its own, since threads must not meet in
 * its arena and stage.
 */
struct openers {
    const struct config_set *set;
    struct call *calls; /* in the order of the set */
    struct common *commons;
    pthread_mutex_t asking;
};

#define OPENERS_NONE ((struct openers){.asking = PTHREAD_MUTEX_INITIALIZER})

static void openers_auto(struct openers *o)
{
    for (size_t i = 0; o->calls != NULL && i < o->set->repository_count; i++)
        arena_done(&o->calls[i].arena);
    pthread_mutex_destroy(&o->asking);
    mem_free(o->calls);
    mem_free(o->commons);
}

static void openers_init(struct openers *o, struct call *call, const struct config_set *set)
{
    const size_t count = set->repository_count;

    o->set = set;
    o->calls = mem_array(count, sizeof(*o->calls));
    o->commons = mem_array(count, sizeof(*o->commons));
    for (size_t i = 0; i < count; i++) {
        struct store_options options;
        struct err ignored; /* opening it will say the same */

        set_common(call, set->repositories[i], &o->commons[i]);
        o->calls[i] = *call;
        o->calls[i].common = &o->commons[i];
        o->calls[i].arena = (struct arena){0};
        o->calls[i].password = NULL; /* of the repository that a command line names */
        o->calls[i].asking = &o->asking;
        if (session_store_options(&o->calls[i], &options, &ignored))
            store_secrets_take(o->commons[i].repository, &options);
    }
}

static bool open_one(void *arg, const struct config_repository *c, struct store **store,
                     struct repo **repo, struct err *e)
{
    struct openers *o = arg;
    AUTO(session) struct session s = {0};
    size_t n = 0;

    while (o->set->repositories[n] != c)
        n++;
    if (!session_open(&o->calls[n], &s, e))
        return false;
    *repo = TAKE(s.repo);
    *store = TAKE(s.store);
    return true;
}

/* The openers live as long as the stores. */
static bool open_stores(struct call *call, const struct config_set *set, struct openers *o,
                        struct set_stores **out, struct err *e)
{
    openers_init(o, call, set);
    if (!set_stores_open(set, open_one, o, out, e)) {
        call->stage = o->calls[0].stage; /* whose error it is */
        return false;
    }
    call->stage = STAGE_WORK;
    return true;
}

static struct copy_options copy_to(void *arg, const char *to)
{
    struct copy_view *v = arg;

    v->to = to;
    return copy_view_options(v);
}

/* What each repository lacks, and why. */
static void warn(struct call *call, const struct stores_result *r)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct store_outcome *o = &r->stores[i];
        AUTO(buf) struct buf text = {0};

        if (o->has_failed)
            buf_printf(&text, "repository %s %s: %s", o->name,
                       o->has_it ? "has failed" : "was not brought up to date", o->why.text);
        else if (o->failed > 0)
            buf_printf(&text, "repository %s lacks %llu snapshot%s that cannot be copied", o->name,
                       (unsigned long long)o->failed, plural(o->failed));
        if (text.size > 0)
            output_item_warning(call->out, NULL, buf_string(&text));
    }
}

/* The set's rule.  True also when there was nothing to be stored. */
static bool check_required(const struct config_set *set, const struct stores_result *r,
                           struct err *e)
{
    const char *why = "it could not be copied";

    if (!r->backup->is_committed || r->holders >= (size_t)set->required_repositories)
        return true;
    for (size_t i = r->count; i-- > 0;)
        if (r->stores[i].has_failed)
            why = r->stores[i].why.text;
    return err_set(e, ERR_FATAL,
                   "the backup is in %zu of the %d repositories that set %s requires: %s",
                   r->holders, set->required_repositories, set->name, why);
}

static void take_session(struct set_stores *stores, size_t n, struct session *s)
{
    s->repo = TAKE(stores->items[n].repo);
    s->store = TAKE(stores->items[n].store);
}

/* Bundles that arrive from here on can be opened by every repository that is there. */
static bool introduce_all(const struct set_backup *b, const struct set_stores *stores,
                          struct err *e)
{
    for (size_t i = 0; i < stores->count && !b->options->is_dry_run; i++)
        if (stores->items[i].repo != NULL &&
            !spool_introduce(b->set, stores->items[i].config, stores->items[i].repo, e))
            return false;
    return true;
}

bool backup_stores(struct call *call, struct set_backup *b, struct err *e)
{
    AUTO(openers) struct openers openers = OPENERS_NONE;
    AUTO(set_stores) struct set_stores *stores = NULL;
    AUTO(stores_result) struct stores_result r = {0};
    struct backup_result result = {0};
    struct progress_view view;
    struct copy_view copies;

    if (!progress_init(&view, call->out, PROGRESS_BACKUP, e) || !copy_view_init(&copies, call, e))
        return false;
    const struct report report = progress_report(&view);
    const struct stores_report told = {.backup = &report, .copy = copy_to, .arg = &copies};

    if (!open_stores(call, b->set, &openers, &stores, e) ||
        !restore_still_begin(b->still, b->config, b->set, e) || !introduce_all(b, stores, e))
        return false;
    if (!stores_backup(stores, b->options, &told, &result, &r, e))
        return err_wrap(e, "backup of set %s", b->set->name);
    progress_end(&view);
    set_backup_tell(call, b, &result, &r);
    warn(call, &r);
    for (size_t i = 0; i < r.count && !b->has_made; i++)
        if (r.stores[i].has_it && stores->items[i].repo != NULL) {
            take_session(stores, i, b->session);
            b->made = r.stores[i].snapshot;
            b->has_made = true;
        }
    b->is_required = b->has_made;
    return check_required(b->set, &r, e);
}

bool copy_stores(struct call *call, const struct config_set *set, bool is_dry_run, struct err *e)
{
    AUTO(openers) struct openers openers = OPENERS_NONE;
    AUTO(set_stores) struct set_stores *stores = NULL;
    AUTO(stores_result) struct stores_result r = {0};
    struct copy_view view;

    if (!copy_view_init(&view, call, e))
        return false;
    view.is_dry_run = is_dry_run;

    const struct stores_report told = {.copy = copy_to, .arg = &view};

    if (!open_stores(call, set, &openers, &stores, e) || !set_stores_wait(stores, e))
        return false;
    if (!stores_catch_up(stores, &told, &r, e))
        return false;
    progress_end(&view.progress);
    copy_tell_stores(&view, &r);
    warn(call, &r);
    for (size_t i = 0; i < r.count; i++)
        if (r.stores[i].has_failed)
            return err_set(e, ERR_FATAL, "repository %s of set %s was not brought up to date",
                           r.stores[i].name, set->name);
    return true;
}

static void warn_of_silent(struct call *call, const struct set_stores *stores)
{
    for (size_t i = 0; i < stores->count; i++)
        if (stores->items[i].repo == NULL) {
            AUTO(buf) struct buf text = {0};

            buf_printf(&text, "repository %s is not looked into: %s", stores->items[i].config->name,
                       stores->items[i].why.text);
            output_item_warning(call->out, NULL, buf_string(&text));
        }
}

bool set_each_repository(struct call *call, const struct config_set *set, set_repository_fn *fn,
                         void *arg, struct err *e)
{
    AUTO(openers) struct openers openers = OPENERS_NONE;
    AUTO(set_stores) struct set_stores *stores = NULL;

    if (!open_stores(call, set, &openers, &stores, e) || !set_stores_wait(stores, e))
        return false;
    warn_of_silent(call, stores);
    for (size_t i = 0; i < stores->count; i++)
        if (stores->items[i].repo != NULL && !fn(arg, &stores->items[i], e))
            return false;
    return true;
}

bool set_open_snapshot(struct call *call, const struct config_set *set, const char *selector,
                       const struct filter_args *args, struct session *s, struct snapshot **out,
                       char **sub, struct err *e)
{
    AUTO(openers) struct openers openers = OPENERS_NONE;
    AUTO(set_stores) struct set_stores *stores = NULL;
    struct snapshot_filter filter = {0};
    size_t which = 0;

    if (!set_has_several(call, set))
        return set_choose_repository(call, set, e) && session_open_indexed(call, s, e) &&
               session_resolve(call, s, selector, args, out, sub, e);
    if (!filter_make(call, args, &filter, e) || !open_stores(call, set, &openers, &stores, e) ||
        !set_stores_wait(stores, e)) /* the newest may be in the slowest */
        return false;
    warn_of_silent(call, stores);
    if (!stores_find(stores, selector, &filter, &which, out, sub, e))
        return false;
    take_session(stores, which, s);
    return repo_load_index(s->repo, e);
}
