#include "job/child_watch.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

enum {
    PROCESSES_MAX = 32768,
    ROUNDS_MAX = 200,
    ROUND_MS = 10,
    STAT_MAX = 4096,
    /* Fields of /proc/PID/stat, from 1 as proc(5) counts them. */
    FIELD_PPID = 4,
    FIELD_UTIME = 14, /* and stime, cutime, cstime behind it */
    FIELD_START = 22,
};

struct process {
    pid_t pid, parent;
    uint64_t cpu, started; /* ticks */
    bool is_below;
};

struct processes {
    struct process *items;
    size_t count;
};

static void processes_auto(struct processes *p)
{
    mem_free(p->items);
}

static uint64_t number_at(const char *text)
{
    char digits[24] = {0};
    struct err ignored;
    uint64_t n = 0;
    const size_t size = strspn(text, "0123456789");

    if (size == 0 || size >= sizeof(digits))
        return 0;
    memcpy(digits, text, size);
    return parse_u64(digits, &n, &ignored) ? n : 0;
}

/* The name of the program stands in parentheses and may hold anything, so fields are counted from
 * the last of them. */
static bool stat_parse(const char *text, struct process *p)
{
    const char *at = strrchr(text, ')');

    if (at == NULL || at[1] == '\0')
        return false;
    at += 2;
    for (int field = 3; *at != '\0'; field++) {
        const char *next = strchr(at, ' ');

        if (field == FIELD_PPID)
            p->parent = (pid_t)number_at(at);
        if (field >= FIELD_UTIME && field < FIELD_UTIME + 4)
            p->cpu += number_at(at);
        if (field == FIELD_START) {
            p->started = number_at(at);
            return true;
        }
        if (next == NULL)
            return false;
        at = next + 1;
    }
    return false;
}

static bool process_read(pid_t pid, struct process *out)
{
    AUTO(buf) struct buf text = {0};
    char path[32];
    struct err ignored;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid); /* has room */
    *out = (struct process){.pid = pid};
    return file_read(path, STAT_MAX, &text, &ignored) && stat_parse(buf_string(&text), out);
}

static void read_all(struct processes *all)
{
    DIR *d = opendir("/proc");

    all->items = mem_array(PROCESSES_MAX, sizeof(*all->items));
    if (d == NULL)
        return;
    for (const struct dirent *en; all->count < PROCESSES_MAX && (en = readdir(d)) != NULL;) {
        const uint64_t pid = number_at(en->d_name);

        if (pid > 0 && pid <= INT32_MAX && process_read((pid_t)pid, &all->items[all->count]))
            all->count++;
    }
    (void)closedir(d); /* only read */
}

static bool is_below(const struct processes *all, pid_t pid)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i].pid == pid)
            return all->items[i].is_below;
    return pid == getpid();
}

/* Parents mostly have the lower number, so one or two rounds find all. */
static void mark_below(struct processes *all)
{
    bool has_changed = true;

    while (has_changed) {
        has_changed = false;
        for (size_t i = 0; i < all->count; i++) {
            struct process *p = &all->items[i];

            if (!p->is_below && p->pid != getpid() &&
                (p->parent == getpid() || is_below(all, p->parent)))
                p->is_below = has_changed = true;
        }
    }
}

bool child_watch_begin(struct err *e)
{
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0 || err_sys(e, "keep orphans");
}

uint64_t child_watch_started(pid_t pid)
{
    struct process p;

    return process_read(pid, &p) ? p.started : 0;
}

int64_t child_watch_cpu_ms(void)
{
    AUTO(processes) struct processes all = {0};
    const int64_t second = sysconf(_SC_CLK_TCK);
    uint64_t ticks = 0;

    read_all(&all);
    mark_below(&all);
    for (size_t i = 0; i < all.count; i++)
        if (all.items[i].is_below)
            ticks += all.items[i].cpu;
    return (int64_t)ticks * 1000 / (second > 0 ? second : 100);
}

/* By a descriptor that stands for the process that was meant, whoever gets its number next. */
static void kill_one(const struct process *p)
{
    AUTO(fd) int fd = pidfd_open(p->pid, 0);

    if (fd >= 0 && child_watch_started(p->pid) == p->started)
        (void)pidfd_send_signal(fd, SIGKILL, NULL, 0); /* fails when it has ended */
}

bool child_watch_kill_all(void)
{
    for (int round = 0; round < ROUNDS_MAX; round++) {
        AUTO(processes) struct processes all = {0};
        size_t left = 0;

        while (waitpid(-1, NULL, WNOHANG) > 0)
            left++;
        read_all(&all);
        mark_below(&all);
        for (size_t i = 0; i < all.count; i++)
            if (all.items[i].is_below) {
                kill_one(&all.items[i]);
                left++;
            }
        if (left == 0)
            return true;
        (void)poll(NULL, 0, ROUND_MS); /* for them to end, and their orphans to come to us */
    }
    return false;
}
