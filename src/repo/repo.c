/*
 * The open repository.  One exists when its config does, so that is written last.
 */
#include <assert.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/random.h"
#include "repo/base_cache.h"
#include "repo/epochs.h"
#include "repo/index.h"
#include "repo/object_locks.h"
#include "repo/parity_objects.h"
#include "repo/shelf.h"
#include "repo/slot.h"

enum {
    VERSION = 1,
    HOST_TYPE = 0xFF, /* no chunk has it */
};

static struct repo *repo_new(struct store *s)
{
    struct repo *r = mem_new(sizeof(*r));

    r->store = s;
    r->suite = SUITE_AES_256_GCM;
    r->keys = mem_secret_new(sizeof(*r->keys));
    pthread_mutex_init(&r->parity.lock, NULL);
    r->locks = object_locks_new(r->store);
    r->shelf = shelf_new();
    return r;
}

void repo_keep_in(struct repo *r, const char *folder, bool keeps_index)
{
    r->keeps_index = keeps_index;
    mem_free(r->cache_folder);
    r->cache_folder = mem_string(folder);
}

void repo_close(struct repo *r)
{
    if (r == NULL)
        return;
    repo_drop_index(r);
    shelf_free(r->shelf);
    base_cache_free(r->bases);
    cutter_free(r->cutter);
    mem_secret_free(r->keys);
    mem_secret_free(r->epochs);
    pthread_mutex_destroy(&r->parity.lock);
    object_locks_free(r->locks);
    mem_free(r->mended);
    mem_free(r->cache_folder);
    mem_free(r);
}

void repo_auto(struct repo **r)
{
    repo_close(*r);
}

/* What follows from the keys in the config.  One host is one writer, whatever runs on it. */
static void repo_finish(struct repo *r)
{
    AUTO(mac) struct mac *m = mac_new(r->keys->chunk_id);
    struct hash sum = {0};
    char host[HOST_NAME_MAX + 1] = {0};

    /* It fails for names that are longer than Linux allows. */
    (void)gethostname(host, sizeof(host) - 1);
    mac_sum(m, HOST_TYPE, slice_string(host), &sum);
    memcpy(r->writer, sum.bytes, sizeof(r->writer));
    r->cutter = cutter_new(r->keys->cut);
}

/* Making */

/* That nothing was ever stored: with keys and no config it would be a repository that was hurt. */
static bool check_bare(struct repo *r, struct err *e)
{
    static const char *const folders[] = {
        "packs/",     "index/",     "snapshots/", "commits/", "trash/",
        "condemned/", "discarded/", "drills/",    "parity/",  EPOCH_FOLDER,
    };

    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        AUTO(key_list) struct key_list found = {0};

        if (!key_list_read(r, folders[i], &found, e))
            return false;
        if (found.count > 0)
            return err_set(e, ERR_EXISTS,
                           "there are keys and object %s, but no config: what is left of a "
                           "repository; choose another place",
                           found.items[0]);
    }
    return true;
}

/* left: key slots that a creation put there which did not come to its end. */
static bool place_is_free(struct repo *r, struct key_list *left, struct err *e)
{
    AUTO(key_list) struct key_list found = {0};
    struct object_info info = {0};

    if (store_stat(r->store, "config", &info, e))
        return err_set(e, ERR_EXISTS, "there is a repository at this place already");
    if (e->code != ERR_NOT_FOUND || !keys_left(r, &found, e) ||
        (found.count > 0 && !check_bare(r, e)))
        return false;
    *left = found;
    found = (struct key_list){0};
    return true;
}

/* Slots of before, now that the config is there: its repository is another one than theirs, whoever
 * put them, so they open nothing.  Leaving them does no harm. */
static void left_remove(struct repo *r, const struct key_list *left)
{
    struct err ignored;

    for (size_t i = 0; i < left->count; i++)
        (void)!store_remove(r->store, left->items[i], &ignored);
}

/* The slot of a repository whose place another one took meanwhile. */
static void own_slot_remove(struct repo *r)
{
    AUTO(buf) struct buf key = {0};
    struct err ignored = {0};

    buf_printf(&key, "keys/%s", r->slot);
    /* It opens nothing in the repository that is there; leaving it does no harm. */
    (void)!store_remove(r->store, buf_string(&key), &ignored);
}

static bool config_put(struct repo *r, struct err *e)
{
    AUTO(secret_buf) struct buf plain = {0};

    config_encode(r, &plain);
    if (document_put(r, CLASS_CONFIG, "config", buf_slice(&plain), e))
        return true;
    if (e->code != ERR_EXISTS)
        return false;
    own_slot_remove(r);
    return err_set(e, ERR_EXISTS, "another repository was made at this place at the same moment");
}

static void chunk_keys_choose(struct repo_keys *k, const struct repo *like)
{
    if (like != NULL) {
        memcpy(k->chunk_id, like->keys->chunk_id, SEAL_KEY_SIZE);
        memcpy(k->cut, like->keys->cut, SEAL_KEY_SIZE);
        return;
    }
    random_bytes(k->chunk_id, SEAL_KEY_SIZE);
    random_bytes(k->cut, SEAL_KEY_SIZE);
}

bool repo_is_like(const struct repo *a, const struct repo *b)
{
    return equal_ct(a->keys->chunk_id, b->keys->chunk_id, SEAL_KEY_SIZE) &&
           equal_ct(a->keys->cut, b->keys->cut, SEAL_KEY_SIZE);
}

bool repo_create_like(struct store *s, const struct repo *like, const struct unlock *with,
                      const char *label, struct repo **out, struct err *e)
{
    AUTO(repo) struct repo *r = repo_new(s);
    AUTO(key_list) struct key_list left = {0};
    struct key_slot slot = {0};

    if (!place_is_free(r, &left, e))
        return false;
    r->parity.is_known = true; /* and off */
    r->created_ns = clock_now_ns();
    random_bytes(r->id, sizeof(r->id));
    epoch_begin(r);
    chunk_keys_choose(r->keys, like);
    repo_finish(r);

    if (!keys_put(r, with, label, &slot, e))
        return false;
    memcpy(r->slot, slot.id, sizeof(r->slot));
    if (!config_put(r, e))
        return false;
    left_remove(r, &left);
    *out = TAKE(r);
    return true;
}

bool repo_create(struct store *s, const struct unlock *with, const char *label, struct repo **out,
                 struct err *e)
{
    return repo_create_like(s, NULL, with, label, out, e);
}

/* Opening */

/* Learn from the config's header, not yet authentic, which repository this claims to be. */
static bool header_read(struct repo *r, struct slice object, struct err *e)
{
    struct seal_identity id = {0};
    uint8_t version = 0;

    if (!seal_peek(object, &id, &version))
        return err_set(e, ERR_CORRUPT, "the config at this place is not that of a repository");
    if (version > VERSION)
        return err_set(e, ERR_USAGE,
                       "the repository has format version %u and needs a newer program", version);
    if (id.suite != SUITE_AES_256_GCM && id.suite != SUITE_CHACHA20_POLY1305)
        return err_set(e, ERR_CORRUPT, "the config is sealed with suite %d, which does not exist",
                       (int)id.suite);
    r->suite = id.suite;
    memcpy(r->id, id.repository, sizeof(r->id));
    return true;
}

static bool config_open(struct repo *r, struct slice object, struct err *e)
{
    AUTO(secret_buf) struct buf plain = {0};

    if (!document_open(r, CLASS_CONFIG, object, &plain, e) || !config_take(r, buf_slice(&plain), e))
        return err_wrap(e, "object config");
    return true;
}

/* Open with a config, whose bytes may come from anywhere. */
static bool open_with(struct store *s, struct slice config, const struct unlock *with,
                      struct repo **out, struct err *e)
{
    AUTO(repo) struct repo *r = repo_new(s);

    if (!header_read(r, config, e) || !keys_unlock(r, with, e) || !config_open(r, config, e))
        return false;
    repo_finish(r);
    *out = TAKE(r);
    return true;
}

/* The same with what the parity of the config gives; *e says why the config itself does not do. */
static bool open_mended(struct store *s, struct slice damaged, const struct unlock *with,
                        struct repo **out, struct err *e)
{
    AUTO(repo) struct repo *finder = repo_new(s);
    AUTO(buf) struct buf config = {0};
    struct err why = {0};

    if (e->code != ERR_CORRUPT && e->code != ERR_USAGE && e->code != ERR_NOT_FOUND &&
        e->code != ERR_FATAL)
        return false;
    if (!parity_recall(finder, "config", damaged, &config, &why) ||
        slice_is_equal(damaged, buf_slice(&config)))
        return false;
    if (open_with(s, buf_slice(&config), with, out, &why)) {
        repo_note_mended(*out, "config");
        return true;
    }
    /* With the right config it is the secret that is wrong. */
    if (why.code == ERR_DENIED)
        *e = why;
    return false;
}

static bool open_once(struct store *s, const struct unlock *with, struct repo **out, struct err *e)
{
    AUTO(buf) struct buf config = {0};

    if (store_get_all(s, "config", &config, e)) {
        if (open_with(s, buf_slice(&config), with, out, e))
            return true;
    } else {
        buf_clear(&config);
    }
    if (open_mended(s, buf_slice(&config), with, out, e))
        return true;
    return e->code == ERR_NOT_FOUND && config.size == 0
               ? err_set(e, ERR_NOT_FOUND, "there is no repository at this place")
               : false;
}

static bool distrust_all(struct repo *finder, const char *folder)
{
    AUTO(key_list) struct key_list keys = {0};
    struct err ignored;

    if (!key_list_read(finder, folder, &keys, &ignored))
        return false;
    for (size_t i = 0; i < keys.count; i++)
        store_distrust(finder->store, keys.items[i]);
    return true;
}

/* Forget what is kept near by of all that opening takes: an answer may have been wrong once. */
static bool distrust_keys(struct store *s)
{
    AUTO(repo) struct repo *finder = repo_new(s);

    store_distrust(s, "config");
    return distrust_all(finder, "keys/") && distrust_all(finder, EPOCH_FOLDER);
}

bool repo_open(struct store *s, const struct unlock *with, struct repo **out, struct err *e)
{
    if (open_once(s, with, out, e))
        return true;

    /* Not of a store that is away: it would only be waited for again. */
    const bool is_wrong =
        e->code == ERR_DENIED || (object_is_at_fault(e) && e->code != ERR_NOT_FOUND);

    return s->has_cache && is_wrong && distrust_keys(s) && open_once(s, with, out, e);
}

/* Asking */

void repo_id_text(const struct repo *r, char out[33])
{
    hex_encode(SLICE_OF(r->id, sizeof(r->id)), out);
}

const char *repo_mended(const struct repo *r)
{
    return r->mended;
}

void repo_note_mended(struct repo *r, const char *key)
{
    mem_free(r->mended);
    r->mended = mem_string(key);
}

struct store *repo_store(struct repo *r)
{
    return r->store;
}

const struct cutter *repo_cutter(const struct repo *r)
{
    return r->cutter;
}

uint32_t repo_epoch(const struct repo *r)
{
    return r->epoch;
}

void repo_created(const struct repo *r, int64_t *created_ns)
{
    *created_ns = r->created_ns;
}
