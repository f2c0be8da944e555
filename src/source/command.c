/* The output of a program as a member of a set. */
#include "source/command.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "base/process.h"
#include "source/argv.h"
#include "source/command_manifest.h"
#include "source/made.h"
#include "source/ready.h"

struct command_member {
    struct member member; /* first */
    struct command_options options;
    char **argv, **check, **apply, **environment; /* what the options point to */
    char *manifest_name;
};

static struct command_member *command_of(struct member *m)
{
    return (struct command_member *)m;
}

static bool command_prepare(struct member *m, struct err *e)
{
    return program_check(command_of(m)->argv[0], e) || err_wrap(e, "command %s", m->name);
}

static void command_announce(struct member *m, struct listing *l)
{
    made_announce(l, m->name, ENTRY_FILE, m->now_ns);
    made_announce(l, command_of(m)->manifest_name, ENTRY_FILE, m->now_ns);
}

/* Output on its way into a lane. */
struct sending {
    struct sink *sink;
    struct lane *lane;
    struct made_file file;
    struct sha256_stream *sum;
};

static void sending_auto(struct sending *s)
{
    s->sink->ops->lane_close(s->lane);
    sha256_stream_free(s->sum);
}

static bool send_output(void *arg, struct slice bytes, struct err *e)
{
    struct sending *s = arg;

    sha256_stream_add(s->sum, bytes);
    return made_file_add(&s->file, bytes, e);
}

static bool skip(const struct sending *s, struct sink_dir *dir, const struct listing *l,
                 const char *name, const struct err *why, struct err *e)
{
    AUTO(buf) struct buf path = {0};

    buf_printf(&path, "/command/%s", name);
    return s->sink->ops->skip(s->lane, dir, made_slot(l, name), buf_string(&path), why, e);
}

static bool send_manifest(const struct command_member *c, const struct sending *s,
                          struct sink_dir *dir, const struct listing *l,
                          const struct command_outcome *run, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    struct hash sum;

    sha256_stream_finish(s->sum, &sum);
    command_manifest_print(&c->options, run, &sum, &text);
    return made_send(s->sink, s->lane, dir, l, c->manifest_name, buf_slice(&text), e);
}

static bool command_send(struct member *m, struct sink *k, struct sink_dir *dir,
                         const struct listing *l, struct err *failure, struct err *e)
{
    const struct command_member *c = command_of(m);
    AUTO(sending) struct sending s = {.sink = k, .sum = sha256_stream_new()};
    AUTO(mem) struct command_outcome *run = mem_new(sizeof(*run));
    const struct command_run what = {
        .options = &c->options,
        .argv = c->options.argv,
        .output = send_output,
        .arg = &s,
    };

    if (!k->ops->lane_open(k, &s.lane, e) ||
        !made_file_begin(&s.file, k, s.lane, dir, l, made_slot(l, m->name), e) ||
        !command_run(&what, run, e))
        return false;
    if (run->failure.code == ERR_NONE)
        return made_file_end(&s.file, e) && send_manifest(c, &s, dir, l, run, e);
    *failure = run->failure;
    return skip(&s, dir, l, m->name, failure, e) && skip(&s, dir, l, c->manifest_name, failure, e);
}

static void command_free(struct member *m)
{
    struct command_member *c = command_of(m);

    mem_free(m->name);
    argv_free(c->argv);
    argv_free(c->check);
    argv_free(c->apply);
    argv_free(c->environment);
    mem_free(c->manifest_name);
    mem_free(c);
}

#define KIND "command"

static const struct member_ops command_ops = {
    .kind = KIND,
    .prepare = command_prepare,
    .announce = command_announce,
    .send = command_send,
    .free = command_free,
};

/* argv may hold any bytes; the others go into the manifest. */
static bool check_arguments(const struct command_options *o, struct err *e)
{
    if (argv_count(o->argv) == 0 || o->argv[0][0] == '\0')
        return err_set(e, ERR_USAGE, "command %s: no program is given", o->name);
    if (!argv_is_utf8(o->check) || !argv_is_utf8(o->apply))
        return err_set(e, ERR_USAGE, "command %s: check and apply must be UTF-8", o->name);
    return true;
}

bool command_member_new(const struct command_options *o, struct member **out, struct err *e)
{
    AUTO(buf) struct buf manifest_name = {0};

    if (!member_check_name(o->name, e))
        return err_wrap(e, "command");
    if (!check_arguments(o, e))
        return false;

    struct command_member *c = mem_new(sizeof(*c));

    buf_printf(&manifest_name, "%s" MEMBER_MANIFEST, o->name);
    c->manifest_name = mem_string(buf_string(&manifest_name));
    c->member.ops = &command_ops;
    c->member.name = mem_string(o->name);
    c->argv = argv_copy(o->argv);
    c->check = argv_copy(o->check);
    c->apply = argv_copy(o->apply);
    c->environment = argv_copy(o->environment);
    c->options = (struct command_options){
        .name = c->member.name,
        .argv = (const char *const *)c->argv,
        .check = (const char *const *)c->check,
        .apply = (const char *const *)c->apply,
        .environment = (const char *const *)c->environment,
        .timeout_ms = o->timeout_ms,
        .output_max = o->output_max,
    };
    *out = &c->member;
    return true;
}

bool command_member_of_output(const struct command_options *o, struct slice output, int64_t now_ns,
                              struct member **out, struct err *e)
{
    AUTO(mem) struct command_outcome *run = mem_new(sizeof(*run));
    AUTO(buf) struct buf manifest = {0};
    struct hash sum;

    if (!check_arguments(o, e))
        return false;
    run->started_ns = now_ns;
    run->bytes = output.size;
    sha256(output, &sum);
    command_manifest_print(o, run, &sum, &manifest);

    const struct ready_options ready = {
        .kind = KIND, .name = o->name, .fd = -1, .bytes = output, .manifest = buf_slice(&manifest)};

    return ready_member_new(&ready, out, e) || err_wrap(e, "command");
}
