"""AWS's own Python library, on the queue and the server that the arguments name. Prints one JSON document.

sqs.py SERVER receive QUEUE            the first message, as boto3 shows it
sqs.py SERVER send QUEUE BODY ATTRS    sends a message with the attributes that the JSON names
sqs.py SERVER describe QUEUE           the queue's attributes
sqs.py SERVER set QUEUE ATTRS          sets some
"""

import json
import sys

import boto3

server, verb, queue, *rest = sys.argv[1:]
sqs = boto3.client(
    "sqs", endpoint_url=server, region_name="eu-west-1", aws_access_key_id="any", aws_secret_access_key="any"
)
url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]

if verb == "receive":
    received = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"], WaitTimeSeconds=10)
    message = received["Messages"][0]
    attributes = message.get("MessageAttributes", {})
    answer = {
        "body": message["Body"],
        "attributes": {name: [value["DataType"], value["StringValue"]] for name, value in attributes.items()},
    }
elif verb == "send":
    body, attributes = rest
    values = {
        name: {"DataType": kind, "StringValue": value} for name, (kind, value) in json.loads(attributes).items()
    }
    answer = sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=values)["MessageId"]
elif verb == "describe":
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
else:
    sqs.set_queue_attributes(QueueUrl=url, Attributes=json.loads(rest[0]))
    answer = None
print(json.dumps(answer))
