"""Writes what comes on the standard input as a recording of a terminal (asciicast v2), with the times at which it came."""

import codecs
import json
import os
import sys
import time

# No pause is longer in the recording: who watches it waits for nothing.
LONGEST = 2.0


def main() -> None:
    path, columns, rows = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    header = {"version": 2, "width": columns, "height": rows, "title": "quarterdeck: scale a server"}
    with open(path, "w", encoding="utf-8") as out:
        out.write(json.dumps(header) + "\n")
        last, shown = time.monotonic(), 0.0
        while data := os.read(0, 65536):
            now = time.monotonic()
            shown, last = shown + min(now - last, LONGEST), now
            out.write(json.dumps([round(shown, 3), "o", decoder.decode(data)], ensure_ascii=False) + "\n")
            out.flush()


if __name__ == "__main__":
    main()
