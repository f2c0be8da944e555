/*
 * What the service does with bodies of POST /backup, from the shell: spool_put FOLDER FILE... puts
 * each file into the spool and prints the name that it got there, or the answer and why not.
 */
#include <stdio.h>

#include "base/file.h"
#include "job/job.h"

static bool put(struct spool *s, const char *path, struct err *e)
{
    const struct spool_sender from = {.peer = "127.0.0.1", .token = "hf_test", .uid = -1};
    AUTO(buf) struct buf bytes = {0};
    struct spool_receipt r;

    if (!file_read(path, 2 * BUNDLE_SIZE_MAX, &bytes, e))
        return false;
    if (!spool_put(s, buf_slice(&bytes), &from, &r, e)) {
        printf("%d %s\n", bundle_status(r.answer), bundle_reason(r.answer));
        return false;
    }
    printf("%s\n", r.note.name);
    return true;
}

int main(int argc, char **argv)
{
    AUTO(spool) struct spool *s = NULL;
    struct spool_options o = {
        .names = SPOOL_COUNTED, .bytes_max = (uint64_t)1 << 30, .count_max = 100000};
    struct err e = {0};

    if (argc < 3)
        return 2;
    o.folder = argv[1];
    if (!spool_open(&o, &s, &e)) {
        (void)fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    for (int i = 2; i < argc; i++)
        if (!put(s, argv[i], &e)) {
            (void)fprintf(stderr, "%s\n", e.text);
            return 1;
        }
    return 0;
}
