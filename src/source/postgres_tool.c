#include "source/postgres_tool.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/text.h"

#define NEWEST_MAJOR  99 /* looked for below /usr/lib/postgresql */
#define VERSION_MAX   ((size_t)200)
#define WAIT_MS       200
#define OUTPUT_PIECE  ((size_t)64 << 10)
#define ERRORS_MAX    ((size_t)4096) /* bytes of standard error that are kept */
#define ERRORS_SHOWN  ((size_t)300)
#define PASSFILE_MODE 0600 /* libpq ignores one that others may read */

/* Finding */

/* "pg_dump (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)"; 0 when text is nothing like that. */
static int version_parse(const char *text)
{
    static const char before[] = "(PostgreSQL) ";
    const char *number = strstr(text, before);
    struct err e = {0};
    uint64_t major = 0;
    char digits[4] = {0};

    if (number == NULL)
        return 0;
    number += strlen(before);

    const size_t size = strspn(number, "0123456789");

    if (size == 0 || size >= sizeof(digits))
        return 0;
    memcpy(digits, number, size);
    return parse_u64(digits, &major, &e) ? (int)major : 0;
}

/* The major version of a program; 0 when it does not tell. */
static int version_of(const char *path)
{
    char *const argv[] = {(char *)(uintptr_t)path, (char *)(uintptr_t) "--version", NULL};
    const struct child_spec spec = {.argv = argv, .takes_errors = true};
    AUTO(child) struct child c = CHILD_NONE;
    char text[VERSION_MAX + 1] = {0};
    struct err e = {0};
    size_t got = 0;

    if (!child_start_with(&spec, &c, &e) || !fd_read(c.out_fd, text, VERSION_MAX, &got, &e) ||
        !child_wait(&c, &e))
        return 0;
    return version_parse(text);
}

/* The best that was found although it is too old. */
struct found {
    int wanted, major;
    char *path;
};

static void found_auto(struct found *f)
{
    mem_free(f->path);
}

/* Debian's starter, a program in Perl that takes longer than most of what it starts, and looks for
 * that where look_below_lib() does. */
static bool is_starter(const char *path)
{
    char real[PATH_MAX];
    const char *name = realpath(path, real) == NULL ? NULL : strrchr(real, '/');

    return name != NULL && strcmp(name, "/pg_wrapper") == 0;
}

/* Look at one path; true when it is what is wanted. */
static bool consider(struct found *f, struct slice directory, const char *program)
{
    AUTO(buf) struct buf path = {0};

    buf_append_slice(&path, directory);
    buf_printf(&path, "/%s", program);
    if (access(buf_string(&path), X_OK) < 0 || is_starter(buf_string(&path)))
        return false;

    const int major = version_of(buf_string(&path));

    if (major > f->major) {
        mem_free(f->path);
        f->path = mem_string(buf_string(&path));
        f->major = major;
    }
    return f->major >= f->wanted;
}

static bool look_in_path(struct found *f, const char *program)
{
    const char *all = getenv("PATH");

    while (all != NULL) {
        const size_t size = strcspn(all, ":");

        if (size > 0 && all[0] == '/' && consider(f, SLICE_OF(all, size), program))
            return true;
        all = all[size] == ':' ? all + size + 1 : NULL;
    }
    return false;
}

static bool look_below_lib(struct found *f, const char *program)
{
    for (int major = NEWEST_MAJOR; major >= f->wanted; major--) {
        AUTO(buf) struct buf directory = {0};

        buf_printf(&directory, "/usr/lib/postgresql/%d/bin", major);
        if (consider(f, buf_slice(&directory), program))
            return true;
    }
    return false;
}

bool postgres_tool_find(const char *program, int major, char **path, struct err *e)
{
    AUTO(found) struct found f = {.wanted = major};

    if (look_in_path(&f, program) || look_below_lib(&f, program)) {
        *path = TAKE(f.path);
        return true;
    }
    if (f.path == NULL)
        return err_set(e, ERR_NOT_FOUND, "there is no %s, and the server needs one of version %d",
                       program, major);
    return err_set(e, ERR_NOT_FOUND, "%s is of version %d, and the server needs %d or newer",
                   f.path, f.major, major);
}

/* Running */

/* The end of what a program said on its standard error. */
struct errors {
    char text[ERRORS_MAX];
    size_t size;
};

static void errors_add(struct errors *s, const char *text, size_t size)
{
    if (size > ERRORS_MAX) {
        text += size - ERRORS_MAX;
        size = ERRORS_MAX;
    }
    if (s->size + size > ERRORS_MAX) {
        const size_t surplus = s->size + size - ERRORS_MAX;

        memmove(s->text, s->text + surplus, s->size - surplus);
        s->size -= surplus;
    }
    memcpy(s->text + s->size, text, size);
    s->size += size;
}

static void errors_hide(struct errors *s, const char *secret)
{
    const size_t size = secret == NULL ? 0 : strlen(secret);
    char *at = NULL;

    while (size > 0 && (at = memmem(s->text, s->size, secret, size)) != NULL) {
        memmove(at, at + size, (size_t)(s->text + s->size - at) - size);
        s->size -= size;
    }
}

/*
 * What to tell of it: PostgreSQL's programs say the failure in a line, behind it details, which may
 * hold a long statement, and failures that follow from it.  Others end with what matters.
 */
static struct slice errors_end(const struct errors *s)
{
    static const char mark[] = ": error: ";
    const char *end = s->text + s->size;
    const char *found = memmem(s->text, s->size, mark, strlen(mark));
    const char *from = s->size > ERRORS_SHOWN ? end - ERRORS_SHOWN : s->text;
    const char *line = NULL;

    if (found != NULL) {
        line = memrchr(s->text, '\n', (size_t)(found - s->text));
        from = line == NULL ? s->text : line + 1;
    } else if (from > s->text && from[-1] != '\n') {
        line =
            memchr(from, '\n', (size_t)(end - 1 - from)); /* not half a line, if there are more */
        from = line == NULL ? from : line + 1;
    }
    return SLICE_OF(from, (size_t)(end - from));
}

/* Put the last lines behind the failure, on one line.  Returns false. */
static bool errors_tell(struct errors *s, const struct postgres_tool *t, struct err *e)
{
    const char *name = strrchr(t->argv[0], '/');
    char shown[ERRORS_SHOWN + 1];

    errors_hide(s, t->secret);
    text_flatten(errors_end(s), shown, sizeof(shown));

    struct err status = *e;

    name = name == NULL ? t->argv[0] : name + 1;
    return shown[0] == '\0' ? err_wrap(e, "%s", name)
                            : err_set(e, status.code, "%s %.100s: %s", name, status.text, shown);
}

static bool go_on(const struct postgres_tool *t, struct err *e)
{
    if (cancel_is_requested())
        return cancel_err(e);
    if (t->is_stopping != NULL && atomic_load(t->is_stopping))
        return err_set(e, ERR_CANCELLED, "another part of the backup failed");
    return true;
}

/* What arrives at one descriptor; 0 bytes are its end, which *fd then says. */
static bool read_some(int *fd, void *to, size_t *got, struct err *e)
{
    const ssize_t n = read(*fd, to, OUTPUT_PIECE);

    *got = n > 0 ? (size_t)n : 0;
    if (n < 0 && errno != EINTR && errno != EAGAIN)
        return err_sys(e, "read its output");
    if (n == 0)
        *fd = -1;
    return true;
}

static bool transfer(const struct child *c, const struct postgres_tool *t, struct errors *errors,
                     postgres_output_fn *fn, void *arg, struct err *e)
{
    AUTO(mem) uint8_t *bytes = mem_new(OUTPUT_PIECE);
    struct pollfd p[] = {{.fd = c->out_fd, .events = POLLIN}, {.fd = c->err_fd, .events = POLLIN}};
    size_t got = 0;

    while (p[0].fd >= 0 || p[1].fd >= 0) {
        if (!go_on(t, e))
            return false;
        p[0].revents = p[1].revents = 0;
        if (poll(p, 2, WAIT_MS) < 0 && errno != EINTR)
            return err_sys(e, "wait for its output");
        if (p[1].revents != 0) {
            if (!read_some(&p[1].fd, bytes, &got, e))
                return false;
            errors_add(errors, (const char *)bytes, got);
        }
        if (p[0].revents != 0 && (!read_some(&p[0].fd, bytes, &got, e) ||
                                  (got > 0 && !fn(arg, SLICE_OF(bytes, got), e))))
            return false;
    }
    return true;
}

bool postgres_tool_run(const struct postgres_tool *t, postgres_output_fn *fn, void *arg,
                       struct err *e)
{
    const struct child_spec spec = {
        .argv = t->argv,
        .takes_errors = true,
        .has_group = true,
        .has_input = t->password_fd >= 0,
        .input_fd = t->password_fd,
    };
    AUTO(child) struct child c = CHILD_NONE;
    AUTO(mem) struct errors *errors = mem_new(sizeof(*errors));

    if (!child_start_with(&spec, &c, e) || !transfer(&c, t, errors, fn, arg, e))
        return false;
    return child_wait(&c, e) || errors_tell(errors, t, e);
}

/* Passwords */

static void secret_buf_auto(struct buf *b)
{
    if (b->data != NULL)
        mem_wipe(b->data, b->room);
    buf_done(b);
}

/* libpq takes no file that others may read.  One in memory is made for all, and a sandbox keeps
 * modes as they are: then it has no name in scratch space. */
static bool open_private(int *fd, struct err *e)
{
    AUTO(fd) int memory = -1;
    struct err ignored;

    if (!file_in_memory(&memory, e))
        return false;
    if (!fd_set_mode(memory, PASSFILE_MODE, &ignored))
        return file_unnamed(file_scratch_folder(), fd, e);
    *fd = memory;
    memory = -1;
    return true;
}

bool postgres_passfile_open(const char *password, int *fd, struct err *e)
{
    AUTO(secret_buf) struct buf line = {0};
    AUTO(fd) int file = -1;

    if (strpbrk(password, "\r\n") != NULL)
        return err_set(e, ERR_USAGE, "the password has more than one line");
    buf_reserve(&line, 2 * strlen(password) + sizeof("*:*:*:*:\n")); /* it must not move */
    buf_printf(&line, "*:*:*:*:");
    for (; *password != '\0'; password++) {
        if (*password == ':' || *password == '\\')
            buf_append(&line, "\\", 1);
        buf_append(&line, password, 1);
    }
    buf_append(&line, "\n", 1);
    if (!open_private(&file, e) || !fd_write(file, buf_slice(&line), e))
        return false;
    *fd = file;
    file = -1;
    return true;
}
