"""Where the stock repositories of each release are, now that CentOS's mirrorlist is gone.

Source: mock-core-configs' centos-7, centos-8, centos-stream-8 and centos-stream-9 templates, 2026-08.
"""

from __future__ import annotations

from facts.release import Machine

_FOLDERS = {
    "baseos": "BaseOS",
    "appstream": "AppStream",
    "extras": "extras",
    "powertools": "PowerTools",
    "crb": "CRB",
    "ha": "HighAvailability",
    "plus": "centosplus",
    "fasttrack": "fasttrack",
    "devel": "Devel",
}
_EL8 = {repo: f"{folder}/$basearch/os/" for repo, folder in _FOLDERS.items()}
# Path of each stock repository below the root of its release.
PATHS = {
    7: {
        "base": "os/$basearch/",
        "updates": "updates/$basearch/",
        "extras": "extras/$basearch/",
        "centosplus": "centosplus/$basearch/",
        "fasttrack": "fasttrack/$basearch/",
        "centos-sclo-rh": "sclo/$basearch/rh/",
        "centos-sclo-sclo": "sclo/$basearch/sclo/",
    },
    8: _EL8 | {"extras-common": "extras/$basearch/extras-common/"},  # the latter on Stream 8 only
    9: {repo: f"9-stream/{path}" for repo, path in _EL8.items()}
    | {
        "extras-common": "SIGs/9-stream/extras/$basearch/extras-common/",
        "highavailability": "9-stream/HighAvailability/$basearch/os/",
    },
}

# By release: the repository of newer compilers, and what else a distribution of its age lacks.
SCL = {7: "centos-sclo-rh", 8: None, 9: None}

_EPEL = "https://dl.fedoraproject.org/pub"
KINDS = ("linux", "stream", "clone")
EPEL = {
    7: dict.fromkeys(KINDS, f"{_EPEL}/archive/epel/7/$basearch/"),
    # EPEL 8 follows RHEL 8.10; CentOS 8 stopped before and needs the packages of its own time.
    8: {
        "linux": f"{_EPEL}/archive/epel/8.5/Everything/$basearch/",
        "stream": f"{_EPEL}/archive/epel/8.9/Everything/$basearch/",
        "clone": f"{_EPEL}/epel/8/Everything/$basearch/",
    },
    9: dict.fromkeys(KINDS, f"{_EPEL}/epel/9/Everything/$basearch/"),
}


def epel_url(major: int, machine: Machine) -> str:
    """Return the base URL of EPEL for a host."""
    kind = "stream" if machine.stream else "linux" if machine.id == "centos" else "clone"
    return EPEL[major][kind]


def stock_urls(major: int, machine: Machine, vault: list[str], live: list[str]) -> dict[str, list[str]]:
    """
    Return the base URLs of every stock repository that should be pointed elsewhere, by repository id.

    + major: the release
    + machine: tells CentOS Stream from CentOS Linux, and the architecture
    + vault: mirrors of vault.centos.org, tried in order
    + live: mirrors of mirror.stream.centos.org; empty leaves a release that still lives alone
    """
    folders = {
        7: f"{'' if machine.arch == 'x86_64' else '/altarch'}/7.9.2009",
        8: "/8-stream" if machine.stream else "/8.5.2111",
        9: "",
    }
    bases = {7: vault, 8: vault, 9: live}[major]
    roots = [url.rstrip("/") + folders[major] for url in bases]
    return (
        {repo: [f"{root}/{path}" for root in roots] for repo, path in PATHS[major].items()} if roots else {}
    )
