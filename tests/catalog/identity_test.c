/* Passwords, users, sessions. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "catalog/world.h"

static void session_put(const struct world *w, const char *user, char token[CATALOG_SESSION_TOKEN])
{
    const struct catalog_session_start s = {.user = user, .peer = "192.0.2.1", .agent = "test\n"};
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(w);

    CHECK_OK(catalog_session_new(t, &s, token, e));
    tx_commit(&t);
}

static bool session_use(const struct world *w, const char *token, struct err *e)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_session s = {0};

    return catalog_session_use(w->catalog, token, &a, &s, e);
}

/* Passwords */

TEST(a_password_is_right_or_wrong)
{
    AUTO(world) struct world w;
    char hash[CATALOG_PASSWORD_HASH];
    bool is_right = false;
    const struct slice password = slice_string("correct horse battery");

    world_init(&w);
    CHECK_OK(catalog_password_hash(w.catalog, "ann", password, hash, e));
    CHECK(strncmp(hash, "$argon2id$v=19$m=65536,t=3,p=1$", 31) == 0);
    CHECK_OK(catalog_password_check(w.catalog, hash, password, &is_right, e));
    CHECK(is_right);
    CHECK_OK(catalog_password_check(w.catalog, hash, slice_string("correct horse batterz"),
                                    &is_right, e));
    CHECK(!is_right);
    CHECK_OK(catalog_password_check(w.catalog, NULL, password, &is_right, e));
    CHECK(!is_right);
    CHECK_OK(catalog_password_check(w.catalog, hash, (struct slice){0}, &is_right, e));
    CHECK(!is_right);
}
END

TEST(passwords_that_anybody_guesses_are_refused)
{
    AUTO(world) struct world w;
    char hash[CATALOG_PASSWORD_HASH];
    char long_one[CATALOG_PASSWORD_MAX + 2];
    const char *const bad[] = {"1234567",  "",          "password", "PassWord1", "12345678",
                               "zzzzzzzz", "annabella", "iloveyou", long_one,    "abcdef\xff\xfe"};

    memset(long_one, 'x', sizeof(long_one) - 1);
    long_one[0] = 'y';
    long_one[sizeof(long_one) - 1] = '\0';
    world_init(&w);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(catalog_password_hash(w.catalog, "Annabella", slice_string(bad[i]), hash, e),
                  ERR_USAGE);
}
END

TEST(a_stored_password_that_asks_for_more_memory_is_not_computed)
{
    AUTO(world) struct world w;
    bool is_right = false;
    const char *const bad[] = {
        "$argon2id$v=19$m=4194304,t=3,p=1$c29tZXNhbHRzb21lc2FsdA$"
        "K7yjCdvAaqeDdqoNSaGUhYMqNPqYn3jNL0cIO5mC1kU",
        "$argon2id$v=19$m=65536,t=3000,p=1$c29tZXNhbHRzb21lc2FsdA$"
        "K7yjCdvAaqeDdqoNSaGUhYMqNPqYn3jNL0cIO5mC1kU",
        "plain",
        "",
    };

    world_init(&w);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(
            catalog_password_check(w.catalog, bad[i], slice_string("something"), &is_right, e),
            ERR_CORRUPT);
}
END

struct hasher {
    struct catalog *catalog;
    atomic_int done, refused;
};

static void *hash_one(void *arg)
{
    struct hasher *h = arg;
    bool is_right = false;
    struct err e = {0};

    if (catalog_password_check(h->catalog, NULL, slice_string("something"), &is_right, &e))
        atomic_fetch_add(&h->done, 1);
    else if (e.code == ERR_TRANSIENT)
        atomic_fetch_add(&h->refused, 1);
    return NULL;
}

TEST(many_logins_at_once_take_the_memory_of_two)
{
    AUTO(world) struct world w;
    pthread_t threads[40];
    struct hasher h = {0};

    world_init(&w);
    h.catalog = w.catalog;
    for (size_t i = 0; i < 40; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, hash_one, &h), 0);
    for (size_t i = 0; i < 40; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_int_eq(h.done + h.refused, 40);
    CHECK(h.done >= 18 && h.refused > 0);
}
END

/* Users */

TEST(a_user_is_found_in_any_case_of_letters_and_is_there_once)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_user u = {0};
    char id[CATALOG_ID_SIZE];
    const struct catalog_new_user again = {
        .name = "ann@example.ORG", .role = ROLE_VIEWER, .password = some_hash};

    world_init(&w);
    user_put(&w, "Ann@Example.org", ROLE_MANAGER, id);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_user_find(t, "ANN@example.org", &a, &u, e));
    ck_assert_str_eq(u.id, id);
    ck_assert_str_eq(u.name, "ann@example.org");
    ck_assert_str_eq(u.password, some_hash);
    ck_assert_int_eq(u.role, ROLE_MANAGER);
    CHECK_ERR(catalog_user_find(t, "bob", &a, &u, e), ERR_NOT_FOUND);
    CHECK_ERR(catalog_user_find(t, "a b' OR 1=1 --", &a, &u, e), ERR_NOT_FOUND);
    CHECK_ERR(catalog_user_add(t, &again, id, e), ERR_EXISTS);
}
END

TEST(odd_names_are_no_users)
{
    AUTO(world) struct world w;
    char id[CATALOG_ID_SIZE];
    const char *const bad[] = {"", "a b", ".ann", "-ann", "a/b", "ann\n", "\xc3\xa4nn", "a'b"};

    world_init(&w);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const struct catalog_new_user u = {.name = bad[i], .password = some_hash};
        AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);

        CHECK_ERR(catalog_user_add(t, &u, id, e), ERR_USAGE);
    }
}
END

TEST(the_last_super_admin_stays)
{
    AUTO(world) struct world w;
    char one[CATALOG_ID_SIZE];
    char two[CATALOG_ID_SIZE];
    AUTO(catalog_tx) struct catalog_tx *t = NULL;

    world_init(&w);
    user_put(&w, "one", ROLE_SUPER_ADMIN, one);
    user_put(&w, "two", ROLE_SUPER_ADMIN, two);
    t = tx_write(&w);
    CHECK_OK(catalog_user_set_disabled(t, two, true, e));
    tx_commit(&t);
    t = tx_write(&w);
    CHECK_ERR(catalog_user_set_role(t, one, ROLE_ADMIN, e), ERR_USAGE);
    CHECK_ERR(catalog_commit(&t, e), ERR_FATAL);
    t = tx_write(&w);
    CHECK_ERR(catalog_user_set_disabled(t, one, true, e), ERR_USAGE);
    catalog_tx_auto(&t);
    t = tx_write(&w);
    CHECK_ERR(catalog_user_remove(t, one, e), ERR_USAGE);
    catalog_tx_auto(&t);
    t = tx_write(&w);
    CHECK_OK(catalog_user_set_disabled(t, two, false, e));
    CHECK_OK(catalog_user_remove(t, one, e));
    tx_commit(&t);
}
END

/* Sessions */

TEST(a_session_is_its_users_until_it_ends)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_session s = {0};
    char id[CATALOG_ID_SIZE];
    char token[CATALOG_SESSION_TOKEN];

    world_init(&w);
    user_put(&w, "ann", ROLE_MANAGER, id);
    session_put(&w, id, token);
    CHECK_OK(catalog_session_use(w.catalog, token, &a, &s, e));
    ck_assert_str_eq(s.user.name, "ann");
    ck_assert_str_eq(s.peer, "192.0.2.1");
    ck_assert_str_eq(s.agent, "test");
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_session_end(t, id, s.id, e));
    tx_commit(&t);
    CHECK_ERR(session_use(&w, token, e), ERR_DENIED);
    CHECK_ERR(session_use(&w, "", e), ERR_DENIED);
    token[0] = token[0] == 'a' ? 'b' : 'a';
    CHECK_ERR(session_use(&w, token, e), ERR_DENIED);
}
END

TEST(no_token_stands_in_the_database)
{
    AUTO(world) struct world w;
    char id[CATALOG_ID_SIZE];
    char token[CATALOG_SESSION_TOKEN];

    world_init(&w);
    user_put(&w, "ann", ROLE_MANAGER, id);
    session_put(&w, id, token);

    AUTO(mem) char *hash = world_value(&w, "SELECT hash FROM sessions");

    CHECK(strcmp(hash, token) != 0 && strlen(hash) == 64);
}
END

TEST(what_changes_a_users_rights_ends_the_sessions)
{
    AUTO(world) struct world w;
    char root[CATALOG_ID_SIZE];
    char id[CATALOG_ID_SIZE];
    char token[CATALOG_SESSION_TOKEN];

    world_init(&w);
    user_put(&w, "root", ROLE_SUPER_ADMIN, root);
    user_put(&w, "ann", ROLE_VIEWER, id);
    for (int i = 0; i < 3; i++) {
        AUTO(catalog_tx) struct catalog_tx *t = NULL;

        session_put(&w, id, token);
        CHECK_OK(session_use(&w, token, e));
        t = tx_write(&w);
        if (i == 0)
            CHECK_OK(catalog_user_set_role(t, id, ROLE_ADMIN, e));
        else if (i == 1)
            CHECK_OK(catalog_user_set_password(t, id, some_hash, false, e));
        else
            CHECK_OK(catalog_user_set_disabled(t, id, true, e));
        tx_commit(&t);
        CHECK_ERR(session_use(&w, token, e), ERR_DENIED);
    }
    session_put(&w, id, token);
    CHECK_ERR(session_use(&w, token, e), ERR_DENIED);
}
END

/* Tokens that stand in no table are signed for this version of their user (cfms_account.c). */
TEST(ending_all_sessions_of_a_user_makes_another_version_of_him_alone)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    char ids[2][CATALOG_ID_SIZE];
    char tokens[2][CATALOG_SESSION_TOKEN];
    struct catalog_user before[2];
    struct catalog_user after[2];

    world_init(&w);
    user_put(&w, "ann", ROLE_ADMIN, ids[0]);
    user_put(&w, "bob", ROLE_ADMIN, ids[1]);
    session_put(&w, ids[0], tokens[0]);
    session_put(&w, ids[1], tokens[1]);

    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);

    for (int i = 0; i < 2; i++)
        CHECK_OK(catalog_user_get(t, ids[i], &a, &before[i], e));
    CHECK_OK(catalog_session_end_all(t, ids[0], e));
    for (int i = 0; i < 2; i++)
        CHECK_OK(catalog_user_get(t, ids[i], &a, &after[i], e));
    tx_commit(&t);
    CHECK(after[0].version > before[0].version && after[1].version == before[1].version);
    CHECK_ERR(session_use(&w, tokens[0], e), ERR_DENIED);
    CHECK_OK(session_use(&w, tokens[1], e));
}
END

TEST(sessions_end_by_idleness_and_by_age)
{
    AUTO(world) struct world w;
    char admin[CATALOG_ID_SIZE];
    char viewer[CATALOG_ID_SIZE];
    char of_admin[CATALOG_SESSION_TOKEN];
    char of_viewer[CATALOG_SESSION_TOKEN];

    world_init(&w);
    user_put(&w, "root", ROLE_ADMIN, admin);
    user_put(&w, "ann", ROLE_VIEWER, viewer);
    session_put(&w, admin, of_admin);
    session_put(&w, viewer, of_viewer);
    world_sql(&w, "UPDATE sessions SET seen_ns = seen_ns - 901000000000");
    CHECK_ERR(session_use(&w, of_admin, e), ERR_DENIED);
    CHECK_OK(session_use(&w, of_viewer, e));
    /* Having been used it begins to wait anew. */
    world_sql(&w, "UPDATE sessions SET seen_ns = seen_ns - 3500000000000");
    CHECK_OK(session_use(&w, of_viewer, e));
    world_sql(&w, "UPDATE sessions SET created_ns = created_ns - 43201000000000");
    CHECK_ERR(session_use(&w, of_viewer, e), ERR_DENIED);
}
END

TEST(a_user_has_five_sessions_at_most_and_the_oldest_goes)
{
    AUTO(world) struct world w;
    char id[CATALOG_ID_SIZE];
    char tokens[6][CATALOG_SESSION_TOKEN];

    world_init(&w);
    user_put(&w, "ann", ROLE_VIEWER, id);
    for (int i = 0; i < 6; i++)
        session_put(&w, id, tokens[i]);
    CHECK_ERR(session_use(&w, tokens[0], e), ERR_DENIED);
    for (int i = 1; i < 6; i++)
        CHECK_OK(session_use(&w, tokens[i], e));
}
END

TEST(a_step_up_changes_the_token)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_session s = {0};
    char id[CATALOG_ID_SIZE];
    char token[CATALOG_SESSION_TOKEN];
    char next[CATALOG_SESSION_TOKEN];

    world_init(&w);
    user_put(&w, "ann", ROLE_VIEWER, id);
    session_put(&w, id, token);
    CHECK_OK(catalog_session_use(w.catalog, token, &a, &s, e));
    ck_assert_int_eq(s.stepped_up_ns, 0);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_session_step_up(t, s.id, next, e));
    tx_commit(&t);
    CHECK_ERR(session_use(&w, token, e), ERR_DENIED);
    CHECK_OK(catalog_session_use(w.catalog, next, &a, &s, e));
    CHECK(s.stepped_up_ns != 0);
}
END

TESTS_BETWEEN("identity", world_begin, world_end, a_password_is_right_or_wrong,
              passwords_that_anybody_guesses_are_refused,
              a_stored_password_that_asks_for_more_memory_is_not_computed,
              many_logins_at_once_take_the_memory_of_two,
              a_user_is_found_in_any_case_of_letters_and_is_there_once, odd_names_are_no_users,
              the_last_super_admin_stays, a_session_is_its_users_until_it_ends,
              no_token_stands_in_the_database, what_changes_a_users_rights_ends_the_sessions,
              ending_all_sessions_of_a_user_makes_another_version_of_him_alone,
              sessions_end_by_idleness_and_by_age,
              a_user_has_five_sessions_at_most_and_the_oldest_goes, a_step_up_changes_the_token)
