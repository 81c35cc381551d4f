"""Opens a recording under Voice Recording Encryption; prints the SHA-256 of what was inside."""
import base64
import hashlib
import json
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

given = json.load(sys.stdin)
details = given["details"]
private_key = serialization.load_der_private_key(bytes(given["private_key"]), password=None)
key = private_key.decrypt(
    base64.b64decode(details["encryption_cek"]), OAEP(MGF1(hashes.SHA256()), hashes.SHA256(), None)
)
iv = base64.b64decode(details["encryption_iv"])
wav = AESGCM(key).decrypt(iv, bytes(given["ciphertext"]), None)
json.dump(hashlib.sha256(wav).hexdigest(), sys.stdout)
