"""SELinux enforcing, on a host that is a VM: records, labels, modes, and nothing of ours denied."""

from __future__ import annotations

import re
import subprocess

import pytest

import lab.hosts
from lab.hosts import Host
from tests.lockout import LISTEN, LISTEN_NO_MORE, OTHER_PORT, PORT
from tests.program import compiled
from tests.runner import pyinfra, root

NAME, DEPLOY = "vm9-selinux", "tests/vm/deploy_selinux.py"
RECORDS = "SELinux | Keep SELinux's records"
WANTED = {
    "selinux_ports": {"8081/tcp": "http_port_t", "15601-15605/tcp": "http_port_t"},
    "selinux_port_reassign": True,
    "selinux_booleans": {"httpd_can_network_connect": True},
    "selinux_paths": {"/srv/ci": "runner", "/opt/app": "service"},
}
# Which processes are ours: what an SSH session of root runs, and the domains of the tools that it calls.
OURS = re.compile(r"avc: +denied .*scontext=\S+:(unconfined|semanage|setfiles|rpm|load_policy|init)_t:")

# A Go program under httpd's domain, as a web server of one's own would be.
WEB = """package main

import ("fmt"; "net/http"; "os")

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	fmt.Println(http.ListenAndServe(":8081", nil))
	os.Exit(1)
}
"""
WEB_UNIT = "[Service]\nExecStart=/opt/app/bin/web\n"
CONFINED = {"selinux_contexts": [{"path": "/opt/app/bin/web", "type": "httpd_exec_t"}]}


@pytest.fixture(scope="module")
def host():
    lab.hosts.reset([NAME])
    host = Host(NAME)
    assert root(host, "getenforce") == "Enforcing"
    assert apply({}) != set()
    yield host
    lab.hosts.down([NAME])


def apply(data, *, dry=False) -> set[str]:
    """Run, and return the names of the operations that changed something."""
    done = pyinfra(NAME, deploy=DEPLOY, data=data, dry=dry)
    assert done.code == 0, done.output
    return {operation for _, operation in done.changed}


@pytest.mark.sample
def test_h47_what_elforge_writes_has_the_label_of_its_path(host):
    assert root(host, "restorecon -nRv /etc /opt /srv /usr/local /var/lib/elforge") == ""
    assert root(host, "stat -c %C /opt/app/bin/app").split(":")[2] == "bin_t"
    assert root(host, "systemctl is-active app; ps -o label= -C sleep").split(":")[2] != "init_t"


def test_h45_a_port_of_another_type_is_refused_in_the_plan(host):
    apply({"selinux_ports": {"15778/tcp": "http_port_t"}})  # brings semanage
    refused = pyinfra(NAME, deploy=DEPLOY, data={"selinux_ports": {"8081/tcp": "http_port_t"}}, dry=True)
    assert (refused.code, refused.changed) == (1, set())
    assert "tcp 8081 cannot be http_port_t: it belongs to transproxy_port_t (8081)" in refused.output


def test_i26_a_type_that_the_policy_does_not_have_is_refused_in_the_plan(host):
    refused = pyinfra(NAME, deploy=DEPLOY, data={"selinux_ports": {"15601/tcp": "nosuch_t"}}, dry=True)
    assert (refused.code, refused.changed) == (1, set())
    assert "not a type of the policy: nosuch_t" in refused.output


def test_records_there_and_back(host):
    root(host, "semanage port -a -t http_port_t -p tcp 15777")
    assert apply(WANTED, dry=True) == apply(WANTED) == {RECORDS}
    assert root(host, "cat /sys/fs/selinux/booleans/httpd_can_network_connect") == "1 1"
    ports = root(host, "semanage port -lC -n").replace(",", "").split()
    assert set(ports) == {"http_port_t", "tcp", "15777", "8081", "15601-15605"}
    assert apply(WANTED) == set()


def test_a_boolean_that_somebody_switched_is_switched_back(host):
    root(host, "setsebool httpd_can_network_connect off")
    assert apply(WANTED) == {RECORDS}
    assert root(host, "getsebool httpd_can_network_connect") == "httpd_can_network_connect --> on"


def test_h47_a_wrong_label_is_put_right(host):
    root(host, "touch /srv/ci/run.sh; chcon -t user_home_t /srv/ci/run.sh /opt/app/bin/app")
    assert apply(WANTED, dry=True) == apply(WANTED) == {RECORDS}
    labels = root(host, "stat -c %C /srv/ci/run.sh /opt/app/bin/app /srv/ci").split()
    assert [label.split(":")[2] for label in labels] == ["bin_t", "bin_t", "usr_t"]


def test_h43_the_mode_is_what_was_asked_for_at_once(host):
    assert apply({"selinux_mode": "permissive"}) == {"SELinux | Set the mode of SELinux"}
    assert root(host, "getenforce; grep ^SELINUX= /etc/selinux/config") == "Permissive\nSELINUX=permissive"
    assert apply({"selinux_mode": "enforcing"}, dry=True) == apply({"selinux_mode": "enforcing"})
    assert root(host, "getenforce; grep ^SELINUX= /etc/selinux/config") == "Enforcing\nSELINUX=enforcing"


def test_a_mode_in_which_sshd_could_not_listen_is_refused(host):
    root(host, f"setenforce 0; {LISTEN}")
    enforce = {**WANTED, "selinux_mode": "enforcing", **OTHER_PORT}
    refused = pyinfra(NAME, deploy=DEPLOY, data=enforce)
    assert refused.code == 1, refused.output
    assert f"sshd listens on port {PORT}, which is not ssh_port_t" in refused.output
    assert root(host, "getenforce") == "Permissive"
    ports = {"selinux_ports": {**WANTED["selinux_ports"], f"{PORT}/tcp": "ssh_port_t"}}
    assert "SELinux | Set the mode of SELinux" in apply({**enforce, **ports})
    root(host, f"{LISTEN_NO_MORE}; {LISTEN}")
    assert apply({**enforce, **ports}) == set()
    root(host, LISTEN_NO_MORE)
    apply(WANTED)


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    source = tmp_path_factory.mktemp("web")
    (source / "go.mod").write_text("module web\n")
    (source / "web.go").write_text(WEB)
    return compiled(tmp_path_factory.mktemp("go"), source)


def test_a_denied_port_is_reported_with_the_option_that_allows_it(host, web):
    with open(web, "rb") as program:
        send = "cat >/opt/app/bin/web && chmod 755 /opt/app/bin/web"
        subprocess.run(host.ssh_command(send, user="root"), stdin=program, check=True)
    root(host, f"printf '{WEB_UNIT}' >/etc/systemd/system/web.service; systemctl daemon-reload")
    apply(CONFINED)
    root(host, "systemctl start web; sleep 3; ! systemctl is-active web >/dev/null")
    said = pyinfra(NAME, deploy=DEPLOY, data=CONFINED)
    fix = {"selinux_ports": {"8081/tcp": "http_port_t"}, "selinux_port_reassign": True}
    assert (
        "SELinux denied web (httpd_t) name_bind on tcp 8081 (transproxy_port_t): selinux_ports = "
        '{"8081/tcp": "http_port_t"}, selinux_port_reassign = True: it is transproxy_port_t'
    ) in said.output
    apply({**CONFINED, **fix})
    assert root(host, "systemctl restart web; sleep 3; curl -s http://127.0.0.1:8081/") == "hello"
    assert "name_bind" not in pyinfra(NAME, deploy=DEPLOY, data={**CONFINED, **fix}).output
    root(host, "systemctl stop web")


def test_nothing_of_ours_was_denied(host):
    assert [line for line in root(host, "dmesg").splitlines() if OURS.search(line)] == []


def test_records_outlive_a_power_cut(host):
    host.crash()
    host.up()
    assert root(host, "getenforce; getsebool httpd_can_network_connect").split() == [
        *("Enforcing", "httpd_can_network_connect", "-->", "on")
    ]
    assert apply(WANTED) <= {"A service"}


def test_what_is_taken_back_is_ours_and_nothing_else(host):
    assert apply({"selinux_state": "absent"}) == {"SELinux | Take back our SELinux records"}
    assert root(host, "semanage port -lC -n").split() == ["http_port_t", "tcp", "15777"]
    assert root(host, "semanage fcontext -lC -n").strip() == ""
    assert apply({"selinux_state": "absent"}) == set()
