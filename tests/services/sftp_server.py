"""An SFTP server on loopback for tests: python sftp_server.py HOME. Prints its port; ends with its stdin."""

import asyncio
import os
import sys

import asyncssh


async def main(home: str) -> None:
    """Makes the client's key, and tells the client the server's."""
    folder = os.path.join(home, ".ssh")
    os.makedirs(folder, exist_ok=True)
    host, client = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    client.write_private_key(os.path.join(folder, "id_ed25519"))
    os.chmod(os.path.join(folder, "id_ed25519"), 0o600)
    client.write_public_key(os.path.join(folder, "authorized_keys"))
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[host],
        authorized_client_keys=os.path.join(folder, "authorized_keys"),
        sftp_factory=True,
    )
    port = server.get_port()
    with open(os.path.join(folder, "known_hosts"), "w", encoding="ascii") as file:
        file.write(f"[127.0.0.1]:{port} {host.export_public_key().decode()}")
    print(port, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)


asyncio.run(main(sys.argv[1]))
