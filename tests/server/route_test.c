/* Tables of routes: what contradicts itself does not start, what is there is found. */
#include <string.h>

#include "server/route.h"
#include "support/test.h"

#define ANY  PRINCIPAL_BIT(PRINCIPAL_ANONYMOUS)
#define USER PRINCIPAL_BIT(PRINCIPAL_USER)

static void nothing(struct request *r)
{
    (void)r;
}

static void refused(struct route row)
{
    struct router *r = NULL;

    row.path = row.path == NULL ? "/a" : row.path;
    CHECK_ERR(router_new(&row, 1, &r, e), ERR_USAGE);
    CHECK(r == NULL);
}

TEST(a_row_that_contradicts_itself_keeps_the_server_from_starting)
{
    refused((struct route){.kinds = ANY});                      /* no handler */
    refused((struct route){.handler = nothing});                /* for nobody */
    refused((struct route){.kinds = USER, .handler = nothing}); /* for no role */
    refused((struct route){.kinds = PRINCIPAL_BIT(PRINCIPAL_PUSH_TOKEN), .handler = nothing});
    refused((struct route){.kinds = ANY, .roles = ROLE_BIT(ROLE_ADMIN), .handler = nothing});
    refused((struct route){.kinds = USER, .roles = ROLE_BIT(ROLE_NONE), .handler = nothing});
    refused((struct route){.kinds = ANY, .flags = ROUTE_STEP_UP, .handler = nothing});
    refused((struct route){.kinds = ANY, .body_max = 1, .body_type = "*", .handler = nothing});
    refused((struct route){METHOD_POST, .kinds = ANY, .body_max = 1, .handler = nothing});
    refused((struct route){METHOD_POST, .kinds = ANY, .body_type = "*", .handler = nothing});
    refused((struct route){METHOD_POST, .kinds = ANY, .flags = ROUTE_STREAM, .handler = nothing});
    refused((struct route){METHOD_POST, .kinds = ANY, .body_max = 1, .body_type = "*",
                           .flags = ROUTE_IDEMPOTENT, .handler = nothing});
    refused((struct route){.kinds = ANY, .flags = ROUTE_IDEMPOTENT, .handler = nothing});
    refused((struct route){METHOD_POST, .kinds = USER, .roles = ROLE_BIT(ROLE_ADMIN),
                           .handler = nothing});
    refused((struct route){METHOD_POST, .kinds = ANY, .flags = ROUTE_CSRF | ROUTE_ANY_ORIGIN,
                           .handler = nothing});
    refused((struct route){METHOD_POST, .kinds = ANY, .flags = ROUTE_NO_HEAD, .handler = nothing});
    refused((struct route){.kinds = ANY, .flags = ROUTE_SIGNED, .handler = nothing});
    refused((struct route){.kinds = USER,
                           .roles = ROLE_BIT(ROLE_ADMIN),
                           .flags = ROUTE_SIGNED | ROUTE_STEP_UP,
                           .handler = nothing});
    refused((struct route){METHOD_POST, .kinds = USER, .roles = ROLE_BIT(ROLE_ADMIN),
                           .flags = ROUTE_SIGNED | ROUTE_CSRF, .handler = nothing});
}

TEST(a_path_that_is_none_keeps_the_server_from_starting)
{
    static const char *const bad[] = {"",
                                      "a",
                                      "/a//b",
                                      "/a/",
                                      "/{}",
                                      "/{a}b",
                                      "/a b",
                                      "/{a/b}",
                                      "/..",
                                      "/{a b}",
                                      "/{a...}/b",
                                      "/%41",
                                      "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        refused((struct route){.path = bad[i], .kinds = ANY, .handler = nothing});
}

TEST(a_route_is_there_once)
{
    static const struct route rows[] = {{METHOD_GET, "/a/{x}", ANY, .handler = nothing},
                                        {METHOD_GET, "/a/{y}", ANY, .handler = nothing}};
    struct router *r = NULL;

    CHECK_ERR(router_new(rows, 2, &r, e), ERR_USAGE);
}

static const struct route rows[] = {
    {METHOD_GET, "/", ANY, .handler = nothing},
    {METHOD_GET, "/a/{x}", ANY, .handler = nothing},
    {METHOD_PUT, "/a/{x}", ANY, .handler = nothing},
    {METHOD_GET, "/a/b", ANY, .handler = nothing},
    {METHOD_GET, "/a/{x}/c/{y}", ANY, .handler = nothing},
    {METHOD_GET, "/files/{path...}", ANY, .handler = nothing},
};

static struct route_match find(const struct router *r, enum method m, const char *text)
{
    static char path[256];
    struct route_match found;

    memcpy(path, text, strlen(text) + 1);
    router_find(r, m, path, &found);
    return found;
}

TEST(a_path_finds_its_row_and_its_parameters)
{
    AUTO(router) struct router *r = NULL;
    struct route_match m;
    char allow[ROUTE_ALLOW_MAX];

    CHECK_OK(router_new(rows, sizeof(rows) / sizeof(rows[0]), &r, e));
    CHECK(find(r, METHOD_GET, "/").route == &rows[0]);
    CHECK(find(r, METHOD_GET, "/a/b").route == &rows[3]);
    m = find(r, METHOD_GET, "/a/bb/c/dd");
    CHECK(m.route == &rows[4] && strcmp(route_parameter(&m, "x"), "bb") == 0);
    CHECK(strcmp(route_parameter(&m, "y"), "dd") == 0 && route_parameter(&m, "z") == NULL);
    m = find(r, METHOD_GET, "/files/x/y/z");
    CHECK(m.route == &rows[5] && strcmp(route_parameter(&m, "path"), "x/y/z") == 0);
    m = find(r, METHOD_DELETE, "/a/x");
    CHECK(m.route == NULL && m.methods != 0);
    route_allow(&m, allow);
    CHECK(strcmp(allow, "GET, HEAD, PUT") == 0);
    CHECK(find(r, METHOD_GET, "/a").methods == 0 && find(r, METHOD_GET, "/a/").methods == 0);
    CHECK(find(r, METHOD_GET, "/a/x/").methods == 0 && find(r, METHOD_GET, "/files/").methods == 0);
    CHECK(find(r, METHOD_GET, "/a/x/c").methods == 0 && find(r, METHOD_GET, "/A/b").methods == 0);
}

TEST(scopes_are_whole_words)
{
    struct principal p = {.scopes = "backup:create read"};

    CHECK(principal_has_scope(&p, "read") && principal_has_scope(&p, "backup:create"));
    CHECK(!principal_has_scope(&p, "backup") && !principal_has_scope(&p, "rea"));
    CHECK(!principal_has_scope(&p, "create read") && !principal_has_scope(&p, ""));
}

TEST(a_token_for_some_sets_comes_only_where_somebody_looks_at_the_set)
{
    const struct principal all = {PRINCIPAL_API_TOKEN, ROLE_VIEWER, .scopes = "read"};
    const struct principal some = {PRINCIPAL_API_TOKEN, ROLE_VIEWER, .scopes = "read",
                                   .sets = "shop web"};
    struct route row = {.path = "/a",
                        .kinds = PRINCIPAL_BIT(PRINCIPAL_API_TOKEN),
                        .roles = ROLES_FROM(ROLE_VIEWER),
                        .scope = "read"};

    ck_assert_int_eq(route_decide(&row, &all, 0), ROUTE_ALLOWED);
    ck_assert_int_eq(route_decide(&row, &some, 0), ROUTE_FORBIDDEN);
    row.path = "/a/{set}/b";
    ck_assert_int_eq(route_decide(&row, &some, 0), ROUTE_ALLOWED);
    row.path = "/a/{sets}";
    ck_assert_int_eq(route_decide(&row, &some, 0), ROUTE_FORBIDDEN);
    row.flags = ROUTE_CHECKS_SETS;
    ck_assert_int_eq(route_decide(&row, &some, 0), ROUTE_ALLOWED);
    CHECK(principal_has_set(&some, "web") && !principal_has_set(&some, "we"));
    CHECK(principal_has_set(&all, "web"));
}

TEST(who_has_to_settle_something_comes_only_where_that_is_done)
{
    const struct principal p = {PRINCIPAL_USER, ROLE_SUPER_ADMIN, .must = "change"};
    struct route row = {
        .path = "/a", .kinds = USER, .roles = ROLES_FROM(ROLE_VIEWER), .flags = ROUTE_STEP_UP};

    ck_assert_int_eq(route_decide(&row, &p, 0), ROUTE_SETTLE_FIRST);
    row.flags = ROUTE_UNSETTLED;
    ck_assert_int_eq(route_decide(&row, &p, 0), ROUTE_ALLOWED);
    row.kinds |= ANY;
    row.flags = 0;
    ck_assert_int_eq(route_decide(&row, &p, 0), ROUTE_ALLOWED);
}

TESTS("server route", a_row_that_contradicts_itself_keeps_the_server_from_starting,
      a_path_that_is_none_keeps_the_server_from_starting, a_route_is_there_once,
      a_path_finds_its_row_and_its_parameters, scopes_are_whole_words,
      a_token_for_some_sets_comes_only_where_somebody_looks_at_the_set,
      who_has_to_settle_something_comes_only_where_that_is_done)
