"""The models of forms in the Prefect UI. PostgreSQL does not keep the order of keys: the UI uses `position`."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from pagemill.orchestration.deploy.parameters import DeployParameters
from pagemill.orchestration.uploads.parameters import WatchParameters
from pagemill.wiring.parameters import OcrBatchParameters


@pytest.mark.parametrize("parameters", [OcrBatchParameters, DeployParameters, WatchParameters])
def test_the_fields_of_a_form_have_positions_in_order_and_descriptions(
    parameters: type[BaseModel],
) -> None:
    properties = parameters.model_json_schema()["properties"]

    assert [field["position"] for field in properties.values()] == list(range(len(properties)))
    assert all(field["description"] for field in properties.values())
    assert all(field.get("title") or field["$ref"] for field in properties.values())  # an enum's is its class's name
