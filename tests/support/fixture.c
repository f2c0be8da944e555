#include "support/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "repo/prune.h"

#define PATHS 256

/* Scratch directories and files */

void scratch_init(struct scratch *s)
{
    /* Where there is one in memory it makes files many times faster. */
    strcpy(s->path, access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm/holdfast-test-XXXXXX"
                                                         : "/tmp/holdfast-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(s->path));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

void scratch_done(struct scratch *s)
{
    (void)nftw(s->path, remove_one, 32, FTW_DEPTH | FTW_PHYS); /* litter harms no test */
}

void scratch_auto(struct scratch *s)
{
    scratch_done(s);
}

const char *path_in(const char *directory, const char *name)
{
    static char paths[PATHS][1024];
    static size_t next;
    char *path = paths[next++ % PATHS];

    ck_assert_int_lt(snprintf(path, sizeof(paths[0]), "%s/%s", directory, name),
                     (int)sizeof(paths[0]));
    return path;
}

void noise_fill(uint64_t seed, uint8_t *out, size_t size)
{
    uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

    for (size_t i = 0; i < size; i += sizeof(x)) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(out + i, &x, size - i < sizeof(x) ? size - i : sizeof(x));
    }
}

static void put_bytes(const char *path, struct slice bytes)
{
    AUTO(fd) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
    CHECK_OK(fd_write(fd, bytes, e));
}

void file_put(const char *path, uint64_t seed, size_t size)
{
    AUTO(mem) uint8_t *bytes = mem_new(size);

    noise_fill(seed, bytes, size);
    put_bytes(path, SLICE_OF(bytes, size));
}

void file_put_text(const char *path, const char *text)
{
    put_bytes(path, slice_string(text));
}

void file_take(const char *path, struct buf *out)
{
    CHECK_OK(file_read(path, SIZE_MAX / 2, out, e));
}

/* Repositories */

static const uint8_t secret[32] = {7, 7, 7};
const struct unlock fixture_unlock = {UNLOCK_KEY_FILE, {secret, 32}};

void clock_ahead(void)
{
    clock_set_for_tests(clock_now_ns() + 60 * NS_PER_S);
}

struct repo *fixture_repo(struct store *s)
{
    struct repo *r = NULL;

    CHECK_OK(repo_create(s, &fixture_unlock, "", &r, e));
    return r;
}

struct repo *fixture_open(struct store *s)
{
    struct repo *r = NULL;

    CHECK_OK(repo_open(s, &fixture_unlock, &r, e));
    return r;
}

bool fixture_backup(struct repo *r, const char *path, struct backup_result *out, struct err *e)
{
    const struct backup_options o = {
        .files = {.paths = &path, .path_count = 1}, .stream_fd = -1, .host = "h"};
    const struct report none = {0};

    return backup_run(r, &o, &none, out, e);
}

void fixture_restore(struct repo *r, const struct hash *snapshot, const char *path,
                     const char *target)
{
    AUTO(snapshot) struct snapshot *s = NULL;
    const struct report none = {0};
    struct restore_result result;

    CHECK_OK(snapshot_load(r, snapshot, &s, e));

    const struct restore_options o = {.snapshot = s,
                                      .sub = path,
                                      .target = target,
                                      .how = {.keep_owner = geteuid() == 0, .numeric_ids = true}};

    CHECK_OK(restore_run(r, &o, &none, &result, e));
    ck_assert_uint_eq(result.errors, 0);
    ck_assert_uint_eq(result.warnings, 0);
    tree_compare(path, target);
}

size_t fixture_check_sound(struct store *s)
{
    AUTO(repo) struct repo *r = fixture_open(s);
    AUTO(snapshot_list) struct snapshot_list all = {0};

    CHECK_OK(snapshot_load_all(r, 1U << SNAPSHOT_COMMITTED, NULL, NULL, &all, e));
    for (size_t i = 0; i < all.count; i++) {
        AUTO(scratch) struct scratch to = {0};

        scratch_init(&to);
        fixture_restore(r, &all.items[i]->id, all.items[i]->paths[0], to.path);
    }
    return all.count;
}

/* Reports */

static void see_error(void *arg, const char *during, const char *path, const struct err *why)
{
    struct seen *s = arg;

    (void)during;
    s->errors++;
    buf_printf(&s->error_paths, "%s\n", path);
    memcpy(s->why, why->text, sizeof(s->why));
}

static void see_item(void *arg, const char *action, const char *path, uint64_t size)
{
    struct seen *s = arg;
    const struct {
        const char *action;
        size_t *count;
    } actions[] = {
        {"new", &s->new},           {"changed", &s->changed}, {"unchanged", &s->unchanged},
        {"restored", &s->restored}, {"updated", &s->updated}, {"skipped", &s->skipped},
        {"deleted", &s->deleted}};

    (void)path;
    (void)size;
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (strcmp(actions[i].action, action) == 0) {
            ++*actions[i].count;
            return;
        }
    ck_abort_msg("unknown action %s", action);
}

void seen_init(struct seen *s)
{
    *s = (struct seen){.report = {.arg = s, .item_error = see_error, .item = see_item}};
}

void seen_auto(struct seen *s)
{
    buf_done(&s->error_paths);
}

bool seen_error(struct seen *s, const char *path)
{
    AUTO(buf) struct buf line = {0};

    buf_printf(&line, "%s\n", path);
    return strstr(buf_string(&s->error_paths), buf_string(&line)) != NULL;
}

/* Hooks */

static struct store *hooked(struct store *s, enum hook_op op, const char *key)
{
    struct hook *h = (struct hook *)s;

    h->fn(h->arg, op, key);
    return h->next;
}

static bool hook_get(struct store *s, const char *key, uint64_t offset, size_t size,
                     struct buf *out, struct err *e)
{
    return store_get(hooked(s, HOOK_GET, key), key, offset, size, out, e);
}

static bool hook_put(struct store *s, const char *key, struct slice bytes, enum put_mode mode,
                     struct err *e)
{
    return store_put(hooked(s, HOOK_PUT, key), key, bytes, mode, e);
}

static bool hook_stat(struct store *s, const char *key, struct object_info *info, struct err *e)
{
    return store_stat(hooked(s, HOOK_STAT, key), key, info, e);
}

static bool hook_list(struct store *s, const char *prefix, object_fn *fn, void *arg, struct err *e)
{
    return store_list(hooked(s, HOOK_LIST, prefix), prefix, fn, arg, e);
}

static bool hook_remove(struct store *s, const char *key, struct err *e)
{
    return store_remove(hooked(s, HOOK_REMOVE, key), key, e);
}

/* For the hook the object is gone from where it was. */
static bool hook_move(struct store *s, const char *from, const char *to, struct err *e)
{
    return store_move(hooked(s, HOOK_REMOVE, from), from, to, e);
}

static void hook_close(struct store *s)
{
    (void)s; /* the test owns it */
}

static const struct store_ops hook_ops = {
    .scheme = "hook",
    .get = hook_get,
    .put = hook_put,
    .stat = hook_stat,
    .list = hook_list,
    .remove = hook_remove,
    .move = hook_move,
    .close = hook_close,
};

void hook_init(struct hook *h, struct store *next, hook_fn *fn, void *arg)
{
    *h = (struct hook){.store = store_around(&hook_ops, next), .next = next, .fn = fn, .arg = arg};
}

/* Objects */

struct object_search {
    size_t count, wanted;
    char *key; /* of the wanted one, or NULL */
};

static bool search_object(void *arg, const struct object_info *info, struct err *e)
{
    struct object_search *s = arg;

    (void)e;
    if (s->key != NULL && s->count == s->wanted)
        strcpy(s->key, info->key);
    s->count++;
    return true;
}

size_t object_count(struct store *s, const char *prefix)
{
    struct object_search found = {0};

    CHECK_OK(store_list(s, prefix, search_object, &found, e));
    return found.count;
}

void object_name(struct store *s, const char *prefix, size_t n, char key[128])
{
    struct object_search found = {.wanted = n, .key = key};

    CHECK_OK(store_list(s, prefix, search_object, &found, e));
    ck_assert_uint_lt(n, found.count);
}

void pack_condemn(struct repo *r, const char *key)
{
    struct hash pack;
    const struct condemned_list l = {.packs = &pack, .pack_count = 1};
    AUTO(mem) char *list = NULL;

    CHECK(key_hash(key, &pack));
    CHECK_OK(condemned_list_put(r, &l, &list, e));
}

void object_damage(struct store *s, const char *key, int64_t offset)
{
    AUTO(buf) struct buf bytes = {0};

    CHECK_OK(store_get_all(s, key, &bytes, e));

    const size_t at = offset < 0 ? bytes.size - (size_t)-offset : (size_t)offset;

    ck_assert_uint_lt(at, bytes.size);
    bytes.data[at] ^= 1;
    CHECK_OK(store_put(s, key, buf_slice(&bytes), PUT_REPLACE, e));
}
