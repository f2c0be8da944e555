/* Counters of failed logins. */
#include "catalog/lockout.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "catalog/tx.h"

#define PAIR_FREE     5   /* failures that cost nothing */
#define PAIR_WAIT_MAX 900 /* seconds */
#define ACCOUNT_MAX   100 /* a day */
#define PEER_MAX      30  /* a minute */
#define FACTOR_MAX    5   /* in five minutes */
#define KNOWN_DAYS    90  /* that a network stays the account's after a login */
#define DAY_S         86400
#define MINUTE_S      60
#define FACTOR_S      300

/* A bucket's name: of fixed length whatever was typed, so that nobody fills the table with long
 * ones. */
struct bucket {
    char name[80];
};

/* The first bits of an address in hexadecimal; what is no address is one. */
static void network_of(const char *peer, unsigned bytes4, unsigned bytes6, char out[40])
{
    uint8_t address[16] = {0};
    struct hash h;

    if (inet_pton(AF_INET6, peer, address) == 1) {
        static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

        if (memcmp(address, mapped, sizeof(mapped)) == 0)
            hex_encode(SLICE_OF(address + 12, bytes4), out);
        else
            hex_encode(SLICE_OF(address, bytes6), out);
    } else if (inet_pton(AF_INET, peer, address) == 1) {
        hex_encode(SLICE_OF(address, bytes4), out);
    } else {
        sha256(slice_string(peer), &h);
        hex_encode(SLICE_OF(h.bytes, 16), out);
    }
}

/* In any case of letters, as users are found. */
static void account_of(const char *account, char out[33])
{
    char lower[CATALOG_USER_NAME_MAX + 1];
    size_t n = 0;
    struct hash h;

    for (; n < CATALOG_USER_NAME_MAX && account[n] != '\0'; n++)
        lower[n] = (char)tolower((unsigned char)account[n]);
    sha256(SLICE_OF(lower, n), &h);
    hex_encode(SLICE_OF(h.bytes, 16), out);
}

/* what: "pair" counts the failures of a network, "known" says until when it is the account's. */
static struct bucket network_bucket(const char *what, const char *account, const char *peer)
{
    struct bucket b;
    char who[33];
    char from[40];

    account_of(account, who);
    network_of(peer, 3, 7, from);
    (void)snprintf(b.name, sizeof(b.name), "%s:%s:%s", what, who, from);
    return b;
}

static struct bucket account_bucket(const char *account)
{
    struct bucket b;
    char who[33];

    account_of(account, who);
    (void)snprintf(b.name, sizeof(b.name), "account:%s", who);
    return b;
}

static struct bucket peer_bucket(const char *peer)
{
    struct bucket b;
    char from[40];

    network_of(peer, 4, 8, from);
    (void)snprintf(b.name, sizeof(b.name), "peer:%s", from);
    return b;
}

static struct bucket factor_bucket(const char *user)
{
    struct bucket b;

    (void)snprintf(b.name, sizeof(b.name), "factor:%.60s", user);
    return b;
}

/* A counter after one more was counted. */
struct count {
    int64_t count, first_ns, until_ns;
};

/* Count one more within the window that began with the first.  The row stays locked until the
 * transaction ends, so that of many at the same moment each sees the one before. */
static bool count_one(struct catalog_tx *t, const struct bucket *b, int64_t window_s,
                      struct count *out, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db,
                "INSERT INTO login_failures (bucket, count, first_ns, last_ns, until_ns)"
                " VALUES ($1, 1, $2, $2, 0) ON CONFLICT (bucket) DO UPDATE SET"
                " count = CASE WHEN login_failures.first_ns <= $3 THEN 1"
                "  ELSE login_failures.count + 1 END,"
                " until_ns = CASE WHEN login_failures.first_ns <= $3 THEN 0"
                "  ELSE login_failures.until_ns END,"
                " first_ns = CASE WHEN login_failures.first_ns <= $3 THEN $2"
                "  ELSE login_failures.first_ns END,"
                " last_ns = $2 RETURNING count, first_ns, until_ns",
                DB_VALUES(db_text(b->name), db_number(t->db->now_ns),
                          db_number(t->db->now_ns - window_s * NS_PER_S)),
                &r, e))
        return false;
    *out =
        (struct count){db_get_number(&r, 0, 0), db_get_number(&r, 0, 1), db_get_number(&r, 0, 2)};
    return true;
}

static bool forget_bucket(struct catalog_tx *t, const struct bucket *b, struct err *e)
{
    return db_run(t->db, "DELETE FROM login_failures WHERE bucket = $1",
                  DB_VALUES(db_text(b->name)), NULL, e);
}

/* Whole seconds from now to then, at least 1. */
static int64_t seconds_until(int64_t then_ns, int64_t now_ns)
{
    const int64_t s = (then_ns - now_ns + NS_PER_S - 1) / NS_PER_S;

    return s > 1 ? s : 1;
}

/* The network's own counter of the account. */
static bool try_pair(struct catalog_tx *t, const struct bucket *b, struct catalog_login *out,
                     struct err *e)
{
    struct count n = {0};

    if (!count_one(t, b, DAY_S, &n, e))
        return false;
    if (n.until_ns > t->db->now_ns) {
        out->is_allowed = false;
        out->wait_s = seconds_until(n.until_ns, t->db->now_ns);
        return true;
    }
    if (n.count < PAIR_FREE)
        return true;

    const int64_t doublings = n.count - PAIR_FREE;
    const int64_t wait_s = doublings < 10 ? INT64_C(1) << doublings : PAIR_WAIT_MAX;

    return db_run(
        t->db, "UPDATE login_failures SET until_ns = $2 WHERE bucket = $1",
        DB_VALUES(db_text(b->name),
                  db_number(t->db->now_ns +
                            (wait_s < PAIR_WAIT_MAX ? wait_s : PAIR_WAIT_MAX) * NS_PER_S)),
        NULL, e);
}

/* A counter with a limit within a window. */
static bool try_window(struct catalog_tx *t, const struct bucket *b, int64_t window_s,
                       int64_t limit, struct catalog_login *out, struct err *e)
{
    struct count n = {0};

    if (!count_one(t, b, window_s, &n, e))
        return false;
    if (n.count > limit) {
        out->is_allowed = false;
        out->wait_s = seconds_until(n.first_ns + window_s * NS_PER_S, t->db->now_ns);
    }
    return true;
}

/* Failures from elsewhere cost nothing where the account has logged in. */
static bool find_known(struct catalog_tx *t, const char *account, const char *peer, bool *is_known,
                       struct err *e)
{
    const struct bucket b = network_bucket("known", account, peer);
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db, "SELECT count(*) FROM login_failures WHERE bucket = $1 AND until_ns > $2",
                DB_VALUES(db_text(b.name), db_number(t->db->now_ns)), &r, e))
        return false;
    *is_known = db_get_number(&r, 0, 0) > 0;
    return true;
}

static bool note_known(struct catalog_tx *t, const char *account, const char *peer, struct err *e)
{
    const struct bucket b = network_bucket("known", account, peer);
    const int64_t now = t->db->now_ns;

    return db_run(t->db,
                  "INSERT INTO login_failures (bucket, count, first_ns, last_ns, until_ns)"
                  " VALUES ($1, 0, $2, $2, $3) ON CONFLICT (bucket) DO UPDATE SET"
                  " last_ns = $2, until_ns = $3",
                  DB_VALUES(db_text(b.name), db_number(now),
                            db_number(now + (int64_t)KNOWN_DAYS * DAY_S * NS_PER_S)),
                  NULL, e);
}

static bool try_login(struct catalog_tx *t, const char *account, const char *peer,
                      struct catalog_login *out, struct err *e)
{
    const struct bucket pair = network_bucket("pair", account, peer);
    const struct bucket any = account_bucket(account);
    const struct bucket from = peer_bucket(peer);
    struct count n = {0};
    bool is_known = false;

    if (!try_window(t, &from, MINUTE_S, PEER_MAX, out, e))
        return false;
    if (!out->is_allowed)
        return true;
    if (!try_pair(t, &pair, out, e))
        return false;
    if (!out->is_allowed)
        return true;
    if (!count_one(t, &any, DAY_S, &n, e) || !find_known(t, account, peer, &is_known, e))
        return false;
    out->needs_second_factor = n.count > ACCOUNT_MAX && !is_known;
    return true;
}

bool catalog_login_try(struct catalog *c, const char *account, const char *peer,
                       struct catalog_login *out, struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    struct catalog_login login = {.is_allowed = true};

    if (!catalog_begin(c, &t, e) || !try_login(t, account, peer, &login, e))
        return false;
    /* One that is refused does not count: nobody who only waits waits longer. */
    if (login.is_allowed && !catalog_commit(&t, e))
        return false;
    *out = login;
    return true;
}

bool catalog_login_succeeded(struct catalog_tx *t, const char *account, const char *peer,
                             struct err *e)
{
    const struct bucket pair = network_bucket("pair", account, peer);
    const struct bucket any = account_bucket(account);

    return forget_bucket(t, &pair, e) && note_known(t, account, peer, e) &&
           db_run(t->db,
                  "UPDATE login_failures SET count = count - 1 WHERE bucket = $1 AND count > 0",
                  DB_VALUES(db_text(any.name)), NULL, e);
}

bool catalog_factor_try(struct catalog *c, const char *user, struct catalog_login *out,
                        struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    const struct bucket b = factor_bucket(user);
    struct catalog_login login = {.is_allowed = true};

    if (!catalog_begin(c, &t, e) || !try_window(t, &b, FACTOR_S, FACTOR_MAX, &login, e) ||
        (login.is_allowed && !catalog_commit(&t, e)))
        return false;
    *out = login;
    return true;
}

bool catalog_factor_succeeded(struct catalog_tx *t, const char *user, struct err *e)
{
    const struct bucket b = factor_bucket(user);

    return forget_bucket(t, &b, e);
}

bool catalog_login_unlock(struct catalog_tx *t, const char *account, struct err *e)
{
    const struct bucket any = account_bucket(account);
    char who[33];
    char prefix[48];

    account_of(account, who);
    (void)snprintf(prefix, sizeof(prefix), "pair:%s:", who);
    return forget_bucket(t, &any, e) &&
           db_run(t->db,
                  "DELETE FROM login_failures WHERE substr(bucket, 1, CAST($2 AS INTEGER)) = $1",
                  DB_VALUES(db_text(prefix), db_number((int64_t)strlen(prefix))), NULL, e);
}

bool catalog_login_forget(struct catalog_tx *t, struct err *e)
{
    return db_run(t->db, "DELETE FROM login_failures WHERE last_ns < $1 AND until_ns < $2",
                  DB_VALUES(db_number(t->db->now_ns - DAY_S * NS_PER_S), db_number(t->db->now_ns)),
                  NULL, e);
}
