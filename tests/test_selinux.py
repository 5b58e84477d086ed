"""What the selinux deploy does on each release, what it refuses, and the pure functions below it."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest

from deploys.options import problems
from deploys.release import RELEASES
from deploys.selinux import PROTOCOLS, READY, SelinuxOptions, ready, roots, selinux
from facts.release import ElRelease
from facts.selinux import FTYPES, Port
from operations.selinux import Change, Owned, plan, port_clashes, root, with_mode
from tests.answers import Answers
from tests.plan import Plan, text
from tests.plan import plan as planned_by

CONFIG = "# comment\nSELINUX=enforcing\nSELINUXTYPE=targeted\n"
OPTIONS: dict[str, Any] = {
    "mode": "enforcing",
    "ports": {"8081/tcp": "http_port_t", "9000-9010/udp": "dns_port_t"},
    "port_reassign": True,
    "booleans": {"httpd_can_network_connect": True},
    "contexts": [{"path": r"/srv/app/run\.sh", "type": "bin_t", "ftype": "file"}],
    "paths": {"/srv/ci": "runner", "/opt/service": "service", "/data/docker": "docker"},
    "permissive": ["httpd_t"],
    "relabel": ["/usr/local/go-toolchains"],
}


def shown(content: str | None) -> str:
    return "absent" if content is None else f"text {base64.b64encode(content.encode()).decode()}"


def state(kernel: str = "1", semanage: str = "none", **files: str) -> list[str]:
    names = ("ports", "booleans", "contexts", "equivalences", "owned")
    texts = [shown(files.get(name)) for name in names]
    return [
        kernel,
        "cmdline",
        "policy targeted",
        semanage,
        shown(CONFIG),
        *texts,
        "boolean httpd_can_network_connect 0",
    ]


def planned(answers: Answers, **options: Any) -> Plan:
    machine = ElRelease().process(answers("cat /etc/os-release").splitlines())

    def deploy() -> None:
        selinux(SelinuxOptions.model_validate(options), RELEASES[answers.major], machine)

    return planned_by(deploy, answers)


@pytest.mark.parametrize("major", RELEASES)
def test_fresh_host(major, golden):
    golden(f"el{major}/selinux_fresh", text(planned(Answers(major, selinux=state()), **OPTIONS).steps))


@pytest.mark.parametrize("major", RELEASES)
def test_removal(major, golden):
    owned = '{"port tcp 8081": ["http_port_t", ""], "boolean httpd_can_network_connect": ["on", "off"]}'
    records = {
        "ports": "portcon tcp 8081 system_u:object_r:http_port_t:s0\n"
        "portcon tcp 7 system_u:object_r:echo_port_t:s0\n",
        "booleans": "httpd_can_network_connect=1\n",
    }
    host = Answers(major, selinux=state(semanage="semanage", owned=owned, **records))
    golden(f"el{major}/selinux_removed", text(planned(host, state="absent").steps))


def test_without_an_option_nothing_is_done_and_nothing_asked():
    assert planned(Answers(9)) == Plan([], 0, {}, {})


def test_an_option_that_is_empty_takes_back_what_was_ours_and_does_no_more():
    assert planned(Answers(9, selinux=state()), ports={}).asked == 1
    record = {"ports": "portcon tcp 8081 system_u:object_r:http_port_t:s0\n"}
    note = '{"port tcp 8081": ["http_port_t", ""]}'
    (step,) = planned(Answers(9, selinux=state(**record, owned=note)), ports={}).steps
    assert "\n  | semanage port -d -p tcp 8081\n" in step.commands[0]


def test_what_a_look_at_a_converged_host_costs():
    """One exec each for rpm, SELinux and what it denied; the dear questions are not asked."""
    record = {"ports": "portcon tcp 8081 system_u:object_r:http_port_t:s0\n"}
    host = Answers(
        9, rpms={RELEASES[9].semanage: "0 3.6 1.el9"}, selinux=state(semanage="semanage", **record)
    )
    done = planned(host, ports={"8081/tcp": "http_port_t"})
    assert ([step.name for step in done.steps if step.commands], done.asked) == ([], 3)


def test_el7_knows_two_protocols():
    with pytest.raises(Exception, match="knows no ports but of tcp and udp: sctp 7000"):
        planned(replace(Answers(7), selinux=state()), ports={"7000/sctp": "http_port_t"})


# Mistakes, each in one line


MISTAKES = [
    *(
        (f"I3 {text}", {"ports": {text: "http_port_t"}}, "ports")
        for text in ("0/tcp", "70000/tcp", "-1/tcp", "80-/tcp")
    ),
    *(
        (f"I3 {text}", {"ports": {text: "http_port_t"}}, "ports")
        for text in ("90-80/tcp", "443/icmp", "443", "80-80/tcp")
    ),
    ("I26 type", {"ports": {"80/tcp": "no type"}}, "selinux_ports.80/tcp: String should match pattern"),
    ("I26 boolean", {"booleans": {"a b": True}}, "selinux_booleans.a b: String should match pattern"),
    (
        "I2 boolean",
        {"booleans": {"httpd_x": "on"}},
        "selinux_booleans.httpd_x: Input should be a valid boolean",
    ),
    (
        "I13 overlap",
        {"ports": {"80-90/tcp": "a_t", "85/tcp": "a_t"}},
        "selinux_ports: 80-90/tcp and 85/tcp overlap",
    ),
    (
        "relative",
        {"contexts": [{"path": "x", "type": "a_t"}]},
        "selinux_contexts.0.path: must be a regular expression",
    ),
    (
        "everything",
        {"contexts": [{"path": "/.*", "type": "a_t"}]},
        "this would say something of the whole system",
    ),
    (
        "regexp",
        {"contexts": [{"path": "/x(", "type": "a_t"}]},
        "selinux_contexts.0.path: not a regular expression",
    ),
    ("quotes", {"contexts": [{"path": "/x'", "type": "a_t"}]}, "without spaces and quotes"),
    ("twice", {"permissive": ["a_t", "a_t"]}, "selinux_permissive: a_t is there twice"),
    (
        "kind",
        {"paths": {"/x": "program"}},
        "selinux_paths./x: Input should be 'toolchain', 'service', 'runner'",
    ),
    ("within", {"equivalences": {"/a/b": "/a"}}, "selinux_equivalences: /a/b and /a lie within each other"),
    (
        "both",
        {"equivalences": {"/a": "/b"}, "paths": {"/a": "cache"}},
        "selinux_equivalences: /a is in selinux_paths",
    ),
    (
        "hidden place",
        {"paths": {"/srv/ci": "cache", "/srv/ci/runner": "runner"}},
        "selinux_paths: /srv/ci is labelled like /var/cache: nothing else can be said of /srv/ci/runner",
    ),
    (
        "hidden equivalence",
        {"equivalences": {"/data": "/var/lib"}, "paths": {"/data/docker": "docker"}},
        "selinux_equivalences: /data is labelled like /var/lib: nothing else can be said of /data/docker",
    ),
    (
        "hidden context",
        {"paths": {"/srv/c.i": "cache"}, "contexts": [{"path": r"/srv/c\.i/x(/.*)?", "type": "bin_t"}]},
        "selinux_paths: /srv/c.i is labelled like /var/cache: nothing else can be said of /srv/c.i/x",
    ),
    (
        "hidden by itself",
        {"paths": {"/srv/ci": "cache"}, "contexts": [{"path": "/srv/ci(/.*)?", "type": "bin_t"}]},
        "selinux_paths: /srv/ci is labelled like /var/cache: nothing else can be said of /srv/ci",
    ),
    (
        "mode",
        {"state": "absent", "mode": "enforcing"},
        "selinux_mode: selinux_state = 'absent' goes with no mode",
    ),
    (
        "same",
        {"contexts": [{"path": "/x", "type": "a_t"}, {"path": "/x", "type": "b_t"}]},
        "all /x is there twice",
    ),
]


@pytest.mark.parametrize(
    ("options", "message"), [each[1:] for each in MISTAKES], ids=[each[0] for each in MISTAKES]
)
def test_one_mistake_is_one_line(options, message):
    data = {f"selinux_{name}": value for name, value in options.items()}
    (line,) = problems("web1", data, [SelinuxOptions])
    assert message in line


def test_a_place_beside_an_equivalence_is_no_mistake():
    paths = {"/srv/ci": "runner", "/srv/ci/cache": "cache", "/srv/ci/cached": "service"}
    contexts = [{"path": "/srv/ci/cach(/.*)?", "type": "bin_t"}, {"path": "/srv/ci/.*", "type": "bin_t"}]
    assert problems("web1", {"selinux_paths": paths, "selinux_contexts": contexts}, [SelinuxOptions]) == []


# Pure functions


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/opt/x(/.*)?", "/opt/x"),
        (r"/opt/app/run\.sh", "/opt/app/run.sh"),
        ("/opt/fo.*", "/opt"),
        ("/opt/x/(.*/)?bin", "/opt/x"),
        (r"/srv/ci/[^/]*\.sh", "/srv/ci"),
        ("/srv/app", "/srv/app"),
        ("/srv/a?b", "/srv"),
        ("/.*", "/"),
    ],
)
def test_where_a_file_context_has_its_say(pattern, path):
    assert root(f"fcontext a {pattern}") == path


def test_a_letter_that_may_be_missing_is_not_part_of_the_fixed_path():
    assert root("fcontext a /srv/app/x?") == "/srv/app"


OURS = {"port tcp 80": Owned("a_t")}


@pytest.mark.parametrize(
    ("found", "owned", "wanted", "changes"),
    [
        ({}, {}, {"port tcp 80": "a_t"}, [Change("port tcp 80", "a_t", None)]),
        ({"port tcp 80": "b_t"}, {}, {"port tcp 80": "a_t"}, [Change("port tcp 80", "a_t", "b_t")]),
        ({"port tcp 80": "a_t"}, OURS, {}, [Change("port tcp 80", None, "a_t")]),
        ({"port tcp 80": "b_t"}, OURS, {}, []),
        ({}, OURS, {}, []),
        ({"port tcp 80": "a_t"}, {}, {}, []),
        (
            {"port tcp 80": "a_t"},
            {"port tcp 80": Owned("a_t", "b_t")},
            {},
            [Change("port tcp 80", "b_t", "a_t")],
        ),
        ({"boolean x": "on"}, {"boolean x": Owned("on")}, {}, []),
    ],
)
def test_what_changes(found, owned, wanted, changes):
    assert plan(found, owned, wanted) == changes


@pytest.mark.parametrize("name", ["tcp 10000-10002", "tcp 10010-10020", "tcp 10001-10010", "tcp 9000-20000"])
def test_h46_every_kind_of_overlap_counts(name):
    protocol, ports = name.split()
    low, high = map(int, ports.split("-"))
    known = [Port("tcp", 10001, 10010, "http_cache_port_t"), Port("tcp", 1024, 65535, "unreserved_port_t")]
    (line,) = port_clashes(Port(protocol, low, high, "http_port_t"), known, {}, may_take=False)
    assert "it belongs to http_cache_port_t (10001-10010)" in line
    assert list(port_clashes(Port("udp", low, high, "http_port_t"), known, {}, may_take=False)) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (CONFIG, CONFIG),
        ("SELINUX=permissive\nSELINUXTYPE=targeted", "SELINUX=enforcing\nSELINUXTYPE=targeted"),
        ("# SELINUX= can be\n SELINUX= disabled # x\n", "# SELINUX= can be\nSELINUX=enforcing\n"),
        ("SELINUXTYPE=targeted", "SELINUXTYPE=targeted\nSELINUX=enforcing\n"),
        ("", "SELINUX=enforcing\n"),
    ],
)
def test_the_mode_is_changed_and_nothing_else(before, after):
    assert with_mode(before, "enforcing") == after
    assert with_mode(after, "enforcing") == after


def test_places_of_ours():
    """Below /opt and /usr, and in /var/cache, the policy says what is needed by itself."""
    assert ready("/usr/local/go-toolchains", "toolchain") == ({}, {})
    assert ready("/opt/app", "service") == ({}, {})
    assert ready("/var/cache/go", "cache") == ({}, {})
    assert ready("/srv/cache", "cache") == ({}, {"/srv/cache": "/var/cache"})
    assert ready("/opt/ci.1", "runner") == ({r"f /opt/ci\.1/[^/]*\.sh": "bin_t"}, {})
    assert ready("/srv/app", "service")[0] == {
        "a /srv/app(/.*)?": "usr_t",
        "a /srv/app/(.*/)?bin(/.*)?": "bin_t",
    }


def test_each_place_is_looked_through_once():
    options = SelinuxOptions(paths={"/srv/ci": "runner"}, relabel=["/srv/ci/work", "/srv/cider"])
    assert roots(options) == ["/srv/ci", "/srv/cider"]


def test_tables_are_whole():
    assert PROTOCOLS.keys() == RELEASES.keys()
    assert {each.ftype for kind in READY.values() for each in kind.contexts} <= {"all", "file"}
    assert len(FTYPES) == 8
