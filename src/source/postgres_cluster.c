#include "source/postgres_cluster.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "source/owner.h"
#include "source/postgres_link.h"
#include "source/postgres_tool.h"

#define START_LIMIT_S 60
#define STOP_LIMIT_MS 20000
#define LOOK_MS       20
#define END_MS        1000 /* from the crash of one of its processes to its own end */
#define SAID_MAX      ((size_t)300)
#define ARGUMENTS_MAX 48
#define OPTION_MAX    24

enum { FOLDER_MODE = 0700 };

/* What is being started. */
struct start {
    char *postgres, *initdb; /* programs */
    struct buf folder;       /* "<folder>/cluster" */
    bool has_user;           /* to become: */
    uint32_t uid, gid;
    char reuid[OPTION_MAX], regid[OPTION_MAX]; /* the same as options of setpriv */
};

static void start_auto(struct start *s)
{
    mem_free(s->postgres);
    mem_free(s->initdb);
    buf_done(&s->folder);
}

static bool find_programs(struct start *s, int major, struct err *e)
{
    AUTO(buf) struct buf path = {0};

    if (!postgres_tool_find("postgres", major, &s->postgres, e))
        return false;
    buf_append(&path, s->postgres, (size_t)(strrchr(s->postgres, '/') - s->postgres));
    buf_printf(&path, "/initdb");
    s->initdb = mem_string(buf_string(&path));
    return program_check(s->initdb, e);
}

/* The server refuses to run as root. */
static bool find_user(struct start *s, struct err *e)
{
    static const struct {
        const char *user, *group;
    } names[] = {{"postgres", "postgres"}, {"nobody", "nogroup"}};
    AUTO(owners) struct owners o = {0};

    for (size_t i = 0; geteuid() == 0 && i < sizeof(names) / sizeof(names[0]); i++) {
        if (!owner_id(&o, OWNER_USER, slice_string(names[i].user), &s->uid) ||
            !owner_id(&o, OWNER_GROUP, slice_string(names[i].group), &s->gid))
            continue;
        s->has_user = true;
        (void)snprintf(s->reuid, OPTION_MAX, "--reuid=%u", s->uid); /* have room */
        (void)snprintf(s->regid, OPTION_MAX, "--regid=%u", s->gid);
        return true;
    }
    return geteuid() != 0 || err_set(e, ERR_NOT_FOUND, "there is no user postgres to run a server");
}

static bool make_folder(struct start *s, const char *in, struct err *e)
{
    AUTO(fd) int parent = -1;
    AUTO(fd) int folder = -1;

    buf_printf(&s->folder, "%s/" POSTGRES_CLUSTER_FOLDER, in);
    if (!dir_open(in, &parent, e) ||
        !beneath_mkdir(parent, POSTGRES_CLUSTER_FOLDER, FOLDER_MODE, e) ||
        !beneath_open_dir(parent, POSTGRES_CLUSTER_FOLDER, &folder, e))
        return false;
    return !s->has_user || fd_set_owner(folder, s->uid, s->gid, e);
}

struct arguments {
    const char *argv[ARGUMENTS_MAX];
    size_t count;
};

static void add(struct arguments *a, const char *const *texts)
{
    for (; *texts != NULL; texts++)
        a->argv[a->count++] = *texts;
}

/* setpriv changes users without a shell or a session, and asks for the signal when we end. */
static void add_user(struct arguments *a, const struct start *s)
{
    add(a, (const char *const[]){"setpriv", "--pdeathsig=QUIT", NULL});
    if (s->has_user)
        add(a, (const char *const[]){s->reuid, s->regid, "--clear-groups", NULL});
}

static char *const *argv_of(const struct arguments *a)
{
    return (char *const *)(uintptr_t)a->argv; /* which nobody writes to */
}

static bool output_ignore(void *arg, struct slice bytes, struct err *e)
{
    (void)arg;
    (void)bytes;
    (void)e;
    return true;
}

/* The server would only say that it could make no socket. */
static bool check_socket(const struct start *s, struct err *e)
{
    const size_t size = s->folder.size + sizeof("/.s.PGSQL.5432");
    const size_t room = sizeof(((struct sockaddr_un *)NULL)->sun_path);

    return size <= room || err_set(e, ERR_USAGE,
                                   "the path of its socket has %zu bytes, and %zu are possible: "
                                   "choose a scratch folder with a shorter path",
                                   size - 1, room - 1);
}

static bool make_cluster(struct start *s, struct err *e)
{
    AUTO(buf) struct buf data = {0};
    struct arguments a = {0};

    buf_printf(&data, "--pgdata=%s/data", buf_string(&s->folder));
    add_user(&a, s);
    add(&a, (const char *const[]){s->initdb, buf_string(&data), "--username=postgres",
                                  "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync",
                                  "--no-instructions", NULL});
    return postgres_tool_run(&(struct postgres_tool){.argv = argv_of(&a), .password_fd = -1},
                             output_ignore, NULL, e);
}

/* What is said goes to pipes that nobody reads before the end: so it is little. */
static bool start_server(struct postgres_cluster *c, struct start *s, struct err *e)
{
    AUTO(buf) struct buf data = {0};
    AUTO(buf) struct buf socket = {0};
    struct arguments a = {0};
    const struct child_spec spec = {.argv = argv_of(&a), .takes_errors = true, .has_group = true};

    buf_printf(&data, "%s/data", buf_string(&s->folder));
    buf_printf(&socket, "unix_socket_directories=%s", buf_string(&s->folder));
    add_user(&a, s);
    add(&a, (const char *const[]){s->postgres,
                                  "-D",
                                  buf_string(&data),
                                  "-c",
                                  buf_string(&socket),
                                  "-c",
                                  "listen_addresses=",
                                  "-c",
                                  "port=5432",
                                  "-c",
                                  "fsync=off",
                                  "-c",
                                  "synchronous_commit=off",
                                  "-c",
                                  "full_page_writes=off",
                                  "-c",
                                  "wal_level=minimal",
                                  "-c",
                                  "max_wal_senders=0",
                                  "-c",
                                  "autovacuum=off",
                                  "-c",
                                  "jit=off",
                                  "-c",
                                  "restart_after_crash=off",
                                  "-c",
                                  "log_min_messages=fatal",
                                  "-c",
                                  "logging_collector=off",
                                  NULL});
    return child_start_with(&spec, &c->server, e);
}

/* It ended by itself: its last words are why. */
static bool tell_end(struct postgres_cluster *c, struct err *e)
{
    char said[SAID_MAX + 1] = {0};
    struct err ignored = {0};
    size_t got = 0;

    if (!fd_read(c->server.err_fd, said, SAID_MAX, &got, &ignored))
        got = 0;
    while (got > 0 && said[got - 1] <= ' ')
        said[--got] = '\0';
    return err_set(e, ERR_FATAL, "the server ended: %s", said);
}

/* That it is ours, whatever the environment tells libpq. */
static bool check_identity(struct postgres_link *l, struct start *s, struct err *e)
{
    AUTO(postgres_result) PGresult *r = NULL;
    const size_t size = s->folder.size;

    if (!postgres_link_query(l, &(struct postgres_query){.sql = "SHOW data_directory"}, &r, e))
        return false;
    return strncmp(PQgetvalue(r, 0, 0), buf_string(&s->folder), size) == 0 ||
           err_set(e, ERR_FATAL, "another server answers at its address");
}

static bool wait_until_ready(struct postgres_cluster *c, struct start *s, struct err *e)
{
    AUTO(postgres_address) struct postgres_address a = {0};
    AUTO(fd) int end = -1;
    const int64_t deadline_ns = clock_monotonic_ns() + START_LIMIT_S * NS_PER_S;
    struct err why = {0};

    if (!postgres_address_init(&a, c->dsn, NULL, e) || !child_end_open(&c->server, &end, e))
        return false;
    for (;;) {
        AUTO(postgres_link) struct postgres_link l = {0};
        struct pollfd p = {.fd = end, .events = POLLIN};

        if (postgres_link_open(&l, &a, &why))
            return check_identity(&l, s, e);
        if (cancel_is_requested())
            return cancel_err(e);
        if (poll(&p, 1, LOOK_MS) > 0)
            return tell_end(c, e);
        if (clock_monotonic_ns() > deadline_ns)
            return err_set(e, ERR_FATAL, "the server does not answer: %s", why.text);
    }
}

bool postgres_cluster_start(struct postgres_cluster *c, const char *folder, int major,
                            struct err *e)
{
    AUTO(start) struct start s = {0};
    AUTO(postgres_cluster) struct postgres_cluster made = POSTGRES_CLUSTER_NONE;
    AUTO(buf) struct buf dsn = {0};

    if (!find_programs(&s, major, e) || !find_user(&s, e) || !make_folder(&s, folder, e) ||
        !check_socket(&s, e) || !make_cluster(&s, e) || !start_server(&made, &s, e))
        return err_wrap(e, "start a PostgreSQL server");
    buf_printf(&dsn, "port=5432 user=postgres dbname=postgres host='%s'", buf_string(&s.folder));
    made.dsn = mem_string(buf_string(&dsn));
    if (!wait_until_ready(&made, &s, e))
        return err_wrap(e, "start a PostgreSQL server");
    *c = made;
    made = POSTGRES_CLUSTER_NONE;
    return true;
}

bool postgres_cluster_check(struct postgres_cluster *c, struct err *e)
{
    AUTO(fd) int end = -1;

    if (c->server.pid == 0)
        return true;
    if (!child_end_open(&c->server, &end, e))
        return false;

    struct pollfd p = {.fd = end, .events = POLLIN};

    return poll(&p, 1, END_MS) <= 0 || tell_end(c, e);
}

void postgres_cluster_stop(struct postgres_cluster *c)
{
    struct err ignored = {0};
    AUTO(fd) int end = -1;

    mem_free(c->dsn);
    c->dsn = NULL;
    if (c->server.pid == 0)
        return;
    /* At once, with its children: nothing of it is kept. */
    child_signal(&c->server, SIGQUIT);
    if (child_end_open(&c->server, &end, &ignored)) {
        struct pollfd p = {.fd = end, .events = POLLIN};

        (void)poll(&p, 1, STOP_LIMIT_MS); /* the rest is for SIGKILL */
    }
    child_auto(&c->server);
    *c = POSTGRES_CLUSTER_NONE;
}

void postgres_cluster_auto(struct postgres_cluster *c)
{
    postgres_cluster_stop(c);
}
