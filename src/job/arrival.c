#include "job/arrival.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "codec/json.h"
#include "source/source.h"

#define FOLDER "imports"

bool arrival_id_is(const char *id)
{
    return strlen(id) == CATALOG_ID_SIZE - 1 &&
           strspn(id, "0123456789abcdef") == CATALOG_ID_SIZE - 1;
}

bool arrival_name_is(const char *name)
{
    return name[0] != '\0' && strchr(name, '/') == NULL && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

void arrival_path(const char *state, const char *id, struct buf *out)
{
    buf_printf(out, "%s/" FOLDER "/%s", state, id);
}

static bool open_folder(const char *state, int *fd, struct err *e)
{
    AUTO(buf) struct buf path = {0};

    buf_printf(&path, "%s/" FOLDER, state);
    return dir_make_all(buf_string(&path), 0700, e) && dir_open(buf_string(&path), fd, e);
}

/* Ids of the folders that are there. */
struct ids {
    char items[ARRIVALS_MAX + 1][CATALOG_ID_SIZE];
    size_t count;
};

static bool list_ids(int folder, struct ids *out, struct err *e)
{
    AUTO(fd) int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (d == NULL)
        return err_sys(e, "list %s", FOLDER);
    fd = -1; /* it is d's now */
    for (const struct dirent *en; out->count <= ARRIVALS_MAX && (en = readdir(d)) != NULL;)
        if (arrival_id_is(en->d_name))
            memcpy(out->items[out->count++], en->d_name, CATALOG_ID_SIZE);
    (void)closedir(d); /* only read */
    return true;
}

bool arrival_new(const char *state, char id[CATALOG_ID_SIZE], int *fd, struct err *e)
{
    AUTO(fd) int folder = -1;
    AUTO(fd) int made = -1;
    struct ids ids = {0};
    char name[CATALOG_ID_SIZE];

    /* A sweep would take one that is not locked yet for litter. */
    if (!open_folder(state, &folder, e))
        return false;
    if (flock(folder, LOCK_EX) < 0)
        return err_sys(e, "lock %s", FOLDER);
    if (!list_ids(folder, &ids, e))
        return false;
    if (ids.count >= ARRIVALS_MAX)
        return err_set(e, ERR_TRANSIENT, "%d archives are on their way already; try again",
                       ARRIVALS_MAX);
    catalog_id_new(name);
    if (!beneath_mkdir(folder, name, 0700, e) || !beneath_open_dir(folder, name, &made, e))
        return false;
    if (flock(made, LOCK_EX | LOCK_NB) < 0)
        return err_sys(e, "lock %s/%s", FOLDER, name);
    memcpy(id, name, sizeof(name));
    *fd = made;
    made = -1;
    return true;
}

bool arrival_remove(const char *state, const char *id, struct err *e)
{
    AUTO(fd) int folder = -1;

    return open_folder(state, &folder, e) && tree_remove(folder, id, e);
}

/* Whether nobody writes there any more. */
static bool is_left(int folder, const char *id)
{
    AUTO(fd) int fd = openat(folder, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static bool is_named(const struct catalog_job_list *jobs, const char *id)
{
    for (size_t i = 0; i < jobs->count; i++) {
        AUTO(json)
        json_t *j =
            jobs->items[i].arguments == NULL ? NULL : json_loads(jobs->items[i].arguments, 0, NULL);
        const char *named = json_string_value(json_object_get(j, "arrival"));

        if (named != NULL && strcmp(named, id) == 0)
            return true;
    }
    return false;
}

bool arrival_sweep(const char *state, struct catalog *c, struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(arena) struct arena a = {0};
    AUTO(fd) int folder = -1;
    struct ids ids = {0};
    size_t left = 0;
    struct catalog_job_list jobs = {0};

    if (!open_folder(state, &folder, e) || !list_ids(folder, &ids, e))
        return false;
    if (ids.count == 0 || flock(folder, LOCK_EX | LOCK_NB) < 0)
        return true;
    for (size_t i = 0; i < ids.count; i++)
        if (is_left(folder, ids.items[i]))
            memmove(ids.items[left++], ids.items[i], CATALOG_ID_SIZE);
    /* Behind the look at the locks: whoever has let go of one has its job in the queue. */
    if (left == 0)
        return true;
    if (!catalog_begin_read(c, &t, e) || !catalog_job_list(t, &a, &jobs, e))
        return false;
    for (size_t i = 0; i < left; i++)
        if (!is_named(&jobs, ids.items[i]) && !tree_remove(folder, ids.items[i], e))
            return false;
    return true;
}
