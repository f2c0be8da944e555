#include "cli/made.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/config_path.h"
#include "cli/configured.h"
#include "cli/probed.h"
#include "cli/secret.h"

/* Whether a URL names a folder; other places look after their bytes themselves. */
static bool is_folder(const char *url)
{
    return url[strcspn(url, ":/")] != ':' || strncmp(url, "local:", 6) == 0;
}

static bool protect(struct repo *r, const char *url, enum parity_choice choice, struct err *e)
{
    const struct parity_work work = {0};
    struct parity_figures figures;

    if (choice == PARITY_OFF || (choice == PARITY_AUTO && !is_folder(url)))
        return true;
    return parity_enable(r, &parity_rule_default, &work, &figures, e) ||
           err_wrap(e, "the repository is made, but its parity is not switched on");
}

/* A store may take what asks for a lock, and lock nothing. */
static bool check_lock(struct store *s, struct err *e)
{
    struct object_lock lock = {0};

    if (s->locks.lasts_s == 0)
        return true;
    if (!store_lock_get(s, "config", &lock, e))
        return err_wrap(e, "find out whether the store locks objects");
    return lock.until_s >= clock_now_ns() / NS_PER_S + s->locks.promise_s ||
           err_set(
               e, ERR_FATAL,
               "the repository is made, but the store shows no lock on what it was asked to lock: "
               "it does not know Object Lock, or these keys may not see locks "
               "(GetObjectRetention)");
}

bool made_settle(struct session *s, const char *url, enum parity_choice choice, struct err *e)
{
    return check_lock(s->store, e) && protect(s->repo, url, choice, e);
}

/* First backups */

static bool is_named(const struct strings *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], name) == 0)
            return true;
    return false;
}

/* The repository that the call names, as another one (or NULL). */
static bool make_one(struct call *call, struct repo *like, struct session *out, struct err *e)
{
    AUTO(session) struct session s = {0};
    AUTO(secret) struct secret secret = {0};
    struct store_options options;
    const char *url = NULL;
    char id[33];

    if (!session_place(call, &url, e) || !session_store_options(call, &options, e))
        return false;
    call->stage = STAGE_STORE;
    if (!store_create(url, &options, &s.store, e) || !secret_get(call, &secret, e))
        return err_wrap(e, "make repository %s", session_shown(url));
    call->stage = STAGE_WORK;

    const struct unlock unlock = secret_unlock(&secret);

    if (!probed_tell(call, url, s.store, e) ||
        !repo_create_like(s.store, like, &unlock, "", &s.repo, e) ||
        !made_settle(&s, url, PARITY_AUTO, e))
        return err_wrap(e, "make repository %s", session_shown(url));
    repo_id_text(s.repo, id);
    output_note(call->out, "Made repository %.8s in %s.", id, url);
    *out = s;
    s = (struct session){0};
    return true;
}

/* The same with a repository of the configuration. */
static bool make_configured(struct call *call, const struct config_repository *r, struct repo *like,
                            struct session *out, struct err *e)
{
    const struct common *common = call->common;
    struct common other;

    set_common(call, r, &other);
    call->common = &other;

    const bool ok = make_one(call, like, out, e);

    call->common = common;
    return ok;
}

/* Of a set: which of the named ones are missing, and one that is there. */
struct first {
    const struct config_set *set;
    const struct strings *names;
    const struct config_repository **missing;
    size_t count;
    struct session like;
};

static void first_auto(struct first *f)
{
    mem_free(f->missing);
    session_auto(&f->like);
}

static bool look(struct call *call, struct first *f, struct err *e)
{
    f->missing = mem_array(f->set->repository_count, sizeof(struct config_repository *));
    for (size_t i = 0; i < f->set->repository_count; i++) {
        const struct config_repository *r = f->set->repositories[i];
        AUTO(session) struct session s = {0};
        struct common other;

        set_common(call, r, &other);
        if (session_open_other(call, &other, NULL, &s, e)) {
            if (f->like.repo == NULL) {
                f->like = s;
                s = (struct session){0};
            }
        } else if (e->code == ERR_NOT_FOUND && is_named(f->names, r->name) &&
                   (call->stage == STAGE_STORE || call->stage == STAGE_UNLOCK)) {
            f->missing[f->count++] = r;
        } else {
            return false;
        }
    }
    return true;
}

static bool check_names(const struct first *f, struct err *e)
{
    for (size_t i = 0; i < f->names->count; i++) {
        bool is_there = false;

        for (size_t n = 0; n < f->set->repository_count && !is_there; n++)
            is_there = strcmp(f->set->repositories[n]->name, f->names->items[i]) == 0;
        if (!is_there)
            return err_set(e, ERR_USAGE, "--create-repository: set %s has no repository \"%.100s\"",
                           f->set->name, f->names->items[i]);
    }
    return true;
}

bool made_first(struct call *call, const char *config, const char *set, const struct strings *names,
                struct err *e)
{
    AUTO(config) struct config *c = NULL;
    AUTO(first) struct first f = {.names = names};

    call->stage = STAGE_SECRET; /* what follows is a matter of configuration */
    if (!config_path_load(config, set, &c, &f.set, e) || !check_names(&f, e) || !look(call, &f, e))
        return false;
    for (size_t i = 0; i < f.count; i++) {
        AUTO(session) struct session made = {0};

        if (!make_configured(call, f.missing[i], f.like.repo, &made, e))
            return false;
        if (f.like.repo == NULL) {
            f.like = made;
            made = (struct session){0};
        }
    }
    return true;
}
