/*
 * Key slots.  A slot is 248 bytes, numbers little-endian:
 *
 *     offset size field                          offset size field
 *          0    8 magic "HFKEYSLT"                   56    4 Argon2id: memory in KiB
 *          8    1 version, 1                         60    4 Argon2id: passes
 *          9    1 kind                               64    4 Argon2id: lanes, 1
 *         10    1 suite of the wrapping, 1           68    4 zero
 *         11    1 zero                               72   32 salt
 *         12    4 epoch                             104   64 label, padded with NUL
 *         16   16 repository id                     168   32 key commitment
 *         32   16 slot id                           200   48 master key, wrapped
 *         48    8 time of creation, ns
 *
 * What stands before the wrapped key is its associated data.  The Argon2id fields are zero in
 * slots for key files.
 *
 * A key agent keeps what Argon2id gave for a slot, sealed.  Its name there and the key that seals
 * it follow from the passphrase and all bytes of the slot, by a small Argon2id: whoever reads the
 * memory of the agent can try passphrases faster than with the slot, but not as fast as a hash is.
 */
#include "repo/slot.h"

#include <assert.h>
#include <string.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/hash.h"
#include "codec/random.h"

enum {
    VERSION = 1,
    WRAPPED_AT = 200,

    /* docs/decisions/0002: below the 256 MiB that a run may use. */
    NEW_MEMORY_KIB = 192 << 10,
    NEW_PASSES = 4,

    MEMORY_KIB_MIN = 64 << 10,
    MEMORY_KIB_MAX = 1 << 20,
    PASSES_MAX = 10,

    /* docs/decisions/0073: some milliseconds. */
    AGENT_MEMORY_KIB = 8 << 10,
    AGENT_PASSES = 1,
};

static const char magic[] = "HFKEYSLT";
#define MAGIC_SIZE (sizeof(magic) - 1)

/* What a secret yields for one slot. */
struct slot_secret {
    uint8_t ikm[SEAL_KEY_SIZE];
    uint8_t kek[SEAL_KEY_SIZE];
    uint8_t commitment[SEAL_KEY_SIZE];
};

static void slot_secret_auto(struct slot_secret *s)
{
    mem_wipe(s, sizeof(*s));
}

static void copy_out(struct slice from, void *to)
{
    memcpy(to, from.data, from.size);
}

/* The fixed fields at the front, up to the epoch. */
static bool front_decode(struct slice *rest, struct slot *out, struct err *e)
{
    struct slice found = {0};
    uint8_t version = 0;
    uint8_t kind = 0;
    uint8_t suite = 0;
    uint8_t zero = 0;

    if (!take_slice(rest, MAGIC_SIZE, &found) ||
        !slice_is_equal(found, SLICE_OF(magic, MAGIC_SIZE)) || !take_u8(rest, &version) ||
        !take_u8(rest, &kind) || !take_u8(rest, &suite) || !take_u8(rest, &zero) ||
        !take_u32(rest, &out->epoch))
        return err_set(e, ERR_CORRUPT, "it does not begin as a key slot");
    if (version > VERSION)
        return err_set(e, ERR_USAGE, "it has version %u and needs a newer program", version);
    if (version != VERSION || (kind != UNLOCK_PASSPHRASE && kind != UNLOCK_KEY_FILE) ||
        suite != SUITE_AES_256_GCM || zero != 0)
        return err_set(e, ERR_CORRUPT, "its version, kind or suite does not exist");
    out->kind = (enum unlock_kind)kind;
    return true;
}

/* Before anything is computed with them. */
static bool costs_decode(struct slice *rest, struct slot *out, struct err *e)
{
    uint32_t lanes = 0;
    uint32_t zero = 0;

    if (!take_u32(rest, &out->memory_kib) || !take_u32(rest, &out->passes) ||
        !take_u32(rest, &lanes) || !take_u32(rest, &zero) || zero != 0)
        return err_set(e, ERR_CORRUPT, "its parameters are damaged");
    if (out->kind == UNLOCK_KEY_FILE) {
        if (out->memory_kib != 0 || out->passes != 0 || lanes != 0)
            return err_set(e, ERR_CORRUPT, "it is for a key file and has Argon2id parameters");
        return true;
    }
    if (out->memory_kib < MEMORY_KIB_MIN || out->memory_kib > MEMORY_KIB_MAX || out->passes < 1 ||
        out->passes > PASSES_MAX || lanes != 1)
        return err_set(e, ERR_CORRUPT,
                       "its Argon2id parameters (memory %u KiB, passes %u, lanes %u) are refused",
                       out->memory_kib, out->passes, lanes);
    return true;
}

/* A label is shown before anything proves who wrote it, so a terminal must not obey it. */
static bool label_is_printable(struct slice label)
{
    for (size_t i = 0; i < label.size; i++) {
        const uint8_t byte = label.data[i];

        if (byte < 0x20 || byte == 0x7F || (byte < 0xA0 && i > 0 && label.data[i - 1] == 0xC2))
            return false;
    }
    return utf8_is_valid(label);
}

static bool label_decode(struct slice field, char out[KEY_LABEL_MAX + 1], struct err *e)
{
    const size_t length = strnlen((const char *)field.data, field.size);

    for (size_t i = length; i < field.size; i++)
        if (field.data[i] != 0)
            return err_set(e, ERR_CORRUPT, "its label is damaged");
    if (!label_is_printable(SLICE_OF(field.data, length)))
        return err_set(e, ERR_CORRUPT, "its label is not printable text");
    memcpy(out, field.data, length);
    out[length] = '\0';
    return true;
}

bool slot_decode(struct slice bytes, struct slot *out, struct err *e)
{
    struct slot s = {0};
    struct slice rest = bytes;
    struct slice repository = {0};
    struct slice id = {0};
    struct slice salt = {0};
    struct slice label = {0};
    uint64_t created = 0;

    if (bytes.size != SLOT_SIZE)
        return err_set(e, ERR_CORRUPT, "it has %zu bytes instead of %d", bytes.size, SLOT_SIZE);
    copy_out(bytes, s.bytes);
    if (!front_decode(&rest, &s, e))
        return false;
    if (!take_slice(&rest, sizeof(s.repository), &repository) ||
        !take_slice(&rest, sizeof(s.id), &id) || !take_u64(&rest, &created) ||
        !costs_decode(&rest, &s, e) || !take_slice(&rest, sizeof(s.salt), &salt) ||
        !take_slice(&rest, KEY_LABEL_MAX, &label) || !label_decode(label, s.label, e))
        return false;

    copy_out(repository, s.repository);
    copy_out(id, s.id);
    copy_out(salt, s.salt);
    s.created_ns = (int64_t)created;
    memcpy(s.commitment, rest.data, sizeof(s.commitment));
    memcpy(s.wrapped, bytes.data + WRAPPED_AT, sizeof(s.wrapped));
    *out = s;
    return true;
}

static void derive(const struct slot *s, const uint8_t ikm[SEAL_KEY_SIZE], const char *label,
                   uint8_t out[SEAL_KEY_SIZE])
{
    AUTO(buf) struct buf purpose = {0};

    buf_append_slice(&purpose, slice_string(label));
    buf_append(&purpose, s->id, sizeof(s->id));
    hkdf(SLICE_OF(ikm, SEAL_KEY_SIZE), SLICE_OF(s->salt, sizeof(s->salt)), buf_slice(&purpose), out,
         SEAL_KEY_SIZE);
}

static void secret_expand(const struct slot *s, struct slot_secret *secret)
{
    derive(s, secret->ikm, "holdfast slot kek", secret->kek);
    derive(s, secret->ikm, "holdfast slot commitment", secret->commitment);
}

static bool secret_derive(const struct slot *s, const struct unlock *with, struct slot_secret *out,
                          struct err *e)
{
    assert(with->kind == s->kind);
    if (s->kind == UNLOCK_KEY_FILE) {
        assert(with->secret.size == KEY_FILE_SIZE);
        copy_out(with->secret, out->ikm);
    } else if (!argon2id(with->secret, s->salt, s->memory_kib, s->passes, out->ikm, e)) {
        return false;
    }
    secret_expand(s, out);
    return true;
}

static struct slice slot_ad(const struct slot *s)
{
    return SLICE_OF(s->bytes, WRAPPED_AT);
}

/* How an agent knows a slot and a passphrase. */
struct slot_memory {
    uint8_t name[AGENT_NAME_SIZE];
    uint8_t key[SEAL_KEY_SIZE]; /* seals what it keeps, which for one slot is always the same */
};
static_assert(sizeof(struct slot_memory) == 64, "as much as one derivation yields");
static_assert(AGENT_SEALED_SIZE == SEAL_KEY_SIZE + SEAL_TAG_SIZE, "it keeps a wrapped key");

static void slot_memory_auto(struct slot_memory *m)
{
    mem_wipe(m, sizeof(*m));
}

static bool memory_derive(const struct slot *s, struct slice passphrase, struct slot_memory *out,
                          struct err *e)
{
    uint8_t bytes[sizeof(*out)];
    uint8_t ikm[SEAL_KEY_SIZE];
    struct hash sum;

    sha256(SLICE_OF(s->bytes, SLOT_SIZE), &sum);
    if (!argon2id(passphrase, sum.bytes, AGENT_MEMORY_KIB, AGENT_PASSES, ikm, e))
        return false;
    hkdf(SLICE_OF(ikm, sizeof(ikm)), SLICE_OF(sum.bytes, sizeof(sum.bytes)),
         slice_string("holdfast agent"), bytes, sizeof(bytes));
    memcpy(out, bytes, sizeof(bytes));
    mem_wipe(ikm, sizeof(ikm));
    mem_wipe(bytes, sizeof(bytes));
    return true;
}

/* Whether somebody keeps, or should, what this slot's passphrase yields. */
static bool is_for_agent(const struct slot *s, const struct unlock *with)
{
    return s->kind == UNLOCK_PASSPHRASE && with->kind == s->kind && with->agent != NULL;
}

/* The agent is asked to; when it does not, the next run derives it again. */
static void slot_remember(const struct slot *s, const struct unlock *with,
                          const struct slot_secret *secret)
{
    AUTO(slot_memory) struct slot_memory memory = {0};
    struct agent_key key = {0};
    struct err ignored;

    if (!is_for_agent(s, with) || !memory_derive(s, with->secret, &memory, &ignored))
        return;
    memcpy(key.repository, s->repository, sizeof(key.repository));
    memcpy(key.slot, s->id, sizeof(key.slot));
    memcpy(key.name, memory.name, sizeof(key.name));
    key_wrap(memory.key, SLICE_OF(s->bytes, SLOT_SIZE), secret->ikm, key.sealed);
    (void)!agent_put(with->agent, &key, &ignored);
    mem_wipe(&key, sizeof(key));
}

/* With what the slot's secret yields, if it is that. */
static bool slot_unwrap(const struct slot *s, const struct slot_secret *secret,
                        uint8_t master[SEAL_KEY_SIZE], struct err *e)
{
    struct err why = {0};

    if (!equal_ct(secret->commitment, s->commitment, sizeof(s->commitment)))
        return err_set(e, ERR_DENIED, "it is for another secret");
    if (!key_unwrap(secret->kek, slot_ad(s), s->wrapped, master, &why))
        return err_set(e, ERR_CORRUPT, "it was changed after it was made");
    return true;
}

bool slot_open(const struct slot *s, const struct unlock *with, uint8_t master[SEAL_KEY_SIZE],
               struct err *e)
{
    AUTO(slot_secret) struct slot_secret secret = {0};

    if (!secret_derive(s, with, &secret, e) || !slot_unwrap(s, &secret, master, e))
        return false;
    slot_remember(s, with, &secret);
    return true;
}

bool slot_recall(const struct slot *s, const struct unlock *with, uint8_t master[SEAL_KEY_SIZE],
                 bool *is_open, struct err *e)
{
    AUTO(slot_memory) struct slot_memory memory = {0};
    AUTO(slot_secret) struct slot_secret secret = {0};
    uint8_t sealed[AGENT_SEALED_SIZE];
    bool is_found = false;
    struct err why;

    if (!is_for_agent(s, with))
        return true;
    if (!memory_derive(s, with->secret, &memory, e) ||
        !agent_get(with->agent, memory.name, sealed, &is_found, e))
        return false;
    if (!is_found ||
        !key_unwrap(memory.key, SLICE_OF(s->bytes, SLOT_SIZE), sealed, secret.ikm, &why))
        return true;
    secret_expand(s, &secret);
    *is_open = slot_unwrap(s, &secret, master, &why);
    return true;
}

/* The bytes that are the associated data of the wrapped key, which follows. */
static void slot_encode(struct slot *s, struct buf *out)
{
    buf_append(out, magic, MAGIC_SIZE);
    buf_put_u8(out, VERSION);
    buf_put_u8(out, (uint8_t)s->kind);
    buf_put_u8(out, SUITE_AES_256_GCM);
    buf_put_u8(out, 0);
    buf_put_u32(out, s->epoch);
    buf_append(out, s->repository, sizeof(s->repository));
    buf_append(out, s->id, sizeof(s->id));
    buf_put_u64(out, (uint64_t)s->created_ns);
    buf_put_u32(out, s->memory_kib);
    buf_put_u32(out, s->passes);
    buf_put_u32(out, s->kind == UNLOCK_PASSPHRASE);
    buf_put_u32(out, 0);
    buf_append(out, s->salt, sizeof(s->salt));
    buf_append(out, s->label, KEY_LABEL_MAX);
    buf_append(out, s->commitment, sizeof(s->commitment));
    assert(out->size == WRAPPED_AT);
}

static bool request_check(const struct unlock *with, const char *label, struct err *e)
{
    if (with->secret.size == 0)
        return err_set(e, ERR_USAGE, "the password is empty");
    if (strlen(label) > KEY_LABEL_MAX)
        return err_set(e, ERR_USAGE, "the label of a key is at most %d bytes long", KEY_LABEL_MAX);
    if (!label_is_printable(slice_string(label)))
        return err_set(e, ERR_USAGE, "the label of a key must be printable UTF-8");
    return true;
}

bool slot_seal(const struct repo *r, const struct unlock *with, const char *label, struct slot *out,
               struct err *e)
{
    AUTO(slot_secret) struct slot_secret secret = {0};
    AUTO(buf) struct buf bytes = {0};
    struct slot s = {.kind = with->kind, .epoch = r->epoch, .created_ns = clock_now_ns()};

    if (!request_check(with, label, e))
        return false;
    if (s.kind == UNLOCK_PASSPHRASE) {
        s.memory_kib = NEW_MEMORY_KIB;
        s.passes = NEW_PASSES;
    }
    memcpy(s.repository, r->id, sizeof(s.repository));
    memcpy(s.label, label, strlen(label));
    random_bytes(s.id, sizeof(s.id));
    random_bytes(s.salt, sizeof(s.salt));
    if (!secret_derive(&s, with, &secret, e))
        return false;

    memcpy(s.commitment, secret.commitment, sizeof(s.commitment));
    slot_encode(&s, &bytes);
    memcpy(s.bytes, bytes.data, bytes.size);
    key_wrap(secret.kek, slot_ad(&s), repo_newest(r)->master, s.wrapped);
    memcpy(s.bytes + WRAPPED_AT, s.wrapped, sizeof(s.wrapped));
    *out = s;
    return true;
}
