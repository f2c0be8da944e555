#include "cli/from.h"

bool from_is_given(const struct from_args *from)
{
    return from->repository != NULL || from->repository_file != NULL;
}

bool from_open(struct call *call, const struct from_args *from, struct session *out, struct err *e)
{
    const struct common other = {.repository = from->repository,
                                 .repository_file = from->repository_file,
                                 .key_file = from->key_file,
                                 .password_file = from->password_file,
                                 .password_command = from->password_command,
                                 .agent = call->common->agent,
                                 .no_agent = call->common->no_agent,
                                 .store_options = call->common->store_options,
                                 .limit_upload = call->common->limit_upload,
                                 .limit_download = call->common->limit_download,
                                 .prompt = "password of the other repository: "};

    call->stage = STAGE_SECRET;
    if (!from_is_given(from))
        return err_set(e, ERR_USAGE, "name the other repository with --from-repo");
    if (session_open_other(call, &other, call->from_password, out, e))
        return true;
    return call->stage == STAGE_SECRET ? err_wrap(e, "--from-repo") : false;
}
