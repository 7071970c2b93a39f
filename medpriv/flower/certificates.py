"""Who is who: the federation's authority, the server's certificate, a key for each hospital.

The server proves itself to hospitals by a certificate of the federation's own authority; a hospital proves itself to
the server by signing with its key, whose public half the server knows. Private halves are written readable by their
owner only, never overwritten, and never leave the machine they were made on.
"""

import os
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from medpriv.errors import InputError

VALID_DAYS = 825  # the longest that common verifiers accept of a server's certificate


def make_authority(folder: Path | str, name: str = "medpriv federation") -> Path:
    """Write `authority.pem` and its private key `authority.key`; return the certificate's path.

    Raises:
        InputError: one of the files exists.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    folder, key = Path(folder), ec.generate_private_key(ec.SECP384R1())
    _refuse_existing(folder / "authority.pem", folder / "authority.key")
    built = _certificate(name, name, key.public_key()).add_extension(x509.BasicConstraints(True, 0), critical=True)
    usage = {name: name in ("key_cert_sign", "crl_sign", "digital_signature") for name in _USAGES}
    built = built.add_extension(x509.KeyUsage(**usage), critical=True)
    _write_private(folder / "authority.key", _pem(key))
    return _write_certificate(folder / "authority.pem", built, key, key)


def make_server_certificate(folder: Path | str, hosts: Sequence[str], authority: Path | str | None = None) -> Path:
    """Write `server.pem` and its private key `server.key`, signed by the authority; return the certificate's path.

    Args:
        folder: where they go.
        hosts: the names or addresses by which hospitals reach the server; loopback is added.
        authority: the folder of `authority.pem` and `authority.key`; the same folder if not given.

    Raises:
        InputError: the authority is missing, or one of the files exists.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    folder, authority = Path(folder), Path(authority or folder)
    _refuse_existing(folder / "server.pem", folder / "server.key")
    issuer = x509.load_pem_x509_certificate(read_file(authority / "authority.pem", "make the authority first"))
    signer = load_pem_private_key(read_file(authority / "authority.key", "make the authority first"), None)
    key = ec.generate_private_key(ec.SECP384R1())
    names = [_alternative(host) for host in dict.fromkeys((*hosts, "localhost", "127.0.0.1"))]
    built = (
        _certificate(hosts[0], issuer.subject, key.public_key())
        .add_extension(x509.BasicConstraints(False, None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    _write_private(folder / "server.key", _pem(key))
    return _write_certificate(folder / "server.pem", built, key, signer)


def make_hospital_key(folder: Path | str, name: str) -> Path:
    """Write a hospital's private key `<name>.key` and public key `<name>.pub` (OpenSSH); return the private one's path.

    Raises:
        InputError: one of the files exists.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder, key = Path(folder), ec.generate_private_key(ec.SECP384R1())
    _refuse_existing(folder / f"{name}.key", folder / f"{name}.pub")
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    _write_private(folder / f"{name}.key", private)
    _write_new(folder / f"{name}.pub", public + f" {name}\n".encode())
    return folder / f"{name}.key"


def make_secret(path: Path) -> Path:
    """Write 32 random bytes that the processes of one machine know each other by; return the path."""
    _write_private(path, secrets.token_hex(32).encode())
    return path


def read_public_key(path: Path | str) -> bytes:
    """Return a hospital's public key as the SuperLink takes it.

    Raises:
        InputError: there is no such file, or it is not a public EC key in OpenSSH's format.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    content = read_file(path, "ask the hospital for its .pub file")
    try:
        key = serialization.load_ssh_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise InputError(
            "not a hospital's public key",
            file=path,
            remedy="take the .pub file made by `python -m medpriv.flower key`; a .key file must stay at the hospital",
        )
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def read_file(path: Path | str, remedy: str) -> bytes:
    """Return a file's bytes.

    Raises:
        InputError: it can't be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(error.strerror or "can't be read", file=path, remedy=remedy) from None


_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def _certificate(subject: str, issuer, public_key):
    """Return an unsigned certificate; the issuer is a name or the issuer's own subject."""
    from cryptography import x509

    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text[:64])])

    start = datetime.now(UTC) - timedelta(minutes=5)  # clocks differ
    return (
        x509.CertificateBuilder()
        .subject_name(named(subject))
        .issuer_name(named(issuer) if isinstance(issuer, str) else issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=VALID_DAYS))
    )


def _alternative(host: str):
    """Return a subject alternative name: of an address if it is one, else of a host."""
    from cryptography import x509

    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(key) -> bytes:
    """Return a private key as unencrypted PKCS #8."""
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_certificate(path: Path, built, key, signer) -> Path:
    """Sign a certificate and write it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    identified = built.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    identified = identified.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
    )
    _write_new(path, identified.sign(signer, hashes.SHA384()).public_bytes(serialization.Encoding.PEM))
    return path


def _write_private(path: Path, content: bytes) -> None:
    _write_new(path, content, 0o600)


def _refuse_existing(*paths: Path) -> None:
    """Refuse to write any of some files that belong together where one of them exists.

    The half that is there may be the one that counts: an authority's key is best kept elsewhere.
    """
    for path in paths:
        if path.exists():
            raise InputError(
                "exists already", file=path, remedy="keep using it, or move it away if it is to be replaced"
            )


def _write_new(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file that must not exist yet, with its final permissions from the first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
