#include "support/postgres_server.h"

#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "support/fixture.h"

#define START_TIMEOUT_S 60
#define STOP_TIMEOUT_MS 20000
#define LOG_MAX         ((size_t)64 << 20)

struct postgres_server {
    struct scratch folder;
    char programs[64]; /* directory */
    char host[80], data[80], log[80], dsn[160];
    uid_t uid; /* whose processes and files these are */
    gid_t gid;
    pid_t owner; /* who started it */
    pid_t pid;   /* 0: not running */
};

static int version_of(const char *path)
{
    return atoi(path + strlen("/usr/lib/postgresql/"));
}

static bool find_programs(struct postgres_server *s, struct err *e)
{
    glob_t found = {0};
    const char *newest = NULL;

    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            if (newest == NULL || version_of(found.gl_pathv[i]) > version_of(newest))
                newest = found.gl_pathv[i];
    if (newest != NULL)
        (void)snprintf(s->programs, sizeof(s->programs), "/usr/lib/postgresql/%d/bin",
                       version_of(newest));
    globfree(&found);
    return s->programs[0] != '\0' ||
           err_set(e, ERR_NOT_FOUND, "no PostgreSQL server below /usr/lib/postgresql");
}

/* The server refuses to run as root. */
static bool find_owner(struct postgres_server *s, struct err *e)
{
    const struct passwd *user;

    s->uid = geteuid();
    s->gid = getegid();
    if (s->uid != 0)
        return true;
    user = getpwnam("postgres");
    if (user == NULL)
        return err_set(e, ERR_NOT_FOUND, "no user named postgres");
    s->uid = user->pw_uid;
    s->gid = user->pw_gid;
    return chown(s->folder.path, s->uid, s->gid) == 0 || err_sys(e, "chown %s", s->folder.path);
}

/* In the child: become argv[0], with its output in the log.  Gets the signal when we die. */
static _Noreturn void become(const struct postgres_server *s, const char *const argv[])
{
    const int log = open(s->log, O_WRONLY | O_CREAT | O_APPEND, 0666);
    const int nothing = open("/dev/null", O_RDONLY);
    sigset_t none;

    if (log < 0 || nothing < 0 || dup2(nothing, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
        _exit(126);
    if (close_range(3, ~0U, 0) != 0 || chdir("/") != 0)
        _exit(126);
    if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setresgid(s->gid, s->gid, s->gid) != 0 ||
                           setresuid(s->uid, s->uid, s->uid) != 0))
        _exit(126);
    /* A change of user forgets it, so it comes after that. */
    if (prctl(PR_SET_PDEATHSIG, SIGQUIT) != 0 || getppid() != s->owner)
        _exit(126);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setenv("LC_ALL", "C", 1);
    execv(argv[0], (char *const *)(uintptr_t)argv); /* which leaves it alone */
    _exit(127);
}

static bool begin(const struct postgres_server *s, const char *const argv[], pid_t *pid,
                  struct err *e)
{
    *pid = fork();
    if (*pid == 0)
        become(s, argv);
    return *pid > 0 || err_sys(e, "fork");
}

/* What the server said last, as the reason of a failure. */
static bool failed(const struct postgres_server *s, const char *what, struct err *e)
{
    AUTO(buf) struct buf said = {0};
    struct err why;
    const size_t most = 300;

    if (!file_read(s->log, LOG_MAX, &said, &why))
        return err_set(e, ERR_FATAL, "%s, and there is no log: %s", what, why.text);
    return err_set(e, ERR_FATAL, "%s: %s", what,
                   buf_string(&said) + (said.size > most ? said.size - most : 0));
}

static bool make_cluster(const struct postgres_server *s, struct err *e)
{
    char program[80];
    const char *const argv[] = {
        program, "-D",   s->data,      "-U",        "postgres",          "-A", "trust",
        "-E",    "UTF8", "--locale=C", "--no-sync", "--no-instructions", NULL};
    pid_t pid;
    int status;

    (void)snprintf(program, sizeof(program), "%s/initdb", s->programs);
    if (!begin(s, argv, &pid, e))
        return false;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return (WIFEXITED(status) && WEXITSTATUS(status) == 0) || failed(s, "initdb failed", e);
}

static bool run_server(struct postgres_server *s, struct err *e)
{
    char program[80];
    char socket[120];
    const char *const argv[] = {program,
                                "-D",
                                s->data,
                                "-c",
                                socket,
                                "-c",
                                "listen_addresses=",
                                "-c",
                                "fsync=off",
                                "-c",
                                "shared_buffers=32MB",
                                "-c",
                                "max_connections=40",
                                "-c",
                                "logging_collector=off",
                                "-c",
                                "jit=off",
                                NULL};
    const int64_t deadline = clock_monotonic_ns() + START_TIMEOUT_S * NS_PER_S;

    (void)snprintf(program, sizeof(program), "%s/postgres", s->programs);
    (void)snprintf(socket, sizeof(socket), "unix_socket_directories=%s", s->host);
    if (!begin(s, argv, &s->pid, e))
        return false;
    while (PQping(s->dsn) != PQPING_OK) {
        if (waitpid(s->pid, NULL, WNOHANG) != 0) {
            s->pid = 0;
            return failed(s, "the server ended", e);
        }
        if (clock_monotonic_ns() > deadline)
            return failed(s, "the server does not answer", e);
        (void)poll(NULL, 0, 10);
    }
    return true;
}

bool postgres_server_start(struct postgres_server **out, struct err *e)
{
    AUTO(postgres_server) struct postgres_server *s = mem_new(sizeof(*s));

    scratch_init(&s->folder);
    s->owner = getpid();
    (void)snprintf(s->host, sizeof(s->host), "%s", s->folder.path);
    (void)snprintf(s->data, sizeof(s->data), "%s/data", s->folder.path);
    (void)snprintf(s->log, sizeof(s->log), "%s/log", s->folder.path);
    (void)snprintf(s->dsn, sizeof(s->dsn), "host=%s user=postgres dbname=postgres", s->host);
    if (!find_programs(s, e) || !find_owner(s, e) || !make_cluster(s, e) || !run_server(s, e))
        return err_wrap(e, "start PostgreSQL in %s", s->folder.path);
    *out = TAKE(s);
    return true;
}

const char *postgres_server_dsn(const struct postgres_server *s)
{
    return s->dsn;
}

const char *postgres_server_host(const struct postgres_server *s)
{
    return s->host;
}

const char *postgres_server_directory(const struct postgres_server *s)
{
    return s->data;
}

static PGconn *join(const struct postgres_server *s, const char *database)
{
    const char *const names[] = {"host", "user", "dbname", NULL};
    const char *const values[] = {s->host, "postgres", database, NULL};
    PGconn *c = PQconnectdbParams(names, values, 0);

    ck_assert_msg(PQstatus(c) == CONNECTION_OK, "%s", PQerrorMessage(c));
    return c;
}

static PGresult *ask(PGconn *c, const char *sql)
{
    PGresult *r = PQexec(c, sql);

    ck_assert_msg(PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK ||
                      PQresultStatus(r) == PGRES_EMPTY_QUERY,
                  "%s: %s", sql, PQerrorMessage(c));
    return r;
}

void postgres_server_sql(struct postgres_server *s, const char *database, const char *sql)
{
    PGconn *c = join(s, database);

    PQclear(ask(c, sql));
    PQfinish(c);
}

void postgres_server_fill(struct postgres_server *s, const char *database)
{
    AUTO(buf) struct buf sql = {0};

    file_take(EVERYTHING, &sql);
    postgres_server_sql(s, database, buf_string(&sql));
}

char *postgres_server_value(struct postgres_server *s, const char *database, const char *sql)
{
    PGconn *c = join(s, database);
    PGresult *r = ask(c, sql);
    char *value = NULL;

    if (PQntuples(r) > 0 && !PQgetisnull(r, 0, 0))
        value = mem_string(PQgetvalue(r, 0, 0));
    PQclear(r);
    PQfinish(c);
    return value;
}

/* Whether the server ends within the time after this signal. */
static bool ends_by(struct postgres_server *s, int signal)
{
    AUTO(fd) int fd = (int)syscall(SYS_pidfd_open, s->pid, 0);
    struct pollfd end = {.fd = fd, .events = POLLIN};

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(kill(s->pid, signal), 0);
    if (poll(&end, 1, STOP_TIMEOUT_MS) != 1)
        return false;
    ck_assert_int_eq(waitpid(s->pid, NULL, 0), s->pid);
    s->pid = 0;
    return true;
}

void postgres_server_stop(struct postgres_server *s)
{
    if (s->pid == 0)
        return;
    ck_assert_int_eq(getpid(), s->owner);
    ck_assert(ends_by(s, SIGINT) || ends_by(s, SIGQUIT) || ends_by(s, SIGKILL));
}

void postgres_server_resume(struct postgres_server *s)
{
    ck_assert_int_eq(getpid(), s->owner);
    ck_assert_int_eq(s->pid, 0);
    CHECK_OK(run_server(s, e));
}

void postgres_server_restart(struct postgres_server *s)
{
    postgres_server_stop(s);
    postgres_server_resume(s);
}

void postgres_server_free(struct postgres_server *s)
{
    if (s != NULL && getpid() == s->owner) {
        postgres_server_stop(s);
        scratch_done(&s->folder);
    }
    mem_free(s);
}

void postgres_server_auto(struct postgres_server **s)
{
    postgres_server_free(*s);
}
