/* What a name of a host and an address of mail may look like.  Pure; safe in any thread. */
#ifndef CODEC_ADDRESS_H
#define CODEC_ADDRESS_H

#include <stdbool.h>

#define ADDRESS_HOST_MAX 253 /* bytes, RFC 1035 2.3.4 without the root */
#define ADDRESS_MAIL_MAX 254 /* bytes, RFC 5321 4.5.3.1.3 */

/* Letters, digits and hyphens in labels (RFC 1123), and nothing that anybody could take for a
 * number: what ends in a label that begins with a digit is an IPv4 address to many programs, in
 * hexadecimal or with parts left out.  No top-level domain begins with one. */
bool address_is_host(const char *text);

/* NAME@HOST; the name is made of atoms (RFC 5322) and does not begin with a hyphen. */
bool address_is_mail(const char *text);

#endif
