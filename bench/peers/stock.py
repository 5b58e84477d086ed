"""The end state of bench/inventory.py by pyinfra's own operations."""

from pyinfra import host
from pyinfra.facts.files import File
from pyinfra.operations import dnf, files, server, systemd
from pyinfra.operations.util import any_changed

data = host.data
toolchain = f"/usr/local/go-toolchains/go{data.go_version}"
docker_key = "/etc/pki/rpm-gpg/RPM-GPG-KEY-docker"
archive = "/usr/local/src/go.tar.gz"
links = {
    f"{toolchain}/go.env": "/etc/elforge/go.env",
    "/usr/local/go": toolchain,
    "/usr/bin/go": "/usr/local/go/bin/go",
    "/usr/bin/gofmt": "/usr/local/go/bin/gofmt",
}

for repository in host.loop(["centos.repo", "centos-addons.repo"]):
    files.template(
        name=f"Point {repository} at the mirror",
        src=f"templates/{repository}.j2",
        dest=f"/etc/yum.repos.d/{repository}",
        mode="644",
        mirror_url=data.mirror_url,
    )
files.download(
    name="Keep Docker's key",
    src=f"{data.docker_url}/gpg",
    dest=docker_key,
    sha256sum=data.docker_key_sha256,
    mode="644",
)
dnf.repo(
    name="Add Docker's repository",
    src="elforge-docker-ce",
    description="Docker CE stable",
    baseurl=f"{data.docker_url}/9/$basearch/stable",
    gpgkey=f"file://{docker_key}",
)
dnf.packages(
    name="Install packages",
    packages=[
        *("firewalld", "docker-ce", "docker-ce-cli", "containerd.io"),
        *("docker-buildx-plugin", "docker-compose-plugin", "gcc"),
    ],
)

opened = [
    files.put(
        name=f"Write {path}", src=f"files/{path.split('/')[1]}", dest=f"/etc/firewalld/{path}", mode="644"
    )
    for path in host.loop(["services/shop.xml", "zones/public.xml"])
]
systemd.service(
    name="Reload firewalld", service="firewalld", running=None, reloaded=True, _if=any_changed(*opened)
)
systemd.service(name="Run firewalld", service="firewalld", enabled=True)

configured = files.put(
    name="Configure Docker", src="files/daemon.json", dest="/etc/docker/daemon.json", mode="600"
)
systemd.service(name="Restart Docker", service="docker", restarted=True, _if=configured.did_change)
systemd.service(name="Run Docker", service="docker", enabled=True)
for user in host.loop(data.docker_users):
    server.user(
        name=f"Let {user} reach the socket", user=user, groups=["docker"], append=True, ensure_home=False
    )

if not host.get_fact(File, path=f"{toolchain}/VERSION"):
    files.directory(name="Make the toolchain's directory", path=toolchain)
    files.download(name="Download Go", src=data.go_url, dest=archive, sha256sum=data.go_sha256)
    # files.unarchive wants what is downloaded to be there when the plan is made.
    server.shell(
        name="Unpack Go",
        commands=[f"tar -xzf {archive} -C {toolchain} --no-same-owner --strip-components=1", f"rm {archive}"],
    )
files.put(name="Write go.env", src="files/go.env", dest="/etc/elforge/go.env", mode="644")
files.put(
    name="Write the PATH of login shells",
    src="files/elforge-go.sh",
    dest="/etc/profile.d/elforge-go.sh",
    mode="644",
)
for path in host.loop(list(links)):
    files.link(name=f"Link {path}", path=path, target=links[path], force=True, force_backup=False)
