/*
 * Backups of Vevurn POS as parts: database.sql, or the files in the zip file.
 */
#include <stdio.h>

#include "archive/foreign_private.h"
#include "archive/pos_artefact.h"

static bool open_kind(const struct foreign_archive *a, enum pos_kind kind, struct pos_reader **out,
                      struct err *e)
{
    AUTO(pos_key) struct pos_key key = {{0}};
    AUTO(pos_reader) struct pos_reader *r = NULL;

    if (a->key.size > 0 && !pos_key_parse(a->key, &key, e))
        return false;
    if (!pos_reader_open(a->from, a->key.size > 0 ? &key : NULL, &r, e))
        return false;
    if (pos_reader_found(r)->kind != kind)
        return err_set(e, ERR_CORRUPT,
                       kind == POS_KIND_DATABASE ? "it is a zip file" : "it is text of pg_dump");
    *out = TAKE(r);
    return true;
}

static void tell(const struct pos_reader *r, const char *what, struct foreign_facts *f)
{
    const struct pos_found *found = pos_reader_found(r);
    char text[FOREIGN_TEXT_MAX];

    (void)snprintf(text, sizeof(text), "%s%s%s%s", what,
                   found->compression == POS_NONE ? "" : ", compressed with ",
                   found->compression == POS_NONE ? "" : pos_compression_name(found->compression),
                   found->is_sealed ? ", and the key opens it (AES-256-CBC)" : "");
    foreign_set_sentence(f->why, text);
    if (found->is_sealed)
        foreign_set_sentence(f->note,
                             "its encryption has no MAC, so whoever could write to it can have "
                             "changed it without the key");
}

bool foreign_read_pos_database(const struct foreign_archive *a, const struct foreign_visitor *v,
                               struct foreign_facts *out, struct err *e)
{
    AUTO(pos_reader) struct pos_reader *r = NULL;
    struct foreign_facts f = {0};

    if (!open_kind(a, POS_KIND_DATABASE, &r, e) || !v->begin(v->arg, "database.sql", e) ||
        !pos_reader_sql(r, v->bytes, v->arg, f.version, e) || !v->end(v->arg, e))
        return false;
    tell(r, "text of pg_dump from its beginning to its end", &f);
    *out = f;
    return true;
}

bool foreign_read_pos_files(const struct foreign_archive *a, const struct foreign_visitor *v,
                            struct foreign_facts *out, struct err *e)
{
    AUTO(pos_reader) struct pos_reader *r = NULL;
    struct foreign_facts f = {0};

    if (!open_kind(a, POS_KIND_FILES, &r, e))
        return false;
    if (!a->is_chosen && !pos_zip_is_known(pos_reader_zip(r)))
        return err_set(e, ERR_CORRUPT, "it holds other files than Vevurn POS backs up");
    if (!foreign_read_zip(pos_reader_zip(r), v, e))
        return false;
    tell(r, a->is_chosen ? "a zip file" : "a zip file with folders of Vevurn POS only", &f);
    *out = f;
    return true;
}
