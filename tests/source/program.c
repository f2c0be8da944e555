#include "source/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

enum { SPARE = 16 };

const char *const *argv_of(const char *program, const char *first, const char *second)
{
    static const char *vectors[SPARE][4];
    static size_t next;
    const char **v = vectors[next++ % SPARE];

    v[0] = program;
    v[1] = first;
    v[2] = second;
    v[3] = NULL;
    return v;
}

const char *path_in(const struct scratch *s, const char *name)
{
    static struct buf paths[SPARE];
    static size_t next;
    struct buf *path = &paths[next++ % SPARE];

    buf_clear(path);
    buf_printf(path, "%s/%s", s->path, name);
    return buf_string(path);
}

const char *program_put(const struct scratch *s, const char *name, const char *lines)
{
    AUTO(buf) struct buf text = {0};

    buf_printf(&text, "#!/bin/sh\n%s\n", lines);
    put_file(s->fd, name, text.data, text.size);
    if (fchmodat(s->fd, name, 0755, 0) < 0)
        abort();
    return path_in(s, name);
}

static bool send(struct member *m, struct recorder *r, struct lane *n, struct err *failure,
                 struct err *e)
{
    struct listing *root = listing_new();
    struct listing *l = listing_new();
    struct sink_dir *above = NULL;
    struct sink_dir *dir = NULL;
    struct sink *k = &r->sink;

    *listing_add(root) =
        (struct entry){.type = ENTRY_DIRECTORY, .name = slice_string(m->ops->kind), .links = 1};
    m->ops->announce(m, l);
    listing_sort(l);
    if (!k->ops->enter(n, NULL, 0, root, &above, e)) {
        listing_free(l);
        return false;
    }
    return k->ops->enter(n, above, 0, l, &dir, e) && m->ops->send(m, k, dir, l, failure, e);
}

bool command_back_up(const struct command_options *o, struct recorder *r, struct err *failure,
                     struct err *e)
{
    AUTO(member) struct member *m = NULL;
    struct lane *n = NULL;

    failure->code = ERR_NONE;
    if (!command_member_new(o, &m, e))
        return false;
    m->now_ns = 5;
    if (!m->ops->prepare(m, e) || !r->sink.ops->lane_open(&r->sink, &n, e))
        return false;

    const bool is_sent = send(m, r, n, failure, e);

    r->sink.ops->lane_close(n);
    return is_sent;
}

static bool feed_read(void *arg, void *to, size_t room, size_t *got, struct err *e)
{
    struct slice *text = arg;

    (void)e;
    *got = text->size < room ? text->size : room;
    if (*got > 0)
        memcpy(to, text->data, *got);
    *text = SLICE_OF(text->data + *got, text->size - *got);
    return true;
}

struct command_feed feed_of(struct slice *text)
{
    return (struct command_feed){feed_read, text};
}

static enum command_answer undecided(void *arg)
{
    (void)arg;
    return COMMAND_UNDECIDED;
}

static const char restore[] = "in=$(cat; echo .)\n"
                              "in=${in%.}\n"
                              "case $in in *bad*) echo 'line 1: bad rule' >&2; exit 2;; esac\n"
                              "echo looked >&2\n"
                              "[ \"$2\" = --test ] && exit\n"
                              "[ -e \"$1/broken\" ] && { echo broken >&2; exit 4; }\n"
                              "case $in in *half*) echo half >\"$1/rules\"; exit 3;; esac\n"
                              "printf %s \"$in\" >\"$1/rules\"";

void firewall_init(struct firewall *f, const char *rules)
{
    static char folder[80];

    *f = (struct firewall){0};
    scratch_init(&f->scratch);
    put_file(f->scratch.fd, "rules", rules, strlen(rules));
    (void)snprintf(folder, sizeof(folder), "%s/journals", f->scratch.path);

    const char *save = program_put(&f->scratch, "save", "cat \"$1/rules\"");
    const char *back = program_put(&f->scratch, "restore", restore);

    f->options = (struct command_options){
        .name = "fw",
        .argv = argv_of(save, f->scratch.path, NULL),
        .check = argv_of(back, f->scratch.path, "--test"),
        .apply = argv_of(back, f->scratch.path, NULL),
    };
    f->how = (struct command_confirm){.folder = folder, .confirm_ms = 300, .ask = undecided};
}

void firewall_auto(struct firewall *f)
{
    scratch_auto(&f->scratch);
}

bool firewall_is(const struct firewall *f, const char *rules)
{
    return file_is(path_in(&f->scratch, "rules"), rules);
}

bool firewall_apply(struct firewall *f, const char *rules, struct err *e)
{
    struct slice text = slice_string(rules);
    const struct command_feed feed = feed_of(&text);

    return command_apply_state(&f->options, &f->how, &feed, e);
}

bool firewall_has_journal(const struct firewall *f)
{
    return access(path_in(&f->scratch, "journals/fw.journal"), F_OK) == 0;
}

bool firewall_recover(const struct firewall *f, size_t *count, struct err *e)
{
    return command_recover_states(f->how.folder, count, e);
}

bool in_child(bool (*fn)(void *arg), void *arg)
{
    const pid_t pid = fork();
    int status = -1;

    if (pid == 0)
        _exit(fn(arg) ? 0 : 1);
    return waitpid(pid, &status, 0) == pid && status == 0;
}

void file_take(const char *path, struct buf *out)
{
    struct err e = {0};

    if (!file_read(path, (size_t)64 << 20, out, &e))
        abort();
}

bool file_is(const char *path, const char *content)
{
    AUTO(buf) struct buf found = {0};

    file_take(path, &found);
    return strcmp(buf_string(&found), content) == 0;
}
