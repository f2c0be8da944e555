#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sandbox.h"
#include "cli/cli.h"
#include "job/job.h"

/* A variable whose value may be, or hold, a secret. */
static bool is_private(const char *name)
{
    static const char *const words[] = {"PASS", "KEY", "SECRET", "TOKEN", "DATABASE_URL"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strstr(name, words[i]) != NULL)
            return true;
    return false;
}

/*
 * What /proc/PID/environ shows are the bytes that the process was started with.  Private values
 * move elsewhere and these bytes are overwritten; getenv() finds them as before.
 */
static void hide_environment(void)
{
    for (size_t i = 0; environ != NULL && environ[i] != NULL; i++) {
        char *const entry = environ[i];
        char *const end = strchr(entry, '=');

        if (end == NULL)
            continue;

        AUTO(mem) char *name = mem_string(entry);

        name[end - entry] = '\0';
        /* A second one of the same name is found by nobody. */
        if (is_private(name) && (getenv(name) != end + 1 || setenv(name, end + 1, 1) == 0))
            mem_wipe(end + 1, strlen(end + 1));
    }
}

/*
 * The ways in which this program starts itself: as the keeper of a job, as what becomes a reading,
 * as the job or the reading itself, and as what reads an archive of another program.  The latter
 * two give up what is left to give up before they look at anything else.
 */
static bool seal(const char *how)
{
    const struct sandbox_profile parser = {.is_parser = true};
    const struct sandbox_profile plain = {.may_exec = strcmp(how, "exec") == 0};
    const bool is_parser = strcmp(how, "parser") == 0;
    struct err ignored;
    unsigned gaps = 0; /* told by the keeper, who asked the same kernel */

    return (is_parser || plain.may_exec || strcmp(how, "no-exec") == 0) &&
           sandbox_seal(is_parser ? &parser : &plain, &gaps, &ignored);
}

int main(int argc, char **argv)
{
    const size_t size = sizeof(CHILD_SANDBOX_OPTION) - 1;

    hide_environment();
    if (argc == 3 && strcmp(argv[1], CHILD_KEEP_OPTION) == 0)
        return child_keep(argv[2]);
    if (argc == 2 && strcmp(argv[1], READING_OPTION) == 0)
        return reading_become();
    if (argc < 2 || strncmp(argv[1], CHILD_SANDBOX_OPTION, size) != 0)
        return cli_run(argc, argv);
    if (!seal(argv[1] + size))
        return 2; /* before anything is known of how to say so */
    if (argc == 3 && strcmp(argv[2], IMPORT_OPTION) == 0)
        return import_child();
    if (argc == 3 && strcmp(argv[2], IMPORT_DATABASE_OPTION) == 0)
        return import_database_child();
    argv[1] = argv[0];
    return cli_run(argc - 1, argv + 1);
}
