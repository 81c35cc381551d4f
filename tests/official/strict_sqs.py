"""An SQS that checks signatures and rights, until its standard input ends.

strict_sqs.py NAME=POLICY…    makes a user for each; prints {"url": …, "users": {NAME: {"id": …, "secret": …}}}

To each queue that a line of the input names, it sends a message that is no job, as the user "worker".

The server is moto. It takes the names of batch actions for rights of their own, where AWS asks for the single
action's, and does not tell resources apart: policies are given to it in its terms.
"""

import json
import os
import sys

os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "inf"

import boto3
import requests
from moto.server import ThreadedMotoServer


def in_motos_terms(policy):
    for statement in policy["Statement"]:
        statement["Action"] += [action + "Batch" for action in statement["Action"]]
        statement["Resource"] = "*"
    return json.dumps(policy)


server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
url = f"http://{host}:{port}"
iam = boto3.client(
    "iam", endpoint_url=url, region_name="eu-west-1", aws_access_key_id="any", aws_secret_access_key="any"
)
users = {}
for name, policy in (argument.split("=", 1) for argument in sys.argv[1:]):
    iam.create_user(UserName=name)
    if policy:
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=in_motos_terms(json.loads(policy)))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    users[name] = {"id": key["AccessKeyId"], "secret": key["SecretAccessKey"]}
requests.post(f"{url}/moto-api/reset-auth", data=b"0").raise_for_status()
print(json.dumps({"url": url, "users": users}), flush=True)
key = users["worker"]
sqs = boto3.client(
    "sqs", endpoint_url=url, region_name="eu-west-1", aws_access_key_id=key["id"], aws_secret_access_key=key["secret"]
)
for line in sys.stdin:
    queue = sqs.get_queue_url(QueueName=line.strip())
    sqs.send_message(QueueUrl=queue["QueueUrl"], MessageBody="poison")
