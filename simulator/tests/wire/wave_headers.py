"""WAV files in; channels, rate, sample width and frames of each out, as Python's wave module reads them."""
import io
import json
import sys
import wave

seen = []
for wav in json.load(sys.stdin)["wavs"]:
    with wave.open(io.BytesIO(bytes(wav))) as reader:
        seen.append([reader.getnchannels(), reader.getframerate(), reader.getsampwidth(), reader.getnframes()])
        assert len(reader.readframes(reader.getnframes())) == reader.getnframes() * reader.getnchannels() * 2
json.dump(seen, sys.stdout)
