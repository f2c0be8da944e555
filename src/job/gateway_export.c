#include "job/gateway_export.h"

#include <assert.h>
#include <string.h>

#include "archive/wireguard_zip.h"
#include "base/arena.h"
#include "base/file.h"
#include "base/mem.h"
#include "job/job.h"

#define CONFIGS "/configs"

static_assert(GATEWAY_FILE_MAX == WIREGUARD_FILE_MAX, "names fit");

/* What becomes a member: a stretch of the scratch file. */
struct part {
    const char *name;
    const int *fd;
    uint64_t base, size;
    int64_t mtime_ns;
};

struct gathering {
    struct repo *repo;
    const struct snapshot *snapshot;
    int fd; /* a file without a name, with the content of all parts one behind the other */
    uint64_t used;
    struct part *parts;
    size_t count;
    struct arena texts;
    const char *root; /* the folder of configurations in the snapshot; NULL: not found yet */
};

static void gathering_auto(struct gathering *g)
{
    fd_auto(&g->fd);
    mem_free(g->parts);
    arena_done(&g->texts);
}

static bool add(struct gathering *g, const char *path, const char *name, const struct entry *en,
                struct err *e)
{
    const uint64_t size = en->size;
    const int64_t mtime_ns = en->mtime_ns;

    if (g->count == ZIP_COUNT_MAX || size > ZIP_PLAIN_MAX - g->used)
        return err_set(e, ERR_USAGE,
                       "%s: it is more than the application takes, 10,000 files of 100 MiB in all",
                       path);
    if (!dump_run(g->repo, &g->snapshot->tree, path, TREE_TAR, g->fd, e))
        return false;
    if ((g->count & (g->count - 1)) == 0)
        g->parts = mem_resize(g->parts, g->count == 0 ? 1 : 2 * g->count, sizeof(*g->parts));
    g->parts[g->count++] = (struct part){.name = arena_string(&g->texts, slice_string(name)),
                                         .fd = &g->fd,
                                         .base = g->used,
                                         .size = size,
                                         .mtime_ns = mtime_ns};
    g->used += size;
    return true;
}

/* A file that may be missing, and is left out when it is empty. */
static bool add_if_there(struct gathering *g, const char *path, const char *name, struct err *e)
{
    AUTO(buf) struct buf keep = {0};
    struct entry en;
    struct err why = {0};

    if (!dump_find(g->repo, &g->snapshot->tree, path, &keep, &en, &why)) {
        if (why.code == ERR_NOT_FOUND)
            return true;
        *e = why;
        return false;
    }
    if (en.type != ENTRY_FILE)
        return err_set(e, ERR_USAGE, "%s is no file", path);
    return en.size == 0 || add(g, path, name, &en, e);
}

static bool add_databases(struct gathering *g, struct err *e)
{
    static const char *const names[] = {"app.db", "configs.db", "wireguard.db"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        AUTO(buf) struct buf path = {0};

        buf_printf(&path, "/sqlite/%s", names[i]);
        if (!add_if_there(g, buf_string(&path), names[i], e))
            return false;
    }
    return g->count > 0 ||
           err_set(e, ERR_USAGE,
                   "the snapshot holds neither sqlite/app.db, configs.db nor wireguard.db: it is "
                   "none of a gateway");
}

/* On the way to the folder: directories with one thing in each. */
static bool look_for_root(struct gathering *g, const char *path, const struct entry *en,
                          struct err *e)
{
    if (en->type != ENTRY_DIRECTORY)
        return err_set(e, ERR_USAGE,
                       "%s: the file tree \"configs\" of a gateway holds one folder \"configs\"",
                       path);
    if (strcmp(path, CONFIGS) != 0 && slice_is_equal(en->name, slice_string("configs")))
        g->root = arena_string(&g->texts, slice_string(path));
    return true;
}

static bool visit(void *arg, const char *path, const struct entry *en, bool *descend, struct err *e)
{
    struct gathering *g = arg;
    const size_t root = g->root == NULL ? 0 : strlen(g->root);
    AUTO(buf) struct buf name = {0};

    (void)descend;
    if (g->root == NULL)
        return look_for_root(g, path, en, e);
    if (strncmp(path, g->root, root) != 0 || path[root] != '/')
        return err_set(e, ERR_USAGE, "%s stands beside the folder of configurations", path);
    if (en->type == ENTRY_DIRECTORY)
        return true;
    if (en->type != ENTRY_FILE)
        return err_set(e, ERR_USAGE,
                       "%s is neither a file nor a folder, and backups of the application have "
                       "nothing else",
                       path);
    buf_printf(&name, "configs%s", path + root);
    return add(g, path, buf_string(&name), en, e);
}

static bool add_configs(struct gathering *g, struct err *e)
{
    if (!browse_walk(g->repo, &g->snapshot->tree, CONFIGS, visit, g, e))
        return e->code == ERR_NOT_FOUND
                   ? err_set(e, ERR_USAGE,
                             "the snapshot holds no file tree \"configs\": it is none of a gateway")
                   : false;
    return g->root != NULL ||
           err_set(e, ERR_USAGE, "the file tree \"configs\" holds no folder \"configs\"");
}

/* The zip file */

static bool part_read(void *arg, uint64_t offset, void *to, size_t size, size_t *got, struct err *e)
{
    const struct part *p = arg;
    const uint64_t left = offset < p->size ? p->size - offset : 0;

    return fd_read_at(*p->fd, p->base + offset, to, size < left ? size : (size_t)left, got, e);
}

/* The folder that configs is in, as the machine knows it. */
static char *instance_path(const struct gathering *g)
{
    const char *path = g->root + strlen(CONFIGS);
    const size_t size = strlen(path) - strlen(CONFIGS);

    return size == 0 ? mem_string("/") : mem_dup(path, size);
}

static bool make_zip(struct gathering *g, struct buf *out, struct err *e)
{
    AUTO(mem) struct zip_member *members = mem_array(g->count, sizeof(*members));
    AUTO(mem) char *instance = instance_path(g);
    const struct output to = output_of_buf(out);
    const struct wireguard_making m = {.members = members,
                                       .count = g->count,
                                       .created_ns = g->snapshot->time_ns,
                                       .instance_path = instance,
                                       .with_sums = true};

    for (size_t i = 0; i < g->count; i++) {
        struct part *p = &g->parts[i];

        members[i] = (struct zip_member){p->name, p->mtime_ns, {part_read, p, p->size}};
    }
    return wireguard_zip_write(&m, &to, e);
}

/* As the application looks at it, and more strictly: nobody shall find out when it is needed. */
static bool check_zip(struct slice file, struct gateway_export *out, struct err *e)
{
    const struct input from = input_of_slice(&file);
    AUTO(wireguard_zip) struct wireguard_zip w = {0};
    struct err why = {0};

    if (!wireguard_zip_open(&from, &w, &why))
        return err_set(e, ERR_USAGE, "the application would not take it: %s", why.text);
    out->databases = w.databases;
    out->configs = w.configs;
    out->rules = w.rules;
    return true;
}

bool gateway_export_publish(const struct gateway_export *x, const char *folder, struct slice file,
                            struct err *e)
{
    AUTO(fd) int dirfd = -1;
    AUTO(buf) struct buf temporary = {0};
    bool is_suspect = false;

    buf_printf(&temporary, ".%s.part", x->name);
    return dir_open(folder, &dirfd, e) &&
           file_publish(dirfd, x->name, buf_string(&temporary), file, &is_suspect, e);
}

bool gateway_export_make(struct repo *r, const struct snapshot *s, struct buf *file,
                         struct gateway_export *out, struct err *e)
{
    AUTO(gathering) struct gathering g = {.repo = r, .snapshot = s, .fd = -1};
    struct gateway_export made = {0};

    wireguard_name_format(s->time_ns, made.name);
    if (!file_unnamed(file_scratch_folder(), &g.fd, e) || !add_databases(&g, e) ||
        !add_if_there(&g, "/command/iptables", "iptables_rules.txt", e) || !add_configs(&g, e) ||
        !make_zip(&g, file, e) || !check_zip(buf_slice(file), &made, e))
        return false;
    made.bytes = file->size;
    sha256(buf_slice(file), &made.sum);
    *out = made;
    return true;
}
