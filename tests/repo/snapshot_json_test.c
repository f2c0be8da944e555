#include "repo/snapshots.h"

TEST(snapshot_reads_back_as_it_was_written)
{
    AUTO(store) struct store *store = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(store);
    AUTO(snapshot) struct snapshot *s = sample(1000);
    AUTO(snapshot) struct snapshot *again = NULL;

    s->time_ns++;
    s->tree.bytes[3] = 7;
    s->uid = UINT32_MAX;
    s->gid = 1;
    s->set = mem_string("nightly");
    snapshot_add_path(s, "/srv/\\xff");
    snapshot_add_tag(s, "\xc3\xa4");
    snapshot_add_incomplete(s, "/etc/shadow", "permission denied");
    s->configuration = mem_new(100001);
    memset(s->configuration, 'c', 100000);
    s->job = mem_string("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    s->has_parent = s->has_original = true;
    s->parent.bytes[0] = 8;
    s->original.bytes[0] = 9;
    s->counts = (struct snapshot_counts){1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
    CHECK_OK(snapshot_put(r, s, e));
    CHECK_OK(snapshot_load(r, &s->id, &again, e));

    CHECK(again->time_ns == 1000 * NS_PER_S + 1 && again->scan_started_ns == 1000 * NS_PER_S);
    CHECK(hash_is_equal(&again->id, &s->id) && hash_is_equal(&again->tree, &s->tree));
    CHECK(strcmp(again->host, "db1") == 0 && strcmp(again->user, "root") == 0);
    CHECK(again->uid == UINT32_MAX && again->gid == 1 && strcmp(again->set, "nightly") == 0);
    CHECK(again->path_count == 2 && strcmp(again->paths[1], "/srv/\\xff") == 0);
    CHECK(again->tag_count == 1 && snapshot_has_tag(again, "\xc3\xa4"));
    CHECK(again->has_parent && again->has_original && !again->has_prev && again->seq == 1);
    CHECK(again->parent.bytes[0] == 8 && again->original.bytes[0] == 9);
    CHECK(memcmp(again->writer, r->writer, sizeof(r->writer)) == 0);
    CHECK(strcmp(again->incomplete[0].error, "permission denied") == 0);
    CHECK(memcmp(&again->counts, &s->counts, sizeof(s->counts)) == 0);
    ck_assert_str_eq(again->configuration, s->configuration);
    ck_assert_str_eq(again->job, s->job);
}
END

TEST(snapshot_without_options_reads_back)
{
    AUTO(store) struct store *store = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(store);
    AUTO(snapshot) struct snapshot *again = NULL;
    const struct hash id = prepared(r, 5);

    CHECK_OK(snapshot_load(r, &id, &again, e));
    CHECK(again->set == NULL && again->configuration == NULL && again->job == NULL &&
          again->tag_count == 0 && again->incomplete_count == 0);
    CHECK(!again->has_parent && !again->has_original && !again->has_prev);
}
END

TEST(summary_has_the_names_that_restic_uses)
{
    static const char *const names[] = {
        "\"files_new\":1,",
        "\"files_changed\":2,",
        "\"files_unmodified\":3,",
        "\"dirs_new\":4,",
        "\"dirs_changed\":5,",
        "\"dirs_unmodified\":6,",
        "\"data_blobs\":7,",
        "\"tree_blobs\":8,",
        "\"data_added\":9,",
        "\"data_added_packed\":10",
        "\"total_files_processed\":11",
        "\"total_bytes_processed\":12",
        "\"backup_start\":\"1970-01-01T00:00:00.000000013Z\"",
        "\"backup_end\":\"1970-01-01T00:00:00.000000014Z\"",
    };
    AUTO(snapshot) struct snapshot *s = sample(1000);
    AUTO(buf) struct buf text = {0};

    s->counts = (struct snapshot_counts){1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
    CHECK_OK(snapshot_encode(s, &text, e));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        CHECK(strstr(buf_string(&text), names[i]) != NULL);
}
END

TEST(snapshot_that_could_not_be_read_back_is_not_written)
{
    AUTO(store) struct store *store = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(store);
    AUTO(snapshot) struct snapshot *bytes = sample(1);
    AUTO(snapshot) struct snapshot *long_text = sample(1);
    AUTO(mem) char *text = mem_new(70000);

    snapshot_add_tag(bytes, "\xff");
    CHECK_ERR(snapshot_put(r, bytes, e), ERR_USAGE);
    memset(text, 'x', 69999);
    snapshot_add_tag(long_text, text);
    CHECK_ERR(snapshot_put(r, long_text, e), ERR_USAGE);
    CHECK(long_text->seq == 0);
    CHECK(count_of(r, ANY) == 0);
}
END

/* The text of a snapshot with one place replaced. */
static bool decodes_with(const char *from, const char *to)
{
    AUTO(snapshot) struct snapshot *s = sample(1000);
    AUTO(snapshot) struct snapshot *again = NULL;
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf changed = {0};
    struct err why = {0};

    s->seq = 1;
    CHECK_OK(snapshot_encode(s, &text, e));

    const char *at = strstr(buf_string(&text), from);

    CHECK(at != NULL);
    buf_append(&changed, text.data, (size_t)((const uint8_t *)at - text.data));
    buf_printf(&changed, "%s%s", to, at + strlen(from));
    return snapshot_decode(buf_slice(&changed), &again, &why);
}

TEST(snapshot_with_a_wrong_member_is_refused)
{
    static const char *const changes[][2] = {
        {"\"version\":1", "\"version\":0"},
        {"\"version\":1", "\"version\":2"},
        {"\"version\":1", "\"version\":\"1\""},
        {"\"uid\":0", "\"uid\":4294967296"},
        {"\"uid\":0", "\"uid\":-1"},
        {"\"uid\":0", "\"uid\":0.0"},
        {"\"seq\":1", "\"seq\":0"},
        {"\"seq\":1", "\"seq\":9223372036854775807"},
        {"[\"/etc\"]", "\"/etc\""},
        {"[\"/etc\"]", "[1]"},
        {"\"tags\":[]", "\"tags\":{}"},
        {"\"tree\":\"00", "\"tree\":\""},
        {"\"tree\":\"00", "\"tree\":\"0g"},
        {"\"host\":\"db1\"", "\"host\":null"},
        {"\"host\":", "\"hosts\":"},
        {"\"parent\":null", "\"parent\":1"},
        {"\"incomplete\":[]", "\"incomplete\":[{\"path\":\"x\"}]"},
        {"\"incomplete\":[]", "\"incomplete\":[1]"},
        {"\"summary\":", "\"sum\":"},
        {"\"files_new\":0", "\"files_new\":-1"},
        {"\"version\":1", "\"version\":1,\"configuration\":{}"},
        {"\"version\":1", "\"version\":1,\"configuration\":\"a\\u0000b\""},
        {"\"version\":1", "\"version\":1,\"job\":7"},
        {"\"version\":1", "\"version\":1,\"job\":\"\""},
        {"\"version\":1", "\"version\":1,\"job\":"
                          "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0\""},
        {"\"time\":\"1970", "\"time\":\"70"},
        {"00Z\"", "00+00:00\""},
        {"\"writer\":\"00", "\"writer\":\"0"},
    };

    CHECK(decodes_with("\"version\":1", "\"unknown\":1,\"version\":1"));
    CHECK(decodes_with("\"seq\":1", "\"seq\":9223372036854775806"));
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
        ck_assert_msg(!decodes_with(changes[i][0], changes[i][1]), "%s", changes[i][1]);
}
END

TESTS("snapshot_json", snapshot_reads_back_as_it_was_written, snapshot_without_options_reads_back,
      summary_has_the_names_that_restic_uses, snapshot_that_could_not_be_read_back_is_not_written,
      snapshot_with_a_wrong_member_is_refused)
