/*
 * Listing of S3, page by page: it is whole, or an error.
 */
#include <string.h>

#include "store/object_key.h"
#include "store/object_list.h"
#include "store/s3_ops.h"

enum { EMPTY_PAGES_MAX = 1000 }; /* one behind the other */

/* A listing: objects of a page are kept and told when the connection is free again. */
struct lister {
    const char *prefix; /* of the store, to be taken off */
    struct object_list found;
};

static bool keep_item(void *arg, const struct s3_item *item, struct err *e)
{
    struct lister *l = arg;
    const size_t size = strlen(l->prefix);

    if (strncmp(item->key, l->prefix, size) != 0)
        return err_set(e, ERR_TRANSIENT, "the listing has a name that was not asked for");

    const struct object_info info = {item->key + size, item->size, item->mtime};

    /* Other names are none of ours: folders that consoles make, what somebody else put there. */
    return !object_key_is_valid(info.key) || object_list_add(&l->found, &info, e);
}

static bool list_page(struct s3 *s, const char *prefix, struct s3_page *page, struct lister *l,
                      struct err *e)
{
    const struct sigv4_pair query[] = {
        {"list-type", "2"},
        {"encoding-type", "url"},
        {"prefix", prefix},
        {"continuation-token", buf_string(&page->token)},
    };
    const struct s3_request r = {.method = "GET",
                                 .query = query,
                                 .query_count = page->token.size > 0 ? 4 : 3,
                                 .reply_max = S3_LISTING_MAX,
                                 .expects_xml = true};
    AUTO(buf) struct buf body = {0};
    AUTO(http_reply) struct http_reply reply = {.body = &body};

    return s3_call(s, &r, &reply, e) && (s3_list_parse(buf_slice(&body), keep_item, l, page, e) ||
                                         err_wrap(e, "list %s", prefix));
}

/* A store that sends its client round in circles would otherwise never end. */
static bool page_leads_on(const struct s3_page *page, struct slice before, int *empty_pages,
                          size_t found, struct err *e)
{
    *empty_pages = found > 0 ? 0 : *empty_pages + 1;
    if (page->token.size == 0)
        return err_set(e, ERR_TRANSIENT, "the listing breaks off without a way to go on");
    if (slice_is_equal(buf_slice(&page->token), before) || *empty_pages > EMPTY_PAGES_MAX)
        return err_set(e, ERR_FATAL, "the store's listing does not come to an end");
    return true;
}

bool s3_list(struct store *store, const char *prefix, object_fn *fn, void *arg, struct err *e)
{
    struct s3 *s = (struct s3 *)store;
    AUTO(s3_page) struct s3_page page = {0};
    AUTO(buf) struct buf before = {0};
    AUTO(buf) struct buf whole = {0};
    int empty_pages = 0;

    buf_printf(&whole, "%s%s", s->place.prefix, prefix);
    do {
        AUTO(object_list) struct object_list found = {0};
        struct lister l = {.prefix = s->place.prefix};

        buf_clear(&before);
        buf_append_slice(&before, buf_slice(&page.token));

        const bool is_listed = list_page(s, buf_string(&whole), &page, &l, e);

        found = l.found;
        if (!is_listed || (page.is_truncated && !page_leads_on(&page, buf_slice(&before),
                                                               &empty_pages, found.rows.size, e)))
            return false;
        if (!object_list_tell(&found, fn, arg, e))
            return false;
    } while (page.is_truncated);
    return true;
}
