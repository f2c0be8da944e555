#!/bin/sh
# Clients of CFMS over WebSocket: what is answered, who may, what is refused, and archives with holes.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
cases=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/cfms.sh
. "$cases/cfms.sh"

mkdir app keys data
server fill app
server schema sqlite >schema.sql
server sqlite app/app.db schema.sql app/data.sql
mkdir app/content/backups
make_repository
configure app
sed '/self_signed/d' holdfast.yaml >plain.yaml
chmod 600 plain.yaml
status 2 "$HOLDFAST" serve --config plain.yaml
has err 'cfms needs tls'

start
has service.out 'certificate of our own, SHA-256'
printf 'your_password\n' >password
status 0 "$HOLDFAST" user passwd admin --new-password-file password

names() { ls app/content/backups keys; }

# A password that must be changed, or a second factor that is demanded: in the published words.
talk 'with Client(PORT) as c:
    answer = c.ask("login", {"username": "admin", "password": PASSWORD})
    assert list(answer) == ["code", "data", "message", "timestamp"] and answer["data"] == {}, answer
    assert (answer["code"], answer["message"]) == (403, "A second factor must be set up before you can log in"), answer'
catalog "INSERT INTO settings (name, value, category, updated_ns) VALUES ('identity.totp', 'voluntary', 'identity', 0)"
catalog "UPDATE users SET must_change = 1"
talk 'with Client(PORT) as c:
    answer = c.ask("login", {"username": "admin", "password": PASSWORD})
    assert (answer["code"], answer["message"]) == (403, "Password must be changed before you can log in"), answer'
catalog "UPDATE users SET must_change = 0"

# A backup, as an order of the published client (98-seed-1.sh has it).
talk 'with Client(PORT) as c:
    assert c.ask("generate_backup", {"backup_name": "my_backup"}, **admin(c))["code"] == 200'
server read app/content/backups/my_backup.cfms.enc keys/my_backup.key read
[ "$(stat -c %a app/content/backups/my_backup.cfms.enc keys/my_backup.key | tr '\n' ' ')" = '600 600 ' ] || fail "others may read it"

# The same with a library of others, by its older interface, which every version has.
cat >others.py <<'END'
import asyncio, json, ssl, sys, websockets
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
async def main():
    async with websockets.connect(f"wss://localhost:{sys.argv[1]}", ssl=context) as socket:
        async def ask(action, **more):
            await socket.send(json.dumps({"action": action, **more}))
            return json.loads(await socket.recv())
        assert (await ask("server_info"))["code"] == 200
        answer = await ask("login", data={"username": "admin", "password": "your_password"})
        assert answer["code"] == 200, answer
        answer = await ask("refresh_token", username="admin", token=answer["data"]["token"])
        assert answer["message"] == "Token refreshed successfully", answer
        await (await socket.ping())
asyncio.run(main())
END
status 0 "$PYTHON" others.py "$port"

# Envelopes, the order in which things are looked at, and what an answer has.
talk 'import time
with Client(PORT) as c:
    c.send("{\"action\":\"server_info\"}")
    text = c.recv()
    assert text.startswith("{\"code\": 200, \"data\": {\"server_name\": \"holdfast\", \"version\": "), text
    answer = json.loads(text)
    assert answer["data"]["protocol_version"] == 3 and answer["data"]["lockdown"] is False, text
    assert abs(answer["timestamp"] - time.time()) < 60 and answer["message"] == "Server information retrieved successfully", text
    for request, code, message, data in (
            ({}, 400, "No action specified in request", {}),
            ({"action": ""}, 400, "No action specified in request", {}),
            ({"action": "fl\u00fcgel", "data": 7}, 400, "Unknown action: fl\u00fcgel", {}),
            ({"action": "server_info", "data": []}, 400, "data is not of type \x27object\x27", {"validator": "type", "validator_value": "object"}),
            ({"action": "login"}, 400, "\x27username\x27 is a required property",
             {"validator": "required", "validator_value": ["username", "password"]}),
            ({"action": "login", "data": {"username": "a", "password": 5}}, 400, "password is not of type \x27string\x27",
             {"validator": "type", "validator_value": "string"}),
            ({"action": "login", "data": {"username": "a", "password": "b", "otp": "c"}}, 400, "Additional properties are not allowed",
             {"validator": "additionalProperties", "validator_value": False}),
            ({"action": "generate_backup", "data": {"backup_name": "x" * 256}}, 400, "backup_name is too long",
             {"validator": "maxLength", "validator_value": 255}),
            ({"action": "generate_backup", "data": {"backup_name": None}}, 400, "backup_name is not of type \x27string\x27",
             {"validator": "type", "validator_value": "string"}),
            ({"action": "generate_backup"}, 401, "Authentication required", {}),
            ({"action": "generate_backup", "username": "admin", "token": "a.b.c"}, 401, "Invalid user or token", {}),
            ({"action": "generate_backup", "username": "nobody", "token": "a.b.c"}, 401, "Invalid user or token", {}),
            ({"action": "refresh_token"}, 400, "missing or invalid token", {}),
            ({"action": "refresh_token", "username": "admin", "token": "no"}, 400, "Invalid or expired token", {})):
        c.send(json.dumps(request, ensure_ascii=False))
        text = c.recv()
        answer = json.loads(text)
        assert (answer["code"], answer["message"], answer["data"]) == (code, message, data), answer
        assert list(answer) == ["code", "data", "message", "timestamp"] and "\\u" not in text, text
    for name, password in (("admin", "wrong"), ("nobody", PASSWORD)):
        began = time.time()
        answer = c.ask("login", {"username": name, "password": password})
        assert (answer["code"], answer["message"], answer["data"]) == (401, "Invalid credentials", {}), answer
        assert time.time() - began > 2.9
    answer = c.ask("login", {"username": "Admin", "password": PASSWORD})
    assert answer["code"] == 200 and answer["message"] == "Login successful", answer
    data = answer["data"]
    assert list(data) == ["token", "exp", "nickname", "permissions", "groups"] and data["nickname"] is None and data["groups"] == [], data
    assert set(data["permissions"]) == {"manage_system", "export_backup", "import_backup"} and 3500 < data["exp"] - time.time() <= 3600, data
    head, payload = (json.loads(base64.urlsafe_b64decode(p + "==")) for p in data["token"].split(".")[:2])
    assert head == {"alg": "HS256", "typ": "JWT"} and payload["username"] == "admin" and payload["exp"] == data["exp"], payload
    me = {"username": "admin", "token": data["token"]}
    answer = c.ask("refresh_token", {}, **me)
    assert answer["code"] == 200 and answer["message"] == "Token refreshed successfully" and list(answer["data"]) == ["token", "exp"], answer
    again = {"username": "admin", "token": answer["data"]["token"]}
    # Without a name it gets one; names are names, and are taken once.
    answer = c.ask("generate_backup", {}, **again)
    assert answer["code"] == 200 and answer["message"] == "Success", answer
    data = answer["data"]
    assert list(data) == ["archive_path", "key_path", "metadata"], data
    assert data["archive_path"].startswith("./content/backups/backup_1") and data["archive_path"].endswith(".cfms.enc"), data
    assert data["key_path"] == data["archive_path"].replace("./content/backups", os.getcwd() + "/keys").replace(".cfms.enc", ".key"), data
    assert list(data["metadata"]) == ["version", "created_at", "documents_count", "folders_count", "files_count"], data
    assert [data["metadata"][n] for n in ("version", "documents_count", "folders_count", "files_count")] == ["1.0", 5, 2, 5], data
    answer = c.ask("generate_backup", {"backup_name": "my_backup"}, **me)
    assert (answer["code"], answer["message"]) == (409, "Failed to generate backup"), answer
    assert answer["data"]["error"] == "there is a backup of this name already", answer
    for name in ("../x", "a/b", ".hidden", "-x", "a b", "a\nb", "\u00fc", "x" * 201):
        answer = c.ask("generate_backup", {"backup_name": name}, **me)
        assert (answer["code"], answer["message"]) == (400, "Failed to generate backup"), answer
        assert "letter or digit" in answer["data"]["error"], answer'
[ "$(names | grep -c my_backup)" = 2 ] || fail "there are other files: $(names)"
[ "$(names | grep -cE '^(backup_1|my_backup)')" = 4 ] || fail "there are other files: $(names)"

# Whoever sends what is no request is cut, and only he; pages of other sites do not even get in.
talk 'with Client(PORT) as other:
    admin(other) # whoever is somebody may stay
    for opcode, message, code in ((TEXT, b"hello", 1007), (TEXT, b"[]", 1007), (TEXT, b"{\"action\": \"a\", \"action\": \"b\"}", 1007),
                                  (TEXT, b"{\"action\": \"a\\u0000\"}", 1007), (TEXT, b"\xff", 1007), (BINARY, b"{}", 1003),
                                  (TEXT, b" " * 70000, 1009), (TEXT, b" " * 1100000, 1009)):
        with Client(PORT) as c:
            try:
                c.frame(opcode, message)
                said = c.close_code()
            except OSError: # cut before it was all sent
                said = None
            assert other.ask("server_info")["code"] == 200
            assert said in (code, None if len(message) > 1000000 else code), (message[:40], code, said)
    assert other.ask("server_info")["code"] == 200
    for origin, status in (("https://evil.example.org", 403), ("null", 403)):
        try:
            Client(PORT, headers=["Origin: " + origin])
            raise AssertionError(origin)
        except Closed as e:
            assert e.args[0] == status, (origin, e.args)
    with Client(PORT, headers=[f"Origin: https://localhost:{PORT}"]) as c:
        assert c.ask("server_info")["code"] == 200
    # Requests one behind the other are answered in their order.
    with Client(PORT) as c:
        for i in range(12):
            c.send(json.dumps({"action": f"n{i}"}))
        for i in range(12):
            assert json.loads(c.recv())["message"] == f"Unknown action: n{i}"'

# One address has so many connections and no more, and gets them again once they are closed.
talk 'import time
def crowd(leave):
    all = []
    try:
        while len(all) < 20:
            all.append(Client(PORT))
    except (Closed, OSError):
        pass
    for c in all:
        leave(c)
    return len(all)
# With a close frame, without a word, and once more to see that those have gone.
for leave in (Client.close, lambda c: c.sock.close(), Client.close):
    until = time.monotonic() + 25
    while (n := crowd(leave)) != 8:
        assert n < 8 and time.monotonic() < until, n
        time.sleep(0.2)'

# Whoever may not; and a token ends with the password, the account, and the service.
status 0 "$HOLDFAST" user add eve --role manager --new-password-file password
catalog "UPDATE users SET must_change = 0"
talk 'with Client(PORT) as c:
    eve = login(c, "eve", PASSWORD)
    answer = c.ask("generate_backup", {}, **eve)
    assert (answer["code"], answer["message"]) == (403, "Access denied"), answer
    me = admin(c)
    answer = c.ask("generate_backup", {}, username="eve", token=me["token"])
    assert (answer["code"], answer["message"]) == (401, "Invalid user or token"), answer
    answer = c.ask("generate_backup", {}, username="admin", token=me["token"][:-2] + "AA")
    assert answer["code"] == 401, answer
    open("token", "w").write(me["token"])'
stale() {
    talk 'with Client(PORT) as c:
    answer = c.ask("generate_backup", {}, username="admin", token=open("token").read())
    assert (answer["code"], answer["message"]) == (401, "Invalid user or token"), answer'
}
printf 'another_password\n' >other
status 0 "$HOLDFAST" user passwd admin --new-password-file other
stale
status 0 "$HOLDFAST" user passwd admin --new-password-file password
catalog "UPDATE users SET must_change = 0"
stale
talk 'with Client(PORT) as c:
    open("token", "w").write(admin(c)["token"])'
stop_service
start
stale

# An archive that lacks something is no success; one that cannot be made is said to have failed, without the reason.
rm "app/content/files/2026/$(printf '01%.0s' $(seq 32))"
talk 'with Client(PORT) as c:
    answer = c.ask("generate_backup", {"backup_name": "holes"}, **admin(c))
    assert answer["code"] == 200 and answer["message"].startswith("Incomplete"), answer
    assert answer["data"]["status"] == "partial" and answer["data"]["missing"] == 1 and answer["data"]["job"], answer'
catalog "SELECT state, error_code FROM runs WHERE kind = 'export' AND set_name = ':cfms' ORDER BY created_ns DESC LIMIT 1" >run
grep -q incomplete run || fail "the run is $(cat run)"
mv app/app.db away.db
talk 'with Client(PORT) as c:
    answer = c.ask("generate_backup", {"backup_name": "none"}, **admin(c))
    assert (answer["code"], answer["message"], answer["data"]["error"]) == (500, "Failed to generate backup", "the record of the job says why"), answer
    assert "app.db" not in json.dumps(answer), answer'
mv away.db app/app.db

# Who goes meanwhile has his backup made all the same.
talk 'c = Client(PORT)
me = admin(c)
c.send(json.dumps({"action": "generate_backup", "data": {"backup_name": "left"}, **me}))
import time
time.sleep(0.3)
c.cut()'
until_true 60 test -e app/content/backups/left.cfms.enc

# A second factor stands behind the password; a code is good once, and without one nobody gets in.
talk "import hashlib, hmac, http.client, time
API = $api"'
cookie = csrf = None
def ask(path, document, method="POST"):
    global cookie, csrf
    h = http.client.HTTPSConnection("127.0.0.1", API, context=ssl._create_unverified_context())
    headers = {"Content-Type": "application/json", **({"Cookie": cookie, "X-HF-CSRF": csrf} if cookie else {})}
    h.request(method, "/api/v1/auth/" + path, None if document is None else json.dumps(document), headers)
    r = h.getresponse()
    answer = json.loads(r.read() or b"{}")
    assert r.status in (200, 204), (path, r.status, answer)
    cookie, csrf = (r.headers["Set-Cookie"] or cookie).split(";")[0], answer.get("csrf", csrf)
    return answer
def code(secret):
    digest = hmac.new(base64.b32decode(secret), (int(time.time()) // 30).to_bytes(8, "big"), hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(int.from_bytes(digest[at:at + 4]) & 0x7fffffff) % 1000000:06}"
ask("login", {"username": "admin", "password": PASSWORD})
secret = ask("totp/new", None)["secret"]
used = code(secret)
ask("totp/confirm", {"secret": secret, "code": used})
with Client(PORT) as c:
    for password in (PASSWORD, PASSWORD + used, PASSWORD + "000000x"):
        answer = c.ask("login", {"username": "admin", "password": password})
        assert (answer["code"], answer["message"]) == (401, "Invalid credentials"), answer
    while code(secret) == used:
        time.sleep(1)
    me = login(c, "admin", PASSWORD + code(secret))
    assert c.ask("refresh_token", {}, **me)["code"] == 200
    # Whoever ends all sessions ends these tokens, too.
    ask("sessions", None, "DELETE")
    for action, code, message in (("generate_backup", 401, "Invalid user or token"), ("refresh_token", 400, "Invalid or expired token")):
        answer = c.ask(action, {}, **me)
        assert (answer["code"], answer["message"]) == (code, message), answer'

# Every order and every login is recorded.
status 0 "$HOLDFAST" audit list --json
has out '"generate_backup"'
has out '"through":"cfms"'
stop_service
lacks service.out your_password
lacks service.err your_password
