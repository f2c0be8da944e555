/*
 * export vevurn: a snapshot as files such as the backup service of Vevurn POS leaves.
 */
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/paths.h"
#include "cli/render.h"
#include "cli/session.h"
#include "codec/random.h"
#include "job/job.h"

#define KEY_FILE_MAX ((size_t)4 << 10)

struct vevurn_args {
    struct common common;
    struct filter_args filter;
    char *folder, *name, *key_file, *to;
    struct strings folders;
    int type, compression; /* enum pos_kind, enum pos_compression */
    int sign_s;            /* 0: not */
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
    {"to", 0, OPTION_TEXT, AT(to), "URL",
     "Copy the file to the store URL as well, named as that service names objects", NULL, NULL,
     NULL},
    {"sign", 0, OPTION_COUNT, AT(sign_s), "SECONDS",
     "With --to s3:...: print an address by which it can be read for SECONDS without keys", NULL,
     NULL, NULL},
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

/* The copy in a store */

static bool open_copy(struct call *call, const struct vevurn_args *args, struct store **out,
                      struct err *e)
{
    struct store_options options;

    if (args->sign_s != 0 && (args->sign_s < 0 || args->sign_s > STORE_SIGN_MAX))
        return err_set(e, ERR_USAGE, "--sign takes 1 to %d seconds", STORE_SIGN_MAX);
    if (args->to == NULL)
        return args->sign_s == 0 || err_set(e, ERR_USAGE, "--sign goes with --to");
    if (!session_store_options(call, &options, e))
        return false;
    call->stage = STAGE_WORK; /* it is no repository */
    if (!store_open(args->to, &options, out, e))
        return err_wrap(e, "open %s", session_shown(args->to));
    if (args->sign_s != 0 && !(*out)->can_sign)
        return err_set(e, ERR_USAGE, "--sign: addresses are signed by S3 only");
    call->stage = STAGE_SECRET;
    return true;
}

/* "1763690400123-5f0c1d2e3a4b5c6d.gz": time, 16 digits and the last ending, as that service names
 * its objects. */
static void object_name(const char *file, struct buf *out)
{
    uint8_t random[8];
    char digits[2 * sizeof(random) + 1];

    random_bytes(random, sizeof(random));
    hex_encode(SLICE_OF(random, sizeof(random)), digits);
    buf_printf(out, "%lld-%s%s", (long long)(clock_now_ns() / (NS_PER_S / 1000)), digits,
               strrchr(file, '.'));
}

static void tell_copy(struct call *call, const char *object, const char *url, int64_t expires_ns)
{
    char time[CLOCK_TEXT_MAX] = "";

    if (url != NULL)
        clock_format(expires_ns, time);
    if (call->out->json) {
        json_t *line = json_message("export_copy");

        json_set_text(line, "object", object);
        if (url != NULL) {
            json_set_text(line, "signed_url", url);
            json_set_text(line, "expires_at", time);
        }
        output_json(call->out, line);
        return;
    }
    output_line(call->out, "Copy:    %s", object);
    if (url != NULL) {
        output_line(call->out, "Expires: %s", time);
        output_line(call->out, "URL:     %s", url);
    }
}

static bool copy_file(struct call *call, struct store *to, const char *name, struct err *e)
{
    const struct vevurn_args *args = call->args;
    AUTO(buf) struct buf path = {0};
    AUTO(buf) struct buf key = {0};
    AUTO(buf) struct buf object = {0};
    AUTO(buf) struct buf url = {0};
    AUTO(fd) int fd = -1;

    buf_printf(&path, "%s/%s", args->folder, name);
    object_name(name, &key);
    buf_printf(&object, "%s/%s", session_shown(args->to), buf_string(&key));
    if (!file_open(buf_string(&path), &fd, e) || !object_file_put(to, buf_string(&key), fd, e))
        return false;

    const int64_t expires_ns = clock_now_ns() + args->sign_s * NS_PER_S;

    if (args->sign_s > 0 && !store_sign(to, buf_string(&key), (unsigned)args->sign_s, &url, e))
        return err_wrap(e, "sign %s", buf_string(&object));
    tell_copy(call, buf_string(&object), args->sign_s > 0 ? buf_string(&url) : NULL, expires_ns);
    return true;
}

static bool run_export(struct call *call, struct err *e)
{
    const struct vevurn_args *args = call->args;
    AUTO(store) struct store *to = NULL;
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
    if (!open_copy(call, args, &to, e) || !session_open_indexed(call, &s, e) ||
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
    return to == NULL || copy_file(call, to, result.name, e) ||
           err_wrap(e, "the file is in %s; its copy is not made", args->folder);
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
                "holdfast export vevurn latest --set shop --output-dir . --to "
                "s3:https://s3.example.com/pos/backups --sign 300\n"
                "holdfast export vevurn 5f0c:/postgres/shop --output-dir . --compression none "
                "--name 'Daily Backup'",
    .words = "SNAPSHOT[:/postgres/NAME]",
    .words_min = 1,
    .words_max = 1,
    .options = vevurn_options,
    .args_size = sizeof(struct vevurn_args),
    .run = run_export,
};
