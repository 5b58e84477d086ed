"""Services: what runs is the declared release, as its own user, and what must not be read is not."""

import re

import pytest


def units(name, app):
    return [f"{name}@{each}" for each in app.instances] or [name]


def test_every_service_runs_the_declared_release_as_its_user(host, service):
    for name, app in service.apps.items():
        for unit in units(name, app) if app.state == "present" else []:
            found = host.service(unit)
            assert found.is_running, unit
            assert found.is_enabled, unit
            pid = host.check_output("systemctl show -p MainPID %s", unit).partition("=")[2]
            program = host.check_output("readlink /proc/%s/exe", pid)
            assert program == f"/opt/{name}/releases/{app.version}/bin/{name}"
            assert host.process.get(pid=int(pid)).user == (app.user or name)


def test_every_probe_answers(host, service):
    for name, app in service.apps.items():
        for instance in app.instances or [""] if app.probe else []:
            url = app.probe.replace("{instance}", instance)
            if url.startswith("tcp://"):
                address, _, port = url.removeprefix("tcp://").rpartition(":")
                asked = host.run(f"timeout 5 bash -c ': </dev/tcp/{address}/{port}'")
            else:
                asked = host.run("curl -q -fsS -m 5 --noproxy '*' %s", url)
            assert asked.rc == 0, (name, url, asked.stderr)


def test_what_is_strict_is_little_exposed(host, service):
    if host.run("systemd-analyze --help | grep -qw security").rc != 0:
        pytest.skip("this systemd has no systemd-analyze security")
    # Capabilities that somebody declares cost what they cost.
    apps = {
        name: app
        for name, app in service.apps.items()
        if app.state == "present" and app.hardening == "strict" and not app.capabilities
    }
    if not apps:
        pytest.skip("no service is declared strict and without capabilities")
    for unit in [unit for name, app in apps.items() for unit in units(name, app)]:
        said = host.check_output("systemd-analyze security --no-pager %s.service", unit)
        (score,) = re.findall(r"Overall exposure level for .*: ([0-9.]+)", said)
        assert 0 < float(score) < 3, (unit, score)


def test_secrets_are_roots(host, service):
    for name, app in service.apps.items():
        if app.state == "present":
            file = host.file(f"/etc/elforge/service/{name}.env")
            assert (file.mode, file.user) == (0o600, "root")


def test_what_was_declared_absent_is(host, service):
    for name, app in service.apps.items():
        if app.state == "absent":
            assert not host.file(f"/opt/{name}/releases").exists
            assert not host.file(f"/etc/systemd/system/{name}.service").exists
