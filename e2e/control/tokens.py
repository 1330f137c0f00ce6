"""Hooks of Schemathesis: each request with the next of several tokens, so that no rate limit is what is tested.

DOMICILE_TOKENS: the tokens, with commas between them. DOMICILE_STATUSES: a file for how often each status was answered, as JSON.
"""

import atexit
import collections
import itertools
import json
import os

import schemathesis

tokens = itertools.cycle(os.environ["DOMICILE_TOKENS"].split(","))
statuses = collections.Counter()


@schemathesis.auth(refresh_interval=None)
class NextToken:
    def get(self, case, context):
        return next(tokens)

    def set(self, case, data, context):
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}


@schemathesis.hook
def after_call(context, case, response):
    statuses[str(response.status_code)] += 1


@atexit.register
def write():
    with open(os.environ["DOMICILE_STATUSES"], "w", encoding="utf-8") as file:
        json.dump(dict(statuses), file)
