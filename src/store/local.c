/*
 * Objects as files below a directory: packs/3f/3f9a... is the object of that key, mode
 * 0600, in directories of mode 0700.
 *
 * A file gets its name after its bytes are durable, and the name is durable before put()
 * returns (base/file.h).  So are the directories above it: the first put() of a handle in
 * a directory fsyncs the parent even when the directory was there, since whoever made it may
 * have lost power before doing so.  tmp/ holds files being written where the file system
 * has none without a name, and those that replace another.
 *
 * Paths are resolved beneath the directory and through no symbolic link, so a repository
 * that somebody else wrote cannot lead out of itself.
 */
#include "store/local.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/random.h"
#include "store/object_key.h"

enum {
    DIR_MODE = 0700,
    TMP_ID_SIZE = 16,
    ID_DIGITS = 2 * TMP_ID_SIZE, /* and of a key */
};

#define TMP_AGE_NS (3600 * NS_PER_S)

struct local {
    struct store store;
    int root;
    atomic_bool is_suspect; /* an fsync failed: nothing is written any more */
    pthread_mutex_t lock;   /* guards the members below */
    char **settled;         /* directories known to be durable, settled_count of them */
    size_t settled_count;
};

static struct local *local_of(struct store *s)
{
    return (struct local *)s;
}

/* A directory stream that owns fd; NULL, fd closed and errno set when there is none. */
static DIR *stream_of(int fd)
{
    DIR *d = fdopendir(fd);

    if (d == NULL) {
        const int reason = errno;

        fd_auto(&fd);
        errno = reason;
    }
    return d;
}

static void stream_auto(DIR **d)
{
    if (*d != NULL)
        (void)closedir(*d); /* read only: nothing can be lost */
}

/* Open a path beneath the root.  -1 with errno set; it never waits for a FIFO. */
static int open_inside(const struct local *l, const char *path, int flags)
{
    const struct open_how how = {
        .flags = (unsigned)(flags | O_CLOEXEC),
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };

    return (int)syscall(SYS_openat2, l->root, path, &how, sizeof(how));
}

/* Whether errno says that there is nothing under a key. */
static bool is_absence(int number)
{
    return number == ENOENT || number == ENOTDIR;
}

static bool open_failed(const char *key, struct err *e)
{
    if (is_absence(errno))
        return err_set(e, ERR_NOT_FOUND, "no object %s", key);
    if (errno == ELOOP)
        return err_set(e, ERR_DENIED, "open %s: a symbolic link stands in the way", key);
    return err_sys(e, "open %s", key);
}

static bool no_file(const char *key, struct err *e)
{
    return err_set(e, ERR_NOT_FOUND, "no object %s, but something that is no file", key);
}

/* How many bytes of the object behind fd a get() asks for. */
static bool size_wanted(int fd, const char *key, uint64_t offset, size_t *size, struct err *e)
{
    struct stat st = {0};

    if (*size != STORE_WHOLE)
        return (*size <= STORE_OBJECT_MAX && offset <= STORE_OBJECT_MAX - *size) ||
               err_set(e, ERR_CORRUPT, "object %s: bytes above %zu were asked for", key,
                       STORE_OBJECT_MAX);
    if (fstat(fd, &st) < 0)
        return err_sys(e, "object %s", key);
    if (!S_ISREG(st.st_mode))
        return no_file(key, e);
    if ((uint64_t)st.st_size > STORE_OBJECT_MAX)
        return err_set(e, ERR_CORRUPT, "object %s is longer than any object may be", key);
    if (offset > (uint64_t)st.st_size)
        return err_set(e, ERR_CORRUPT, "object %s is shorter than expected", key);
    *size = (size_t)((uint64_t)st.st_size - offset);
    return true;
}

static bool local_get(struct store *s, const char *key, uint64_t offset, size_t size,
                      struct buf *out, struct err *e)
{
    AUTO(fd) int fd = open_inside(local_of(s), key, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    size_t got = 0;

    if (fd < 0)
        return open_failed(key, e);
    if (!size_wanted(fd, key, offset, &size, e))
        return false;

    const size_t before = out->size;

    if (!fd_read_at(fd, offset, buf_extend(out, size), size, &got, e)) {
        out->size = before;
        return err_wrap(e, "object %s", key);
    }
    if (got < size) {
        out->size = before;
        return err_set(e, ERR_CORRUPT, "object %s is shorter than expected", key);
    }
    return true;
}

/* What follows the last slash of a key. */
static const char *name_of(const char *key)
{
    const char *slash = strrchr(key, '/');

    return slash == NULL ? key : slash + 1;
}

/* What is in front of it; "." for nothing. */
static char *directory_of(const char *key)
{
    const char *name = name_of(key);

    return name == key ? mem_string(".") : mem_dup(key, (size_t)(name - key) - 1);
}

static bool local_is_sound(struct local *l, struct err *e)
{
    return !atomic_load(&l->is_suspect) ||
           err_set(e, ERR_FATAL,
                   "an earlier fsync failed, so nothing is known about what the disk holds; "
                   "nothing more is written until the repository is opened again");
}

static bool local_sync(struct local *l, int dirfd, const char *name, struct err *e)
{
    if (dir_sync(dirfd, name, e))
        return true;
    atomic_store(&l->is_suspect, true);
    return false;
}

static bool settled_has(const struct local *l, const char *dir)
{
    for (size_t i = 0; i < l->settled_count; i++)
        if (strcmp(l->settled[i], dir) == 0)
            return true;
    return false;
}

/* Make one directory, whose parents are durable, and make it durable.  Lock held. */
static bool settle_one(struct local *l, const char *dir, struct err *e)
{
    AUTO(mem) char *parent = directory_of(dir);
    AUTO(fd) int fd = -1;
    AUTO(fd) int itself = -1; /* opened to learn that it is no symbolic link */

    if (settled_has(l, dir))
        return true;
    if (!beneath_mkdir(l->root, dir, DIR_MODE, e) && e->code != ERR_EXISTS)
        return false;
    if (!beneath_open_dir(l->root, dir, &itself, e) || !beneath_open_dir(l->root, parent, &fd, e) ||
        !local_sync(l, fd, parent, e))
        return false;
    l->settled = mem_resize(l->settled, l->settled_count + 1, sizeof(*l->settled));
    l->settled[l->settled_count++] = mem_string(dir);
    return true;
}

/* See to it that a directory and those above it are there and durable. */
static bool local_settle(struct local *l, const char *dir, struct err *e)
{
    const size_t length = strlen(dir);
    bool ok = true;

    if (strcmp(dir, ".") == 0)
        return true;
    pthread_mutex_lock(&l->lock);
    for (size_t i = 1; ok && i <= length; i++) {
        if (dir[i] != '/' && dir[i] != '\0')
            continue;

        AUTO(mem) char *partial = mem_dup(dir, i);

        ok = settle_one(l, partial, e);
    }
    pthread_mutex_unlock(&l->lock);
    return ok;
}

/* Append the name of a new file in tmp/, as seen from the directory of a key. */
static void tmp_name(const char *key, struct buf *out)
{
    uint8_t id[TMP_ID_SIZE];
    char text[2 * TMP_ID_SIZE + 1];

    random_bytes(id, sizeof(id));
    hex_encode(SLICE_OF(id, sizeof(id)), text);
    for (const char *p = strchr(key, '/'); p != NULL; p = strchr(p + 1, '/'))
        buf_printf(out, "../");
    buf_printf(out, "tmp/%s", text);
}

/* Publish in the open directory of the key. */
static bool local_publish(struct local *l, int dirfd, const char *key, struct slice data,
                          enum put_mode mode, struct err *e)
{
    AUTO(buf) struct buf tmp = {0};
    bool is_suspect = false;

    tmp_name(key, &tmp);

    const char *tmp_text = buf_string(&tmp);
    const bool ok = mode == PUT_NEW
                        ? file_publish(dirfd, name_of(key), tmp_text, data, &is_suspect, e)
                        : file_publish_replace(dirfd, name_of(key), tmp_text, data, &is_suspect, e);

    if (is_suspect)
        atomic_store(&l->is_suspect, true);
    /* Whoever takes "exists" for "stored" needs the other writer's name to be durable. */
    if (!ok && e->code == ERR_EXISTS)
        (void)local_sync(l, dirfd, key, e); /* *e says which of the two went wrong */
    return ok;
}

static bool local_put(struct store *s, const char *key, struct slice data, enum put_mode mode,
                      struct err *e)
{
    assert(object_key_is_valid(key));
    assert(data.size <= STORE_OBJECT_MAX);

    struct local *l = local_of(s);
    AUTO(mem) char *dir = directory_of(key);
    AUTO(fd) int fd = -1;

    if (!local_is_sound(l, e) || !local_settle(l, "tmp", e) || !local_settle(l, dir, e) ||
        !beneath_open_dir(l->root, dir, &fd, e) || !local_publish(l, fd, key, data, mode, e))
        return err_wrap(e, "put %s", key);
    return true;
}

static bool local_stat(struct store *s, const char *key, struct object_info *info, struct err *e)
{
    AUTO(fd) int fd = open_inside(local_of(s), key, O_PATH);
    struct stat st = {0};

    if (fd < 0)
        return open_failed(key, e);
    if (fstat(fd, &st) < 0)
        return err_sys(e, "stat %s", key);
    if (!S_ISREG(st.st_mode))
        return no_file(key, e);
    *info =
        (struct object_info){.key = key, .size = (uint64_t)st.st_size, .mtime = st.st_mtim.tv_sec};
    return true;
}

/* A listing under way. */
struct walk {
    object_fn *fn;
    void *arg;
    struct buf path; /* of what is looked at, beneath the root */
};

static void walk_auto(struct walk *w)
{
    buf_done(&w->path);
}

static bool walk_failed(struct walk *w, struct err *e)
{
    return err_sys(e, "list %s", w->path.size == 0 ? "the directory" : buf_string(&w->path));
}

static bool walk_entry(struct walk *w, int dirfd, const char *name, struct err *e);

/* Tell what stands below a directory in names that begin with start.  Closes dirfd. */
static bool walk_directory(struct walk *w, int dirfd, const char *start, struct err *e)
{
    AUTO(stream) DIR *d = stream_of(dirfd);
    const size_t length = w->path.size;

    if (d == NULL)
        return walk_failed(w, e);
    for (;;) {
        errno = 0;

        const struct dirent *entry = readdir(d);

        if (entry == NULL)
            return errno == 0 || walk_failed(w, e);
        if (strncmp(entry->d_name, start, strlen(start)) != 0)
            continue;
        buf_append_slice(&w->path, slice_string(entry->d_name));

        const bool ok = walk_entry(w, dirfd, entry->d_name, e);

        w->path.size = length;
        if (!ok)
            return false;
    }
}

/* Tell what stands at w->path.  What has vanished since it was read is not there. */
static bool walk_entry(struct walk *w, int dirfd, const char *name, struct err *e)
{
    const char *key = buf_string(&w->path);
    struct stat st = {0};

    if (!object_key_is_valid(key))
        return true;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT || walk_failed(w, e);
    if (S_ISREG(st.st_mode)) {
        const struct object_info info = {key, (uint64_t)st.st_size, st.st_mtim.tv_sec};

        return w->fn(w->arg, &info, e);
    }
    if (!S_ISDIR(st.st_mode))
        return true;

    const int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT || walk_failed(w, e);
    buf_append(&w->path, "/", 1);
    return walk_directory(w, fd, "", e);
}

static bool local_list(struct store *s, const char *prefix, object_fn *fn, void *arg, struct err *e)
{
    AUTO(walk) struct walk w = {.fn = fn, .arg = arg};
    AUTO(mem) char *dir = directory_of(prefix);
    const char *start = name_of(prefix);
    const int fd = open_inside(local_of(s), dir, O_RDONLY | O_DIRECTORY);

    if (fd < 0)
        return is_absence(errno) || open_failed(dir, e);
    buf_append(&w.path, prefix, (size_t)(start - prefix));
    return walk_directory(&w, fd, start, e);
}

/* Durable, so that nothing removed before comes back when something removed later does not. */
static bool local_remove(struct store *s, const char *key, struct err *e)
{
    struct local *l = local_of(s);
    AUTO(mem) char *dir = directory_of(key);
    AUTO(fd) int fd = open_inside(l, dir, O_RDONLY | O_DIRECTORY);

    if (fd < 0)
        return is_absence(errno) || open_failed(dir, e);
    if (!local_is_sound(l, e) || !file_remove(fd, name_of(key), e) || !local_sync(l, fd, dir, e))
        return err_wrap(e, "remove %s", key);
    return true;
}

/* The new name is durable before the old one is gone for good, so that one of them stays. */
static bool local_move(struct store *s, const char *from, const char *to, struct err *e)
{
    assert(object_key_is_valid(to));

    struct local *l = local_of(s);
    AUTO(mem) char *from_dir = directory_of(from);
    AUTO(mem) char *to_dir = directory_of(to);
    AUTO(fd) int from_fd = open_inside(l, from_dir, O_RDONLY | O_DIRECTORY);
    AUTO(fd) int to_fd = -1;

    if (from_fd < 0)
        return open_failed(from, e);
    if (!local_is_sound(l, e) || !local_settle(l, to_dir, e) ||
        !beneath_open_dir(l->root, to_dir, &to_fd, e) || !beneath_rename(l->root, from, to, e) ||
        !local_sync(l, to_fd, to_dir, e) || !local_sync(l, from_fd, from_dir, e))
        return err_wrap(e, "move %s", from);
    return true;
}

static void local_close(struct store *s)
{
    struct local *l = local_of(s);

    for (size_t i = 0; i < l->settled_count; i++)
        mem_free(l->settled[i]);
    mem_free(l->settled);
    pthread_mutex_destroy(&l->lock);
    fd_auto(&l->root);
    mem_free(l);
}

static const struct store_ops local_ops = {
    .scheme = "local",
    .get = local_get,
    .put = local_put,
    .stat = local_stat,
    .list = local_list,
    .remove = local_remove,
    .move = local_move,
    .close = local_close,
};

/* Remove what writers that no longer run left in tmp/, as far as that is possible. */
static void local_tidy(const struct local *l)
{
    const int fd = open_inside(l, "tmp", O_RDONLY | O_DIRECTORY);
    AUTO(stream) DIR *d = fd < 0 ? NULL : stream_of(fd);
    const int64_t oldest = (clock_now_ns() - TMP_AGE_NS) / NS_PER_S;
    const struct dirent *entry = NULL;

    while (d != NULL && (entry = readdir(d)) != NULL) {
        struct err ignored;
        struct stat st = {0};

        if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
            st.st_mtim.tv_sec >= oldest)
            continue;
        if (!file_remove(fd, entry->d_name, &ignored))
            return; /* a repository that is only read may hold litter */
    }
}

bool local_open(const char *path, struct store **out, struct err *e)
{
    int root = -1;

    if (!dir_open(path, &root, e))
        return false;

    struct local *l = mem_new(sizeof(*l));

    l->store.ops = &local_ops;
    l->store.can_move = true;
    l->root = root;
    pthread_mutex_init(&l->lock, NULL);
    local_tidy(l);
    *out = &l->store;
    return true;
}

/* lost+found is what a new file system begins with. */
static bool is_foreign(const char *name)
{
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strcmp(name, "lost+found") != 0;
}

/* A folder of ours in which somebody who was killed may have left files on their way to their
 * names, or keys: 32 digits each.  Whether the keys are any is for others to see. */
static bool is_begun(int root, const char *name)
{
    const bool is_ours = strcmp(name, "keys") == 0 || strcmp(name, "tmp") == 0;
    const int fd =
        is_ours ? openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    AUTO(stream) DIR *d = fd < 0 ? NULL : stream_of(fd);
    const struct dirent *entry = NULL;
    struct stat st;

    errno = 0;
    while (d != NULL && (entry = readdir(d)) != NULL) {
        const char *one = entry->d_name;

        if (strcmp(one, ".") != 0 && strcmp(one, "..") != 0 &&
            (strlen(one) != ID_DIGITS || strspn(one, "0123456789abcdef") != ID_DIGITS ||
             fstatat(fd, one, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode)))
            return false;
        errno = 0;
    }
    return d != NULL && errno == 0;
}

static bool directory_is_free(const char *path, struct err *e)
{
    AUTO(stream) DIR *d = opendir(path);

    if (d == NULL)
        return err_sys(e, "open directory %s", path);
    for (;;) {
        errno = 0;

        const struct dirent *entry = readdir(d);

        if (entry == NULL)
            return errno == 0 || err_sys(e, "read directory %s", path);
        if (is_foreign(entry->d_name) && !is_begun(dirfd(d), entry->d_name))
            return err_set(e, ERR_EXISTS, "%s is there and not empty", path);
    }
}

bool local_create(const char *path, struct store **out, struct err *e)
{
    return dir_make_all(path, DIR_MODE, e) && directory_is_free(path, e) &&
           local_open(path, out, e);
}
