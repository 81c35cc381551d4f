"""What the validator of Twilio's own library says of each callback: a list of booleans."""
import json
import sys
from urllib.parse import parse_qsl

from twilio.request_validator import RequestValidator

given = json.load(sys.stdin)
validator = RequestValidator(given["token"])
verdicts = []
for callback in given["callbacks"]:
    params = dict(parse_qsl(callback["body"], keep_blank_values=True, strict_parsing=True))
    verdicts.append(validator.validate(given["url"], params, callback["signature"]))
json.dump(verdicts, sys.stdout)
