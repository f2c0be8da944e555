/*
 * Second factors: codes by time (RFC 6238 over RFC 4226), recovery codes, and the sealing of
 * secrets.
 *
 * A secret is stored as the hexadecimal form of a nonce of 24 bytes and what XChaCha20-Poly1305
 * makes of it with the key of the state folder; the associated data is the user's id, so that a
 * secret moved to another user's row opens nothing.
 */
#include <assert.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "catalog/tx.h"
#include "codec/random.h"

#define STEP_S      30
#define SECRET_SIZE 20 /* as long as a SHA-1 sum, which RFC 4226 recommends */
#define NONCE_SIZE  crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define SEALED_SIZE (NONCE_SIZE + SECRET_SIZE + crypto_aead_xchacha20poly1305_ietf_ABYTES)

static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static_assert(SECRET_SIZE % 5 == 0 && SECRET_SIZE / 5 * 8 + 1 == CATALOG_TOTP_SECRET,
              "base32 without padding");

/* Codes */

static void secret_format(const uint8_t *secret, char out[CATALOG_TOTP_SECRET])
{
    for (size_t i = 0; i < SECRET_SIZE; i += 5) {
        uint64_t bits = 0;

        for (size_t j = 0; j < 5; j++)
            bits = bits << 8 | secret[i + j];
        for (size_t j = 0; j < 8; j++)
            *out++ = base32[bits >> (35 - 5 * j) & 31];
    }
    *out = '\0';
}

static bool secret_parse(const char *text, uint8_t *out)
{
    if (strlen(text) != CATALOG_TOTP_SECRET - 1)
        return false;
    for (size_t i = 0; i < SECRET_SIZE; i += 5) {
        uint64_t bits = 0;

        for (size_t j = 0; j < 8; j++) {
            const char *at = strchr(base32, *text++);

            if (at == NULL)
                return false;
            bits = bits << 5 | (uint64_t)(at - base32);
        }
        for (size_t j = 0; j < 5; j++)
            out[i + j] = (uint8_t)(bits >> (32 - 8 * j));
    }
    return true;
}

static void code_of_step(const uint8_t *secret, int64_t step, char out[7])
{
    uint8_t counter[8];
    uint8_t sum[EVP_MAX_MD_SIZE];
    unsigned size = 0;

    for (size_t i = 0; i < sizeof(counter); i++)
        counter[i] = (uint8_t)((uint64_t)step >> (56 - 8 * i));
    if (HMAC(EVP_sha1(), secret, SECRET_SIZE, counter, sizeof(counter), sum, &size) == NULL)
        mem_exit("OpenSSL has no HMAC with SHA-1");

    const uint8_t *at = sum + (sum[size - 1] & 15);
    const uint32_t bits = (uint32_t)(at[0] & 0x7f) << 24 | (uint32_t)at[1] << 16 |
                          (uint32_t)at[2] << 8 | (uint32_t)at[3];

    (void)snprintf(out, 7, "%06u", (unsigned)(bits % 1000000));
}

bool catalog_totp_code(const char *secret, int64_t time_ns, char out[7])
{
    uint8_t bytes[SECRET_SIZE];
    const bool ok = secret_parse(secret, bytes);

    if (ok)
        code_of_step(bytes, time_ns / NS_PER_S / STEP_S, out);
    mem_wipe(bytes, sizeof(bytes));
    return ok;
}

/* The step within one of now, and after the last one used, whose code this is; 0: none. */
static int64_t step_of_code(const uint8_t *secret, const char *code, int64_t now_ns, int64_t used)
{
    const int64_t now = now_ns / NS_PER_S / STEP_S;
    int64_t found = 0;

    if (strlen(code) != 6)
        return 0;
    for (int64_t step = now - 1; step <= now + 1; step++) {
        char right[7];

        code_of_step(secret, step, right);
        if (equal_ct(right, code, 6) && step > used)
            found = step;
    }
    return found;
}

void catalog_totp_new(char out[CATALOG_TOTP_SECRET])
{
    uint8_t secret[SECRET_SIZE];

    random_bytes(secret, sizeof(secret));
    secret_format(secret, out);
    mem_wipe(secret, sizeof(secret));
}

/* Sealing */

static bool check_key(const struct catalog *c, struct err *e)
{
    return c->has_key || err_set(e, ERR_DENIED, "the catalog was opened without its key");
}

static void seal_secret(const struct catalog *c, const char *user, const uint8_t *secret,
                        char out[2 * SEALED_SIZE + 1])
{
    uint8_t sealed[SEALED_SIZE];

    random_bytes(sealed, NONCE_SIZE);
    /* Does not fail. */
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + NONCE_SIZE, NULL, secret, SECRET_SIZE,
                                                     (const uint8_t *)user, strlen(user), NULL,
                                                     sealed, c->totp_key);
    hex_encode(SLICE_OF(sealed, sizeof(sealed)), out);
}

static bool unseal_secret(const struct catalog *c, const char *user, const char *text, uint8_t *out,
                          struct err *e)
{
    uint8_t sealed[SEALED_SIZE];

    if (strlen(text) != 2 * sizeof(sealed) || !hex_decode(text, sealed, sizeof(sealed)) ||
        crypto_aead_xchacha20poly1305_ietf_decrypt(
            out, NULL, NULL, sealed + NONCE_SIZE, sizeof(sealed) - NONCE_SIZE,
            (const uint8_t *)user, strlen(user), sealed, c->totp_key) != 0)
        return err_set(e, ERR_CORRUPT, "the stored second factor of a user is damaged");
    return true;
}

/* Storing */

static bool remove_codes(struct catalog_tx *t, const char *user, struct err *e)
{
    return db_run(t->db, "DELETE FROM recovery_codes WHERE user_id = $1", DB_VALUES(db_text(user)),
                  NULL, e);
}

bool catalog_recovery_new(struct catalog_tx *t, const char *user,
                          char codes[CATALOG_RECOVERY_CODES][CATALOG_RECOVERY_SIZE], struct err *e)
{
    if (!remove_codes(t, user, e))
        return false;
    for (size_t i = 0; i < CATALOG_RECOVERY_CODES; i++) {
        char hash[CATALOG_HASH_SIZE];

        catalog_id_new(codes[i]);
        catalog_secret_hash(codes[i], hash);
        if (!db_run(t->db, "INSERT INTO recovery_codes (user_id, hash) VALUES ($1, $2)",
                    DB_VALUES(db_text(user), db_text(hash)), NULL, e))
            return false;
    }
    return true;
}

bool catalog_totp_set(struct catalog_tx *t, const char *user,
                      const char secret[CATALOG_TOTP_SECRET], const char *code,
                      char codes[CATALOG_RECOVERY_CODES][CATALOG_RECOVERY_SIZE], struct err *e)
{
    uint8_t bytes[SECRET_SIZE];
    char sealed[2 * SEALED_SIZE + 1];

    if (!check_key(t->catalog, e))
        return false;
    if (!secret_parse(secret, bytes))
        return err_set(e, ERR_USAGE, "the secret is no base32 text of 20 bytes");

    const int64_t step = step_of_code(bytes, code, t->db->now_ns, 0);

    seal_secret(t->catalog, user, bytes, sealed);
    mem_wipe(bytes, sizeof(bytes));
    if (step == 0)
        return err_set(e, ERR_DENIED, "the code is not right");
    return db_change(
               t->db, "user",
               "UPDATE users SET totp = $2, totp_step = $3, updated_ns = $4 WHERE id = $1",
               DB_VALUES(db_text(user), db_text(sealed), db_number(step), db_number(t->db->now_ns)),
               e) &&
           catalog_recovery_new(t, user, codes, e);
}

bool catalog_totp_remove(struct catalog_tx *t, const char *user, struct err *e)
{
    return remove_codes(t, user, e) &&
           db_change(t->db, "user",
                     "UPDATE users SET totp = NULL, version = version + 1, updated_ns = $2"
                     " WHERE id = $1",
                     DB_VALUES(db_text(user), db_number(t->db->now_ns)), e);
}

bool catalog_totp_check(struct catalog_tx *t, const char *user, const char *code, bool *is_right,
                        struct err *e)
{
    AUTO(db_result) struct db_result r = {0};
    AUTO(db_result) struct db_result used = {0};
    uint8_t bytes[SECRET_SIZE];

    if (!check_key(t->catalog, e) ||
        !db_run(t->db, "SELECT totp, totp_step FROM users WHERE id = $1", DB_VALUES(db_text(user)),
                &r, e))
        return false;
    *is_right = false;
    if (r.rows == 0 || db_get_text(&r, 0, 0) == NULL)
        return true;
    if (!unseal_secret(t->catalog, user, db_get_text(&r, 0, 0), bytes, e))
        return false;

    const int64_t step = step_of_code(bytes, code, t->db->now_ns, db_get_number(&r, 0, 1));

    mem_wipe(bytes, sizeof(bytes));
    if (step == 0)
        return true;
    /* Of two that come with one code at the same moment, one finds the step used. */
    if (!db_run(t->db, "UPDATE users SET totp_step = $2 WHERE id = $1 AND totp_step < $2",
                DB_VALUES(db_text(user), db_number(step)), &used, e))
        return false;
    *is_right = used.changed == 1;
    return true;
}

bool catalog_recovery_check(struct catalog_tx *t, const char *user, const char *code,
                            bool *is_right, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};
    char hash[CATALOG_HASH_SIZE];

    catalog_secret_hash(code, hash);
    if (!db_run(t->db, "DELETE FROM recovery_codes WHERE user_id = $1 AND hash = $2",
                DB_VALUES(db_text(user), db_text(hash)), &r, e))
        return false;
    *is_right = r.changed == 1;
    return true;
}

bool catalog_recovery_count(struct catalog_tx *t, const char *user, int64_t *out, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db, "SELECT count(*) FROM recovery_codes WHERE user_id = $1",
                DB_VALUES(db_text(user)), &r, e))
        return false;
    *out = db_get_number(&r, 0, 0);
    return true;
}
