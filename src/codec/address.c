#include "codec/address.h"

#include <string.h>

enum {
    LABEL_MAX = 63, /* RFC 1035 2.3.4 */
    LOCAL_MAX = 64, /* RFC 5321 4.5.3.1.1 */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_label(const char *text, size_t size)
{
    if (size == 0 || size > LABEL_MAX || text[0] == '-' || text[size - 1] == '-')
        return false;
    for (size_t i = 0; i < size; i++)
        if (!is_letter(text[i]) && !is_digit(text[i]) && text[i] != '-')
            return false;
    return true;
}

bool address_is_host(const char *text)
{
    const char *label = text;

    if (strlen(text) > ADDRESS_HOST_MAX)
        return false;
    for (;;) {
        const size_t size = strcspn(label, ".");

        if (!is_label(label, size))
            return false;
        if (label[size] == '\0')
            return !is_digit(label[0]);
        label += size + 1;
    }
}

/* atext of RFC 5322, and the dot. */
static bool is_local_character(char c)
{
    return is_letter(c) || is_digit(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~.", c) != NULL);
}

static bool is_local_part(const char *text, size_t size)
{
    if (size == 0 || size > LOCAL_MAX || text[0] == '.' || text[0] == '-' || text[size - 1] == '.')
        return false;
    for (size_t i = 0; i < size; i++)
        if (!is_local_character(text[i]) || (text[i] == '.' && text[i + 1] == '.'))
            return false;
    return true;
}

bool address_is_mail(const char *text)
{
    const char *at = strrchr(text, '@');

    return at != NULL && strlen(text) <= ADDRESS_MAIL_MAX &&
           is_local_part(text, (size_t)(at - text)) && address_is_host(at + 1);
}
