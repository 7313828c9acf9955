#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Validates documents against docs/plan.schema.json.

usage: validate.py SCHEMA PROGRAM...

Each PROGRAM prints JSON documents. In front of each stands a line that names the part of the
schema: "# plan" for all of it, otherwise the name of a definition. The schema lets readers meet
members that are newer than it is; here none may be undocumented. Documents that are wrong on
purpose show that the schema refuses something.
"""
import copy
import json
import subprocess
import sys

import jsonschema


def strict(schema):
    """The schema without room for members that it does not describe."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    result = {}
    for name, each in schema.items():
        result[name] = strict(each)
        # Members of a larger object: the larger one is closed.
        if name.endswith("Members"):
            result[name].pop("unevaluatedProperties", None)
    if schema.get("type") == "object" and "properties" in schema:
        result["unevaluatedProperties"] = False
    return result


def documents(program):
    output = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    part = None
    lines = []
    for line in output.splitlines() + ["# end"]:
        if line.startswith("# "):
            if part is not None:
                yield part, json.loads("\n".join(lines))
            part, lines = line[2:], []
        else:
            lines.append(line)


def mutations(plan):
    """Plans that are wrong, each in one place."""
    def changed(*path, to):
        result = copy.deepcopy(plan)
        inside = result
        for step in path[:-1]:
            inside = inside[step]
        if to is None:
            del inside[path[-1]]
        else:
            inside[path[-1]] = to
        return ".".join(map(str, path)), result

    yield changed("schema", to=1)
    yield changed("heaps", to=None)
    yield changed("heaps", 0, "kind", to="swap")
    yield changed("heaps", 0, "verdict", to="maybe")
    yield changed("heaps", 0, "name", to=None)
    yield changed("heaps", 0, "surprise", to=1)
    yield changed("heaps", 0, "below_by", to="luck")
    yield changed("layout", "planes", 0, "stride", to=-1)
    yield changed("layout", "modifier_value", to="LINEAR")
    yield changed("request", "width", to=1 << 32)
    yield changed("preferences", "fall_back", to="yes")
    yield changed("constraints", "cached", to=True)


def main(path, *programs):
    with open(path, encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    closed = strict(schema)

    def validator(part):
        rule = closed if part == "plan" else {"$ref": f"#/$defs/{part}", "$defs": closed["$defs"]}
        return jsonschema.Draft202012Validator(rule)

    counts = {}
    wrong = 0
    served = None
    for program in programs:
        for part, document in documents(program):
            counts[part] = counts.get(part, 0) + 1
            for error in validator(part).iter_errors(document):
                wrong += 1
                print(f"{program}: {part} {counts[part]}: {error.json_path}: {error.message[:300]}")
            if part == "plan" and document["chosen"] is not None:
                served = document
    print(", ".join(f"{count} of {part}" for part, count in sorted(counts.items())), "validated")
    if served is None or counts["plan"] < 5:
        print("there are too few plans to say anything")
        return 1
    for where, mutation in mutations(served):
        if validator("plan").is_valid(mutation):
            wrong += 1
            print(f"a plan with a wrong {where} is valid")
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: validate.py SCHEMA PROGRAM...")
    sys.exit(main(*sys.argv[1:]))
