"""The engine's own example loop (vosk-api, test_simple.py): load, feed 4,000 frames at a time, take the words.

`python -m bench.own_loop MODEL`: each line of stdin is a file of 8 kHz slin; the answer is a line when it is decoded.
It has the same low priority as our worker (nice), so that both lose alike on a busy machine.
"""

import os
import sys

from vosk import KaldiRecognizer, Model, SetLogLevel

SetLogLevel(-1)
os.nice(15)
model = Model(sys.argv[1])
for name in sys.stdin:
    recogniser = KaldiRecognizer(model, 8000)
    recogniser.SetWords(True)
    results = []
    with open(name.strip(), "rb") as audio:  # noqa: PTH123  (as the example does)
        while data := audio.read(8000):
            if recogniser.AcceptWaveform(data):
                results.append(recogniser.Result())
    results.append(recogniser.FinalResult())
    print(len(results), flush=True)
