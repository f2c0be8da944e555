#include "cli/catalog_call.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/password.h"
#include "cli/config_path.h"
#include "codec/json.h"
#include "job/job.h"

bool catalog_call_open(struct call *call, const char *config, struct catalog **out, struct err *e)
{
    AUTO(config) struct config *c = NULL;
    const char *path = NULL;

    return config_path(config, &path, e) && config_load(path, &c, e) &&
           (catalog_call_find(call, c, true, out, e) || err_wrap(e, "catalog of %s", path));
}

bool catalog_call_find(struct call *call, const struct config *c, bool makes_it,
                       struct catalog **out, struct err *e)
{
    AUTO(mem_secret) char *password = NULL;
    bool is_there = false;

    if (c->serve.catalog_password_file != NULL &&
        !password_from_file(c->serve.catalog_password_file, &password, e))
        return false;
    call->stage = STAGE_WORK;

    const struct catalog_options o = {
        .state = c->state, .address = c->catalog, .password = password, .connections = 2};

    if (!makes_it) {
        if (!catalog_is_there(&o, &is_there, e))
            return false;
        return !is_there || catalog_open(&o, out, e);
    }
    return dir_make_all(c->state, 0700, e) && catalog_open(&o, out, e);
}

const char *catalog_call_actor(struct call *call)
{
    AUTO(buf) struct buf name = {0};
    struct passwd entry;
    struct passwd *found = NULL;
    char room[4096];

    if (getpwuid_r(getuid(), &entry, room, sizeof(room), &found) == 0 && found != NULL)
        buf_printf(&name, "local:%s", found->pw_name);
    else
        buf_printf(&name, "local:%u", (unsigned)getuid());
    return arena_string(&call->arena, buf_slice(&name));
}

bool catalog_call_audit(struct call *call, struct catalog_tx *t, const char *action,
                        const char *object, json_t *details, struct err *e)
{
    AUTO(json) json_t *taken = details != NULL ? details : json_object();
    AUTO(buf) struct buf text = {0};

    json_append(taken, &text);
    return catalog_audit_append(t,
                                &(struct catalog_audit_record){.actor = catalog_call_actor(call),
                                                               .action = action,
                                                               .object = object,
                                                               .outcome = "done",
                                                               .details = buf_string(&text)},
                                e);
}

void catalog_call_tell(struct call *call, json_t *line, const char *fmt, ...)
{
    char sentence[500];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(sentence, sizeof(sentence), fmt, args);
    va_end(args);
    if (call->out->json)
        output_json(call->out, line);
    else
        json_decref(line);
    output_note(call->out, "%s", sentence);
}
