"""What the stand-in for a kubelet answers over HTTPS: the logs of its pods, for `kubectl logs`."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from infra.proof.control_plane.credentials import self_signed
from infra.proof.control_plane.network import ADDRESS
from infra.proof.control_plane.pod_process import Host


def serve(host: Host, port: int) -> None:
    """Answer `/containerLogs/NAMESPACE/POD/CONTAINER`, in a thread, for as long as this process lives."""
    folder = host.folder / "pki"
    self_signed(folder, "kubelet", "worker-1", f"subjectAltName=IP:{ADDRESS}")
    server = ThreadingHTTPServer((ADDRESS, port), _handler(host))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "kubelet.crt", folder / "kubelet.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def _handler(host: Host) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            parts = url.path.strip("/").split("/")
            log = host.log(Path(parts[2]).name) if len(parts) == 4 and parts[0] == "containerLogs" else None
            if log is None or not log.is_file():
                self.send_error(404)
                return
            lines = log.read_bytes().splitlines(keepends=True)
            tail = parse_qs(url.query).get("tailLines")
            body = b"".join(lines[max(0, len(lines) - int(tail[0])) :] if tail else lines)
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Requests are not logged."""

    return Handler
