/*
 * Proving the output of a command: it is what was noted, and the configured check accepts it.
 */
#include <string.h>

#include "base/mem.h"
#include "codec/hash.h"
#include "job/drill_private.h"
#include "job/feed.h"

/* The command as it is configured here; NULL: it is not. */
static const struct config_source *find_source(const struct drill *d, const char *path)
{
    const struct config_set *set = d->options->set;
    const char *name = strrchr(path, '/') + 1;

    for (size_t i = 0; set != NULL && i < set->source_count; i++)
        if (set->sources[i].kind == SOURCE_COMMAND && strcmp(set->sources[i].name, name) == 0)
            return &set->sources[i];
    return NULL;
}

/* Compare the bytes with the manifest. */
static bool compare(struct drill *d, const struct entry *en, const struct command_manifest *n,
                    struct drill_member *m, struct err *why)
{
    AUTO(sha256_stream) struct sha256_stream *s = sha256_stream_new();
    AUTO(feed) struct feed f = {0};
    AUTO(buf) struct buf piece = {0};
    struct hash found;

    if (!feed_open(&f, d->reader, en, why))
        return false;
    do {
        buf_clear(&piece);
        if (!feed_next(&f, &piece, why))
            return false;
        sha256_stream_add(s, buf_slice(&piece));
        m->bytes += piece.size;
    } while (piece.size > 0);
    sha256_stream_finish(s, &found);
    m->files++;
    return (m->bytes == n->bytes && memcmp(found.bytes, n->sha256, HASH_SIZE) == 0) ||
           err_set(why, ERR_CORRUPT, "its bytes are not those that its manifest notes");
}

static bool run_check(struct drill *d, const struct entry *en, const struct config_source *c,
                      struct drill_member *m, struct err *e)
{
    AUTO(command_report) struct command_report report = {0};
    AUTO(feed) struct feed f = {0};
    const struct command_feed feed = {feed_read, &f};
    const struct command_options o = command_options_of(c);
    struct err why = {0};

    if (!feed_open(&f, d->reader, en, &why))
        return drill_judge(m, &why, e);
    if (command_check_state(&o, &feed, &report, &why)) {
        m->verdict = VERDICT_PROVEN;
        return true;
    }
    if (why.code == ERR_CANCELLED)
        return drill_judge(m, &why, e);
    return drill_failed(m, "%s", why.text);
}

bool prove_command(struct drill *d, const char *path, const struct entry *en,
                   struct drill_member *m, struct err *e)
{
    const struct config_source *c = find_source(d, path);
    AUTO(command_manifest) struct command_manifest n = {0};
    AUTO(buf) struct buf manifest = {0};
    struct err why = {0};

    m->check = mem_string("compared with its manifest, read by its check");
    if (en->type != ENTRY_FILE)
        return drill_failed(m, "it is no file");
    if (!drill_read_manifest(d, path, &manifest, &why) ||
        !command_manifest_parse(buf_slice(&manifest), &n, &why) || !compare(d, en, &n, m, &why))
        return drill_judge(m, &why, e);
    if (c == NULL || c->command.check.count == 0)
        return drill_not_checked(m, "its bytes are as noted, but no check is configured here");
    return run_check(d, en, c, m, e);
}
