/*
 * A repository with a long history, from the shell: many_snapshots FOLDER KEY_FILE COUNT SECONDS
 * commits COUNT snapshots with the content of the latest one, each so many seconds older than the
 * one before.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "job/job.h"

static bool add(struct repo *r, uint64_t count, uint64_t seconds, struct err *e)
{
    AUTO(snapshot) struct snapshot *s = NULL;
    AUTO(mem) char *sub = NULL;

    if (!snapshot_resolve(r, "latest", NULL, &s, &sub, e) || !snapshot_number(r, s, e))
        return false;
    mem_free(TAKE(s->job)); /* a job has one snapshot */
    for (uint64_t i = 0; i < count; i++) {
        s->time_ns -= (int64_t)seconds * NS_PER_S;
        if (!snapshot_put_numbered(r, s, e) || !snapshot_commit(r, &s->id, e))
            return false;
        s->prev = s->id;
        s->has_prev = true;
        s->seq++;
    }
    return true;
}

static bool run(char **words, struct err *e)
{
    AUTO(store) struct store *store = NULL;
    AUTO(repo) struct repo *r = NULL;
    uint8_t key[32];
    const struct unlock unlock = {UNLOCK_KEY_FILE, {key, sizeof(key)}};
    uint64_t count = 0;
    uint64_t seconds = 0;

    return parse_u64(words[2], &count, e) && parse_u64(words[3], &seconds, e) &&
           key_file_read(words[1], key, e) &&
           store_open(words[0], &(struct store_options){0}, &store, e) &&
           repo_open(store, &unlock, &r, e) && add(r, count, seconds, e);
}

int main(int argc, char **argv)
{
    struct err e = {0};

    if (argc != 5)
        return 2;
    if (run(argv + 1, &e))
        return 0;
    (void)fprintf(stderr, "%s\n", e.text);
    return 1;
}
