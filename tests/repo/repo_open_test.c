#include <string.h>

#include "base/mem.h"
#include "repo/object.h"
#include "support/test.h"

static const uint8_t secret[32] = {1, 2, 3};
static const struct unlock with = {UNLOCK_KEY_FILE, {secret, sizeof(secret)}};

static bool opens(struct store *s)
{
    AUTO(repo) struct repo *r = NULL;
    struct err e;

    return repo_open(s, &with, &r, &e);
}

static struct repo *repo_in(struct store *s)
{
    struct repo *r = NULL;

    CHECK_OK(repo_create(s, &with, "first", &r, e));
    return r;
}

/* Put other bytes in the place of the config. */
static void config_replace(struct store *s, struct slice bytes)
{
    CHECK_OK(store_put(s, "config", bytes, PUT_REPLACE, e));
}

TEST(repository_opens_as_it_was_made)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *made = repo_in(s);
    AUTO(repo) struct repo *r = NULL;
    int64_t created_ns = 0;
    char id[33];
    char made_id[33];

    CHECK_OK(repo_open(s, &with, &r, e));
    repo_id_text(r, id);
    repo_id_text(made, made_id);
    CHECK(strcmp(id, made_id) == 0);
    repo_created(r, &created_ns);
    CHECK(created_ns == made->created_ns && created_ns > 0);
    CHECK(equal_ct(r->keys, made->keys, sizeof(*r->keys)));
    CHECK(equal_ct(r->writer, made->writer, sizeof(r->writer)));
    CHECK(strcmp(r->slot, made->slot) == 0);
    CHECK(repo_store(r) == s && repo_cutter(r) != NULL);
}
END

TEST(repositories_share_no_key_and_no_writer)
{
    AUTO(store) struct store *s1 = store_memory_new();
    AUTO(store) struct store *s2 = store_memory_new();
    AUTO(repo) struct repo *a = repo_in(s1);
    AUTO(repo) struct repo *b = repo_in(s2);

    CHECK(!equal_ct(repo_newest(a)->master, repo_newest(b)->master, SEAL_KEY_SIZE));
    CHECK(!equal_ct(a->keys->chunk_id, b->keys->chunk_id, SEAL_KEY_SIZE));
    CHECK(!equal_ct(a->keys->cut, b->keys->cut, SEAL_KEY_SIZE));
    CHECK(!equal_ct(repo_newest(a)->meta, repo_newest(a)->content, SEAL_KEY_SIZE));
    CHECK(memcmp(a->id, b->id, sizeof(a->id)) != 0);
    CHECK(memcmp(a->writer, b->writer, sizeof(a->writer)) != 0);
}
END

TEST(place_that_is_taken_is_left_alone)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(store) struct store *half = store_memory_new();
    AUTO(repo) struct repo *r = NULL;
    const char *slot = "keys/00112233445566778899aabbccddeeff";

    repo_close(repo_in(s));
    CHECK_ERR(repo_create(s, &with, "", &r, e), ERR_EXISTS);
    CHECK(opens(s));
    CHECK_OK(store_put(half, slot, slice_string("x"), PUT_NEW, e));
    CHECK_ERR(repo_create(half, &with, "", &r, e), ERR_EXISTS);
}
END

TEST(what_a_creation_left_that_was_killed_is_no_hindrance_and_anything_else_is)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = NULL;
    AUTO(mem) struct key_slot *slots = NULL;
    size_t count = 0;

    repo_close(repo_in(s));
    CHECK_OK(store_remove(s, "config", e));
    for (size_t i = 0; i < 3; i++) {
        static const char *const others[] = {"packs/00/x", "parity/switch", "keys/stray"};

        CHECK_OK(store_put(s, others[i], slice_string("x"), PUT_NEW, e));
        CHECK_ERR(repo_create(s, &with, "", &r, e), ERR_EXISTS);
        CHECK_ERR(repo_open(s, &with, &r, e), ERR_NOT_FOUND);
        CHECK_OK(store_remove(s, others[i], e));
    }
    CHECK_OK(repo_create(s, &with, "", &r, e));
    CHECK_OK(key_list(r, &slots, &count, e));
    CHECK(count == 1 && slots[0].is_current);
    CHECK(opens(s));
}
END

TEST(place_without_config_holds_no_repository)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = NULL;

    CHECK_ERR(repo_open(s, &with, &r, e), ERR_NOT_FOUND);
    r = repo_in(s);
    CHECK_OK(store_remove(s, "config", e));
    CHECK_ERR(repo_open(s, &with, &r, e), ERR_NOT_FOUND);
}
END

TEST(config_with_a_flipped_bit_does_not_open)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(buf) struct buf config = {0};

    repo_close(repo_in(s));
    CHECK_OK(store_get_all(s, "config", &config, e));
    for (size_t i = 0; i < config.size * 8; i++) {
        config.data[i / 8] ^= (uint8_t)(1U << i % 8);
        config_replace(s, buf_slice(&config));
        CHECK(!opens(s));
        config.data[i / 8] ^= (uint8_t)(1U << i % 8);
    }
    config_replace(s, buf_slice(&config));
    CHECK(opens(s));
}
END

TEST(config_that_is_cut_off_or_no_config_is_corrupt)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *made = repo_in(s);
    AUTO(repo) struct repo *r = NULL;
    AUTO(buf) struct buf config = {0};
    AUTO(buf) struct buf commit = {0};

    CHECK_OK(store_get_all(s, "config", &config, e));
    for (size_t n = 0; n < config.size; n++) {
        config_replace(s, SLICE_OF(config.data, n));
        CHECK_ERR(repo_open(s, &with, &r, e), ERR_CORRUPT);
    }
    document_seal(made, CLASS_COMMIT, slice_string("{}"), &commit);
    config_replace(s, buf_slice(&commit));
    CHECK_ERR(repo_open(s, &with, &r, e), ERR_CORRUPT);
}
END

TEST(newer_repository_is_named_as_such)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *made = repo_in(s);
    AUTO(repo) struct repo *r = NULL;
    AUTO(buf) struct buf config = {0};
    AUTO(buf) struct buf newer = {0};

    CHECK_OK(store_get_all(s, "config", &config, e));
    config.data[8] = 2;
    config_replace(s, buf_slice(&config));
    CHECK_ERR(repo_open(s, &with, &r, e), ERR_USAGE);
    document_seal(made, CLASS_CONFIG, slice_string("{\"version\":2}"), &newer);
    config_replace(s, buf_slice(&newer));
    CHECK_ERR(repo_open(s, &with, &r, e), ERR_USAGE);
}
END

#define HEX_64 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define CONFIG(version, id, suite)                                                     \
    "{\"version\":" version ",\"id\":\"" id "\",\"created\":\"2026-11-21T01:30:00Z\"," \
    "\"id_key\":\"" HEX_64 "\",\"chunk_key\":\"" HEX_64 "\",\"suite\":" suite "}"

/* Put this config, with the repository's id for "%s", and try to open. */
static bool opens_with(struct store *s, struct repo *made, const char *text, struct err *e)
{
    AUTO(repo) struct repo *r = NULL;
    AUTO(buf) struct buf json = {0};
    AUTO(buf) struct buf config = {0};
    const char *hole = strstr(text, "%s");
    char id[33];

    repo_id_text(made, id);
    if (hole == NULL)
        buf_append(&json, text, strlen(text));
    else
        buf_printf(&json, "%.*s%s%s", (int)(hole - text), text, id, hole + 2);
    document_seal(made, CLASS_CONFIG, buf_slice(&json), &config);
    config_replace(s, buf_slice(&config));
    return repo_open(s, &with, &r, e);
}

TEST(config_with_missing_or_wrong_members_is_corrupt)
{
    static const char *const bad[] = {
        "[]",
        "{}",
        "{\"version\":1}",
        "{\"version\":1,\"id\":\"00\"}",
        CONFIG("1", "00000000000000000000000000000000", "1"),
        CONFIG("1", "%s", "2"),
        CONFIG("0", "%s", "1"),
    };
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *made = repo_in(s);

    CHECK_OK(opens_with(s, made, CONFIG("1", "%s", "1"), e));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(opens_with(s, made, bad[i], e), ERR_CORRUPT);
}
END

TEST(config_of_another_repository_does_not_open)
{
    AUTO(store) struct store *s1 = store_memory_new();
    AUTO(store) struct store *s2 = store_memory_new();
    AUTO(repo) struct repo *r = NULL;
    AUTO(buf) struct buf config = {0};

    repo_close(repo_in(s1));
    repo_close(repo_in(s2));
    CHECK_OK(store_get_all(s2, "config", &config, e));
    config_replace(s1, buf_slice(&config));
    CHECK_ERR(repo_open(s1, &with, &r, e), ERR_CORRUPT);
}
END

static void create_with_fault(enum fault_mode mode)
{
    bool is_done = false;

    for (int at = 0; !is_done; at++) {
        AUTO(store) struct store *disk = store_memory_new();
        AUTO(store)
        struct store *flaky =
            store_fault_new(disk, (struct fault_plan){at, mode, ERR_TRANSIENT, false});
        AUTO(repo) struct repo *r = NULL;
        struct object_info info;
        struct err e;

        CHECK(at < 20);
        is_done = repo_create(flaky, &with, "", &r, &e);
        CHECK(is_done || e.code == ERR_TRANSIENT);
        if (store_stat(disk, "config", &info, &e))
            CHECK(opens(disk));
        else
            CHECK(!is_done && e.code == ERR_NOT_FOUND && !opens(disk));
        is_done = is_done && store_fault_calls(flaky) <= at;
    }
}

TEST(repository_exists_whole_or_not_whichever_store_call_fails)
{
    create_with_fault(FAULT_ONCE);
    create_with_fault(FAULT_FROM);
    create_with_fault(FAULT_LOST_REPLY);
}
END

TEST(open_reports_the_failure_of_the_store)
{
    AUTO(store) struct store *disk = store_memory_new();
    bool is_done = false;

    repo_close(repo_in(disk));
    for (int at = 0; !is_done; at++) {
        AUTO(store)
        struct store *flaky =
            store_fault_new(disk, (struct fault_plan){at, FAULT_ONCE, ERR_TRANSIENT, false});
        AUTO(repo) struct repo *r = NULL;
        struct err e;

        CHECK(at < 20);
        is_done = repo_open(flaky, &with, &r, &e);
        CHECK(is_done || e.code == ERR_TRANSIENT);
    }
}
END

TESTS("repo_open", repository_opens_as_it_was_made, repositories_share_no_key_and_no_writer,
      what_a_creation_left_that_was_killed_is_no_hindrance_and_anything_else_is,
      place_that_is_taken_is_left_alone, place_without_config_holds_no_repository,
      config_with_a_flipped_bit_does_not_open, config_that_is_cut_off_or_no_config_is_corrupt,
      newer_repository_is_named_as_such, config_with_missing_or_wrong_members_is_corrupt,
      config_of_another_repository_does_not_open,
      repository_exists_whole_or_not_whichever_store_call_fails,
      open_reports_the_failure_of_the_store)
