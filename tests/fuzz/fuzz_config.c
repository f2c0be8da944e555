/*
 * A file from anywhere is refused with a sentence, or is a configuration that, shown with its
 * defaults, reads as the same.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/file.h"
#include "cli/yaml.h"
#include "job/job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* config_load() of a file in memory that only we may change. */
static bool load(struct slice text, struct config **out, struct err *e)
{
    AUTO(fd) int fd = memfd_create("config", MFD_CLOEXEC);
    char path[64];

    assert(fd >= 0 && fchmod(fd, 0600) == 0 && fd_write(fd, text, e));
    assert(snprintf(path, sizeof(path), "/proc/self/fd/%d", fd) < (int)sizeof(path));
    return config_load(path, out, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(config) struct config *c = NULL;
    AUTO(config) struct config *again = NULL;
    AUTO(buf) struct buf text = {0};
    struct err e = {0};

    if (!load(SLICE_OF(data, size), &c, &e)) {
        assert(e.code == ERR_USAGE && strncmp(e.text, "/proc/self/fd/", 14) == 0);
        return 0;
    }

    json_t *shown = config_json(c, NULL);

    yaml_format(shown, &text);
    if (!load(buf_slice(&text), &again, &e)) {
        (void)fprintf(stderr, "%s\n%s", e.text, buf_string(&text));
        assert(text.size > ((size_t)1 << 20)); /* with defaults and quotes it may be too long */
        json_decref(shown);
        return 0;
    }

    json_t *same = config_json(again, NULL);

    assert(json_equal(shown, same));
    json_decref(shown);
    json_decref(same);
    return 0;
}
