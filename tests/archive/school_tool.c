/*
 * For school_python_test.py: backups of School ERP written and read by the library.
 *     seal KEY FOLDER     FOLDER/sealed of the document from standard input; says its sum
 *     open KEY FILE       the text of a file to standard output
 *     check KEY FILE...   for each file "ok" or the sentence that says why not
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archive/school.h"
#include "base/file.h"
#include "base/text.h"

static bool seal(const struct school_key *key, const int *fd, struct err *e)
{
    const struct school_writing how = {output_of_fd(fd), key, .allows_public_key = true};
    AUTO(school_writer) struct school_writer *w = NULL;
    struct school_written written;
    uint8_t piece[10000];
    char sum[2 * HASH_SIZE + 1];
    size_t got;

    if (!school_writer_open(&how, &w, e))
        return false;
    do {
        if (!fd_read(STDIN_FILENO, piece, sizeof(piece), &got, e) ||
            !school_writer_add(w, SLICE_OF(piece, got), e))
            return false;
    } while (got > 0);
    if (!school_writer_finish(w, &written, e))
        return false;
    hex_encode(SLICE_OF(written.sha256.bytes, HASH_SIZE), sum);
    (void)puts(sum);
    return true;
}

static bool unseal(struct school_reader *r, struct err *e)
{
    uint8_t piece[10000];
    size_t got;

    do {
        if (!school_reader_read(r, piece, sizeof(piece), &got, e) ||
            !fd_write(STDOUT_FILENO, SLICE_OF(piece, got), e))
            return false;
    } while (got > 0);
    return true;
}

static bool look(const char *verb, const struct school_key *key, const char *path, struct err *e)
{
    AUTO(fd) int fd = -1;
    struct school_reading how = {.key = key};
    AUTO(school_reader) struct school_reader *r = NULL;
    const struct school_rows none = {0};
    struct school_facts facts;

    if (!file_open(path, &fd, e) || !input_of_fd(&fd, &how.from, e) ||
        !school_reader_open(&how, &r, e))
        return false;
    return strcmp(verb, "open") == 0
               ? unseal(r, e)
               : school_document_read(school_reader_read, r, &none, &facts, e);
}

int main(int argc, char **argv)
{
    AUTO(school_key) struct school_key key;
    struct err e = {0};

    if (argc < 4 || !school_key_parse(argv[2], &key, &e))
        return 2;
    if (strcmp(argv[1], "seal") == 0) {
        AUTO(fd) int fd = -1;
        AUTO(fd) int folder = -1;

        if (dir_open(argv[3], &folder, &e) && beneath_create(folder, "sealed", &fd, &e) &&
            seal(&key, &fd, &e))
            return 0;
    } else if (strcmp(argv[1], "open") == 0) {
        if (look("open", &key, argv[3], &e))
            return 0;
    } else {
        for (int i = 3; i < argc; i++)
            (void)puts(look("check", &key, argv[i], &e) ? "ok" : e.text);
        return 0;
    }
    (void)fprintf(stderr, "%s\n", e.text);
    return 1;
}
