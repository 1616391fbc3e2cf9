"""The command that logs in to Schwab."""

import webbrowser
from collections.abc import Callable
from contextlib import closing

import click

from jutsu_assets.clock import SystemClock, SystemSleeper
from jutsu_assets.schwab.callback import CallbackServer, can_be_heard
from jutsu_assets.schwab.login import Login
from jutsu_assets.schwab.throttle import Throttle
from jutsu_assets.schwab.tokens import FileTokenStore
from jutsu_assets.schwab.transport import transport_to
from jutsu_assets.settings import Settings
from jutsu_assets.store.coordination import RequestLedger
from jutsu_assets.store.existing import writable_database

SettingsOf = Callable[[], Settings]

_LOGIN_SECONDS = 300.0


@click.command()
@click.option("--manual", is_flag=True, help="Paste the address that the browser lands on, instead of it being heard.")
@click.option(
    "--browser/--no-browser", default=True, show_default=True, help="Whether to open the page, or only to print it."
)
@click.pass_obj
def login(settings_of: SettingsOf, *, manual: bool, browser: bool) -> None:
    """Log in to Schwab, which lasts seven days: a page opens, and Jutsu hears when you allowed access.

    That needs a SCHWAB_CALLBACK_URL with a port on this machine, such as https://127.0.0.1:8182;
    the browser warns of its certificate once, which is made for this one login. With any other
    callback URL, or on a machine without a browser, the address is pasted.

    Where SCHWAB_BASE_URL is `jutsu simulator`, this is a rehearsal: its page allows access at once.
    """
    settings = settings_of()
    if settings.credentials is None or settings.base_url is None:
        message = "SCHWAB_API_KEY and SCHWAB_APP_SECRET must be set to log in; see the README"
        raise click.ClickException(message)
    credentials, clock = settings.credentials, SystemClock()
    tokens = FileTokenStore(credentials.token_path)
    tokens.require_writable()
    if settings.simulator_url is not None:
        click.echo(f"A rehearsal against the simulator {settings.simulator_url}, kept in {credentials.token_path}.")
    with (
        closing(writable_database(settings)) as database,
        Login(
            api_key=credentials.api_key,
            app_secret=credentials.app_secret,
            callback_url=credentials.callback_url,
            transport=transport_to(settings.base_url),
            throttle=Throttle(RequestLedger(database, clock), SystemSleeper()),
            tokens=tokens,
            origin=settings.base_url,
        ) as attempt,
    ):
        is_heard = not manual and can_be_heard(credentials.callback_url)
        received = _heard(attempt, credentials.callback_url, browser=browser) if is_heard else _pasted(attempt.url)
        attempt.finish(received, now_seconds=int(clock.now().timestamp()))
    click.echo(f"Logged in. {credentials.token_path} is good until {tokens.expires_at():%Y-%m-%d %H:%M} UTC.")


def _heard(attempt: Login, callback_url: str, *, browser: bool) -> str:
    with CallbackServer(callback_url, SystemClock().now(), attempt.is_answered_by) as server:
        opened = browser and webbrowser.open(attempt.url)
        begin = "A browser opens" if opened else "Open"
        click.echo(f"{begin} this address; log in there and allow access:\n\n  {attempt.url}\n")
        click.echo(f"It then lands on {callback_url}, on this machine: accept the warning about its certificate.")
        return server.wait(_LOGIN_SECONDS)


def _pasted(url: str) -> str:
    click.echo(f"Open this address in a browser, log in and allow access:\n\n  {url}\n")
    click.echo("The browser then lands on a page that cannot be shown; its address is what counts.")
    pasted: str = click.prompt("Paste that address within 30 seconds")
    return pasted
