/*
 * A text from anywhere is refused with a sentence, or is a configuration that becomes a set from
 * which it comes back unchanged.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "codec/json.h"
#include "job/job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const folders[] = {"/srv/uploads"};
    static const char *const roots[] = {"/"};
    static char name[] = "main", dsn[] = "host=db";
    static const struct config_server server = {.name = name, .dsn = dsn};
    const struct pos_surroundings s = {.dsn = "dbname=shop",
                                       .key_file = "/key",
                                       .folders = folders,
                                       .folder_count = 1,
                                       .source_roots = roots,
                                       .source_root_count = 1,
                                       .servers = &server,
                                       .server_count = 1};
    AUTO(pos_config) struct pos_config *pos = NULL;
    AUTO(config) struct config *c = NULL;
    AUTO(json) json_t *document = NULL;
    AUTO(buf) struct buf text = {0};
    const char *back = NULL;
    struct err e = {0};

    if (!pos_config_parse(SLICE_OF(data, size), POS_SAVE, &pos, &e)) {
        assert(e.code == ERR_USAGE && e.text[0] != '\0');
        return 0;
    }

    const bool is_added = pos_set_add(pos, &s, &document, &e);

    /* Sources may name a server that is not there, and what the set cannot be made of. */
    if (!is_added && pos->source_count > 0 && e.code == ERR_USAGE)
        return 0;
    assert(is_added);
    json_append(document, &text);

    const bool is_read = config_read("sets", buf_slice(&text), &c, &e);

    if (!is_read && pos->source_count > 0 && e.code == ERR_USAGE)
        return 0;
    if (!is_read)
        (void)fprintf(stderr, "%s\n%s\n", e.text, buf_string(&text));
    assert(is_read);

    const bool is_back = pos_set_export(&c->sets[0], &back, &e);

    assert(is_back && strlen(back) == size && memcmp(back, data, size) == 0);
    return 0;
}
