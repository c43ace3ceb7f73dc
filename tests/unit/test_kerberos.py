"""Who we are to a secured cluster, and what is said where nobody knows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lib import hdfs, kerberos
from lib.errors import NotLoggedIn, UsageError

DENIED = (
    'GSSAPIError(GssMajorCodes { raw: "0x00070000", routine_error: "GSS_S_NO_CRED" }, 2529639053, "No credentials were '
    'supplied, or the credentials were unavailable: No Kerberos credentials available (default cache: FILE:/tmp/x)")'
)


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (kerberos.KEYTAB, kerberos.PRINCIPAL, "HADOOP_TOKEN_FILE_LOCATION"):
        monkeypatch.setenv(name, "")  # so that it is put back
        monkeypatch.delenv(name)
    monkeypatch.setenv("KRB5CCNAME", "FILE:/nowhere/ticket")


def settings(keytab: str, principal: str) -> dict[str, str]:
    return {"spark.kerberos.keytab": keytab, "spark.kerberos.principal": principal}


def test_a_keytab_makes_this_process_and_its_children_the_principal(tmp_path: Path) -> None:
    (tmp_path / "ada.keytab").touch()
    kerberos.log_in(settings(str(tmp_path / "ada.keytab"), "ada/admin@EXAMPLE.COM"))
    assert os.environ["FIREBALL_KEYTAB"] == f"{tmp_path}/ada.keytab"
    assert os.environ["FIREBALL_PRINCIPAL"] == "ada/admin@EXAMPLE.COM"
    assert kerberos.user() == "ada"


def test_a_keytab_without_a_principal_or_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="give both of them or neither"):
        kerberos.log_in({"spark.kerberos.keytab": "/nowhere/ada.keytab"})
    with pytest.raises(UsageError, match=r"spark\.kerberos\.keytab /nowhere/ada\.keytab: cannot be read"):
        kerberos.log_in(settings("/nowhere/ada.keytab", "ada"))


def test_without_ticket_and_keytab_we_are_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIREBALL_PRINCIPAL", "ada")  # of no keytab
    kerberos.log_in({})
    assert kerberos.user() == ""


SECURED = {"hadoop.security.authentication": "kerberos"}
# A ticket cache as krb5 writes it, of ada@EXAMPLE.COM and without tickets.
EMPTY_CACHE = b"\x05\x04\0\0" + b"\0\0\0\x01\0\0\0\x01" + b"\0\0\0\x0bEXAMPLE.COM" + b"\0\0\0\x03ada"


def test_the_ticket_says_who_we_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ticket").write_bytes(EMPTY_CACHE)
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/ticket")
    kerberos.check(SECURED)
    assert kerberos.user() == "ada"


def test_a_ticket_that_java_does_not_see_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tkt").write_bytes(EMPTY_CACHE)
    (tmp_path / "primary").write_text("tkt\n")
    monkeypatch.setenv("KRB5CCNAME", f"DIR:{tmp_path}")
    with pytest.raises(UsageError, match="in a cache of kind DIR, where Java does not see it"):
        kerberos.check(SECURED)


def test_without_the_library_a_secured_cluster_is_refused_before_it_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kerberos, "LIBRARY", "libnowhere.so.2")
    kerberos.check({})
    with pytest.raises(UsageError, match=r"libnowhere\.so\.2 is not on this machine, and HDFS wants Kerberos"):
        kerberos.check(SECURED)


def test_the_configuration_says_whether_a_ticket_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path))
    assert not kerberos.is_required(hdfs.core_site())
    wanted = "<property><name>hadoop.security.authentication</name><value> Kerberos </value></property>"
    (tmp_path / "core-site.xml").write_text(f"<?xml version='1.0'?><configuration>{wanted}</configuration>")
    assert kerberos.is_required(hdfs.core_site())


@pytest.mark.parametrize(
    ("reported", "said"),
    [
        (DENIED, "No Kerberos credentials available (default cache: FILE:/tmp/x)"),
        ('GSSAPIError(GssMajorCodes { raw: "0x1" }, 1, "Clock skew too great")', "Clock skew too great"),
        (
            r'GSSAPIError(Codes { raw: "0x1" }, 1, "Unspecified: Cannot find KDC for realm \"EXAMPLE.COM\"")',
            'Cannot find KDC for realm "EXAMPLE.COM"',
        ),
        ("GSSAPIError(GSS_S_NO_CRED)", "GSSAPIError(GSS_S_NO_CRED)"),
    ],
)
def test_a_missing_ticket_is_one_line_of_kerberos_own_words(reported: str, said: str) -> None:
    @hdfs.plain_errors
    def denied() -> None:
        raise RuntimeError(reported)

    with pytest.raises(NotLoggedIn) as error:
        denied()
    assert str(error.value) == f"HDFS wants Kerberos: {said}; kinit first, or name keytab and principal"


def test_tokens_that_have_run_out_say_what_to_do() -> None:
    @hdfs.plain_errors
    def denied() -> None:
        kind = "org.apache.hadoop.security.token.SecretManager$InvalidToken"
        raise OSError(f'FatalRPCError("{kind}: Token  has expired, current time: 2026-11-26")')

    with pytest.raises(OSError, match="; delegation tokens run out, and the same command gets new ones") as error:
        denied()
    assert not isinstance(error.value, NotLoggedIn)  # the environment is not wrong


def test_the_name_node_is_asked_by_the_address_that_is_in_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tokens").write_bytes(b"HDTS\0...\x15HDFS_DELEGATION_TOKEN\x0e127.0.0.1:8020")
    assert hdfs.address_in_token("hdfs://localhost:8020") == ""
    monkeypatch.setenv("HADOOP_TOKEN_FILE_LOCATION", str(tmp_path / "tokens"))
    assert hdfs.address_in_token("hdfs://localhost:8020") == "hdfs://127.0.0.1:8020"
    assert hdfs.address_in_token("hdfs://localhost") == "hdfs://127.0.0.1:8020"
    assert hdfs.address_in_token("hdfs://localhost:8021") == ""
    assert hdfs.address_in_token("viewfs://cluster") == ""
