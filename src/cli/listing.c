#include "cli/listing.h"

#include "base/clock.h"
#include "base/text.h"
#include "cli/render.h"

/* A name, or the number where there is none. */
static void format_owner(struct slice name, uint32_t number, struct buf *out)
{
    if (name.size > 0)
        path_escape(name, out);
    else
        buf_printf(out, "%u", number);
}

void listing_line(struct output *out, const char *path, const struct entry *en, bool is_long)
{
    AUTO(buf) struct buf shown = {0};
    AUTO(buf) struct buf user = {0};
    AUTO(buf) struct buf group = {0};
    char mode[MODE_TEXT_MAX];
    char time[CLOCK_TEXT_MAX];

    path_for_people(path, &shown);
    if (!is_long) {
        output_line(out, "%s", buf_string(&shown));
        return;
    }
    if (en->type == ENTRY_SYMLINK) {
        buf_printf(&shown, " -> ");
        path_escape(en->target, &shown);
    }
    mode_format(en, mode);
    clock_format_local(en->mtime_ns, time);
    format_owner(en->user, en->uid, &user);
    format_owner(en->group, en->gid, &group);
    output_line(out, "%s %-8s %-8s %12llu %s %s", mode, buf_string(&user), buf_string(&group),
                en->type == ENTRY_FILE ? (unsigned long long)en->size : 0, time,
                buf_string(&shown));
}
