"""Sends odd events by Segment's Python SDK and prints, one JSON object a line, what it sent.

    python client.py HOST KEY RUN [--gzip]
"""

import json
import sys
from datetime import datetime, timezone
from pathlib import Path

from segment.analytics.client import Client

host, key, run = sys.argv[1:4]
odd = json.loads((Path(__file__).parent.parent / "odd.json").read_text("utf-8"))
failures = []
client = Client(key, host=host, gzip="--gzip" in sys.argv, on_error=lambda error, batch: failures.append(error))
count = 0


def send(call, **fields):
    """One event; Python's own names on the way in, the protocol's names on the line that is printed."""
    global count
    fields = {"message_id": f"{run}-{count}", "user_id": f"{run}-user", **fields}
    count += 1
    queued, _ = getattr(client, call)(**fields)
    if not queued:
        sys.exit("the SDK's queue is full")
    names = {"message_id": "messageId", "user_id": "userId", "anonymous_id": "anonymousId",
             "group_id": "groupId", "previous_id": "previousId"}
    sent = {names.get(name, name): value for name, value in fields.items() if value is not None}
    print(json.dumps({"type": call, **sent}, default=lambda moment: moment.isoformat()))


for name, value in odd.items():
    send("track", event=f"Odd: {name}", properties={"name": name, "value": value})
send("identify", traits=odd, anonymous_id=f"{run}-anonymous")
send("page", name="Odd ☃", category="e2e", properties=odd)
send("screen", name="Odd ☃", category="e2e", properties=odd)
send("group", group_id=f"{run}-group", traits=odd)
send("alias", previous_id=f"{run}-before")
send("track", user_id=None, anonymous_id=f"{run}-anonymous", event="No user", properties={})
send("track", event="Own address", properties={}, context={"ip": "203.0.113.7"})
send("track", event="Whole numbers without end", properties={"n": 2**70, "negative": -(2**70)})
send("track", event="Date", properties={"at": datetime(2026, 2, 28, 23, 59, 59, 999000, tzinfo=timezone.utc)})
send("track", event="Big", properties={"text": "x" * 20_000})
for n in range(300):
    send("track", event="Many", properties={"n": n})

client.flush()
client.join()
if failures:
    sys.exit(f"not delivered: {failures[0]}")
