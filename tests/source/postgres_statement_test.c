#include "source/postgres_statement.h"

#include <string.h>

#include "support/test.h"

TEST(a_statement_ends_where_psql_says)
{
    /* What is behind '|' belongs to the next one. */
    static const char *const cases[] = {
        "SELECT 1;| SELECT 2;",
        "SELECT 'a;b', \"c;d\";|",
        "SELECT 'it''s; \\';|'",
        "SELECT E'it\\'s;', e'\\\\';|'",
        "SELECT E'a''b\\';c';|",
        "SELECT type'\\';|'",
        "SELECT $$;$$, $a$;$$;$a$;|",
        "SELECT $1;|$",
        "SELECT a$b$;|c$b$;",
        "SELECT 1 -- ;'\n;|",
        "SELECT /* ; /* ' */ ; */ 1;|",
        "CREATE RULE r AS ON DELETE TO t DO ALSO (SELECT 1; SELECT 2);|",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true "
        "THEN 1 "
        "END; END;|",
        "create or replace procedure p() begin atomic select 1; end;| begin; end;",
        "BEGIN;| SELECT 1; END;",
        "CREATE TABLE begin (a int);|",
        ";|",
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        AUTO(buf) struct buf text = {0};
        const char *bar = strchr(cases[i], '|');
        const size_t wanted = (size_t)(bar - cases[i]);
        size_t size = 0;

        buf_append(&text, cases[i], wanted);
        buf_append_slice(&text, slice_string(bar + 1));
        ck_assert_msg(postgres_statement_measure(buf_slice(&text), &size) ==
                              POSTGRES_STATEMENT_WHOLE &&
                          size == wanted,
                      "%s: %zu", cases[i], size);
        for (size_t cut = 0; cut < wanted; cut++) /* never found too early */
            ck_assert_msg(postgres_statement_measure(SLICE_OF(text.data, cut), &size) ==
                              POSTGRES_STATEMENT_CUT,
                          "%s cut to %zu", cases[i], cut);
    }
}
END

TEST(commands_of_psql_are_seen_outside_of_texts_only)
{
    static const char *const commands[] = {"\\! id", "SELECT 1 \\gexec", "SELECT 1 \\\\ ;",
                                           "SELECT 'a' \\; ;", "( \\o x"};
    static const char *const others[] = {"SELECT '\\! id';", "SELECT $$\\! id$$;",
                                         "SELECT 1 -- \\! id\n;", "SELECT \"\\! id\" /* \\o */;"};
    size_t size = 0;

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        ck_assert_int_eq(postgres_statement_measure(slice_string(commands[i]), &size),
                         POSTGRES_STATEMENT_COMMAND);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        ck_assert_int_eq(postgres_statement_measure(slice_string(others[i]), &size),
                         POSTGRES_STATEMENT_WHOLE);
}
END

TEST(only_copy_from_the_lines_behind_it_is_taken)
{
    static const char *const good[] = {"COPY public.t (a, b) FROM stdin;", "copy t from STDIN;",
                                       "COPY \"from\".\"a\\b\" (\"from\") FROM stdin;",
                                       "COPY \"t\" FROM STDIN (ENCODING E'UTF8');"};
    static const char *const bad[] = {"COPY t TO stdout;",
                                      "COPY t FROM '/etc/passwd';",
                                      "COPY t FROM '/etc/passwd' (DELIMITER 'stdin');",
                                      "COPY t FROM PROGRAM 'stdin';",
                                      "COPY (SELECT 1 FROM stdin) TO PROGRAM 'id';",
                                      "COPY t FROM stdin (NULL '\\'; COPY t TO STDOUT; --');",
                                      "COPY t (\"a\"",
                                      "SELECT 1;"};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ck_assert_msg(postgres_statement_is_copy_in(slice_string(good[i])), "%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!postgres_statement_is_copy_in(slice_string(bad[i])), "%s", bad[i]);
    CHECK(postgres_statement_is_copy(slice_string("COPY t TO stdout;")));
    CHECK(!postgres_statement_is_copy(slice_string("COPYING;")));
}
END

TESTS("postgres_statement", a_statement_ends_where_psql_says,
      commands_of_psql_are_seen_outside_of_texts_only, only_copy_from_the_lines_behind_it_is_taken)
