/*
 * The routes /system/... of WireGuard Gateway, for clients and pages that were written for it,
 * about the set that a gateway is.  docs/applications/wireguard-gateway.md has them and every place
 * where the published application did something else.  Handlers find a struct service by
 * request_app().
 */
#ifndef SERVER_COMPAT_GATEWAY_H
#define SERVER_COMPAT_GATEWAY_H

#include "server/route.h"

extern const struct route api_gateway_routes[];
extern const size_t api_gateway_route_count;

#endif
