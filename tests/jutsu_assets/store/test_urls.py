"""URLs of databases: what they may be, and that nothing that is said of one shows what is secret in it."""

import pytest

from jutsu_assets.store.urls import database_url, shown_url
from jutsu_core.errors import ConfigurationError

HIDDEN = "S3CRET"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"postgresql://me:{HIDDEN}@host:5432/db", "postgresql+psycopg://me:***@host:5432/db"),
        (f"postgres://me:{HIDDEN}%40%2F@host/db", "postgresql+psycopg://me:***@host/db"),
        (f"postgresql:///db?host=/run&user=me&password={HIDDEN}", "postgresql+psycopg:///db?host=%2Frun&user=me"),
        (f"postgresql://host/db?sslpassword={HIDDEN}&sslkey=k", "postgresql+psycopg://host/db?sslkey=k"),
        (f"postgresql://host/db?SSLPassword={HIDDEN}&PASSWORD={HIDDEN}", "postgresql+psycopg://host/db"),
        (f"postgresql://host/db?password={HIDDEN}&password=2{HIDDEN}", "postgresql+psycopg://host/db"),
        (f"postgresql://host/db?oauth_client_secret={HIDDEN}", "postgresql+psycopg://host/db"),
        (f"postgresql://host/db?scram_client_key={HIDDEN}", "postgresql+psycopg://host/db"),
        ("postgresql://host/db?passfile=f", "postgresql+psycopg://host/db?passfile=f"),
    ],
)
def test_what_is_secret_is_not_shown_and_what_is_not_is(text: str, shown: str) -> None:
    assert shown_url(database_url(text)) == shown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"postgresql://me:{HIDDEN}@host:port/db?password={HIDDEN}", "may hold a password, and is not shown"),
        (f"postgres:/me:{HIDDEN}/host", "may hold a password, and is not shown"),
        (f"host=db password={HIDDEN}", "may hold a password, and is not shown"),
        (HIDDEN, "may hold a password, and is not shown"),
        (f"postgresql://me:p@{HIDDEN}@host/db", "must hold one @, before the server's name; write @ : "),
        (f"postgresql://me/mine:{HIDDEN}@host/db", "must hold one @, before the server's name"),
        (f"mysql://me:p@{HIDDEN}@host/db", "must hold one @, before the server's name"),
        (f"mysql://me:{HIDDEN}@host/db?password={HIDDEN}", "was 'mysql://me:***@host/db'"),
        (f"sqlite://me:{HIDDEN}@/:memory:", "must be a file or a server that processes can share"),
        ("var/jutsu.db", "was 'var/jutsu.db'"),
        ("sqlite:/data/jutsu.db", "was 'sqlite:/data/jutsu.db'"),
    ],
)
def test_a_url_is_refused_without_showing_what_is_secret(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        database_url(text)
    assert said in str(refusal.value)
    assert HIDDEN not in str(refusal.value)
