/*
 * A test program in the part of holdfast: it is started as the keeper of a job, and as a job that
 * behaves as its tag says, or that of a prune its --max-unused.
 */
#ifndef TESTS_JOB_JOB_PROGRAM_H
#define TESTS_JOB_JOB_PROGRAM_H

#include <stdbool.h>

/* The snapshot that a good backup names. */
#define ID64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* First in main(): whether it was started as one of the two, and then its exit status. */
bool job_program(int argc, char **argv, int *status);

/* main() of a program whose tests are what TESTS makes behind this. */
#define JOB_PROGRAM_TESTS                                               \
    static int run_tests(void);                                         \
    int main(int argc, char **argv)                                     \
    {                                                                   \
        int status = 0;                                                 \
                                                                        \
        return job_program(argc, argv, &status) ? status : run_tests(); \
    }

#endif
