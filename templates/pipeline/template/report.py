"""What was found, as Markdown."""

import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    curve = json.load(file)
terms = " + ".join(f"{value:.3f} x^{power}" for power, value in enumerate(curve["coefficients"]))
with open(sys.argv[2], "w", encoding="utf-8") as file:
    file.write(f"# The curve\n\n    y = {terms}\n\nRoot mean square error: {curve['rmse']:.4f}\n")
print(f"y = {terms}")
