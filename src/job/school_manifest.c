#include "job/school_manifest.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/random.h"

#define FORMAT      "holdfast school-erp manifest 1"
#define SIGNATURE   ",\"signature\":\""
#define TAIL        "\"}\n" /* behind the digits */
#define DIGITS      ((size_t)2 * HASH_SIZE)
#define ID_BYTES    8
#define ID_SIZE     (2 * ID_BYTES + 1)
#define SUM_BLOCK   ((size_t)1 << 20)
#define COPIES_MAX  16
#define SIGNER_MODE 0700 /* of its folder */

/* Keys */

void school_signer_auto(struct school_signer *s)
{
    mem_wipe(s, sizeof(*s));
}

/* Names a key, and nothing can be found out of it by the name. */
static void key_name(const uint8_t key[HASH_SIZE], char out[ID_SIZE])
{
    uint8_t name[ID_BYTES];

    hkdf(SLICE_OF(key, HASH_SIZE), (struct slice){0}, slice_string("holdfast school-erp key id"),
         name, sizeof(name));
    hex_encode(SLICE_OF(name, sizeof(name)), out);
}

bool school_signer_read(const char *path, struct school_signer *out, struct err *e)
{
    AUTO(buf) struct buf text = {0};

    buf_reserve(&text, DIGITS + 2); /* it does not move while it is read */

    const bool is_read = file_read(path, DIGITS + 1, &text, e);
    const bool is_key = is_read && text.size >= DIGITS &&
                        (text.size == DIGITS || text.data[DIGITS] == '\n') &&
                        hex_decode((text.size = DIGITS, buf_string(&text)), out->bytes, HASH_SIZE);

    mem_wipe(text.data, text.room);
    return is_key ||
           (is_read && err_set(e, ERR_USAGE, "%s: a key has %zu hexadecimal digits", path, DIGITS));
}

bool school_signer_get(const char *path, struct school_signer *out, struct err *e)
{
    struct school_signer made;
    char digits[DIGITS + 2];
    AUTO(buf) struct buf draft = {0};
    AUTO(mem) char *folder = mem_string(path);
    char *slash = strrchr(folder, '/');
    bool is_suspect = false;

    if (school_signer_read(path, out, e))
        return true;
    if (e->code != ERR_NOT_FOUND)
        return false;
    if (slash != NULL && slash != folder) {
        *slash = '\0';
        if (!dir_make_all(folder, SIGNER_MODE, e))
            return false;
    }
    buf_printf(&draft, "%s.new", path);
    random_bytes(made.bytes, sizeof(made.bytes));
    hex_encode(SLICE_OF(made.bytes, HASH_SIZE), digits);
    memcpy(digits + DIGITS, "\n", 2);

    const bool is_there =
        file_publish(AT_FDCWD, path, buf_string(&draft), slice_string(digits), &is_suspect, e) ||
        e->code == ERR_EXISTS;

    mem_wipe(digits, sizeof(digits));
    mem_wipe(&made, sizeof(made));
    return is_there && school_signer_read(path, out, e); /* another process may have been faster */
}

/* Writing */

void school_manifest_name(const char *file, char out[SCHOOL_MANIFEST_ROOM])
{
    (void)snprintf(out, SCHOOL_MANIFEST_ROOM, "%s.manifest", file); /* it fits */
}

static void sign(const struct school_signer *s, struct slice text, char out[DIGITS + 1])
{
    AUTO(hmac_stream) struct hmac_stream *h = hmac_stream_new(s->bytes);
    struct hash sum;

    hmac_stream_add(h, text);
    hmac_stream_finish(h, &sum);
    hex_encode(SLICE_OF(sum.bytes, HASH_SIZE), out);
}

/* The document, signed and in one line. */
static void seal(const json_t *document, const struct school_signer *s, struct buf *out)
{
    char digits[DIGITS + 1];

    json_append(document, out);
    assert(out->size > 0 && out->data[out->size - 1] == '}');
    out->size--;
    sign(s, buf_slice(out), digits);
    buf_printf(out, SIGNATURE "%s" TAIL, digits);
}

static json_t *describe(const struct school_place *p, const struct school_made *made,
                        const struct hash *sha256)
{
    char sum[DIGITS + 1];
    char checksum[DIGITS + 1];
    char created[SCHOOL_STAMP_MAX];
    char key_id[ID_SIZE];
    char signer[ID_SIZE];
    json_t *tables = json_object();

    hex_encode(SLICE_OF(sha256->bytes, HASH_SIZE), sum);
    hex_encode(SLICE_OF(made->facts.sha256.bytes, HASH_SIZE), checksum);
    school_stamp_format(made->backup.name.time_ns, created);
    key_name(p->key->bytes, key_id);
    key_name(p->signer->bytes, signer);
    for (size_t i = 0; i < SCHOOL_TABLES; i++)
        if (made->facts.has[i])
            (void)json_object_set_new(tables, school_tables[i].name,
                                      json_integer((json_int_t)made->facts.rows[i]));
    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:o, s:[], s:s, s:s}", "format", FORMAT,
                     "filename", made->backup.file, "size", (json_int_t)made->backup.size, "sha256",
                     sum, "checksum", checksum, "created", created, "tables", tables, "copies",
                     "key_id", key_id, "signer", signer);
}

bool school_manifest_put(int dirfd, const struct school_place *p, const struct school_made *made,
                         const struct hash *sha256, struct err *e)
{
    AUTO(json) json_t *document = describe(p, made, sha256);
    AUTO(buf) struct buf text = {0};
    char name[SCHOOL_MANIFEST_ROOM];
    bool is_suspect = false;

    school_manifest_name(made->backup.file, name);
    seal(document, p->signer, &text);
    return file_publish(dirfd, name, ".holdfast-manifest", buf_slice(&text), &is_suspect, e) ||
           err_wrap(e, "%s", name);
}

bool school_manifest_add_copy(int dirfd, const struct school_place *p, json_t *document,
                              const char *url, struct err *e)
{
    json_t *copies = json_object_get(document, "copies");
    const json_t *one = NULL;
    AUTO(buf) struct buf text = {0};
    char name[SCHOOL_MANIFEST_ROOM];
    bool is_suspect = false;
    size_t i = 0;

    json_array_foreach(copies, i, one)
    {
        if (strcmp(json_string_value(one), url) == 0)
            return true;
    }
    if (json_array_size(copies) >= COPIES_MAX)
        return err_set(e, ERR_USAGE, "it has %d copies already", COPIES_MAX);
    (void)json_array_append_new(copies, json_string(url)); /* cannot fail */
    school_manifest_name(json_string_value(json_object_get(document, "filename")), name);
    seal(document, p->signer, &text);
    return file_publish_replace(dirfd, name, ".holdfast-manifest", buf_slice(&text), &is_suspect,
                                e) ||
           err_wrap(e, "%s", name);
}

/* Looking */

bool school_file_sum(int fd, struct hash *out, uint64_t *size, struct err *e)
{
    AUTO(sha256_stream) struct sha256_stream *s = sha256_stream_new();
    AUTO(buf) struct buf block = {0};
    uint64_t at = 0;
    size_t got = 0;

    buf_reserve(&block, SUM_BLOCK);
    do {
        if (!fd_read_at(fd, at, block.data, SUM_BLOCK, &got, e))
            return false;
        sha256_stream_add(s, SLICE_OF(block.data, got));
        at += got;
    } while (got == SUM_BLOCK);
    sha256_stream_finish(s, out);
    *size = at;
    return true;
}

/* *is_there: there is something of that name, be it what it may; what is no file counts as empty.
 */
static bool read_manifest(int dirfd, const char *file, struct buf *out, bool *is_there,
                          struct err *e)
{
    char name[SCHOOL_MANIFEST_ROOM];
    struct stat st;
    size_t got = 0;

    school_manifest_name(file, name);

    AUTO(fd)
    int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    *is_there = fd >= 0 || errno != ENOENT;
    if (fd < 0)
        return errno == ENOENT || errno == ELOOP || errno == ENXIO || err_sys(e, "open %s", name);
    if (fstat(fd, &st) < 0)
        return err_sys(e, "look at %s", name);
    if (!S_ISREG(st.st_mode))
        return true;
    buf_reserve(out, SCHOOL_MANIFEST_MAX + 1);
    if (!fd_read(fd, out->data, SCHOOL_MANIFEST_MAX + 1, &got, e))
        return err_wrap(e, "%s", name);
    out->size = got;
    return true;
}

static bool doubt(struct school_backup *b, enum school_proof proof, const char *why)
{
    b->proof = proof;
    (void)snprintf(b->doubt, sizeof(b->doubt), "%s", why);
    return false;
}

static const char *text_of(const json_t *document, const char *name)
{
    const char *text = json_string_value(json_object_get(document, name));

    return text == NULL ? "" : text;
}

/* The document that our key signed, or NULL with the doubt. */
static json_t *open_manifest(struct slice text, const struct school_signer *s,
                             struct school_backup *b)
{
    const size_t tail = strlen(SIGNATURE) + DIGITS + strlen(TAIL);
    char digits[DIGITS + 1];
    char own[ID_SIZE];

    if (text.size <= tail || text.size > SCHOOL_MANIFEST_MAX)
        return (void)doubt(b, SCHOOL_REFUTED, "its manifest is damaged"), NULL;

    const struct slice front = SLICE_OF(text.data, text.size - tail);
    AUTO(json)
    json_t *document = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, NULL);

    if (memcmp(front.data + front.size, SIGNATURE, strlen(SIGNATURE)) != 0 ||
        memcmp(text.data + text.size - strlen(TAIL), TAIL, strlen(TAIL)) != 0 ||
        strcmp(text_of(document, "format"), FORMAT) != 0 ||
        strlen(text_of(document, "signer")) != ID_SIZE - 1)
        return (void)doubt(b, SCHOOL_REFUTED, "its manifest is damaged"), NULL;
    key_name(s->bytes, own);
    if (strcmp(text_of(document, "signer"), own) != 0)
        return (void)doubt(b, SCHOOL_FOREIGN, "its manifest was signed with another key"), NULL;
    sign(s, front, digits);
    if (!equal_ct(digits, front.data + front.size + strlen(SIGNATURE), DIGITS))
        return (void)doubt(b, SCHOOL_REFUTED, "its manifest was changed"), NULL;
    (void)json_object_del(document, "signature"); /* it is there */
    return TAKE(document);
}

static void take_copies(const json_t *document, struct school_backup *b)
{
    const json_t *copies = json_object_get(document, "copies");
    const json_t *one = NULL;
    size_t used = 0;
    size_t i = 0;

    json_array_foreach(copies, i, one)
    {
        const int n = snprintf(b->copies + used, sizeof(b->copies) - used, "%s%s",
                               used == 0 ? "" : " ", json_string_value(one));

        if (n < 0 || (size_t)n >= sizeof(b->copies) - used) {
            b->copies[used] = '\0'; /* as many as fit; the manifest has all */
            return;
        }
        used += (size_t)n;
    }
}

/* Whether an authentic manifest is of this file. */
static bool is_of_file(const json_t *document, int fd, struct school_backup *b, bool *is_same,
                       struct err *e)
{
    struct hash sum;
    char digits[DIGITS + 1];
    uint64_t size = 0;

    *is_same = false;
    if (strcmp(text_of(document, "filename"), b->file) != 0) {
        (void)doubt(b, SCHOOL_REFUTED, "its manifest is that of another backup");
        return true;
    }
    if (!school_file_sum(fd, &sum, &size, e))
        return err_wrap(e, "%s", b->file);
    hex_encode(SLICE_OF(sum.bytes, HASH_SIZE), digits);
    *is_same = size == (uint64_t)json_integer_value(json_object_get(document, "size")) &&
               strcmp(digits, text_of(document, "sha256")) == 0;
    if (!*is_same)
        (void)doubt(b, SCHOOL_REFUTED, "it is not the file that was written under this name");
    return true;
}

bool school_manifest_check(int dirfd, const struct school_place *p, int fd, struct school_backup *b,
                           json_t **document, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    AUTO(json) json_t *found = NULL;
    bool is_there = false;
    bool is_same = false;

    b->proof = SCHOOL_UNSIGNED;
    if (p->signer == NULL)
        return true;
    if (!read_manifest(dirfd, b->file, &text, &is_there, e))
        return false;
    if (!is_there) {
        (void)doubt(b, SCHOOL_UNSIGNED, "it has no manifest");
        return true;
    }
    found = open_manifest(buf_slice(&text), p->signer, b);
    if (found == NULL)
        return true;
    if (!is_of_file(found, fd, b, &is_same, e))
        return false;
    if (!is_same)
        return true;
    b->proof = SCHOOL_PROVEN;
    take_copies(found, b);
    if (document != NULL)
        *document = TAKE(found);
    return true;
}
