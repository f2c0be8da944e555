#include "base/pq.h"

#include <string.h>

#include "base/text.h"

void pq_sentence(const char *message, char out[PQ_SENTENCE_MAX])
{
    static const char *const severities[] = {"ERROR:", "FATAL:", "PANIC:"};

    for (size_t i = 0; i < sizeof(severities) / sizeof(severities[0]); i++)
        if (strncmp(message, severities[i], strlen(severities[i])) == 0)
            message += strlen(severities[i]);
    text_flatten(slice_string(message), out, PQ_SENTENCE_MAX);
}

bool pq_connect_err(const PGconn *conn, struct err *e)
{
    char sentence[PQ_SENTENCE_MAX];
    enum err_code code = ERR_TRANSIENT;

    pq_sentence(PQerrorMessage(conn), sentence);
    if (PQconnectionNeedsPassword(conn) != 0 || strstr(sentence, "authentication failed") != NULL ||
        strstr(sentence, "pg_hba.conf") != NULL)
        code = ERR_DENIED;
    else if (strstr(sentence, "does not exist") != NULL)
        code = ERR_NOT_FOUND;
    return err_set(e, code, "%s", sentence);
}
