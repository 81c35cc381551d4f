"""Deepgram's own client against the simulator."""
import json
import sys

from deepgram import DeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.environment import DeepgramClientEnvironment

given = json.load(sys.stdin)
url = given["url"]
environment = DeepgramClientEnvironment(base=url, production=url, agent=url, agent_rest=url)
media = DeepgramClient(api_key="any key", environment=environment).listen.v1.media

answer = media.transcribe_file(
    request=bytes(given["wav"]), model="nova-3", multichannel=True, utterances=True, smart_format=True
)
try:
    media.transcribe_file(request=b"no audio")
    error = None
except ApiError as refused:
    error = [refused.status_code, dict(refused.body)["err_code"]]

channels = [channel.alternatives[0] for channel in answer.results.channels]
json.dump(
    {
        "channels": [alternative.transcript for alternative in channels],
        "words": sum(len(alternative.words) for alternative in channels),
        "utterances": " ".join(one.transcript for one in answer.results.utterances),
        "duration": answer.metadata.duration,
        "arch": [info["arch"] for info in answer.metadata.model_info.values()],
        "error": error,
    },
    sys.stdout,
)
