"""Train a small network on the CPU; the same seed gives the same network."""

import argparse
import json
import os
import shutil
import subprocess

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def log_metric(name: str, value: float, step: int) -> None:
    if "PROJ_RUN_ID" in os.environ and shutil.which("proj"):
        subprocess.run(["proj", "log", "metric", f"{name}={value}", "--step", str(step)], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    images, digits = load_digits(return_X_y=True)
    parts = train_test_split(images / 16.0, digits, test_size=0.25, random_state=options.seed)
    train_x, test_x = (torch.tensor(part, dtype=torch.float32) for part in parts[:2])
    train_y, test_y = (torch.tensor(part) for part in parts[2:])

    model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=options.lr)
    accuracy = 0.0
    for epoch in range(options.epochs):
        for start in range(0, len(train_x), 32):
            loss = torch.nn.functional.cross_entropy(model(train_x[start : start + 32]), train_y[start : start + 32])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        accuracy = float((model(test_x).argmax(1) == test_y).float().mean())
        print(f"epoch {epoch}: loss {float(loss):.4f}, accuracy {accuracy:.4f}")
        log_metric("accuracy", accuracy, epoch)

    os.makedirs("outputs", exist_ok=True)
    torch.save(model.state_dict(), "outputs/model.pt")
    with open("outputs/metrics.json", "w", encoding="utf-8") as file:
        json.dump({"accuracy": accuracy}, file)


if __name__ == "__main__":
    main()
