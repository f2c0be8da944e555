/*
 * The command line: parses arguments, runs one command, prints what came of it.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

/* Run the program: argv as main() gets it.  Returns the exit status.  Called once. */
int cli_run(int argc, char **argv);

#endif
