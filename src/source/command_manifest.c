#include "source/command_manifest.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "source/argv.h"

#define FORMAT 1

/* Names may hold any byte. */
static const char *as_text(const char *name, struct buf *out)
{
    path_escape(slice_string(name), out);
    return buf_string(out);
}

void command_manifest_print(const struct command_options *o, const struct command_outcome *run,
                            const struct hash *sum, struct buf *out)
{
    AUTO(buf) struct buf name = {0};
    AUTO(buf) struct buf argv0 = {0};
    AUTO(buf) struct buf errors = {0};
    char started[CLOCK_TEXT_MAX];
    char digits[2 * HASH_SIZE + 1];

    clock_format(run->started_ns, started);
    hex_encode(SLICE_OF(sum->bytes, HASH_SIZE), digits);
    excerpt_text(&run->errors, &errors);

    AUTO(json)
    json_t *j = json_pack(
        "{s:i, s:s, s:s, s:I, s:s, s:I, s:i, s:I, s:s, s:s, s:I, s:b, s:o, s:o}", "format", FORMAT,
        "name", as_text(o->name, &name), "argv0", as_text(o->argv[0], &argv0), "argument_count",
        (json_int_t)argv_count(o->argv), "started", started, "duration_ms",
        (json_int_t)run->duration_ms, "exit_status", 0, "bytes", (json_int_t)run->bytes, "sha256",
        digits, "stderr", buf_string(&errors), "stderr_bytes", (json_int_t)run->errors.total,
        "stderr_truncated", excerpt_is_cut(&run->errors), "check", argv_to_json(o->check), "apply",
        argv_to_json(o->apply));

    json_append(j, out);
    buf_append(out, "\n", 1);
}

static bool is_wrong(struct err *e, const char *member)
{
    return err_set(e, ERR_CORRUPT, "the manifest of a command has no valid member \"%s\"", member);
}

static bool take_name(const json_t *j, const char *member, char **out, struct err *e)
{
    const char *text = json_string_value(json_object_get(j, member));
    AUTO(buf) struct buf name = {0};

    if (text == NULL || !path_unescape(text, &name) || strlen(buf_string(&name)) != name.size)
        return is_wrong(e, member);
    *out = mem_string(buf_string(&name));
    return true;
}

static bool take_number(const json_t *j, const char *member, uint64_t *out, struct err *e)
{
    const json_t *value = json_object_get(j, member);

    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return is_wrong(e, member);
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static bool take_sum(const json_t *j, uint8_t out[HASH_SIZE], struct err *e)
{
    const char *text = json_string_value(json_object_get(j, "sha256"));

    return (text != NULL && hex_decode(text, out, HASH_SIZE)) || is_wrong(e, "sha256");
}

static bool take_started(const json_t *j, int64_t *out, struct err *e)
{
    const char *text = json_string_value(json_object_get(j, "started"));

    return (text != NULL && clock_parse(text, out, e)) || is_wrong(e, "started");
}

static bool take_members(const json_t *j, struct command_manifest *m, struct err *e)
{
    uint64_t format = 0;

    if (!take_number(j, "format", &format, e))
        return false;
    if (format != FORMAT)
        return err_set(e, ERR_CORRUPT, "the manifest of a command has format %llu",
                       (unsigned long long)format);
    if (!take_name(j, "name", &m->name, e) || !take_name(j, "argv0", &m->argv0, e) ||
        !take_started(j, &m->started_ns, e) || !take_sum(j, m->sha256, e) ||
        !take_number(j, "duration_ms", &m->duration_ms, e) ||
        !take_number(j, "bytes", &m->bytes, e))
        return false;
    if (!argv_from_json(json_object_get(j, "check"), &m->check))
        return is_wrong(e, "check");
    if (!argv_from_json(json_object_get(j, "apply"), &m->apply))
        return is_wrong(e, "apply");
    return true;
}

bool command_manifest_parse(struct slice text, struct command_manifest *out, struct err *e)
{
    AUTO(command_manifest) struct command_manifest m = {0};
    json_error_t why = {0};
    AUTO(json)
    json_t *j = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, &why);

    if (j == NULL)
        return err_set(e, ERR_CORRUPT, "the manifest of a command is no JSON: line %d: %s",
                       why.line, why.text);
    if (!take_members(j, &m, e))
        return false;
    *out = m;
    m = (struct command_manifest){0};
    return true;
}

void command_manifest_done(struct command_manifest *m)
{
    mem_free(m->name);
    mem_free(m->argv0);
    argv_free(m->check);
    argv_free(m->apply);
}

void command_manifest_auto(struct command_manifest *m)
{
    command_manifest_done(m);
}
