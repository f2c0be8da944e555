/*
 * For wireguard_python_test.py: backups of WireGuard Gateway written and read by the library.
 *     write FROM TO CREATED INSTANCE NAME...    TO/written.zip of the files FROM/NAME
 *     check FILE...                             for each file "ok" or the sentence that says why
 * not content FILE                              each member's name, size and bytes
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/wireguard_zip.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

static bool open_member(int folder, const char *name, int *fd, struct zip_member *m, struct err *e)
{
    struct stat st;

    m->name = name;
    if (!beneath_reopen(folder, name, fd, e) || !input_of_fd(fd, &m->data, e))
        return false;
    if (fstat(*fd, &st) != 0)
        return err_sys(e, "look at %s", name);
    m->time_ns = clock_from_timespec(st.st_mtim);
    return true;
}

/* Descriptors end with the process. */
static bool write_zip(int argc, char **argv, struct err *e)
{
    const size_t count = (size_t)argc - 6;
    AUTO(mem) struct zip_member *members = mem_array(count, sizeof(members[0]));
    AUTO(mem) int *fds = mem_array(count, sizeof(fds[0]));
    AUTO(fd) int from = -1;
    AUTO(fd) int to = -1;
    AUTO(fd) int fd = -1;
    uint64_t created;

    if (!dir_open(argv[2], &from, e) || !dir_open(argv[3], &to, e) ||
        !beneath_create(to, "written.zip", &fd, e) || !parse_u64(argv[4], &created, e))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!open_member(from, argv[6 + i], &fds[i], &members[i], e))
            return false;

    const struct wireguard_making m = {members, count, (int64_t)created, argv[5]};
    const struct output out = output_of_fd(&fd);

    return wireguard_zip_write(&m, &out, e);
}

static bool put(void *arg, struct slice piece, struct err *e)
{
    (void)arg;
    return fd_write(STDOUT_FILENO, piece, e);
}

static bool look(const char *path, bool shows, struct err *e)
{
    AUTO(fd) int fd = -1;
    AUTO(wireguard_zip) struct wireguard_zip w = {0};
    struct input from;

    if (!file_open(path, &fd, e) || !input_of_fd(&fd, &from, e) ||
        !wireguard_zip_open(&from, &w, e))
        return false;
    for (size_t i = 0; shows && i < w.zip.count; i++) {
        AUTO(buf) struct buf head = {0};

        buf_printf(&head, "%s %llu\n", w.zip.entries[i].name,
                   (unsigned long long)w.zip.entries[i].size);
        if (!fd_write(STDOUT_FILENO, buf_slice(&head), e) ||
            !zip_read(&w.zip, &w.zip.entries[i], put, NULL, e))
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct err e = {0};
    bool ok = false;

    if (argc > 6 && strcmp(argv[1], "write") == 0)
        ok = write_zip(argc, argv, &e);
    else if (argc == 3 && strcmp(argv[1], "content") == 0)
        ok = look(argv[2], true, &e);
    else if (argc > 2 && strcmp(argv[1], "check") == 0)
        for (int i = 2; i < argc; i++)
            ok = puts(look(argv[i], false, &e) ? "ok" : e.text) >= 0;
    if (!ok)
        (void)fprintf(stderr, "%s\n", e.text);
    return ok ? 0 : 1;
}
