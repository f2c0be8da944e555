#include "job/pos_place.h"

#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/password.h"
#include "codec/json.h"
#include "job/config_fields.h"
#include "job/pos_sources.h"

enum { FOLDERS = 3 };

struct pos_place {
    const struct config *config;
    struct pos_database database;
    struct err database_error; /* ERR_NONE: there is one, or none was configured */
    char *password_file;       /* in the state folder */
    const char *folders[FOLDERS];
    struct pos_surroundings surroundings;
};

void pos_place_close(struct pos_place *p)
{
    if (p == NULL)
        return;
    pos_database_done(&p->database);
    mem_free(p->password_file);
    mem_free(p);
}

void pos_place_auto(struct pos_place **p)
{
    pos_place_close(*p);
}

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void take_folders(struct pos_place *p)
{
    const struct config_pos *c = &p->config->serve.pos;
    const char *const all[FOLDERS] = {c->upload_dir, c->reports_dir, c->exports_dir};

    p->surroundings.folders = p->folders;
    for (size_t i = 0; i < FOLDERS; i++)
        if (all[i] != NULL && is_folder(all[i]))
            p->folders[p->surroundings.folder_count++] = all[i];
}

/* One that cannot be used is a matter of the configurations that need it, and of no other. */
static void take_database(struct pos_place *p)
{
    const char *path = p->config->serve.pos.database_url_file;
    AUTO(mem_secret) char *url = NULL;
    AUTO(buf) struct buf file = {0};
    struct err *e = &p->database_error;

    if (path == NULL)
        return;
    if (!password_from_file(path, &url, e) || !pos_database_parse(url, &p->database, e)) {
        (void)err_wrap(e, "serve: compat: pos: database_url_file");
        p->surroundings.why_no_dsn = e->text;
        return;
    }
    p->surroundings.dsn = p->database.dsn;
    if (p->database.password == NULL)
        return;
    buf_printf(&file, "%s/" POS_PLACE_FOLDER "/" POS_PLACE_PASSWORD, p->config->state);
    p->password_file = mem_string(buf_string(&file));
    p->surroundings.password_file = p->password_file;
}

bool pos_place_open(const struct config *c, struct pos_place **out, struct err *e)
{
    const struct config_pos *pos = &c->serve.pos;
    AUTO(pos_place) struct pos_place *p = mem_new(sizeof(*p));

    if (!c->serve.has_pos)
        return err_set(e, ERR_USAGE,
                       "this host is not set up for backup configurations: serve: compat: pos is "
                       "not in its holdfast.yaml");
    p->config = c;
    p->surroundings =
        (struct pos_surroundings){.key_file = pos->key_file,
                                  .repository_password_file = pos->password_file,
                                  .roots = (const char *const *)pos->roots.items,
                                  .root_count = pos->roots.count,
                                  .source_roots = (const char *const *)pos->source_roots.items,
                                  .source_root_count = pos->source_roots.count,
                                  .servers = pos->servers,
                                  .server_count = pos->server_count};
    take_folders(p);
    take_database(p);
    *out = TAKE(p);
    return true;
}

/* Documents */

/* Without roots there is no place for local destinations: pos_set.h would take any. */
static bool check_local(const struct pos_place *p, const struct pos_config *c, struct err *e)
{
    for (size_t i = 0; i < c->destination_count && p->surroundings.root_count == 0; i++)
        if (!c->destinations[i].is_s3)
            return err_set(e, ERR_USAGE,
                           "destinations[%zu].config.path: no folder is allowed for local "
                           "destinations (serve: compat: pos: roots)",
                           i);
    return true;
}

static bool check_name(const struct pos_place *p, const struct pos_config *c, struct err *e)
{
    for (size_t i = 0; i < p->config->set_count; i++)
        if (strcmp(p->config->sets[i].name, c->id) == 0)
            return err_set(e, ERR_USAGE, "id: the host has a set \"%s\" of its own", c->id);
    return true;
}

bool pos_place_document(const struct pos_place *p, const struct pos_config *c, struct buf *out,
                        struct err *e)
{
    AUTO(json) json_t *document = json_object();
    AUTO(config) struct config *read = NULL;
    AUTO(buf) struct buf text = {0};

    config_show(document, "state", json_string(p->config->state));
    if (!check_name(p, c, e) || !check_local(p, c, e) ||
        !pos_set_add(c, &p->surroundings, &document, e) || !pos_sources_check(c, p->config, e))
        return false;
    json_append(document, &text);
    /* Patterns and names are judged there. */
    if (!config_read(c->id, buf_slice(&text), &read, e))
        return c->source_count > 0 ? err_wrap(e, "sources") : false;
    buf_append_slice(out, buf_slice(&text));
    return true;
}

bool pos_place_publish(const struct pos_place *p, int folder, struct err *e)
{
    bool is_suspect = false;

    return p->database.password == NULL ||
           file_publish_replace(folder, POS_PLACE_PASSWORD, POS_PLACE_PASSWORD ".new",
                                slice_string(p->database.password), &is_suspect, e) ||
           err_wrap(e, "password of the database");
}

/* Mounts */

/* Is something mounted there?  A mount point is not on the file system of its parent. */
static bool is_mounted(const char *folder)
{
    AUTO(buf) struct buf above = {0};
    struct stat here, there;

    buf_printf(&above, "%s/..", folder);
    return stat(folder, &here) == 0 && stat(buf_string(&above), &there) == 0 &&
           (here.st_dev != there.st_dev || here.st_ino == there.st_ino);
}

/* A mount point of the table on the way to path where nothing is mounted. */
static bool check_mounts(const char *path, const char *table, struct err *e)
{
    FILE *file = setmntent(table, "re");
    struct mntent entry;
    char room[4096];
    bool ok = true;

    if (file == NULL) /* a host without one mounts nothing by it */
        return true;
    while (ok && getmntent_r(file, &entry, room, sizeof(room)) != NULL)
        if (entry.mnt_dir[0] == '/' && pos_set_lies_in(path, entry.mnt_dir) &&
            !is_mounted(entry.mnt_dir))
            ok = err_set(e, ERR_USAGE, "%s of %s is not mounted, and %s would lie there",
                         entry.mnt_dir, table, path);
    (void)endmntent(file); /* only read */
    return ok;
}

bool pos_place_may_make(const struct pos_place *p, const char *path, const char *table,
                        struct err *e)
{
    const struct texts *roots = &p->config->serve.pos.roots;
    const char *root = NULL;

    for (size_t i = 0; i < roots->count && root == NULL; i++)
        root = pos_set_lies_in(path, roots->items[i]) ? roots->items[i] : NULL;
    if (root == NULL)
        return err_set(e, ERR_USAGE, "%s lies in no folder that is allowed for destinations", path);
    if (!is_folder(root))
        return err_set(e, ERR_USAGE, "the folder %s is not there: is its disk mounted?", root);
    return check_mounts(path, table, e);
}
