#!/usr/bin/python3
"""A proxy in front of an S3 gateway that counts, delays and fails on purpose: proxy.py UPSTREAM [PLAN]

UPSTREAM is http://HOST:PORT, PLAN a file with a plan (see fault_plan.py).  Prints one line of JSON,
{"url": "http://127.0.0.1:PORT", "control": "http://127.0.0.1:PORT"}, and works until the process
that started it ends.  The Host header is signed, so it is passed on as it comes; a gateway takes any
host for path style as long as it is an address.

The control port: GET /counters is JSON; POST /plan takes another plan and counts from zero; GET
/log is what each request since then was, when the plan asks for it.
"""

import asyncio
import json
import os
import sys
import time
import urllib.parse
from collections import Counter

from fault_plan import Plan, kind_of
from http_pipe import Closed, Head, Pipe, dial, drain, listen, plain_body, serve

LOG_MAX = 200_000


class Request:
    def __init__(self, head):
        self.head = head
        self.method, target = head.first[0], head.first[1]
        path, _, query = target.partition("?")
        self.target = target
        self.path = urllib.parse.unquote(path)
        self.query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        is_path_style = head.fields.get("host", "").partition(":")[0] in ("127.0.0.1", "localhost")
        key = self.path.lstrip("/").partition("/")[2] if is_path_style else self.path.lstrip("/")
        self.kind = kind_of(self.method, bool(key), self.query)


class Counters:
    def __init__(self):
        self.requests, self.statuses, self.faults = Counter(), Counter(), Counter()
        self.bytes_in, self.bytes_out = Counter(), Counter()
        self.connections = self.open = self.open_most = 0
        self.under_way = self.under_way_most = 0
        self.log = []
        self.started = time.monotonic()

    def json(self):
        return {
            "total": sum(self.requests.values()), "requests": self.requests, "statuses": self.statuses,
            "faults": self.faults, "bytes_in": self.bytes_in, "bytes_out": self.bytes_out,
            "connections": self.connections, "open": self.open, "open_most": self.open_most,
            "under_way": self.under_way, "under_way_most": self.under_way_most,
        }


class Finished(Exception):
    """The connection has to end after what was just done."""


class Proxy:
    def __init__(self, upstream, plan, loop):
        self.upstream = upstream
        self.plan = plan
        self.loop = loop
        self.counters = Counters()
        self.first_lists = {}  # answers by target, for stale ones
        self.talks = set()

    def take_plan(self, plan):
        """Another plan; what is under way belongs to the former one and is cut off."""
        for talk in list(self.talks):
            talk.cancel()
        self.plan = plan
        self.counters = Counters()
        self.first_lists = {}

    async def talk(self, sock):
        counters = self.counters
        counters.connections += 1
        counters.open += 1
        counters.open_most = max(counters.open_most, counters.open)
        client, upstream = Pipe(sock, self.loop), None
        self.talks.add(asyncio.current_task())
        try:
            await asyncio.sleep(self.plan.latency_s)
            while True:
                request = Request(Head(await client.until(b"\r\n\r\n")))
                if upstream is None:
                    upstream = await dial(self.upstream, self.loop)
                await self.request(Exchange(self, client, upstream, request))
        except (Closed, Finished, OSError, ValueError, asyncio.CancelledError):
            pass
        finally:
            self.talks.discard(asyncio.current_task())
            counters.open -= 1
            client.close()
            if upstream:
                upstream.close()

    async def request(self, exchange):
        request, counters = exchange.request, self.counters
        counters.requests[request.kind] += 1
        counters.under_way += 1
        counters.under_way_most = max(counters.under_way_most, counters.under_way)
        fault = self.plan.strike(request)
        started = time.monotonic()
        if fault:
            counters.faults[fault.name] += 1
        try:
            await getattr(exchange, "do_" + fault.name.replace("-", "_") if fault else "do_pass")(fault)
        finally:
            counters.under_way -= 1
            counters.bytes_in[request.kind] += exchange.bytes_in
            counters.bytes_out[request.kind] += exchange.bytes_out
            counters.statuses[str(exchange.status)] += 1
            if self.plan.log and len(counters.log) < LOG_MAX:
                counters.log.append({
                    "kind": request.kind, "path": request.path, "query": request.query,
                    "range": request.head.fields.get("range", ""), "in": exchange.bytes_in,
                    "out": exchange.bytes_out, "status": exchange.status,
                    "fault": fault.name if fault else "",
                    "at": round(started - counters.started, 4),
                    "seconds": round(time.monotonic() - started, 4)})


class Exchange:
    """One request and its answer; a method do_... for each fault."""

    def __init__(self, proxy, client, upstream, request):
        self.proxy = proxy
        self.client = client
        self.upstream = upstream
        self.request = request
        self.bytes_in = self.bytes_out = self.status = 0

    async def pass_request(self, limit=None):
        """The request to the gateway; with a limit only so much of its body."""
        head = self.request.head
        raw = head.raw
        if "expect" in head.fields:
            await self.client.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            raw = head.without("expect")
        await self.upstream.send(raw)
        async for piece in head.body(self.client):
            if limit is not None and self.bytes_in + len(piece) > limit:
                await self.upstream.send(piece[:limit - self.bytes_in])
                return
            self.bytes_in += len(piece)
            await self.upstream.send(piece)

    async def answer_head(self):
        """The head of the gateway's answer, held back for as long as the plan wants."""
        head = Head(await self.upstream.until(b"\r\n\r\n"))
        self.status = int(head.first[1])
        await asyncio.sleep(self.proxy.plan.latency_s)
        return head

    def has_body(self, head):
        return self.request.method != "HEAD" and self.status not in (204, 304) and self.status >= 200 \
            and (head.is_chunked or head.length > 0)

    async def forward(self):
        """Pass the request on while the answer may come already, as it does when it is refused."""
        sending = asyncio.ensure_future(self.pass_request())
        answer = asyncio.ensure_future(self.answer_head())
        try:
            await asyncio.wait({sending, answer}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done() and sending.exception() is None:
                await answer
            return await answer, sending.done() and sending.exception() is None
        finally:
            for task in (sending, answer):
                task.cancel()
            await asyncio.gather(sending, answer, return_exceptions=True)

    async def do_pass(self, _):
        head, is_whole = await self.forward()
        if self.request.kind == "list" and self.status == 200:
            await self.pass_list(head)
        else:
            await self.client.send(head.raw)
            if self.has_body(head):
                async for piece in head.body(self.upstream):
                    self.bytes_out += len(piece)
                    await self.client.send(piece)
        if not is_whole or head.fields.get("connection", "").lower() == "close":
            raise Finished

    async def pass_list(self, head):
        """Listings are small: kept, so that they can be told again, and passed on with a length."""
        body = await plain_body(head, self.upstream)
        answer = head.without("transfer-encoding").replace(b"\r\n\r\n", b"\r\n", 1)
        if "content-length" not in head.fields:
            answer += b"Content-Length: %d\r\n" % len(body)
        answer += b"\r\n"
        self.proxy.first_lists.setdefault(self.request.target, (answer, body))
        self.bytes_out += len(body)
        await self.client.send(answer + body)

    async def do_drop(self, _):
        raise Finished

    async def do_reset(self, fault):
        await self.pass_request(fault.get("after_bytes", fault.dice.randint(0, self.request.head.length)))
        self.upstream.close()
        self.client.reset()
        raise Finished

    async def do_delay(self, fault):
        await asyncio.sleep(fault.get("delay_ms", 100) / 1000)
        await self.do_pass(fault)

    async def do_hang(self, _):
        await drain(self.request.head.body(self.client))
        await self.client.until(b"nothing that ever comes")

    async def do_status(self, fault):
        is_early = fault.get("early", False)
        if not is_early:
            self.bytes_in = await drain(self.request.head.body(self.client))
        code = fault.get("code", "SlowDown")
        body = b"" if self.request.method == "HEAD" else (
            '<?xml version="1.0" encoding="UTF-8"?><Error><Code>' + code +
            "</Code><Message>on purpose</Message></Error>").encode()
        self.status = fault.get("status", 503)
        lines = [f"HTTP/1.1 {self.status} {code}", "Content-Type: application/xml",
                 f"Content-Length: {len(body)}",
                 *(f"{name}: {value}" for name, value in fault.get("headers", {}).items())]
        if fault.get("retry_after") is not None:
            lines.append(f"Retry-After: {fault.get('retry_after')}")
        if is_early:
            lines.append("Connection: close")
        await self.client.send("\r\n".join([*lines, "", ""]).encode() + body)
        if is_early:
            raise Finished

    async def do_error_in_200(self, fault):
        fault.members = {"status": 200, "code": "InternalError", **fault.members}
        await self.do_status(fault)

    async def do_redirect(self, fault):
        to = fault.get("to") or f"http://{self.request.head.fields.get('host')}"
        fault.members = {"status": 307, "code": "TemporaryRedirect", **fault.members}
        fault.members["headers"] = {"Location": to + self.request.target, **fault.get("headers", {})}
        await self.do_status(fault)

    async def do_lost_reply(self, _):
        head, _ = await self.forward()
        if self.has_body(head):
            await drain(head.body(self.upstream))
        raise Finished

    async def answer_whole(self):
        """The gateway's answer, its length known and its body in memory; errors pass unchanged."""
        head, _ = await self.forward()
        body = await plain_body(head, self.upstream) if self.has_body(head) else b""
        answer = head.without("transfer-encoding").replace(b"\r\n\r\n", b"\r\n", 1)
        if "content-length" not in head.fields:
            answer += b"Content-Length: %d\r\n" % len(body)
        return answer + b"\r\n", body

    async def do_truncate(self, fault):
        answer, body = await self.answer_whole()
        await self.client.send(answer + body[:fault.get("after_bytes", fault.dice.randint(0, max(0, len(body) - 1)))])
        raise Finished

    async def do_wrong_body(self, fault):
        answer, body = await self.answer_whole()
        if body:
            at = fault.dice.randrange(len(body))
            body = body[:at] + bytes([body[at] ^ fault.dice.randint(1, 255)]) + body[at + 1:]
        self.bytes_out += len(body)
        await self.client.send(answer + body)

    async def do_drip(self, fault):
        answer, body = await self.answer_whole()
        await self.client.send(answer)
        rate = fault.get("bytes_per_s", 1000)
        step = max(1, rate // 20)
        for at in range(0, len(body), step):
            await self.client.send(body[at:at + step])
            self.bytes_out += len(body[at:at + step])
            await asyncio.sleep(step / rate)

    async def do_stale_list(self, fault):
        if self.request.target not in self.proxy.first_lists:
            await self.do_pass(fault)
            return
        self.status = 200
        answer, body = self.proxy.first_lists[self.request.target]
        await self.client.send(answer + body)

    async def do_short_list(self, _):
        answer, body = await self.answer_whole()
        at, end = body.rfind(b"<Contents>"), body.rfind(b"</Contents>")
        if at >= 0:
            body = body[:at] + body[end + len(b"</Contents>"):]
        head = Head(answer).without("content-length").removesuffix(b"\r\n")
        await self.client.send(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    async def do_garbage(self, _):
        await drain(self.request.head.body(self.client))
        await self.client.send(b"\x00\xffno such protocol\r\n" * 5)
        raise Finished


async def control(proxy, sock, loop):
    pipe = Pipe(sock, loop)
    try:
        while True:
            head = Head(await pipe.until(b"\r\n\r\n"))
            body = await plain_body(head, pipe)
            status, answer = 200, {}
            if head.first[:2] == ["POST", "/plan"]:
                try:
                    proxy.take_plan(Plan(json.loads(body)))
                except (ValueError, KeyError, TypeError) as error:
                    status, answer = 400, {"error": str(error)}
            elif head.first[1] == "/counters":
                answer = proxy.counters.json()
            elif head.first[1] == "/log":
                answer = proxy.counters.log
            else:
                status = 404
            text = json.dumps(answer).encode()
            await pipe.send(b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n" % (status, len(text)) + text)
    except (Closed, OSError, ValueError):
        pipe.close()


async def main(upstream, plan):
    loop = asyncio.get_running_loop()
    parent = os.getppid()
    address = urllib.parse.urlsplit(upstream)
    proxy = Proxy((address.hostname, address.port), plan, loop)
    ports = [listen(), listen()]
    url, control_url = (f"http://127.0.0.1:{port.getsockname()[1]}" for port in ports)
    print(json.dumps({"url": url, "control": control_url}), flush=True)
    work = [asyncio.ensure_future(serve(ports[0], proxy.talk, loop)),
            asyncio.ensure_future(serve(ports[1], lambda sock: control(proxy, sock, loop), loop))]
    while os.getppid() == parent and not any(task.done() for task in work):
        await asyncio.sleep(0.2)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        with open(sys.argv[2]) as file:
            given = Plan(json.load(file))
    else:
        given = Plan({})
    asyncio.run(main(sys.argv[1], given))
