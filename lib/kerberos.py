"""Who we are to a secured cluster: the principal of a keytab, or whoever holds the ticket that kinit got.

libkrb5 and hdfs-native do the work; on the nodes a delegation token takes its place, and neither library is needed.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

from lib.errors import NotLoggedIn, UsageError

SETTINGS = ("spark.kerberos.keytab", "spark.kerberos.principal")
# In the environment, as the processes that this one starts are the same user. A path and a name, no secrets.
KEYTAB, PRINCIPAL = "FIREBALL_KEYTAB", "FIREBALL_PRINCIPAL"
LIBRARY = "libgssapi_krb5.so.2"  # hdfs-native loads it when it has no token; without, it waits for minutes


def log_in(spark_conf: Mapping[str, str]) -> None:
    """Be the principal that Spark's settings name, if they do. Raises UsageError where its keytab cannot be used."""
    keytab, principal = map(spark_conf.get, SETTINGS)
    if not keytab and not principal:
        return
    if not keytab or not principal:
        raise UsageError("spark.kerberos.keytab and spark.kerberos.principal: give both of them or neither")
    if not os.access(keytab, os.R_OK):
        raise UsageError(f"spark.kerberos.keytab {keytab}: cannot be read")
    os.environ |= {KEYTAB: str(Path(keytab).absolute()), PRINCIPAL: principal}


class Credentials(TypedDict, total=False):
    """Arguments for hdfs-native's client."""

    kerberos_keytab: str
    kerberos_principal: str
    kerberos_cache: str


def credentials(cache: str | None = None) -> Credentials:
    """Of the keytab that we are logged in by, `cache` for its ticket; without one the client looks for a ticket."""
    if not has_keytab():
        return {}
    found: Credentials = {"kerberos_keytab": os.environ[KEYTAB], "kerberos_principal": os.environ[PRINCIPAL]}
    return {**found, "kerberos_cache": cache} if cache else found


def has_keytab() -> bool:
    """Whether we are logged in by keytab."""
    return bool(os.environ.get(KEYTAB) and os.environ.get(PRINCIPAL))


def to_paste() -> list[str]:
    """What does by hand what a keytab does here."""
    return [shlex.join(["kinit", "-kt", os.environ[KEYTAB], os.environ[PRINCIPAL]])] if has_keytab() else []


def denied(text: str) -> OSError:
    """What GSSAPI reports, in one line; its last text is what it calls the trouble, and then what Kerberos says."""
    last = re.search(r', "((?:[^"\\]|\\.)*)"\)$', text)
    told = re.sub(r"\\([\"'\\])", r"\1", last[1]) if last else text
    said = f"HDFS wants Kerberos: {told.partition(': ')[2] or told}"
    if os.environ.get("HADOOP_TOKEN_FILE_LOCATION"):
        return no_token(said)
    if has_keytab():
        return NotLoggedIn(f"{said}; is {os.environ[PRINCIPAL]} in {os.environ[KEYTAB]}?")
    return NotLoggedIn(f"{said}; kinit first, or name keytab and principal")


def no_token(text: str) -> OSError:
    """In a container, where nobody can log in."""
    return OSError(errno.EKEYEXPIRED, f"{text}; delegation tokens run out, and the same command gets new ones")


def is_required(core_site: Mapping[str, str]) -> bool:
    """Whether the cluster of this configuration asks for Kerberos."""
    return core_site.get("hadoop.security.authentication", "").lower() == "kerberos"


def user() -> str:
    """The short name of who we are: the principal up to `/` or `@`, by keytab before ticket; empty without either."""
    return re.split("[/@]", os.environ[PRINCIPAL] if has_keytab() else ticket()[0])[0]


def check(core_site: Mapping[str, str]) -> None:
    """Raise UsageError for what would only fail later, and slowly, on a secured cluster."""
    if not is_required(core_site):
        return
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        raise UsageError(
            f"{LIBRARY} is not on this machine, and HDFS wants Kerberos: install krb5-libs (on Debian "
            "libgssapi-krb5-2); the nodes do without"
        ) from None
    holder, kind = ("", "") if has_keytab() else ticket()
    if holder and kind != "FILE":
        raise UsageError(
            f"the ticket of {holder} is in a cache of kind {kind}, where Java does not see it: "
            f"export KRB5CCNAME=FILE:/tmp/krb5cc_{os.getuid()}, and kinit again"
        )


def ticket() -> tuple[str, str]:
    """Whose the default ticket is, and the kind of its cache (FILE, KEYRING, KCM ...); empty texts without one."""
    context, cache, principal = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    name = ctypes.c_char_p()
    try:
        krb5 = ctypes.CDLL("libkrb5.so.3")
    except OSError:
        return "", ""
    krb5.krb5_cc_get_type.restype = ctypes.c_char_p
    failed = (
        krb5.krb5_init_context(ctypes.byref(context))
        or krb5.krb5_cc_default(context, ctypes.byref(cache))
        or krb5.krb5_cc_get_principal(context, cache, ctypes.byref(principal))
        or krb5.krb5_unparse_name(context, principal, ctypes.byref(name))
    )
    if failed or name.value is None:
        return "", ""
    return name.value.decode(), krb5.krb5_cc_get_type(context, cache).decode()
