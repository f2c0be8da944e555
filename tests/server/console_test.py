"""The page of the service and what it loads: small, strict, and kept by browsers no longer than it is the same."""

import gzip
import re
import unittest

import people
import rig

PACKED = {"Accept-Encoding": "br, gzip"}


class Console(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.house = people.House()
        cls.anybody = people.Client(cls.house)

    @classmethod
    def tearDownClass(cls):
        assert cls.house.close() == 0

    def ask(self, target, headers=None, method="GET"):
        return self.anybody.ask(method, target, headers=headers)

    def files(self):
        return re.findall(r"/assets/[^\"]+", self.ask("/").body.decode())

    def test_the_page_is_for_anybody_and_allows_nothing_from_elsewhere(self):
        answer = self.ask("/", {"Cookie": "hf_s=" + "0" * 64})
        self.assertEqual((answer.status, answer.headers["content-type"]), (200, "text/html; charset=utf-8"))
        self.assertEqual(answer.headers["content-security-policy"],
                         "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
                         "frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
        self.assertEqual(answer.headers["cache-control"], "no-cache")
        page = answer.body.decode()
        self.assertEqual(len(self.files()), 3)
        self.assertNotRegex(page, r"<style|<script(?! type=\"module\" src=)| on\w+=|style=|https?:")

    def test_files_are_kept_for_ever_under_the_hash_of_their_content(self):
        for name in self.files():
            answer = self.ask(name)
            self.assertEqual((answer.status, answer.headers["cache-control"]), (200, "public, max-age=31536000, immutable"), name)
            self.assertRegex(name, r"^/assets/console-[0-9a-f]{12}\.(js|css|svg)$")
        for name in ("/assets/console.js", "/assets/", "/assets/x", "/assets/console-000000000000.js", "/assets"):
            answer = self.ask(name)
            self.assertEqual((answer.status, answer.headers["cache-control"]), (404, "no-store"), name)

    def test_the_script_names_one_file_more_which_is_no_part_of_the_first_load(self):
        script = next(name for name in self.files() if name.endswith(".js"))
        more = set(re.findall(r"/assets/[\w.-]+", self.ask(script).body.decode()))
        self.assertEqual(len(more), 1)
        name = more.pop()
        self.assertRegex(name, r"^/assets/yaml-[0-9a-f]{12}\.js$")
        self.assertNotIn(name, self.files())
        answer = self.ask(name)
        self.assertEqual((answer.status, answer.headers["content-type"]), (200, "text/javascript; charset=utf-8"))
        self.assertEqual(answer.headers["cache-control"], "public, max-age=31536000, immutable")
        self.assertLess(sum(len(self.ask(one, PACKED).body) for one in ["/", *self.files()]), 120 * 1024)

    def test_the_compressed_form_is_the_same_and_for_those_who_take_it(self):
        for name in ["/", *self.files()]:
            plain, packed = self.ask(name), self.ask(name, PACKED)
            self.assertNotIn("content-encoding", plain.headers)
            self.assertEqual((packed.headers["content-encoding"], packed.headers["vary"]), ("gzip", "Accept-Encoding"))
            self.assertEqual(gzip.decompress(packed.body), plain.body)
            self.assertNotEqual(plain.headers["etag"], packed.headers["etag"])
            self.assertLess(len(packed.body), 120 * 1024)
        for wanted in ("gzip;q=0", "gzip;q=0.5", "x-gzip", "gzipx", "identity", ""):
            self.assertNotIn("content-encoding", self.ask("/", {"Accept-Encoding": wanted}).headers, wanted)
        for wanted in ("gzip", "gzip,br", "deflate ,\tgzip"):
            self.assertEqual(self.ask("/", {"Accept-Encoding": wanted}).headers["content-encoding"], "gzip", wanted)

    def test_who_has_it_is_told_so(self):
        for headers in ({}, PACKED):
            answer = self.ask("/", headers)
            again = self.ask("/", {**headers, "If-None-Match": answer.headers["etag"]})
            self.assertEqual((again.status, again.body, again.headers["etag"]), (304, b"", answer.headers["etag"]))
            self.assertIn("content-security-policy", again.headers)
        other = self.ask("/", {**PACKED, "If-None-Match": self.ask("/").headers["etag"]})
        self.assertEqual(other.status, 200) # the tag of the plain form

    def test_a_head_has_the_same_headers(self):
        answer, head = self.ask("/"), self.ask("/", method="HEAD")
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertEqual(head.headers["etag"], answer.headers["etag"])
        self.assertEqual(self.ask("/", method="POST").status, 405)


if __name__ == "__main__":
    rig.main()
