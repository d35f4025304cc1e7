"""What schemathesis must know of Canopy: values of the custom scalars, ids that are there, and what a failure is.

Its own check takes every error of a resolver for a failure of the server, "there is no such account" included. Here a
failure is what Canopy says is one: a 5xx, an error INTERNAL, an error without a code, or a body that is not GraphQL's.
"""

import base64
import datetime
import json
import os

import schemathesis
from hypothesis import strategies as st
from schemathesis.graphql import nodes

# Ids by kind, so that each kind comes as often as another.
with open(os.environ["SCHEMATHESIS_IDS"], encoding="utf-8") as file:
    IDS = [ids for ids in json.load(file).values() if ids]

TODAY = datetime.datetime.fromisoformat(os.environ["SCHEMATHESIS_TODAY"])

text = st.text(max_size=24).map(nodes.String)
real_id = st.sampled_from(IDS).flatmap(st.sampled_from).map(nodes.String)
near = st.datetimes(
    min_value=TODAY - datetime.timedelta(days=40), max_value=TODAY + datetime.timedelta(days=2)
).map(lambda moment: nodes.String(f"{moment.isoformat()}Z"))
decimal = st.decimals(allow_nan=False, allow_infinity=False, places=6).map(lambda value: nodes.String(str(value)))
encoded = st.binary(max_size=64).map(lambda value: nodes.String(base64.b64encode(value).decode()))

# Most values are right, so that a request gets past the front door; the rest of them are anything.
for name, strategy in {
    "ID": st.one_of(real_id, real_id, real_id, text),
    "DateTime": st.one_of(near, near, near, text),
    "Decimal": st.one_of(decimal, st.integers().map(nodes.Int), text),
    "Base64": st.one_of(encoded, text),
    "JSON": text,
    "Upload": text,
}.items():
    schemathesis.graphql.scalar(name, strategy)


@schemathesis.check
def no_server_error(ctx, response, case):
    assert response.status_code < 500, f"{response.status_code}: {response.text}"
    result = response.json()
    assert result.keys() <= {"data", "errors", "extensions"} and result, response.text
    for error in result.get("errors", []):
        assert error["extensions"]["code"] != "INTERNAL", json.dumps(error)
