#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "repo/epochs.h"
#include "repo/slot.h"
#include "support/test.h"

/* Key files with different secrets. */
static const uint8_t secrets[4][32] = {{1}, {2}, {3}, {4}};

static struct unlock key_file(size_t n)
{
    return (struct unlock){UNLOCK_KEY_FILE, {secrets[n], sizeof(secrets[n])}};
}

static struct unlock password(const char *text)
{
    return (struct unlock){UNLOCK_PASSPHRASE, slice_string(text)};
}

static bool opens(struct store *s, size_t n)
{
    const struct unlock with = key_file(n);
    AUTO(repo) struct repo *r = NULL;
    struct err e;

    return repo_open(s, &with, &r, &e);
}

/* Open with a key file that opens nothing and return the sentence. */
static struct err refusal(struct store *s, struct unlock with)
{
    AUTO(repo) struct repo *r = NULL;
    struct err e = {0};

    CHECK(!repo_open(s, &with, &r, &e));
    return e;
}

/* A repository that key file 0 opens. */
static struct repo *repo_in(struct store *s)
{
    const struct unlock with = key_file(0);
    struct repo *r = NULL;

    CHECK_OK(repo_create(s, &with, "first", &r, e));
    return r;
}

static struct key_slot slot_add(struct repo *r, size_t n, const char *label)
{
    const struct unlock with = key_file(n);
    struct key_slot slot = {0};

    CHECK_OK(key_add(r, &with, label, &slot, e));
    return slot;
}

static void slot_bytes(struct store *s, const char *id, struct buf *out)
{
    AUTO(buf) struct buf key = {0};

    buf_printf(&key, "keys/%s", id);
    CHECK_OK(store_get_all(s, buf_string(&key), out, e));
}

static void slot_replace(struct store *s, const char *id, struct slice bytes)
{
    AUTO(buf) struct buf key = {0};

    buf_printf(&key, "keys/%s", id);
    CHECK_OK(store_put(s, buf_string(&key), bytes, PUT_REPLACE, e));
}

static size_t slot_count(struct repo *r)
{
    AUTO(mem) struct key_slot *slots = NULL;
    size_t count = 0;

    CHECK_OK(key_list(r, &slots, &count, e));
    return count;
}

TEST(password_opens_and_another_does_not)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *made = NULL;
    AUTO(repo) struct repo *r = NULL;
    const struct unlock right = password("correct horse");
    const struct unlock empty = password("");
    struct err why;

    CHECK_ERR(repo_create(s, &empty, "", &made, e), ERR_USAGE);
    CHECK_OK(repo_create(s, &right, "", &made, e));
    CHECK_OK(repo_open(s, &right, &r, e));
    CHECK(equal_ct(r->keys, made->keys, sizeof(*r->keys)));
    why = refusal(s, password("correct horsf"));
    CHECK(why.code == ERR_DENIED && strcmp(why.text, "wrong password") == 0);
    why = refusal(s, key_file(0));
    CHECK(why.code == ERR_DENIED && strstr(why.text, "no key slot for a key file") != NULL);
}
END

TEST(wrong_key_file_is_denied)
{
    AUTO(store) struct store *s = store_memory_new();
    struct err e;

    repo_close(repo_in(s));
    e = refusal(s, key_file(1));

    CHECK(e.code == ERR_DENIED && strcmp(e.text, "this key file opens no key slot") == 0);
    e = refusal(s, password("x"));
    CHECK(e.code == ERR_DENIED && strstr(e.text, "no key slot for a password") != NULL);
}
END

TEST(added_slot_opens_until_it_is_removed)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(s);

    CHECK(!opens(s, 1));

    const struct key_slot slot = slot_add(r, 1, "second");

    CHECK(opens(s, 0) && opens(s, 1));
    CHECK_OK(key_remove(r, slot.id, e));
    CHECK(opens(s, 0) && !opens(s, 1));
    CHECK_ERR(key_remove(r, slot.id, e), ERR_NOT_FOUND);
}
END

TEST(slots_are_listed_by_age_with_what_is_known_of_them)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(mem) struct key_slot *slots = NULL;
    size_t count = 0;

    clock_set_for_tests(5 * NS_PER_S);

    AUTO(repo) struct repo *r = repo_in(s);

    clock_set_for_tests(3 * NS_PER_S);
    slot_add(r, 1, "younger brother \xc3\xa4");
    CHECK_OK(store_put(s, "keys/not-a-slot", slice_string("x"), PUT_NEW, e));
    CHECK_OK(key_list(r, &slots, &count, e));
    CHECK(count == 2);
    CHECK(strcmp(slots[0].label, "younger brother \xc3\xa4") == 0 && !slots[0].is_current);
    CHECK(strcmp(slots[1].label, "first") == 0 && slots[1].is_current);
    CHECK(slots[1].kind == UNLOCK_KEY_FILE && slots[1].created_ns >= 5 * NS_PER_S);
    CHECK(!slots[0].is_damaged && !slots[1].is_damaged);
}
END

TEST(label_that_cannot_be_kept_or_shown_is_refused)
{
    static const char *const bad[] = {
        "12345678901234567890123456789012345678901234567890123456789012345",
        "\xff",
        "a\x1b[2J",
        "a\xc2\x9b",
        "\x7f",
    };
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(s);
    const struct unlock with = key_file(1);
    struct key_slot slot;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(key_add(r, &with, bad[i], &slot, e), ERR_USAGE);
    slot = slot_add(r, 1, "1234567890123456789012345678901234567890123456789012345678901234");
    CHECK(strlen(slot.label) == 64);
}
END

TEST(last_slot_and_slot_in_use_are_not_removed)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(s);

    CHECK_ERR(key_remove(r, r->slot, e), ERR_USAGE);
    slot_add(r, 1, "");
    CHECK_ERR(key_remove(r, r->slot, e), ERR_USAGE);
    CHECK(opens(s, 0) && opens(s, 1));
}
END

TEST(slot_is_named_by_a_prefix_that_no_other_has)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(s);
    const struct key_slot slot = slot_add(r, 1, "");
    char prefix[KEY_SLOT_ID_MAX] = {0};
    size_t n = 0;

    while (n == 0 || strncmp(slot.id, r->slot, n) == 0) {
        CHECK_ERR(key_remove(r, prefix, e), ERR_USAGE);
        prefix[n] = slot.id[n];
        n++;
    }
    CHECK_OK(key_remove(r, prefix, e));
    CHECK(!opens(s, 1));
}
END

TEST(two_that_remove_each_others_slot_leave_one)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *a = repo_in(s);
    AUTO(repo) struct repo *b = NULL;
    const struct unlock with = key_file(1);

    slot_add(a, 1, "");
    const struct key_slot third = slot_add(a, 2, "");

    CHECK_OK(repo_open(s, &with, &b, e));
    CHECK_OK(key_remove(b, a->slot, e));
    CHECK_ERR(key_remove(a, b->slot, e), ERR_TRANSIENT);
    CHECK(opens(s, 1));
    CHECK_OK(key_remove(b, third.id, e));
    CHECK_ERR(key_remove(a, b->slot, e), ERR_USAGE);
    CHECK(opens(s, 1));
}
END

TEST(passwd_replaces_the_slot_in_use)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(s);
    AUTO(mem) struct key_slot *slots = NULL;
    const struct unlock with = key_file(1);
    size_t count = 0;

    slot_add(r, 2, "other");
    CHECK_OK(key_passwd(r, &with, e));
    CHECK(!opens(s, 0) && opens(s, 1) && opens(s, 2));
    CHECK_OK(key_list(r, &slots, &count, e));
    CHECK(count == 2);
    for (size_t i = 0; i < count; i++)
        CHECK(strcmp(slots[i].label, slots[i].is_current ? "first" : "other") == 0);
}
END

TEST(repository_has_at_most_16_slots)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(s);
    const struct unlock with = key_file(1);
    struct key_slot slot;

    for (int i = 1; i < KEY_SLOT_MAX; i++)
        slot_add(r, 0, "");
    CHECK_ERR(key_add(r, &with, "", &slot, e), ERR_USAGE);
    CHECK_ERR(key_passwd(r, &with, e), ERR_USAGE);
    CHECK(slot_count(r) == KEY_SLOT_MAX && opens(s, 0) && !opens(s, 1));
}
END

TEST(slot_with_a_flipped_bit_does_not_open)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(s);
    AUTO(buf) struct buf slot = {0};

    slot_bytes(s, r->slot, &slot);
    CHECK(slot.size == SLOT_SIZE);
    for (size_t i = 0; i < slot.size * 8; i++) {
        slot.data[i / 8] ^= (uint8_t)(1U << i % 8);
        slot_replace(s, r->slot, buf_slice(&slot));
        CHECK(!opens(s, 0));
        slot.data[i / 8] ^= (uint8_t)(1U << i % 8);
    }
    for (size_t n = 0; n < slot.size; n++) {
        slot_replace(s, r->slot, SLICE_OF(slot.data, n));
        CHECK(refusal(s, key_file(0)).code == ERR_CORRUPT);
    }
    slot_replace(s, r->slot, buf_slice(&slot));
    CHECK(opens(s, 0));
}
END

TEST(changed_label_is_damage_and_not_a_wrong_key)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(s);
    AUTO(buf) struct buf slot = {0};

    slot_bytes(s, r->slot, &slot);
    CHECK(memcmp(slot.data + 104, "first", 6) == 0);
    slot.data[104] = 'w';
    slot_replace(s, r->slot, buf_slice(&slot));
    CHECK(refusal(s, key_file(0)).code == ERR_CORRUPT);
}
END

TEST(slot_of_another_epoch_or_suite_is_corrupt)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(s);
    AUTO(buf) struct buf slot = {0};
    struct slot out;

    slot_bytes(s, r->slot, &slot);
    slot.data[10] = 2;
    CHECK_ERR(slot_decode(buf_slice(&slot), &out, e), ERR_CORRUPT);
    slot.data[10] = 1;
    slot.data[8] = 2;
    CHECK_ERR(slot_decode(buf_slice(&slot), &out, e), ERR_USAGE);
    epoch_begin(r);
    slot_add(r, 1, "");
    epoch_withdraw(r);
    CHECK(opens(s, 0) && !opens(s, 1));
}
END

/* The bytes of a slot for passwords with such costs; nothing else of it is of use. */
static struct err decode_costs(uint32_t memory_kib, uint32_t passes, uint32_t lanes)
{
    AUTO(buf) struct buf b = {0};
    struct slot s;
    struct err e = {0};

    buf_append(&b, "HFKEYSLT\1\1\1", 12);
    buf_put_u32(&b, 1);
    memset(buf_extend(&b, 40), 7, 40);
    buf_put_u32(&b, memory_kib);
    buf_put_u32(&b, passes);
    buf_put_u32(&b, lanes);
    memset(buf_extend(&b, SLOT_SIZE - 68), 0, SLOT_SIZE - 68);
    (void)!slot_decode(buf_slice(&b), &s, &e);
    return e;
}

TEST(argon2id_parameters_beyond_the_format_are_refused)
{
    static const uint32_t bad[][3] = {
        {UINT32_MAX, 4, 1}, {1048577, 4, 1}, {65535, 4, 1},           {0, 4, 1},
        {196608, 11, 1},    {196608, 0, 1},  {196608, UINT32_MAX, 1}, {196608, 4, 2},
        {196608, 4, 0},
    };

    CHECK(decode_costs(65536, 1, 1).code == ERR_NONE);
    CHECK(decode_costs(1048576, 10, 1).code == ERR_NONE);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(decode_costs(bad[i][0], bad[i][1], bad[i][2]).code == ERR_CORRUPT);
}
END

TEST(hostile_slot_costs_nothing)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *made = NULL;
    AUTO(buf) struct buf slot = {0};
    const struct unlock with = password("x");

    CHECK_OK(repo_create(s, &with, "", &made, e));
    slot_bytes(s, made->slot, &slot);
    memset(slot.data + 56, 0xff, 4);
    slot_replace(s, made->slot, buf_slice(&slot));

    const clock_t before = clock();
    const struct err why = refusal(s, with);

    CHECK(clock() - before < CLOCKS_PER_SEC / 20); /* of the processor */
    CHECK(why.code == ERR_CORRUPT && strstr(why.text, "refused") != NULL);
}
END

TEST(slot_of_another_repository_opens_nothing)
{
    AUTO(store) struct store *s1 = store_memory_new();
    AUTO(store) struct store *s2 = store_memory_new();
    AUTO(repo) struct repo *a = repo_in(s1);
    AUTO(repo) struct repo *b = repo_in(s2);
    const struct key_slot foreign = slot_add(b, 1, "");
    AUTO(buf) struct buf slot = {0};

    slot_bytes(s2, foreign.id, &slot);
    slot_replace(s1, foreign.id, buf_slice(&slot));

    const struct err why = refusal(s1, key_file(1));

    CHECK(why.code == ERR_DENIED && strstr(why.text, "belongs to another repository") != NULL);
    /* Also when it claims to belong here. */
    memcpy(slot.data + 16, a->id, sizeof(a->id));
    slot_replace(s1, foreign.id, buf_slice(&slot));
    CHECK(refusal(s1, key_file(1)).code == ERR_DENIED);
    CHECK(opens(s1, 0));
}
END

TEST(slot_under_another_name_opens_nothing)
{
    static const char name[] = "00112233445566778899aabbccddeeff";
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(s);
    AUTO(buf) struct buf slot = {0};
    AUTO(buf) struct buf key = {0};

    slot_bytes(s, r->slot, &slot);
    slot_replace(s, name, buf_slice(&slot));
    buf_printf(&key, "keys/%s", r->slot);
    CHECK_OK(store_remove(s, buf_string(&key), e));
    CHECK(refusal(s, key_file(0)).code == ERR_CORRUPT);
}
END

TEST(damaged_slots_are_passed_over_and_named)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(s);
    AUTO(mem) struct key_slot *slots = NULL;
    const struct key_slot second = slot_add(r, 1, "");
    size_t count = 0;

    slot_replace(s, second.id, slice_string("rubbish"));
    CHECK(opens(s, 0));

    const struct err why = refusal(s, key_file(1));

    CHECK(why.code == ERR_DENIED && strstr(why.text, "1 of 2 key slots are damaged") != NULL);
    CHECK(strstr(why.text, second.id) != NULL);
    CHECK_OK(key_list(r, &slots, &count, e));
    CHECK(count == 2);
    for (size_t i = 0; i < count; i++)
        CHECK(slots[i].is_damaged == (strcmp(slots[i].id, second.id) == 0));
    CHECK_OK(key_remove(r, second.id, e));
    CHECK(slot_count(r) == 1);
}
END

TEST(repository_without_sound_slot_is_corrupt)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(s);
    AUTO(buf) struct buf key = {0};

    slot_replace(s, r->slot, slice_string("rubbish"));
    CHECK(refusal(s, key_file(0)).code == ERR_CORRUPT);
    buf_printf(&key, "keys/%s", r->slot);
    CHECK_OK(store_remove(s, buf_string(&key), e));
    CHECK(refusal(s, key_file(0)).code == ERR_CORRUPT);
}
END

typedef bool change_fn(struct repo *r, struct err *e);

static bool change_add(struct repo *r, struct err *e)
{
    const struct unlock with = key_file(2);
    struct key_slot slot;

    return key_add(r, &with, "", &slot, e);
}

static bool change_passwd(struct repo *r, struct err *e)
{
    const struct unlock with = key_file(2);

    return key_passwd(r, &with, e);
}

/* Remove the slot that is not in use. */
static bool change_remove(struct repo *r, struct err *e)
{
    AUTO(mem) struct key_slot *slots = NULL;
    size_t count = 0;

    if (!key_list(r, &slots, &count, e))
        return false;
    return key_remove(r, slots[slots[0].is_current ? 1 : 0].id, e);
}

/* Whichever call fails, key file 0 or the new one opens, and the handle is of use. */
static void change_with_faults(change_fn *change, enum fault_mode mode)
{
    bool is_done = false;

    for (int at = 0; !is_done; at++) {
        AUTO(store) struct store *disk = store_memory_new();
        AUTO(repo) struct repo *first = repo_in(disk);
        AUTO(repo) struct repo *r = NULL;
        const struct unlock with = key_file(0);
        struct err why = {0};

        slot_add(first, 1, "");

        AUTO(store)
        struct store *flaky =
            store_fault_new(disk, (struct fault_plan){at, mode, ERR_TRANSIENT, false});

        CHECK(at < 40);
        CHECK_OK(repo_open(disk, &with, &r, e));
        r->store = flaky;
        is_done = change(r, &why);
        CHECK(is_done || why.code == ERR_TRANSIENT);
        CHECK(opens(disk, 0) || opens(disk, 2));
        CHECK(change == change_remove || opens(disk, 1));
        is_done = is_done && store_fault_calls(flaky) <= at;
    }
}

TEST(secret_that_worked_still_does_whichever_store_call_fails)
{
    static change_fn *const changes[] = {change_add, change_passwd, change_remove};

    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        change_with_faults(changes[i], FAULT_ONCE);
        change_with_faults(changes[i], FAULT_FROM);
        change_with_faults(changes[i], FAULT_LOST_REPLY);
    }
}
END

TESTS("keys", password_opens_and_another_does_not, wrong_key_file_is_denied,
      added_slot_opens_until_it_is_removed, slots_are_listed_by_age_with_what_is_known_of_them,
      label_that_cannot_be_kept_or_shown_is_refused, last_slot_and_slot_in_use_are_not_removed,
      slot_is_named_by_a_prefix_that_no_other_has, two_that_remove_each_others_slot_leave_one,
      passwd_replaces_the_slot_in_use, repository_has_at_most_16_slots,
      slot_with_a_flipped_bit_does_not_open, changed_label_is_damage_and_not_a_wrong_key,
      slot_of_another_epoch_or_suite_is_corrupt, argon2id_parameters_beyond_the_format_are_refused,
      hostile_slot_costs_nothing, slot_of_another_repository_opens_nothing,
      slot_under_another_name_opens_nothing, damaged_slots_are_passed_over_and_named,
      repository_without_sound_slot_is_corrupt,
      secret_that_worked_still_does_whichever_store_call_fails)
