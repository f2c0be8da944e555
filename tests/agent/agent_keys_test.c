/* How long keys are kept. */
#include "support/test.h"

#include "agent/agent_keys.h"

#define IDLE 100
#define LIFE 250

static struct agent_keys keys_new(void)
{
    return (struct agent_keys){.idle_ns = IDLE, .life_ns = LIFE};
}

static void put(struct agent_keys *k, uint8_t fill, int64_t now)
{
    struct agent_key key;

    memset(&key, fill, sizeof(key));
    agent_keys_put(k, &key, now);
}

static bool has(struct agent_keys *k, uint8_t fill, int64_t now)
{
    uint8_t name[AGENT_NAME_SIZE];
    uint8_t wanted[AGENT_SEALED_SIZE];
    uint8_t sealed[AGENT_SEALED_SIZE] = {0};

    memset(name, fill, sizeof(name));
    memset(wanted, fill, sizeof(wanted));
    return agent_keys_get(k, name, now, sealed) && memcmp(sealed, wanted, sizeof(sealed)) == 0;
}

/* What stands behind the keys that are kept. */
static bool rest_is_wiped(const struct agent_keys *k)
{
    static const struct agent_kept none;

    for (size_t i = k->count; i < AGENT_KEYS_MAX; i++)
        if (memcmp(&k->items[i], &none, sizeof(none)) != 0)
            return false;
    return true;
}

TEST(a_key_is_there_by_its_own_name_only)
{
    struct agent_keys k = keys_new();

    CHECK(!has(&k, 1, 0));
    put(&k, 1, 0);
    CHECK(has(&k, 1, 1));
    CHECK(!has(&k, 2, 1));
}
END

TEST(a_key_that_nobody_asks_for_is_wiped)
{
    struct agent_keys k = keys_new();

    put(&k, 1, 0);
    CHECK(has(&k, 1, IDLE - 1));
    CHECK(!has(&k, 1, 2 * IDLE - 1));
    CHECK(k.count == 0 && rest_is_wiped(&k));
}
END

TEST(a_key_that_is_asked_for_ends_with_its_life)
{
    struct agent_keys k = keys_new();

    put(&k, 1, 0);
    for (int64_t now = 0; now < LIFE; now += IDLE / 2)
        CHECK(has(&k, 1, now));
    CHECK(has(&k, 1, LIFE - 1));
    CHECK(!has(&k, 1, LIFE));
    CHECK(rest_is_wiped(&k));
}
END

TEST(each_key_has_its_own_time)
{
    struct agent_keys k = keys_new();

    put(&k, 1, 0);
    put(&k, 2, IDLE / 2);
    put(&k, 3, IDLE / 2);
    agent_keys_expire(&k, IDLE);
    CHECK(k.count == 2 && rest_is_wiped(&k));
    CHECK(!has(&k, 1, IDLE) && has(&k, 2, IDLE) && has(&k, 3, IDLE));
}
END

TEST(a_key_that_is_put_again_replaces_the_first)
{
    struct agent_keys k = keys_new();

    put(&k, 1, 0);
    put(&k, 1, IDLE / 2);
    CHECK(k.count == 1);
    CHECK(has(&k, 1, IDLE + 1));
}
END

TEST(when_it_is_full_the_key_that_was_longest_unused_goes)
{
    struct agent_keys k = keys_new();

    for (uint8_t i = 0; i < AGENT_KEYS_MAX; i++)
        put(&k, i, i);
    CHECK(has(&k, 0, AGENT_KEYS_MAX));
    put(&k, 200, AGENT_KEYS_MAX);
    CHECK(k.count == AGENT_KEYS_MAX);
    CHECK(!has(&k, 1, AGENT_KEYS_MAX));
    CHECK(has(&k, 0, AGENT_KEYS_MAX) && has(&k, 2, AGENT_KEYS_MAX) && has(&k, 200, AGENT_KEYS_MAX));
}
END

TEST(forgetting_wipes_all_and_counts_what_was_there)
{
    struct agent_keys k = keys_new();

    put(&k, 1, 0);
    put(&k, 2, IDLE / 2);
    put(&k, 3, IDLE / 2);
    CHECK(agent_keys_forget(&k, IDLE) == 2); /* the first is over by then */
    CHECK(k.count == 0 && rest_is_wiped(&k));
    CHECK(agent_keys_forget(&k, IDLE) == 0);
}
END

TEST(a_list_says_what_is_left_and_how_often_it_was_used)
{
    struct agent_keys k = {.idle_ns = INT64_C(100) * 1000000000,
                           .life_ns = INT64_C(150) * 1000000000};
    struct agent_row rows[AGENT_KEYS_MAX];

    put(&k, 1, 0);
    CHECK(has(&k, 1, INT64_C(60) * 1000000000));
    CHECK(agent_keys_list(&k, INT64_C(60) * 1000000000, rows) == 1);
    CHECK(rows[0].uses == 1 && rows[0].left_s == 90);
    CHECK(rows[0].repository[0] == 1 && rows[0].slot[AGENT_ID_SIZE - 1] == 1);
}
END

TESTS("agent_keys", a_key_is_there_by_its_own_name_only, a_key_that_nobody_asks_for_is_wiped,
      a_key_that_is_asked_for_ends_with_its_life, each_key_has_its_own_time,
      a_key_that_is_put_again_replaces_the_first,
      when_it_is_full_the_key_that_was_longest_unused_goes,
      forgetting_wipes_all_and_counts_what_was_there,
      a_list_says_what_is_left_and_how_often_it_was_used)
