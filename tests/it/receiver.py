"""An owner's system: takes webhooks, has the official library verify each, and answers as it is told to.

Arguments: the signing secret and the statuses to answer with in turn, of which the last repeats. Prints its port, then
one JSON object for each request.
"""

import http.server
import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

SECRET, *STATUSES = sys.argv[1:]


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        post = {"path": self.path, "id": self.headers["webhook-id"], "body": None}
        try:
            post["body"] = Webhook(SECRET).verify(body, dict(self.headers))
        except WebhookVerificationError as error:
            post["refused"] = str(error)
        print(json.dumps(post), flush=True)
        self.send_response(int(STATUSES.pop(0) if len(STATUSES) > 1 else STATUSES[0]))
        self.send_header("location", "/elsewhere")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
print(server.server_port, flush=True)
server.serve_forever()
