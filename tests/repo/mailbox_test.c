#include <string.h>

#include "repo/object.h"
#include "support/fixture.h"

TEST(what_is_sealed_to_a_repository_opens_with_every_handle_of_it)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    AUTO(buf) struct buf sealed = {0};
    AUTO(buf) struct buf out = {0};
    struct envelope_recipient to, again_to;

    repo_recipient(r, &to);
    envelope_seal(&to, 1, slice_string("bytes"), &sealed);

    AUTO(repo) struct repo *again = fixture_open(s);

    repo_recipient(again, &again_to);
    CHECK(memcmp(&to, &again_to, sizeof(to)) == 0);
    CHECK_OK(repo_open_envelope(again, buf_slice(&sealed), &out, e));
    ck_assert_str_eq(buf_string(&out), "bytes");
}
END

TEST(another_repository_opens_nothing_also_with_the_same_chunk_keys)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(store) struct store *other_store = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    AUTO(repo) struct repo *other = NULL;
    AUTO(buf) struct buf sealed = {0};
    AUTO(buf) struct buf out = {0};
    struct envelope_recipient to, other_to;

    CHECK_OK(repo_create_like(other_store, r, &fixture_unlock, "", &other, e));
    repo_recipient(r, &to);
    repo_recipient(other, &other_to);
    CHECK(memcmp(to.key, other_to.key, sizeof(to.key)) != 0);
    envelope_seal(&to, 1, slice_string("bytes"), &sealed);
    CHECK_ERR(repo_open_envelope(other, buf_slice(&sealed), &out, e), ERR_NOT_FOUND);
}
END

/* The formula of FORMAT.md, written once more; a change of it would lose what waits in spools. */
TEST(the_key_pair_follows_from_the_master_key_as_the_format_says)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    struct envelope_recipient to;
    uint8_t secret[ENVELOPE_KEY_SIZE], public[ENVELOPE_KEY_SIZE];

    hkdf(SLICE_OF(repo_newest(r)->master, 32), SLICE_OF(NULL, 0), slice_string("holdfast mailbox"),
         secret, sizeof(secret));
    envelope_public_key(secret, public);
    repo_recipient(r, &to);
    CHECK(memcmp(to.key, public, sizeof(public)) == 0);
    CHECK(memcmp(to.id, r->id, sizeof(to.id)) == 0);
}
END

TESTS("mailbox", what_is_sealed_to_a_repository_opens_with_every_handle_of_it,
      another_repository_opens_nothing_also_with_the_same_chunk_keys,
      the_key_pair_follows_from_the_master_key_as_the_format_says)
