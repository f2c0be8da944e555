#include "cli/session.h"

#include <string.h>

#include "agent/agent.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/configured.h"
#include "cli/nearby.h"
#include "cli/paths.h"
#include "cli/secret.h"

enum { PLACE_MAX = 64 << 10 };

void session_auto(struct session *s)
{
    repo_close(s->repo);
    store_close(s->store);
}

bool session_place(struct call *call, const char **url, struct err *e)
{
    const struct common *c = call->common;
    AUTO(buf) struct buf text = {0};

    call->stage = STAGE_SECRET; /* a file that cannot be read is a matter of configuration */
    if (c->repository != NULL) {
        *url = c->repository;
        return true;
    }
    if (c->repository_file == NULL) {
        if (!configured_choose(call, e))
            return false;
        *url = call->common->repository;
        return true;
    }
    if (!file_read(c->repository_file, PLACE_MAX, &text, e))
        return false;

    const struct slice line = SLICE_OF(buf_string(&text), strcspn(buf_string(&text), "\r\n"));

    if (line.size == 0)
        return err_set(e, ERR_USAGE, "repository file %s is empty", c->repository_file);
    *url = arena_string(&call->arena, line);
    return true;
}

const char *session_shown(const char *url)
{
    return strncmp(url, "s3:", 3) == 0 && strchr(url, '@') != NULL ? "s3:..." : url;
}

static void tell_mended(struct call *call, const struct repo *r)
{
    AUTO(buf) struct buf text = {0};

    if (repo_mended(r) == NULL)
        return;
    buf_printf(&text,
               "object %s is damaged or missing; its parity stood in for it, and \"holdfast check "
               "--repair\" puts it back",
               repo_mended(r));
    output_item_warning(call->out, NULL, buf_string(&text));
}

/* From KiB a second; "unlimited" is negative, and without the option (0) *limit stays. */
static void set_limit(int kib, uint64_t *limit)
{
    if (kib != 0)
        *limit = kib < 0 ? 0 : (uint64_t)kib << 10;
}

bool session_store_options(struct call *call, struct store_options *out, struct err *e)
{
    const struct common *c = call->common;
    struct store_options o = {.secrets = call->secrets};

    call->stage = STAGE_SECRET;
    for (const char *const *at = c->configured_options; at != NULL && *at != NULL; at++)
        if (!store_option_set(&o, *at, e))
            return false;
    for (size_t i = 0; i < c->store_options.count; i++)
        if (!store_option_set(&o, c->store_options.items[i], e))
            return err_wrap(e, "-o");
    set_limit(c->limit_upload, &o.upload_limit);
    set_limit(c->limit_download, &o.download_limit);
    *out = o;
    return true;
}

/* Two programs that ask for a password at once would confuse whoever is asked. */
static bool get_secret(struct call *call, struct secret *out, struct err *e)
{
    if (call->asking == NULL)
        return secret_get(call, out, e);
    pthread_mutex_lock(call->asking);

    const bool is_got = secret_get(call, out, e);

    pthread_mutex_unlock(call->asking);
    return is_got;
}

bool session_open(struct call *call, struct session *out, struct err *e)
{
    AUTO(secret) struct secret secret = {0};

    return session_open_secret(call, out, &secret, e);
}

bool session_open_secret(struct call *call, struct session *out, struct secret *secret,
                         struct err *e)
{
    struct store_options options;
    AUTO(session) struct session s = {0};
    AUTO(buf) struct buf folder = {0};
    const char *url = NULL;

    if (!session_place(call, &url, e) || !session_store_options(call, &options, e))
        return false;

    const struct common *c = call->common; /* by now that of a configuration, if one is meant */

    if (c->agent != NULL && !agent_path_check(c->agent, e))
        return err_wrap(e, "key agent");
    /* Before the password: nobody should type one for a repository that is not there. */
    call->stage = STAGE_STORE;
    if (!store_open(url, &options, &s.store, e))
        return err_wrap(e, "open repository %s", session_shown(url));
    s.store = nearby_store(call, url, s.store);
    if (!get_secret(call, secret, e))
        return false;
    call->stage = STAGE_UNLOCK;

    struct unlock unlock = secret_unlock(secret);

    unlock.agent = c->no_agent ? NULL : c->agent;
    if (!repo_open(s.store, &unlock, &s.repo, e))
        return err_wrap(e, "open repository %s", session_shown(url));
    tell_mended(call, s.repo);
    if (nearby_folder(call, url, &folder))
        repo_keep_in(s.repo, buf_string(&folder), !call->command->wants_store_itself);
    call->stage = STAGE_WORK;
    out->repo = TAKE(s.repo);
    out->store = TAKE(s.store);
    return true;
}

bool session_open_other(struct call *call, const struct common *other, char *password,
                        struct session *out, struct err *e)
{
    const struct common *common = call->common;
    char *own_password = call->password;

    call->common = other;
    call->password = password;

    const bool is_open = session_open(call, out, e);

    call->common = common;
    call->password = own_password;
    return is_open;
}

bool session_open_indexed(struct call *call, struct session *out, struct err *e)
{
    if (!session_open(call, out, e))
        return false;
    repo_expect_index(out->repo);
    out->is_indexed = true;
    return true;
}

bool filter_make(struct call *call, const struct filter_args *args, struct snapshot_filter *out,
                 struct err *e)
{
    char **paths = arena_take(&call->arena, args->paths.count * sizeof(*paths));

    for (size_t i = 0; i < args->paths.count; i++) {
        AUTO(buf) struct buf raw = {0};
        AUTO(buf) struct buf text = {0};

        if (!path_absolute(args->paths.items[i], &raw, e))
            return false;
        path_escape(buf_slice(&raw), &text);
        paths[i] = arena_string(&call->arena, buf_slice(&text));
    }
    if (args->uploads && args->set == NULL)
        return err_set(e, ERR_USAGE, "--uploads goes with --set");
    *out = (struct snapshot_filter){.host = args->host,
                                    .set = args->set,
                                    .with_uploads = args->uploads,
                                    .tags = strings_items(&args->tags),
                                    .tag_count = args->tags.count,
                                    .paths = (const char *const *)paths,
                                    .path_count = args->paths.count};
    return true;
}

static bool index_settle(struct session *s, struct err *e)
{
    return !s->is_indexed || repo_load_index(s->repo, e);
}

bool session_resolve(struct call *call, struct session *s, const char *selector,
                     const struct filter_args *args, struct snapshot **out, char **sub,
                     struct err *e)
{
    struct snapshot_filter filter = {0};

    return filter_make(call, args, &filter, e) &&
           snapshot_resolve(s->repo, selector, &filter, out, sub, e) && index_settle(s, e);
}

/* Keep of the list what the filter accepts. */
static void list_filter(struct snapshot_list *l, const struct snapshot_filter *f)
{
    size_t kept = 0;

    for (size_t i = 0; i < l->count; i++) {
        if (!snapshot_matches(l->items[i], f)) {
            snapshot_free(l->items[i]);
            continue;
        }
        l->items[kept] = l->items[i];
        l->states[kept++] = l->states[i];
    }
    l->count = kept;
}

static bool is_listed(const struct snapshot_list *l, const struct hash *id)
{
    for (size_t i = 0; i < l->count; i++)
        if (hash_is_equal(&l->items[i]->id, id))
            return true;
    return false;
}

static bool select_words(struct session *s, const struct strings *words,
                         const struct snapshot_filter *f, struct snapshot_list *out, struct err *e)
{
    out->items = mem_array(words->count, sizeof(struct snapshot *));
    out->states = mem_array(words->count, sizeof(*out->states));
    for (size_t i = 0; i < words->count; i++) {
        AUTO(snapshot) struct snapshot *one = NULL;
        AUTO(mem) char *sub = NULL;

        if (!snapshot_resolve(s->repo, words->items[i], f, &one, &sub, e))
            return false;
        if (sub != NULL)
            return err_set(e, ERR_USAGE, "%s names a path, but a whole snapshot is wanted",
                           words->items[i]);
        if (is_listed(out, &one->id))
            continue;
        out->states[out->count] = SNAPSHOT_COMMITTED;
        out->items[out->count++] = TAKE(one);
    }
    return true;
}

bool session_select(struct call *call, struct session *s, const struct strings *words,
                    const struct filter_args *args, struct snapshot_list *out, struct err *e)
{
    AUTO(snapshot_list) struct snapshot_list list = {0};
    struct snapshot_filter filter = {0};

    if (!filter_make(call, args, &filter, e))
        return false;
    if (words->count > 0) {
        if (!select_words(s, words, &filter, &list, e))
            return false;
    } else {
        if (!snapshot_load_all(s->repo, 1U << SNAPSHOT_COMMITTED, NULL, NULL, &list, e))
            return false;
        list_filter(&list, &filter);
    }
    if (!index_settle(s, e))
        return false;
    *out = list;
    list = (struct snapshot_list){0};
    return true;
}
