#include "store/s3_xml.h"

#include <expat.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

enum {
    DEPTH_MAX = 12,
    TEXT_MAX = 64 << 10,
    NAME_MAX_SIZE = 100,
};

/* Called at the end of each element; path is "ListBucketResult/Contents/Key", text what stands in
 * it when it has no elements inside. */
typedef bool element_fn(void *arg, const char *path, struct buf *text, struct err *e);

struct walk {
    XML_Parser parser;
    struct buf path, text;
    size_t ends[DEPTH_MAX]; /* of the path at each depth */
    size_t depth;
    element_fn *fn;
    void *arg;
    bool is_failed;
    struct err *e;
};

static void walk_stop(struct walk *w)
{
    w->is_failed = true;
    (void)XML_StopParser(w->parser, XML_FALSE); /* it can be stopped: it is running */
}

static void walk_refuse(struct walk *w, const char *what)
{
    if (!w->is_failed)
        (void)err_set(w->e, ERR_TRANSIENT, "the reply is no answer of S3: %s", what);
    walk_stop(w);
}

static void on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
    struct walk *w = arg;

    (void)attributes; /* names of name spaces */
    if (w->depth == DEPTH_MAX || strlen(name) > NAME_MAX_SIZE) {
        walk_refuse(w, "its XML is too deep");
        return;
    }
    w->ends[w->depth++] = w->path.size;
    buf_printf(&w->path, "%s%s", w->path.size == 0 ? "" : "/", name);
    buf_clear(&w->text);
}

static void on_end(void *arg, const XML_Char *name)
{
    struct walk *w = arg;

    (void)name;       /* the parser has checked that it is the innermost */
    if (w->is_failed) /* the end of an empty element comes even after its beginning was refused */
        return;
    if (!w->fn(w->arg, buf_string(&w->path), &w->text, w->e))
        walk_stop(w);
    w->path.size = w->ends[--w->depth];
    buf_clear(&w->text);
}

static void on_text(void *arg, const XML_Char *text, int size)
{
    struct walk *w = arg;

    if (w->text.size + (size_t)size > TEXT_MAX)
        walk_refuse(w, "a text in it is too long");
    else
        buf_append(&w->text, text, (size_t)size);
}

static void on_doctype(void *arg, const XML_Char *name, const XML_Char *system,
                       const XML_Char *public_id, int has_subset)
{
    (void)name;
    (void)system;
    (void)public_id;
    (void)has_subset;
    walk_refuse(arg, "it declares a document type");
}

/* Tell every element of a document to fn. */
static bool walk_all(struct slice reply, element_fn *fn, void *arg, struct err *e)
{
    struct walk w = {.fn = fn, .arg = arg, .e = e, .parser = XML_ParserCreate(NULL)};

    if (w.parser == NULL)
        mem_exit("out of memory");
    XML_SetUserData(w.parser, &w);
    XML_SetElementHandler(w.parser, on_start, on_end);
    XML_SetCharacterDataHandler(w.parser, on_text);
    XML_SetStartDoctypeDeclHandler(w.parser, on_doctype);
    if (XML_Parse(w.parser, (const char *)reply.data, (int)reply.size, 1) != XML_STATUS_OK &&
        !w.is_failed) {
        (void)err_set(e, ERR_TRANSIENT, "the reply is no answer of S3: %s",
                      XML_ErrorString(XML_GetErrorCode(w.parser)));
        w.is_failed = true;
    }
    XML_ParserFree(w.parser);
    buf_done(&w.path);
    buf_done(&w.text);
    return !w.is_failed;
}

/* The part of a path behind "ROOT/", "" at the end of the root itself; NULL for another root. */
static const char *inside(const char *path, const char *root)
{
    const size_t size = strlen(root);

    if (strncmp(path, root, size) != 0)
        return NULL;
    if (path[size] == '\0')
        return path + size;
    return path[size] == '/' ? path + size + 1 : NULL;
}

static bool is_other(struct err *e)
{
    return err_set(e, ERR_TRANSIENT, "the reply is no answer of S3 to this request");
}

/* Failures */

static bool on_error(void *arg, const char *path, struct buf *text, struct err *e)
{
    struct s3_error *out = arg;
    const char *name = inside(path, "Error");

    if (name == NULL)
        return is_other(e);
    if (strcmp(name, "Code") == 0)
        text_flatten(buf_slice(text), out->code, sizeof(out->code));
    else if (strcmp(name, "Message") == 0)
        text_flatten(buf_slice(text), out->message, sizeof(out->message));
    else if (strcmp(name, "Region") == 0)
        text_flatten(buf_slice(text), out->region, sizeof(out->region));
    return true;
}

void s3_error_parse(struct slice reply, struct s3_error *out)
{
    struct s3_error found = {{0}};
    struct err ignored; /* what is no error is none */

    *out = (struct s3_error){{0}};
    if (reply.size > 0 && walk_all(reply, on_error, &found, &ignored))
        *out = found;
}

/* Listings */

void s3_page_auto(struct s3_page *p)
{
    buf_done(&p->token);
    buf_done(&p->upload);
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undo encoding-type=url: "%2F", and '+' for a blank.  False for what is no such form. */
static bool url_decode(struct slice in, struct buf *out)
{
    for (size_t i = 0; i < in.size; i++) {
        uint8_t c = in.data[i];

        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            const int high = i + 2 < in.size ? hex_digit(in.data[i + 1]) : -1;
            const int low = high >= 0 ? hex_digit(in.data[i + 2]) : -1;

            if (low < 0)
                return false;
            c = (uint8_t)(high << 4 | low);
            i += 2;
        }
        buf_put_u8(out, c);
    }
    return out->size == 0 || memchr(out->data, '\0', out->size) == NULL;
}

struct listing {
    struct s3_page *page;
    s3_item_fn *fn;
    s3_upload_fn *upload_fn;
    void *arg;
    struct buf key, id; /* of the item being read */
    struct s3_item item;
};

static bool set_key(struct listing *l, struct slice text, struct err *e)
{
    buf_clear(&l->key);
    return url_decode(text, &l->key) ||
           err_set(e, ERR_TRANSIENT, "the reply is no answer of S3: a key is not encoded");
}

static bool set_time(struct listing *l, const char *text, struct err *e)
{
    int64_t time_ns = 0;

    if (!clock_parse(text, &time_ns, e)) {
        e->code = ERR_TRANSIENT;
        return false;
    }
    l->item.mtime = time_ns / NS_PER_S;
    return true;
}

static bool set_size(struct listing *l, const char *text, struct err *e)
{
    if (parse_u64(text, &l->item.size, e))
        return true;
    e->code = ERR_TRANSIENT;
    return false;
}

static void set_text(struct buf *out, struct slice text)
{
    buf_clear(out);
    buf_append_slice(out, text);
}

static bool set_marker(struct listing *l, struct slice text, struct err *e)
{
    buf_clear(&l->page->token);
    return url_decode(text, &l->page->token) ||
           err_set(e, ERR_TRANSIENT, "the reply is no answer of S3: a key is not encoded");
}

/* Tell the item that is complete, and make ready for the next. */
static bool tell_item(struct listing *l, struct err *e)
{
    l->item.key = buf_string(&l->key);

    const bool is_told = l->fn != NULL ? l->fn(l->arg, &l->item, e)
                                       : l->upload_fn(l->arg, &l->item, buf_string(&l->id), e);

    buf_clear(&l->key);
    buf_clear(&l->id);
    l->item = (struct s3_item){0};
    return is_told;
}

static bool on_object(void *arg, const char *path, struct buf *text, struct err *e)
{
    struct listing *l = arg;
    const char *name = inside(path, "ListBucketResult");

    if (name == NULL)
        return is_other(e);
    if (strcmp(name, "Contents/Key") == 0)
        return set_key(l, buf_slice(text), e);
    if (strcmp(name, "Contents/Size") == 0)
        return set_size(l, buf_string(text), e);
    if (strcmp(name, "Contents/LastModified") == 0)
        return set_time(l, buf_string(text), e);
    if (strcmp(name, "Contents") == 0)
        return tell_item(l, e);
    if (strcmp(name, "IsTruncated") == 0)
        l->page->is_truncated = strcmp(buf_string(text), "true") == 0;
    else if (strcmp(name, "NextContinuationToken") == 0)
        set_text(&l->page->token, buf_slice(text));
    return true;
}

static bool on_upload(void *arg, const char *path, struct buf *text, struct err *e)
{
    struct listing *l = arg;
    const char *name = inside(path, "ListMultipartUploadsResult");

    if (name == NULL)
        return is_other(e);
    if (strcmp(name, "Upload/Key") == 0)
        return set_key(l, buf_slice(text), e);
    if (strcmp(name, "Upload/UploadId") == 0)
        buf_append_slice(&l->id, buf_slice(text));
    else if (strcmp(name, "Upload/Initiated") == 0)
        return set_time(l, buf_string(text), e);
    else if (strcmp(name, "Upload") == 0)
        return tell_item(l, e);
    else if (strcmp(name, "IsTruncated") == 0)
        l->page->is_truncated = strcmp(buf_string(text), "true") == 0;
    else if (strcmp(name, "NextKeyMarker") == 0)
        return set_marker(l, buf_slice(text), e);
    else if (strcmp(name, "NextUploadIdMarker") == 0)
        set_text(&l->page->upload, buf_slice(text));
    return true;
}

static bool walk_listing(struct slice reply, element_fn *fn, struct listing *l, struct err *e)
{
    l->page->is_truncated = false;
    buf_clear(&l->page->token);
    buf_clear(&l->page->upload);

    const bool is_read = walk_all(reply, fn, l, e);

    buf_done(&l->key);
    buf_done(&l->id);
    return is_read;
}

bool s3_list_parse(struct slice reply, s3_item_fn *fn, void *arg, struct s3_page *out,
                   struct err *e)
{
    struct listing l = {.page = out, .fn = fn, .arg = arg};

    return walk_listing(reply, on_object, &l, e);
}

bool s3_uploads_parse(struct slice reply, s3_upload_fn *fn, void *arg, struct s3_page *out,
                      struct err *e)
{
    struct listing l = {.page = out, .upload_fn = fn, .arg = arg};

    return walk_listing(reply, on_upload, &l, e);
}

/* Other replies, and what is asked */

void s3_xml_escape(const char *text, struct buf *out)
{
    for (; *text != '\0'; text++)
        if (strchr("<>&\"\r", *text) == NULL)
            buf_append(out, text, 1);
        else
            buf_printf(out, "&#%d;", *text);
}

static bool on_deleted(void *arg, const char *path, struct buf *text, struct err *e)
{
    struct s3_error *out = arg;
    const char *name = inside(path, "DeleteResult");

    if (name == NULL)
        return is_other(e);
    if (strcmp(name, "Error/Code") == 0 && out->code[0] == '\0')
        text_flatten(buf_slice(text), out->code, sizeof(out->code));
    else if (strcmp(name, "Error/Message") == 0 && out->message[0] == '\0')
        text_flatten(buf_slice(text), out->message, sizeof(out->message));
    return true;
}

bool s3_deleted_parse(struct slice reply, struct s3_error *out, struct err *e)
{
    *out = (struct s3_error){{0}};
    return walk_all(reply, on_deleted, out, e);
}

static bool on_begun(void *arg, const char *path, struct buf *text, struct err *e)
{
    const char *name = inside(path, "InitiateMultipartUploadResult");

    if (name == NULL)
        return is_other(e);
    if (strcmp(name, "UploadId") == 0)
        buf_append_slice(arg, buf_slice(text));
    return true;
}

bool s3_begun_parse(struct slice reply, struct buf *id, struct err *e)
{
    const size_t before = id->size;

    return walk_all(reply, on_begun, id, e) && (id->size > before || is_other(e));
}

static bool on_completed(void *arg, const char *path, struct buf *text, struct err *e)
{
    (void)arg;
    (void)text;
    return inside(path, "CompleteMultipartUploadResult") != NULL || is_other(e);
}

bool s3_completed_parse(struct slice reply, struct err *e)
{
    return walk_all(reply, on_completed, NULL, e);
}

struct wanted {
    const char *root, *name;
    struct buf *out;
};

static bool on_element(void *arg, const char *path, struct buf *text, struct err *e)
{
    const struct wanted *w = arg;
    const char *name = inside(path, w->root);

    if (name == NULL)
        return is_other(e);
    if (strcmp(name, w->name) == 0)
        buf_append_slice(w->out, buf_slice(text));
    return true;
}

bool s3_element_parse(struct slice reply, const char *root, const char *name, struct buf *out,
                      struct err *e)
{
    struct wanted w = {root, name, out};
    const size_t before = out->size;

    if (walk_all(reply, on_element, &w, e))
        return true;
    out->size = before;
    return false;
}
