"""Transcribes standard input with OpenAI's own library, at the URL given; prints what it reads as JSON.

Arguments: the base URL, the API key, and the library's options as JSON.
"""

import json
import sys

from openai import OpenAI

url, key, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
client = OpenAI(base_url=url, api_key=key, max_retries=0)
audio = ("recording.wav", sys.stdin.buffer.read(), "audio/wav")
heard = client.audio.transcriptions.create(file=audio, **options)
print(json.dumps({
    "duration_seconds": heard.duration,
    "language": heard.language,
    "text": heard.text,
    "segments": [{"start": said.start, "end": said.end, "text": said.text} for said in heard.segments],
    "words": [{"start": word.start, "end": word.end, "word": word.word} for word in heard.words],
}))
