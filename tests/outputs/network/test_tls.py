"""What settings of TLS come to, and what its failures mean."""

from __future__ import annotations

import contextlib
import errno
import os
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from sensor.outputs.network import tls
from sensor.outputs.network.tls import TlsSettings, TlsUnusable, TlsVersion
from tests.outputs.certificates import Authority

ENDING = "-----END CERTIFICATE-----\n"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_a_server_is_always_verified(authority: Authority) -> None:
    for settings in (TlsSettings(), TlsSettings(ca=authority.ca)):
        made = tls.context(settings)
        assert made.verify_mode is ssl.CERT_REQUIRED
        assert made.check_hostname


def test_an_authority_takes_the_place_of_the_system_s(authority: Authority) -> None:
    assert len(tls.context(TlsSettings(ca=authority.ca)).get_ca_certs()) == 1


@pytest.mark.parametrize("version", list(TlsVersion))
def test_older_versions_are_not_spoken(version: TlsVersion) -> None:
    made = tls.context(TlsSettings(minimum_version=version))
    expected = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
    assert made.minimum_version is expected[version]


def shown_certificate(client: ssl.SSLContext, authority: Authority) -> bytes | None:
    """Return the certificate that a client shows to a server that asks for one."""
    files = authority.issue("collector")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.ca))
    server.load_cert_chain(files.certificate, files.key)
    server.verify_mode = ssl.CERT_OPTIONAL
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    caller = client.wrap_bio(to_client, to_server, server_hostname="collector")
    called = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (caller, called):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    return called.getpeercert(binary_form=True)


def test_a_key_may_stand_beside_its_certificate_or_in_its_file(authority: Authority) -> None:
    files = authority.issue("node-7")
    own = ssl.PEM_cert_to_DER_cert(files.certificate.read_text().split("-----END")[0] + ENDING)
    both = files.certificate.with_name("both.pem")
    both.write_bytes(files.key.read_bytes() + files.certificate.read_bytes())
    for settings in (
        TlsSettings(ca=authority.ca, certificate=files.certificate, key=files.key),
        TlsSettings(ca=authority.ca, certificate=both),
    ):
        assert shown_certificate(tls.context(settings), authority) == own
    assert shown_certificate(tls.context(TlsSettings(ca=authority.ca)), authority) is None


def test_a_key_of_another_certificate_is_named(authority: Authority) -> None:
    one, two = authority.issue("one"), authority.issue("two")
    with pytest.raises(TlsUnusable, match=r"two\.key\.pem is not a usable key"):
        tls.context(TlsSettings(certificate=one.certificate, key=two.key))


def test_a_key_with_a_password_does_not_ask_the_terminal(authority: Authority) -> None:
    files = authority.issue("node-7")
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"hidden"),
        )
    )
    with pytest.raises(TlsUnusable, match="is encrypted"):
        tls.context(TlsSettings(certificate=files.certificate, key=files.key))


@pytest.mark.parametrize("what", ["missing", "fifo", "directory"])
@pytest.mark.parametrize("field", ["ca", "certificate", "key"])
def test_a_file_that_is_none_is_named_and_not_waited_for(
    what: str, field: str, authority: Authority, tmp_path: Path
) -> None:
    path = tmp_path / "odd"
    if what == "fifo":
        os.mkfifo(path)
    elif what == "directory":
        path.mkdir()
    files = authority.issue("node-7")
    right: dict[str, Any] = {"certificate": files.certificate, "key": files.key}
    with pytest.raises(TlsUnusable, match=str(path)):
        tls.context(TlsSettings(**{**(right if field == "key" else {}), field: path}))


def ssl_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, "said by OpenSSL")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "words", "credentials"),
    [
        (ssl_error("WRONG_VERSION_NUMBER"), "does not speak TLS", True),
        (ssl_error("TLSV1_ALERT_UNKNOWN_CA"), "TLS: tlsv1 alert unknown ca", True),
        (ssl_error("UNEXPECTED_EOF_WHILE_READING"), "TLS: unexpected eof", False),
        (OSError(errno.ECONNREFUSED, "x"), "Connection refused", False),
        (ConnectionResetError(), "the connection was reset", False),
    ],
)
def test_a_failure_is_reported_in_words(error: OSError, words: str, credentials: object) -> None:
    reported, trust = tls.failure(error)
    assert words in reported
    assert trust is credentials
