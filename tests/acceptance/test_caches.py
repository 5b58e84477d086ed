"""Caches and the journal: directories of their owners, what is in memory mounted, limits in force."""

from pure.sizes import in_bytes


def test_every_cache_is_its_owners_directory(host, caches):
    for name, each in caches.places.items():
        directory = host.file(each.path)
        assert directory.is_directory, name
        assert (directory.user, f"{directory.mode:o}") == (each.owner, each.mode)


def test_what_is_to_be_in_memory_is(host, caches):
    for name, each in caches.places.items():
        filesystem = host.check_output("stat -f -c %%T %s", each.path)
        assert (filesystem == "tmpfs") == (each.tmpfs is not None), name


def test_every_limit_has_a_timer_that_has_not_failed(host, caches):
    stems = [f"elforge-cache-{name}" for name, each in caches.places.items() if each.limited]
    for stem in stems + (["elforge-buildkit"] if caches.buildkit else []):
        timer = host.service(f"{stem}.timer")
        assert timer.is_running, stem
        assert timer.is_enabled, stem
        assert not host.run("systemctl is-failed --quiet %s", f"{stem}.service").succeeded, stem


def test_journals_are_on_disk_and_within_their_bounds(host, journald):
    used = host.check_output("du -sk /var/log/journal /run/log/journal 2>/dev/null | cut -f 1; true").split()
    assert (host.run("ls /var/log/journal/*/system.journal").succeeded) == (journald.storage == "persistent")
    if journald.max_use:
        assert sum(map(int, used)) * 1024 <= in_bytes(journald.max_use)
