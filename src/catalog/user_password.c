/* Passwords: rules, Argon2id, and not too many of it at once. */
#include <assert.h>
#include <sodium.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "catalog/common_passwords.h"
#include "catalog/tx.h"

#define AT_ONCE     2  /* 64 MiB each */
#define WAITING_MAX 16 /* at 0.2 s each nobody waits longer than two seconds */
#define MEMORY      ((size_t)64 << 20)
#define PASSES      3

static_assert(CATALOG_PASSWORD_HASH >= crypto_pwhash_STRBYTES, "room for libsodium's text");

/* Wait for a place among those who compute. */
static bool enter(struct catalog *c, struct err *e)
{
    bool ok = true;

    if (sodium_init() < 0)
        return err_set(e, ERR_FATAL, "libsodium does not start");
    (void)pthread_mutex_lock(&c->hash_lock);
    ok = c->hashes_waiting < WAITING_MAX;
    if (ok) {
        c->hashes_waiting++;
        while (c->hashes_running >= AT_ONCE)
            (void)pthread_cond_wait(&c->hash_done, &c->hash_lock);
        c->hashes_waiting--;
        c->hashes_running++;
    }
    (void)pthread_mutex_unlock(&c->hash_lock);
    return ok || err_set(e, ERR_TRANSIENT, "too many passwords are being checked");
}

static void leave(struct catalog *c)
{
    (void)pthread_mutex_lock(&c->hash_lock);
    c->hashes_running--;
    (void)pthread_cond_signal(&c->hash_done);
    (void)pthread_mutex_unlock(&c->hash_lock);
}

/* In any case of letters. */
static bool is_same(struct slice password, const char *text)
{
    return password.size == strlen(text) &&
           strncasecmp((const char *)password.data, text, password.size) == 0;
}

static bool is_common(struct slice password)
{
    for (size_t i = 0; common_passwords[i] != NULL; i++)
        if (is_same(password, common_passwords[i]))
            return true;
    return false;
}

/* One character again and again. */
static bool is_monotone(struct slice password)
{
    for (size_t i = 1; i < password.size; i++)
        if (password.data[i] != password.data[0])
            return false;
    return true;
}

static bool check_rules(const char *user, struct slice password, struct err *e)
{
    if (password.size < CATALOG_PASSWORD_MIN)
        return err_set(e, ERR_USAGE, "the password is shorter than %d bytes", CATALOG_PASSWORD_MIN);
    if (password.size > CATALOG_PASSWORD_MAX)
        return err_set(e, ERR_USAGE, "the password is longer than %d bytes", CATALOG_PASSWORD_MAX);
    if (!utf8_is_valid(password))
        return err_set(e, ERR_USAGE, "the password is not UTF-8");
    if (user != NULL && is_same(password, user))
        return err_set(e, ERR_USAGE, "the password is the name of the user");
    if (is_common(password) || is_monotone(password))
        return err_set(e, ERR_USAGE, "the password is one of those that are tried first");
    return true;
}

bool catalog_password_hash(struct catalog *c, const char *user, struct slice password,
                           char out[CATALOG_PASSWORD_HASH], struct err *e)
{
    if (!check_rules(user, password, e) || !enter(c, e))
        return false;

    const bool ok =
        crypto_pwhash_str(out, (const char *)password.data, password.size, PASSES, MEMORY) == 0;

    leave(c);
    return ok || err_set(e, ERR_TRANSIENT, "Argon2id cannot have the memory that it needs");
}

bool catalog_password_check(struct catalog *c, const char *hash, struct slice password,
                            bool *is_right, struct err *e)
{
    /* Of nothing that anybody knows; computed as long as any other. */
    static const char nobody[] = "$argon2id$v=19$m=65536,t=3,p=1$"
                                 "AAAAAAAAAAAAAAAAAAAAAA$"
                                 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const char *stored = hash != NULL ? hash : nobody;
    const char *bytes = password.size > 0 ? (const char *)password.data : "";

    if (password.size > CATALOG_PASSWORD_MAX) {
        *is_right = false; /* none is that long, and that is no secret */
        return true;
    }
    /* The text says how much memory and time to take, so nothing but ours is believed. */
    if (crypto_pwhash_str_needs_rehash(stored, PASSES, MEMORY) != 0)
        return err_set(e, ERR_CORRUPT, "the stored form of a password is damaged");
    if (!enter(c, e))
        return false;

    const bool is_same_text = crypto_pwhash_str_verify(stored, bytes, password.size) == 0;

    leave(c);
    *is_right = is_same_text && hash != NULL;
    return true;
}
