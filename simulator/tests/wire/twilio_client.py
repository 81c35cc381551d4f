"""Twilio's own client, its requests sent to the simulator instead of api.twilio.com."""
import hashlib
import json
import sys
from datetime import datetime, timezone

from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

given = json.load(sys.stdin)


class Redirected(TwilioHttpClient):
    def request(self, method, url, *args, **kwargs):
        assert url.startswith("https://api.twilio.com/"), url
        return super().request(method, url.replace("https://api.twilio.com/", given["url"]), *args, **kwargs)


def client(token):
    return Client(given["account"], token, http_client=Redirected())


def refusal(call):
    try:
        call()
    except TwilioRestException as error:
        return [error.status, error.code]
    return None


def fetch(recordings, sid):
    one = recordings(sid).fetch()
    names = "sid call_sid conference_sid status source channels duration error_code price_unit".split()
    fields = {name: getattr(one, name) for name in names}
    return fields | {name: getattr(one, name).isoformat() for name in ("start_time", "date_created")}


def delete(recordings, sid):
    return {
        "deleted": recordings(sid).delete(),
        "fetch": refusal(recordings(sid).fetch),
        "tombstone": recordings(sid).fetch(include_soft_deleted=True).status,
        "again": refusal(recordings(sid).delete),
    }


def errors():
    # Pages raise without the code, so the size is asked for as the library's own request.
    too_large = twilio.request("GET", f"https://api.twilio.com/2010-04-01/Accounts/{given['account']}/Recordings.json?PageSize=1001")
    wrong = client("wrong")
    return {
        "page_size": [too_large.status_code, json.loads(too_large.text)["code"]],
        "credentials": refusal(wrong.recordings("RE" + "0" * 32).fetch),
    }


def media(recordings, sid):
    uri = recordings(sid).fetch().uri.replace(".json", ".wav")
    session = twilio.http_client.session
    response = session.get(given["url"] + uri.lstrip("/"), auth=(given["account"], given["token"]))
    response.raise_for_status()
    return {"sha256": hashlib.sha256(response.content).hexdigest(), "bytes": len(response.content)}


def between(recordings):
    instant = lambda name: datetime.fromisoformat(given[name]).replace(tzinfo=timezone.utc)
    found = recordings.list(date_created_after=instant("after"), date_created_before=instant("before"))
    return [one.sid for one in found]


twilio = client(given["token"])
tasks = {
    "list": lambda: [one.sid for one in twilio.recordings.list(page_size=given["page_size"])],
    "between": lambda: between(twilio.recordings),
    "fetch": lambda: fetch(twilio.recordings, given["sid"]),
    "delete": lambda: delete(twilio.recordings, given["sid"]),
    "errors": errors,
    "media": lambda: media(twilio.recordings, given["sid"]),
}
json.dump(tasks[given["task"]](), sys.stdout)
