#include "repo/snapshots.h"

/* Finding */

static bool resolves_to(struct repo *r, const char *selector, const struct snapshot_filter *f,
                        const struct hash *id)
{
    AUTO(snapshot) struct snapshot *s = NULL;
    AUTO(mem) char *sub = NULL;

    CHECK_OK(snapshot_resolve(r, selector, f, &s, &sub, e));
    return hash_is_equal(&s->id, id);
}

TEST(latest_is_the_newest_committed_that_matches)
{
    AUTO(store) struct store *store = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(store);
    AUTO(snapshot) struct snapshot *s = NULL;
    AUTO(mem) char *sub = NULL;
    const char *const tags[] = {"x"};
    const struct snapshot_filter other_host = {.host = "db2"};
    const struct snapshot_filter tagged = {.tags = tags, .tag_count = 1};
    const struct snapshot_filter host = {.host = "db1"};

    CHECK_ERR(snapshot_resolve(r, "latest", NULL, &s, &sub, e), ERR_NOT_FOUND);

    const struct hash newest = committed(r, 20);

    committed(r, 10);
    prepared(r, 30);
    forgotten(r, 40);
    CHECK(resolves_to(r, "latest", NULL, &newest));
    CHECK(resolves_to(r, "latest", &host, &newest));
    CHECK_ERR(snapshot_resolve(r, "latest", &other_host, &s, &sub, e), ERR_NOT_FOUND);
    CHECK_ERR(snapshot_resolve(r, "latest", &tagged, &s, &sub, e), ERR_NOT_FOUND);
    object_spoil(r, "snapshots", &newest);
    CHECK_ERR(snapshot_resolve(r, "latest", NULL, &s, &sub, e), ERR_CORRUPT);
}
END

TEST(an_import_of_a_set_is_the_latest_only_for_who_names_tags)
{
    AUTO(store) struct store *store = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(store);
    const char *const tags[] = {"import:wireguard"};
    const struct snapshot_filter of_set = {.set = "shop"};
    const struct snapshot_filter tagged = {.set = "shop", .tags = tags, .tag_count = 1};
    struct hash ids[2];

    for (int i = 0; i < 2; i++) {
        AUTO(snapshot) struct snapshot *s = sample(10 + i);

        s->set = mem_string("shop");
        if (i == 1)
            snapshot_add_tag(s, tags[0]);
        CHECK_OK(snapshot_put(r, s, e));
        CHECK_OK(snapshot_commit(r, &s->id, e));
        ids[i] = s->id;
    }
    CHECK(resolves_to(r, "latest", NULL, &ids[0]));
    CHECK(resolves_to(r, "latest", &of_set, &ids[0]));
    CHECK(resolves_to(r, "latest", &tagged, &ids[1]));
}
END

TEST(selector_may_name_a_path_inside)
{
    static const char *const examples[][2] = {
        {"latest:/etc/passwd", "etc/passwd"},
        {"latest:etc", "etc"},
        {"latest:/", ""},
        {"latest:", ""},
        {"latest:/a:b", "a:b"},
    };
    AUTO(store) struct store *store = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(store);

    committed(r, 1);
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        AUTO(snapshot) struct snapshot *s = NULL;
        AUTO(mem) char *sub = NULL;

        CHECK_OK(snapshot_resolve(r, examples[i][0], NULL, &s, &sub, e));
        CHECK(strcmp(sub, examples[i][1]) == 0);
    }

    AUTO(snapshot) struct snapshot *s = NULL;
    AUTO(mem) char *sub = NULL;

    CHECK_OK(snapshot_resolve(r, "latest", NULL, &s, &sub, e));
    CHECK(sub == NULL);
}
END

TEST(prefix_finds_a_committed_snapshot_only)
{
    AUTO(store) struct store *store = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(store);
    AUTO(snapshot) struct snapshot *s = NULL;
    AUTO(mem) char *sub = NULL;
    const struct hash a = committed(r, 1);
    const struct hash b = prepared(r, 2);
    const struct hash c = forgotten(r, 3);
    struct id_text t = text_of(&a);

    CHECK(resolves_to(r, t.text, NULL, &a));
    t.text[4] = '\0';
    CHECK(resolves_to(r, t.text, NULL, &a));
    t.text[3] = '\0';
    CHECK_ERR(snapshot_resolve(r, t.text, NULL, &s, &sub, e), ERR_USAGE);
    CHECK_ERR(snapshot_resolve(r, "", NULL, &s, &sub, e), ERR_USAGE);
    CHECK_ERR(snapshot_resolve(r, "../../config", NULL, &s, &sub, e), ERR_USAGE);
    CHECK_ERR(snapshot_resolve(r, "LATEST", NULL, &s, &sub, e), ERR_USAGE);
    CHECK_ERR(snapshot_resolve(r, text_of(&b).text, NULL, &s, &sub, e), ERR_NOT_FOUND);
    CHECK_ERR(snapshot_resolve(r, text_of(&c).text, NULL, &s, &sub, e), ERR_NOT_FOUND);
    CHECK_ERR(snapshot_resolve(r, "0000000000", NULL, &s, &sub, e), ERR_NOT_FOUND);
    object_spoil(r, "snapshots", &c);
    object_spoil(r, "trash", &c);
    CHECK(resolves_to(r, text_of(&a).text, NULL, &a));
}
END

TEST(an_id_is_one_of_the_set_that_is_meant)
{
    AUTO(store) struct store *store = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(store);
    AUTO(snapshot) struct snapshot *s = NULL;
    AUTO(snapshot) struct snapshot *of_shop = sample(2);
    AUTO(mem) char *sub = NULL;
    const struct hash of_none = committed(r, 1);
    const struct snapshot_filter shop = {.set = "shop"}, wiki = {.set = "wiki"};

    mem_free(of_shop->set);
    of_shop->set = mem_string("shop");
    CHECK_OK(snapshot_put(r, of_shop, e));
    CHECK_OK(snapshot_commit(r, &of_shop->id, e));

    CHECK(resolves_to(r, text_of(&of_shop->id).text, &shop, &of_shop->id));
    CHECK(resolves_to(r, text_of(&of_shop->id).text, NULL, &of_shop->id));
    CHECK_ERR(snapshot_resolve(r, text_of(&of_shop->id).text, &wiki, &s, &sub, e), ERR_NOT_FOUND);
    CHECK_ERR(snapshot_resolve(r, text_of(&of_none).text, &shop, &s, &sub, e), ERR_NOT_FOUND);
    CHECK(s == NULL && sub == NULL);
}
END

/* What was uploaded for a set is named by its id or its tag where it is wanted, and is nobody's
 * latest. */
TEST(an_upload_for_a_set_is_none_of_its_backups)
{
    static const char *const tag[] = {SNAPSHOT_UPLOAD "shop"};
    AUTO(store) struct store *store = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(store);
    AUTO(snapshot) struct snapshot *backup = sample(1);
    AUTO(snapshot) struct snapshot *upload = sample(2);
    AUTO(snapshot) struct snapshot *s = NULL;
    AUTO(mem) char *sub = NULL;
    const struct snapshot_filter plain = {.set = "shop"};
    const struct snapshot_filter with = {.set = "shop", .with_uploads = true};
    const struct snapshot_filter tagged = {
        .set = "shop", .with_uploads = true, .tags = tag, .tag_count = 1};
    const struct snapshot_filter wiki = {.set = "wiki", .with_uploads = true};

    mem_free(backup->set);
    backup->set = mem_string("shop");
    mem_free(upload->set);
    upload->set = NULL;
    snapshot_add_tag(upload, tag[0]);
    CHECK_OK(snapshot_put(r, backup, e));
    CHECK_OK(snapshot_commit(r, &backup->id, e));
    CHECK_OK(snapshot_put(r, upload, e));
    CHECK_OK(snapshot_commit(r, &upload->id, e));
    CHECK(resolves_to(r, text_of(&upload->id).text, &with, &upload->id));
    CHECK(resolves_to(r, "latest", &tagged, &upload->id));
    CHECK(resolves_to(r, "latest", &with, &backup->id));
    CHECK(resolves_to(r, "latest", &plain, &backup->id));
    CHECK_ERR(snapshot_resolve(r, text_of(&upload->id).text, &plain, &s, &sub, e), ERR_NOT_FOUND);
    CHECK_ERR(snapshot_resolve(r, text_of(&upload->id).text, &wiki, &s, &sub, e), ERR_NOT_FOUND);
    CHECK(snapshot_matches(upload, &with) && !snapshot_matches(upload, &plain));
    /* A backup of another set that somebody gave the tag is none. */
    upload->set = mem_string("wiki");
    CHECK(!snapshot_matches(upload, &with) && !snapshot_is_upload(upload, "shop"));
}
END

/*
 * Seal one document until two objects share the first four digits of their names, and commit
 * both.  *id is one of them.
 */
static void commit_twins(struct repo *r, struct hash *id)
{
    enum { MOST = 4000 };
    AUTO(snapshot) struct snapshot *s = sample(1);
    AUTO(buf) struct buf plain = {0};
    AUTO(mem) struct hash *ids = mem_array(MOST, sizeof(*ids));
    bool is_found = false;

    s->seq = 1;
    CHECK_OK(snapshot_encode(s, &plain, e));
    for (size_t n = 0; !is_found; n++) {
        CHECK(n < MOST);
        CHECK_OK(
            document_put_hashed(r, CLASS_SNAPSHOT, "snapshots", buf_slice(&plain), &ids[n], e));
        for (size_t i = 0; i < n && !is_found; i++)
            if (memcmp(ids[i].bytes, ids[n].bytes, 2) == 0) {
                CHECK_OK(snapshot_commit(r, &ids[i], e));
                CHECK_OK(snapshot_commit(r, &ids[n], e));
                *id = ids[i];
                is_found = true;
            }
    }
}

TEST(prefix_of_several_snapshots_is_refused)
{
    AUTO(store) struct store *store = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(store);
    AUTO(snapshot) struct snapshot *s = NULL;
    AUTO(mem) char *sub = NULL;
    struct id_text prefix;
    struct hash id = {0};

    commit_twins(r, &id);
    prefix = text_of(&id);
    CHECK(resolves_to(r, prefix.text, NULL, &id));
    prefix.text[4] = '\0';
    CHECK_ERR(snapshot_resolve(r, prefix.text, NULL, &s, &sub, e), ERR_USAGE);
}
END

TEST(filter_lets_through_what_has_all_it_asks_for)
{
    static const char *const both[] = {"x,y"};
    static const char *const either[] = {"z", "x"};
    static const char *const wrong[] = {"x,z"};
    static const char *const none[] = {""};
    static const char *const paths[] = {"/b", "/a"};
    static const char *const more_paths[] = {"/a", "/b", "/c"};
    AUTO(snapshot) struct snapshot *s = snapshot_new();

    s->host = mem_string("h");
    snapshot_add_tag(s, "x");
    snapshot_add_tag(s, "y");
    snapshot_add_path(s, "/a");
    snapshot_add_path(s, "/b");
    CHECK(snapshot_matches(s, &(struct snapshot_filter){0}));
    CHECK(snapshot_matches(s, &(struct snapshot_filter){.host = "", .tags = both, .tag_count = 1}));
    CHECK(snapshot_matches(s, &(struct snapshot_filter){.tags = either, .tag_count = 2}));
    CHECK(!snapshot_matches(s, &(struct snapshot_filter){.tags = wrong, .tag_count = 1}));
    CHECK(!snapshot_matches(s, &(struct snapshot_filter){.tags = none, .tag_count = 1}));
    CHECK(snapshot_matches(s, &(struct snapshot_filter){.paths = paths, .path_count = 2}));
    CHECK(!snapshot_matches(s, &(struct snapshot_filter){.paths = more_paths, .path_count = 3}));
    CHECK(!snapshot_matches(s, &(struct snapshot_filter){.host = "h2", .paths = paths}));
    CHECK(!snapshot_has_tag(s, "x,y") && !snapshot_has_tag(s, ""));
}
END

TESTS("snapshot_find", latest_is_the_newest_committed_that_matches,
      an_import_of_a_set_is_the_latest_only_for_who_names_tags, selector_may_name_a_path_inside,
      prefix_finds_a_committed_snapshot_only, an_id_is_one_of_the_set_that_is_meant,
      an_upload_for_a_set_is_none_of_its_backups, prefix_of_several_snapshots_is_refused,
      filter_lets_through_what_has_all_it_asks_for)
