"""A host that can install packages: repositories that answer, a few tools, the time zone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal
from zoneinfo import available_timezones

from pydantic import Field, StringConstraints, field_validator
from pyinfra.api import deploy

from deploys.mirrors import SCL, epel_url, stock_urls
from deploys.options import Options
from deploys.release import Release
from deploys.urls import bad_urls
from facts.release import Machine
from operations import files, repositories, rpm
from operations.script import refuse

# What the deploys call on a host that a minimal installation may lack. Not curl: every image has the program,
# and where it is EL9's curl-minimal, the package curl would conflict.
TOOLS = ["ca-certificates", "gnupg2", "tar", "xz"]

_ZONE = re.compile(r"[A-Za-z_]+(/[A-Za-z0-9_+-]+){0,2}")

# Source: distribution-gpg-keys, 2026-08.
EPEL_FINGERPRINT = {
    7: "91E97D7C4A5E96F17F3E888F6A2FAEA2352C64E5",
    8: "94E279EB8D8F25B21810ADF121EA45AB2F86D6A1",
    9: "FF8AD1344597106ECE813B918A3872BF3228467C",
}
# As yum shows it when it imports the key of centos-release-scl-rh; read in two public repositories, 2026-11.
SCL_FINGERPRINT = "C4DBD535B1FBBA14F8BA64A84EB84E71F2EE9D55"
_FINGERPRINT = StringConstraints(pattern=r"^([0-9A-F]{40})?$")


class BaseOptions(Options):
    """Options of the base deploy."""

    namespace: ClassVar[str] = "base_"

    repositories: Literal["repair", "leave", "restore"] = Field(
        "repair",
        description="repair: point stock files that still use CentOS's dead mirrorlist at base_vault_urls; "
        "restore: put the stock files back; leave: touch none. A file that points elsewhere stays as it is",
    )
    vault_urls: list[str] = Field(
        ["https://vault.centos.org", "https://archive.kernel.org/centos-vault"],
        description="mirrors of what CentOS 7 and 8 last were; yum 3 takes any of them first",
        min_length=1,
    )
    stream_urls: list[str] = Field(
        [],
        description="your own mirror of CentOS Stream 9; empty keeps the public metalink, which is alive",
    )
    insecure_mirror: bool = Field(
        False,
        description="allow http:// in the URLs of the base_ options; packages are still checked by signature",
    )
    epel: bool = Field(False, description="whether to add EPEL")
    epel_urls: list[str] = Field(
        [], description="mirrors of EPEL, {major} stands for the release; empty: the project's own server"
    )
    epel_key_url: str = Field(
        "https://dl.fedoraproject.org/pub/epel/RPM-GPG-KEY-EPEL-{major}",
        description="where EPEL's key is; {major} stands for the release",
    )
    epel_fingerprint: Annotated[str, _FINGERPRINT] = Field(
        "", description="fingerprint of that key; empty: the one EPEL publishes"
    )
    scl: bool = Field(
        False, description="on EL7, whether to add CentOS's Software Collections, from base_vault_urls"
    )
    scl_key_url: str = Field(
        "https://www.centos.org/keys/RPM-GPG-KEY-CentOS-SIG-SCLo", description="where their key is"
    )
    scl_fingerprint: Annotated[str, _FINGERPRINT] = Field(
        "", description="fingerprint of that key; empty: the one CentOS publishes"
    )
    packages: list[Annotated[str, StringConstraints(pattern=rpm.SPEC)]] = Field(
        [],
        description="more packages to install: name, name-version, NVRA or name=version, epochs included",
    )
    timezone: str | None = Field(None, description="such as Europe/Berlin or UTC; None keeps the host's")

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        known = available_timezones()
        if value is not None and (not _ZONE.fullmatch(value) or (known and value not in known)):
            raise ValueError("should be a time zone such as Europe/Berlin or UTC")
        return value

    def contradictions(self) -> Iterator[str]:
        """Yield what is wrong between options."""
        plain = {
            "vault_urls": self.vault_urls,
            "stream_urls": self.stream_urls,
            "scl_key_url": [self.scl_key_url],
        }
        for field, urls in plain.items():
            yield from bad_urls(f"base_{field}", urls, self.insecure_mirror, "base_insecure_mirror")
        for field, texts in (("epel_urls", self.epel_urls), ("epel_key_url", [self.epel_key_url])):
            urls = [_of_release(text, 9) for text in texts]
            if any(re.search("[{}]", url) for url in urls):
                yield f"base_{field}: nothing but {{major}} may stand in braces"
            else:
                yield from bad_urls(f"base_{field}", urls, self.insecure_mirror, "base_insecure_mirror")


@deploy("Base")
def base(options: BaseOptions, release: Release, machine: Machine) -> None:
    """Make a host fit for the other deploys."""
    if options.repositories != "leave":
        repositories.stock(
            name="Point stock repositories at a mirror that answers",
            urls=stock_urls(release.major, machine, options.vault_urls, options.stream_urls),
            present=options.repositories == "repair",
        )
    rpm.packages(name="Install tools", specs=TOOLS, manager=release.manager)
    if options.epel:
        _epel(options, release, machine)
    if options.scl:
        _scl(options, release, machine)
    if options.packages:
        rpm.packages(name="Install packages", specs=options.packages, manager=release.manager)
    if options.timezone:
        files.link(
            name="Set the time zone",
            path="/etc/localtime",
            target=f"../usr/share/zoneinfo/{options.timezone}",
        )


def _epel(options: BaseOptions, release: Release, machine: Machine) -> None:
    _repository(
        "EPEL",
        title="Extra Packages for Enterprise Linux",
        repo="elforge-epel",
        baseurl=[_of_release(url, release.major) for url in options.epel_urls]
        or [epel_url(release.major, machine)],
        key=f"RPM-GPG-KEY-EPEL-{release.major}",
        key_url=_of_release(options.epel_key_url, release.major),
        fingerprint=options.epel_fingerprint or EPEL_FINGERPRINT[release.major],
    )


def _scl(options: BaseOptions, release: Release, machine: Machine) -> None:
    stock = SCL[release.major]
    if stock is None:
        refuse(f"base_scl: EL{release.major} has no software collections; its own packages are new enough")
    _repository(
        "the software collections",
        title="CentOS Software Collections",
        repo="elforge-scl",
        baseurl=stock_urls(release.major, machine, options.vault_urls, [])[stock],
        key="RPM-GPG-KEY-CentOS-SIG-SCLo",
        key_url=options.scl_key_url,
        fingerprint=options.scl_fingerprint or SCL_FINGERPRINT,
    )


def _repository(
    what: str, *, title: str, repo: str, baseurl: list[str], key: str, key_url: str, fingerprint: str
) -> None:
    path = f"/etc/pki/rpm-gpg/{key}"
    rpm.key(name=f"Trust the key of {what}", url=key_url, fingerprint=fingerprint, path=path)
    rpm.repository(name=f"Add {what}", repo=repo, title=title, baseurl=baseurl, gpgkey=f"file://{path}")


def _of_release(url: str, major: int) -> str:
    return url.replace("{major}", str(major))
