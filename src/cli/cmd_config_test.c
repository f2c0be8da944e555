/*
 * config test: try everything that a backup of a set needs, and keep nothing.
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/text.h"
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/config_path.h"
#include "cli/configured.h"
#include "cli/render.h"
#include "cli/session.h"
#include "codec/random.h"
#include "job/job.h"
#include "source/source.h"

/* What is made for a while where a repository could be. */
#define FOLDER ".holdfast-test-"

struct test_args {
    struct common common;
};

static const struct option test_options[] = {
    {0},
};

/* What was tried so far. */
struct trial {
    struct call *call;
    const struct config_set *set;
    size_t count, failed;
    struct err first; /* the failure that is told at the end */
    enum stage stage; /* it came from there */
};

/* Tell of one thing; why: what is wrong, or NULL. */
static void tell(struct trial *t, const char *what, const char *name, const struct err *why)
{
    const struct output *out = t->call->out;
    AUTO(buf) struct buf text = {0};

    t->count++;
    if (why != NULL && t->failed++ == 0) {
        t->first = *why;
        (void)err_wrap(&t->first, "set %s: %s %s", t->set->name, what, name);
        t->stage = t->call->stage;
    }
    if (out->json) {
        json_t *line = json_message("config_test");

        json_set_text(line, "set", t->set->name);
        json_set_text(line, "what", what);
        json_set_text(line, "name", name);
        json_set(line, "works", json_boolean(why == NULL));
        if (why != NULL)
            json_set_text(line, "error", why->text);
        output_json(t->call->out, line);
        return;
    }
    buf_printf(&text, "%s: %s %s", t->set->name, what, name);
    if (why == NULL)
        output_line(t->call->out, "%s: works", buf_string(&text));
    else
        output_line(t->call->out, "%s: %s", buf_string(&text), why->text);
}

/* Sources */

static void try_sources(struct trial *t)
{
    AUTO(open_set) struct open_set *s = NULL;
    struct err e;

    t->call->stage = STAGE_WORK;
    if (!open_set_new(t->set, NULL, &s, &e)) {
        tell(t, "sources", "", &e);
        return;
    }
    for (size_t i = 0; i < s->set.files_count; i++)
        tell(t, "source", s->files[i].name, files_probe(s->files[i].options, &e) ? NULL : &e);
    for (size_t i = 0; i < s->set.member_count; i++) {
        struct member *m = s->members[i];
        AUTO(buf) struct buf name = {0};

        buf_printf(&name, "%s/%s", m->ops->kind, m->name);
        tell(t, "source", buf_string(&name), m->ops->prepare(m, &e) || member_err(&e) ? NULL : &e);
    }
}

/* Programs of a restore, which are looked for and not run. */
static void try_programs(struct trial *t, const char *what, const struct programs *p)
{
    struct err e;

    for (size_t i = 0; i < p->count; i++)
        tell(t, what, p->items[i].items[0], program_check(p->items[i].items[0], &e) ? NULL : &e);
}

/* Repositories */

/* Remove an empty folder of a local store. */
static bool remove_folder(const char *place, const char *name, struct err *e)
{
    AUTO(fd) int fd = -1;

    return dir_open(place, &fd, e) && dir_remove(fd, name, e);
}

/* An object is written, read back and removed; so is the folder that a local store makes for it. */
static bool try_writing(const char *url, struct store *s, struct err *e)
{
    const char *path = strncmp(url, "local:", 6) == 0 ? url + 6 : url;
    struct store_abilities found = {0};
    struct err ignored;

    if (!store_probe(s, &found, e))
        return err_wrap(e, "write");
    if (path[0] == '/') /* while somebody else is probing it stays, and goes with them */
        (void)!remove_folder(path, "probe", &ignored);
    return found.is_read_at_once ||
           err_set(e, ERR_FATAL, "the store does not read back at once what was written");
}

/* The nearest folder that is there. */
static char *find_nearest(const char *path)
{
    char *out = mem_string(path);

    while (out[1] != '\0' && access(out, F_OK) != 0) {
        char *slash = strrchr(out, '/');

        slash[slash == out ? 1 : 0] = '\0';
    }
    return out;
}

/* In a folder of its own where the repository would be, or nearest to it, which is gone again
 * afterwards. */
static bool try_folder(const char *path, const struct store_options *o, struct err *e)
{
    AUTO(store) struct store *s = NULL;
    AUTO(mem) char *nearest = find_nearest(path);
    AUTO(buf) struct buf made = {0};
    uint8_t random[8];
    char word[2 * sizeof(random) + 1];
    struct err ignored;
    bool ok;

    random_bytes(random, sizeof(random));
    hex_encode(SLICE_OF(random, sizeof(random)), word);
    buf_printf(&made, "%s/" FOLDER "%s", nearest, word);
    if (!dir_make_all(buf_string(&made), 0700, e))
        return false;
    ok = store_open(buf_string(&made), o, &s, e) && try_writing(buf_string(&made), s, e);
    (void)!remove_folder(buf_string(&made), "tmp", &ignored); /* else the next one fails */
    return remove_folder(nearest, strrchr(buf_string(&made), '/') + 1, ok ? e : &ignored) && ok;
}

/* The first backup by a configuration of the API makes the repository. */
static bool try_making(struct call *call, const struct config_repository *r, struct err *e)
{
    AUTO(store) struct store *s = NULL;
    struct store_options options;

    if (!session_store_options(call, &options, e))
        return false;
    call->stage = STAGE_WORK;
    if (r->url[0] == '/')
        return try_folder(r->url, &options, e);
    return store_open(r->url, &options, &s, e) && try_writing(r->url, s, e);
}

static bool try_repository(struct trial *t, const struct config_repository *r, struct err *e)
{
    struct call *call = t->call;
    const struct common *common = call->common;
    AUTO(session) struct session s = {0};
    struct common other;
    bool ok;

    set_common(call, r, &other);
    if (session_open_other(call, &other, NULL, &s, e))
        return try_writing(r->url, s.store, e);
    if (e->code != ERR_NOT_FOUND || t->set->backup_config == NULL ||
        (call->stage != STAGE_STORE && call->stage != STAGE_UNLOCK))
        return false;
    call->common = &other;
    ok = try_making(call, r, e);
    call->common = common;
    return ok;
}

/* Works, and is known better now than when the set has to be restored. */
static void warn(struct trial *t, const struct config *c)
{
    const struct config_set *set = t->set;
    struct output *out = t->call->out;
    struct err e;
    struct stat st;

    if (!restore_set_check(c, set, &e)) {
        (void)err_wrap(&e, "set %s cannot be restored in place", set->name);
        output_item_warning(out, NULL, e.text);
    }
    for (size_t i = 0; i < set->source_count; i++)
        for (size_t n = 0;
             set->sources[i].kind == SOURCE_FILES && n < set->sources[i].files.paths.count; n++) {
            const char *path = set->sources[i].files.paths.items[n];

            if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
                output_item_warning(out, path, "is a link: what it leads to is not stored");
        }
}

static void try_set(struct trial *t, const struct config *c)
{
    struct err e;

    try_sources(t);
    try_programs(t, "stop", &t->set->restore.stop);
    try_programs(t, "start", &t->set->restore.start);
    warn(t, c);
    for (size_t i = 0; i < t->set->repository_count; i++) {
        const struct config_repository *r = t->set->repositories[i];

        tell(t, "repository", r->name, try_repository(t, r, &e) ? NULL : &e);
    }
}

static bool run_config_test(struct call *call, struct err *e)
{
    const struct test_args *args = call->args;
    const struct strings *words = &args->common.words;
    AUTO(config) struct config *c = NULL;
    const struct config_set *only = NULL;
    struct trial t = {.call = call};

    call->stage = STAGE_SECRET; /* what follows is a matter of configuration */
    if (!config_path_load(args->common.config, words->count > 0 ? words->items[0] : NULL, &c, &only,
                          e))
        return false;
    for (size_t i = 0; i < c->set_count; i++)
        if (only == NULL || only == &c->sets[i]) {
            t.set = &c->sets[i];
            try_set(&t, c);
        }
    if (call->out->json) {
        json_t *line = json_message("summary");

        json_set_u64(line, "tried", t.count);
        json_set_u64(line, "failed", t.failed);
        output_json(call->out, line);
    }
    call->stage = t.stage;
    *e = t.first;
    return t.failed == 0;
}

const struct command command_config_test = {
    .name = "config test",
    .summary = "Try what backups of a set need, and keep nothing",
    .details = "Databases are connected to, folders and files are looked at, repositories are "
               "opened and written to. Without a set all are tried.",
    .examples = "holdfast config test shop\n"
                "holdfast config test --json",
    .words = "[SET]",
    .words_max = 1,
    .options = test_options,
    .args_size = sizeof(struct test_args),
    .run = run_config_test,
};
