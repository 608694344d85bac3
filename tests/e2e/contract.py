"""A validator for the part of JSON Schema that api/openapi.yaml uses, and the document itself. What the validator does not know is an error, so that
the document cannot quietly outgrow it."""
import datetime

import yaml
from conftest import ROOT

SPEC = yaml.safe_load((ROOT / "api/openapi.yaml").read_text())
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
KNOWN = {"type", "properties", "additionalProperties", "required", "items", "enum", "oneOf", "minimum", "maximum", "minLength", "maxLength", "format",
         "description", "default", "$ref"}


# What the front of the API answers for every operation, listed there or not.
FOR_ALL = {"401": {"$ref": "#/components/responses/Unauthenticated"}, "403": {"$ref": "#/components/responses/Denied"},
           "429": {"$ref": "#/components/responses/RateLimited"}}


def resolve(node):
    while "$ref" in node:
        found = SPEC
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def has_type(value, name):
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def check_object(schema, value, where):
    properties = schema.get("properties", {})
    assert not properties or schema.get("additionalProperties") is False, f"{where}: the schema leaves additional properties open"
    if schema.get("additionalProperties") is False:
        assert not value.keys() - properties.keys(), f"{where}: undocumented {sorted(value.keys() - properties.keys())}"
    for name in schema.get("required", []):
        assert name in value, f"{where}: '{name}' is missing"
    for name, item in value.items():
        if name in properties:
            check(properties[name], item, f"{where}.{name}")


def check(schema, value, where="body"):
    """Fails with the place in the body when @value is not what @schema says."""
    schema = resolve(schema)
    assert not schema.keys() - KNOWN, f"{where}: the validator does not know {sorted(schema.keys() - KNOWN)}"
    if "oneOf" in schema:
        fitting = 0
        for one in schema["oneOf"]:
            try:
                check(one, value, where)
                fitting += 1
            except AssertionError as error:
                last = error
        assert fitting == 1, f"{where}: fits {fitting} of oneOf; {last}"
        return
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    assert not types or any(has_type(value, name) for name in types), f"{where}: {value!r} is no {types}"
    assert "enum" not in schema or value in schema["enum"], f"{where}: {value!r} is none of {schema['enum']}"
    if isinstance(value, str):
        assert schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)), where
        if schema.get("format") == "date-time":
            datetime.datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ")
    elif isinstance(value, int) and not isinstance(value, bool):
        assert schema.get("minimum", value) <= value <= schema.get("maximum", value), f"{where}: {value}"
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            check(schema["items"], item, f"{where}[{index}]")
    elif isinstance(value, dict):
        check_object(schema, value, where)


def roles():
    """{(method, path): least role}."""
    return {(method.upper(), path): operation["x-role"] for path, methods in SPEC["paths"].items() for method, operation in methods.items()}


def operations():
    """{(method, path): {status: {content type: schema}}}."""
    found = {}
    for path, methods in SPEC["paths"].items():
        for method, operation in methods.items():
            answers = {int(status): {kind: content["schema"] for kind, content in resolve(answer)["content"].items()}
                       for status, answer in {**operation["responses"], **FOR_ALL}.items()}
            found[method.upper(), path] = answers
    return found
