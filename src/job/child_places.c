/*
 * Sandboxes of jobs: a row for each verb, and what the configuration adds to it.  A process reaches
 * what its job needs and nothing else, as far as that is known beforehand: docs/sandbox.md.
 */
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "base/command_split.h"
#include "base/file.h"
#include "base/mem.h"
#include "codec/cfms_task.h"
#include "job/arrival.h"
#include "job/child_plan.h"

/* What reading and changing a source takes. */
enum touch {
    TOUCH_NOTHING,
    TOUCH_READ,  /* the sources of the set */
    TOUCH_WRITE, /* their places too */
};

struct verb_row {
    enum touch touch;
    bool has_scratch; /* works in TMPDIR */
    bool is_writer;   /* changes the repository */
    bool makes;       /* tries whether one could be made */
    bool has_server;  /* may start a PostgreSQL server of its own */
    bool sets_owners;
    bool has_parser; /* starts this very program once more, to read what others chose */
    bool is_part;    /* of a database on a server: no other source is its business */
};

/* A restore of tables or schemas reads the repository, and what it changes is on a server: neither
 * the places of the set nor its programs, and no owners of files. */
static const struct verb_row part_row = {
    .touch = TOUCH_NOTHING, .has_scratch = true, .is_part = true};

/* Most verbs that only look have none: nothing of the set is theirs but the repository. */
static const struct verb_row rows[CHILD_VERBS] = {
    [CHILD_BACKUP] = {.touch = TOUCH_READ, .has_scratch = true, .is_writer = true},
    [CHILD_CFMS_EXPORT] = {.touch = TOUCH_NOTHING},
    [CHILD_CFMS_IMPORT] = {.touch = TOUCH_NOTHING, .has_scratch = true, .sets_owners = true},
    [CHILD_CHECK] = {.touch = TOUCH_NOTHING},
    [CHILD_COPY] = {.touch = TOUCH_NOTHING, .is_writer = true},
    [CHILD_DRILL] = {.touch = TOUCH_NOTHING,
                     .has_scratch = true,
                     .is_writer = true,
                     .has_server = true,
                     .sets_owners = true},
    [CHILD_FORGET] = {.touch = TOUCH_NOTHING, .is_writer = true},
    [CHILD_IMPORT] = {.touch = TOUCH_NOTHING, .is_writer = true, .has_parser = true},
    [CHILD_PARITY] = {.touch = TOUCH_NOTHING},
    [CHILD_PRUNE] = {.touch = TOUCH_NOTHING, .is_writer = true},
    [CHILD_REENCRYPT] = {.touch = TOUCH_NOTHING, .is_writer = true},
    [CHILD_REPAIR] = {.touch = TOUCH_NOTHING, .is_writer = true},
    [CHILD_RESTORE] = {.touch = TOUCH_WRITE,
                       .has_scratch = true,
                       .is_writer = true,
                       .has_server = true,
                       .sets_owners = true},
    [CHILD_KEYS] = {.touch = TOUCH_NOTHING},
    [CHILD_MEASURE] = {.touch = TOUCH_NOTHING},
    [CHILD_TAG] = {.touch = TOUCH_NOTHING, .is_writer = true},
    [CHILD_TRY] = {.touch = TOUCH_READ, .has_scratch = true, .is_writer = true, .makes = true},
    [CHILD_UNDO] = {.touch = TOUCH_WRITE,
                    .has_scratch = true,
                    .is_writer = true,
                    .sets_owners = true},
    [CHILD_UPLOAD] = {.touch = TOUCH_NOTHING, .is_writer = true},
    [CHILD_EXPORT] = {.touch = TOUCH_NOTHING, .has_scratch = true},
};

const struct sandbox_profile child_parser_profile = {
    .network = SANDBOX_NETWORK_NONE,
    .is_parser = true,
    .space = UINT64_C(256) << 20, /* as security.md has it for uploads of at most 50 MB */
    .file_size = UINT64_C(512) << 20,
    .cpu_s = 30,
    .open_files = 16,
};

/* Programs, libraries, and the few files of /etc that libraries read: not /etc, where secrets are.
 */
static const char *const system_readable[] = {
    "/usr",
    "/lib",
    "/lib64",
    "/bin",
    "/sbin",
    "/proc",
    "/sys/devices/system/cpu",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/passwd",
    "/etc/group",
    "/etc/nsswitch.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/resolv.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/ca-certificates",
    "/etc/ssh/ssh_config",
    "/etc/ssh/ssh_config.d",
    "/etc/ssh/ssh_known_hosts",
    "/etc/perl",
    "/etc/alternatives",
    "/etc/iproute2",
    "/etc/ethertypes",
    "/etc/xtables",
    "/dev/urandom",
    "/dev/random",
    "/dev/zero",
    "/dev/full",
};
static const char *const system_executable[] = {"/usr", "/lib", "/lib64", "/bin", "/sbin", "/opt"};

/* What programs and libraries look for below HOME. */
static const char *const home_readable[] = {".ssh", ".pgpass", ".pg_service.conf", ".postgresql",
                                            ".aws"};

enum { OPEN_FILES = 4096 };

/* The profile as it grows. */
struct places {
    struct arena *arena;
    struct child_texts listable, readable, writable, executable, folders;
    bool has_exec, has_network, sets_owners, has_files, has_parser;
};

static void places_auto(struct places *s)
{
    child_texts_auto(&s->listable);
    child_texts_auto(&s->readable);
    child_texts_auto(&s->writable);
    child_texts_auto(&s->executable);
    child_texts_auto(&s->folders);
}

static void add(struct places *s, struct child_texts *to, const char *path)
{
    if (path != NULL && path[0] == '/')
        child_texts_add(to, s->arena, "%s", path);
}

/* The folder that holds it. */
static void add_parent(struct places *s, struct child_texts *to, const char *path)
{
    AUTO(mem) char *copy = mem_string(path);
    char *slash = strrchr(copy, '/');

    if (slash == NULL)
        return;
    slash[slash == copy ? 1 : 0] = '\0';
    add(s, to, copy);
}

/* The nearest that is there: where a job makes the rest. */
static void add_nearest(struct places *s, struct child_texts *to, const char *path)
{
    AUTO(mem) char *copy = mem_string(path);
    struct stat st;

    while (stat(copy, &st) < 0) {
        char *slash = strrchr(copy, '/');

        if (slash == NULL || copy[1] == '\0')
            return;
        slash[slash == copy ? 1 : 0] = '\0';
    }
    add(s, to, copy);
}

/* The program, and files that stand among its arguments. */
static void add_program(struct places *s, char *const *argv)
{
    if (argv == NULL || argv[0] == NULL)
        return;
    s->has_exec = true;
    add(s, &s->executable, argv[0]);
    for (char *const *one = argv + 1; *one != NULL; one++)
        add(s, &s->readable, *one);
}

static void add_line(struct places *s, const char *line)
{
    char **argv = NULL;
    struct err ignored;

    if (command_split(line, s->arena, &argv, &ignored)) /* else the job says what is wrong */
        add_program(s, argv);
}

static void add_secret(struct places *s, const struct config_secret *secret)
{
    add(s, &s->readable, secret->key_file);
    add(s, &s->readable, secret->password_file);
    add(s, &s->readable, secret->passfile);
    add_program(s, secret->password_command.items);
    if (secret->password_command.count > 0)
        s->has_network = true; /* nobody knows where it asks */
}

/* Options that name files or a command; docs/stores.md. */
static void add_store_option(struct places *s, const char *option)
{
    static const char *const lines[] = {"s3.credentials-command", "sftp.command", "sftp.args"};
    const char *value = strchr(option, '=');

    if (value == NULL)
        return;
    add(s, &s->readable, value + 1);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        if (strlen(lines[i]) == (size_t)(value - option) &&
            strncmp(option, lines[i], (size_t)(value - option)) == 0)
            add_line(s, value + 1);
    if (strncmp(option, "s3.profile=", strlen("s3.profile=")) == 0)
        s->has_exec = true; /* it may name a credential_process */
}

static void add_repository(struct places *s, const struct config_repository *r,
                           const struct verb_row *row)
{
    const char *path = strncmp(r->url, "local:", 6) == 0 ? r->url + 6 : r->url;

    add_secret(s, &r->secret);
    for (size_t i = 0; i < r->options.count; i++)
        add_store_option(s, r->options.items[i]);
    if (path[0] == '/') {
        if (row->makes)
            add_nearest(s, &s->writable, path);
        else
            add(s, row->is_writer ? &s->writable : &s->readable, path);
        return;
    }
    s->has_network = true;
    if (strncmp(r->url, "sftp:", 5) == 0)
        s->has_exec = true; /* ssh */
}

/* Over TCP, or nobody knows. */
static bool dsn_is_remote(const char *dsn)
{
    PQconninfoOption *all = PQconninfoParse(dsn, NULL);
    bool is_remote = all == NULL;

    for (const PQconninfoOption *o = all; o != NULL && o->keyword != NULL; o++)
        if (o->val != NULL &&
            (strcmp(o->keyword, "service") == 0 || strcmp(o->keyword, "hostaddr") == 0 ||
             (strcmp(o->keyword, "host") == 0 && o->val[0] != '/')))
            is_remote = true;
    PQconninfoFree(all);
    return is_remote;
}

static void add_postgres(struct places *s, const struct config_postgres *p)
{
    add_secret(s, &p->secret);
    s->has_exec = true; /* pg_dump, pg_restore */
    if (dsn_is_remote(p->dsn))
        s->has_network = true;
}

static void add_command(struct places *s, const struct config_command *c, enum touch touch)
{
    add_program(s, c->argv.items);
    add_program(s, c->check.items);
    add_program(s, c->apply.items);
    s->has_network = true;
    if (touch == TOUCH_NOTHING)
        return;
    /* What a program of the administrator's reads nobody knows. */
    add(s, &s->readable, "/");
    if (touch == TOUCH_WRITE && c->apply.count > 0)
        add(s, &s->writable, "/run"); /* locks, as of iptables-restore */
}

static void add_files(struct places *s, const struct config_files *f, enum touch touch)
{
    for (size_t i = 0; i < f->exclude_files.count; i++)
        add(s, &s->readable, f->exclude_files.items[i]);
    if (touch == TOUCH_NOTHING)
        return;
    s->has_files = true;
    add(s, &s->listable, "/"); /* the way to them is read from the top */
    for (size_t i = 0; i < f->paths.count; i++) {
        add(s, &s->readable, f->paths.items[i]);
        if (touch == TOUCH_WRITE)
            add_parent(s, &s->writable, f->paths.items[i]); /* a tree is built beside it */
    }
}

static void add_source(struct places *s, const struct config_source *from, enum touch touch)
{
    switch (from->kind) {
    case SOURCE_FILES:
        add_files(s, &from->files, touch);
        break;
    case SOURCE_POSTGRES:
        add_postgres(s, &from->postgres);
        break;
    case SOURCE_SQLITE:
        /* Reading takes writing there: the -shm file of a database with a WAL. */
        if (touch != TOUCH_NOTHING)
            add_parent(s, &s->writable, from->sqlite.path);
        break;
    case SOURCE_COMMAND:
        add_command(s, &from->command, touch);
        break;
    case SOURCE_BUNDLE:
        add_parent(s, &s->writable,
                   from->bundle.spool); /* of all spools; it may not be there yet */
        break;
    }
}

static void add_programs(struct places *s, const struct programs *p)
{
    for (size_t i = 0; i < p->count; i++)
        add_program(s, p->items[i].items);
    s->has_network = s->has_network || p->count > 0;
}

/* What stops and starts an application, with all that a supervisor's client looks at. */
static void add_switches(struct places *s, const struct config_restore *r)
{
    add_programs(s, &r->stop);
    add_programs(s, &r->start);
    if (r->timeout_ms == 0)
        return;
    add(s, &s->readable, "/");
    add(s, &s->writable, "/run");
}

static void add_set(struct places *s, const struct config_set *set, const struct verb_row *row)
{
    for (size_t i = 0; i < set->source_count; i++)
        if (!row->is_part || set->sources[i].kind == SOURCE_POSTGRES)
            add_source(s, &set->sources[i], row->touch);
    for (size_t i = 0; i < set->repository_count; i++)
        add_repository(s, set->repositories[i], row);
    if (row->touch == TOUCH_WRITE) {
        add_programs(s, &set->health_checks);
        add_switches(s, &set->restore);
    }
}

/* What of a set an import as members looks at: the trees and databases that the archive's are held
 * against and laid over.  Its commands are not run. */
static void add_members(struct places *s, const struct child_job *j, const struct config *c)
{
    for (size_t i = 0; i < c->set_count; i++)
        for (size_t n = 0; strcmp(c->sets[i].name, j->set) == 0 && n < c->sets[i].source_count;
             n++) {
            const enum config_source_kind kind = c->sets[i].sources[n].kind;

            if (kind == SOURCE_FILES || kind == SOURCE_SQLITE)
                add_source(s, &c->sets[i].sources[n], TOUCH_READ);
        }
}

/* Whether a restore is under way is read by whom it would disturb. */
static void add_restores(struct places *s, const struct config *c)
{
    AUTO(buf) struct buf path = {0};

    buf_printf(&path, "%s/restores", c->state);
    add(s, &s->readable, buf_string(&path));
}

static void add_system(struct places *s, const struct config *c)
{
    const char *home = getenv("HOME");
    AUTO(buf) struct buf path = {0};

    for (size_t i = 0; i < sizeof(system_readable) / sizeof(system_readable[0]); i++)
        add(s, &s->readable, system_readable[i]);
    for (size_t i = 0; home != NULL && i < sizeof(home_readable) / sizeof(home_readable[0]); i++) {
        buf_clear(&path);
        buf_printf(&path, "%s/%s", home, home_readable[i]);
        add(s, &s->readable, buf_string(&path));
    }
    add(s, &s->readable, c->path);
    add(s, &s->readable, getenv("CREDENTIALS_DIRECTORY"));
    add(s, &s->writable, "/dev/null");
}

/* Variables of child_plan_variables() that name files. */
static void add_named_files(struct places *s)
{
    static const char *const names[] = {
        "PGPASSFILE",
        "PGSERVICEFILE",
        "PGSSLROOTCERT",
        "PGSSLCERT",
        "PGSSLKEY",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "AWS_ACCESS_KEY_ID_FILE",
        "AWS_SECRET_ACCESS_KEY_FILE",
        "AWS_SESSION_TOKEN_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_CONFIG_FILE",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        add(s, &s->readable, getenv(names[i]));
}

/* A folder of the state that the job may change, made beforehand. */
static void add_state(struct places *s, const struct config *c, const char *name)
{
    AUTO(buf) struct buf path = {0};

    buf_printf(&path, "%s/%s", c->state, name);
    add(s, &s->folders, buf_string(&path));
    add(s, &s->writable, buf_string(&path));
}

/* What the arguments of the job name. */
static void add_arguments(struct places *s, const struct child_job *j, const struct config *c)
{
    const char *target = child_text(j, "target");
    const char *into = child_text(j, "into");
    const char *dsn = child_text(j, "dsn");
    const char *arrival = child_text(j, "arrival");

    if (arrival != NULL) {
        AUTO(buf) struct buf path = {0};

        arrival_path(c->state, arrival, &path);
        add(s, &s->readable, buf_string(&path));
    }
    if (target != NULL)
        add_nearest(s, &s->writable, target);
    if (into != NULL && into[0] == '/')
        add_parent(s, &s->writable, into);
    add(s, &s->readable, child_text(j, "dsn_password_file"));
    if (dsn != NULL) {
        s->has_exec = true;
        s->has_network = s->has_network || dsn_is_remote(dsn);
    }
}

static void add_cfms(struct places *s, const struct child_job *j, const struct config *config)
{
    const struct config_cfms *c = &config->serve.cfms;
    AUTO(buf) struct buf task = {0};

    add(s, &s->readable, c->dsn_password_file);
    if (c->dsn == NULL)
        add_parent(s, &s->writable, c->database); /* as of sources of SQLite */
    else if (dsn_is_remote(c->dsn))
        s->has_network = true;
    if (j->verb == CHILD_CFMS_EXPORT) {
        add(s, &s->readable, c->content_dir);
        add(s, &s->writable, c->output_dir);
        add(s, &s->writable, c->key_dir);
        return;
    }
    buf_printf(&task, "%s/" CFMS_TASK_FOLDER "/%s", config->state, child_text(j, "task"));
    add(s, &s->readable, buf_string(&task));
    add(s, &s->writable, c->content_dir);
    s->has_exec = true; /* this program once more, which reads the archive */
}

/* What a drill after the backup takes. */
static void add_drill(struct places *s)
{
    add(s, &s->writable, "/dev/shm"); /* shared memory of a PostgreSQL server */
    s->has_exec = true;
    s->sets_owners = true;
}

static void fill(struct places *s, const struct child_job *j, struct child_plan *p)
{
    struct sandbox_profile *f = &p->profile;

    for (size_t i = 0; s->has_exec && i < sizeof(system_executable) / sizeof(system_executable[0]);
         i++)
        add(s, &s->executable, system_executable[i]);
    f->listable = (const char *const *)child_texts_end(&s->listable, s->arena);
    f->readable = (const char *const *)child_texts_end(&s->readable, s->arena);
    f->writable = (const char *const *)child_texts_end(&s->writable, s->arena);
    f->executable = (const char *const *)child_texts_end(&s->executable, s->arena);
    p->folders = (const char *const *)child_texts_end(&s->folders, s->arena);
    f->may_exec = s->has_exec || s->has_parser; /* whose program is allowed in any case */
    f->may_set_owners = s->sets_owners;
    f->keeps_admin = s->has_files;
    /* A server of the drill, and Unix sockets, get by without a loopback; old servers want one. */
    if (s->has_network)
        f->network = SANDBOX_NETWORK_CLIENT;
    else
        f->network = s->has_exec ? SANDBOX_NETWORK_LOCAL : SANDBOX_NETWORK_NONE;
    f->memory = j->limits.memory;
    f->cpu_s = (unsigned)j->limits.cpu_s;
    f->open_files = OPEN_FILES;
}

/* Those of the set, or of all sets when the job does not say whose restore is undone. */
static void add_sets(struct places *s, const struct child_job *j, const struct config *c,
                     const struct verb_row *row)
{
    for (size_t i = 0; i < c->set_count; i++)
        if (j->set == NULL ? j->verb == CHILD_UNDO : strcmp(c->sets[i].name, j->set) == 0) {
            add_set(s, &c->sets[i], row);
            if (j->verb == CHILD_BACKUP && c->sets[i].drill != NULL &&
                strcmp(c->sets[i].drill, "after_backup") == 0)
                add_drill(s);
        }
}

void child_plan_places(const struct child_job *j, const struct config *c,
                       const struct config_repository *repository, struct child_plan *p)
{
    AUTO(places) struct places s = {.arena = &p->arena};
    const bool is_part = child_restores_part(j) || child_flag(j, "data_only");
    struct verb_row row = is_part ? part_row : rows[j->verb];

    if (j->verb == CHILD_CHECK)
        row.is_writer = child_flag(j, "repair");
    if (j->verb == CHILD_PARITY)
        row.is_writer = strcmp(child_text(j, "command"), "parity status") != 0;
    if (j->verb == CHILD_REENCRYPT)
        row.is_writer = !child_flag(j, "dry_run");
    s.sets_owners = row.sets_owners;
    s.has_parser = row.has_parser;
    add_system(&s, c);
    add_named_files(&s);
    add_state(&s, c, "cache");
    if (row.touch == TOUCH_WRITE) {
        add_state(&s, c, "restores");
        add_state(&s, c, "applied");
    } else if (row.touch == TOUCH_READ) { /* a set that is being restored is not backed up */
        add_restores(&s, c);
    }
    if (j->verb == CHILD_IMPORT && child_flag(j, "as_members")) {
        add_members(&s, j, c);
        add_restores(&s, c);
        row.has_scratch = true;
    }
    if (row.has_scratch)
        add(&s, &s.writable, file_scratch_folder());
    if (row.has_server)
        add_drill(&s);
    /* Those are about snapshots, and an import about the archive, if need be with its members. */
    if (!child_verb_is_reading(j->verb) && j->verb != CHILD_IMPORT)
        add_sets(&s, j, c, &row);
    if (repository != NULL)
        add_repository(&s, repository, &row);
    if (j->verb == CHILD_CFMS_EXPORT || j->verb == CHILD_CFMS_IMPORT)
        add_cfms(&s, j, c);
    add_arguments(&s, j, c);
    s.sets_owners = s.sets_owners || row.sets_owners;
    fill(&s, j, p);
}
