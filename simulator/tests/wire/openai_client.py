"""OpenAI's own client against the simulator."""
import json
import sys

from openai import AuthenticationError, OpenAI

given = json.load(sys.stdin)
client = OpenAI(api_key="sk-test", base_url=given["url"], max_retries=0)
wav = ("audio.wav", bytes(given["wav"]))


def transcribe(client, **options):
    return client.audio.transcriptions.create(model="whisper-1", file=wav, **options)


verbose = transcribe(client, response_format="verbose_json", timestamp_granularities=["segment", "word"])
try:
    transcribe(OpenAI(api_key="wrong", base_url=given["url"], max_retries=0))
    error = None
except AuthenticationError as refused:
    error = [refused.status_code, refused.code]

json.dump(
    {
        "json": transcribe(client).text,
        "text": transcribe(client, response_format="text").strip(),
        "segments": "".join(segment.text for segment in verbose.segments).strip(),
        "words": len(verbose.words),
        "language": verbose.language,
        "models": [model.id for model in client.models.list()],
        "error": error,
    },
    sys.stdout,
)
