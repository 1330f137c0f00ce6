"""Whether the answers that a client got are those that the OpenAPI document allows.

    python conform.py OPENAPI.json ANSWERS.ndjson

An answer is {"method", "path", "status", "body"}; the path begins after `/api`. One line a promise: {"promise", "failed"?}.
"""

import json
import re
import sys

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

ROOT = "urn:openapi"


def operations(document):
    """Method, pattern of the path, and the answers, those without parameters first: `/x/validation` before `/x/{id}`."""
    found = []
    for path, item in document["paths"].items():
        pattern = re.compile("^" + re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(path)) + "$")
        found += [(path.count("{"), verb.upper(), pattern, path, what) for verb, what in item.items()]
    return sorted(found, key=lambda one: one[0])


def absolute(schema):
    """A schema of the document, on its own: its references begin at the document."""
    return {"$ref": f"{ROOT}#/{schema}"}


def main():
    document = json.load(open(sys.argv[1], encoding="utf-8"))
    registry = Registry().with_resource(ROOT, Resource(contents=document, specification=DRAFT202012))
    table = operations(document)
    met, faults = set(), {}
    for line in open(sys.argv[2], encoding="utf-8"):
        answer = json.loads(line)
        path = answer["path"].split("?")[0]
        name = f'{answer["method"]} {path}'
        row = next((row for row in table if row[1] == answer["method"] and row[2].match(path)), None)
        if row is None:
            if answer["status"] != 404:
                faults.setdefault(name, f'was answered {answer["status"]}, and is not in the document')
            continue
        _, verb, _, template, what = row
        name = f'{verb} {template} {answer["status"]}'
        met.add((verb, template))
        if str(answer["status"]) not in what["responses"]:
            faults.setdefault(name, "is not among the statuses of the document")
            continue
        place = "/".join(
            part.replace("~", "~0").replace("/", "~1")
            for part in ["paths", template, verb.lower(), "responses", str(answer["status"]), "content", "application/json", "schema"]
        ).replace("{", "%7B").replace("}", "%7D")
        error = next(Draft202012Validator(absolute(place), registry=registry).iter_errors(answer["body"]), None)
        if error is not None:
            faults.setdefault(name, f"{error.json_path}: {error.message[:300]}")
    print(json.dumps({"promise": f"the answers to {len(met)} operations fit the document", "failed": None if met and not faults else "; ".join(f"{k}: {v}" for k, v in faults.items()) or "none came"}))


main()
