"""Gets an object with boto3, which checks the checksum that the server tells, and prints which it was."""
import sys

import boto3

url, bucket, key, to = sys.argv[1:]
client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
got = client.get_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
with open(to, "wb") as file:
    file.write(got["Body"].read())
algorithm = next((name for name in ("CRC32", "CRC64NVME") if "Checksum" + name in got), "none")
print(algorithm, got.get("ChecksumType", "FULL_OBJECT"))
