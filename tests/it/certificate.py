"""Makes a certificate authority and a certificate of its for localhost: ca.pem, cert.pem and key.pem in a folder."""
import datetime
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

folder = pathlib.Path(sys.argv[1])
now = datetime.datetime.now(datetime.timezone.utc)
day = datetime.timedelta(days=1)


def name(common):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def certificate(subject, key, issuer, issuer_key, extension):
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number(), now - day, now + day)
    return builder.add_extension(extension, critical=True).sign(issuer_key, hashes.SHA256())


ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
ca = certificate(name("tests"), ca_key, name("tests"), ca_key, x509.BasicConstraints(ca=True, path_length=None))
names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
cert = certificate(name("localhost"), key, name("tests"), ca_key, names)
pem = serialization.Encoding.PEM
(folder / "ca.pem").write_bytes(ca.public_bytes(pem))
(folder / "cert.pem").write_bytes(cert.public_bytes(pem))
(folder / "key.pem").write_bytes(
    key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
)
