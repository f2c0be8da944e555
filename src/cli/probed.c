#include "cli/probed.h"

#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/nearby.h"

/* A file with the time of the last probe that found nothing wrong. */
#define FILE_NAME  "probed"
#define DRAFT_NAME "probed.tmp"

#define COUNTS_NS  (NS_PER_S * 24 * 3600)

static bool is_sound(const struct store_abilities *a)
{
    return a->is_read_at_once && a->is_listed_at_once;
}

/* Whether a probe of the last day found all well.  A time to come proves nothing. */
static bool is_known(const struct call *call, const char *url)
{
    AUTO(buf) struct buf path = {0};
    AUTO(buf) struct buf text = {0};
    int64_t time_ns = 0;
    struct err ignored;

    if (!nearby_folder(call, url, &path))
        return false;
    buf_printf(&path, "/" FILE_NAME);
    if (!file_read(buf_string(&path), CLOCK_TEXT_MAX, &text, &ignored) ||
        !clock_parse(buf_string(&text), &time_ns, &ignored))
        return false;

    const int64_t age_ns = clock_now_ns() - time_ns;

    return age_ns >= 0 && age_ns < COUNTS_NS;
}

/* What cannot be noted is found out again. */
static void note(const struct call *call, const char *url)
{
    AUTO(buf) struct buf path = {0};
    AUTO(fd) int fd = -1;
    char text[CLOCK_TEXT_MAX];
    bool is_suspect = false;
    struct err ignored;

    if (!nearby_folder(call, url, &path))
        return;
    clock_format(clock_now_ns(), text);
    if (dir_make_all(buf_string(&path), 0700, &ignored) &&
        dir_open(buf_string(&path), &fd, &ignored))
        (void)!file_publish_replace(fd, FILE_NAME, DRAFT_NAME, slice_string(text), &is_suspect,
                                    &ignored);
}

bool probed_tell(struct call *call, const char *url, struct store *s, struct err *e)
{
    struct store_abilities found = {0};

    if (!s->needs_probe)
        return true;
    if (!store_probe(s, &found, e))
        return false;
    if (is_sound(&found))
        note(call, url);
    else
        output_note(call->out, "This store does not show at once what was written: prune will "
                               "refuse to work here.");
    if (!found.refuses_taken_keys)
        output_note(call->out, "This store replaces objects that it should refuse to replace; "
                               "with -o s3.conditional-put=false it is asked before.");
    return true;
}

bool probed_require(struct call *call, const char *url, struct store *s, struct err *e)
{
    struct store_abilities found = {0};

    if (!s->needs_probe || is_known(call, url))
        return true;
    if (!store_probe(s, &found, e))
        return false;
    if (is_sound(&found)) {
        note(call, url);
        return true;
    }
    return err_set(e, ERR_FATAL,
                   "the store does not %s at once what was written or removed; nothing is removed "
                   "there, since a backup running now might lose data by it",
                   found.is_read_at_once ? "list" : "read back");
}
