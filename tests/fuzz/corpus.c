/*
 * The main program of a fuzz target where libFuzzer is not: feeds it every file of a folder,
 * and the empty input.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/file.h"

/* Longest input read; longer ones say nothing that shorter ones do not. */
#define INPUT_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(const char *folder, const char *name)
{
    char path[4096];
    AUTO(buf) struct buf input = {0};
    struct err e;

    if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path) ||
        !file_read(path, INPUT_MAX, &input, &e)) {
        (void)fprintf(stderr, "%s/%s cannot be read\n", folder, name);
        exit(EXIT_FAILURE);
    }
    (void)LLVMFuzzerTestOneInput(input.data, input.size);
}

int main(int argc, char **argv)
{
    const uint8_t nothing = 0;
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    const struct dirent *found;
    int count = 0;

    (void)LLVMFuzzerTestOneInput(&nothing, 0);
    while (folder != NULL && (found = readdir(folder)) != NULL)
        if (found->d_name[0] != '.') {
            feed(argv[1], found->d_name);
            count++;
        }
    if (folder != NULL)
        (void)closedir(folder);
    (void)printf("%d inputs\n", count);
    return EXIT_SUCCESS;
}
