#include "job/gateway_conf.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/wireguard_conf.h"
#include "base/file.h"

/* What a folder has of a name; *is_there is false when there is nothing. */
static bool read_present(const char *folder, const char *name, struct buf *out, bool *is_there,
                         struct err *e)
{
    AUTO(buf) struct buf path = {0};
    AUTO(fd) int fd = -1;
    struct stat st;
    size_t got = 0;

    buf_printf(&path, "%s/%s", folder, name);
    fd = open(buf_string(&path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    *is_there = fd >= 0;
    if (fd < 0)
        return errno == ENOENT || err_sys(e, "open %s", buf_string(&path));
    if (fstat(fd, &st) < 0)
        return err_sys(e, "look at %s", buf_string(&path));
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_USAGE, "%s is no file", buf_string(&path));
    if (!fd_read_at(fd, 0, buf_extend(out, WIREGUARD_CONF_MAX + 1), WIREGUARD_CONF_MAX + 1, &got,
                    e))
        return err_wrap(e, "%s", buf_string(&path));
    out->size -= WIREGUARD_CONF_MAX + 1 - got;
    return true;
}

/* Commands are taken only where the same stand in the file that is brought up today. */
static bool check_commands(struct slice text, struct slice present, struct err *e)
{
    AUTO(wireguard_conf) struct wireguard_conf c = {0};
    AUTO(wireguard_conf) struct wireguard_conf now = {0};
    struct err ignored = {0};

    if (!wireguard_conf_parse(text, &c, e))
        return false;
    if (c.held.size == 0)
        return true;
    return (wireguard_conf_parse(present, &now, &ignored) &&
            slice_is_equal(buf_slice(&now.held), buf_slice(&c.held))) ||
           err_set(e, ERR_CORRUPT,
                   "it has %s, and such lines are taken only when they are those of the file of "
                   "this name that is installed",
                   c.hook_count > 0 ? c.hooks[0].key : "SaveConfig");
}

bool gateway_conf_check(const char *etc, const char *configs, const char *name, struct slice text,
                        struct err *e)
{
    AUTO(buf) struct buf installed = {0};
    AUTO(buf) struct buf client = {0};
    bool is_installed = false, is_client = false;

    if (!read_present(etc, name, &installed, &is_installed, e) ||
        !read_present(configs, name, &client, &is_client, e) ||
        !check_commands(text, buf_slice(&installed), e))
        return false;
    return !is_installed || is_client || slice_is_equal(text, buf_slice(&installed)) ||
           err_set(e, ERR_CORRUPT,
                   "%s has another file of this name, which is none of the clients': it may be the "
                   "gateway's own",
                   etc);
}
