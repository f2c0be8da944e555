#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "source/recorder.h"

void scratch_init(struct scratch *s)
{
    struct err e = {0};

    memcpy(s->path, "/tmp/holdfast-source-XXXXXX", 28);
    if (mkdtemp(s->path) == NULL || !dir_open(s->path, &s->fd, &e))
        abort();
}

void scratch_auto(struct scratch *s)
{
    static const struct target_options plain = {0};
    AUTO(target) struct target *tmp = NULL;
    struct err e = {0};

    close(s->fd);
    if (!target_open("/tmp", &plain, &tmp, &e) || !target_remove(tmp, s->path + 5, &e))
        abort();
}

void put_file(int dirfd, const char *name, const void *bytes, size_t size)
{
    AUTO(fd) int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
        abort();
}

struct files_options options_for(const char *const *path)
{
    return (struct files_options){
        .paths = path,
        .path_count = 1,
        .threads = 2,
        .scan_started_ns = clock_now_ns() + 3600 * NS_PER_S,
    };
}

bool backup_path(struct recorder *r, const char *path, struct err *e)
{
    const struct files_options o = options_for(&path);

    return files_backup(&o, &r->sink, e);
}
