/* Tokens, second factors, and how often one may try. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "catalog/world.h"

/* Tokens */

static void token_put(const struct world *w, const struct catalog_token *k,
                      char text[CATALOG_TOKEN_SIZE])
{
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(w);

    CHECK_OK(catalog_token_add(t, k, text, e));
    tx_commit(&t);
}

static bool token_use(const struct world *w, const char *text, struct err *e)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_token k = {0};

    return catalog_token_use(w->catalog, text, &a, &k, e);
}

TEST(a_token_comes_back_as_it_was_made_and_lives_ninety_days)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    const struct catalog_token made = {.name = "ci",
                                       .kind = TOKEN_API,
                                       .role = ROLE_ADMIN,
                                       .verbs = "[\"backup\",\"list\"]",
                                       .sets = "[\"shop\"]"};
    struct catalog_token k = {0};
    char text[CATALOG_TOKEN_SIZE];

    world_init(&w);
    token_put(&w, &made, text);
    CHECK_OK(catalog_token_use(w.catalog, text, &a, &k, e));
    CHECK(k.expires_ns - k.created_ns == CATALOG_TOKEN_DAYS * 86400 * NS_PER_S);
    CHECK(k.kind == TOKEN_API && k.role == ROLE_ADMIN);
    ck_assert_str_eq(k.verbs, made.verbs);
    ck_assert_str_eq(k.sets, made.sets);
}
END

TEST(a_token_that_is_changed_over_or_revoked_is_none)
{
    AUTO(world) struct world w;
    const struct catalog_token k = {.name = "ci", .verbs = "[\"*\"]", .sets = "[\"*\"]"};
    char text[CATALOG_TOKEN_SIZE];
    char id[CATALOG_TOKEN_ID] = "";

    world_init(&w);
    token_put(&w, &k, text);
    CHECK_OK(token_use(&w, text, e));
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        char bad[CATALOG_TOKEN_SIZE];

        memcpy(bad, text, sizeof(bad));
        bad[i] = bad[i] == '0' ? '1' : '0';
        CHECK_ERR(token_use(&w, bad, e), ERR_DENIED);
        bad[i] = '\0';
        CHECK_ERR(token_use(&w, bad, e), ERR_DENIED);
    }
    memcpy(id, text + 3, sizeof(id) - 1);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_token_revoke(t, NULL, id, e));
    tx_commit(&t);
    CHECK_ERR(token_use(&w, text, e), ERR_DENIED);
    token_put(&w, &k, text);
    world_sql(&w, "UPDATE tokens SET expires_ns = created_ns + 1");
    CHECK_ERR(token_use(&w, text, e), ERR_DENIED);
}
END

TEST(a_token_of_a_user_is_no_more_than_its_user)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    char root[CATALOG_ID_SIZE];
    char id[CATALOG_ID_SIZE];
    char text[CATALOG_TOKEN_SIZE];
    struct catalog_token k = {
        .name = "ci", .role = ROLE_ADMIN, .user = id, .verbs = "[\"*\"]", .sets = "[\"*\"]"};

    world_init(&w);
    user_put(&w, "root", ROLE_SUPER_ADMIN, root);
    user_put(&w, "ann", ROLE_ADMIN, id);
    token_put(&w, &k, text);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_user_set_role(t, id, ROLE_VIEWER, e));
    tx_commit(&t);
    CHECK_OK(catalog_token_use(w.catalog, text, &a, &k, e));
    ck_assert_int_eq(k.role, ROLE_VIEWER);
    t = tx_write(&w);
    CHECK_OK(catalog_user_set_disabled(t, id, true, e));
    tx_commit(&t);
    CHECK_ERR(token_use(&w, text, e), ERR_DENIED);
    t = tx_write(&w);
    CHECK_OK(catalog_user_remove(t, id, e));
    tx_commit(&t);
    CHECK_ERR(token_use(&w, text, e), ERR_DENIED);
}
END

TEST(tokens_without_limits_are_refused)
{
    AUTO(world) struct world w;
    char text[CATALOG_TOKEN_SIZE];
    const struct catalog_token bad[] = {
        {.name = "", .verbs = "[\"*\"]", .sets = "[\"*\"]"},
        {.name = "x", .verbs = "[]", .sets = "[\"*\"]"},
        {.name = "x", .verbs = "[\"*\"]", .sets = "{}"},
        {.name = "x", .verbs = "[1]", .sets = "[\"*\"]"},
        {.name = "x", .verbs = "[\"read *\"]", .sets = "[\"*\"]"},
        {.name = "x", .verbs = "[\"*\"]", .sets = "[\"a*\"]"},
        {.name = "x", .verbs = "[\"*\"]", .sets = "[\"a\\nb\"]"},
        {.name = "x", .verbs = "[\"*\"]", .sets = "[\"*\"]", .expires_ns = 1},
        {.name = "x", .verbs = "[\"*\"]", .sets = "[\"*\"]", .expires_ns = INT64_MAX},
    };

    world_init(&w);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);

        CHECK_ERR(catalog_token_add(t, &bad[i], text, e), ERR_USAGE);
    }
}
END

/* Second factors */

TEST(codes_are_those_of_the_rfc)
{
    /* RFC 6238, appendix B: the secret is "12345678901234567890", its codes have 8 digits. */
    static const char secret[] = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    static const struct {
        int64_t time;
        const char *code;
    } known[] = {{59, "287082"},
                 {1111111109, "081804"},
                 {1111111111, "050471"},
                 {1234567890, "005924"},
                 {2000000000, "279037"}};
    char code[7];

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        CHECK(catalog_totp_code(secret, known[i].time * NS_PER_S, code));
        ck_assert_str_eq(code, known[i].code);
    }
    CHECK(!catalog_totp_code("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1", 0, code));
    CHECK(!catalog_totp_code("short", 0, code));
}
END

static int64_t now_of(const struct world *w)
{
    AUTO(catalog_tx) struct catalog_tx *t = tx_read(w);

    return catalog_tx_now(t);
}

static bool totp_check(const struct world *w, const char *user, const char *code)
{
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(w);
    bool is_right = false;

    CHECK_OK(catalog_totp_check(t, user, code, &is_right, e));
    tx_commit(&t);
    return is_right;
}

TEST(a_code_works_once_and_only_near_its_time)
{
    AUTO(world) struct world w;
    char id[CATALOG_ID_SIZE];
    char secret[CATALOG_TOTP_SECRET];
    char codes[CATALOG_RECOVERY_CODES][CATALOG_RECOVERY_SIZE];
    char code[7];
    int64_t now = 0;

    world_init(&w);
    user_put(&w, "ann", ROLE_ADMIN, id);
    catalog_totp_new(secret);
    now = now_of(&w);
    CHECK(catalog_totp_code(secret, now - 30 * NS_PER_S, code));
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_ERR(catalog_totp_set(t, id, secret, "12345", codes, e), ERR_DENIED);
    CHECK_OK(catalog_totp_set(t, id, secret, code, codes, e));
    tx_commit(&t);
    CHECK(!totp_check(&w, id, code));
    CHECK(catalog_totp_code(secret, now + 30 * NS_PER_S, code));
    CHECK(totp_check(&w, id, code));
    CHECK(!totp_check(&w, id, code));
    /* Of the step before the one that was used last. */
    CHECK(catalog_totp_code(secret, now, code));
    CHECK(!totp_check(&w, id, code));
    CHECK(catalog_totp_code(secret, now + 120 * NS_PER_S, code));
    CHECK(!totp_check(&w, id, code));
    CHECK(!totp_check(&w, id, ""));
}
END

TEST(a_recovery_code_works_once)
{
    AUTO(world) struct world w;
    char id[CATALOG_ID_SIZE];
    char secret[CATALOG_TOTP_SECRET];
    char codes[CATALOG_RECOVERY_CODES][CATALOG_RECOVERY_SIZE];
    char code[7];
    bool is_right = false;
    int64_t left = 0;

    world_init(&w);
    user_put(&w, "ann", ROLE_ADMIN, id);
    catalog_totp_new(secret);
    CHECK(catalog_totp_code(secret, now_of(&w), code));
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_totp_set(t, id, secret, code, codes, e));
    CHECK_OK(catalog_recovery_check(t, id, codes[3], &is_right, e));
    CHECK(is_right);
    CHECK_OK(catalog_recovery_check(t, id, codes[3], &is_right, e));
    CHECK(!is_right);
    CHECK_OK(catalog_recovery_count(t, id, &left, e));
    ck_assert_int_eq(left, CATALOG_RECOVERY_CODES - 1);
    tx_commit(&t);
}
END

TEST(a_secret_in_another_users_row_opens_nothing)
{
    AUTO(world) struct world w;
    char one[CATALOG_ID_SIZE];
    char two[CATALOG_ID_SIZE];
    char secret[CATALOG_TOTP_SECRET];
    char codes[CATALOG_RECOVERY_CODES][CATALOG_RECOVERY_SIZE];
    char code[7];
    bool is_right = false;

    world_init(&w);
    user_put(&w, "one", ROLE_ADMIN, one);
    user_put(&w, "two", ROLE_ADMIN, two);
    catalog_totp_new(secret);
    CHECK(catalog_totp_code(secret, now_of(&w) - 30 * NS_PER_S, code));
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_totp_set(t, one, secret, code, codes, e));
    tx_commit(&t);

    AUTO(mem) char *stored = world_value(&w, "SELECT totp FROM users WHERE name = 'one'");

    CHECK(strstr(stored, secret) == NULL);
    world_sql(&w, "UPDATE users SET totp = (SELECT totp FROM users WHERE name = 'one')"
                  " WHERE name = 'two'");
    CHECK(catalog_totp_code(secret, now_of(&w), code));
    t = tx_write(&w);
    CHECK_ERR(catalog_totp_check(t, two, code, &is_right, e), ERR_CORRUPT);
}
END

/* Trying */

static struct catalog_login login_try(const struct world *w, const char *account, const char *peer)
{
    struct catalog_login l = {0};

    CHECK_OK(catalog_login_try(w->catalog, account, peer, &l, e));
    return l;
}

TEST(who_guesses_waits_longer_and_longer_and_nobody_else_does)
{
    AUTO(world) struct world w;
    struct catalog_login l = {0};

    world_init(&w);
    for (int i = 0; i < 5; i++)
        CHECK(login_try(&w, "ann", "192.0.2.1").is_allowed);
    l = login_try(&w, "Ann", "192.0.2.77");
    CHECK(!l.is_allowed && l.wait_s == 1);
    CHECK(login_try(&w, "ann", "198.51.100.1").is_allowed);
    CHECK(login_try(&w, "ann", "2001:db8::1").is_allowed);
    CHECK(login_try(&w, "bob", "192.0.2.1").is_allowed);
    for (int i = 0; i < 3; i++) {
        world_sql(&w, "UPDATE login_failures SET until_ns = 1 WHERE until_ns > 0");
        CHECK(login_try(&w, "ann", "192.0.2.1").is_allowed);
    }
    l = login_try(&w, "ann", "::ffff:192.0.2.9");
    CHECK(!l.is_allowed && l.wait_s == 8);
    world_sql(&w, "UPDATE login_failures SET until_ns = 1, count = 60 WHERE until_ns > 0");
    world_sql(&w, "DELETE FROM login_failures WHERE bucket LIKE 'peer%'");
    CHECK(login_try(&w, "ann", "192.0.2.1").is_allowed);
    l = login_try(&w, "ann", "192.0.2.1");
    CHECK(!l.is_allowed && l.wait_s == 900);
}
END

TEST(a_login_that_succeeds_clears_its_network_but_not_its_address)
{
    AUTO(world) struct world w;

    world_init(&w);
    for (int i = 0; i < 30; i++) {
        AUTO(catalog_tx) struct catalog_tx *t = NULL;

        CHECK(login_try(&w, "ann", "192.0.2.1").is_allowed);
        t = tx_write(&w);
        CHECK_OK(catalog_login_succeeded(t, "ann", "192.0.2.1", e));
        tx_commit(&t);
    }
    CHECK(!login_try(&w, "ann", "192.0.2.1").is_allowed);
    CHECK(!login_try(&w, "somebody", "192.0.2.1").is_allowed);
    CHECK(login_try(&w, "ann", "192.0.2.2").is_allowed);
}
END

TEST(an_account_that_is_guessed_at_from_everywhere_needs_the_second_factor)
{
    AUTO(world) struct world w;
    char peer[32];
    AUTO(catalog_tx) struct catalog_tx *t = NULL;

    world_init(&w);
    for (int i = 0; i < 100; i++) {
        (void)snprintf(peer, sizeof(peer), "10.0.%d.1", i);
        CHECK(!login_try(&w, "ann", peer).needs_second_factor);
    }
    CHECK(login_try(&w, "ann", "10.1.0.1").needs_second_factor);
    CHECK(login_try(&w, "ann", "10.1.1.1").is_allowed);
    CHECK(!login_try(&w, "bob", "10.1.2.1").needs_second_factor);
    t = tx_write(&w);
    CHECK_OK(catalog_login_unlock(t, "ANN", e));
    tx_commit(&t);
    CHECK(!login_try(&w, "ann", "10.1.0.1").needs_second_factor);
}
END

TEST(where_somebody_has_logged_in_the_password_does_whoever_guesses_elsewhere)
{
    AUTO(world) struct world w;
    char peer[32];
    AUTO(catalog_tx) struct catalog_tx *t = NULL;

    world_init(&w);
    CHECK(login_try(&w, "ann", "192.0.2.1").is_allowed);
    t = tx_write(&w);
    CHECK_OK(catalog_login_succeeded(t, "ann", "192.0.2.1", e));
    tx_commit(&t);
    for (int i = 0; i < 120; i++) {
        (void)snprintf(peer, sizeof(peer), "10.0.%d.1", i);
        CHECK(login_try(&w, "ann", peer).is_allowed);
    }
    CHECK(!login_try(&w, "ANN", "192.0.2.9").needs_second_factor);
    CHECK(login_try(&w, "ann", "192.0.3.1").needs_second_factor);
    /* It is known for longer than failures are, and not for ever; nobody else is known there. */
    world_sql(&w, "UPDATE login_failures SET last_ns = 1 WHERE bucket LIKE 'known:%'");
    t = tx_write(&w);
    CHECK_OK(catalog_login_forget(t, e));
    tx_commit(&t);
    CHECK(!login_try(&w, "ann", "192.0.2.1").needs_second_factor);
    world_sql(&w, "UPDATE login_failures SET until_ns = 1 WHERE bucket LIKE 'known:%'");
    CHECK(login_try(&w, "ann", "192.0.2.1").needs_second_factor);
    t = tx_write(&w);
    CHECK_OK(catalog_login_forget(t, e));
    tx_commit(&t);
    world_sql(
        &w, "UPDATE login_failures SET until_ns = 9000000000000000000 WHERE bucket LIKE 'known:%'");
    CHECK(login_try(&w, "ann", "192.0.2.1").needs_second_factor);
}
END

TEST(failures_are_remembered_by_the_next_process)
{
    AUTO(world) struct world w;

    world_init(&w);
    for (int i = 0; i < 5; i++)
        CHECK(login_try(&w, "ann", "192.0.2.1").is_allowed);
    catalog_close(w.catalog);
    w.catalog = world_open(&w);
    CHECK(!login_try(&w, "ann", "192.0.2.1").is_allowed);
}
END

TEST(a_second_factor_may_be_tried_five_times)
{
    AUTO(world) struct world w;
    struct catalog_login l = {0};

    world_init(&w);
    for (int i = 0; i < 5; i++) {
        CHECK_OK(catalog_factor_try(w.catalog, "0123", &l, e));
        CHECK(l.is_allowed);
    }
    CHECK_OK(catalog_factor_try(w.catalog, "0123", &l, e));
    CHECK(!l.is_allowed && l.wait_s > 290);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_factor_succeeded(t, "0123", e));
    tx_commit(&t);
    CHECK_OK(catalog_factor_try(w.catalog, "0123", &l, e));
    CHECK(l.is_allowed);
}
END

TESTS_BETWEEN("factors", world_begin, world_end,
              a_token_comes_back_as_it_was_made_and_lives_ninety_days,
              a_token_that_is_changed_over_or_revoked_is_none,
              a_token_of_a_user_is_no_more_than_its_user, tokens_without_limits_are_refused,
              codes_are_those_of_the_rfc, a_code_works_once_and_only_near_its_time,
              a_recovery_code_works_once, a_secret_in_another_users_row_opens_nothing,
              who_guesses_waits_longer_and_longer_and_nobody_else_does,
              a_login_that_succeeds_clears_its_network_but_not_its_address,
              an_account_that_is_guessed_at_from_everywhere_needs_the_second_factor,
              where_somebody_has_logged_in_the_password_does_whoever_guesses_elsewhere,
              failures_are_remembered_by_the_next_process, a_second_factor_may_be_tried_five_times)
