import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { createServer as createRawServer, type AddressInfo, type Server } from "node:net";
import { test, type TestContext } from "node:test";

import { backupToServer, buildBundle, type BackupBundle } from "./index";

interface Seen {
  request: IncomingMessage;
  body: string;
}

/** A server that answers every request alike and remembers them. */
async function serve(t: TestContext, status: number, reason: string): Promise<{ url: string; seen: Seen[] }> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    let body = "";

    request.setEncoding("utf8");
    request.on("data", (piece: string) => (body += piece));
    request.on("end", () => {
      seen.push({ request, body });
      response.writeHead(status, reason, { "Content-Type": "application/json", Location: "http://localhost:1/" });
      response.end("{}");
    });
  });

  return { url: await listen(t, server), seen };
}

async function listen(t: TestContext, server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/backup`;
}

test("a bundle has the published members in the published order", async () => {
  const before = Date.now();
  const bundle = await buildBundle();

  assert.deepEqual(Object.keys(bundle), ["timestamp", "version", "data"]);
  assert.deepEqual(Object.keys(bundle.data), ["users", "sessions", "firewall_state", "metadata"]);
  assert.deepEqual(Object.keys(bundle.data.metadata ?? {}), ["source", "buildTime"]);
  assert.match(bundle.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.equal(bundle.version, "1.0.0");
  assert.equal(bundle.data.metadata?.["source"], "main-private-files");
  assert.ok(Number(bundle.data.metadata?.["buildTime"]) >= before);
});

test("an empty bundle is 181 bytes of compact JSON", async () => {
  assert.equal(JSON.stringify(await buildBundle()).length, 181);
});

test("data that is given is in the bundle, unknown members behind the known", async () => {
  const bundle = await buildBundle({ more: 1, users: ["alice"], metadata: { host: "h" } });

  assert.deepEqual(Object.keys(bundle.data), ["users", "sessions", "firewall_state", "metadata", "more"]);
  assert.deepEqual(bundle.data.users, ["alice"]);
  assert.deepEqual(bundle.data.sessions, []);
  assert.equal(bundle.data.metadata?.["source"], "main-private-files");
  assert.equal(bundle.data.metadata?.["host"], "h");
});

test("a push is one POST of the bundle", async (t) => {
  const { url, seen } = await serve(t, 200, "OK");

  assert.equal(await backupToServer({ url, data: { users: ["\u00e9"] } }), undefined);
  assert.equal(seen.length, 1);
  assert.equal(seen[0]?.request.method, "POST");
  assert.equal(seen[0]?.request.url, "/backup");
  assert.equal(seen[0]?.request.headers["content-type"], "application/json");
  assert.equal(seen[0]?.request.headers.authorization, undefined);
  assert.deepEqual((JSON.parse(seen[0]?.body ?? "") as BackupBundle).data.users, ["\u00e9"]);
});

test("a bundle that is given is sent as it is", async (t) => {
  const { url, seen } = await serve(t, 201, "Created");
  const bundle = { timestamp: "t", version: "v", data: {} };

  await backupToServer({ url, bundle });
  assert.equal(seen[0]?.body, JSON.stringify(bundle));
});

test("a token is sent as bearer, to this machine over http", async (t) => {
  const { url, seen } = await serve(t, 200, "OK");

  await backupToServer({ url, token: "hf_1_secret" });
  assert.equal(seen[0]?.request.headers.authorization, "Bearer hf_1_secret");
});

test("a token goes to no other machine without https, and is not in the error", async () => {
  for (const url of ["http://example.org/backup", "http://127.0.0.1.example.org/", "http://[::2]/"]) {
    await assert.rejects(backupToServer({ url, token: "hf_1_secret" }), (e: Error) => {
      assert.match(e.message, /^Backup not sent: a token for /);
      assert.doesNotMatch(e.message, /secret/);
      return true;
    });
  }
});

test("other statuses reject with the published sentence", async (t) => {
  const cases: [number, string][] = [[404, "Not Found"], [429, "Too Many Requests"], [500, "Internal Server Error"], [302, "Found"]];

  for (const [status, reason] of cases) {
    const { url } = await serve(t, status, reason);

    await assert.rejects(backupToServer({ url }), { message: `Backup failed with status ${status}: ${reason}` });
  }
});

test("the published server's HTTP/1.0 reply without a length is a success", async (t) => {
  const server = createRawServer((socket) => {
    socket.once("data", () => {
      socket.end("HTTP/1.0 200 OK\r\nServer: BaseHTTP/0.6 Python/3.11.2\r\nContent-Type: application/json\r\n\r\n" +
        '{"status": "success"}');
    });
  });

  await backupToServer({ url: await listen(t, server) });
});

test("a server that is not there rejects", async (t) => {
  const server = createRawServer();
  const url = await listen(t, server);

  server.close();
  await once(server, "close");
  await assert.rejects(backupToServer({ url }));
});

test("a signal ends a push that nobody answers", async (t) => {
  const sockets: { destroy(): void }[] = [];
  const server = createRawServer((socket) => sockets.push(socket));
  const url = await listen(t, server);

  t.after(() => sockets.forEach((socket) => socket.destroy()));
  await assert.rejects(backupToServer({ url, signal: AbortSignal.timeout(100) }));
});
