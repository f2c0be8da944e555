"""Write the built console as C: embed.py OUT FOLDER, where FOLDER has console.html and what it loads.

What the page and its script load gets a name of its content's hash, so that browsers may keep it for ever."""

import gzip
import hashlib
import pathlib
import sys


def c_bytes(name, data):
    rows = (",".join(map(str, data[at:at + 32])) for at in range(0, len(data), 32))
    return f"static const uint8_t {name}[] = {{\n" + ",\n".join(rows) + "};\n"


def main(out, folder):
    files = [] # (name, type, content); "" is the page
    texts = {name: (folder / name).read_bytes() for name in ("console.html", "console.js")} # what names others
    for name, kind, where in (("yaml.js", "text/javascript", "console.js"), ("console.css", "text/css", "console.html"),
                              ("console.js", "text/javascript", "console.html"), ("console.svg", "image/svg+xml", "console.html")):
        data = texts.get(name) or (folder / name).read_bytes()
        stem, suffix = name.split(".")
        hashed = f"{stem}-{hashlib.sha256(data).hexdigest()[:12]}.{suffix}"
        if texts[where].count(b'"/assets/' + name.encode() + b'"') != 1:
            sys.exit(f"{where} does not name /assets/{name} once")
        texts[where] = texts[where].replace(b"/assets/" + name.encode(), b"/assets/" + hashed.encode())
        files.append((hashed, kind, data))
    page = texts["console.html"]
    files.insert(0, ("", "text/html", page))
    text = '#include "server/console.h"\n\n'
    rows = []
    for i, (name, kind, data) in enumerate(files):
        tag = hashlib.sha256(data).hexdigest()[:16]
        text += c_bytes(f"plain_{i}", data) + c_bytes(f"gzip_{i}", gzip.compress(data, 9, mtime=0))
        rows.append(f'    {{"{name}", "{kind}; charset=utf-8", "\\"{tag}\\"", "\\"{tag}-gzip\\"", '
                    f"{{plain_{i}, sizeof(plain_{i})}}, {{gzip_{i}, sizeof(gzip_{i})}}}},\n")
    text += "\nconst struct console_file console_files[] = {\n" + "".join(rows) + "};\n"
    text += f"const size_t console_file_count = {len(files)};\n"
    pathlib.Path(out).write_text(text, encoding="ascii")


main(sys.argv[1], pathlib.Path(sys.argv[2]))
