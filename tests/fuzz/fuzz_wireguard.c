/*
 * Backups of WireGuard Gateway.  The first byte says what the rest is: 0 the file; 1 the metadata
 * in one; 2 a .conf file; 3 a name.  What is taken can be read again, and written as a file of the
 * same members that is taken too.
 */
#include <assert.h>
#include <string.h>

#include "archive/wireguard_conf.h"
#include "archive/wireguard_zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct slice database = {(const uint8_t *)"SQLite format 3", 16}; /* with its NUL */
static const struct slice conf = {(const uint8_t *)"[Interface]\n[Peer]\n", 19};

static bool collect(void *arg, struct slice piece, struct err *e)
{
    (void)e;
    buf_append_slice(arg, piece);
    return true;
}

/* Write the members of a file anew, without its folders. */
static bool rewrite(const struct zip *z, const struct output *to)
{
    AUTO(zip_writer) struct zip_writer *w = zip_writer_new(to, &zip_rules_python);
    struct err e;

    for (size_t i = 0; i < z->count; i++) {
        AUTO(buf) struct buf bytes = {0};
        struct slice s;

        if (z->entries[i].is_folder)
            continue;
        assert(zip_read(z, &z->entries[i], collect, &bytes, &e) &&
               bytes.size == z->entries[i].size);
        s = buf_slice(&bytes);
        assert(
            zip_writer_add(w, &(struct zip_member){z->entries[i].name, 0, input_of_slice(&s)}, &e));
    }
    return zip_writer_finish(w, &e); /* it may shrink more than the one that was read */
}

static void read_file(struct slice in, bool again)
{
    const struct input from = input_of_slice(&in);
    AUTO(wireguard_zip) struct wireguard_zip w = {0};
    AUTO(buf) struct buf copy = {0};
    const struct output to = output_of_buf(&copy);
    struct err e = {0};

    if (!wireguard_zip_open(&from, &w, &e)) {
        assert(e.code == ERR_CORRUPT && e.text[0] != '\0' && again);
        return;
    }
    for (size_t i = 0; i < w.zip.count; i++)
        assert(strstr(w.zip.entries[i].name, "..") == NULL && w.zip.entries[i].name[0] != '/');
    if (again && rewrite(&w.zip, &to))
        read_file(buf_slice(&copy), false);
}

static void read_metadata(struct slice in)
{
    AUTO(buf) struct buf file = {0};
    const struct output to = output_of_buf(&file);
    AUTO(zip_writer) struct zip_writer *w = zip_writer_new(&to, &zip_rules_python);
    struct err e;

    if (zip_writer_add(w, &(struct zip_member){"app.db", 0, input_of_slice(&database)}, &e) &&
        zip_writer_add(w, &(struct zip_member){"backup_metadata.json", 0, input_of_slice(&in)},
                       &e) &&
        zip_writer_add(w, &(struct zip_member){"configs/a.conf", 0, input_of_slice(&conf)}, &e) &&
        zip_writer_finish(w, &e))
        read_file(buf_slice(&file), true);
}

static void read_conf(struct slice in)
{
    AUTO(wireguard_conf) struct wireguard_conf c = {0};
    struct err e = {0};

    if (!wireguard_conf_parse(in, &c, &e)) {
        assert(e.code == ERR_CORRUPT && e.text[0] != '\0');
        return;
    }
    assert(c.interfaces == 1 && c.peers > 0 && c.hook_count <= WIREGUARD_HOOKS_MAX);
    for (size_t i = 0; i < c.hook_count; i++)
        assert(strchr(c.hooks[i].command, '\n') == NULL && c.hooks[i].line > 0);
}

static void read_name(struct slice in)
{
    AUTO(buf) struct buf text = {0};
    char again[WIREGUARD_FILE_MAX];
    enum wireguard_part part;
    int64_t time_ns;
    struct err e;

    buf_append_slice(&text, in);
    if (zip_name_check(&zip_rules_python, in, &e))
        assert(memchr(in.data, '\0', in.size) == NULL && in.data[0] != '/');
    (void)wireguard_part_of(buf_string(&text), &part);
    if (wireguard_name_parse(buf_string(&text), &time_ns, &e)) {
        wireguard_name_format(time_ns, again);
        assert(strcmp(again, buf_string(&text)) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice in = {data + 1, size > 0 ? size - 1 : 0};

    if (size == 0)
        return 0;
    switch (data[0] % 4) {
    case 0:
        read_file(in, true);
        break;
    case 1:
        read_metadata(in);
        break;
    case 2:
        read_conf(in);
        break;
    default:
        read_name(in);
        break;
    }
    return 0;
}
