"""Transcribes standard input with Deepgram's own library, at the URL given; prints the utterances it reads as JSON.

Arguments: the server's URL, the API key, and the library's options as JSON.
"""

import json
import sys

from deepgram import DeepgramClient
from deepgram.environment import DeepgramClientEnvironment

url, key, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
environment = DeepgramClientEnvironment(base=url, production=url, agent=url, agent_rest=url)
client = DeepgramClient(api_key=key, environment=environment)
heard = client.listen.v1.media.transcribe_file(request=sys.stdin.buffer.read(), **options)
print(json.dumps({
    "duration_seconds": heard.metadata.duration,
    "language": heard.results.channels[0].detected_language,
    "utterances": [
        {
            "start": said.start,
            "end": said.end,
            "channel": said.channel,
            "confidence": said.confidence,
            "text": said.transcript,
            "words": [
                {"start": word.start, "end": word.end, "word": word.punctuated_word, "confidence": word.confidence}
                for word in said.words
            ],
        }
        for said in heard.results.utterances
    ],
}))
