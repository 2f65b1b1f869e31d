"""A program: a hub of one model on this machine, asked by the hub's own client, then taken away. Prints what came."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

REPO, COMMIT = "tester/tiny", "0123456789abcdef0123456789abcdef01234567"
FOLDER = Path(sys.argv[1])
ASKED: list[str] = []


class Hub(BaseHTTPRequestHandler):
    """As much of huggingface.co as a download asks for."""

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        ASKED.append(self.path)
        path = FOLDER / self.path.rpartition("/")[2]
        found = self.path.startswith(f"/{REPO}/resolve/") and path.is_file()
        body = path.read_bytes() if found else b"{}"
        self.send_response(200 if found else 404)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{len(body)}-{path.name}"')
        self.send_header("Content-Length", str(len(body)))
        if not found:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


def load() -> list[object]:
    from transformers import AutoModel

    from fairkd.engine.loading import load_config, load_pretrained, load_tokenizer

    config = load_config(REPO)
    model, _ = load_pretrained(AutoModel, REPO, config, new={"pooler"})
    return [len(load_tokenizer(REPO)), config.hidden_size, sum(p.sum().item() for p in model.encoder.parameters())]


if __name__ == "__main__":
    import os

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ["HF_ENDPOINT"] = f"http://127.0.0.1:{server.server_port}"
    first, downloads = load(), len(ASKED)
    server.shutdown()
    server.server_close()
    from fairkd.engine import hub

    hub._why.cache_clear()
    print(json.dumps({"first": first, "asked": downloads, "again": load(), "why": hub.why_unreachable()}))
