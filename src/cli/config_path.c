#include "cli/config_path.h"

#include <errno.h>
#include <unistd.h>

bool config_path(const char *option, const char **path, struct err *e)
{
    static const char *const places[] = {"holdfast.yaml", "/etc/holdfast/holdfast.yaml"};

    if (option != NULL) {
        *path = option;
        return true;
    }
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        /* A file that is there but out of reach is not passed over: its reader says so. */
        if (access(places[i], F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR)) {
            *path = places[i];
            return true;
        }
    return err_set(e, ERR_USAGE,
                   "there is no configuration: neither %s in the working directory nor %s; name "
                   "it with --config or --config-file",
                   places[0], places[1]);
}

bool config_path_load(const char *option, const char *name, struct config **out,
                      const struct config_set **set, struct err *e)
{
    AUTO(config) struct config *c = NULL;
    const char *path = NULL;

    if (!config_path(option, &path, e) || !config_load(path, &c, e) ||
        (name != NULL && !config_find_set(c, name, set, e)))
        return false;
    *out = TAKE(c);
    return true;
}
