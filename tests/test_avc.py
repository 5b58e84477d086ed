"""What the kernel's lines about denials mean, and which option each of them asks for."""

from __future__ import annotations

import pytest

from pure.avc import Denial, denials, parse, sentence

# As auditd, the journal (_TRANSPORT=audit, without type and time) and dmesg have them.
BIND = (
    "type=AVC msg=audit(1700000100.123:45): avc:  denied  { name_bind } for  pid=812 "
    'comm="nginx" src=8081 scontext=system_u:system_r:httpd_t:s0 '
    "tcontext=system_u:object_r:transproxy_port_t:s0 tclass=tcp_socket permissive=0"
)
FREE = BIND.replace("src=8081", "src=15601").replace("transproxy_port_t", "unreserved_port_t")
CONNECT = (
    'AVC avc:  denied  { name_connect } for  pid=9 comm="nginx" dest=8080 '
    "scontext=system_u:system_r:httpd_t:s0 tcontext=system_u:object_r:http_cache_port_t:s0 "
    "tclass=tcp_socket permissive=0"
)
START = (
    "[   12.3] audit: type=1400 audit(1700000200.001:7): avc:  denied  { execute } for  pid=1 "
    'comm="(run.sh)" path="/srv/ci/run.sh" dev="vda" ino=131 scontext=system_u:system_r:init_t:s0 '
    "tcontext=unconfined_u:object_r:user_home_t:s0 tclass=file permissive=0"
)
READ = START.replace("execute", "read open").replace("init_t", "httpd_t").replace("user_home_t", "var_t")
NAME = READ.replace('path="/srv/ci/run.sh"', 'name="index.html"')
SOCKET = (
    "type=AVC msg=audit(1700000300.5:9): avc:  denied  { connectto } for  pid=77 "
    'comm="nginx" path="/run/app.sock" scontext=system_u:system_r:httpd_t:s0 '
    "tcontext=system_u:system_r:unconfined_service_t:s0 tclass=unix_stream_socket permissive=1"
)
SAID = [
    (
        BIND,
        "SELinux denied nginx (httpd_t) name_bind on tcp 8081 (transproxy_port_t): "
        'selinux_ports = {"8081/tcp": "http_port_t"}, selinux_port_reassign = True: it is transproxy_port_t',
    ),
    (
        FREE,
        "SELinux denied nginx (httpd_t) name_bind on tcp 15601 (unreserved_port_t): "
        'selinux_ports = {"15601/tcp": "http_port_t"}',
    ),
    (
        CONNECT,
        "SELinux denied nginx (httpd_t) name_connect on tcp 8080 (http_cache_port_t): "
        'selinux_booleans = {"httpd_can_network_connect": True}',
    ),
    (
        START,
        "SELinux denied (run.sh) (init_t) execute on /srv/ci/run.sh (user_home_t): "
        'selinux_contexts = [{"path": "/srv/ci/run\\\\.sh", "type": "bin_t"}]',
    ),
    (
        READ,
        "SELinux denied (run.sh) (httpd_t) read open on /srv/ci/run.sh (var_t): "
        'selinux_contexts = [{"path": "/srv/ci/run\\\\.sh", "type": "httpd_sys_content_t"}]',
    ),
    (
        NAME,
        "SELinux denied (run.sh) (httpd_t) read open on index.html (var_t): "
        "a wrong label? ls -Z on index.html, then selinux_contexts with type httpd_sys_content_t",
    ),
    (
        READ.replace("httpd_t", "ntpd_t"),
        "SELinux denied (run.sh) (ntpd_t) read open on /srv/ci/run.sh (var_t): "
        'a wrong label? selinux_relabel = ["/srv/ci/run.sh"], else selinux_contexts for it',
    ),
    (
        READ.replace("var_t", "nfs_t"),
        "SELinux denied (run.sh) (httpd_t) read open on /srv/ci/run.sh (nfs_t): "
        'selinux_booleans = {"httpd_use_nfs": True}',
    ),
    (
        SOCKET,
        "SELinux would deny nginx (httpd_t) connectto on /run/app.sock (unconfined_service_t): "
        "connects to a process without a domain of its own (label its program); "
        'selinux_permissive = ["httpd_t"] would only log it',
    ),
]


@pytest.mark.parametrize(("line", "said"), SAID, ids=[said[:60] for _, said in SAID])
def test_a_denial_names_what_would_allow_it(line, said):
    assert sentence(parse(line)) == said


def test_names_with_blanks_come_as_hexadecimal_digits():
    line = START.replace('"/srv/ci/run.sh"', b"/srv/ci/run.sh".hex().upper())
    assert parse(line).object == "/srv/ci/run.sh"
    assert parse(START.replace('"(run.sh)"', "6120622E73")).program == "a b.s"


def test_each_denial_once_and_none_from_before():
    later = BIND.replace("1700000100.123:45", "1700000900.1:50").replace("pid=812", "pid=900")
    assert denials([BIND, later, START], 1700000101) == [parse(BIND), parse(START)]
    assert denials([BIND, START], 1700000300) == []
    assert denials([CONNECT], 1700000300) == [parse(CONNECT)]


@pytest.mark.parametrize("line", ["", "avc:  granted", BIND.replace("scontext", "context"), BIND[:90]])
def test_a_line_that_is_no_denial_is_an_error(line):
    with pytest.raises(ValueError, match="not a denial"):
        parse(line)


def test_the_fact_shows_what_would_allow_it():
    denial = Denial("nginx", "httpd_t", "name_bind", "tcp 81", "http_port_t", "tcp_socket", False)
    assert denial.to_json()["allow"].startswith('selinux_ports = {"81/tcp"')
