/*
 * import: an archive of another program becomes a snapshot.
 */
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/backup_tell.h"
#include "cli/commands.h"
#include "cli/config_path.h"
#include "cli/configured.h"
#include "cli/progress.h"
#include "cli/render.h"
#include "cli/session.h"

struct import_args {
    struct common common;
    char *set, *name;
    struct strings keys;
    int as; /* 0: recognised, else 1 + enum foreign_kind */
    bool dry_run, allow_unauthenticated, as_members;
};

#define AT(member) offsetof(struct import_args, member)

/* In the order of enum foreign_kind, behind the default. */
static const char *const kind_words[] = {
    "auto",      "bundle",          "cfms",         "cfms-conf", "school-erp",
    "wireguard", "vevurn-database", "vevurn-files", NULL};

static const struct option import_options[] = {
    {"set", 0, OPTION_TEXT, AT(set), "SET",
     "Into the repository of a set, as a snapshot of that set", NULL, NULL},
    {"as", 0, OPTION_CHOICE, AT(as), "KIND", "Read it as this kind, whatever else it might be",
     NULL, NULL, kind_words},
    {"as-members", 0, OPTION_FLAG, AT(as_members), NULL,
     "With --set: a gateway's zip file as the set's own sources, for restore --in-place", NULL,
     NULL},
    {"archive-key-file", 0, OPTION_LIST, AT(keys), "FILE",
     "Try the key in FILE, which the archive came with; may be repeated", NULL, NULL},
    {"name", 0, OPTION_TEXT, AT(name), "NAME", "Call it NAME in the snapshot", NULL, NULL},
    {"allow-unauthenticated", 0, OPTION_FLAG, AT(allow_unauthenticated), NULL,
     "Also an archive that anybody can have made or changed", NULL, NULL},
    {"dry-run", 'n', OPTION_FLAG, AT(dry_run), NULL, "Store nothing, tell what it is", NULL, NULL},
    {0},
};

struct keys {
    struct buf texts[IMPORT_KEYS_MAX];
    struct slice slices[IMPORT_KEYS_MAX];
    size_t count;
};

static void keys_auto(struct keys *k)
{
    for (size_t i = 0; i < k->count; i++) {
        if (k->texts[i].room > 0)
            mem_wipe(k->texts[i].data, k->texts[i].room);
        buf_done(&k->texts[i]);
    }
}

static bool read_keys(const struct strings *files, struct keys *out, struct err *e)
{
    if (files->count > IMPORT_KEYS_MAX)
        return err_set(e, ERR_USAGE, "--archive-key-file: at most %d", IMPORT_KEYS_MAX);
    for (; out->count < files->count; out->count++) {
        struct buf *text = &out->texts[out->count];

        buf_reserve(text, FOREIGN_KEY_MAX + 1); /* it does not move while it is read */
        if (!file_read(files->items[out->count], FOREIGN_KEY_MAX, text, e)) {
            mem_wipe(text->data, text->room);
            buf_done(text);
            return false;
        }
        out->slices[out->count] = buf_slice(text);
    }
    return true;
}

static void set_text_or_null(json_t *line, const char *key, const char *text)
{
    if (text[0] == '\0')
        json_set(line, key, json_null());
    else
        json_set_text(line, key, text);
}

/* More names would make a line that nobody reads. */
#define NAMES_MAX 200

/* As the metadata of the application's files has it; null where the names are too many. */
static json_t *contents_json(const struct import_members *m)
{
    json_t *databases = json_array();
    json_t *confs = json_array();
    const char *name;
    size_t i;

    for (i = 0; (name = import_members_database(m, i)) != NULL; i++)
        (void)json_array_append_new(databases, json_from_text(name));
    for (i = 0; (name = import_members_conf(m, i)) != NULL && i < NAMES_MAX; i++)
        (void)json_array_append_new(confs, json_from_text(name));
    if (name != NULL) {
        json_decref(confs);
        confs = json_null();
    }
    return json_pack("{s:o, s:o, s:b}", "databases", databases, "configs", confs, "iptables_rules",
                     import_members_has_rules(m));
}

static void tell_json(struct call *call, const struct import_found *f,
                      const struct import_members *m)
{
    const struct foreign_facts *s = &f->facts;
    json_t *line = json_message("import");

    json_set_text(line, "kind", foreign_kind_name(f->kind));
    set_text_or_null(line, "version", s->version);
    set_text_or_null(line, "created", s->created);
    json_set(line, "authenticated", json_boolean(s->is_authenticated));
    json_set_text(line, "why", s->why);
    set_text_or_null(line, "note", s->note);
    json_set_text(line, "name", f->name);
    json_set_u64(line, f->kind == FOREIGN_BUNDLE ? "bundles" : "parts", f->count);
    json_set_u64(line, "bytes", f->file_bytes);
    json_set(line, "as_members", json_boolean(m != NULL));
    if (m != NULL)
        json_set(line, "contents", contents_json(m));
    output_json(call->out, line);
}

/* What the archive says of itself is escaped, for a terminal might obey it. */
static void tell(struct call *call, const struct import_found *f, const struct import_members *m)
{
    const struct foreign_facts *s = &f->facts;
    AUTO(buf) struct buf version = {0};
    AUTO(buf) struct buf created = {0};
    char size[TEXT_SIZE_MAX];

    if (call->out->json) {
        tell_json(call, f, m);
        return;
    }
    path_escape(slice_string(s->version), &version);
    path_escape(slice_string(s->created), &created);
    size_format(f->file_bytes, size);
    output_line(call->out, "Recognised:  %s%s%s: %s", foreign_kind_name(f->kind),
                version.size == 0 ? "" : ", version ", buf_string(&version), s->why);
    output_line(call->out, "Holds:       %zu %s%s in %s%s%s", f->count,
                f->kind == FOREIGN_BUNDLE ? "bundle" : "part", plural(f->count), size,
                created.size == 0 ? "" : ", of ", buf_string(&created));
    output_line(call->out, "Origin:      %s",
                s->is_authenticated ? "authenticated by the key"
                                    : "not authenticated: anybody can have made or changed it");
    if (s->note[0] != '\0')
        output_line(call->out, "Note:        %s", s->note);
}

/* What kind of import it is, and the set's own tags. */
static void add_tags(struct call *call, const struct config_set *set, const struct import_found *f,
                     struct backup_options *o)
{
    const size_t of_set = set == NULL ? 0 : set->tags.count;
    const char **tags = arena_take(&call->arena, (2 + of_set) * sizeof(*tags));
    AUTO(buf) struct buf own = {0};
    size_t count = 0;

    buf_printf(&own, SNAPSHOT_IMPORT "%s", foreign_kind_name(f->kind));
    tags[count++] = arena_string(&call->arena, buf_slice(&own));
    if (!f->facts.is_authenticated)
        tags[count++] = SNAPSHOT_UNAUTHENTICATED;
    for (size_t i = 0; i < of_set; i++)
        tags[count++] = set->tags.items[i];
    o->tags = tags;
    o->tag_count = count;
}

static bool store(struct call *call, const struct config_set *set, struct import *i, struct err *e)
{
    AUTO(session) struct session s = {0};
    struct member *const members[] = {import_member(i)};
    const struct set content = {
        .name = set == NULL ? NULL : set->name, .members = members, .member_count = 1};
    struct backup_options o = {.set = &content, .stream_fd = -1};
    struct backup_result result = {0};
    struct progress_view view;

    add_tags(call, set, import_found(i), &o);
    if (!session_open(call, &s, e) || !progress_init(&view, call->out, PROGRESS_BACKUP, e))
        return false;

    const struct report report = progress_report(&view);

    if (!backup_run(s.repo, &o, &report, &result, e))
        return err_wrap(e, "import; no snapshot was made");
    progress_end(&view);
    backup_tell(call, false, &result, NULL);
    return true;
}

/* Whether what was told of is to be stored. */
static bool is_wanted(struct call *call, const struct import_found *f, bool *out, struct err *e)
{
    const struct import_args *args = call->args;

    *out = !args->dry_run;
    if (args->dry_run) {
        output_note(call->out, "Dry run: nothing was stored.");
        return true;
    }
    return f->facts.is_authenticated || args->allow_unauthenticated ||
           err_set(e, ERR_USAGE,
                   "%s is not authenticated: nothing says who made it, and nothing was stored; "
                   "--allow-unauthenticated takes it all the same",
                   args->common.words.items[0]);
}

/* As members of the set */

static void on_tell(void *arg, const char *sentence)
{
    struct call *call = arg;

    if (call->out->json) {
        json_t *line = json_message("step");

        json_set_text(line, "text", sentence);
        output_json(call->out, line);
        return;
    }
    output_line(call->out, "Note:        %s", sentence);
}

static bool store_members(struct call *call, struct import_members *m, struct err *e)
{
    AUTO(session) struct session s = {0};
    struct backup_result result = {0};
    struct progress_view view;

    if (!session_open(call, &s, e) || !progress_init(&view, call->out, PROGRESS_BACKUP, e))
        return false;

    const struct report report = progress_report(&view);

    if (!import_members_store(m, s.repo, &report, &result, e))
        return err_wrap(e, "import; no snapshot was made");
    progress_end(&view);
    backup_tell(call, false, &result, NULL);
    return true;
}

static bool import_as_members(struct call *call, const struct config *c,
                              const struct config_set *set, struct err *e)
{
    const struct import_args *args = call->args;
    AUTO(import_members) struct import_members *m = NULL;
    bool wanted = false;
    const struct import_members_options o = {
        .path = args->common.words.items[0], .config = c, .set = set};

    if (set == NULL || args->name != NULL || args->keys.count > 0 ||
        (args->as != 0 && strcmp(kind_words[args->as], "wireguard") != 0))
        return err_set(e, ERR_USAGE,
                       "--as-members takes --set and the zip file of a WireGuard Gateway, without "
                       "--name and --archive-key-file");
    if (!import_members_look(&o, &m, e))
        return false;
    tell(call, import_members_found(m), m);
    import_members_tell(m, on_tell, call);
    return is_wanted(call, import_members_found(m), &wanted, e) &&
           (!wanted || store_members(call, m, e));
}

static bool run_import(struct call *call, struct err *e)
{
    const struct import_args *args = call->args;
    AUTO(config) struct config *c = NULL;
    AUTO(keys) struct keys keys = {0};
    AUTO(import) struct import *i = NULL;
    const struct config_set *set = NULL;
    bool wanted = false;
    const struct import_options o = {.path = args->common.words.items[0],
                                     .name = args->name,
                                     .as = args->as == 0 ? NULL : kind_words[args->as],
                                     .keys = keys.slices,
                                     .key_count = args->keys.count};

    call->stage = STAGE_SECRET; /* what it was given may make no sense */
    if (args->set != NULL && (!config_path_load(args->common.config, args->set, &c, &set, e) ||
                              !set_choose_repository(call, set, e)))
        return false;
    if (args->as_members)
        return import_as_members(call, c, set, e);
    if (!read_keys(&args->keys, &keys, e) || !import_look(&o, &i, e))
        return false;
    tell(call, import_found(i), NULL);
    return is_wanted(call, import_found(i), &wanted, e) && (!wanted || store(call, set, i, e));
}

const struct command command_import = {
    .name = "import",
    .summary = "Make a snapshot of an archive of another program",
    .details = "What it is, is recognised by what it holds. It is read to its end and checked by a "
               "process in a sandbox\nbefore a snapshot is made, which holds the archive as it is "
               "and the parts in it.\nKinds: bundle, cfms, cfms-conf, school-erp, wireguard, "
               "vevurn-database, vevurn-files.",
    .examples = "holdfast import wireguard_backup_20261120_205152.zip --dry-run\n"
                "holdfast import backup.enc --set school --archive-key-file school.hex\n"
                "holdfast import database.sql.gz.enc --set shop --archive-key-file pos.hex "
                "--allow-unauthenticated\n"
                "holdfast import backups/ --set app --allow-unauthenticated\n"
                "holdfast import wireguard_backup_20261120_205152.zip --set wireguard --as-members "
                "--allow-unauthenticated",
    .words = "PATH",
    .words_min = 1,
    .words_max = 1,
    .has_files = true,
    .options = import_options,
    .args_size = sizeof(struct import_args),
    .run = run_import,
};
