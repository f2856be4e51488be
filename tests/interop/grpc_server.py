"""Optuna's storage proxy before a database: grpc_server.py DATABASE_URL PORT"""

import sys

from optuna.storages import get_storage, run_grpc_proxy_server


def main() -> None:
    url, port = sys.argv[1:]
    run_grpc_proxy_server(get_storage(url), host="127.0.0.1", port=int(port))


if __name__ == "__main__":
    main()
