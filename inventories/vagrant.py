"""The machines of the Vagrantfile: `vagrant up`, then `pyinfra inventories/vagrant.py deploy.py`."""

docker_hosts = ["@vagrant/el7", "@vagrant/el8", "@vagrant/el9"]
go_hosts = (docker_hosts, {"go_versions": ["1.27.0"]})
