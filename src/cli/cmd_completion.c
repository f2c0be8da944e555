#include <string.h>

#include "cli/call.h"
#include "cli/commands.h"
#include "cli/help.h"

struct completion_args {
    struct common common;
};

static const struct {
    const char *shell;
    void (*format)(struct buf *out);
} shells[] = {
    {"bash", completion_bash_format},
    {"zsh", completion_zsh_format},
    {"fish", completion_fish_format},
};

static bool run_completion(struct call *call, struct err *e)
{
    const char *shell = call->common->words.items[0];

    for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++)
        if (strcmp(shells[i].shell, shell) == 0) {
            AUTO(buf) struct buf text = {0};

            shells[i].format(&text);
            output_raw(call->out, buf_slice(&text));
            return true;
        }
    return err_set(e, ERR_USAGE, "there is completion for bash, zsh and fish, not for %.60s",
                   shell);
}

const struct command command_completion = {
    .name = "completion",
    .summary = "Print the completion script of a shell",
    .examples = "holdfast completion bash > /etc/bash_completion.d/holdfast\n"
                "holdfast completion zsh > /usr/local/share/zsh/site-functions/_holdfast\n"
                "holdfast completion fish > ~/.config/fish/completions/holdfast.fish",
    .words = "bash|zsh|fish",
    .words_min = 1,
    .words_max = 1,
    .args_size = sizeof(struct completion_args),
    .run = run_completion,
};
