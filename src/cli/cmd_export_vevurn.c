/*
 * export vevurn: a snapshot as files such as the backup service of Vevurn POS leaves.
 */
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/paths.h"
#include "cli/render.h"
#include "cli/session.h"
#include "job/job.h"

#define KEY_FILE_MAX ((size_t)4 << 10)

struct vevurn_args {
    struct common common;
    struct filter_args filter;
    char *folder, *name, *key_file;
    struct strings folders;
    int type, compression; /* enum pos_kind, enum pos_compression */
};

#define AT(member) offsetof(struct vevurn_args, member)

/* In the order of enum pos_kind and enum pos_compression. */
static const char *const type_words[] = {"database", "files", NULL};
static const char *const compression_words[] = {"gzip", "bzip2", "none", NULL};

static const struct option vevurn_options[] = {
    {"type", 0, OPTION_CHOICE, AT(type), "TYPE", "database (default) or files", NULL, NULL,
     type_words},
    {"output-dir", 0, OPTION_TEXT, AT(folder), "DIR", "Write the file into DIR, which is there",
     NULL, NULL, NULL},
    {"name", 0, OPTION_TEXT, AT(name), "NAME",
     "Name of the configuration, in front of the file's name; the set's unless given", NULL, NULL,
     NULL},
    {"compression", 0, OPTION_CHOICE, AT(compression), "FORM",
     "Compress a database by gzip (default) or bzip2, or none", NULL, NULL, compression_words},
    {"folder", 0, OPTION_LIST, AT(folders), "DIR",
     "With --type files: this folder of the snapshot; may be repeated", NULL, NULL, NULL},
    {"encryption-key-file", 0, OPTION_TEXT, AT(key_file), "FILE",
     "Encrypt with the key in FILE, 64 hexadecimal digits", NULL, NULL, NULL},
    FILTER_OPTIONS_AND_SET(vevurn_args, filter),
    {0},
};

static bool read_key(const char *path, struct pos_key *out, struct err *e)
{
    AUTO(buf) struct buf text = {0};

    buf_reserve(&text, KEY_FILE_MAX + 1); /* it does not move while it is read */

    const bool is_read = file_read(path, KEY_FILE_MAX, &text, e) &&
                         (pos_key_parse(buf_slice(&text), out, e) || err_wrap(e, "%s", path));

    mem_wipe(text.data, text.room);
    return is_read;
}

static void tell(struct call *call, const struct export_pos_options *o,
                 const struct export_pos_result *r)
{
    char digits[2 * HASH_SIZE + 1];
    char size[TEXT_SIZE_MAX];

    hex_encode(SLICE_OF(r->written.sha256.bytes, HASH_SIZE), digits);
    if (call->out->json) {
        json_t *line = json_message("export");

        json_set_text(line, "type", type_words[o->kind]);
        json_set_text(line, "name", r->name);
        json_set_u64(line, "size", r->written.size);
        json_set_text(line, "sha256", digits);
        json_set(line, "encrypted", json_boolean(o->key != NULL));
        if (o->kind == POS_KIND_DATABASE) {
            json_set_u64(line, "tables", r->tables);
            json_set_u64(line, "rows", r->rows);
            json_set_u64(line, "tables_without_rows", r->tables_without_rows);
        } else {
            json_set_u64(line, "files", r->files);
            json_set_u64(line, "left_out", r->left_out);
        }
        output_json(call->out, line);
        return;
    }
    size_format(r->written.size, size);
    output_line(call->out, "File:    %s", r->name);
    output_line(call->out, "Size:    %llu (%s)", (unsigned long long)r->written.size, size);
    output_line(call->out, "SHA-256: %s", digits);
    if (r->tables_without_rows > 0)
        output_line(call->out, "Note:    %llu table%s without rows, as backed up",
                    (unsigned long long)r->tables_without_rows, plural(r->tables_without_rows));
    if (r->left_out > 0)
        output_line(call->out, "Note:    %llu links and special files were left out",
                    (unsigned long long)r->left_out);
}

static bool run_export(struct call *call, struct err *e)
{
    const struct vevurn_args *args = call->args;
    AUTO(session) struct session s = {0};
    AUTO(snapshot) struct snapshot *snapshot = NULL;
    AUTO(mem) char *place = NULL;
    AUTO(pos_key) struct pos_key key = {{0}};
    struct export_pos_result result;

    call->stage = STAGE_SECRET; /* what it was given may make no sense */
    if (args->folder == NULL)
        return err_set(e, ERR_USAGE, "export vevurn needs --output-dir");
    if (args->key_file != NULL && !read_key(args->key_file, &key, e))
        return false;
    if (!session_open_indexed(call, &s, e) ||
        !session_resolve(call, &s, args->common.words.items[0], &args->filter, &snapshot, &place,
                         e))
        return false;
    if (args->type == POS_KIND_FILES ? place != NULL : args->folders.count > 0)
        return err_set(e, ERR_USAGE, "SNAPSHOT:DIR is for a database, --folder for files");

    const struct export_pos_options o = {.snapshot = snapshot,
                                         .kind = (enum pos_kind)args->type,
                                         .place = place,
                                         .folder = args->folder,
                                         .folders = (const char *const *)args->folders.items,
                                         .folder_count = args->folders.count,
                                         .name = args->name != NULL      ? args->name
                                                 : snapshot->set != NULL ? snapshot->set
                                                                         : "backup",
                                         .compression = (enum pos_compression)args->compression,
                                         .key = args->key_file != NULL ? &key : NULL};

    if (!export_pos_run(s.repo, &o, &result, e))
        return err_wrap(e, "export");
    tell(call, &o, &result);
    return true;
}

const struct command command_export_vevurn = {
    .name = "export vevurn",
    .summary = "Write a snapshot as a file of the Vevurn POS service",
    .details = "A database as the text that pg_dump would write, or folders as a zip file, which "
               "that service, and\n"
               "psql and unzip, can read. No database server is needed.",
    .examples = "holdfast export vevurn latest --set shop --output-dir /srv/handover\n"
                "holdfast export vevurn latest --set shop --type files --output-dir . "
                "--encryption-key-file pos.hex\n"
                "holdfast export vevurn 5f0c:/postgres/shop --output-dir . --compression none "
                "--name 'Daily Backup'",
    .words = "SNAPSHOT[:/postgres/NAME]",
    .words_min = 1,
    .words_max = 1,
    .options = vevurn_options,
    .args_size = sizeof(struct vevurn_args),
    .run = run_export,
};
