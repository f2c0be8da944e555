#include "archive/foreign_private.h"

#include <stdio.h>
#include <string.h>

#include "archive/school.h"
#include "archive/zip.h"
#include "base/mem.h"
#include "base/text.h"

void foreign_set_word(char out[FOREIGN_WORD_MAX], const char *text)
{
    text_flatten(slice_string(text), out, FOREIGN_WORD_MAX);
}

void foreign_set_sentence(char out[FOREIGN_TEXT_MAX], const char *text)
{
    text_flatten(slice_string(text), out, FOREIGN_TEXT_MAX);
}

/* Bundles */

static bool read_bundle(const struct foreign_archive *a, const struct foreign_visitor *v,
                        struct foreign_facts *out, struct err *e)
{
    AUTO(bundle) struct bundle b = {0};
    AUTO(buf) struct buf bytes = {0};
    struct foreign_facts f = {0};

    (void)v; /* it is a part itself */
    if (a->from->size > BUNDLE_SIZE_MAX)
        return err_set(e, ERR_CORRUPT, "it is longer than 16 MiB");
    if (!input_read(a->from, 0, buf_extend(&bytes, (size_t)a->from->size), (size_t)a->from->size,
                    e) ||
        !bundle_read(buf_slice(&bytes), &b, e) ||
        (!a->is_chosen && !bundle_require_form(&b.facts, e)))
        return false;
    foreign_set_word(f.version, b.facts.version);
    foreign_set_word(f.created, b.facts.timestamp);
    foreign_set_sentence(
        f.why, b.facts.kind == BUNDLE_PRIVATE
                   ? "JSON with timestamp, version and data as Main Private Files has them"
                   : "JSON, which was said to be a bundle");
    bundle_note_measure(&f.bundle, buf_slice(&bytes), &b.facts);
    *out = f;
    return true;
}

/* School ERP */

/* The text of the document on its way to the visitor and to who reads it. */
struct tee {
    struct school_reader *from;
    const struct foreign_visitor *to;
};

static bool tee_read(void *arg, uint8_t *to, size_t room, size_t *got, struct err *e)
{
    const struct tee *t = arg;

    return school_reader_read(t->from, to, room, got, e) &&
           (*got == 0 || t->to->bytes(t->to->arg, SLICE_OF(to, *got), e));
}

static bool school_key_of(struct slice text, struct school_key *out, struct err *e)
{
    char digits[2 * SCHOOL_KEY_SIZE + 1] = "";

    while (text.size > 0 && memchr(" \t\r\n", text.data[text.size - 1], 4) != NULL)
        text.size--;
    if (text.size < sizeof(digits))
        memcpy(digits, text.data, text.size);

    const bool is_key = school_key_parse(digits, out, e);

    mem_wipe(digits, sizeof(digits));
    return is_key;
}

static bool read_school(const struct foreign_archive *a, const struct foreign_visitor *v,
                        struct foreign_facts *out, struct err *e)
{
    AUTO(school_key) struct school_key key = {{0}};
    AUTO(school_reader) struct school_reader *r = NULL;
    struct school_reading how = {.from = *a->from, .key = &key};
    struct school_facts said = {0};
    struct foreign_facts f = {0};

    if (!school_key_of(a->key, &key, e) || !school_reader_open(&how, &r, e))
        return false;

    const struct school_rows no_rows = {0};
    struct tee t = {r, v};

    if (!v->begin(v->arg, "backup.json", e) ||
        !school_document_read(tee_read, &t, &no_rows, &said, e) || !v->end(v->arg, e))
        return false;
    foreign_set_word(f.version, "1.0");
    foreign_set_word(f.created, said.timestamp);
    f.is_authenticated = !school_key_is_public(&key);
    foreign_set_sentence(f.why,
                         "the key opens it (AES-256-GCM), and it is a document of School ERP");
    if (!f.is_authenticated)
        foreign_set_sentence(f.note,
                             "it is sealed with the key that stands in the application's published "
                             "source, so anybody can have made it");
    *out = f;
    return true;
}

/* The others are in files of their own. */

bool foreign_read_zip(const struct zip *z, const struct foreign_visitor *v, struct err *e)
{
    for (size_t i = 0; i < z->count; i++) {
        const struct zip_entry *entry = &z->entries[i];

        if (!entry->is_folder && (!v->begin(v->arg, entry->name, e) ||
                                  !zip_read(z, entry, v->bytes, v->arg, e) || !v->end(v->arg, e)))
            return false;
    }
    return true;
}

enum sealing {
    SEALED_NEVER,
    SEALED_PERHAPS,
    SEALED_ALWAYS,
};

static const struct {
    const char *name;
    foreign_read_fn *read;
    enum sealing sealing;
} kinds[FOREIGN_KINDS] = {
    [FOREIGN_BUNDLE] = {"bundle", read_bundle, SEALED_NEVER},
    [FOREIGN_CFMS] = {"cfms", foreign_read_cfms, SEALED_ALWAYS},
    [FOREIGN_CFMS_CONF] = {"cfms-conf", foreign_read_cfms_conf, SEALED_ALWAYS},
    [FOREIGN_SCHOOL] = {"school-erp", read_school, SEALED_ALWAYS},
    [FOREIGN_WIREGUARD] = {"wireguard", foreign_read_wireguard, SEALED_NEVER},
    [FOREIGN_POS_DATABASE] = {"vevurn-database", foreign_read_pos_database, SEALED_PERHAPS},
    [FOREIGN_POS_FILES] = {"vevurn-files", foreign_read_pos_files, SEALED_PERHAPS},
};

const char *foreign_kind_name(enum foreign_kind k)
{
    return kinds[k].name;
}

bool foreign_kind_parse(const char *name, enum foreign_kind *out)
{
    for (int k = 0; k < FOREIGN_KINDS; k++)
        if (strcmp(kinds[k].name, name) == 0) {
            *out = (enum foreign_kind)k;
            return true;
        }
    return false;
}

bool foreign_kind_takes_key(enum foreign_kind k)
{
    return kinds[k].sealing != SEALED_NEVER;
}

bool foreign_read(const struct foreign_archive *a, enum foreign_kind kind,
                  const struct foreign_visitor *v, struct foreign_facts *out, struct err *e)
{
    if (a->from->size == 0)
        return err_set(e, ERR_CORRUPT, "it is empty");
    if (kinds[kind].sealing == SEALED_ALWAYS && a->key.size == 0)
        return err_set(e, ERR_CORRUPT, "no key was given");
    return kinds[kind].read(a, v, out, e);
}

/* Each sentence has to fit beside the others into one. */
#define SHOWN_WHY "%s%s: %.48s"

bool foreign_judge(const struct foreign_trial trials[FOREIGN_KINDS], enum foreign_kind *out,
                   struct err *e)
{
    AUTO(buf) struct buf text = {0};
    size_t count = 0;

    for (int k = 0; k < FOREIGN_KINDS; k++) {
        if (!trials[k].fits)
            continue;
        buf_printf(&text, "%s%s", count++ == 0 ? "" : " and ", kinds[k].name);
        *out = (enum foreign_kind)k;
    }
    if (count == 1)
        return true;
    if (count > 1)
        return err_set(e, ERR_USAGE, "it can be read as %s: choose with --as", buf_string(&text));
    for (int k = 0; k < FOREIGN_KINDS; k++)
        buf_printf(&text, SHOWN_WHY, k == 0 ? "" : "; ", kinds[k].name, trials[k].why.text);
    return err_set(e, ERR_CORRUPT, "no archive that is known here (%s)", buf_string(&text));
}
