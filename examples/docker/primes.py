"""Count the primes up to a limit. The container needs no package to log: the record speaks plain HTTP."""

import json
import os
import sys
import time
import urllib.request


def count_primes(limit: int) -> int:
    sieve = bytearray([1]) * (limit + 1)
    sieve[:2] = b"\0\0"
    for number in range(2, int(limit**0.5) + 1):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(range(number * number, limit + 1, number)))
    return sum(sieve)


def log_metric(name: str, value: float) -> None:
    """https://mlflow.org/docs/latest/rest-api.html#log-metric"""
    body = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": name, "value": value, "timestamp": int(time.time() * 1000)}
    headers = {
        "Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}",
        "Content-Type": "application/json",
    }
    address = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric"
    urllib.request.urlopen(urllib.request.Request(address, json.dumps(body).encode(), headers)).close()


def main() -> None:
    limit = int(sys.argv[1])
    found = count_primes(limit)
    print(f"{found} primes up to {limit}")
    with open("primes.json", "w", encoding="utf-8") as file:
        json.dump({"limit": limit, "primes": found}, file)
    if "MLFLOW_RUN_ID" in os.environ:
        log_metric("primes", found)


if __name__ == "__main__":
    main()
