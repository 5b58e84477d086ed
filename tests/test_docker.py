"""What the docker deploy does on each release: fresh, converged, drifted, removed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from pyinfra.api import OperationError

from deploys.docker import KEY, PACKAGES, DockerOptions, docker
from deploys.firewall_options import FirewallOptions
from deploys.release import RELEASES
from facts.release import ElRelease
from tests.answers import Answers, stored_key
from tests.plan import Plan, plan, text

FINGERPRINT = DockerOptions.model_fields["fingerprint"].default
PIN = {7: "26.1.4", 8: "26.1.3", 9: "29.7.2"}
BARE = {major: Answers(major, units={"firewalld.service": "loaded inactive enabled"}) for major in RELEASES}


def planned(answers: Answers, **options: object) -> Plan:
    machine = ElRelease().process(answers("cat /etc/os-release").splitlines())

    def deploy() -> None:
        docker(DockerOptions.model_validate(options), RELEASES[answers.major], machine)

    return plan(deploy, answers)


@pytest.mark.parametrize("major", RELEASES)
def test_fresh_host(major, golden):
    steps = planned(replace(BARE[major], groups={"ada": "ada"}), version=PIN[major], users=["ada"]).steps
    golden(f"el{major}/docker_fresh", text(steps))


@pytest.mark.parametrize(("running", "starts"), [(None, True), (True, False), (False, False)])
def test_the_start_of_firewalld_is_left_to_a_firewall_deploy_that_decides(running, starts):
    options = FirewallOptions(running=running).adds(DockerOptions())
    machine = ElRelease().process(BARE[9]("cat /etc/os-release").splitlines())
    steps = plan(lambda: docker(options, RELEASES[9], machine), BARE[9]).steps
    (step,) = [step for step in steps if step.name.endswith("Start the firewall before Docker")]
    assert bool(step.commands) is starts


def converged(major: int, **options: object) -> Answers:
    """Return a host as the deploy leaves it."""
    done = planned(replace(BARE[major], groups={"ada": "ada"}), version=PIN[major], users=["ada"], **options)
    installed = dict.fromkeys((*PACKAGES, RELEASES[major].versionlock), f"0 1.0 1.el{major}")
    installed |= {"docker-ce": f"3 {PIN[major]} 1.el{major}", "docker-ce-cli": f"1 {PIN[major]} 1.el{major}"}
    style = "# elforge:\n3:docker-ce-{0}-1.el7.*\n# elforge:\n1:docker-ce-cli-{0}-1.el7.*\n"
    if major > 7:
        style = "# elforge:\ndocker-ce-3:{0}-1.el{1}.*\n# elforge:\ndocker-ce-cli-1:{0}-1.el{1}.*\n"
    lock = style.format(PIN[major], major)
    return replace(
        BARE[major],
        rpms=installed,
        keys=["621e9f35"],
        files={**done.files, **stored_key(KEY, FINGERPRINT), RELEASES[major].locks: lock},
        modes=done.modes,
        units={"docker.service": "loaded active enabled", "firewalld.service": "loaded active enabled"},
        groups={"ada": "ada docker"},
    )


@pytest.mark.parametrize("major", RELEASES)
def test_converged_host_changes_nothing(major):
    again = planned(converged(major), version=PIN[major], users=["ada"])
    assert {step.name: step.commands for step in again.steps if step.commands} == {}


@pytest.mark.parametrize("major", RELEASES)
def test_drifted_host(major, golden):
    host = converged(major)
    del host.rpms["docker-buildx-plugin"]
    host.files["/etc/docker/daemon.json"] = '{"debug": true, "dns": ["192.0.2.53"]}'
    host.units["docker.service"] = "loaded failed disabled"
    host.groups["ada"] = "ada"
    steps = planned(host, version=PIN[major], users=["ada"]).steps
    golden(f"el{major}/docker_drifted", text([step for step in steps if step.commands]))


@pytest.mark.parametrize("major", RELEASES)
def test_removal(major, golden):
    host = converged(major)
    golden(f"el{major}/docker_removed", text(planned(host, version=PIN[major], state="absent").steps))


def test_plan_is_deterministic():
    assert planned(BARE[9], version="29.7.2") == planned(BARE[9], version="29.7.2")


def test_change_of_a_setting_restarts_what_runs_with_the_old_one():
    host = converged(9)
    host.loaded = {"/etc/docker/daemon.json": "{}"}
    steps = planned(host, version=PIN[9], users=["ada"]).steps
    changed = [step for step in steps if step.commands]
    assert [step.commands[0].split(" '")[0] for step in changed] == ["loaded docker.service restart"]


def test_a_reloadable_setting_only_reloads():
    host = converged(9)
    settings = json.loads(host.files["/etc/docker/daemon.json"])
    host.loaded = {"/etc/docker/daemon.json": json.dumps({**settings, "debug": False})}
    steps = planned(host, version=PIN[9], users=["ada"], debug=True).steps
    assert [
        step.commands[0].split()[2] for step in steps if step.name.endswith("Load the configuration")
    ] == ["reload"]


def test_running_containers_are_not_stopped_unasked():
    host = replace(converged(9), containers=2, loaded={"/etc/docker/daemon.json": "{}"})
    with pytest.raises(OperationError, match="2 running containers would stop"):
        planned(host, version=PIN[9], users=["ada"])
    planned(host, version=PIN[9], users=["ada"], allow_restart=True)


def test_live_restore_that_is_loaded_keeps_containers():
    host = replace(converged(9), containers=2, loaded={"/etc/docker/daemon.json": '{"live-restore": true}'})
    planned(host, version=PIN[9], users=["ada"])


def test_live_restore_keeps_nothing_when_the_network_changes():
    loaded = {"/etc/docker/daemon.json": '{"live-restore": true}'}
    host = replace(converged(9), containers=2, loaded=loaded)
    with pytest.raises(OperationError, match="2 running containers would stop"):
        planned(host, version=PIN[9], users=["ada"], bip="10.9.0.1/24")


def test_live_restore_keeps_nothing_across_lines():
    host = replace(converged(9), containers=2, loaded={"/etc/docker/daemon.json": '{"live-restore": true}'})
    with pytest.raises(OperationError, match="2 running containers would stop"):
        planned(host, version="28.5.2", users=["ada"])


def test_removal_is_refused_while_containers_run():
    with pytest.raises(OperationError, match="2 running containers would be left without an engine"):
        planned(replace(converged(9), containers=2), state="absent")


def test_conflicting_packages_are_named():
    host = replace(BARE[8], rpms={"podman": "0 4.9 1.el8", "runc": "0 1.1 1.el8"})
    with pytest.raises(OperationError, match="podman, runc: installed, and cannot live beside Docker CE"):
        planned(host, version=PIN[8])


def test_conflicting_packages_stay_while_their_containers_run():
    host = replace(BARE[8], rpms={"podman": "0 4.9 1.el8"}, containers=2)
    with pytest.raises(OperationError, match="podman: 2 running containers would stop when"):
        planned(host, version=PIN[8], conflicts="remove")
    planned(host, version=PIN[8], conflicts="remove", allow_restart=True)


def test_a_flag_and_a_key_for_the_same_thing_are_refused():
    host = converged(9)
    host.dropins = ["/etc/systemd/system/docker.service.d/mine.conf"]
    host.flags = "-H fd:// --log-driver=journald"
    with pytest.raises(OperationError, match=r"log-driver: also a flag in ExecStart .*mine\.conf"):
        planned(host, version=PIN[9], users=["ada"])


DROPINS = "/etc/systemd/system/docker.service.d"
HOSTS = ["fd://", "unix:///run/other.sock"]


@pytest.mark.parametrize("fresh", [True, False])
def test_h49_a_dropin_that_would_override_our_listeners_is_refused_in_the_plan(fresh):
    admin = f"{DROPINS}/zz-admin.conf"
    text = "[Service]\nExecStart=\n# -H unix:///run/other.sock\nExecStart=/usr/bin/dockerd -H fd://\n"
    known = {} if fresh else {"dropins": [admin]}
    host = replace(BARE[9] if fresh else converged(9), entries={DROPINS: ["zz-admin.conf"]}, **known)
    host.files = {**host.files, admin: text}
    refusal = (
        rf"docker_hosts: unix:///run/other\.sock is overridden by ExecStart in {admin}; take it out there"
    )
    with pytest.raises(OperationError, match=refusal):
        planned(host, version=PIN[9], hosts=HOSTS)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("admin.conf", "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd -H fd://\n"),
        ("zz-admin.conf", "[Service]\nLimitNOFILE=65536\n"),
        ("zz-admin.conf", f"[Service]\nExecStart=\nExecStart=/usr/bin/dockerd -H {' -H '.join(HOSTS)}\n"),
    ],
)
def test_a_dropin_that_leaves_our_listeners_stays(name, text):
    host = replace(converged(9), entries={DROPINS: [name]}, dropins=[f"{DROPINS}/{name}"])
    host.files[f"{DROPINS}/{name}"] = text
    planned(host, version=PIN[9], hosts=HOSTS)


def test_owning_the_file_names_what_it_would_drop():
    host = converged(9)
    host.files["/etc/docker/daemon.json"] = '{"dns": ["192.0.2.53"]}'
    with pytest.raises(OperationError, match="keys that are not elforge's: dns"):
        planned(host, version=PIN[9], users=["ada"], daemon_merge=False)
    steps = planned(host, version=PIN[9], users=["ada"], daemon_merge=False, daemon_replace=True).files
    assert "dns" not in json.loads(steps["/etc/docker/daemon.json"])


def test_a_setting_that_is_no_longer_wanted_goes_and_an_admins_stays():
    host = converged(9, debug=True)
    settings = json.loads(host.files["/etc/docker/daemon.json"])
    host.files["/etc/docker/daemon.json"] = json.dumps({**settings, "dns": ["192.0.2.53"]})
    after = json.loads(planned(host, version=PIN[9], users=["ada"]).files["/etc/docker/daemon.json"])
    assert "debug" not in after
    assert after["dns"] == ["192.0.2.53"]


def test_what_a_look_at_a_converged_host_costs():
    """A question is one SSH exec, asked for the plan and again for the run. Lower it here when it sinks."""
    assert planned(converged(9), version=PIN[9], users=["ada"]).asked == 25
