/*
 * Archives of CFMS as parts.  Records, which the archive has as lists of JSON, become a line each:
 *
 *     documents.jsonl folders.jsonl files.jsonl files/ID                     (.cfms.enc)
 *     manifest.json tables/NAME.jsonl files/00000000.bin                     (.confbak)
 */
#include <stdio.h>
#include <string.h>

#include "archive/cfms_conf.h"
#include "archive/cfms_record.h"
#include "archive/foreign_private.h"
#include "archive/in_out.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/json.h"

/* Parts on their way to the visitor; lists are open until something else comes. */
struct parting {
    const struct foreign_visitor *to;
    char open[FOREIGN_WORD_MAX + 16]; /* the list under way; empty: none */
    size_t files;                     /* contents of a .confbak so far */
};

static bool end_list(struct parting *p, struct err *e)
{
    if (p->open[0] == '\0')
        return true;
    p->open[0] = '\0';
    return p->to->end(p->to->arg, e);
}

static bool begin_part(struct parting *p, const char *name, struct err *e)
{
    return end_list(p, e) && p->to->begin(p->to->arg, name, e);
}

/* One more line of a list. */
static bool add_line(struct parting *p, const char *list, const json_t *tree, struct err *e)
{
    AUTO(buf) struct buf text = {0};

    if (strcmp(p->open, list) != 0) {
        if (!begin_part(p, list, e))
            return false;
        (void)snprintf(p->open, sizeof(p->open), "%s", list); /* names of lists are short */
    }
    json_append(tree, &text);
    buf_put_u8(&text, '\n');

    const bool is_taken = p->to->bytes(p->to->arg, buf_slice(&text), e);

    mem_wipe(text.data, text.size);
    return is_taken;
}

static bool read_source(void *arg, uint64_t offset, uint8_t *to, size_t room, size_t *got,
                        struct err *e)
{
    const struct input *from = arg;

    return from->read_at(from->arg, offset, to, room, got, e);
}

static struct cfms_source source_of(const struct input *from)
{
    return (struct cfms_source){read_source, (void *)(uintptr_t)from, from->size};
}

static bool part_bytes(void *arg, struct slice bytes, struct err *e)
{
    const struct parting *p = arg;

    return p->to->bytes(p->to->arg, bytes, e);
}

/* The first archive */

static bool take_document(void *arg, const struct cfms_document *d, struct err *e)
{
    AUTO(json) json_t *tree = NULL;

    return cfms_document_tree(d, &tree, e) && add_line(arg, "documents.jsonl", tree, e);
}

static bool take_folder(void *arg, const struct cfms_folder *f, struct err *e)
{
    AUTO(json) json_t *tree = NULL;

    return cfms_folder_tree(f, &tree, e) && add_line(arg, "folders.jsonl", tree, e);
}

static bool take_file(void *arg, const struct cfms_file *f, struct err *e)
{
    AUTO(json) json_t *tree = NULL;

    return cfms_file_tree(f, &tree, e) && add_line(arg, "files.jsonl", tree, e);
}

static bool take_content(void *arg, const char *id, uint64_t size, struct err *e)
{
    char name[CFMS_ID_MAX + 8];

    (void)size;                                         /* it is counted */
    (void)snprintf(name, sizeof(name), "files/%s", id); /* ids are short */
    return begin_part(arg, name, e);
}

static bool end_content(void *arg, const char *id, const struct hash *sha256, struct err *e)
{
    const struct parting *p = arg;

    (void)id;
    (void)sha256; /* compared with its record at the end */
    return p->to->end(p->to->arg, e);
}

static bool pass_missing(void *arg, const char *id, struct err *e)
{
    (void)arg;
    (void)id;
    (void)e; /* they are counted in the result */
    return true;
}

static void tell_result(const struct cfms_result *r, struct foreign_facts *f)
{
    AUTO(buf) struct buf text = {0};
    char created[CLOCK_TEXT_MAX];
    const double ns = r->created_at * (double)NS_PER_S;

    if (ns > 0 && ns < 0x1p63) {
        clock_format((int64_t)ns, created);
        foreign_set_word(f->created, created);
    }
    if (r->missing + r->unchecked + r->strays + r->others > 0)
        buf_printf(&text,
                   "%llu files without content, %llu contents without a sum, %llu without a "
                   "record, %llu other members in the archive only",
                   (unsigned long long)r->missing, (unsigned long long)r->unchecked,
                   (unsigned long long)r->strays, (unsigned long long)r->others);
    foreign_set_sentence(f->note, buf_string(&text));
}

bool foreign_read_cfms(const struct foreign_archive *a, const struct foreign_visitor *v,
                       struct foreign_facts *out, struct err *e)
{
    static const struct cfms_permission permission = {true, CFMS_BYTES_MAX};
    AUTO(cfms_key) struct cfms_key key = {{0}};
    const struct cfms_source source = source_of(a->from);
    struct parting p = {.to = v};
    const struct cfms_visitor visitor = {&p,           take_document, take_folder, take_file,
                                         take_content, part_bytes,    end_content, pass_missing};
    struct cfms_result result = {0};
    struct foreign_facts f = {0};

    if (memchr(a->key.data, '{', a->key.size) == NULL)
        return err_set(e, ERR_USAGE, "no key file of CFMS was given");
    if (!cfms_key_parse(a->key, &key, e))
        return false;
    if (!cfms_read(&source, &key, &permission, &visitor, &result, e) || !end_list(&p, e))
        return false;
    foreign_set_word(f.version, "1.0");
    f.is_authenticated = result.is_authenticated;
    foreign_set_sentence(f.why, result.is_authenticated
                                    ? "its key file has a MAC (HMAC-SHA-256) that is right, and "
                                      "it is an archive of CFMS"
                                    : "the key opens it (AES-256-CBC, which proves nothing), and "
                                      "it is an archive of CFMS");
    tell_result(&result, &f);
    *out = f;
    return true;
}

/* The container of later servers */

static bool put_manifest(struct parting *p, json_t *j, struct err *e)
{
    AUTO(buf) struct buf text = {0};

    json_append(j, &text);
    text.size--; /* the brace at its end */
    buf_printf(&text, ", \"files\": [");

    const bool is_taken = p->to->bytes(p->to->arg, buf_slice(&text), e);

    mem_wipe(text.data, text.size);
    return is_taken;
}

/* Files can be many: each is a line of its own. */
static bool put_files(struct parting *p, const struct cfms_conf_manifest *m, struct err *e)
{
    for (size_t i = 0; i < m->file_count; i++) {
        const struct cfms_conf_file *f = &m->files[i];
        char digits[2 * HASH_SIZE + 1], member[32];
        AUTO(buf) struct buf text = {0};

        hex_encode(SLICE_OF(f->sha256.bytes, HASH_SIZE), digits);
        (void)snprintf(member, sizeof(member), "files/%08zu.bin", i); /* at most a million */

        AUTO(json)
        json_t *j =
            json_pack("{s:s, s:s, s:s, s:I, s:s}", "member", member, "id", f->id, "storage_path",
                      f->storage_path, "size", (json_int_t)f->size, "sha256", digits);

        buf_printf(&text, "%s\n ", i == 0 ? "" : ",");
        json_append(j, &text);
        if (!p->to->bytes(p->to->arg, buf_slice(&text), e))
            return false;
    }
    return p->to->bytes(p->to->arg, slice_string("]}\n"), e);
}

/* What the archive's own manifest says, but for the order of its members. */
static bool take_manifest(void *arg, const struct cfms_conf_manifest *m, struct err *e)
{
    struct parting *p = arg;
    json_t *tables = json_array();
    AUTO(json)
    json_t *j = json_pack("{s:O?, s:O?, s:o}", "components", m->components, "configuration",
                          m->configuration, "tables", tables);

    for (size_t i = 0; i < m->table_count; i++)
        (void)json_array_append_new(tables, json_pack("{s:s, s:I, s:O}", "name", m->tables[i].name,
                                                      "rows", (json_int_t)m->tables[i].rows,
                                                      "columns", m->tables[i].columns));
    return begin_part(p, "manifest.json", e) && put_manifest(p, j, e) && put_files(p, m, e) &&
           p->to->end(p->to->arg, e);
}

static bool take_row(void *arg, const struct cfms_conf_table *t, const json_t *row, struct err *e)
{
    char name[CFMS_CONF_TEXT_MAX + 16];

    (void)snprintf(name, sizeof(name), "tables/%s.jsonl", t->name); /* its name is short */
    return add_line(arg, name, row, e);
}

static bool take_conf_content(void *arg, const struct cfms_conf_file *f, struct err *e)
{
    struct parting *p = arg;
    char name[32];

    (void)f; /* they come in the manifest's order */
    (void)snprintf(name, sizeof(name), "files/%08zu.bin", p->files++);
    return begin_part(p, name, e);
}

static bool end_conf_content(void *arg, const struct cfms_conf_file *f, struct err *e)
{
    const struct parting *p = arg;

    (void)f;
    return p->to->end(p->to->arg, e);
}

bool foreign_read_cfms_conf(const struct foreign_archive *a, const struct foreign_visitor *v,
                            struct foreign_facts *out, struct err *e)
{
    const struct cfms_source source = source_of(a->from);
    struct parting p = {.to = v};
    const struct cfms_conf_visitor visitor = {
        &p, take_manifest, take_row, take_conf_content, part_bytes, end_conf_content};
    struct cfms_conf_header header = {0};
    struct foreign_facts f = {0};
    uint8_t key[CFMS_KEY_SIZE];
    AUTO(buf) struct buf text = {0};
    bool is_read;

    if (!cfms_conf_header_read(&source, &header, e))
        return false;
    buf_append_slice(&text, a->key);

    const bool is_key = cfms_conf_key_parse(buf_string(&text), key, e);

    mem_wipe(text.data, text.size);
    if (!is_key)
        return false;
    is_read = cfms_conf_read(&source, key, CFMS_BYTES_MAX, &visitor, e) && end_list(&p, e);
    mem_wipe(key, sizeof(key));
    if (!is_read)
        return false;
    foreign_set_word(f.version, "1");
    foreign_set_word(f.created, header.created_at);
    f.is_authenticated = true;
    foreign_set_sentence(f.why, "it begins with CONF, and the key opens it (AES-256-GCM)");
    foreign_set_sentence(f.note, "it holds the server's live secrets");
    *out = f;
    return true;
}
