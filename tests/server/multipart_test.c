/* Forms with files, cut at every place. */
#include <stdio.h>
#include <string.h>

#include "server/multipart.h"
#include "support/test.h"

#define TYPE "multipart/form-data; boundary=XYZ"
#define FILE_HEAD                                                                 \
    "--XYZ\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.zip\"\r\n" \
    "Content-Type: application/zip\r\n\r\n"

/* What was heard, as a text: "f(a.zip)[BYTES]". */
struct heard {
    struct buf text;
    bool fails;
};

static bool begin(void *arg, const char *name, const char *file, struct err *e)
{
    struct heard *h = arg;

    buf_printf(&h->text, file == NULL ? "%s[" : "%s(%s)[", name, file);
    return !h->fails || err_set(e, ERR_DENIED, "no");
}

static bool take(void *arg, struct slice bytes, struct err *e)
{
    struct heard *h = arg;

    (void)e;
    buf_append_slice(&h->text, bytes);
    return true;
}

static bool end(void *arg, struct err *e)
{
    struct heard *h = arg;

    (void)e;
    buf_printf(&h->text, "]");
    return true;
}

/* Whether it is a form when it comes in pieces of so many bytes. */
static bool read_in(struct slice body, size_t piece, struct heard *h)
{
    const struct multipart_taker to = {h, begin, take, end};
    AUTO(multipart) struct multipart *m = NULL;
    struct err why = {0};

    CHECK_OK(multipart_new(TYPE, &to, &m, e));
    for (size_t at = 0; at < body.size; at += piece)
        if (!multipart_add(
                m, SLICE_OF(body.data + at, body.size - at < piece ? body.size - at : piece),
                &why)) {
            CHECK(why.code == ERR_USAGE);
            return false;
        }
    return multipart_finish(m, &why);
}

/* The same however it is cut: what was heard, or NULL. */
static const char *heard_of(const char *body, struct heard *out)
{
    const struct slice all = slice_string(body);
    bool is_form = false;

    for (size_t piece = all.size; piece > 0; piece--) {
        AUTO(buf) struct buf before = out->text;

        out->text = (struct buf){0};

        const bool is_now = read_in(all, piece, out);

        CHECK(piece == all.size || is_now == is_form);
        if (is_now && piece < all.size)
            ck_assert_str_eq(buf_string(&out->text), buf_string(&before));
        is_form = is_now;
    }
    return is_form ? buf_string(&out->text) : NULL;
}

static bool is_form(const char *body)
{
    struct heard h = {0};
    const bool is = heard_of(body, &h) != NULL;

    buf_done(&h.text);
    return is;
}

#define CHECK_HEARD(body, what)                      \
    do {                                             \
        struct heard heard_ = {0};                   \
        const char *said_ = heard_of(body, &heard_); \
                                                     \
        CHECK(said_ != NULL);                        \
        ck_assert_str_eq(said_, what);               \
        buf_done(&heard_.text);                      \
    } while (0)

TEST(parts_are_heard_however_the_bytes_are_cut)
{
    CHECK_HEARD(FILE_HEAD "PK\r\n--XY\r\n\r\n--XYZ--\r\n", "f(a.zip)[PK\r\n--XY\r\n]");
    CHECK_HEARD(FILE_HEAD "\r\n--XYZ--", "f(a.zip)[]");
    CHECK_HEARD("--XYZ\r\ncontent-disposition:form-data;name=a\r\n\r\ntrue\r\n" FILE_HEAD
                "\r\r\n-\r\n--XYZ--\r\n",
                "a[true]f(a.zip)[\r\r\n-]");
    CHECK_HEARD("--XYZ\r\nContent-Disposition: form-data; filename=\"\\\"q\\\\ C:\\x\"; "
                "name=\"a b\"\r\n\r\nx\r\n--XYZ--\r\n",
                "a b(\"q\\ C:\\x)[x]");
    CHECK_HEARD("--XYZ--\r\n", "");
}
END

TEST(a_form_that_breaks_off_is_none)
{
    static const char whole[] = FILE_HEAD "PK\r\n--XYZ--\r\n";
    char cut[sizeof(whole)];

    /* The CRLF behind the end may be missing. */
    for (size_t size = 0; size < sizeof(whole) - 1; size++) {
        memcpy(cut, whole, size);
        cut[size] = '\0';
        CHECK(is_form(cut) == (size == sizeof(whole) - 3));
    }
}
END

TEST(what_two_readers_could_take_differently_is_refused)
{
    static const char *const bad[] = {
        "",
        "\r\n--XYZ--\r\n",
        "preamble\r\n--XYZ--\r\n",
        "--XYZ --\r\n",
        "--XYZA\r\n",
        "--XYZ\n",
        FILE_HEAD "x\r\n--XYZ--\r\nepilogue",
        FILE_HEAD "x\r\n--XYZA\r\n--XYZ--\r\n",
        FILE_HEAD "x\n--XYZ--\r\n",
        "--XYZ\r\n\r\nx\r\n--XYZ--\r\n",
        "--XYZ\r\nContent-Type: text/plain\r\n\r\nx\r\n--XYZ--\r\n",
        "--XYZ\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\nx\r\n--XYZ--\r\n",
        "--XYZ\r\nContent-Disposition: form-data\r\n\r\nx\r\n--XYZ--\r\n",
        "--XYZ\r\nContent-Disposition: form-data; name=\"\"\r\n\r\nx\r\n--XYZ--\r\n",
        "--XYZ\r\nContent-Disposition: form-data; name=\"a\"; name=\"b\"\r\n\r\nx\r\n--XYZ--\r\n",
        "--XYZ\r\nContent-Disposition: form-data; name=\"a\r\n\r\nx\r\n--XYZ--\r\n",
        "--XYZ\r\nContent-Disposition: form-data; name=\"a\" x\r\n\r\nx\r\n--XYZ--\r\n",
        "--XYZ\r\nContent-Disposition: form-data; name=\"a\"; "
        "filename*=UTF-8''b\r\n\r\nx\r\n--XYZ--"
        "\r\n",
        "--XYZ\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Disposition: form-data; "
        "name=\"b\"\r\n\r\nx\r\n--XYZ--\r\n",
        "--XYZ\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Transfer-Encoding: "
        "base64\r\n\r\nx\r\n--XYZ--\r\n",
        "--XYZ\r\nContent-Disposition : form-data; name=\"a\"\r\n\r\nx\r\n--XYZ--\r\n",
        "--XYZ\r\n Content-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n--XYZ--\r\n",
        "--XYZ\r\nContent-Disposition: form-data; name=\"a\"\nX: y\r\n\r\nx\r\n--XYZ--\r\n",
        "--XYZ\r\nContent-Disposition: form-data; name=\"\xff\"\r\n\r\nx\r\n--XYZ--\r\n",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!is_form(bad[i]), "form %zu passes", i);
}
END

TEST(names_and_headers_and_parts_have_bounds)
{
    AUTO(buf) struct buf body = {0};
    struct heard h = {0};

    for (int size = MULTIPART_NAME_MAX; size <= MULTIPART_NAME_MAX + 1; size++) {
        buf_clear(&body);
        buf_printf(&body,
                   "--XYZ\r\nContent-Disposition: form-data; name=\"%0*d\"\r\n\r\n\r\n--XYZ--",
                   size, 0);
        CHECK(is_form(buf_string(&body)) == (size == MULTIPART_NAME_MAX));
    }
    buf_clear(&body);
    buf_printf(&body, "--XYZ\r\nX: ");
    for (size_t i = 0; i < MULTIPART_HEAD_MAX; i++)
        buf_printf(&body, "x");
    CHECK(!read_in(buf_slice(&body), 1000, &h)); /* the end of it is not waited for */
    for (int parts = MULTIPART_PARTS_MAX; parts <= MULTIPART_PARTS_MAX + 1; parts++) {
        buf_clear(&body);
        for (int i = 0; i < parts; i++)
            buf_printf(&body, "--XYZ\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n");
        buf_printf(&body, "--XYZ--");
        CHECK(read_in(buf_slice(&body), 64, &h) == (parts == MULTIPART_PARTS_MAX));
    }
    buf_done(&h.text);
}
END

TEST(who_takes_the_parts_may_end_it)
{
    struct heard h = {.fails = true};
    const struct multipart_taker to = {&h, begin, take, end};
    AUTO(multipart) struct multipart *m = NULL;
    struct err why = {0};

    CHECK_OK(multipart_new(TYPE, &to, &m, e));
    CHECK(!multipart_add(m, slice_string(FILE_HEAD), &why) && why.code == ERR_DENIED);
    buf_done(&h.text);
}
END

TEST(a_type_has_one_boundary)
{
    static const char *const bad[] = {NULL,
                                      "",
                                      "multipart/form-data",
                                      "multipart/form-data;",
                                      "multipart/form-data; boundary=",
                                      "multipart/form-data; boundary=\"\"",
                                      "multipart/form-data; boundary=a; boundary=b",
                                      "multipart/form-data; boundary=a b",
                                      "multipart/mixed; boundary=a",
                                      "multipart/form-datax; boundary=a",
                                      "application/x-www-form-urlencoded"};
    static const char *const good[] = {"multipart/form-data; boundary=----WebKitFormBoundary0aZ",
                                       "Multipart/Form-Data;Boundary=\"a b:c\"",
                                       "multipart/form-data; charset=utf-8; boundary=a"};
    const struct multipart_taker to = {NULL, begin, take, end};
    char longest[200];
    struct err why = {0};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct multipart *m = NULL;

        CHECK(!multipart_new(bad[i], &to, &m, &why) && m == NULL);
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        AUTO(multipart) struct multipart *m = NULL;

        CHECK_OK(multipart_new(good[i], &to, &m, e));
    }
    for (int size = MULTIPART_BOUNDARY_MAX; size <= MULTIPART_BOUNDARY_MAX + 1; size++) {
        AUTO(multipart) struct multipart *m = NULL;

        (void)snprintf(longest, sizeof(longest), "multipart/form-data; boundary=%0*d", size, 0);
        CHECK(multipart_new(longest, &to, &m, &why) == (size == MULTIPART_BOUNDARY_MAX));
    }
}
END

TESTS("server multipart", parts_are_heard_however_the_bytes_are_cut, a_form_that_breaks_off_is_none,
      what_two_readers_could_take_differently_is_refused, names_and_headers_and_parts_have_bounds,
      who_takes_the_parts_may_end_it, a_type_has_one_boundary)
