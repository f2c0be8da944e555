/* All of the server that other folders may use. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "server/api.h"
#include "server/api_metrics.h"
#include "server/compat/bundle.h"
#include "server/compat/cfms.h"
#include "server/compat/pos.h"
#include "server/events.h"
#include "server/http_server.h"
#include "server/identity.h"
#include "server/json_fields.h"
#include "server/metrics.h"
#include "server/once.h"
#include "server/principal.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/route.h"
#include "server/service.h"
#include "server/tls.h"
#include "server/websocket.h"

#endif
