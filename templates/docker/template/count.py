"""Count the words of a text."""

import collections
import json
import os
import sys

counts = collections.Counter(sys.argv[1].split())
os.makedirs("outputs", exist_ok=True)
with open("outputs/words.json", "w", encoding="utf-8") as file:
    json.dump(dict(sorted(counts.items())), file)
for word, count in counts.most_common():
    print(count, word)
