#include "support/test.h"

#include <string.h>

#include "codec/document.h"

static bool read_text(const char *text, struct document **out, struct err *e)
{
    return document_read(slice_string(text), out, e);
}

/* Each line and sentence once. */
static void check_refused(struct slice text, const char *wanted)
{
    AUTO(document) struct document *d = NULL;
    struct err e = {0};

    ck_assert_msg(!document_read(text, &d, &e), "read: %.*s", (int)text.size,
                  (const char *)text.data);
    ck_assert_int_eq(e.code, ERR_CORRUPT);
    ck_assert_msg(strncmp(e.text, wanted, strlen(wanted)) == 0, "%s\ninstead of\n%s", e.text,
                  wanted);
    ck_assert_ptr_null(d);
}

/* "{a:1 b:[t'x' n]}": kinds and values of a tree, appended. */
static void outline(const struct node *n, struct buf *out)
{
    const char *marks = "nbit[{";

    if (n->key != NULL)
        buf_printf(out, "%s:", n->key);
    buf_append(out, &marks[n->kind], 1);
    if (node_is_scalar(n))
        buf_printf(out, n->is_quoted ? "'%s'" : "<%s>", n->text);
    for (const struct node *m = n->first; m != NULL; m = m->next) {
        outline(m, out);
        buf_append(out, m->next == NULL ? "" : " ", m->next != NULL);
    }
    buf_append(out, n->kind == NODE_MAPPING ? "}" : "]", !node_is_scalar(n));
}

static void check_outline(const char *text, const char *wanted)
{
    AUTO(document) struct document *d = NULL;
    AUTO(buf) struct buf got = {0};

    CHECK_OK(read_text(text, &d, e));
    outline(document_root(d), &got);
    ck_assert_str_eq(buf_string(&got), wanted);
}

TEST(only_plain_true_false_null_and_whole_numbers_are_typed)
{
    check_outline("- true\n- false\n- null\n-\n- -7\n- 0\n",
                  "[b<true> b<false> n<null> n<> i<-7> i<0>]");
    check_outline("[yes, no, on, True, ~, NULL]", "[t<yes> t<no> t<on> t<True> t<~> t<NULL>]");
    check_outline("[\"true\", '5', \"\"]", "[t'true' t'5' t'']");
    check_outline("[1.5, 0x10, 010, 1_000, +5, 2026-11-21, 1e3]",
                  "[t<1.5> t<0x10> t<010> t<1_000> t<+5> t<2026-11-21> t<1e3>]");
    check_outline("[9223372036854775807, -9223372036854775807, 9223372036854775808]",
                  "[i<9223372036854775807> i<-9223372036854775807> t<9223372036854775808>]");
}
END

TEST(json_reads_as_the_same_tree_as_yaml)
{
    const char *tree = "{a:[i<1> {b:n<null>}] c:t'\xc3\xa9/\n' d:{}}";

    check_outline("{\"a\": [1, {\"b\": null}],\n\t\"c\":\"\\u00e9\\/\\n\", \"d\":{}}", tree);
    check_outline("a:\n- 1\n- b: null\nc: |\n  \xc3\xa9/\nd: {}\n", tree);
}
END

TEST(nodes_know_their_lines_and_are_found_by_key)
{
    AUTO(document) struct document *d = NULL;

    CHECK_OK(read_text("# head\na: 1\r\n\nlist:\n  - x\n  -\n    y: z\n", &d, e));

    const struct node *root = document_root(d);
    const struct node *list = node_find(root, "list");

    CHECK(root->line == 2 && root->count == 2 && list->key_line == 4 && list->line == 5);
    CHECK(list->first->line == 5 && list->first->next->line == 7);
    CHECK(node_find(root, "a")->integer == 1);
    CHECK(node_find(root, "b") == NULL);
    CHECK(root->weight == 6 && root->height == 3);
}
END

TEST(an_alias_is_a_copy_with_the_line_of_its_use)
{
    AUTO(document) struct document *d = NULL;

    CHECK_OK(read_text("a: &x [1, 2]\nb: *x\nc: [*x, 3]\n", &d, e));

    const struct node *b = node_find(document_root(d), "b");
    const struct node *c = node_find(document_root(d), "c");

    CHECK(b->line == 2 && b->count == 2 && b->first->next->integer == 2);
    CHECK(c->count == 2 && c->first->line == 3 && c->first->next->integer == 3);
    CHECK(document_root(d)->weight == 1 + 3 + 3 + 1 + 3 + 1);
}
END

TEST(what_is_no_document_is_refused_with_its_line)
{
    static const struct {
        const char *text, *sentence;
    } rows[] = {
        {"", "1: it is empty"},
        {"# nothing\n", "1: it is empty"},
        {"a: 1\nb: 2\na: 3\n", "3: the key \"a\" is there twice"},
        {"{a: {b: 1,\n b: 2}}", "2: the key \"b\" is there twice"},
        {"a: 1\n---\nb: 2\n", "2: a second document begins"},
        {"a: 1\nb: !!str x\n", "2: there are no tags such as tag:yaml.org,2002:str"},
        {"\n!x [a]\n", "2: there are no tags such as !x"},
        {"\n[a]: b\n", "2: a key is a list"},
        {"? {a: b}\n: c\n", "1: a key is a mapping"},
        {"a: &x 1\n*x : b\n", "2: a key is an alias"},
        {"&x a: 1\n", "1: a key has an anchor"},
        {"a: *x\n", "1: no complete value before it has the anchor &x"},
        {"a: &x [1,\n *x]\n", "2: no complete value before it has the anchor &x"},
        {"a: &x 1\nb: &x 2\n", "2: there is an anchor &x already"},
        {"a: \"x\\0y\"\n", "1: a text holds a NUL"},
        {"a: 1\nb: \x07\n", "2: it is not YAML: control characters are not allowed"},
        {"a: [1,\nb: 2\n", "3: it is not YAML: while parsing a flow sequence"},
        {"a:\n\t- b\n", "2: it is not YAML: while scanning for the next token"},
        {"a: 1\nb: \xff\n", "2: it is not UTF-8"},
        {"a: \xed\xa0\x80\n", "1: it is not UTF-8"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_refused(slice_string(rows[i].text), rows[i].sentence);
    check_refused(SLICE_OF("a: 1\nb: \0\n", 10), "2: it holds a NUL");
}
END

static void append_times(struct buf *out, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++)
        buf_append_slice(out, slice_string(text));
}

static void check_depth(size_t depth, bool is_fine)
{
    AUTO(buf) struct buf text = {0};
    AUTO(document) struct document *d = NULL;

    append_times(&text, depth, "[");
    append_times(&text, depth, "]");
    if (is_fine)
        CHECK_OK(document_read(buf_slice(&text), &d, e));
    else
        check_refused(buf_slice(&text), "1: more than 32 lists and mappings inside each other");
}

TEST(depth_is_limited_also_by_way_of_aliases)
{
    AUTO(buf) struct buf text = {0};

    check_depth(32, true);
    check_depth(33, false);
    buf_printf(&text, "a: &x ");
    append_times(&text, 20, "[");
    append_times(&text, 20, "]");
    buf_printf(&text, "\nb: ");
    append_times(&text, 12, "[");
    buf_printf(&text, "*x");
    append_times(&text, 12, "]");
    check_refused(buf_slice(&text), "2: more than 32");
}
END

TEST(aliases_of_aliases_count_as_what_they_would_be_written_out)
{
    AUTO(buf) struct buf text = {0};

    buf_printf(&text, "a0: &a0 [x]\n");
    for (int i = 1; i < 10; i++) {
        buf_printf(&text, "a%d: &a%d [", i, i);
        for (int n = 0; n < 10; n++)
            buf_printf(&text, "*a%d,", i - 1);
        buf_printf(&text, "]\n");
    }
    check_refused(buf_slice(&text), "6: there are more than 100000 values");
}
END

TEST(anchors_values_and_bytes_are_limited)
{
    AUTO(buf) struct buf anchors = {0};
    AUTO(buf) struct buf values = {0};
    AUTO(buf) struct buf bytes = {0};
    AUTO(document) struct document *d = NULL;

    for (int i = 0; i < 17; i++)
        buf_printf(&anchors, "- &a%d x\n", i);
    check_refused(buf_slice(&anchors), "17: there are more than 16 anchors");

    buf_printf(&values, "[\n");
    append_times(&values, 100000, "a,");
    buf_printf(&values, "]\n");
    check_refused(buf_slice(&values), "2: there are more than 100000 values");

    buf_printf(&bytes, "\"");
    append_times(&bytes, DOCUMENT_SIZE_MAX - 2, "a");
    buf_printf(&bytes, "\"");
    CHECK_OK(document_read(buf_slice(&bytes), &d, e));
    buf_printf(&bytes, "\n");
    check_refused(buf_slice(&bytes), "1: it is longer than 1048576 bytes");
}
END

TEST(a_mapping_with_very_many_keys_is_read_at_once)
{
    AUTO(buf) struct buf text = {0};
    AUTO(document) struct document *d = NULL;

    for (int i = 0; i < 90000; i++)
        buf_printf(&text, "k%d:\n", i);
    CHECK_OK(document_read(buf_slice(&text), &d, e));
    CHECK(document_root(d)->count == 90000);
    buf_printf(&text, "k77:\n");
    check_refused(buf_slice(&text), "90001: the key \"k77\" is there twice");
}
END

TEST(every_beginning_of_a_document_is_read_or_refused_with_a_line)
{
    static const char text[] = "a: &x {b: [1, 'c d', \"e\\n\"], f: |\n  g\n }\nh: *x\ni: >-\n  j\n";

    for (size_t size = 0; size < sizeof(text); size++) {
        AUTO(document) struct document *d = NULL;
        struct err e = {0};

        if (!document_read(SLICE_OF(text, size), &d, &e))
            CHECK(e.code == ERR_CORRUPT && e.text[0] >= '1' && e.text[0] <= '9');
    }
}
END

TESTS("document", only_plain_true_false_null_and_whole_numbers_are_typed,
      json_reads_as_the_same_tree_as_yaml, nodes_know_their_lines_and_are_found_by_key,
      an_alias_is_a_copy_with_the_line_of_its_use, what_is_no_document_is_refused_with_its_line,
      depth_is_limited_also_by_way_of_aliases,
      aliases_of_aliases_count_as_what_they_would_be_written_out,
      anchors_values_and_bytes_are_limited, a_mapping_with_very_many_keys_is_read_at_once,
      every_beginning_of_a_document_is_read_or_refused_with_a_line)
