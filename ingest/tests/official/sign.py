"""Signs and tampers with the cases of cases.json by Twilio's own Python library, and asks it what it thinks of each.

Prints one JSON object a line. Arguments: the account's SID, its auth token, a shared key's id and its secret.
"""

import hashlib
import json
import pathlib
import re
import sys
from urllib.parse import parse_qsl, quote, quote_plus, urlencode

from twilio.request_validator import SIGNATURE_SETTINGS_HEADER, RequestValidator


class MultiDict(dict):
    """Parameters with repeated names, as the library takes them from web frameworks."""

    def __init__(self, pairs):
        super().__init__(pairs)
        self.pairs = pairs

    def getlist(self, name):
        return [value for key, value in self.pairs if key == name]


def encode(pairs, encoding):
    encoded = urlencode(pairs, quote_via=quote if encoding == "percent" else quote_plus, safe="")
    return re.sub("%..", lambda escape: escape[0].lower(), encoded) if encoding == "lower" else encoded


def changed(pairs, changes):
    kept = [(name, changes.get(name, value)) for name, value in pairs]
    added = [(name, value) for name, value in changes.items() if name not in dict(pairs)]
    return [(name, value) for name, value in kept + added if value is not None]


def with_query(target, query):
    return target + ("&" if "?" in target else "?") + query


def replay(case, account_sid, token, key_id, key):
    base = case.get("base", "https://voice.example.com")
    target = case.get("target", "/webhooks/recording")
    method = case.get("method", "POST")
    encoding = case.get("encoding", "plus")
    pairs = [
        ("AccountSid", account_sid),
        ("CallSid", "CA" + "b" * 32),
        ("RecordingSid", "RE" + "c" * 32),
        ("RecordingStatus", "completed"),
    ] + [tuple(pair) for pair in case.get("params", [])]
    if case.get("order") == "reversed":
        pairs.reverse()
    if case.get("body_hash"):
        body_hash = hashlib.sha256(encode(pairs, encoding).encode()).hexdigest()
        target = with_query(target, f"bodySHA256={body_hash}")
    sent_pairs = changed(pairs, case.get("sent_params", {}))
    sent_target = case.get("sent_target", target)
    body = encode(sent_pairs, encoding)
    if method == "GET":
        target = with_query(target, encode(pairs, encoding))
        sent_target = with_query(sent_target, body)
        pairs, body = [], ""

    if case.get("body_hash"):
        pairs = []

    headers = {}
    algorithm = case.get("shared_key")
    if algorithm:
        token = key
        headers[SIGNATURE_SETTINGS_HEADER] = f"key={key_id},algorithm={algorithm}"
    url = case.get("signed_base", base) + target
    signer = RequestValidator(case.get("token", token))
    signature = signer.compute_signature(url, MultiDict(pairs), "HMAC_SHA1" if algorithm == "HMAC_MD5" else algorithm)
    headers["X-Twilio-Signature"] = signature = case.get("signature", signature)
    # Where the URL tells its hash, the library takes the body as it came.
    received = body if case.get("body_hash") else MultiDict(parse_qsl(body, keep_blank_values=True))
    if method == "POST":
        headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
    return {
        "name": case["name"],
        "base": base,
        "method": method,
        "target": sent_target,
        "headers": headers,
        "body": body,
        "is_valid": RequestValidator(token).validate(base + sent_target, received, signature, algorithm),
    }


def main():
    cases = json.loads(pathlib.Path(__file__).with_name("cases.json").read_text(encoding="utf-8"))
    for case in cases:
        if case.get("node_only"):
            continue
        print(json.dumps(replay(case, *sys.argv[1:])))


main()
