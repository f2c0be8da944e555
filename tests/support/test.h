/*
 * Small macros over the library Check.  A test file holds TEST(sentence) { ... } blocks
 * and ends with TESTS(first, second, ...), which defines main().
 */
#ifndef SUPPORT_TEST_H
#define SUPPORT_TEST_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

/* Check's own writes where it is to a pipe, two system calls for every condition that holds, so a
 * loop over a million of them takes most of its time there. */
#undef ck_assert_msg
#define ck_assert_msg(condition, ...)                                                         \
    ((condition) ? (void)0                                                                    \
                 : _ck_assert_failed(__FILE__, __LINE__, "Assertion '" #condition "' failed", \
                                     ##__VA_ARGS__))

#define TEST(name)       START_TEST(name)
#define END              END_TEST

#define CHECK(condition) ck_assert_msg((condition), "%s", #condition)

/* The call succeeds; shows its error when it does not.  Needs no variable of the caller. */
#define CHECK_OK(call)                                \
    do {                                              \
        struct err e_ = {0};                          \
        struct err *e = &e_;                          \
        const bool ok_ = (call);                      \
        ck_assert_msg(ok_, "%s: %s", #call, e_.text); \
    } while (0)

/* The call fails with this code; inside call the error is written e. */
#define CHECK_ERR(call, wanted)                                                               \
    do {                                                                                      \
        struct err e_ = {0};                                                                  \
        struct err *e = &e_;                                                                  \
        const bool ok_ = (call);                                                              \
        ck_assert_msg(!ok_, "%s succeeded", #call);                                           \
        ck_assert_msg(e_.code == (wanted), "%s: code %d, wanted %s: %s", #call, (int)e_.code, \
                      #wanted, e_.text);                                                      \
        ck_assert_msg(e_.text[0] != '\0', "%s: no sentence", #call);                          \
    } while (0)

/*
 * A sweep that repeats the same with each call failing in turn takes every test_every()th of them
 * from test_first() on: all, unless the environment asks for a sample (TEST_EVERY, TEST_FIRST; see
 * script/run_tests.py).
 */
static inline int test_every(void)
{
    const char *every = getenv("TEST_EVERY");

    return every != NULL && atoi(every) > 0 ? atoi(every) : 1;
}

static inline int test_first(void)
{
    const char *first = getenv("TEST_FIRST");

    return first != NULL ? atoi(first) % test_every() : 0;
}

/* Takes out of tests[] those that TEST_WITHOUT names, apart by a space; returns how many are left,
 * or ends the program where there is none of a name. */
static inline size_t test_choose(const TTest **tests, size_t count)
{
    const char *without = getenv("TEST_WITHOUT");

    for (size_t length; without != NULL && *without != '\0';
         without += length + (without[length] == ' ')) {
        size_t i = 0;

        length = strcspn(without, " ");
        while (i < count &&
               (strncmp(tests[i]->name, without, length) != 0 || tests[i]->name[length] != '\0'))
            i++;
        if (i == count) {
            (void)fprintf(stderr, "there is no test %.*s\n", (int)length, without);
            exit(EXIT_FAILURE);
        }
        memmove(&tests[i], &tests[i + 1], (--count - i) * sizeof(*tests));
    }
    return count;
}

/* Run the listed tests, each in a process of its own with a limit of TEST_SECONDS. */
#ifndef TEST_SECONDS
#define TEST_SECONDS 60
#endif
#define TESTS(suite_name, ...) TESTS_BETWEEN(suite_name, NULL, NULL, __VA_ARGS__)

/* The same; before() runs once ahead of the tests and after() once behind them, both in the
 * process that the tests are forked from. */
#define TESTS_BETWEEN(suite_name, before, after, ...)                              \
    int main(void)                                                                 \
    {                                                                              \
        const TTest *tests[] = {__VA_ARGS__};                                      \
        const size_t count = test_choose(tests, sizeof(tests) / sizeof(tests[0])); \
        Suite *s = suite_create(suite_name);                                       \
        TCase *c = tcase_create(suite_name);                                       \
        tcase_set_timeout(c, TEST_SECONDS);                                        \
        tcase_add_unchecked_fixture(c, (before), (after));                         \
        for (size_t i = 0; i < count; i++)                                         \
            tcase_add_test(c, tests[i]);                                           \
        suite_add_tcase(s, c);                                                     \
        SRunner *r = srunner_create(s);                                            \
        srunner_run_all(r, CK_NORMAL);                                             \
        const int failed = srunner_ntests_failed(r);                               \
        srunner_free(r);                                                           \
        return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;                          \
    }

#endif
