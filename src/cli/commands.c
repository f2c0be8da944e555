#include "cli/commands.h"

#include <string.h>

const struct command *const commands[] = {
    &command_init,
    &command_backup,
    &command_create,
    &command_list,
    &command_restore,
    &command_undo,
    &command_verify,
    &command_schedule,
    &command_cleanup,
    &command_snapshots,
    &command_ls,
    &command_find,
    &command_diff,
    &command_dump,
    &command_copy,
    &command_check,
    &command_drill,
    &command_forget,
    &command_prune,
    &command_key_list,
    &command_key_add,
    &command_key_remove,
    &command_key_passwd,
    &command_key_rotate,
    &command_key_reencrypt,
    &command_key_public,
    &command_agent,
    &command_agent_status,
    &command_agent_forget,
    &command_agent_stop,
    &command_push,
    &command_export_tables,
    &command_export_vevurn,
    &command_export_wireguard,
    &command_import,
    &command_import_tables,
    &command_cfms_export,
    &command_cfms_import,
    &command_school_erp_create,
    &command_school_erp_list,
    &command_school_erp_restore,
    &command_school_erp_delete,
    &command_school_erp_undelete,
    &command_tag,
    &command_stats,
    &command_parity_enable,
    &command_parity_disable,
    &command_parity_status,
    &command_repair_index,
    &command_repair_packs,
    &command_serve,
    &command_worker,
    &command_config_show,
    &command_config_validate,
    &command_config_test,
    &command_user_add,
    &command_user_list,
    &command_user_passwd,
    &command_user_role,
    &command_user_disable,
    &command_user_enable,
    &command_user_delete,
    &command_token_add,
    &command_token_list,
    &command_token_revoke,
    &command_audit_list,
    &command_audit_verify,
    &command_catalog_rebuild,
    &command_catalog_status,
    &command_routes,
    &command_inspect,
    &command_version,
    &command_completion,
    &command_help,
    NULL,
};

const struct command *command_by_name(const char *name)
{
    for (size_t i = 0; commands[i] != NULL; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

bool command_is_family(const char *name)
{
    const size_t size = strlen(name);

    for (size_t i = 0; commands[i] != NULL; i++)
        if (strncmp(commands[i]->name, name, size) == 0 && commands[i]->name[size] == ' ')
            return true;
    return false;
}
