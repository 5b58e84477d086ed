"""pyinfra that says on stderr how many commands it has sent: run in place of ``-m pyinfra``."""

import atexit
import sys

from gevent import monkey

monkey.patch_all()

from pyinfra.connectors.ssh import SSHConnector  # noqa: E402
from pyinfra_cli.main import main  # noqa: E402

run, sent = SSHConnector.run_shell_command, []


def counting(self, command, *args, **kwargs):
    sent.append(command)
    return run(self, command, *args, **kwargs)


SSHConnector.run_shell_command = counting
atexit.register(lambda: print(f"commands sent: {len(sent)}", file=sys.stderr))
sys.argv[0] = "pyinfra"
main()
