/*
 * Names: of backups, and of what belongs into one.
 */
#include <stdio.h>
#include <string.h>

#include "archive/wireguard_zip.h"
#include "base/clock.h"

#define PREFIX "wireguard_backup_"
#define SUFFIX ".zip"

void wireguard_name_format(int64_t time_ns, char out[WIREGUARD_FILE_MAX])
{
    char t[CLOCK_TEXT_MAX]; /* 2026-11-20T20:51:52... */

    clock_format(time_ns, t);
    (void)snprintf(out, WIREGUARD_FILE_MAX, PREFIX "%.4s%.2s%.2s_%.2s%.2s%.2s" SUFFIX, t, t + 5,
                   t + 8, t + 11, t + 14, t + 17);
}

/* One name has one text: what parses is what wireguard_name_format() makes. */
bool wireguard_name_parse(const char *text, int64_t *time_ns, struct err *e)
{
    const char *s = text + sizeof(PREFIX) - 1;
    char t[CLOCK_TEXT_MAX], again[WIREGUARD_FILE_MAX];
    struct err why;
    int64_t found;

    if (strnlen(text, WIREGUARD_FILE_MAX) == WIREGUARD_FILE_MAX - 1) {
        (void)snprintf(t, sizeof(t), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", s, s + 4, s + 6, s + 9,
                       s + 11, s + 13);
        if (clock_parse(t, &found, &why)) {
            wireguard_name_format(found, again);
            if (strcmp(text, again) == 0) {
                *time_ns = found;
                return true;
            }
        }
    }
    return err_set(e, ERR_USAGE, "Invalid backup filename");
}

bool wireguard_upload_check(const char *name, struct err *e)
{
    const size_t size = strlen(name);

    return (size > sizeof(SUFFIX) - 1 &&
            strcasecmp(name + size - (sizeof(SUFFIX) - 1), SUFFIX) == 0) ||
           err_set(e, ERR_USAGE, "File must have .zip extension");
}

static const struct {
    const char *name;
    enum wireguard_part part;
} parts[] = {
    {"app.db", WIREGUARD_DATABASE},
    {"configs.db", WIREGUARD_DATABASE},
    {"wireguard.db", WIREGUARD_DATABASE},
    {"iptables_rules.txt", WIREGUARD_RULES},
    {"iptables_nat_rules.txt", WIREGUARD_RULES},
    {"iptables_forward_rules.txt", WIREGUARD_RULES},
    {"backup_metadata.json", WIREGUARD_METADATA},
};

#define FOLDER "configs/"

bool wireguard_part_of(const char *name, enum wireguard_part *out)
{
    const size_t size = strlen(name);

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (strcmp(name, parts[i].name) == 0) {
            *out = parts[i].part;
            return true;
        }
    if (strncmp(name, FOLDER, sizeof(FOLDER) - 1) != 0)
        return false;
    *out = size > sizeof(FOLDER) - 1 + 5 && strcmp(name + size - 5, ".conf") == 0 &&
                   strchr(name + sizeof(FOLDER) - 1, '/') == NULL
               ? WIREGUARD_CONF
               : WIREGUARD_OTHER;
    return true;
}
