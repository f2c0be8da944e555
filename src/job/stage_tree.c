#include "job/stage_tree.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "job/stage_present.h"

/* What e2fsck wants to find where it is. */
#define LOST_AND_FOUND "lost+found"

/* One tree being staged, or looked at. */
struct stage {
    struct repo *repo;
    const struct stage_options *options;
    struct reader *reader;
    char *stored; /* path in the snapshots */
    struct entry wanted, saved;
    bool has_wanted, has_saved;
    struct buf wanted_keep, saved_keep; /* what the entries point at */
    struct link_table names;            /* as in struct stage_present */
    uint64_t files, bytes;              /* of the snapshot */

    char *folder, *root;             /* absolute; root: the directory that holds the folder */
    const char *name;                /* of the tree in root and in the folder; NULL: root is it */
    size_t made_below;               /* length of the part of root that was there; 0: all of it */
    struct target *present, *staged; /* root, or NULL when it is not there; the folder */
    bool has_folder;
    struct stage_counts counts;
};

static void stage_auto(struct stage *s)
{
    target_close(s->present);
    target_close(s->staged);
    reader_free(s->reader);
    mem_free(s->stored);
    mem_free(s->folder);
    mem_free(s->root);
    buf_done(&s->wanted_keep);
    buf_done(&s->saved_keep);
    link_table_done(&s->names);
}

void stage_result_auto(struct stage_result *r)
{
    swap_list_done(&r->swaps);
}

/* Paths */

static char *joined(const char *folder, const char *name)
{
    AUTO(buf) struct buf path = {0};

    buf_printf(&path, "%s%s%s", folder, strcmp(folder, "/") == 0 ? "" : "/", name);
    return mem_string(buf_string(&path));
}

/* "/a/b" as "/a" and "b". */
static char *folder_of(const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');

    *name = slash + 1;
    return mem_dup(path, slash == path ? 1 : (size_t)(slash - path));
}

static struct target_options target_options_of(bool numeric_ids)
{
    return (struct target_options){
        .overwrite = OVERWRITE_NEVER, .keep_owner = true, .numeric_ids = numeric_ids};
}

/* Whether a tree cannot change its name, so that what is in it has to. */
static bool has_fixed_name(const char *path, bool *out, struct err *e)
{
    const char *name = NULL;
    AUTO(mem) char *above = folder_of(path, &name);
    AUTO(target) struct target *t = NULL;
    const struct target_options how = target_options_of(true);
    struct present now = {0};
    bool is_there = false;

    *out = path[1] == '\0';
    if (*out || access(above, F_OK) != 0)
        return true;
    if (!target_open(above, &how, &t, e) || !target_look(t, name, &now, &is_there, e))
        return false;
    *out = is_there && now.is_mount;
    if (*out && now.entry.type != ENTRY_DIRECTORY)
        return err_set(e, ERR_USAGE, "%s is a file that is mounted there: it cannot be replaced",
                       path);
    return true;
}

/* The directory that holds the folder, and the name of the tree there; NULL: it is the tree. */
static bool find_root(const char *path, char **root, const char **name, struct err *e)
{
    bool is_fixed = false;

    if (!has_fixed_name(path, &is_fixed, e))
        return false;
    *name = NULL;
    *root = is_fixed ? mem_string(path) : folder_of(path, name);
    return true;
}

static char *folder_in(const char *root, const char *id)
{
    AUTO(buf) struct buf name = {0};

    buf_printf(&name, TARGET_STAGING "%s", id);
    assert(target_is_staging(buf_string(&name)));
    return joined(root, buf_string(&name));
}

bool stage_folder(const char *path, const char *id, char **out, struct err *e)
{
    AUTO(mem) char *root = NULL;
    const char *name = NULL;

    if (!find_root(path, &root, &name, e))
        return false;
    *out = folder_in(root, id);
    return true;
}

bool stage_remove(const char *folder, struct err *e)
{
    const char *name = NULL;
    AUTO(mem) char *above = folder_of(folder, &name);
    AUTO(fd) int fd = -1;

    if (!target_is_staging(name))
        return err_set(e, ERR_USAGE, "%s is no folder of a restore", folder);
    if (!dir_open(above, &fd, e))
        return e->code == ERR_NOT_FOUND;
    return tree_remove(fd, name, e) || err_wrap(e, "%s", above);
}

/* What the snapshots have */

static bool find_entry(struct stage *s, const struct snapshot *in, struct buf *keep,
                       struct entry *out, bool *found, struct err *e)
{
    *found = tree_find(s->reader, &in->tree, s->stored, keep, out, e);
    return *found || e->code == ERR_NOT_FOUND;
}

static bool count_entry(void *arg, const char *path, const struct entry *en, bool *descend,
                        struct err *e)
{
    struct stage *s = arg;

    (void)path;
    (void)descend;
    (void)e;
    if (en->type == ENTRY_DIRECTORY)
        return true;
    s->files++;
    s->bytes += en->type == ENTRY_FILE ? en->size : 0;
    if (en->links < 2)
        return true;

    struct link_name *n = link_table_place(&s->names, en);

    if (n->path == NULL)
        link_table_name(&s->names, n, en, ONE_NAME);
    else
        n->path = MANY_NAMES;
    return true;
}

static bool look_into_snapshots(struct stage *s, struct err *e)
{
    const struct stage_options *o = s->options;
    AUTO(buf) struct buf keep = {0};
    struct entry source;

    if (!repo_load_index(s->repo, e))
        return false;
    s->reader = reader_new(s->repo);
    s->stored = joined(o->source, o->path + 1);
    if (!tree_find(s->reader, &o->snapshot->tree, o->source, &keep, &source, e) ||
        !find_entry(s, o->snapshot, &s->wanted_keep, &s->wanted, &s->has_wanted, e))
        return false;
    if (o->safety != NULL && !find_entry(s, o->safety, &s->saved_keep, &s->saved, &s->has_saved, e))
        return false;
    return !s->has_wanted || browse_walk(s->repo, &o->snapshot->tree, s->stored, count_entry, s, e);
}

static bool open_present(struct stage *s, struct err *e)
{
    const struct target_options how = target_options_of(s->options->numeric_ids);

    if (!find_root(s->options->path, &s->root, &s->name, e))
        return false;
    if (s->options->id != NULL)
        s->folder = folder_in(s->root, s->options->id);
    if (s->name == NULL && s->has_wanted && s->wanted.type != ENTRY_DIRECTORY)
        return err_set(e, ERR_USAGE, "%s is where something is mounted, and a file in the snapshot",
                       s->options->path);
    return access(s->root, F_OK) != 0 || target_open(s->root, &how, &s->present, e);
}

static size_t count_components(const char *path)
{
    size_t count = 0;

    for (; *path != '\0'; path++)
        count += path[0] == '/' && path[1] != '\0' ? 1 : 0;
    return count;
}

static bool go_through_present(struct stage *s, const struct report *report, uint64_t *unchanged,
                               struct err *e)
{
    struct stage_present at = {.reader = s->reader,
                               .present = s->present,
                               .staged = s->staged,
                               .exclude = s->options->exclude,
                               .root = s->root,
                               .given = count_components(s->options->path),
                               .names = &s->names,
                               .report = report,
                               .counts = &s->counts};

    if (s->present != NULL && !stage_present(&at, s->name, s->has_wanted ? &s->wanted : NULL,
                                             s->has_saved ? &s->saved : NULL, e))
        return false;
    *unchanged = at.bytes_unchanged;
    s->counts.files_new = s->files - s->counts.files_replaced - s->counts.files_unchanged;
    return true;
}

bool stage_plan(struct repo *r, const struct stage_options *o, struct stage_counts *out,
                struct err *e)
{
    AUTO(stage) struct stage s = {.repo = r, .options = o};
    uint64_t unchanged = 0;

    if (!look_into_snapshots(&s, e) || !open_present(&s, e) ||
        !go_through_present(&s, NULL, &unchanged, e))
        return err_wrap(e, "%s", o->path);
    s.counts.bytes = s.bytes - unchanged;
    *out = s.counts;
    return true;
}

/* Building */

static void warn(struct stage *s, const struct report *report, const char *path,
                 const struct err *why)
{
    AUTO(buf) struct buf text = {0};

    if (why->code == ERR_NONE)
        return;
    s->counts.warnings++;
    path_escape(slice_string(path), &text);
    if (report->item_warning != NULL)
        report->item_warning(report->arg, buf_string(&text), why);
}

/* A directory above the tree, with the metadata that the snapshot has for it. */
static bool make_parent(struct stage *s, const char *path, const struct report *report,
                        struct err *e)
{
    AUTO(buf) struct buf keep = {0};
    const char *name = NULL;
    AUTO(mem) char *above = folder_of(path, &name);
    AUTO(mem) char *stored = joined(s->options->source, path + 1);
    AUTO(target) struct target *t = NULL;
    const struct target_options how = target_options_of(s->options->numeric_ids);
    struct entry en = {.type = ENTRY_FILE};
    struct err warning = {0};

    if (!target_open(above, &how, &t, e) || !target_mkdir(t, name, e))
        return false;
    if (!tree_find(s->reader, &s->options->snapshot->tree, stored, &keep, &en, e))
        return e->code == ERR_NOT_FOUND;
    if (en.type == ENTRY_DIRECTORY && !target_directory_finish(t, name, &en, &warning, e))
        return false;
    warn(s, report, path, &warning);
    return true;
}

static bool make_parents(struct stage *s, const struct report *report, struct err *e)
{
    AUTO(mem) char *path = mem_string(s->root);
    size_t size = strlen(path);

    while (access(path, F_OK) != 0) {
        while (size > 1 && path[size] != '/')
            size--;
        path[size] = '\0';
    }
    if (s->root[size] == '\0')
        return true;
    s->made_below = size;
    while (s->root[size] != '\0') {
        size++;
        size += strcspn(s->root + size, "/");
        memcpy(path, s->root, size);
        path[size] = '\0';
        if (!make_parent(s, path, report, e))
            return false;
    }
    return true;
}

/* Empty directories that were made for nothing; others may use them by now. */
static void remove_parents(const struct stage *s)
{
    AUTO(mem) char *path = mem_string(s->root);
    struct err ignored = {0};

    if (s->made_below == 0)
        return;
    while (strlen(path) > s->made_below && dir_remove(AT_FDCWD, path, &ignored))
        *strrchr(path, '/') = '\0';
}

static bool make_folder(struct stage *s, const struct report *report, struct err *e)
{
    const struct target_options how = target_options_of(s->options->numeric_ids);
    const char *name = strrchr(s->folder, '/') + 1;

    if (s->present == NULL &&
        (!make_parents(s, report, e) || !target_open(s->root, &how, &s->present, e)))
        return false;
    if (!target_make_staging(s->present, name, &s->staged, e)) {
        s->has_folder = e->code != ERR_EXISTS;
        return false;
    }
    s->has_folder = true;
    return true;
}

/* Bring what is in the snapshot and not in the folder yet. */
static bool restore_rest(struct stage *s, const struct report *report, struct err *e)
{
    AUTO(target) struct target *below = NULL;
    struct restore_options o = {.snapshot = s->options->snapshot,
                                .sub = s->stored,
                                .into = s->staged,
                                .how = target_options_of(s->options->numeric_ids),
                                .stop_at_error = true};
    const bool is_dir = s->wanted.type == ENTRY_DIRECTORY;
    struct restore_result result = {0};
    struct err warning = {0};

    if (is_dir && s->name != NULL) {
        if (!target_mkdir(s->staged, s->name, e) ||
            !target_open_below(s->staged, s->name, &below, e))
            return false;
        o.into = below;
    }
    if (!restore_run(s->repo, &o, report, &result, e))
        return false;
    s->counts.bytes = result.bytes_restored;
    s->counts.warnings += result.warnings;
    if (is_dir && s->name != NULL &&
        !target_directory_finish(s->staged, s->name, &s->wanted, &warning, e))
        return false;
    warn(s, report, s->options->path, &warning);
    return true;
}

/* What the root of a file system cannot get by changing places. */
static bool warn_of_root(struct stage *s, const struct report *report, struct err *e)
{
    struct err why = {0};
    struct stat st;

    if (s->name != NULL || !s->has_wanted)
        return true;
    if (stat(s->root, &st) != 0)
        return err_sys(e, "stat");
    if ((st.st_mode & 07777U) != s->wanted.mode || st.st_uid != s->wanted.uid ||
        st.st_gid != s->wanted.gid)
        (void)err_set(&why, ERR_USAGE,
                      "its own mode and owner, which differ from the snapshot's, stay as they are: "
                      "it is a mount point");
    warn(s, report, s->root, &why);
    return true;
}

/* What changes places */

static bool add_swap(const struct stage *s, const char *name, struct swap_list *l, struct err *e)
{
    AUTO(mem) char *place = joined(s->root, name);
    AUTO(mem) char *staged = joined(s->folder, name);
    struct present now, new;
    bool is_now = false, is_new = false;

    if (!target_look(s->present, name, &now, &is_now, e) ||
        !target_look(s->staged, name, &new, &is_new, e))
        return false;

    const uint64_t inode = is_new ? new.entry.inode : 0, old = is_now ? now.entry.inode : 0;

    if (inode != old)
        swap_list_add(l, place, staged, inode, old);
    return true;
}

/* Names in one of the two directories: all, or those that the folder has not. */
static bool add_swaps(const struct stage *s, bool is_present, struct swap_list *l, struct err *e)
{
    AUTO(target_listing) struct target_listing *names = NULL;
    struct present at, new;
    bool more = true, is_new = false;

    if (!target_list(is_present ? s->present : s->staged, "", &names, e))
        return false;
    while (target_list_next(names, &at, &more, e)) {
        const char *name = (const char *)at.entry.name.data;

        if (!more)
            return true;
        if (target_is_staging(name) || strcmp(name, LOST_AND_FOUND) == 0)
            continue;
        if (is_present && !target_look(s->staged, name, &new, &is_new, e))
            return false;
        if (!is_new && !add_swap(s, name, l, e))
            return false;
    }
    return false;
}

static bool list_swaps(const struct stage *s, struct swap_list *l, struct err *e)
{
    return s->name != NULL ? add_swap(s, s->name, l, e)
                           : add_swaps(s, false, l, e) && add_swaps(s, true, l, e);
}

static bool build(struct stage *s, const struct report *report, struct swap_list *swaps,
                  struct err *e)
{
    uint64_t unchanged = 0;

    return make_folder(s, report, e) && go_through_present(s, report, &unchanged, e) &&
           (!s->has_wanted || restore_rest(s, report, e)) && warn_of_root(s, report, e) &&
           list_swaps(s, swaps, e) && target_sync(s->staged, e);
}

/* After a failure: nothing stays. */
static bool leave_nothing(struct stage *s, struct err *e)
{
    struct err ignored = {0};

    if (s->has_folder && !stage_remove(s->folder, &ignored))
        return err_wrap(e, "%s is left over", s->folder);
    remove_parents(s);
    return false;
}

bool stage_tree(struct repo *r, const struct stage_options *o, const struct report *report,
                struct stage_result *out, struct err *e)
{
    AUTO(stage) struct stage s = {.repo = r, .options = o};
    AUTO(swap_list) struct swap_list swaps = {0};

    if (!look_into_snapshots(&s, e) || !open_present(&s, e))
        return err_wrap(e, "%s", o->path);
    /* Nothing to be made, and nothing that could stand there. */
    if (s.present == NULL && !s.has_wanted) {
        *out = (struct stage_result){0};
        return true;
    }
    if (!build(&s, report, &swaps, e))
        return leave_nothing(&s, e) || err_wrap(e, "%s", o->path);
    *out = (struct stage_result){swaps, s.counts};
    swaps = (struct swap_list){0};
    return true;
}
