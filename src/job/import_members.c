/*
 * The zip file of a WireGuard Gateway as members of its set.
 *
 * A process in a sandbox has taken it apart and looked at each text before this one sees the bytes
 * (import.h); databases go to a second one (import_database.c).  Texts are looked at here once
 * more, by the same parsers, because what the first process says of them might be the archive's
 * word. Nothing of it is stored before all was judged.
 */
#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/iptables_rules.h"
#include "archive/wireguard_zip.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "job/gateway_conf.h"
#include "job/import_private.h"
#include "job/job.h"
#include "job/open_set.h"
#include "job/restore_set.h"

#define CONFIGS    "configs" /* names of the set's trees, and of the command */
#define ETC        "etc"
#define RULES      "iptables"

#define RULES_FILE "iptables_rules.txt" /* the others hold parts of it, and nobody applies them */

enum {
    TREES = 2,
    DATABASES_MAX = 3,
};

/* A tree of the set that .conf files go into. */
struct tree {
    const char *folder; /* the one path of it; NULL: not looked for yet */
    struct files_options options;
    struct files_over over;
};

struct database {
    const char *name; /* of a part; borrowed */
    int fd;           /* a file without a name */
    bool is_new;      /* none is there now */
};

struct import_members {
    struct import_members_options o;
    struct import *archive;
    struct restore_still still;
    struct open_set *set; /* as a backup has it */
    struct tree trees[TREES];
    struct set_files files[TREES];
    struct member *members[DATABASES_MAX + 1];
    size_t member_count;

    struct database databases[DATABASES_MAX];
    size_t database_count;
    int confs_fd; /* the .conf files, one behind the other */
    uint64_t confs_used;
    struct over_file *confs;
    size_t conf_count;
    _Atomic size_t sent;
    size_t left_out; /* parts that are nothing of a set */

    /* The part that is being handed over */
    enum wireguard_part part;
    const char *path;
    struct buf text; /* of a .conf file or of rules */
};

void import_members_free(struct import_members *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < m->member_count; i++)
        member_free(m->members[i]);
    for (size_t i = 0; i < m->database_count; i++)
        fd_auto(&m->databases[i].fd);
    fd_auto(&m->confs_fd);
    mem_free(m->confs);
    buf_done(&m->text);
    open_set_free(m->set);
    restore_still_auto(&m->still);
    import_free(m->archive);
    mem_free(m);
}

void import_members_auto(struct import_members **m)
{
    import_members_free(*m);
}

const struct import_found *import_members_found(const struct import_members *m)
{
    return import_found(m->archive);
}

/* Places in the set */

static const struct config_source *find_source(const struct import_members *m,
                                               enum config_source_kind kind, const char *name)
{
    for (size_t i = 0; i < m->o.set->source_count; i++) {
        const struct config_source *s = &m->o.set->sources[i];

        if (s->kind == kind && strcmp(s->name, name) == 0)
            return s;
    }
    return NULL;
}

static bool no_place(const struct import_members *m, const char *what, const char *kind,
                     const char *name, struct err *e)
{
    return err_set(e, ERR_USAGE, "set %s has no %s \"%s\", where %s belongs", m->o.set->name, kind,
                   name, what);
}

/* The folder of a tree, as a backup reads it. */
static bool find_tree(struct import_members *m, struct tree *t, const char *name, struct err *e)
{
    const struct config_source *s = find_source(m, SOURCE_FILES, name);
    struct stat st;

    if (s == NULL)
        return no_place(m, "a .conf file", "file tree", name, e);
    if (s->files.paths.count != 1)
        return err_set(e, ERR_USAGE, "the file tree \"%s\" of a gateway is one folder", name);
    t->folder = s->files.paths.items[0];
    if (lstat(t->folder, &st) < 0)
        return err_sys(e, "%s, where .conf files go", t->folder);
    if (!S_ISDIR(st.st_mode))
        return err_set(e, ERR_USAGE, "%s, where .conf files go, is no folder", t->folder);
    for (size_t i = 0; i < m->set->set.files_count; i++)
        if (strcmp(m->set->files[i].name, name) == 0) {
            t->options = *m->set->files[i].options;
            m->files[t - m->trees] = (struct set_files){m->set->files[i].name, &t->options};
        }
    return true;
}

static bool find_trees(struct import_members *m, struct err *e)
{
    return m->trees[0].folder != NULL ||
           (find_tree(m, &m->trees[1], ETC, e) && find_tree(m, &m->trees[0], CONFIGS, e));
}

/* Configurations */

static bool add_conf(struct import_members *m, struct err *e)
{
    const char *name = m->path + sizeof(CONFIGS "/") - 1;
    const struct slice text = buf_slice(&m->text);

    if (!find_trees(m, e) ||
        !gateway_conf_check(m->trees[1].folder, m->trees[0].folder, name, text, e) ||
        (m->confs_fd < 0 && !file_unnamed(file_scratch_folder(), &m->confs_fd, e)) ||
        !fd_write_at(m->confs_fd, m->confs_used, text, e))
        return false;
    if ((m->conf_count & (m->conf_count - 1)) == 0)
        m->confs =
            mem_resize(m->confs, m->conf_count == 0 ? 1 : 2 * m->conf_count, sizeof(*m->confs));
    m->confs[m->conf_count++] =
        (struct over_file){.name = name, .offset = m->confs_used, .size = text.size};
    m->confs_used += text.size;
    return true;
}

/* Rules */

static bool add_rules(struct import_members *m, struct err *e)
{
    const struct config_source *s = find_source(m, SOURCE_COMMAND, RULES);
    AUTO(iptables_rules) struct iptables_rules rules = {0};
    AUTO(buf) struct buf text = {0};

    if (s == NULL)
        return no_place(m, "a file of rules", "command", RULES, e);
    if (!iptables_rules_parse(buf_slice(&m->text), &rules, e))
        return false;
    iptables_rules_complete(&rules);
    iptables_rules_write(&rules, &text);

    const struct command_options o = command_options_of(s);

    if (!command_member_of_output(&o, buf_slice(&text), clock_now_ns(),
                                  &m->members[m->member_count], e))
        return false;
    m->member_count++;
    return true;
}

/* Taking the parts */

static bool is_text(const struct import_members *m)
{
    return m->part == WIREGUARD_CONF ||
           (m->part == WIREGUARD_RULES && strcmp(m->path, RULES_FILE) == 0);
}

static bool begin_part(void *arg, size_t part, struct err *e)
{
    struct import_members *m = arg;
    const uint64_t size = m->archive->parts[part].size;

    m->path = m->archive->paths[part];
    buf_clear(&m->text);
    if (!wireguard_part_of(m->path, &m->part))
        return err_set(e, ERR_CORRUPT, "%s does not belong into a backup", m->path);
    if (is_text(m) && size > IPTABLES_TEXT_MAX)
        return err_set(e, ERR_CORRUPT, "%s is too long", m->path);
    if (m->part == WIREGUARD_OTHER) {
        m->left_out++;
        return true;
    }
    if (m->part != WIREGUARD_DATABASE)
        return true;
    assert(m->database_count < DATABASES_MAX); /* no name is there twice */

    struct database *d = &m->databases[m->database_count];

    d->name = m->path;
    if (!file_unnamed(file_scratch_folder(), &d->fd, e))
        return false;
    m->database_count++;
    return true;
}

static bool part_bytes(void *arg, struct slice bytes, struct err *e)
{
    struct import_members *m = arg;

    if (is_text(m))
        buf_append_slice(&m->text, bytes);
    return m->part != WIREGUARD_DATABASE ||
           fd_write(m->databases[m->database_count - 1].fd, bytes, e);
}

static bool end_part(void *arg, struct err *e)
{
    struct import_members *m = arg;

    if (!is_text(m))
        return true;
    return (m->part == WIREGUARD_CONF ? add_conf(m, e) : add_rules(m, e)) ||
           err_wrap(e, "%s", m->path);
}

static int conf_order(const void *a, const void *b)
{
    return strcmp(((const struct over_file *)a)->name, ((const struct over_file *)b)->name);
}

static bool take_parts(struct import_members *m, struct err *e)
{
    const struct import_taker taker = {m, begin_part, part_bytes, end_part};

    if (!import_hand_over(m->archive, &taker, e))
        return false;
    if (m->conf_count > 1)
        qsort(m->confs, m->conf_count, sizeof(*m->confs), conf_order);
    for (size_t i = 0; i < TREES && m->conf_count > 0; i++) {
        struct tree *t = &m->trees[i];

        t->over = (struct files_over){.folder = t->folder,
                                      .fd = m->confs_fd,
                                      .files = m->confs,
                                      .count = m->conf_count,
                                      .sent = &m->sent};
        t->options.over = &t->over;
    }
    return true;
}

/* Databases */

static bool add_database(struct import_members *m, struct database *d, struct err *e)
{
    const struct config_source *s = find_source(m, SOURCE_SQLITE, d->name);
    AUTO(buf) struct buf schema = {0};
    AUTO(buf) struct buf manifest = {0};
    struct err why = {0};

    if (s == NULL)
        return no_place(m, "this database", "SQLite database", d->name, e);
    d->is_new = !sqlite_schema_read(s->sqlite.path, &schema, &why);
    if (d->is_new && why.code != ERR_NOT_FOUND) {
        *e = why;
        return err_wrap(e, "compare with the present database");
    }
    if (!import_database_look(d->fd, d->is_new ? NULL : buf_string(&schema), &manifest, e) ||
        !sqlite_member_of_file(d->name, d->fd, buf_slice(&manifest), &m->members[m->member_count],
                               e))
        return false;
    m->member_count++;
    return true;
}

static bool add_databases(struct import_members *m, struct err *e)
{
    for (size_t i = 0; i < m->database_count; i++)
        if (!add_database(m, &m->databases[i], e))
            return err_wrap(e, "%s", m->databases[i].name);
    return true;
}

bool import_members_look(const struct import_members_options *o, struct import_members **out,
                         struct err *e)
{
    AUTO(import_members) struct import_members *m = mem_new(sizeof(*m));
    const struct import_options how = {.path = o->path, .as = foreign_kind_name(FOREIGN_WIREGUARD)};

    m->o = *o;
    m->confs_fd = -1;
    if (!restore_still_begin(&m->still, o->config, o->set, e) ||
        !open_set_new(o->set, NULL, &m->set, e) || !import_look(&how, &m->archive, e))
        return false;
    if (!take_parts(m, e) || !add_databases(m, e))
        return err_wrap(e, "%s", o->path);
    *out = TAKE(m);
    return true;
}

bool import_members_has_rules(const struct import_members *m)
{
    for (size_t i = 0; i < m->member_count; i++)
        if (strcmp(m->members[i]->name, RULES) == 0)
            return true;
    return false;
}

const char *import_members_database(const struct import_members *m, size_t i)
{
    return i < m->database_count ? m->databases[i].name : NULL;
}

const char *import_members_conf(const struct import_members *m, size_t i)
{
    return i < m->conf_count ? m->confs[i].name : NULL;
}

/* What the zip file says nothing about, and what it says that is not taken */

static bool is_brought(const struct import_members *m, const struct config_source *s)
{
    if (s->kind == SOURCE_FILES)
        return m->conf_count > 0 && (strcmp(s->name, CONFIGS) == 0 || strcmp(s->name, ETC) == 0);
    for (size_t i = 0; i < m->member_count; i++)
        if (strcmp(m->members[i]->ops->kind, config_kind_name(s->kind)) == 0 &&
            strcmp(m->members[i]->name, s->name) == 0)
            return true;
    return false;
}

static void put_missing(const struct import_members *m, import_tell_fn *fn, void *arg)
{
    for (size_t i = 0; i < m->o.set->source_count; i++) {
        const struct config_source *s = &m->o.set->sources[i];
        AUTO(buf) struct buf text = {0};

        if (is_brought(m, s))
            continue;
        buf_printf(&text,
                   "%s %s: the zip file holds nothing of it, and a restore leaves it as it is",
                   config_kind_name(s->kind), s->name);
        fn(arg, buf_string(&text));
    }
}

void import_members_tell(const struct import_members *m, import_tell_fn *fn, void *arg)
{
    AUTO(buf) struct buf text = {0};

    for (size_t i = 0; i < m->database_count; i++) {
        if (!m->databases[i].is_new)
            continue;
        buf_clear(&text);
        buf_printf(&text, "%s: no database is there now, so its schema was compared with nothing",
                   m->databases[i].name);
        fn(arg, buf_string(&text));
    }
    put_missing(m, fn, arg);
    buf_clear(&text);
    buf_printf(&text,
               "%zu .conf file%s into " CONFIGS " and " ETC "; all else there stays as it is just "
               "now",
               m->conf_count, m->conf_count == 1 ? "" : "s");
    if (m->conf_count > 0)
        fn(arg, buf_string(&text));
    buf_clear(&text);
    buf_printf(&text, "%zu file%s of " CONFIGS " left out: only .conf files are taken", m->left_out,
               m->left_out == 1 ? "" : "s");
    if (m->left_out > 0)
        fn(arg, buf_string(&text));
}

/* Storing */

/* A report in front of another, which knows whether something of the trees was left out: a restore
 * would take that for what is to be removed. */
struct hearing {
    struct import_members *m;
    const struct report *to;
    _Atomic bool is_lacking;
};

static void on_progress(void *arg, const struct progress *p)
{
    const struct hearing *h = arg;

    h->to->progress(h->to->arg, p);
}

static void on_item_error(void *arg, const char *during, const char *path, const struct err *why)
{
    struct hearing *h = arg;

    atomic_store(&h->is_lacking, true);
    if (h->to->item_error != NULL)
        h->to->item_error(h->to->arg, during, path, why);
}

static void on_item(void *arg, const char *action, const char *path, uint64_t size)
{
    const struct hearing *h = arg;

    h->to->item(h->to->arg, action, path, size);
}

static bool is_whole(void *arg, struct err *e)
{
    struct hearing *h = arg;
    struct import_members *m = h->m;

    if (!restore_still_check(&m->still, e))
        return false;
    if (atomic_load(&h->is_lacking))
        return err_set(e, ERR_TRANSIENT,
                       "not all of " CONFIGS " and " ETC
                       " could be read, and a restore would remove "
                       "the rest");
    return atomic_load(&m->sent) == TREES * m->conf_count ||
           err_set(e, ERR_TRANSIENT, "a folder that .conf files go into was not read: try again");
}

bool import_members_store(struct import_members *m, struct repo *r, const struct report *report,
                          struct backup_result *out, struct err *e)
{
    const struct texts *of_set = &m->o.set->tags;
    AUTO(mem) const char **tags = mem_array(3 + of_set->count, sizeof(*tags));
    const struct set content = {.name = m->o.set->name,
                                .files = m->files,
                                .files_count = m->conf_count > 0 ? TREES : 0,
                                .members = m->members,
                                .member_count = m->member_count};
    struct hearing h = {.m = m, .to = report};
    const struct report hearing = {.arg = &h,
                                   .progress = report->progress != NULL ? on_progress : NULL,
                                   .item_error = on_item_error,
                                   .item = report->item != NULL ? on_item : NULL};
    char sum[sizeof("sha256:") + (size_t)2 * HASH_SIZE] = "sha256:";

    hex_encode(SLICE_OF(m->archive->sum.bytes, HASH_SIZE), sum + strlen(sum));
    tags[0] = SNAPSHOT_IMPORT "wireguard";
    tags[1] = SNAPSHOT_UNAUTHENTICATED;
    tags[2] = sum;
    for (size_t i = 0; i < of_set->count; i++)
        tags[3 + i] = of_set->items[i];

    const struct backup_options o = {.set = &content,
                                     .stream_fd = -1,
                                     .tags = tags,
                                     .tag_count = 3 + of_set->count,
                                     .is_whole = is_whole,
                                     .is_whole_arg = &h};

    return backup_run(r, &o, &hearing, out, e);
}
