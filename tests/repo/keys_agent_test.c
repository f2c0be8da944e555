/* Repositories that are opened with passwords, beside a key agent. */
#include "agent/agent_rig.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/thread.h"
#include "repo/slot.h"

static struct unlock password(const char *text, const char *agent)
{
    return (struct unlock){.kind = UNLOCK_PASSPHRASE, .secret = slice_string(text), .agent = agent};
}

/* What comes of opening; ERR_NONE when it opens. */
static enum err_code opening(struct store *s, const struct unlock *with)
{
    AUTO(repo) struct repo *r = NULL;
    struct err e = {0};

    return repo_open(s, with, &r, &e) ? ERR_NONE : e.code;
}

static enum err_code opening_with(struct store *s, const char *text, const char *agent)
{
    const struct unlock with = password(text, agent);

    return opening(s, &with);
}

static struct store *store_with(const char *text)
{
    const struct unlock with = password(text, NULL);
    struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = NULL;

    CHECK_OK(repo_create(s, &with, "", &r, e));
    return s;
}

static uint32_t kept(const struct agent_rig *a, uint64_t *uses)
{
    struct agent_rows rows;

    CHECK_OK(agent_list(a->path, &rows, e));
    *uses = 0;
    for (size_t i = 0; i < rows.count; i++)
        *uses += rows.items[i].uses;
    return rows.count;
}

/* From here on no password can be derived from: its 192 MiB are not to be had. */
static bool forbid_derivation(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return false; /* their own tables count, too */
#else
    const struct rlimit few = {128 << 20, 128 << 20};

    CHECK(setrlimit(RLIMIT_DATA, &few) == 0);
    return true;
#endif
}

TEST(a_password_is_derived_from_once)
{
    AUTO(agent_rig) struct agent_rig a;
    AUTO(store) struct store *s = store_with("right");
    uint64_t uses = 0;

    agent_rig_init(&a, RIG_LONG_NS, RIG_LONG_NS);
    CHECK(opening_with(s, "right", a.path) == ERR_NONE);
    CHECK(kept(&a, &uses) == 1 && uses == 0);
    if (forbid_derivation())
        CHECK(opening_with(s, "right", NULL) == ERR_FATAL);
    CHECK(opening_with(s, "right", a.path) == ERR_NONE);
    CHECK(kept(&a, &uses) == 1 && uses == 1);
}
END

TEST(a_wrong_password_is_wrong_beside_a_right_one_that_is_kept)
{
    AUTO(agent_rig) struct agent_rig a;
    AUTO(store) struct store *s = store_with("right");
    uint64_t uses = 0;

    agent_rig_init(&a, RIG_LONG_NS, RIG_LONG_NS);
    CHECK(opening_with(s, "right", a.path) == ERR_NONE);
    CHECK(opening_with(s, "wrong", a.path) == ERR_DENIED);
    CHECK(kept(&a, &uses) == 1 && uses == 0);
}
END

TEST(the_slot_that_is_kept_is_found_behind_others)
{
    AUTO(agent_rig) struct agent_rig a;
    AUTO(store) struct store *s = store_with("first");
    AUTO(repo) struct repo *r = NULL;
    struct unlock with = password("first", NULL);
    uint64_t uses = 0;

    agent_rig_init(&a, RIG_LONG_NS, RIG_LONG_NS);
    CHECK_OK(repo_open(s, &with, &r, e));
    with = password("second", NULL);
    CHECK_OK(key_add(r, &with, "", &(struct key_slot){0}, e));
    CHECK(opening_with(s, "first", a.path) == ERR_NONE);
    CHECK(opening_with(s, "second", a.path) == ERR_NONE);
    CHECK(kept(&a, &uses) == 2 && uses == 0);
    (void)forbid_derivation();
    CHECK(opening_with(s, "first", a.path) == ERR_NONE);
    CHECK(opening_with(s, "second", a.path) == ERR_NONE);
    CHECK(kept(&a, &uses) == 2 && uses == 2);
}
END

TEST(a_rotation_of_the_keys_is_derived_for_once_and_what_was_kept_before_opens_nothing)
{
    AUTO(agent_rig) struct agent_rig a;
    AUTO(store) struct store *s = store_with("first");
    AUTO(repo) struct repo *r = NULL;
    struct unlock first = password("first", NULL);
    struct unlock second = password("second", NULL);
    const struct key_rotation rotation = {.in_use = &second};
    uint64_t uses = 0;

    agent_rig_init(&a, RIG_LONG_NS, RIG_LONG_NS);
    CHECK(opening_with(s, "first", a.path) == ERR_NONE);
    CHECK_OK(repo_open(s, &first, &r, e));
    CHECK_OK(key_rotate(r, &rotation, &(struct key_rotated){0}, e));
    CHECK(opening_with(s, "first", a.path) == ERR_DENIED);
    CHECK(opening_with(s, "second", a.path) == ERR_NONE);
    CHECK(kept(&a, &uses) == 2 && uses == 0);
    (void)forbid_derivation();
    CHECK(opening_with(s, "second", a.path) == ERR_NONE);
    CHECK(kept(&a, &uses) == 2 && uses == 1);
}
END

TEST(two_repositories_of_one_password_are_kept_apart)
{
    AUTO(agent_rig) struct agent_rig a;
    AUTO(store) struct store *one = store_with("same");
    AUTO(store) struct store *two = store_with("same");
    uint64_t uses = 0;

    agent_rig_init(&a, RIG_LONG_NS, RIG_LONG_NS);
    CHECK(opening_with(one, "same", a.path) == ERR_NONE);
    CHECK(opening_with(two, "same", a.path) == ERR_NONE);
    CHECK(kept(&a, &uses) == 2 && uses == 0);
}
END

TEST(a_slot_that_was_changed_is_another_one)
{
    static const size_t offsets[] = {72, 104, 200}; /* salt, label, wrapped key */
    AUTO(agent_rig) struct agent_rig a;
    AUTO(store) struct store *s = store_with("right");
    char key[128];
    uint64_t uses = 0;

    agent_rig_init(&a, RIG_LONG_NS, RIG_LONG_NS);
    CHECK(opening_with(s, "right", a.path) == ERR_NONE);
    object_name(s, "keys/", 0, key);
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        object_damage(s, key, (int64_t)offsets[i]);

        const enum err_code without = opening_with(s, "right", NULL);

        CHECK(without != ERR_NONE);
        CHECK(opening_with(s, "right", a.path) == without);
        object_damage(s, key, (int64_t)offsets[i]); /* the bit back */
    }
    CHECK(kept(&a, &uses) == 1 && uses == 0);
    CHECK(opening_with(s, "right", a.path) == ERR_NONE);
    CHECK(kept(&a, &uses) == 1 && uses == 1);
}
END

TEST(a_password_that_was_replaced_opens_nothing_though_it_is_kept)
{
    AUTO(agent_rig) struct agent_rig a;
    AUTO(store) struct store *s = store_with("old");
    AUTO(repo) struct repo *r = NULL;
    struct unlock with = password("old", NULL);
    uint64_t uses = 0;

    agent_rig_init(&a, RIG_LONG_NS, RIG_LONG_NS);
    with.agent = a.path;
    CHECK_OK(repo_open(s, &with, &r, e));
    with = password("new", a.path);
    CHECK_OK(key_passwd(r, &with, e));
    CHECK(opening_with(s, "old", a.path) == ERR_DENIED);
    CHECK(opening_with(s, "new", a.path) == ERR_NONE);
    CHECK(kept(&a, &uses) == 2 && uses == 0);
}
END

TEST(a_key_file_is_no_matter_of_the_agent)
{
    AUTO(agent_rig) struct agent_rig a;
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    struct unlock with = fixture_unlock;
    uint64_t uses = 0;

    agent_rig_init(&a, RIG_LONG_NS, RIG_LONG_NS);
    with.agent = a.path;
    CHECK(opening(s, &with) == ERR_NONE);
    CHECK(kept(&a, &uses) == 0);
}
END

TEST(without_the_agent_that_was_named_a_password_is_derived_from)
{
    AUTO(store) struct store *s = store_with("right");

    CHECK(opening_with(s, "right", "/nowhere/agent.sock") == ERR_NONE);
    CHECK(opening_with(s, "wrong", "/nowhere/agent.sock") == ERR_DENIED);
}
END

/* Somebody who answers every request for a key with one that is made up. */
static void *liar_run(void *arg)
{
    const int listener = *(const int *)arg;
    /* "done", and a key. */
    uint8_t answer[64] = {'H', 'F', 'A', 'G', 'E', 'N', 'T', 1, 1, [20] = 7};
    uint8_t request[128];
    int fd = -1;

    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        if (recv(fd, request, sizeof(request), MSG_WAITALL) == sizeof(request)) {
            answer[20] = request[8] == 1 ? 7 : 0; /* others than get have no key */
            (void)!send(fd, answer, sizeof(answer), MSG_NOSIGNAL);
        }
        (void)close(fd);
    }
    return NULL;
}

TEST(an_agent_that_lies_can_neither_open_nor_keep_closed)
{
    AUTO(scratch) struct scratch scratch;
    AUTO(store) struct store *s = store_with("right");
    pthread_t thread;
    int fd = -1;

    scratch_init(&scratch);

    const char *path = path_in(scratch.path, "socket");

    fd = agent_rig_socket(path, true);
    thread_start(&thread, liar_run, &fd, "liar");
    CHECK(opening_with(s, "right", path) == ERR_NONE);
    CHECK(opening_with(s, "wrong", path) == ERR_DENIED);
    CHECK(shutdown(fd, SHUT_RDWR) == 0);
    thread_join(thread);
    (void)close(fd);
}
END

TESTS("keys_agent", a_password_is_derived_from_once,
      a_wrong_password_is_wrong_beside_a_right_one_that_is_kept,
      the_slot_that_is_kept_is_found_behind_others,
      a_rotation_of_the_keys_is_derived_for_once_and_what_was_kept_before_opens_nothing,
      two_repositories_of_one_password_are_kept_apart, a_slot_that_was_changed_is_another_one,
      a_password_that_was_replaced_opens_nothing_though_it_is_kept,
      a_key_file_is_no_matter_of_the_agent,
      without_the_agent_that_was_named_a_password_is_derived_from,
      an_agent_that_lies_can_neither_open_nor_keep_closed)
