/*
 * What stays the same as long as the repository lives, and the keys of its epochs.
 *
 *     config      {"version": 1, "id": hex 32, "created": time, "id_key": hex 64,
 *                  "chunk_key": hex 64, "suite": 1}
 *     epochs/<e>  the same, and {"epoch": e, "time": time, "masters": [hex 64, ...]}
 *
 * config is of epoch 1 and never changes.  epochs/<e>, e > 1, is sealed under the key for configs
 * of epoch e and holds the master keys of epochs 1 to e - 1, so whoever has the newest can read
 * everything, and whoever has an old one nothing that came later.
 */
#include "repo/epochs.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/random.h"
#include "repo/parity_objects.h"

enum { VERSION = 1 };

/* Names */

void epoch_key(uint32_t epoch, char out[EPOCH_KEY_MAX])
{
    (void)snprintf(out, EPOCH_KEY_MAX, EPOCH_FOLDER "%u", epoch);
}

bool epoch_key_parse(const char *key, uint32_t *out)
{
    const size_t length = sizeof(EPOCH_FOLDER) - 1;
    char again[EPOCH_KEY_MAX];
    struct err ignored;
    uint64_t n = 0;

    if (strncmp(key, EPOCH_FOLDER, length) != 0 || !parse_u64(key + length, &n, &ignored) ||
        n < 2 || n > EPOCH_MAX)
        return false;
    /* Another spelling would be another object. */
    epoch_key((uint32_t)n, again);
    if (strcmp(again, key) != 0)
        return false;
    *out = (uint32_t)n;
    return true;
}

bool epochs_have(const struct key_list *listed, uint32_t epoch)
{
    uint32_t found;

    for (size_t i = 0; i < listed->count; i++)
        if (epoch_key_parse(listed->items[i], &found) && found == epoch)
            return true;
    return epoch == 1;
}

uint32_t epochs_last(const struct key_list *listed)
{
    uint32_t last = 1;
    uint32_t found;

    for (size_t i = 0; i < listed->count; i++)
        if (epoch_key_parse(listed->items[i], &found) && found > last)
            last = found;
    return last;
}

bool epoch_is_unheard_of(const struct repo *r, uint32_t epoch, struct err *e)
{
    AUTO(buf) struct buf header = {0};
    struct seal_identity found;
    uint8_t version;
    char key[EPOCH_KEY_MAX];

    if (epoch > EPOCH_MAX)
        return true;
    epoch_key(epoch, key);
    if (!store_get(r->store, key, 0, SEAL_HEADER_SIZE, &header, e))
        return object_is_at_fault(e);
    /* What stands there may be of another repository. */
    if (seal_peek(buf_slice(&header), &found, &version) && found.epoch == epoch &&
        memcmp(found.repository, r->id, sizeof(r->id)) == 0)
        return err_set(e, ERR_TRANSIENT,
                       "the keys were rotated to epoch %u since the repository was opened; open it "
                       "again",
                       epoch);
    return true;
}

/* Keys */

static void class_keys_derive(struct epoch_keys *k)
{
    const struct {
        const char *info;
        uint8_t *key;
    } classes[] = {
        {"holdfast content", k->content},
        {"holdfast meta", k->meta},
        {"holdfast index", k->index},
        {"holdfast config", k->config},
    };

    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
        hkdf(SLICE_OF(k->master, SEAL_KEY_SIZE), SLICE_OF(NULL, 0), slice_string(classes[i].info),
             classes[i].key, SEAL_KEY_SIZE);
}

static void forget(struct repo *r)
{
    mem_secret_free(TAKE(r->epochs));
    r->epoch = 0;
}

/* Room for the keys of so many epochs; those known stay. */
static void epochs_resize(struct repo *r, uint32_t count)
{
    struct epoch_keys *epochs = mem_secret_new(count * sizeof(*epochs));
    const uint32_t kept = r->epoch < count ? r->epoch : count;

    if (r->epochs != NULL)
        memcpy(epochs, r->epochs, kept * sizeof(*epochs));
    mem_secret_free(r->epochs);
    r->epochs = epochs;
    r->epoch = count;
}

void epoch_begin(struct repo *r)
{
    struct epoch_keys *k;

    epochs_resize(r, r->epoch + 1);
    k = &r->epochs[r->epoch - 1];
    random_bytes(k->master, SEAL_KEY_SIZE);
    class_keys_derive(k);
}

void epoch_withdraw(struct repo *r)
{
    epochs_resize(r, r->epoch - 1);
}

/* Documents */

static json_t *config_json(const struct repo *r)
{
    char id[2 * SEAL_ID_SIZE + 1];
    char created[CLOCK_TEXT_MAX];
    char id_key[2 * SEAL_KEY_SIZE + 1];
    char chunk_key[2 * SEAL_KEY_SIZE + 1];

    repo_id_text(r, id);
    clock_format(r->created_ns, created);
    hex_encode(SLICE_OF(r->keys->chunk_id, SEAL_KEY_SIZE), id_key);
    hex_encode(SLICE_OF(r->keys->cut, SEAL_KEY_SIZE), chunk_key);

    json_t *j =
        json_pack("{s:i, s:s, s:s, s:s, s:s, s:i}", "version", VERSION, "id", id, "created",
                  created, "id_key", id_key, "chunk_key", chunk_key, "suite", (int)r->suite);

    mem_wipe(id_key, sizeof(id_key));
    mem_wipe(chunk_key, sizeof(chunk_key));
    return j;
}

void config_encode(const struct repo *r, struct buf *out)
{
    AUTO(json) json_t *j = config_json(r);

    /* Growing would leave copies behind. */
    buf_reserve(out, 1024);
    json_append(j, out);
}

void epoch_encode(const struct repo *r, struct buf *out)
{
    AUTO(json) json_t *j = config_json(r);
    json_t *masters = json_array();
    char now[CLOCK_TEXT_MAX];
    char text[2 * SEAL_KEY_SIZE + 1];

    clock_format(clock_now_ns(), now);
    for (uint32_t i = 0; i + 1 < r->epoch; i++) {
        hex_encode(SLICE_OF(r->epochs[i].master, SEAL_KEY_SIZE), text);
        json_array_append_new(masters, json_string(text));
    }
    mem_wipe(text, sizeof(text));
    json_object_set_new(j, "epoch", json_integer(r->epoch));
    json_object_set_new(j, "time", json_string(now));
    json_object_set_new(j, "masters", masters);
    buf_reserve(out, 1024 + r->epoch * (sizeof(text) + 4));
    json_append(j, out);
}

/* What config and the object of an epoch have in common. */
static bool lifetime_decode(const struct repo *r, const json_t *j, struct repo_keys *keys,
                            int64_t *created_ns, struct err *e)
{
    uint8_t id[SEAL_ID_SIZE];
    uint64_t version = 0;
    uint64_t suite = 0;

    if (!json_take_u64(j, "version", &version, e))
        return false;
    if (version > VERSION)
        return err_set(e, ERR_USAGE, "it has version %llu and needs a newer program",
                       (unsigned long long)version);
    if (!json_take_hex(j, "id", id, sizeof(id), e) ||
        !json_take_time(j, "created", created_ns, e) ||
        !json_take_hex(j, "id_key", keys->chunk_id, SEAL_KEY_SIZE, e) ||
        !json_take_hex(j, "chunk_key", keys->cut, SEAL_KEY_SIZE, e) ||
        !json_take_u64(j, "suite", &suite, e))
        return false;
    if (version != VERSION || suite != r->suite || memcmp(id, r->id, sizeof(id)) != 0)
        return err_set(e, ERR_CORRUPT, "what it says of itself differs from its header");
    return true;
}

bool config_take(struct repo *r, struct slice plain, struct err *e)
{
    AUTO(mem_secret) struct repo_keys *keys = mem_secret_new(sizeof(*keys));
    AUTO(json) json_t *j = NULL;
    int64_t created_ns;

    if (!document_parse(plain, &j, e) || !lifetime_decode(r, j, keys, &created_ns, e))
        return false;
    if (r->epoch == 1) {
        memcpy(r->keys, keys, sizeof(*keys));
        r->created_ns = created_ns;
        return true;
    }
    return (equal_ct(keys, r->keys, sizeof(*keys)) && created_ns == r->created_ns) ||
           err_set(e, ERR_CORRUPT, "what it holds is not what the keys of epoch %u say it does",
                   r->epoch);
}

static bool masters_decode(const json_t *j, uint32_t epoch, struct epoch_keys *out, struct err *e)
{
    const json_t *masters = json_object_get(j, "masters");

    if (!json_is_array(masters) || json_array_size(masters) != epoch - 1)
        return err_set(e, ERR_CORRUPT,
                       "its list \"masters\" has not one key for each epoch before");
    for (uint32_t i = 0; i + 1 < epoch; i++) {
        const char *text = json_string_value(json_array_get(masters, i));

        if (text == NULL || !hex_decode(text, out[i].master, SEAL_KEY_SIZE))
            return err_set(e, ERR_CORRUPT, "its list \"masters\" holds what is no key");
        class_keys_derive(&out[i]);
    }
    return true;
}

/* Open the object of an epoch: the keys before it to out, and what stays the same. */
static bool object_decode(struct repo *r, uint32_t epoch, struct slice object,
                          struct epoch_keys *out, struct repo_keys *keys, int64_t *created_ns,
                          struct err *e)
{
    AUTO(secret_buf) struct buf plain = {0};
    AUTO(json) json_t *j = NULL;
    struct seal_identity found;
    uint8_t version;
    uint64_t number = 0;

    /* Before anything is opened: keys of other epochs may not be known yet. */
    if (!seal_peek(object, &found, &version) || found.epoch != epoch)
        return err_set(e, ERR_CORRUPT, "its header is not that of epoch %u", epoch);
    if (!document_open(r, CLASS_EPOCH, object, &plain, e) ||
        !document_parse(buf_slice(&plain), &j, e) || !lifetime_decode(r, j, keys, created_ns, e) ||
        !json_take_u64(j, "epoch", &number, e))
        return false;
    if (number != epoch)
        return err_set(e, ERR_CORRUPT, "it says that it is of epoch %llu",
                       (unsigned long long)number);
    return masters_decode(j, epoch, out, e);
}

/* With the newest master key set. */
static bool take_object(struct repo *r, struct slice object, struct err *e)
{
    AUTO(mem_secret) struct repo_keys *keys = mem_secret_new(sizeof(*keys));
    int64_t created_ns;

    if (!object_decode(r, r->epoch, object, r->epochs, keys, &created_ns, e))
        return false;
    memcpy(r->keys, keys, sizeof(*keys));
    r->created_ns = created_ns;
    return true;
}

/* The object as it stands in the store, or else as its parity gives it. */
static bool take_stored(struct repo *r, const char *key, struct err *e)
{
    AUTO(buf) struct buf object = {0};
    AUTO(buf) struct buf healed = {0};
    struct err why;

    const bool is_read = store_get_all(r->store, key, &object, e);

    if (is_read && take_object(r, buf_slice(&object), e))
        return true;
    if (!is_read)
        buf_clear(&object);
    if (!object_is_at_fault(e) || !parity_recall(r, key, buf_slice(&object), &healed, &why) ||
        slice_is_equal(buf_slice(&object), buf_slice(&healed)) ||
        !take_object(r, buf_slice(&healed), &why))
        return false;
    repo_note_mended(r, key);
    return true;
}

bool epoch_take(struct repo *r, uint32_t epoch, const uint8_t master[SEAL_KEY_SIZE], struct err *e)
{
    char key[EPOCH_KEY_MAX];

    forget(r);
    epochs_resize(r, epoch);
    memcpy(r->epochs[epoch - 1].master, master, SEAL_KEY_SIZE);
    class_keys_derive(&r->epochs[epoch - 1]);
    if (epoch == 1)
        return true;
    epoch_key(epoch, key);
    if (take_stored(r, key, e))
        return true;
    forget(r);
    return err_wrap(e, "object %s", key);
}

bool epoch_prove(struct repo *r, const char *key, struct slice bytes, struct err *e)
{
    AUTO(mem_secret) struct repo_keys *keys = mem_secret_new(sizeof(*keys));
    uint32_t epoch;
    int64_t created_ns;

    if (!epoch_key_parse(key, &epoch))
        return err_set(e, ERR_CORRUPT, "its name is not that of an epoch");
    if (epoch > r->epoch)
        return epoch_is_unheard_of(r, epoch, e) &&
               err_set(e, ERR_CORRUPT, "the repository has no epoch %u", epoch);

    AUTO(mem_secret) struct epoch_keys *before = mem_secret_new(epoch * sizeof(*before));

    if (!object_decode(r, epoch, bytes, before, keys, &created_ns, e))
        return false;
    return (equal_ct(keys, r->keys, sizeof(*keys)) &&
            equal_ct(before, r->epochs, (epoch - 1) * sizeof(*before))) ||
           err_set(e, ERR_CORRUPT, "its keys are not those of the repository");
}
